"""What lapses soon, so that people hear of it days before: decisions look at facts, and what lapsed gives nothing at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from munjigi.grants.book import Book
from munjigi.kernel.clock import SECOND
from munjigi.kernel.grant import Fact, Person

_DAY: Final = 86_400 * SECOND


class Lapsing(NamedTuple):
    """A fact of a person ends at `ends_at` (UTC nanoseconds), and with it what grants of `roles` allow."""

    person_id: str
    kind: str
    ends_at: int
    roles: tuple[str, ...]


def lapsing(book: Book, days: int) -> list[Lapsing]:
    """Return what lapses within `days` although a grant in force needs it beyond, by time and person. Looks at everybody."""
    end = book.now + days * _DAY
    found = [each for person in book.holdings.people() if person.status == "active" for each in lapsing_of(book, person, end)]
    return sorted(found, key=lambda each: (each.ends_at, each.person_id, each.kind))


def lapsing_of(book: Book, person: Person, end: int) -> Iterable[Lapsing]:
    """Yield what of one person lapses before `end`."""
    needed: dict[str, dict[str, int]] = {}  # kind -> role -> until when
    for grant in book.grants_of(person):
        role = book.bundle.roles.get(grant.role)
        if role is None or not grant.active(book.now):
            continue
        for kind in role.requires:
            roles = needed.setdefault(kind, {})
            roles[role.name] = max(roles.get(role.name, 0), grant.ends_at)
    for kind, roles in needed.items():
        until = _covered(person.facts, kind, book.now)
        losing = tuple(sorted(role for role, needed_until in roles.items() if until < needed_until))
        if losing and book.now < until < end:
            yield Lapsing(person.person_id, kind, until, losing)


def _covered(facts: tuple[Fact, ...], kind: str, now: int) -> int:
    """Return until when facts of a kind are in force without a gap; `now` when none is."""
    until = now
    for fact in sorted((fact for fact in facts if fact.kind == kind), key=lambda fact: fact.starts_at):
        if fact.starts_at <= until:
            until = max(until, fact.ends_at)
    return until
