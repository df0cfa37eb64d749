"""Whom a denial sends people to: those who may decide about the role today, which the policy alone does not know.

Decisions are pure and their help names the owners of roles.toml; here, where it is answered, those are named who are here: owners, who
stands in for them, or their managers (`grants/deciders.py`). Of an office, which may have many people, only the name is said.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from munjigi.decision.helptext import Help, Whom
from munjigi.decision.snapshot import Snapshot
from munjigi.grants.book import Book
from munjigi.grants.deciders import MANAGER, OWNER, deciders
from munjigi.grants.vacancies import asking
from munjigi.kernel.identity import EmployeeKey
from munjigi.policy.calendar import MINUTE
from munjigi.policy.types import Role

_MOST_NAMES: Final = 12
_OFFICE: Final = "ask the privacy office."


class _Decider(NamedTuple):
    subject: str
    stead: str  # the subject of whom they stand in for, empty for their own word


class WhomToAsk:
    """Says who decides about roles if `employee` asks for them by this snapshot, `now` (UTC nanoseconds). Finds it once a role."""

    def __init__(self, snapshot: Snapshot, employee: EmployeeKey, now: int) -> None:
        self._snapshot = snapshot
        self._book = Book(snapshot.grants, snapshot.bundle, now)
        self._employee = employee
        self._found: dict[str, list[_Decider] | None] = {}
        person = snapshot.grants.person(employee)
        self._person_id = person.person_id if person is not None else ""

    def serves(self, snapshot: Snapshot, employee: EmployeeKey, now: int) -> bool:
        """Tell whether it is right for another question: of the same employee, by the same snapshot, in the same minute."""
        same_minute = now // MINUTE == self._book.now // MINUTE
        return same_minute and snapshot is self._snapshot and employee == self._employee

    def told(self, text: str) -> str:
        """Return a decision's help with those who decide today."""
        return text.naming(self._words) if isinstance(text, Help) else text

    def subjects(self, role: str, owners: tuple[str, ...]) -> tuple[str, ...]:
        """Return the subjects of those who decide first, none where nobody does; `owners` where an office does, or the role is gone."""
        about = self._book.bundle.roles.get(role)
        found = self._first(about) if about is not None else None
        return owners if found is None else tuple(each.subject for each in found)

    def _words(self, name: str) -> Whom | None:
        role = self._book.bundle.roles.get(name)
        if role is None or not role.owners:
            return None
        found, stage = self._first(role), role.stages[0].name
        if found is None:
            return Whom(f"office `{stage}` decides.")
        if stage == MANAGER:
            return (
                Whom(f"your manager decides: {_names(found)}.")
                if found
                else Whom(f"no manager of yours is here; {_OFFICE}", nobody=True)
            )
        if not found:
            return Whom(f"nobody of its owners is here to decide ({', '.join(role.owners)}); {_OFFICE}", nobody=True)
        return Whom(f"its owners decide: {_names(found)}.")

    def _first(self, role: Role) -> list[_Decider] | None:
        """Return who decides the role's first stage; None for an office."""
        if role.name not in self._found:
            self._found[role.name] = self._deciders(role)
        return self._found[role.name]

    def _deciders(self, role: Role) -> list[_Decider] | None:
        stage = role.stages[0]
        if stage.name not in (OWNER, MANAGER):
            return None
        found = deciders(self._book, asking(role, self._employee, self._person_id), stage)
        return [_Decider(self._subject(who, role), self._subject(stead, role)) for who, stead in found.items()]

    def _subject(self, person_id: str, role: Role) -> str:
        """Return the account by which a person is asked: the one that owns the role, else one of the asker's issuer, else any."""
        person = self._book.holdings.person_of(person_id) if person_id else None
        if person is None:
            return ""
        here = [each.subject for each in person.accounts if each.issuer == self._employee.issuer]
        owning = [each for each in here if each in role.owners]
        return next(iter(owning or here or [each.subject for each in person.accounts]), person_id)


def _names(found: list[_Decider]) -> str:
    shown = [f"{each.subject} for {each.stead}" if each.stead else each.subject for each in found[:_MOST_NAMES]]
    more = len(found) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
