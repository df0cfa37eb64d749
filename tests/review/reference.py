"""A slow second opinion on a review: lists of moments, brute force by `decide`, dates of the standard library. It shares no code with
the planner but the core that decides questions, and knows of the rules what REVIEW says.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import chain
from zoneinfo import ZoneInfo

from munjigi.audit.records import AccessRecord, ConfirmRecord
from munjigi.decision.core import decide
from munjigi.decision.grant_table import GrantTable
from munjigi.decision.snapshot import Snapshot
from munjigi.decision.types import Request
from munjigi.kernel.grant import Fact, Grant, Person, Scope
from munjigi.kernel.identity import EmployeeKey
from munjigi.policy.types import PolicyBundle

SECOND = 10**9
AT = 1_800_000_000 * SECOND
CASES = {"inquiry": "CS-2026-000123", "marketing": "MK-2026-0007", "fraud_investigation": "FR-2026-0042"}
THRESHOLDS = {"monthly": 33, "quarterly": 100, "half_yearly": 200, "yearly": 400}
MIN_AGE = 90

Pair = tuple[str, str]  # object and action
Said = tuple[str, Scope | None]  # verdict and what is left


class Reference:
    def __init__(self, bundle: PolicyBundle, zone: str, privileged: frozenset[str]) -> None:
        self.bundle = bundle
        self.zone = ZoneInfo(zone)
        self.privileged = privileged
        self.asked: dict[str, AccessRecord] = {}
        self.used: dict[str, dict[Pair, list[int]]] = defaultdict(lambda: defaultdict(list))
        self.away: dict[str, list[list[int]]] = defaultdict(list)
        self.begins_at = 0
        self._held: dict[tuple[str, str, Scope | None], frozenset[Pair]] = {}

    # ---- what happens

    def decision(self, decision_id: str, record: AccessRecord) -> None:
        self.begins_at = self.begins_at or record.time
        if record.decision != "ALLOW" or record.probe or record.observe or record.own:
            return
        if self.bundle.tools[record.tool].confirm == "exempt":
            self._use(record)
        else:
            self.asked[decision_id] = record

    def confirmation(self, record: ConfirmRecord) -> None:
        if record.outcome == "read" and record.decision_id in self.asked:
            self._use(self.asked.pop(record.decision_id))

    def _use(self, record: AccessRecord) -> None:
        for field in record.fields:
            for grant_id in field.grants:
                self.used[grant_id][f"{record.resource}.{field.name}", record.action].append(record.time)

    def suspend(self, grant_id: str, at: int) -> None:
        self.away[grant_id].append([at, 1 << 62])

    def resume(self, grant_id: str, at: int) -> None:
        if self.away[grant_id]:
            self.away[grant_id][-1][1] = at

    # ---- what follows

    def expect(self, grants: Iterable[Grant], now: int, cutoff: int) -> dict[str, Said]:
        """Say what becomes of the ordinary grants of which one may hold at `now`."""
        about = [
            each
            for each in grants
            if each.starts_at <= now < each.ends_at and not each.break_glass and each.role not in self.privileged
        ]
        said: dict[str, Said] = {}
        judged: dict[tuple[str, str, str], list[Grant]] = defaultdict(list)
        standing: dict[tuple[str, str, str], list[Grant]] = defaultdict(list)
        for grant in about:
            group = (*grant.employee, grant.purpose)
            if grant.suspended:
                said[grant.grant_id] = ("keep", None)
            elif max(grant.starts_at, self.begins_at) > self.since(grant, cutoff) or grant.starts_at > self.back(
                grant, cutoff, MIN_AGE
            ):
                said[grant.grant_id] = ("keep", None)
                standing[group].append(grant)
            elif not self.in_use(grant, cutoff):
                said[grant.grant_id] = ("revoke", None)
            else:
                judged[group].append(grant)
        for group, its in judged.items():
            gone = self.needless(its, standing[group], cutoff)
            for grant in its:
                said[grant.grant_id] = ("revoke", None) if grant.grant_id in gone else self.reduced(grant, cutoff)
        return said

    def reduced(self, grant: Grant, cutoff: int) -> Said:
        used = self.in_use(grant, cutoff)
        scope = Scope(tuple(sorted({obj for obj, _ in used})), tuple(sorted({action for _, action in used})))
        narrower = self.held(grant.role, grant.purpose, scope) & self.held(grant.role, grant.purpose, grant.scope)
        if narrower == self.held(grant.role, grant.purpose, grant.scope):
            return ("keep", None)
        return ("reduce", scope)

    def needless(self, its: list[Grant], standing: list[Grant], cutoff: int) -> set[str]:
        """Try each, the least used first, whether all its use is use of one that stays and lasts as long."""
        its = sorted(
            its,
            key=lambda each: (
                len(self.in_use(each, cutoff)),
                each.ends_at,
                -len(self.held(each.role, each.purpose, each.scope)),
                each.grant_id,
            ),
        )
        gone: set[str] = set()
        for grant in its:
            others = [
                other
                for other in chain(its, standing)
                if other is not grant and other.grant_id not in gone and other.ends_at >= grant.ends_at
            ]
            if all(any(pair in self.in_use(other, cutoff) for other in others) for pair in self.in_use(grant, cutoff)):
                gone.add(grant.grant_id)
        return gone

    def in_use(self, grant: Grant, cutoff: int) -> frozenset[Pair]:
        since, held = self.since(grant, cutoff), self.held(grant.role, grant.purpose, grant.scope)
        return frozenset(
            pair
            for pair, times in self.used[grant.grant_id].items()
            if pair in held and any(since <= at < cutoff for at in times)
        )

    def since(self, grant: Grant, cutoff: int) -> int:
        return self.back(grant, cutoff, THRESHOLDS[self.bundle.roles[grant.role].review])

    def back(self, grant: Grant, cutoff: int, days: int) -> int:
        """Go back whole days of the calendar, then further by every moment of leave on the way."""
        day = datetime.fromtimestamp(cutoff // SECOND, self.zone).date() - timedelta(days=days)
        since = int(datetime(day.year, day.month, day.day, tzinfo=self.zone).timestamp()) * SECOND
        for begin, end in reversed(self.away[grant.grant_id]):
            if end < 1 << 62 and end > since:
                since -= max(0, min(end, cutoff) - begin)
        return since

    def held(self, role: str, purpose: str, scope: Scope | None) -> frozenset[Pair]:
        """Ask for every column and class with every action, as somebody who has this grant alone and everything that may be required."""
        key = (role, purpose, scope)
        if key not in self._held:
            facts = tuple(Fact(kind, 0, 1 << 62, "test") for kind in ("pledge", "training", "device", "screening"))
            employee = EmployeeKey("urn:test", "held.by")
            alone = Grant("alone", employee, role, purpose, 0, 1 << 62, (), scope)
            person = Person("p", "employee", "", (employee,), facts)
            snapshot = Snapshot(self.bundle, GrantTable.build([alone], [person], 1))
            self._held[key] = frozenset(self._allowed(snapshot, employee, purpose))
        return self._held[key]

    def _allowed(self, snapshot: Snapshot, employee: EmployeeKey, purpose: str) -> Iterable[Pair]:
        tables = self.bundle.catalog.tables
        columns = [(name, (column,), f"{name}.{column}") for name, table in tables.items() for column in table.columns]
        classes = [(f"class:{name}", (), f"class:{name}") for name in self.bundle.catalog.masks]
        for resource, fields, obj in (*columns, *classes):
            for action in ("read", "export", "reveal", "update", "delete"):
                request = Request(
                    employee,
                    "munjigi-cli",
                    resource,
                    fields,
                    action,
                    purpose,
                    CASES.get(purpose, ""),
                    1,
                    "10.1.2.3",
                )
                if decide(snapshot, request, AT).allow:
                    yield obj, action
