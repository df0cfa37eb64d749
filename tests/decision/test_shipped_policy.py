"""The shipped policy home, compiled: its own tables, the oracle over its columns, what-can and help."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from pathlib import Path

import pytest
from decision.builders import KIM, NOW, ask, grant, person, snapshot
from decision.oracle import Answer, links, naive

from munjigi.decision.core import decide
from munjigi.decision.explain import explain
from munjigi.decision.options import access_options
from munjigi.decision.tables import evaluate_case
from munjigi.decision.types import Effect
from munjigi.decision.whatcan import what_can
from munjigi.policy.compile import compile_bundle
from munjigi.policy.tables import run_tables
from munjigi.policy.types import Context

HOME = Path(__file__).parents[2] / "policies"
CASE = "CS-2026-000123"
EVERYTHING = person("pledge", "training", "device")
INSIDE = "10.20.1.1"


@pytest.fixture(scope="module")
def bundle():
    files = {path.relative_to(HOME).as_posix(): path.read_bytes() for path in HOME.rglob("*") if path.is_file()}
    compiled, problems = compile_bundle(files, "test")
    assert compiled is not None, problems
    return compiled


def test_p4_its_tables_pass_with_the_core(bundle):
    failures, run = run_tables(bundle, evaluate_case)
    assert failures == ()
    assert run >= 40


def test_every_answer_is_the_matchers(bundle):
    below = {(path.path[-2], path.role) for ways in bundle.closure.values() for path in ways[1:]}
    allowed = 0
    for role, purpose, table in itertools.product(bundle.roles, bundle.purposes, bundle.catalog.tables.values()):
        held = grant("g1", role, purpose)
        shot = snapshot(bundle, held, people=[EVERYTHING])
        for action in ("read", "export", "reveal"):
            case = bundle.purposes[purpose].case_example
            request = ask(resource=table.name, action=action, purpose=purpose, tool="munjigi-cli", case_id=case, ip=INSIDE)
            context = Context(INSIDE, NOW, "employee", "service", device=True, tool="munjigi-cli")
            for field in decide(shot, request, NOW).fields:
                target = f"{table.name}.{field.name}"
                rules = [
                    rule
                    for rule in bundle.rules
                    if rule.condition is None or rule.condition("cs.kim", target, action, purpose, context)
                ]
                expected = naive(rules, below, bundle, links(bundle, [held], target, request, NOW), target, request)
                mask = "clear" if field.effect is Effect.CLEAR else field.mask
                assert Answer(field.effect is not Effect.DENIED, mask) == expected, (role, purpose, action, field)
                allowed += expected.allow
    assert allowed > 50


def test_the_first_line_of_the_tour_is_allowed_with_masks(bundle):
    shot = snapshot(bundle, grant("g1", "cs_agent"), people=[EVERYTHING])
    decision = decide(shot, ask("name", "phone", tool="crm-desk", case_id=CASE), NOW)
    assert decision.allow
    assert [(field.name, field.mask, field.grants) for field in decision.fields] == [
        ("name", "partial", ("g1",)),
        ("phone", "partial", ("g1",)),
    ]
    assert decision.role_path == ("g1", "cs_agent")
    assert re.fullmatch(r"policy\.csv:\d+", decision.rule)


def test_someone_without_a_grant_is_told_whom_to_ask(bundle):
    decision = decide(snapshot(bundle), ask("name", "phone", tool="crm-desk", case_id=CASE), NOW)
    assert (decision.allow, decision.reason) == (False, "NO_GRANT")
    command = "munjigi request cs_agent --purpose inquiry --days 90 --reason WHY"
    line = f"You need role `cs_agent` for purpose `inquiry` (customer-service only); its owners decide: cs.lee. Ask: {command}"
    assert line in decision.help.splitlines()


def test_what_can_lists_only_what_the_core_allows(bundle):
    for role, purpose, tool in (
        ("cs_agent", "inquiry", "crm-desk"),
        ("cs_manager", "inquiry", "crm-desk"),
        ("privacy_officer", "oversight", "munjigi-cli"),
        ("fraud_analyst", "fraud_investigation", "fraud-console"),
    ):
        shot = snapshot(bundle, grant("g1", role, purpose), people=[EVERYTHING])
        case = bundle.purposes[purpose].case_example
        listed = what_can(shot, KIM, tool, NOW)
        assert listed
        for each in listed:
            resource, _, column = each.object.rpartition(".")
            shape = (
                {"resource": resource, "fields": (column,)}
                if resource in bundle.catalog.tables
                else {"resource": each.object, "fields": ()}
            )
            request = ask(action=each.action, purpose=each.purpose, tool=tool, case_id=case, ip=INSIDE)._replace(**shape)
            decision = decide(shot, request, NOW)
            assert decision.allow, each
            assert (decision.fields[0].effect, decision.fields[0].mask) == (each.effect, each.mask)


def test_what_repairs_a_denial_is_offered_to_whose_department_may_hold_it(bundle):
    question = ask("name", "phone", tool="crm-desk", case_id=CASE)
    for department, offered, missed in (
        ("customer-service", ["cs_agent", "cs_manager"], "NO_GRANT"),
        ("marketing", [], "ROLE_NOT_FOR_DEPARTMENT"),
    ):
        shot = snapshot(bundle, people=[replace(EVERYTHING, department=department)])
        decision = decide(shot, question, NOW)
        options = access_options(shot, question, decision, NOW)
        assert [each.role for each in options] == offered
        assert all(
            f"munjigi request {each.role} --purpose {each.purpose} --days {each.days}" in decision.help for each in options
        )
        assert {each.reason for each in explain(shot, question, NOW).fields[0].nearest} == {missed}
    assert access_options(snapshot(bundle), question, decide(snapshot(bundle), question, NOW), NOW) == ()  # whoever is not known
    here = replace(EVERYTHING, department="customer-service")
    held = snapshot(bundle, grant("g1", "cs_agent"), people=[here])
    more = question._replace(fields=("birth_date", "resident_number"))
    for asked in (question, more):  # allowed; denied by a rule
        assert access_options(held, asked, decide(held, asked, NOW), NOW) == ()
    away = replace(here, facts=())
    lacking = snapshot(bundle, grant("g1", "cs_agent"), people=[away])
    assert access_options(lacking, question, decide(lacking, question, NOW), NOW) == ()  # the role is held: training is not
    fraud = ask("name", purpose="fraud_investigation", tool="fraud-console", case_id="FR-2026-0042")
    shot = snapshot(bundle, people=[replace(EVERYTHING, department="fraud")])
    (option,) = access_options(shot, fraud, decide(shot, fraud, NOW), NOW)
    assert (option.role, option.case_example, option.owners) == ("fraud_analyst", "FR-2026-0042", ("cs.lee",))
