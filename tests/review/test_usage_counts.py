"""What counts as use, and for whom (REVIEW R1, R2)."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from audit.support import START
from review.usage_kit import Installation, allowed, read

from munjigi.app.usage_counter import count_all
from munjigi.audit.records import FieldRecord
from munjigi.kernel.clock import SECOND
from munjigi.kernel.review import Permission
from munjigi.review.days import DAY

NAME = Permission("crm.member.name", "read")


@pytest.fixture
def made(tmp_path: Path):
    with closing(Installation(tmp_path / "state")) as made:
        yield made


def uses(made: Installation, *grants: str) -> dict[str, dict[Permission, int]]:
    with closing(made.counter()) as counter:
        count_all(counter)
    with closing(made.store()) as store:
        return {grant: {each.permission: each.uses for each in found} for grant, found in store.of(grants or ("g-1",)).items()}


@pytest.mark.parametrize(
    ("outcome", "changes", "counts"),
    [
        ("read", {}, True),
        ("failed", {}, False),
        ("abandoned", {}, False),
        ("", {}, False),
        ("read", {"probe": True}, False),
        ("read", {"observe": True}, False),
        ("read", {"own": True}, False),
        ("read", {"decision": "DENY", "reason": "NO_RULE"}, False),
        ("", {"tool": "munjigi-cli"}, True),
        ("read", {"tool": "munjigi-cli"}, True),
        ("", {"tool": "munjigi-cli", "probe": True}, False),
        ("", {"tool": "munjigi-cli", "observe": True}, False),
        ("", {"tool": "munjigi-cli", "decision": "DENY", "reason": "NO_RULE"}, False),
    ],
)
def test_r1_a_confirmed_read_renews_and_nothing_else(made: Installation, outcome: str, changes: dict[str, Any], counts: bool):
    (decision,) = made.write(allowed(START, "g-1", **changes))
    if outcome:
        made.write(read(decision, outcome=outcome, tool=changes.get("tool", "crm-desk")), at=START + SECOND)
    made.write(allowed(START + DAY), at=START + DAY)
    assert uses(made) == ({"g-1": {NAME: 1}} if counts else {})


def test_r1_a_tool_that_a_lost_policy_knew_is_taken_as_exempt_so_that_nobody_loses_a_right(made: Installation):
    made.write(allowed(START, "g-1", policy_revision="f" * 64))
    assert uses(made) == {"g-1": {NAME: 1}}


def test_r2_every_grant_that_would_have_allowed_is_credited_and_denied_fields_to_nobody(made: Installation):
    fields = (
        FieldRecord("name", "clear", "", "GRANTED", "policy.csv:1", ("g-1", "g-2")),
        FieldRecord("phone", "masked", "partial", "GRANTED", "policy.csv:2", ("g-2",)),
        FieldRecord("email", "denied", "", "NO_RULE", "", ()),
    )
    (decision,) = made.write(allowed(START, partial=True, fields=fields))
    made.write(read(decision))
    phone = Permission("crm.member.phone", "read")
    assert uses(made, "g-1", "g-2", "g-3") == {"g-1": {NAME: 1}, "g-2": {NAME: 1, phone: 1}}


def test_a_class_that_is_asked_for_itself_is_an_object_of_its_own(made: Installation):
    fields = (FieldRecord("class:contact", "clear", "", "GRANTED", "policy.csv:1", ("g-1",)),)
    (decision,) = made.write(allowed(START, resource="class:contact", fields=fields, action="export"))
    made.write(read(decision))
    assert uses(made) == {"g-1": {Permission("class:contact", "export"): 1}}


def test_first_last_days_and_members_are_those_of_the_decisions(made: Installation):
    members = [f"m1.01234567.{number:026d}" for number in range(3)]
    times = [START, START + 2 * DAY, START + 2 * DAY + SECOND, START + 5 * DAY]
    for number, at in enumerate(times):
        (decision,) = made.write(allowed(at, "g-1", members=(members[number % 2],)), at=at)
        made.write(read(decision, members=(members[2],) if number == 3 else ()), at=at + SECOND // 2)
    with closing(made.counter()) as counter:
        count_all(counter)
    with closing(made.store()) as store:
        ((use,),) = store.of(["g-1"]).values()
        assert (use.first_at, use.last_at, use.uses, use.members, use.days) == (times[0], times[3], 4, 3, 0b100101)
        assert store.last_used(["g-1", "g-2"]) == {"g-1": times[3]}


def test_days_are_those_of_the_zone_and_not_of_utc(made: Installation):
    midnight = START // DAY * DAY + 15 * 3600 * SECOND  # 00:00 in Seoul
    for at in (midnight - SECOND, midnight):
        (decision,) = made.write(allowed(at, "g-1"), at=at)
        made.write(read(decision), at=at)
    with closing(made.counter()) as counter:
        count_all(counter)
    with closing(made.store()) as store:
        ((use,),) = store.of(["g-1"]).values()
        assert use.days == 0b11


@pytest.mark.parametrize("twice", [False, True])
@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("first", ["deciding", "confirming"])
def test_a_read_that_another_worker_confirmed_counts_once(made: Installation, twice: bool, own: bool, first: str):
    (decision,) = made.write(allowed(START, "g-1"), slot=0)
    if first == "deciding":
        with closing(made.counter()) as counter:
            count_all(counter)
    made.write(read(decision), slot=1, at=START + SECOND)
    if twice:
        made.write(read(decision), slot=2, at=START + 2 * SECOND)
    if own:
        made.write(read(decision), slot=0, at=START + 3 * SECOND)
    made.write(allowed(START + DAY), slot=0, at=START + DAY)
    assert uses(made) == {"g-1": {NAME: 1}}


def test_a_confirmation_long_after_its_decision_still_finds_it(made: Installation):
    (decision,) = made.write(allowed(START, "g-1"))
    made.write(allowed(START + DAY), at=START + DAY)
    with closing(made.counter()) as counter:
        count_all(counter)
        made.write(read(decision))
        count_all(counter)
    assert uses(made) == {"g-1": {NAME: 1}}
