"""A month's accesses are looked at on a real daemon: all exports and the sample, by the privacy office, with a result in the trail."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from e2e_asking import question
from running import Daemon, Stubs
from shifted import Shift, shifted

from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb

PATIENCE = 120.0  # seconds, on a busy machine
SEOUL = timedelta(hours=9)
READS, KIND, EXPORTER = 5, "access_records", "campaign-tool"


class House(NamedTuple):
    daemon: Daemon
    shift: Shift
    answered: dict[str, str]  # record ids, by what was done

    def command(self, *arguments: str, who: str = "dpo.yoon") -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "munjigi.cli.main", *arguments, "--as", who]
        return subprocess.run(line, env=self.daemon.environment, capture_output=True, text=True, check=False, timeout=180)

    def asked(self, *arguments: str, who: str = "dpo.yoon") -> Any:
        done = self.command(*arguments, "--output", "json", who=who)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


def until(true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.2)


def _to_the_tenth(months: int) -> int:
    """Return how many seconds it is to eleven o'clock on the tenth of a later month, in Seoul."""
    month = local = datetime.now(UTC) + SEOUL
    for _ in range(months):
        month = (month.replace(day=1) + timedelta(days=32)).replace(day=10, hour=11, minute=0, second=0, microsecond=0)
    return int((month - local).total_seconds())


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with shifted(tmp_path_factory.mktemp("looks") / "var") as (daemon, shift), daemon.channel() as channel:
        stubs, answered = Stubs(channel), {}
        shift.to(_to_the_tenth(1))
        for number in range(READS):
            answer = stubs.decision.Check(question(), metadata=shift.credentials(daemon))
            assert answer.decision == pb.DECISION_ALLOW
            answered[f"read {number}"] = answer.decision_id
        export = pb.CheckRequest(
            resource="crm.member_order", fields=["product"], action="export", purpose="marketing", subject_count=7
        )
        answer = stubs.decision.Check(export, metadata=shift.credentials(daemon, "mkt.park", EXPORTER))
        assert answer.decision == pb.DECISION_ALLOW, answer
        answered["export"] = answer.decision_id
        item = pb.ConfirmItem(decision_id=answer.decision_id, outcome=pb.READ_OUTCOME_READ, row_count=7)
        stubs.decision.ConfirmRead(pb.ConfirmReadRequest(items=[item]), metadata=shift.credentials(daemon, "mkt.park", EXPORTER))
        shift.to(_to_the_tenth(2))
        yield House(daemon, shift, answered)


def test_a_month_is_drawn_looked_at_closed_and_proved(house: House, tmp_path: Path):
    until(lambda: house.command("review", "plan", KIND, "--dry-run").returncode == 0, "use is counted up to the month's end")
    tried = house.asked("review", "plan", KIND, "--dry-run")["review"]
    planned = house.asked("review", "plan", KIND)["review"]
    assert tried["sample"]["seed"] == planned["sample"]["seed"]  # anybody may repeat the draw
    counts = {name: int(planned["sample"][name]) for name in ("exports", "others", "drawn")}
    assert counts == {"exports": 1, "others": READS, "drawn": READS}
    review_id = planned["review_id"]
    items = house.asked("review", "show", review_id)["items"]
    assert {each["access"]["record_id"] for each in items} == set(house.answered.values())
    (export,) = [each for each in items if each["rule"] == "EXPORT"]
    assert (export["employee"], export["access"]["action"], export["access"]["rows"]) == ("mkt.park", "export", "7")
    assert export["access"]["fields"] == ["product"]
    assert {tuple(each["reviewers"]) for each in items} == {("dpo.yoon",)}
    assert "1000001" not in json.dumps(items)
    number = str(export["number"])
    for who, wanted in (("mkt.park", ("--item", number)), ("cs.kim", ("--employee", "cs.kim"))):
        hidden = house.command("review", "show", review_id, *wanted, who=who)
        assert hidden.returncode == 3, hidden.stdout  # who is looked at does not learn what is thought of it
    own = house.command("review", "decide", review_id, "--item", number, "--ok", "--reason", "my own", who="mkt.park")
    assert own.returncode == 3, own.stderr
    house.asked("review", "decide", review_id, "--item", number, "--suspicious", "--reason", "no campaign asked for it")
    early = house.command("review", "apply", review_id, "--yes")
    assert early.returncode == 1
    assert "wait for somebody" in early.stderr
    house.asked("review", "decide", review_id, "--item", f"0-{READS}", "--ok", "--reason", "the case is theirs")
    closed = house.asked("review", "apply", review_id, "--yes")["review"]
    assert closed["state"] == "REVIEW_STATE_APPLIED"
    result = closed["result"]
    assert (result["ok"], result["suspicious"]) == (str(READS), "1")
    trail = house.command("audit", "search", "--event-type", "review.closed", "--output", "json").stdout
    assert result["digest"] in trail
    shown = house.command("review", "show", review_id).stdout
    assert "export crm.member_order" in shown
    made = house.command("report", "review", review_id, "--out", str(tmp_path))
    assert made.returncode == 0, made.stderr
    for name, word in (("review.ko.html", "접속기록 점검 보고서"), ("review.en.html", "Access records, looked at")):
        page = (tmp_path / name).read_text()
        assert word in page
        assert result["digest"] in page
        assert house.answered["export"] in page
    assert "1000001" not in (tmp_path / "review.en.html").read_text()
