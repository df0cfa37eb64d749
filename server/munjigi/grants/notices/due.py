"""What people are told because time went by: a function of the state and the moment, each said once under an id of its own.

A right is renewed before it ends, a fact before it lapses; a request that waits is taken further up, and one in which nobody
decided is said to be over. A break-glass review that is overdue is an alarm.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from munjigi.grants.book import Book
from munjigi.grants.lapsing import Lapsing, lapsing_of
from munjigi.grants.notices import circle
from munjigi.grants.notices.notice import Notice, due_id
from munjigi.grants.notices.ports import Outlook
from munjigi.grants.notices.told import alarmed, asked, is_emergency, named
from munjigi.kernel.access_request import AccessRequest
from munjigi.kernel.clock import SECOND
from munjigi.kernel.grant import Grant, Person
from munjigi.kernel.identity import EmployeeKey

DAY: Final = 86_400 * SECOND
_LATE: Final = 30 * DAY  # how long something that is over is still worth a word, after an absence


class Pace(NamedTuple):
    """How many days before an end something is said, and after how many without a decision a request goes further up."""

    before: tuple[int, ...] = (14, 3)
    escalate: int = 2


class State(NamedTuple):
    """All that counts at one moment."""

    outlook: Outlook
    book: Book
    pace: Pace


def due(state: State, now: int) -> Iterator[Notice]:
    """Yield what is due at `now` (UTC nanoseconds) and was not said yet. Raises what the outlook raises."""
    longest = max(state.pace.before, default=0) * DAY
    for grant in state.outlook.ending(now, now + longest):
        yield from _grant_ends(state, grant, now)
    for person in state.outlook.lapsing(now, now + longest):
        for lapsing in lapsing_of(state.book, person, now + longest + 1) if person.status == "active" else ():
            yield from _fact_lapses(state, person, lapsing, now)
    for request in state.outlook.undecided():
        yield from (_overdue if is_emergency(request) else _lapsed if now >= request.lapses_at else _waiting)(state, request, now)


def _grant_ends(state: State, grant: Grant, now: int) -> Iterator[Notice]:
    days = _step(state.pace.before, grant.ends_at - now, grant.ends_at - grant.starts_at)
    name = due_id("grant.ends", grant.grant_id, grant.ends_at, days)
    if not days or grant.break_glass or grant.ended or state.outlook.said(name):
        return
    if any(_continues(other, grant) for other in state.book.holdings.of(grant.employee)):
        return
    about = {"grant": grant.grant_id, "holder": grant.employee.subject, "left": _left(grant.ends_at, now)}
    about |= named(grant.role, grant.purpose, state.book.bundle)
    people = circle.concerned(state.book, grant.employee)
    yield Notice(name, "grant.ends", "info", now, people, about, {"ends": grant.ends_at}, grant.ends_at)


def _continues(other: Grant, grant: Grant) -> bool:
    """Tell whether another grant gives the same right when this one is over."""
    same = (other.role, other.purpose) == (grant.role, grant.purpose) and not other.ended
    return same and other.starts_at <= grant.ends_at < other.ends_at


def _fact_lapses(state: State, person: Person, lapsing: Lapsing, now: int) -> Iterator[Notice]:
    begins = min(
        (each.starts_at for each in person.facts if (each.kind, each.ends_at) == (lapsing.kind, lapsing.ends_at)), default=0
    )
    days = _step(state.pace.before, lapsing.ends_at - now, lapsing.ends_at - begins)
    name = due_id("fact.lapses", person.person_id, lapsing.kind, lapsing.ends_at, days)
    if not days or not person.accounts or state.outlook.said(name):
        return
    about = {"fact": lapsing.kind, "holder": person.accounts[0].subject, "left": _left(lapsing.ends_at, now)}
    about |= {"roles": ", ".join(lapsing.roles)}
    yield Notice(name, "fact.lapses", "info", now, person.accounts[:1], about, {"ends": lapsing.ends_at}, lapsing.ends_at)


def _waiting(state: State, request: AccessRequest, now: int) -> Iterator[Notice]:
    since = request.votes[-1].at if request.votes else request.made_at
    waited = (now - since) // DAY
    step = min(waited // state.pace.escalate, 2) if state.pace.escalate else 0
    name = due_id("request.waiting", request.access_request_id, request.stage, len(request.votes), step)
    if step < 1 or state.outlook.said(name):
        return
    about, times = asked(request, state.book.bundle)
    people = _further_up(state.book, request, step)
    yield Notice(name, "request.waiting", "warning", now, people, about | {"waited": str(waited)}, times, request.lapses_at)


def _lapsed(state: State, request: AccessRequest, now: int) -> Iterator[Notice]:
    name, until = due_id("request.lapsed", request.access_request_id), request.lapses_at + _LATE
    if now >= until or state.outlook.said(name):
        return
    about, times = asked(request, state.book.bundle)
    people = circle.concerned(state.book, request.applicant, request.employee)
    yield Notice(name, "request.lapsed", "info", now, people, about, times, until)


def _overdue(state: State, request: AccessRequest, now: int) -> Iterator[Notice]:
    name, until = due_id("break_glass.overdue", request.access_request_id), request.lapses_at + _LATE
    if not request.lapses_at <= now < until or state.outlook.said(name):
        return
    about, times = asked(request, state.book.bundle)
    people = (*_further_up(state.book, request, 2), *alarmed(state.book, request.employee, request.role))
    yield Notice(name, "break_glass.overdue", "critical", now, tuple(dict.fromkeys(people)), about, times, until)


def _further_up(book: Book, request: AccessRequest, step: int) -> tuple[EmployeeKey, ...]:
    """Return whom a request is taken to: those who have not decided and their managers, then, or where nobody is left, the privacy office, too."""
    people = circle.deciding(book, request)
    people += circle.managers(book, people)
    if step > 1 or not people:
        people += circle.office(book, circle.PRIVACY)
    concerned = {person.person_id for each in (request.employee, request.applicant) if (person := book.holdings.person(each))}
    return circle.accounts((each for each in people if each.person_id not in concerned), request.employee.issuer)


def _step(before: Sequence[int], left: int, period: int) -> int:
    """Return the step of days that is reached; 0 when none is, or when the whole period is no longer than it."""
    return min((days for days in before if left <= days * DAY < period), default=0)


def _left(ends_at: int, now: int) -> str:
    """Return whole days up to an end, rounded up."""
    return str(-((now - ends_at) // DAY))
