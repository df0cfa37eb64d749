"""What the tests of the planner share: a policy with two roles for one purpose, holders, and use that is told instead of counted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from review.usage_kit import POLICIES

from munjigi.adapters.policy_files import read_policy_home
from munjigi.decision.grant_table import GrantTable
from munjigi.kernel.grant import Fact, Grant, Person, Scope
from munjigi.kernel.identity import EmployeeKey
from munjigi.kernel.review import Permission, PlannedItem, ReviewPlan
from munjigi.policy.compile import compile_bundle
from munjigi.policy.types import PolicyBundle
from munjigi.review.days import DAY, Days, bitmap
from munjigi.review.planner import Inputs, plan
from munjigi.review.ports import Gap, LogMark, PermissionUse
from munjigi.review.settings import SHIPPED, ReviewRow

DAYS = Days("Asia/Seoul")
CUTOFF = DAYS.begin(DAYS.of(1_790_000_000 * 10**9))
LATER = 1000 * DAY
LOG = "abcdefghij0123456789"
NAME = Permission("crm.member.name", "read")
PHONE = Permission("crm.member.phone", "read")
EMAIL = Permission("crm.member.email", "read")
STATUS = Permission("crm.member.status", "read")
REVEAL = Permission("crm.member.phone", "reveal")

POLICY = """\
p, wide, crm.member.name, read, inquiry, True, allow, partial
p, wide, crm.member.phone, read, inquiry, True, allow, partial
p, wide, crm.member.email, read, inquiry, True, allow, partial
p, wide, crm.member.status, read, inquiry, True, allow, clear
p, wide, crm.member.phone, reveal, inquiry, True, allow, clear
p, narrow, crm.member.name, read, inquiry, True, allow, partial
p, narrow, crm.member.phone, read, inquiry, True, allow, partial
p, managed, crm.member.name, read, inquiry, r.ctx.device, allow, partial
p, seasonal, crm.member.status, read, inquiry, True, allow, clear
p, admin, munjigi.audit, read, oversight, True, allow, clear
p, guarded, crm.member.status, read, inquiry, True, allow, clear
p, guarded, crm.member.name, *, *, True, deny,
"""
ROLE = """
[roles.{name}]
title = "{name}"
owners = ["own.er", "other.owner"]
stages = ["owner"]
longest_days = 2000
review = "{review}"
requires = []
budget = 0
"""
ROLES = {
    "wide": "quarterly",
    "narrow": "quarterly",
    "managed": "quarterly",
    "seasonal": "yearly",
    "admin": "quarterly",
    "guarded": "quarterly",
}


@cache
def bundle() -> PolicyBundle:
    return made_of(POLICY)


def made_of(policy: str, **more: str) -> PolicyBundle:
    files = {path: content for path, content in read_policy_home(POLICIES).files.items() if not path.startswith("tests/")}
    links = "".join(f"{line}\n" for line in files["policy.csv"].decode().splitlines() if line.startswith("g2"))
    files["policy.csv"] = (policy + links).encode()
    files["roles.toml"] = "".join(ROLE.format(name=name, review=review) for name, review in ROLES.items()).encode()
    files |= {path: content.encode() for path, content in more.items()}
    made, problems = compile_bundle(files, "test")
    assert made is not None, [str(each) for each in problems if each.severity == "error"]
    return made


def row(kind: str = "unused", **changes: Any) -> ReviewRow:
    return replace(next(each for each in SHIPPED if each.kind == kind), **changes)


@dataclass
class ToldUse:
    """A `UsageView` that says what it was told."""

    uses: dict[str, list[PermissionUse]] = field(default_factory=dict)
    told: list[LogMark] = field(default_factory=lambda: [mark()])
    lacking: tuple[Gap, ...] = ()
    zone: str = "Asia/Seoul"

    def marks(self) -> tuple[LogMark, ...]:
        return tuple(self.told)

    def gaps(self) -> tuple[Gap, ...]:
        return self.lacking

    def of(self, grant_ids: Sequence[str]) -> Mapping[str, tuple[PermissionUse, ...]]:
        return {each: tuple(self.uses[each]) for each in grant_ids if each in self.uses}

    def last_used(self, grant_ids: Sequence[str]) -> Mapping[str, int]:
        return {each: max(use.last_at for use in self.uses[each]) for each in grant_ids if each in self.uses}

    def add(self, grant_id: str, *permissions: Permission, days_ago: Iterable[float]) -> None:
        times = sorted(int(CUTOFF - ago * DAY) for ago in days_ago)
        base = DAYS.of(times[0])
        days = bitmap(map(DAYS.of, times), base)
        for each in permissions:
            use = PermissionUse(each, times[0], times[-1], len(times), 1, days)
            self.uses[grant_id] = sorted([*self.uses.get(grant_id, []), use])


def mark(log_id: str = LOG, *, begins_ago: float = 900, complete_ago: float = -1, **changes: Any) -> LogMark:
    """A log that is counted from `begins_ago` to `complete_ago` days before the cutoff."""
    begins, complete = (int(CUTOFF - ago * DAY) for ago in (begins_ago, complete_ago))
    return LogMark(log_id, 1000, begins, complete, complete, 1000)._replace(**changes)


def grant(grant_id: str, role: str = "wide", *, age: float = 500, left: float = 500, who: str = "an.a", **changes: Any) -> Grant:
    """A grant that is `age` days old at the cutoff, and ends `left` days after it."""
    starts, ends = int(CUTOFF - age * DAY), int(CUTOFF + left * DAY)
    purpose = "oversight" if role == "admin" else "inquiry"
    made = Grant(grant_id, EmployeeKey("urn:test", who), role, purpose, starts, ends, ("urn:test/own.er",))
    return replace(made, **changes)


def person(who: str, **changes: Any) -> Person:
    facts = (Fact("device", 0, CUTOFF + LATER, "test"),)
    return replace(Person(f"p.{who}", "employee", "care", (EmployeeKey("urn:test", who),), facts), **changes)


def planned(
    grants: Iterable[Grant],
    usage: ToldUse,
    settings: ReviewRow | None = None,
    *,
    policy: PolicyBundle | None = None,
    people: Iterable[Person] | None = None,
    **changes: Any,
) -> ReviewPlan:
    """Plan at a moment two minutes after the cutoff."""
    grants = list(grants)
    everyone = people if people is not None else [person(who) for who in sorted({each.employee.subject for each in grants})]
    settings = settings or row()
    values: dict[str, Any] = {
        "bundle": policy or bundle(),
        "holdings": GrantTable.build(grants, everyone, 7),
        "usage": usage,
        "settings": settings,
        "now": CUTOFF + 120 * 10**9,
        "cutoff": CUTOFF,
        "kind": settings.kind,
    }
    return plan(Inputs(**(values | changes)))


def said(plan: ReviewPlan) -> dict[str, tuple[str, str]]:
    """What a plan says of each grant: verdict and rule."""
    return {item.grant_id: (item.verdict, item.rule) for item in plan.items}


def one(plan: ReviewPlan) -> PlannedItem:
    (item,) = plan.items
    return item


def scope(*permissions: Permission) -> Scope:
    return Scope(
        tuple(sorted({each.object for each in permissions})),
        tuple(sorted({each.action for each in permissions})),
    )
