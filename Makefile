# `make` lists the targets. Everything runs in .venv, which `make setup` makes from uv.lock.
.DEFAULT_GOAL := help
.PHONY: help setup run test test-matrix lint format proto proto-image dashboards bench bench-large torture oracle wheels clean
BIN := .venv/bin
# Rooms whose coverage has a floor: the tests run them in their own process; monitoring and the servers run in children.
FLOOR := server/munjigi/kernel/*,server/munjigi/audit/*,server/munjigi/policy/*,server/munjigi/decision/*,server/munjigi/grants/*

# Tests wait most of the time, for processes that start and stop.
SIDE_BY_SIDE ?= 3

# What ships to and searches a cluster without accounts; the others are about accounts, TLS and what stands between.
UNSECURED := $(addprefix tests/elastic/test_,shipping.py search.py reconcile.py usage.py daemon.py daemon_search.py)

# What asks daemons only, wherever their state is.
STATELESS := $(addprefix tests/e2e/test_,revocation.py people.py workers.py scim.py)

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## make .venv and install exactly what uv.lock says
	@.ci/setup

run: setup ## set up, then serve the sample company in the foreground (gRPC 127.0.0.1:7443, HTTP 127.0.0.1:9464)
	@exec $(BIN)/munjigi serve

test: setup lint ## lint, then the whole suite with coverage, and at its side the quick tests on another Python
	@.ci/test-other-pythons one $(BIN)/python -m pytest --cov --cov-report=term:skip-covered $(if $(PYTEST_ARGS),$(PYTEST_ARGS),-n $(SIDE_BY_SIDE) --dist loadfile)
	@[ -n "$(PYTEST_ARGS)" ] || $(BIN)/python -m coverage report --format=total --fail-under=94 --include="$(FLOOR)" >/dev/null || \
		{ echo "Branch coverage of the domain rooms fell below 94 %: test what was added there."; exit 1; }

test-matrix: setup ## the quick tests on every other installed Python; the tests of other servers: Elasticsearch 9.2 (needs a Java 21 or newer), 8.19 without accounts and TLS, PostgreSQL 15 with TLS, daemons on PostgreSQL
	@failed=0; \
	.ci/test-other-pythons all || failed=1; \
	MUNJIGI_TEST_ELASTICSEARCH_VERSION=9.2.4 $(BIN)/python -m pytest tests/elastic $(PYTEST_ARGS) || failed=1; \
	MUNJIGI_TEST_ELASTICSEARCH_SECURE=0 $(BIN)/python -m pytest $(UNSECURED) $(PYTEST_ARGS) || failed=1; \
	MUNJIGI_TEST_POSTGRESQL=15 $(BIN)/python -m pytest tests/grants/test_state_postgresql.py tests/backup/test_state_in_postgresql.py tests/e2e/test_state_postgresql.py $(PYTEST_ARGS) || failed=1; \
	MUNJIGI_TEST_STATE=postgresql $(BIN)/python -m pytest $(STATELESS) $(PYTEST_ARGS) || failed=1; \
	exit $$failed

lint: setup ## ruff, mypy --strict, the doors between rooms, buf, generated stubs
	@.ci/lint

format: setup ## rewrite the layout of Python files
	@$(BIN)/ruff format --quiet . && $(BIN)/ruff check --quiet --fix .

proto: setup ## regenerate the Python stubs from proto/
	@$(BIN)/python proto/generate.py

dashboards: setup ## write deploy/grafana/dashboards from deploy/grafana/source
	@$(BIN)/python deploy/grafana/source

proto-image: setup ## with a release: make today's proto files what `buf breaking` compares with
	@cd proto && ../$(BIN)/buf build --exclude-source-info -o buf.image.binpb

bench: setup ## print the table of measured ratios
	@PYTHONPATH=tests $(BIN)/python -m bench $(BENCH_ARGS) # servers are started as the tests start them

bench-large: setup ## the search index with ten million records, about fifteen minutes and 11 GB
	@folder=$$(mktemp -d) && $(BIN)/python -m bench.search $$folder 10000000; rm -rf $$folder

torture: setup ## 1,100 kills, 15,000 crashes replayed, tampering by a hundred seeds, a thousand clean runs: about an hour
	@$(BIN)/python -m pytest -m torture $(PYTEST_ARGS)

ORACLE_SECONDS ?= 300
ORACLE_SEED ?= 0
oracle: setup ## compare with pycasbin for ORACLE_SECONDS (300), going on at ORACLE_SEED; prints the cases done
	@HYPOTHESIS_PROFILE=oracle $(BIN)/python -m pytest tests/policy tests/decision -k oracle $(PYTEST_ARGS)
	@PYTHONPATH=tests/casbin $(BIN)/python -m oracle --seconds $(ORACLE_SECONDS) --seed $(ORACLE_SEED)

wheels: setup ## build both distributions into dist/
	@.ci/uv build --quiet --all-packages --wheel --out-dir dist && ls dist/*.whl

clean: ## remove environments, caches and built files (not ./var, which holds your records)
	@rm -rf .venv .venv-3.* .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage htmlcov dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
