"""The command line against a real daemon, as a person and a script meet it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli.kit import Ended, Munjigi
from running import ROOT, Daemon, free_port, serving

from munjigi.cli.main import run

FIRST = (
    "check",
    "crm.member",
    "--fields",
    "name,phone",
    "--purpose",
    "inquiry",
    "--case",
    "CS-2026-000123",
    "--member",
    "1000001",
)


@pytest.fixture(scope="module")
def policies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A policy home of the test's own, to be broken and mended."""
    home = tmp_path_factory.mktemp("policies")
    home.chmod(0o700)
    for path in (ROOT / "policies").rglob("*"):
        if path.is_file():
            copy = home / path.relative_to(ROOT / "policies")
            copy.parent.mkdir(mode=0o700, exist_ok=True)
            copy.write_bytes(path.read_bytes())
            copy.chmod(0o600)
    return home


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory, policies: Path) -> Iterator[Daemon]:
    with serving(
        tmp_path_factory.mktemp("cli") / "var", MUNJIGI_POLICY_WATCH_SECONDS="0", MUNJIGI_POLICY_HOME=str(policies)
    ) as running:
        yield running


@pytest.fixture
def munjigi(daemon: Daemon, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Munjigi:
    for name in ("MUNJIGI_STATE_DIR", "MUNJIGI_GRPC_ADDRESS", "MUNJIGI_HTTP_ADDRESS", "MUNJIGI_POLICY_HOME"):
        monkeypatch.setenv(name, daemon.environment[name])
    monkeypatch.delenv("MUNJIGI_TOKEN", raising=False)

    def ask(*arguments: str) -> Ended:
        capsys.readouterr()
        code = run(arguments)
        return Ended(code, *capsys.readouterr())

    return ask


def test_the_first_line_of_the_tour(munjigi: Munjigi):
    ended = munjigi(*FIRST, "--as", "cs.kim", "--output", "json")
    assert ended.code == 0
    answer = ended.json
    assert answer["decision"] == "DECISION_ALLOW"
    assert [field["name"] for field in answer["fields"]] == ["name", "phone"]
    assert answer["decision_id"] == f"{answer['record']['log_id']}-{answer['record']['index']}"
    assert munjigi(*FIRST, "--as", "cs.kim").out.startswith("ALLOW  GRANTED")


def test_a_denial_exits_3_with_help(munjigi: Munjigi):
    ended = munjigi(*FIRST, "--as", "new.oh")
    assert ended.code == 3
    assert ended.out.startswith("DENY  NO_GRANT")
    assert "cs.lee" in ended.out
    assert ended.err == ""


def test_each_flag_reaches_the_core(munjigi: Munjigi):
    ask = ("check", "crm.member", "--purpose", "inquiry", "--case", "CS-2026-000123", "--as", "cs.kim", "--output", "json")
    assert munjigi(*ask, "--fields", "name").json["reason"] == "SUBJECTS_REQUIRED"
    assert munjigi(*ask, "--fields", "name", "--probe").json["valid_until"] == "0"
    assert munjigi(*ask, "--fields", "name", "--subject-count", "2").json["obligations"][-1]["limit"] == 2
    assert munjigi(*ask, "--member", "1000001").code == 3  # all columns, the resident number too
    assert munjigi(*ask, "--member", "1000001", "--allow-partial").code == 0
    assert munjigi(*ask, "--member", "1000001", "--fields", "name", "--action", "delete").code == 3
    observed = munjigi(*ask, "--member", "1000001", "--fields", "name", "--observe", "--request-id", "try-1").json
    found = munjigi("audit", "search", "--decision-id", observed["decision_id"], "--output", "json").json["records"]
    assert (found[0]["content"]["observe"], found[0]["content"]["request_id"]) == (True, "try-1")


def test_p5_a_telephone_number_as_case_is_refused_and_not_repeated(munjigi: Munjigi):
    ended = munjigi(
        "check", "crm.member", "--purpose", "inquiry", "--case", "010-1234-5678", "--member", "1000001", "--as", "cs.kim"
    )
    assert ended.code == 2
    assert "CASE_ID_INVALID" in ended.err
    assert "1234-5678" not in ended.err
    assert len(ended.err.splitlines()) == 2


def test_who_i_am(munjigi: Munjigi):
    nobody = munjigi("whoami", "--output", "json").json
    assert (nobody["employee"], nobody["tool"]) == ("local.operator", "munjigi-cli")
    kim = munjigi("whoami", "--as", "cs.kim", "--tool", "crm-desk", "--output", "json").json
    assert (kim["employee"], kim["tool"], kim["grants"][0]["role"]) == ("cs.kim", "crm-desk", "cs_agent")
    assert "cs_agent" in munjigi("whoami", "--as", "cs.kim").out
    assert "No grant in force" in munjigi("whoami", "--as", "new.oh").out


def test_a_token_of_the_environment_speaks_for_its_employee(munjigi: Munjigi, daemon: Daemon, monkeypatch: pytest.MonkeyPatch):
    from munjigi.adapters.identity.local_issuer import mint_employee

    monkeypatch.setenv("MUNJIGI_TOKEN", mint_employee(daemon.state_dir, "cs.lee", "munjigi-cli"))
    assert munjigi("whoami", "--output", "json").json["employee"] == "cs.lee"
    assert munjigi("whoami", "--as", "cs.kim", "--output", "json").json["employee"] == "cs.kim"
    monkeypatch.setenv("MUNJIGI_TOKEN", "not.a.token")
    refused = munjigi("whoami")
    assert refused.code == 1
    assert "not.a.token" not in refused.err
    assert len(refused.err.splitlines()) == 2


def test_what_i_can_do(munjigi: Munjigi):
    lines = munjigi("what-can", "--as", "cs.kim", "--output", "ndjson").out.splitlines()
    objects = {json.loads(line)["object"] for line in lines}
    assert "crm.member.name" in objects
    assert "crm.member.resident_number" not in objects
    assert "crm.member.name" in munjigi("what-can", "--as", "cs.kim").out
    assert "nothing now" in munjigi("what-can", "--as", "dba.jung").out


def test_why_who_and_what(munjigi: Munjigi):
    ask = ("crm.member", "--fields", "name,resident_number", "--purpose", "inquiry", "--case", "CS-2026-000123")
    answer = munjigi("check", *ask, "--member", "1000001", "--as", "cs.kim", "--output", "json").json
    why = munjigi("explain", answer["decision_id"], "--as", "dpo.yoon", "--output", "json").json
    assert (why["reason"], why["employee"]) == ("RULE_DENIES", "cs.kim")
    assert [each["combination"] for each in why["fields"]] == ["MOST_REVEALING_ALLOW", "DENY_OVERRIDES"]
    shown = munjigi("explain", answer["decision_id"], "--as", "cs.kim")  # one's own
    assert shown.code == 0
    for part in ("DENY  RULE_DENIES", "class:identity.unique", "a deny wins over all", "DECIDES", answer["decision_id"]):
        assert part in shown.out
    mine = munjigi("explain", *ask, "--as", "new.oh")
    assert "role cs_agent for inquiry would allow it (NO_GRANT); ask cs.lee" in mine.out
    theirs = munjigi("explain", *ask, "--employee", "cs.kim", "--through", "crm-desk", "--as", "dpo.yoon", "-o", "json").json
    assert (theirs["employee"], theirs["tool"], theirs["decision_id"]) == ("cs.kim", "crm-desk", "")
    for about in ((*ask, "--employee", "cs.kim"), (answer["decision_id"],)):
        assert munjigi("explain", *about).code == 3  # the operator reads the trail, and no grants
    assert munjigi("explain", "crm.member").code == 2
    assert munjigi("explain", answer["decision_id"], "--as", "mkt.park").code == 3
    assert munjigi("explain", answer["decision_id"] + "999999999", "--as", "dpo.yoon").code == 1
    who = ("who-can", "crm.member", "--fields", "phone", "--purpose", "inquiry")
    people = munjigi(*who, "--as", "dpo.yoon", "--output", "ndjson").out.splitlines()
    assert [json.loads(line)["employee"] for line in people] == ["cs.kim", "cs.lee"]
    shown = munjigi(*who, "--as", "dpo.yoon").out
    assert "g.cs.lee.cs_manager > cs_manager" in shown
    assert "phone partial" in shown
    assert "1 shown, more with --limit" in munjigi(*who, "--limit", "1", "--as", "dpo.yoon").out
    nobody = munjigi("who-can", "crm.member", "--fields", "resident_number", "--purpose", "inquiry", "--as", "dpo.yoon")
    assert "Nobody may do this now" in nobody.out
    early = munjigi(*who, "--at", "2020-01-01", "--as", "dpo.yoon")
    assert (early.code, "HISTORY_NOT_KEPT" in early.err) == (1, True)
    assert munjigi(*who, "--as", "cs.kim").code == 3
    others = munjigi("what-can", "--employee", "cs.kim", "--through", "crm-desk", "--at", "0s", "--as", "dpo.yoon")
    assert "cs.kim through crm-desk may at" in others.out


def test_grants(munjigi: Munjigi):
    everyone = munjigi("grant", "list", "--everyone", "--as", "dpo.yoon", "--output", "json").json["grants"]
    assert {"cs.kim", "cs.lee", "sec.han"} <= {grant["employee"] for grant in everyone}
    own = munjigi("grant", "list", "--as", "cs.kim", "--output", "ndjson").out.splitlines()
    assert [json.loads(line)["employee"] for line in own] == ["cs.kim"]
    assert "cs_agent" in munjigi("grant", "list", "--employee", "cs.kim", "--as", "dpo.yoon").out
    denied = munjigi("grant", "list", "--everyone", "--as", "cs.kim")
    assert denied.code == 3
    assert "recorded as" in denied.err


def test_the_demo_is_in_the_trail(munjigi: Munjigi):
    ended = munjigi("demo", "--count", "120", "--output", "json")
    assert ended.code == 0, ended.out
    total = ended.json["total"]
    assert total["decisions"] == 120
    assert total["errors"] == 0
    assert min(total["allowed"], total["denied"], total["confirmed"]) > 0
    records = munjigi("audit", "search", "--since", "10m", "--limit", "2500", "--output", "ndjson").out.splitlines()
    confirmed = sum(json.loads(line)["event_type"] == "access.confirm" for line in records)
    assert confirmed >= total["confirmed"]
    assert "ALLOW" in munjigi("demo", "--count", "3").out


def test_search_follows_pages_up_to_the_limit(munjigi: Munjigi):
    munjigi("demo", "--count", "40")
    found = munjigi("audit", "search", "--limit", "7", "--output", "json").json
    assert len(found["records"]) == 7
    assert found["next_page_token"]
    table = munjigi("audit", "search", "--limit", "7").out
    assert "7 shown" in table
    assert "there are more" in table
    assert "No record matches." in munjigi("audit", "search", "--employee", "nobody").out


def test_p6_search_by_member_finds_the_access_without_its_serial(munjigi: Munjigi):
    answer = munjigi(*FIRST[:-1], "1000777", "--as", "cs.kim", "--output", "json").json
    found = munjigi("audit", "search", "--member", "1000777", "--as", "dpo.yoon", "--output", "json")
    assert [record["id"] for record in found.json["records"]] == [answer["decision_id"]]
    assert "1000777" not in found.out


def test_search_needs_the_right(munjigi: Munjigi):
    assert munjigi("audit", "search", "--as", "cs.kim").code == 3


def test_verify_while_it_is_written(munjigi: Munjigi):
    ended = munjigi("audit", "verify", "--output", "json")
    assert ended.code == 0
    assert ended.json["intact"] is True


def test_doctor_knows_a_running_munjigi(munjigi: Munjigi):
    ended = munjigi("doctor", "--output", "json")
    found = {each["check"]: each for each in ended.json["findings"]}
    assert "Munjigi answers" in found["gRPC address"]["found"]
    assert ended.json["failed"] == 0


def test_a_bad_policy_changes_nothing_and_a_good_one_decides(munjigi: Munjigi, policies: Path):
    csv = policies / "policy.csv"
    good = csv.read_text()
    before = munjigi("policy", "status", "--as", "sec.han", "--output", "json").json["policy_revision"]
    try:
        csv.write_text(good + "p, cs_agent, crm.member.nothing, read\n")
        linted = munjigi("policy", "lint", str(policies))
        assert linted.code == 1
        line = len(good.splitlines()) + 1
        assert f"{csv}:{line}:" in linted.out
        refused = munjigi("policy", "reload", "--as", "sec.han")
        assert refused.code == 1
        assert f"policy.csv:{line}:" in refused.out
        status = munjigi("policy", "status", "--as", "sec.han")
        assert "\nThe policy home on disk was refused; the policy above still decides:" in status.out
        assert "u000a" not in status.out
        assert before in status.out
        trail = munjigi("audit", "search", "--event-type", "policy.load", "--as", "dpo.yoon")
        assert f"policy.csv:{line}:" in trail.out
        assert "u000a" not in trail.out
        csv.write_text(good + "# one more line\n")
        assert munjigi("policy", "reload", "--as", "sec.han", "--output", "json").json["changed"] is True
        assert "Nothing changed" in munjigi("policy", "reload", "--as", "sec.han").out
    finally:
        csv.write_text(good)
        munjigi("policy", "reload", "--as", "sec.han")


def test_policy_files_without_a_server(munjigi: Munjigi):
    linted = munjigi("policy", "lint", "--output", "json")
    assert linted.code == 0, linted.out
    assert linted.json["tests_failed"] == 0
    assert linted.json["tests_run"] >= 40
    tested = munjigi("policy", "test")
    assert tested.code == 0
    assert "0 failed" in tested.out


def test_p10_a_second_daemon_on_the_same_state_folder_is_refused(munjigi: Munjigi):
    ended = munjigi(
        "serve", "--grpc-address", f"127.0.0.1:{free_port()}", "--http-address", f"127.0.0.1:{free_port()}", "--no-sample"
    )
    assert ended.code == 1
    assert "MUNJIGI_STATE_DIR" in ended.err
    assert len(ended.err.splitlines()) == 2


def test_mutual_tls_as_init_prints_it(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch):
    state = tmp_path / "var"
    assert run(["init", "--tls", "--state-dir", str(state)]) == 0
    tls = state / "tls"
    options = {"MUNJIGI_TLS_CERTIFICATE": "server.crt", "MUNJIGI_TLS_KEY": "server.key", "MUNJIGI_TLS_CLIENT_AUTHORITY": "ca.crt"}
    with serving(state, **{name: str(tls / file) for name, file in options.items()}) as daemon:
        base = ["whoami", "--as", "cs.kim", "--state-dir", str(state), "--grpc-address", daemon.grpc_address, "--output", "json"]
        mine = ["--cert", str(tls / "tool-munjigi-cli.crt"), "--key", str(tls / "tool-munjigi-cli.key")]
        capsys.readouterr()
        assert run([*base, "--ca", str(tls / "ca.crt"), *mine]) == 0
        assert json.loads(capsys.readouterr().out)["tool"] == "munjigi-cli"
        assert run(base) == 6
        assert "--ca" in capsys.readouterr().err
