"""The company's life, from its first day to its last, as events in order of their time. Equal companies have equal lives."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from random import Random
from typing import Final, NamedTuple

from munjigi.company.days import HOUR, MINUTE, Day, days
from munjigi.company.events import Asked, Event, Outage
from munjigi.company.people import CARE, DUTIES, FRAUD, MARKETING, Employee, Staff
from munjigi.company.staffing import Staffing
from munjigi.company.work import Work
from munjigi.policy.calendar import Calendar

MEMBERS: Final = 50_000  # of the sample database
_SLICE: Final = 10 * MINUTE  # what is asked within one is drawn and ordered at once
_A_DAY: Final = 24 * HOUR // _SLICE
_PER_HOUR: Final = HOUR // _SLICE
_SHIFTS: Final = ((7.0, 15.5), (9.0, 18.0), (13.5, 22.0))  # hours
_OFFICE: Final = (9.0, 18.25)
_NIGHT: Final = ((0.0, 4.0), (22.0, 24.0))
_ON_CALL: Final = 0.06  # of the investigators, each night
_LUNCH: Final = range(12 * _PER_HOUR, 13 * _PER_HOUR)
_LUNCH_PACE: Final = 0.4
# Questions of one person in an hour.
_AGENT: Final = 8.0
_LEAD: Final = 5.0
_ANALYST: Final = 3.0
_DETECTIVE: Final = 6.0
_CURIOSITY: Final = 0.004
_NOT_YET: Final = 0.08  # who holds nothing yet tries now and then
_OUTAGES: Final = 0.04  # of a tool, a workday
_OUTAGE_HOURS: Final = (0.2, 1.5)
_CATCHING_UP: Final = 1.6  # in the hour after one


class Company(NamedTuple):
    """What a life depends on. `members` are those of the member database; nobody works on `calendar`'s holidays but who has duty."""

    seed: int
    employees: int
    first: date
    days: int
    calendar: Calendar
    members: int = MEMBERS


class _Crew(NamedTuple):
    """Who works in these slices of the day, each with the questions that they have in one."""

    slices: range
    people: list[tuple[Employee, float]]


def live(company: Company) -> Iterator[Event]:
    """Yield everything that happens, in order."""
    random = Random(f"munjigi company {company.seed}")  # noqa: S311 - it draws what happens and hides nothing
    staff = Staff(company.employees)
    work = Work(company.members, random)
    staffing = Staffing(staff, work, random)
    for number, day in enumerate(days(company.first, company.days, company.calendar)):
        if number == 0:
            yield from staffing.found(day)
        yield from staffing.due_before(day.begins)
        morning = staffing.morning(number, day)
        outages = list(_outages(day, random))
        yield from _through(day, [*morning, *outages], _crews(day, staff, staffing, random), staffing, work, random)


def _through(day: Day, known: list[Event], crews: list[_Crew], staffing: Staffing, work: Work, random: Random) -> Iterator[Event]:
    """Go through a day, slice by slice."""
    year, draw = day.date.year, random.random
    outages = [each for each in known if isinstance(each, Outage)]
    known.sort(key=_time)
    for number in range(_A_DAY):
        begin = day.begins + number * _SLICE
        end = begin + _SLICE
        events: list[Event] = []
        while known and known[0].at < end:
            events.append(known.pop(0))
        events += staffing.due_before(end)
        pace = _LUNCH_PACE if number in _LUNCH else 1.0
        paces = {each.tool: _CATCHING_UP for each in outages if each.until <= begin < each.until + HOUR}
        away = [(each.tool, each.at, each.until) for each in outages if each.at < end and begin < each.until]
        for crew in crews:
            if number not in crew.slices:
                continue
            for employee, rate in crew.people:
                for _ in range(int(rate * pace * paces.get(employee.duty.tool, 1.0) + draw())):
                    asked = work.ask(begin + int(draw() * _SLICE), year, employee)
                    if not away or not _is_away(asked, away):
                        events.append(asked)
        events.sort(key=_time)
        yield from events


def _crews(day: Day, staff: Staff, staffing: Staffing, random: Random) -> list[_Crew]:
    """Say who works when today."""
    crews: list[_Crew] = []
    week = day.date.isocalendar().week
    for duty in DUTIES:
        if not duty.shifts and day.kind != "workday":
            continue
        teams = staff.teams[duty.prefix]
        if duty.shifts and day.on_duty < 1.0:
            teams = [each for each in teams if random.random() < day.on_duty] or teams[:1]
        for team in teams:
            people = [(each, _rate(each, day) / _PER_HOUR) for each in team.people if not each.on_leave and not staffing.is_off()]
            hours = _SHIFTS[(team.number + week) % len(_SHIFTS)] if duty.shifts else _OFFICE
            crews.append(_Crew(_slices(hours), [each for each in people if each[1]]))
    on_call = [
        (each, _rate(each, day) / _PER_HOUR / 3)
        for team in staff.teams[FRAUD.prefix]
        for each in team.people
        if not each.on_leave and each.holding is not None and random.random() < _ON_CALL
    ]
    return crews + [_Crew(_slices(hours), on_call) for hours in _NIGHT]


def _rate(employee: Employee, day: Day) -> float:
    """Return how many questions somebody has in an hour. Each works at a pace of their own."""
    duty, holds = employee.duty, employee.holding is not None
    if duty is CARE:
        rate = (_LEAD if employee.leads else _AGENT) * day.calls
    elif duty is MARKETING:
        rate = _ANALYST * day.closing_rush
    elif duty is FRAUD:
        rate = _DETECTIVE * day.closing_rush
    else:
        return 0.0 if holds else _CURIOSITY  # what is held idly is never used
    return rate * (0.6 + employee.number * 7919 % 81 / 100) * (1.0 if holds else _NOT_YET)


def _outages(day: Day, random: Random) -> Iterator[Outage]:
    if day.kind != "workday":
        return
    for duty in DUTIES:
        if duty.tool and random.random() < _OUTAGES:
            at = day.begins + int((9 + 8 * random.random()) * HOUR)
            shortest, longest = _OUTAGE_HOURS
            yield Outage(at, duty.tool, at + int((shortest + (longest - shortest) * random.random()) * HOUR))


def _is_away(asked: Asked, away: list[tuple[str, int, int]]) -> bool:
    return any(asked.tool == tool and begin <= asked.at < end for tool, begin, end in away)


def _slices(hours: tuple[float, float]) -> range:
    begin, end = hours
    return range(int(begin * _PER_HOUR), int(end * _PER_HOUR))


def _time(event: Event) -> int:
    return event.at
