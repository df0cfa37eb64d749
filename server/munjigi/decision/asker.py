"""What conditions and requirements look at: the person behind the account, the place and the time."""

from __future__ import annotations

from typing import Final

from munjigi.decision.cells import Cell, Outcome
from munjigi.decision.snapshot import Snapshot
from munjigi.decision.types import Request
from munjigi.policy.types import Context, Rule

DEVICE_FACT: Final = "device"


class Asker:
    """The employee of one request at one time. Made only when a question needs more than its static cells."""

    __slots__ = ("_context", "now", "person", "request", "snapshot")

    def __init__(self, snapshot: Snapshot, request: Request, now: int) -> None:
        self.snapshot = snapshot
        self.request = request
        self.now = now
        self.person = snapshot.grants.person(request.employee)
        self._context: Context | None = None

    def meets(self, requires: tuple[str, ...]) -> bool:
        """Tell whether each required fact is in force; of an account that is nobody's no fact is known."""
        if not requires:
            return True
        person = self.person
        if person is None:
            return False
        now = self.now
        for kind in requires:
            for fact in person.facts:  # `Person.holds`, written out: this runs for nearly every decision
                if fact.kind == kind and fact.starts_at <= now < fact.ends_at:
                    break
            else:
                return False
        return True

    def outcome(self, cell: Cell) -> Outcome:
        """Return the cell's outcome, with its conditions looked at."""
        return cell.fixed or cell.outcome(self._holds)

    def _holds(self, rule: Rule, target: str) -> bool:
        request = self.request
        context = self._context or self._look()
        try:
            return rule.condition is None or rule.condition(
                request.employee.subject, target, request.action, request.purpose, context
            )
        except Exception:  # noqa: BLE001 - a condition that fails must not decide by luck: it closes (promise P3)
            return not rule.allow

    def _look(self) -> Context:
        request, person, now = self.request, self.person, self.now
        if person is None:
            context = Context(request.ip, now, "", "", device=False, tool=request.tool)
        else:
            device = self.meets((DEVICE_FACT,))
            context = Context(request.ip, now, person.principal_type, person.department, device, request.tool)
        self._context = context
        return context
