"""What conditions and requirements look at: the person behind the account, the place and the time."""

from __future__ import annotations

from typing import Final

from munjigi.decision.cells import Cell, Outcome, Shown
from munjigi.decision.frames import Sheet
from munjigi.decision.reasons import REQUIREMENT_MISSING, SESSION_IDLE, SESSION_TOO_OLD, UNDECIDED
from munjigi.decision.snapshot import Snapshot
from munjigi.decision.types import Request
from munjigi.policy.conditions import undecided
from munjigi.policy.signin import SessionLimit, SignInDemand
from munjigi.policy.types import Context, Rule

DEVICE_FACT: Final = "device"
PLEDGE_FACT: Final = "pledge"
TRAINING_FACT: Final = "training"
_BROKEN: Final = {"": "", "old": SESSION_TOO_OLD, "idle": SESSION_IDLE}


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

    def short_of(self, sheet: Sheet) -> str:
        """Return the reason why a grant of the sheet's role doesn't count, which it does when it is empty."""
        if not self.meets(sheet.requires):
            return REQUIREMENT_MISSING
        return self.beyond(sheet.session)

    def beyond(self, limit: SessionLimit | None) -> str:
        """Return the reason that says which limit the session is beyond; empty if none."""
        sign_in = self.request.sign_in
        return _BROKEN[limit.broken(sign_in, self.now)] if limit is not None and sign_in is not None else ""

    def signed_in(self, demands: tuple[SignInDemand, ...]) -> bool:
        """Tell whether the sign-in is what the classes of a column want."""
        sign_in = self.request.sign_in
        return sign_in is None or all(each.met(sign_in, self.now) for each in demands)

    def outcome(self, cell: Cell) -> Outcome:
        """Return the cell's outcome, with its conditions looked at."""
        return cell.fixed or cell.outcome(self.holds)

    def shown(self, cell: Cell) -> Shown | None:
        """Return what an ALLOW says of a column; None when its rules or the sign-in don't allow it."""
        shown = cell.shown_by(self.outcome(cell))
        return shown if shown is not None and self.signed_in(cell.demands) else None

    def holds(self, rule: Rule, target: str) -> bool:
        """Tell whether a rule's condition holds for a target; one that fails closes (promise P3)."""
        request = self.request
        context = self.context()
        try:
            return rule.condition is None or rule.condition(
                request.employee.subject, target, request.action, request.purpose, context
            )
        except Exception:  # noqa: BLE001 - a condition that fails must not decide by luck
            return not rule.allow

    def undecided(self, rule: Rule, target: str) -> str:
        """Return the reason that names what a rule's condition lacks to be decided for a target; empty where it is decided."""
        request = self.request
        if rule.condition is None:
            return ""
        question = (request.employee.subject, target, request.action, request.purpose)
        return UNDECIDED.get(undecided(rule.cond, *question, self.context()), "")

    def context(self) -> Context:
        """Return what conditions see as `r.ctx`."""
        return self._context or self._look()

    def _look(self) -> Context:
        request, person, now = self.request, self.person, self.now
        moment = self.snapshot.bundle.calendar.at(now)
        context = Context(
            ip=request.ip,
            now=now,
            principal_type=person.principal_type if person is not None else "",
            department=person.department if person is not None else "",
            device=self.meets((DEVICE_FACT,)),
            tool=request.tool,
            hour=moment.hour,
            weekday=moment.weekday,
            holiday=moment.holiday,
            pledge=self.meets((PLEDGE_FACT,)),
            training=self.meets((TRAINING_FACT,)),
            intent="PROBE" if request.probe else "ACCESS",
            subjects=request.subjects,
        )
        self._context = context
        return context
