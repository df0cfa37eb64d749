"""Rights on the command line of a real daemon: asked for by day, shown on one page, suspended, and taken while a read goes on."""

from __future__ import annotations

import csv
import io
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from cli.kit import Ended, Munjigi
from running import Daemon, serving

from doubles.wire import serving as wire
from munjigi.cli import session
from munjigi.cli.main import run
from munjigi.cli.options import Connection
from munjigi.kernel.clock import SECOND
from munjigi_client._proto.munjigi.v1 import decision_pb2

ASK = ("crm.member", "--fields", "name", "--purpose", "inquiry", "--case", "CS-2026-000123", "--member", "1000001")
DAY = 86_400 * SECOND


def day(ahead: int) -> str:
    return f"{datetime.fromtimestamp(time.time() + ahead * 86_400, ZoneInfo('Asia/Seoul')):%Y-%m-%d}"


def midnight(day: str) -> int:
    return int(datetime.fromisoformat(f"{day}T00:00+09:00").timestamp()) * SECOND


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with serving(tmp_path_factory.mktemp("rights") / "var") as running:
        yield running


@pytest.fixture
def munjigi(daemon: Daemon, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Munjigi:
    for name in ("MUNJIGI_STATE_DIR", "MUNJIGI_GRPC_ADDRESS"):
        monkeypatch.setenv(name, daemon.environment[name])
    for name in ("MUNJIGI_TOKEN", "MUNJIGI_ZONE"):
        monkeypatch.delenv(name, raising=False)

    def ask(who: str, *arguments: str, form: str = "json") -> Ended:
        capsys.readouterr()
        code = run((*arguments, "--as", who, "--output", form))
        return Ended(code, *capsys.readouterr())

    return ask


def given(munjigi: Munjigi, who: str, *period: str, role: str = "cs_agent", purpose: str = "inquiry") -> str:
    """Ask and have it approved; return the grant's id."""
    asked = munjigi(who, "request", role, "--purpose", purpose, *period, "--reason", "joins the desk").json["access_request"]
    done = munjigi("cs.lee", "approve", asked["access_request_id"], "--yes", "--reason", "the desk is short").json
    grant_id: str = done["grant"]["grant_id"]
    return grant_id


def joiner(munjigi: Munjigi, person: str, *accounts: str, department: str = "customer-service") -> None:
    named = [word for account in accounts for word in ("--account", account)]
    assert munjigi("dpo.yoon", "people", "event", "joiner", person, *named, "--department", department).code == 0
    for fact in ("pledge", "training"):
        made = munjigi("dpo.yoon", "people", "event", "fact", person, "--fact", fact, "--until", "2099-12-31")
        assert made.json["person"]["facts"][-1]["ends_at"] == str(
            int(datetime.fromisoformat("2100-01-01T00:00+09:00").timestamp()) * SECOND
        )


def test_days_are_the_zones_and_an_end_has_its_whole_day(munjigi: Munjigi) -> None:
    joiner(munjigi, "e.1", "cs.one")
    start, end = day(10), day(40)
    grant = munjigi("cs.one", "grant", "show", given(munjigi, "cs.one", "--from", start, "--until", end)).json["grant"]
    assert (int(grant["starts_at"]), int(grant["ends_at"])) == (midnight(start), midnight(end) + DAY)
    listed = munjigi("cs.one", "grant", "list", "--include-inactive", form="table").out
    assert f"from {start}" in listed
    assert f"to   {end}" in listed
    elsewhere = munjigi("cs.one", "grant", "show", grant["grant_id"], "--zone", "America/New_York", form="table").out
    assert "-05:00" in elsewhere or "-04:00" in elsewhere
    twice = munjigi(
        "cs.one",
        "request",
        "--renew",
        grant["grant_id"],
        "--until",
        "2026-11-01T01:30",
        "--zone",
        "America/New_York",
        "--reason",
        "x",
    )
    assert (twice.code, "comes twice" in twice.err, "2026-11-01T01:30:00-04:00" in twice.err) == (2, True, True)
    nowhere = munjigi("cs.one", "whoami", "--zone", "Mars/Olympus")
    assert (nowhere.code, "Asia/Seoul" in nowhere.err) == (2, True)


def test_requests_are_a_persons_whichever_account_asked_and_with_them_what_the_person_decides(munjigi: Munjigi) -> None:
    joiner(munjigi, "e.2", "cs.two", "cs.two.night")
    asked = [
        munjigi(who, "request", "cs_agent", "--purpose", "inquiry", "--days", "30", "--from", start, "--reason", "the desk").json
        for who, start in (("cs.two", day(9)),)
    ]
    other = munjigi("cs.two.night", "request", "cs_manager", "--purpose", "inquiry", "--days", "30", "--reason", "the night").json
    ids = {each["access_request"]["access_request_id"] for each in (*asked, other)}
    for who in ("cs.two", "cs.two.night"):
        assert {each["access_request_id"] for each in munjigi(who, "requests").json["access_requests"]} == ids
    joiner(munjigi, "e.3", "cs.three", "cs.three.two")
    assert munjigi("cs.lee", "delegate", "cs.three", "--until", day(20)).code == 0
    for who in ("cs.lee", "cs.three", "cs.three.two"):  # the owner, and a deputy with both accounts
        seen = {each["access_request_id"] for each in munjigi(who, "requests").json["access_requests"]}
        assert ids <= seen
        assert "Waiting for your decision" in munjigi(who, "requests", form="table").out
    assert munjigi("cs.three", "requests", "--state", "approved").json["access_requests"] == []
    voted = munjigi("cs.three.two", "deny", asked[0]["access_request"]["access_request_id"], "--reason", "not now").json
    assert voted["access_request"]["votes"][0]["on_behalf_of"] == "p.cs.lee"


def test_what_a_person_holds_is_that_of_all_accounts_and_so_is_the_ledger(munjigi: Munjigi) -> None:
    joiner(munjigi, "e.7", "cs.seven", "cs.seven.night")
    agent = given(munjigi, "cs.seven", "--days", "30")
    asked = munjigi(
        "cs.seven.night", "request", "cs_manager", "--purpose", "inquiry", "--days", "30", "--reason", "the night"
    ).json
    request = asked["access_request"]["access_request_id"]
    for who in ("cs.lee", "dpo.yoon"):
        decided = munjigi(who, "approve", request, "--yes", "--reason", "the night is long").json
    manager = decided["grant"]["grant_id"]

    def held(who: str, *options: str) -> list[str]:
        return [each["grant_id"] for each in munjigi(who, "grant", "list", *options).json["grants"]]

    assert (held("cs.seven"), held("cs.seven.night")) == ([agent], [manager])
    for who in ("cs.seven", "cs.seven.night", "dpo.yoon"):
        assert held(who, "--person", "e.7") == [agent, manager]
    assert held("dpo.yoon", "--person", "e.7", "--role", "cs_manager") == [manager]
    table = munjigi("cs.seven", "grant", "list", "--person", "e.7", form="table").out
    assert "cs.seven.night" in table
    shown = munjigi("cs.seven", "people", "show", form="table").out
    assert agent in shown
    assert manager in shown
    assert munjigi("cs.lee", "grant", "revoke", agent, "--reason", "the day is full").code == 0
    assert held("cs.seven", "--person", "e.7") == [manager]
    assert held("cs.seven", "--person", "e.7", "--include-inactive") == [agent, manager]
    # Whether there is such a person is for those to know who may read.
    for person in ("p.cs.lee", "e.none"):
        refused = munjigi("cs.kim", "grant", "list", "--person", person)
        assert (refused.code, person in refused.err) == (3, False)
    assert munjigi("dpo.yoon", "grant", "list", "--person", "e.none").code == 1
    for contradictory in (("--person", "e.7", "--everyone"), ("--person", "e.7", "--employee", "cs.seven")):
        assert munjigi("dpo.yoon", "grant", "list", *contradictory).code == 2

    deadline = time.monotonic() + 60
    while len(steps := munjigi("dpo.yoon", "grant", "ledger", "--person", "e.7").json["steps"]) < 8:
        assert time.monotonic() < deadline, steps
        time.sleep(0.05)
    assert [(each["event"], each["holder"]) for each in steps] == [
        ("request", "cs.seven"),
        ("approved", "cs.seven"),
        ("grant", "cs.seven"),
        ("request", "cs.seven.night"),
        ("vote", "cs.seven.night"),
        ("approved", "cs.seven.night"),
        ("grant", "cs.seven.night"),
        ("revoke", "cs.seven"),
    ]
    rows = list(csv.DictReader(io.StringIO(munjigi("dpo.yoon", "grant", "ledger", "--person", "e.7", "--csv").out)))
    assert [row["record"] for row in rows] == [each["record"] for each in steps]
    for wrong in ((), ("cs.seven", "--person", "e.7")):
        assert munjigi("dpo.yoon", "grant", "ledger", *wrong).code == 2


def test_one_grant_on_one_page(munjigi: Munjigi) -> None:
    joiner(munjigi, "e.4", "cs.four")
    grant_id = given(munjigi, "cs.four", "--days", "30")
    assert munjigi("cs.lee", "grant", "change", grant_id, "--until", day(20), "--reason", "until the feast").code == 0
    deadline = time.monotonic() + 60
    while len((page := munjigi("dpo.yoon", "grant", "show", grant_id).json)["steps"]) < 4:
        assert time.monotonic() < deadline, page
        time.sleep(0.05)
    assert [step["event"] for step in page["steps"]] == ["request", "approved", "grant", "change"]
    assert {step["registered by"] for step in page["steps"]} == {"cs.four", "cs.lee"}
    assert page["access_request"]["votes"][0]["employee"] == "cs.lee"
    shown = munjigi("dpo.yoon", "grant", "show", grant_id, form="table").out
    for line in ("role      cs_agent", "purpose   inquiry, PIA-2026-01", "asked by  cs.four on", "why       joins the desk"):
        assert line in shown
    assert "owner approved by cs.lee on" in shown
    assert f"{day(21)} 00:00:00.000+09:00" in shown
    rows = list(csv.DictReader(io.StringIO(munjigi("dpo.yoon", "grant", "show", grant_id, "--csv").out)))
    assert [(row["event"], row["grant"] or row["request"]) for row in rows][-1] == ("change", grant_id)
    assert all(row["record"] for row in rows)
    mine = munjigi("cs.four", "grant", "show", grant_id, form="table")
    assert (mine.code, "takes the right to read munjigi.audit" in mine.out, "joins the desk" in mine.out) == (0, True, True)
    assert munjigi("cs.lee", "grant", "show", grant_id).json["access_request"]["reason"] == "joins the desk"
    for who, code in (("mkt.park", 3), ("cs.kim", 3)):
        assert munjigi(who, "grant", "show", grant_id).code == code
    assert (munjigi("dpo.yoon", "grant", "show", "g-none").code, munjigi("cs.four", "grant", "show", "g-none").code) == (1, 3)
    assert munjigi("cs.four", "grant", "show", grant_id, "--csv").code == 3
    sample = munjigi("cs.kim", "grant", "show", "g.cs.kim.cs_agent", form="table").out
    assert "approved by  cs.lee" in sample


def test_a_grant_is_suspended_and_resumed_by_whom_it_may_be(munjigi: Munjigi) -> None:
    joiner(munjigi, "e.5", "cs.five", "cs.five.two")
    grant_id = given(munjigi, "cs.five", "--days", "30")
    assert munjigi("cs.five", "check", *ASK).code == 0
    on_grant = lambda who, step: munjigi(who, "grant", step, grant_id, "--reason", "another desk", form="table")  # noqa: E731
    assert on_grant("cs.kim", "suspend").code == 3
    done = on_grant("cs.lee", "suspend")
    assert (done.code, "suspended everywhere after" in done.out, "not in force: suspended, owner" in done.out) == (0, True, True)
    assert munjigi("cs.five", "check", *ASK).json["reason"] == "GRANT_SUSPENDED"
    assert on_grant("cs.lee", "suspend").code == 1
    for who in ("cs.five", "cs.five.two", "cs.kim"):
        assert on_grant(who, "resume").code == 3
    assert on_grant("cs.lee", "resume").code == 0
    assert munjigi("cs.five", "check", *ASK).code == 0
    assert on_grant("dpo.yoon", "suspend").code == 0
    assert on_grant("cs.lee", "resume").code == 3
    assert on_grant("dpo.yoon", "resume").code == 0
    deadline = time.monotonic() + 60
    kinds: list[str] = []
    while kinds.count("resume") < 2:
        assert time.monotonic() < deadline, kinds
        kinds = [step["event"] for step in munjigi("dpo.yoon", "grant", "show", grant_id).json["steps"]]
    assert kinds == ["request", "approved", "grant", "suspend", "resume", "suspend", "resume"]


def test_p8_a_read_that_goes_on_is_told_when_its_grant_is_revoked(daemon: Daemon, munjigi: Munjigi) -> None:
    joiner(munjigi, "e.6", "cs.six")
    grant_id = given(munjigi, "cs.six", "--days", "30")
    command = [sys.executable, "-m", "munjigi.cli.main", "check", *ASK, "--follow", "--every", "0.1", "--as", "cs.six"]
    names = ("MUNJIGI_STATE_DIR", "MUNJIGI_GRPC_ADDRESS")
    environment = os.environ | {name: daemon.environment[name] for name in names}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as follower:
        assert follower.stdout is not None
        said: queue.SimpleQueue[str] = queue.SimpleQueue()
        reader = threading.Thread(target=lambda lines: [said.put(line) for line in lines], args=(follower.stdout,))
        reader.start()
        try:
            first = said.get(timeout=60)
            assert "ALLOW  GRANTED  name masked partial; read 1 member at most" in first
            assert munjigi("cs.lee", "grant", "revoke", grant_id, "--reason", "the desk is full").code == 0
            assert "DENY" in said.get(timeout=30)
            assert follower.wait(30) == 3
        finally:
            follower.kill()
            reader.join()
    assert "stop reading" in said.get(timeout=1)
    records = munjigi("dpo.yoon", "audit", "search", "--employee", "cs.six", "--resource", "crm.member").json["records"]
    probes = [each["content"].get("probe", False) for each in records]
    assert probes.count(False) == 1  # one access, however often it was looked at again
    for wrong in ("--probe", "--observe"):
        assert munjigi("cs.six", "check", *ASK, "--follow", wrong).code == 2
    denied = munjigi("cs.six", "check", *ASK, "--follow", form="ndjson")
    assert (denied.code, denied.json["decision"], "Ask: munjigi request" in denied.json["help"]) == (3, "DECISION_DENY", True)


@pytest.mark.parametrize(("kept", "tokens"), [(240, 1), (-1, 2)])
def test_work_that_takes_longer_than_a_token_lives_goes_on_with_another(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch, kept: int, tokens: int
) -> None:
    monkeypatch.delenv("MUNJIGI_TOKEN", raising=False)
    monkeypatch.setattr(session, "_TAKEN_ANEW", kept)
    with (
        wire() as other,
        session.Session(
            Connection(other.target, daemon.state_dir, "cs.kim", "munjigi-cli", None, None, None, 10.0, verbose=False)
        ) as asking,
    ):
        for _ in range(2):
            asking.ask(decision_pb2.CheckRequest(resource="crm.member", purpose="inquiry"), decision_pb2.CheckResponse)
        assert len({each["authorization"] for each in other.metadata}) == tokens
        assert len({each["munjigi-tool-token"] for each in other.metadata}) == tokens
