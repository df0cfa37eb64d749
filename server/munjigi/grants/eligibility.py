"""Whether somebody may hold a role for a purpose, over a period: what a request is refused for, when it is made and when it is approved."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from munjigi.grants.book import Book
from munjigi.grants.lifecycle import state_of
from munjigi.kernel.clock import SECOND
from munjigi.kernel.errors import FailedPrecondition, InvalidArgument, NotFound
from munjigi.kernel.grant import Grant, Person, Scope
from munjigi.kernel.identity import EmployeeKey
from munjigi.policy.types import ANY, DATA_ACTIONS, OWN_ACTIONS, Purpose, Role

DAY: Final = 86_400 * SECOND
_LATE: Final = 300 * SECOND  # how far a start may lie back: clocks differ, and people take a while
_AHEAD: Final = 366 * DAY
_OVER: Final = ("expired", "revoked")


class Wish(NamedTuple):
    """A role for a purpose. `starts_at` 0: at once. Times are UTC nanoseconds, half-open."""

    person: Person
    role: Role
    purpose: Purpose
    scope: Scope | None
    starts_at: int
    ends_at: int


def named(book: Book, role: str, purpose: str) -> tuple[Role, Purpose]:
    """Return the role and the purpose of these names. Raises `NotFound` or `FailedPrecondition`."""
    about = book.bundle.roles.get(role)
    if about is None:
        raise NotFound("ROLE_UNKNOWN", f"There is no such role; roles are: {', '.join(sorted(book.bundle.roles))}.")
    why = book.bundle.purposes.get(purpose)
    if why is None:
        raise NotFound("PURPOSE_UNKNOWN", f"There is no such purpose; purposes are: {', '.join(sorted(book.bundle.purposes))}.")
    if why.impact_stage not in ("approved", "not_required"):
        raise FailedPrecondition(
            "PURPOSE_NOT_ASSESSED",
            f"The impact assessment of `{why.name}` is {why.impact_stage}; nobody gets access for it until it is approved.",
        )
    subs = {way.role for way in book.bundle.closure.get(role, ())}
    for (_, _, allowed), by_role in book.bundle.index.items():
        if allowed in (purpose, ANY) and any(rule.allow for sub in subs & by_role.keys() for rule in by_role[sub]):
            return about, why
    raise FailedPrecondition(
        "ROLE_NOT_FOR_PURPOSE", f"Role `{role}` allows nothing for purpose `{purpose}`; `munjigi explain` names roles that do."
    )


def check_case(purpose: Purpose, case_id: str, *, required: bool) -> None:
    """Refuse a case id that is missing or not of the purpose's form. Raises `InvalidArgument`."""
    if case_id and not purpose.matches_case(case_id):
        form = f" an id looks like {purpose.case_example}" if purpose.case_example else " it takes none"
        raise InvalidArgument(
            "CASE_ID_INVALID", f"`case_id` does not have the form that purpose `{purpose.name}` asks for:{form}."
        )
    if required and not case_id:
        raise InvalidArgument(
            "CASE_ID_REQUIRED", f"A request for purpose `{purpose.name}` names its case: {purpose.case_example}."
        )


def check_scope(book: Book, scope: Scope | None) -> None:
    """Refuse a scope that names what is not catalogued. Raises `InvalidArgument`."""
    if scope is None:
        return
    tables = book.bundle.catalog.tables
    for each in scope.objects:
        if each not in book.bundle.objects and not (each.endswith(".*") and each[:-2] in tables):
            raise InvalidArgument(
                "SCOPE_UNKNOWN",
                "An object of the scope is not in the catalog; it is `database.table.column`, `database.table.*` or `class:NAME`.",
            )
    if any(each not in (*DATA_ACTIONS, *OWN_ACTIONS) for each in scope.actions):
        raise InvalidArgument("SCOPE_UNKNOWN", f"Actions of a scope are: {', '.join(DATA_ACTIONS)}.")


def period(starts_at: int, ends_at: int, days: int, longest: int, now: int) -> tuple[int, int]:
    """Return the period [start, end) of a grant that begins at `starts_at`, or `now` for 0. `longest` in nanoseconds.

    Raises `InvalidArgument` for one that lies back, has no end, ends before it begins, or is too long.
    """
    if bool(ends_at) == bool(days):
        raise InvalidArgument(
            "PERIOD_ENDLESS", "Say until when, or for how many days: one of the two; no grant is without an end."
        )
    if starts_at and starts_at < now - _LATE:
        raise InvalidArgument(
            "PERIOD_BACKDATED", "A grant can't begin in the past; leave the start out to begin with the approval."
        )
    if starts_at > now + _AHEAD:
        raise InvalidArgument("PERIOD_TOO_FAR", "A grant begins within a year; ask again when the time is nearer.")
    start = max(starts_at, now)
    end = ends_at or start + days * DAY
    if end <= start:
        raise InvalidArgument("PERIOD_INVALID", "The period ends before it begins, or has ended already; give a later end.")
    if end - start > longest:
        raise InvalidArgument(
            "PERIOD_TOO_LONG", f"The longest period here is {_spoken(longest)}; ask for less, and renew it in time."
        )
    return start, end


def _spoken(nanoseconds: int) -> str:
    return f"{nanoseconds // DAY} days" if nanoseconds >= DAY else f"{nanoseconds // (3600 * SECOND)} hours"


def check_person(book: Book, person: Person) -> None:
    """Refuse who is away, gone or blocked. Raises `FailedPrecondition`."""
    if person.status != "active":
        raise FailedPrecondition(
            "PERSON_NOT_ACTIVE", "Whoever would hold it is on leave or has left; nobody gets access meanwhile."
        )
    if book.blocked(person):
        raise FailedPrecondition(
            "PERSON_BLOCKED", "The control center has blocked whoever would hold it; call the control center."
        )


def check_department(role: Role, person: Person) -> None:
    """Refuse a role whose duty the person's department does not have. Raises `FailedPrecondition`."""
    if role.open_to(person.department):
        return
    raise FailedPrecondition(
        "ROLE_NOT_FOR_DEPARTMENT",
        f"Only who works in {' or '.join(role.departments)} may hold `{role.name}`. If the duty is theirs by now, the personnel "
        "office tells with a mover event; if the department needs the role, its owners have roles.toml changed.",
    )


def check_holding(book: Book, wish: Wish, besides: str = "", *, heads: bool = True) -> None:
    """Refuse what a person may not hold: a role of other departments, the same again, what excludes it, one head too many.

    `besides` is a grant that is not counted: the one that is renewed or changed. Without `heads` the budget is not asked.
    Raises `FailedPrecondition`.
    """
    check_person(book, wish.person)
    check_department(wish.role, wish.person)
    held = [grant for grant in _kept(book, wish.person) if grant.grant_id != besides]
    for grant in held:
        together = grant.starts_at < wish.ends_at and wish.starts_at < grant.ends_at
        if together and (grant.role, grant.purpose) == (wish.role.name, wish.purpose.name) and not grant.break_glass:
            raise FailedPrecondition(
                "GRANT_OVERLAPS",
                f"Grant {grant.grant_id} gives this role for this purpose in that period; renew or change that one.",
            )
        other = book.bundle.roles.get(grant.role)
        excluded = grant.role in wish.role.excludes or (other is not None and wish.role.name in other.excludes)
        if together and excluded:
            raise FailedPrecondition(
                "ROLES_EXCLUDE_EACH_OTHER",
                f"Nobody holds `{wish.role.name}` together with `{grant.role}`; that one has to end first.",
            )
    if not heads or not wish.role.budget:
        return
    if len(_heads(book, wish) - {wish.person.person_id}) >= wish.role.budget:
        raise FailedPrecondition(
            "ROLE_BUDGET_SPENT",
            f"At most {wish.role.budget} people may hold `{wish.role.name}` at a time, and as many do; its owners can revoke one.",
        )


def _kept(book: Book, person: Person) -> Iterator[Grant]:
    return (grant for grant in book.grants_of(person) if state_of(grant, book.now) not in _OVER)


def _heads(book: Book, wish: Wish) -> set[str]:
    """Return the people who hold the role, for whatever purpose, at some time of the wished period."""
    found = set()
    for purpose in book.bundle.purposes:
        for employee in book.holdings.holders(wish.role.name, purpose).since(None):
            person = book.holdings.person(employee)
            for grant in book.holdings.of(employee):
                together = grant.starts_at < wish.ends_at and max(wish.starts_at, book.now) < grant.ends_at
                if person is not None and grant.role == wish.role.name and together and not grant.ended:
                    found.add(person.person_id)
    return found


def held(book: Book, grant_id: str) -> Grant:
    """Return the grant of this id. Raises `NotFound`."""
    grant = book.holdings.grant(grant_id)
    if grant is None:
        raise NotFound("GRANT_UNKNOWN", "There is no grant with this id; list the grants to find it.")
    return grant


def behind(book: Book, account: EmployeeKey) -> Person:
    """Return whose account this is. Raises `FailedPrecondition`."""
    person = book.holdings.person(account)
    if person is None:
        raise FailedPrecondition("ACCOUNT_UNKNOWN", "This account belongs to no person; the personnel office registers people.")
    return person
