"""R4: reads that really happened are put to the proposed state by the real `decide`, and none of them may be denied."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from audit.support import access, confirm
from msgspec.structs import replace as changed
from review.plan_kit import (
    CUTOFF,
    EMAIL,
    LOG,
    NAME,
    PHONE,
    POLICY,
    ROLE,
    ROLES,
    STATUS,
    ToldUse,
    bundle,
    grant,
    made_of,
    person,
    planned,
    said,
)

from munjigi.audit.records import AccessRecord, FieldRecord, encode
from munjigi.decision.core import decide
from munjigi.decision.grant_table import GrantTable
from munjigi.decision.snapshot import Snapshot
from munjigi.decision.types import Request
from munjigi.kernel.errors import Corruption
from munjigi.kernel.grant import Grant, Person
from munjigi.policy.types import PolicyBundle
from munjigi.review.days import DAY
from munjigi.review.replay import RecordedBytes, grouped

OTHER = "zz" + LOG[2:]


class Trail:
    """Writes what really was decided, by the real core."""

    def __init__(self, grants: Iterable[Grant], people: Iterable[Person], policy: PolicyBundle | None = None) -> None:
        self.policy = policy or bundle()
        self.snapshot = Snapshot(self.policy, GrantTable.build(grants, people, 7))
        self.logs: dict[str, list[bytes]] = {}

    def read(self, who: Grant, *names: str, days_ago: float = 5, confirmed: str = LOG, **changes: Any) -> AccessRecord:
        at = int(CUTOFF - days_ago * DAY)
        values = {
            "employee": who.employee,
            "tool": "crm-desk",
            "resource": "crm.member",
            "fields": names,
            "action": "read",
            "purpose": "inquiry",
            "case_id": "CS-2026-000123",
            "subjects": 1,
            "ip": "10.1.2.3",
        } | changes
        decision = decide(self.snapshot, Request(**values), at)
        fields = tuple(
            FieldRecord(each.name, each.effect.value, each.mask, each.reason, each.rule, each.grants) for each in decision.fields
        )
        record = access(
            employee=who.employee.subject,
            tool=values["tool"],
            resource=values["resource"],
            action=values["action"],
            purpose=values["purpose"],
            decision="ALLOW" if decision.allow else "DENY",
            reason=decision.reason,
            fields=fields,
            ip=values["ip"],
            subject_count=values["subjects"],
            partial=values.get("allow_partial", False),
            asked_at=at,
        )
        index = self.put(LOG, record, at)
        if confirmed:
            self.put(confirmed, confirm(f"{LOG}-{index}", employee=who.employee.subject), at + 1)
        return record

    def put(self, log_id: str, record: Any, at: int) -> int:
        log = self.logs.setdefault(log_id, [])
        record.index, record.time = len(log), at
        log.append(encode(record))
        return record.index

    def recorded(self) -> list[RecordedBytes]:
        return [RecordedBytes(log_id, number, payload) for log_id, log in self.logs.items() for number, payload in enumerate(log)]


@pytest.fixture
def usage() -> ToldUse:
    return ToldUse()


def test_r4_use_that_was_counted_is_never_denied(usage: ToldUse):
    held = grant("a")
    trail = Trail([held], [person("an.a")])
    for _ in range(3):
        trail.read(held, "name", "phone")
    usage.add("a", NAME, PHONE, days_ago=[5])
    found = planned([held], usage, recorded=trail.recorded())
    assert said(found) == {"a": ("reduce", "PARTLY_USED")}
    assert found.replay == (3, ())


def test_r4_what_the_counts_do_not_know_the_replay_finds_and_keeps(usage: ToldUse):
    held = grant("a")
    trail = Trail([held], [person("an.a")])
    trail.read(held, "email")
    found = planned([held], usage, recorded=trail.recorded())
    assert said(found) == {"a": ("keep", "NEEDED_BY_REPLAY")}
    assert found.replay == (1, ())
    usage.add("a", NAME, days_ago=[5])
    assert said(planned([held], usage, recorded=trail.recorded())) == {"a": ("keep", "NEEDED_BY_REPLAY")}


def test_r4_a_grant_that_stands_in_only_under_a_condition_does_not_replace_one_without(usage: ToldUse):
    everywhere, at_desk = grant("a", "narrow", left=100), grant("b", "managed", left=900)
    for each in ("a", "b"):
        usage.add(each, NAME, days_ago=[5])
    without_device = person("an.a", facts=())
    trail = Trail([everywhere, at_desk], [without_device])
    trail.read(everywhere, "name")
    found = planned([everywhere, at_desk], usage, people=[without_device], recorded=trail.recorded())
    assert said(found) == {"a": ("keep", "NEEDED_BY_REPLAY"), "b": ("keep", "IN_USE")}
    with_device = person("an.a")
    trail = Trail([everywhere, at_desk], [with_device])
    trail.read(everywhere, "name")
    found = planned([everywhere, at_desk], usage, people=[with_device], recorded=trail.recorded())
    assert said(found) == {"a": ("revoke", "REDUNDANT"), "b": ("keep", "IN_USE")}


def test_r4_less_of_a_field_counts_as_denied_and_more_does_too(usage: ToldUse):
    clear = "p, clear, crm.member.name, read, inquiry, True, allow, clear\n"
    policy = made_of(POLICY + clear, **{"roles.toml": roles("clear")})
    both = [grant("a", "clear"), grant("b", "narrow")]
    usage.add("b", NAME, PHONE, days_ago=[5])  # as if the use of the clear name had been lost
    trail = Trail(both, [person("an.a")], policy)
    trail.read(both[0], "name")
    found = planned(both, usage, policy=policy, recorded=trail.recorded())
    assert said(found) == {"a": ("keep", "NEEDED_BY_REPLAY"), "b": ("keep", "IN_USE")}
    # `guarded` forbids the name: without it, a question for all columns would show more.
    held = [grant("a", "narrow"), grant("c", "guarded")]
    usage = ToldUse()
    usage.add("a", NAME, PHONE, days_ago=[5])
    trail = Trail(held, [person("an.a")])
    trail.read(held[0], "name", "phone", allow_partial=True)
    found = planned(held, usage, recorded=trail.recorded())
    assert said(found)["c"] == ("keep", "NEEDED_BY_REPLAY")


def roles(*more: str) -> str:
    return "".join(ROLE.format(name=name, review="quarterly") for name in (*ROLES, *more))


@pytest.mark.parametrize(
    ("how", "changes"),
    [
        ("unconfirmed", {"confirmed": ""}),
        ("a minute too old", {"days_ago": 100.001}),
        ("after the cutoff", {"days_ago": -0.001}),
        ("of another tool's purpose: denied", {"purpose": "marketing"}),
    ],
)
def test_r4_what_was_no_use_in_the_window_holds_nothing_back(usage: ToldUse, how: str, changes: dict[str, Any]):
    held = grant("a")
    trail = Trail([held], [person("an.a")])
    trail.read(held, "name", **changes)
    assert said(planned([held], usage, recorded=trail.recorded())) == {"a": ("revoke", "UNUSED")}


def test_r4_a_confirmation_in_another_log_counts_whichever_log_comes_first(usage: ToldUse):
    held = grant("a")
    trail = Trail([held], [person("an.a")])
    trail.read(held, "name", confirmed=OTHER)
    for recorded in (trail.recorded(), trail.recorded()[::-1]):
        assert said(planned([held], usage, recorded=recorded)) == {"a": ("keep", "NEEDED_BY_REPLAY")}


def test_r4_probes_trials_and_munjigis_own_questions_hold_nothing_back():
    held = grant("a")
    trail = Trail([held], [person("an.a")])
    record = trail.read(held, "name", confirmed="")
    for name in ("probe", "observe", "own"):
        index = trail.put(LOG, replace_record(record, name), CUTOFF - DAY)
        trail.put(LOG, confirm(f"{LOG}-{index}"), CUTOFF - DAY + 1)
    assert grouped(bundle(), trail.recorded(), 0, CUTOFF, lambda _: False) == []
    assert len(grouped(bundle(), trail.recorded(), 0, CUTOFF, lambda _: True)) == 1


def replace_record(record: AccessRecord, flag: str) -> AccessRecord:
    return changed(record, **{flag: True})


def test_equal_questions_are_one_group_and_what_conditions_look_at_makes_others(usage: ToldUse):
    hours = (
        POLICY
        + "p, wide, crm.member.address, read, inquiry, \"r.ctx.hour < 12 and ipMatch(r.ctx.ip, '10.0.0.0/8')\", allow, district\n"
    )
    for policy, groups in ((bundle(), 1), (made_of(hours), 4)):
        held = grant("a")
        trail = Trail([held], [person("an.a")], policy)
        for days_ago in (5, 5.25, 6):
            for ip in ("10.1.2.3", "10.1.2.4"):
                trail.read(held, "name", days_ago=days_ago, ip=ip)
        found = grouped(policy, trail.recorded(), 0, CUTOFF, lambda _: False)
        assert (len(found), sum(each.uses for each in found)) == (groups, 6)


def test_grants_and_facts_of_then_are_taken_as_those_of_now(usage: ToldUse):
    # The grant of the time is over, and another one of today allows the same: it must stay.
    old, new = grant("old", left=-10), grant("new", age=120)
    trail = Trail([replace(old, ends_at=CUTOFF)], [person("an.a")])
    trail.read(old, "status", days_ago=20)
    found = planned([old, new], usage, recorded=trail.recorded())
    assert said(found) == {"new": ("keep", "NEEDED_BY_REPLAY")}


def test_who_loses_nothing_is_not_put_to_anything(usage: ToldUse):
    kept, taken = grant("a", "narrow"), grant("b", who="bo.b")
    trail = Trail([kept, taken], [person("an.a"), person("bo.b")])
    for _ in range(4):
        trail.read(kept, "name")
    usage.add("a", NAME, PHONE, days_ago=[5])
    assert planned([kept, taken], usage, recorded=trail.recorded()).replay == (0, ())


def test_an_account_of_nobody_in_the_trail_is_no_matter(usage: ToldUse):
    gone, held = grant("a", who="gone.g"), grant("b")
    trail = Trail([gone, held], [person("gone.g"), person("an.a")])
    trail.read(gone, "email")
    usage.add("b", NAME, PHONE, EMAIL, STATUS, days_ago=[5])
    found = planned([held], usage, recorded=trail.recorded())
    assert said(found) == {"b": ("reduce", "PARTLY_USED")}


def test_bytes_that_are_no_record_are_refused(usage: ToldUse):
    with pytest.raises(Corruption):
        planned([grant("a")], usage, recorded=[RecordedBytes(LOG, 3, b"\xc1")])
