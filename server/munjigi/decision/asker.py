"""What conditions and requirements look at: the person behind the account, the place and the time."""

from __future__ import annotations

from munjigi.decision.cells import Cell, Outcome
from munjigi.decision.snapshot import Snapshot
from munjigi.decision.types import Request
from munjigi.kernel.grant import Person
from munjigi.policy.types import Context, Rule

DEVICE_FACT = "device"


class Asker:
    """The employee of one request at one time. Made only when a question needs more than its static cells."""

    __slots__ = ("context", "now", "person", "request", "snapshot")

    def __init__(self, snapshot: Snapshot, request: Request, now: int) -> None:
        person: Person | None = snapshot.grants.person(request.employee)
        self.snapshot = snapshot
        self.request = request
        self.now = now
        self.person = person
        self.context = Context(
            ip=request.ip,
            now=now,
            principal_type=person.principal_type if person else "",
            department=person.department if person else "",
            device=person is not None and person.holds(DEVICE_FACT, now),
            tool=request.tool,
        )

    def meets(self, requires: tuple[str, ...]) -> bool:
        """Tell whether each required fact is in force; nobody knows of an account without a person that it is."""
        if not requires:
            return True
        person = self.person
        return person is not None and all(person.holds(kind, self.now) for kind in requires)

    def outcome(self, cell: Cell) -> Outcome:
        """Return the cell's outcome, with its conditions looked at."""
        if cell.fixed is not None:
            return cell.fixed
        target = cell.target
        return cell.outcome(lambda rule: self._holds(rule, target))

    def _holds(self, rule: Rule, target: str) -> bool:
        if rule.condition is None:
            return True
        request = self.request
        try:
            return rule.condition(request.employee.subject, target, request.action, request.purpose, self.context)
        except Exception:  # noqa: BLE001 - a condition that fails must not decide by luck: it closes (promise P3)
            return not rule.allow
