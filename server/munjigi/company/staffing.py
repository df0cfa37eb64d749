"""People come, change places, go on leave and leave; they ask for roles, owners decide, and some of it is forgotten.

All of that takes effect early in the morning, when nobody works.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from random import Random
from typing import Final, NamedTuple

from munjigi.company.days import HOUR, MINUTE, Day
from munjigi.company.events import Event, Founded, Hire, Resumed, Revoked, Staffed, Voted, Wanted, Withdrawn
from munjigi.company.people import APPROVERS, CARE, DUTIES, PURPOSES, Employee, Holding, Staff, holds_idly
from munjigi.company.work import Work

_DAY: Final = 24 * HOUR
_YEAR: Final = 365
_LEAVERS: Final = 0.25  # of the people, a year
_JOINERS: Final = 0.28
_MOVERS: Final = 0.15
_LEAVES: Final = 0.2
_REVOCATIONS: Final = 0.02
_LEAVE_DAYS: Final = (12, 90)
_OFF: Final = 0.06  # of workdays somebody is on holiday, which is no leave
_GRANTED_DAYS: Final = (20, 360)
_RENEW_BEFORE: Final = 12 * _DAY
_FORGOTTEN: Final = 0.15  # renewals that nobody thinks of before it is too late
_DENIED: Final = 0.1
_WITHDRAWN: Final = 0.03
_UNDECIDED: Final = 0.03
_RESUMED_AFTER: Final = 10 * MINUTE  # a return, by an owner
_BATCH: Final = 500  # hires
_BUSINESS: Final = 9 * HOUR + 20 * MINUTE


class Settled(NamedTuple):
    """A request of somebody is decided: what they hold then, if anything. The company's own note, and no event."""

    at: int
    employee: Employee
    holding: Holding | None


class Due(NamedTuple):
    """Something that follows later; `number` orders what is at one moment."""

    at: int
    number: int
    event: Event | Settled


class Staffing:
    """Changes the staff day by day, and says so."""

    def __init__(self, staff: Staff, work: Work, random: Random) -> None:
        self._staff = staff
        self._work = work
        self._random = random
        self._handles = 0
        self._numbers = 0
        self._due: list[Due] = []  # a heap
        self._made: list[Event] = []

    def found(self, day: Day) -> Iterator[Founded]:
        """Yield those with whom the company begins."""
        hires: list[Hire] = []
        for employee in self._staff.everyone:
            role = employee.wanted_role
            if not role and holds_idly(self._random.random()):
                role = CARE.role
            purpose = PURPOSES.get(role, "")
            case = self._work.grant_case(day.date.year) if purpose == "fraud_investigation" else ""
            length = self._between(_GRANTED_DAYS)
            if role:
                employee.holding = Holding(f"{employee.subject}.{role}", role, day.begins + length * _DAY)
            manager = employee.team.lead if not employee.leads else ""
            approvers = APPROVERS.get(role, ())
            hires.append(
                Hire(employee.subject, employee.duty.department, manager, role, purpose, case, length if role else 0, approvers)
            )
            if len(hires) == _BATCH:
                yield Founded(day.begins, tuple(hires))
                hires = []
        if hires:
            yield Founded(day.begins, tuple(hires))

    def morning(self, number: int, day: Day) -> list[Event]:
        """Return what changes on the `number`-th day, in order."""
        self._made = []
        if day.kind == "workday":
            people = len(self._staff.everyone) * _YEAR / 250  # a year has about 250 workdays
            self._repeat(_LEAVERS * people, self._leave_for_good, day)
            self._repeat(_MOVERS * people, self._move, day)
            self._repeat(_LEAVES * people, lambda at, each: self._go_on_leave(number, at, each), day)
            self._repeat(_REVOCATIONS * people, self._revoke, day)
            self._repeat_joining(_JOINERS * people, day)
        self._watch_over(number, day)
        return sorted(self._made, key=lambda each: each.at)

    def is_off(self) -> bool:
        """Tell whether somebody has a day off today."""
        return self._random.random() < _OFF

    def _watch_over(self, number: int, day: Day) -> None:
        """Bring back who comes back, and renew what runs out."""
        dawn = day.begins + 5 * HOUR
        for employee in self._staff.everyone:
            if employee.on_leave:
                if number >= employee.away_until and day.kind == "workday":
                    employee.on_leave = False
                    self._return(self._early(day), employee)
                continue
            held = employee.holding
            if held is None:
                if employee.wanted_role and not employee.waiting and day.kind == "workday" and self._random.random() < 0.2:
                    self._ask(day, employee, "needs it for the work of the team")
            elif held.ends_at <= dawn:
                employee.holding = None
            elif not held.renewing and held.ends_at - _RENEW_BEFORE <= dawn and held.role == employee.wanted_role:
                held.renewing = True
                if self._random.random() >= _FORGOTTEN:
                    self._ask(day, employee, "goes on with the same work", held)

    def _repeat_joining(self, expected: float, day: Day) -> None:
        for _ in range(self._drawn(expected)):
            chance, duty = self._random.random(), CARE
            for each in DUTIES:
                chance -= each.share
                if chance < 0:
                    duty = each
                    break
            employee = self._staff.add(duty)
            lead = employee.team.lead if not employee.leads else ""
            self._made.append(Staffed(self._early(day), "joiner", employee.subject, duty.department, lead))
            if employee.wanted_role:
                self._ask(day, employee, "joins the team")

    def _repeat(self, expected: float, what: Callable[[int, Employee], None], day: Day) -> None:
        for _ in range(self._drawn(expected)):
            employee = self._staff.everyone[int(self._random.random() * len(self._staff.everyone))]
            if not employee.on_leave and not employee.waiting and not employee.leads:
                what(self._early(day), employee)

    def _leave_for_good(self, at: int, employee: Employee) -> None:
        self._staff.remove(employee)
        self._made.append(Staffed(at, "leaver", employee.subject))

    def _move(self, at: int, employee: Employee) -> None:
        duty = DUTIES[int(self._random.random() * len(DUTIES))]
        if duty is employee.duty:
            return
        self._staff.move(employee, duty)
        held = employee.holding
        if held is not None and held.role != employee.wanted_role:
            employee.holding = None
        self._made.append(Staffed(at, "mover", employee.subject, duty.department, employee.team.lead))

    def _go_on_leave(self, number: int, at: int, employee: Employee) -> None:
        employee.on_leave = True
        employee.away_until = number + self._between(_LEAVE_DAYS)
        self._made.append(Staffed(at, "leave", employee.subject))

    def _return(self, at: int, employee: Employee) -> None:
        self._made.append(Staffed(at, "return", employee.subject))
        held, at = employee.holding, at + _RESUMED_AFTER
        if held is not None and held.ends_at > at:
            self._made.append(Resumed(at, held.handle, APPROVERS[held.role][0], "is back, and the duty is the same"))

    def _revoke(self, at: int, employee: Employee) -> None:
        held = employee.holding
        if held is None or held.renewing:
            return
        employee.holding = None
        self._made.append(Revoked(at, held.handle, APPROVERS[held.role][0], "not needed for the present work"))

    def _ask(self, day: Day, employee: Employee, reason: str, renews: Holding | None = None) -> None:
        """Ask for the role of somebody's work, and let what follows follow."""
        random, role = self._random, employee.wanted_role
        self._handles += 1
        handle = f"{self._handles:016x}"
        at = day.begins + _BUSINESS + int(random.random() * 90 * MINUTE)
        purpose = PURPOSES[role]
        case = self._work.grant_case(day.date.year) if purpose == "fraud_investigation" else ""
        length = 90 + 30 * int(random.random() * 10)
        wanted = Wanted(at, handle, employee.subject, role, purpose, case, length, reason, renews.handle if renews else "")
        self._later(wanted)
        chance = random.random()
        if chance < _WITHDRAWN:
            self._later(Withdrawn(at + HOUR, handle, employee.subject))
            return
        if chance < _WITHDRAWN + _UNDECIDED:
            return
        denied = chance < _WITHDRAWN + _UNDECIDED + _DENIED
        employee.waiting = True
        for approver in APPROVERS[role]:
            at += int((0.2 + 2.5 * random.random()) * HOUR)
            self._later(
                Voted(at, handle, approver, not denied, "not part of this duty" if denied else "for the work of the team")
            )
            if denied:
                break
        self._later(Settled(at, employee, None if denied else Holding(handle, role, at + length * _DAY)))

    def due_before(self, moment: int) -> Iterator[Event]:
        """Yield what follows from earlier events before `moment`, in order."""
        while self._due and self._due[0].at < moment:
            event = heapq.heappop(self._due).event
            if not isinstance(event, Settled):
                yield event
                continue
            employee, holding = event.employee, event.holding
            employee.waiting = False
            if holding is not None and not employee.gone and holding.role == employee.wanted_role:
                employee.holding = holding

    def _later(self, event: Event | Settled) -> None:
        self._numbers += 1
        heapq.heappush(self._due, Due(event.at, self._numbers, event))

    def _early(self, day: Day) -> int:
        return day.begins + 5 * HOUR + int(self._random.random() * 80 * MINUTE)

    def _drawn(self, a_year: float) -> int:
        return int(a_year / _YEAR + self._random.random())

    def _between(self, limits: tuple[int, int]) -> int:
        first, last = limits
        return first + int(self._random.random() * (last - first + 1))
