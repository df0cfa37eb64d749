"""Whom a denial sends people to: those who may decide about the role today, which the policy alone does not know.

Decisions are pure and their help names the owners of roles.toml; here, where it is answered, those are named who are here: owners, who
stands in for them, or their managers (`grants/deciders.py`). Of an office, which may have many people, only the name is said.
Named are who decides first, and only if their vote leaves the later stages somebody; where nobody could decide one of these, a
request would be refused (`grants/requests.py`, `check_deciders`), and that is said instead of how to ask.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from munjigi.decision.helptext import Help, Whom
from munjigi.decision.snapshot import Snapshot
from munjigi.grants.book import Book
from munjigi.grants.deciders import MANAGER, OWNER, deciders_of, feasible, seats
from munjigi.grants.vacancies import asking
from munjigi.kernel.identity import EmployeeKey
from munjigi.policy.calendar import MINUTE
from munjigi.policy.types import Role, Stage

_MOST_NAMES: Final = 12
_OFFICE: Final = "ask the privacy office."
_TEAM: Final = "tell the security team."


class _Decider(NamedTuple):
    subject: str
    stead: str  # the subject of whom they stand in for, empty for their own word


class _Found(NamedTuple):
    """Of a role: who decides first, none of an office; the first stage that nobody could decide; whether all could, but for being the same people."""

    first: list[_Decider]
    vacant: Stage | None
    too_few: bool


class WhomToAsk:
    """Says who decides about roles if `employee` asks for them by this snapshot, `now` (UTC nanoseconds). Finds it once a role."""

    def __init__(self, snapshot: Snapshot, employee: EmployeeKey, now: int) -> None:
        self._snapshot = snapshot
        self._book = Book(snapshot.grants, snapshot.bundle, now)
        self._employee = employee
        self._found: dict[str, _Found] = {}
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
        """Return the subjects of those who decide first, none where it could not be decided; `owners` where an office does, or the role is gone."""
        about = self._book.bundle.roles.get(role)
        if about is None:
            return owners
        found = self._of(about)
        if found.vacant is not None or found.too_few:
            return ()
        return tuple(each.subject for each in found.first) if _by_name(about.stages[0]) else owners

    def _words(self, name: str) -> Whom | None:
        role = self._book.bundle.roles.get(name)
        if role is None or not role.owners:
            return None
        found = self._of(role)
        stage = found.vacant
        if stage == role.stages[0]:
            return Whom(_nobody(stage, role), nobody=True)
        if stage is not None:
            return Whom(
                f"{_somebody(role, found.first)}, but nobody is here to decide its later stage `{stage.name}`; {_TEAM}",
                nobody=True,
            )
        if found.too_few:
            return Whom(f"its stages need different people, and too few of them are here; {_TEAM}", nobody=True)
        return Whom(f"{_somebody(role, found.first)}.")

    def _of(self, role: Role) -> _Found:
        if role.name not in self._found:
            self._found[role.name] = self._look(role)
        return self._found[role.name]

    def _look(self, role: Role) -> _Found:
        asked, first = asking(role, self._employee, self._person_id), role.stages[0]
        # So many people are enough to know whether each stage can have somebody of its own, unless one of them takes all it has.
        enough = 0 if any(each.everyone for each in role.stages) else len(role.stages)
        several = [
            (seats(self._book, asked, each, people=0 if each is first and _by_name(each) else enough), each)
            for each in role.stages
        ]
        vacant = next((each for filled_by, each in several if not filled_by), None)
        people = deciders_of(several[0][0])
        stages = [(filled_by, each.everyone) for filled_by, each in several]
        too_few = vacant is None and not feasible(stages, frozenset())
        if vacant is None and not too_few and not first.everyone:
            people = {who: stead for who, stead in people.items() if feasible(stages[1:], frozenset((who,)))}
        named = [_Decider(self._subject(who, role), self._subject(stead, role)) for who, stead in people.items()]
        return _Found(named if _by_name(first) else [], vacant, too_few)

    def _subject(self, person_id: str, role: Role) -> str:
        """Return the account by which a person is asked: the one that owns the role, else one of the asker's issuer, else any."""
        person = self._book.holdings.person_of(person_id) if person_id else None
        if person is None:
            return ""
        here = [each.subject for each in person.accounts if each.issuer == self._employee.issuer]
        owning = [each for each in here if each in role.owners]
        return next(iter(owning or here or [each.subject for each in person.accounts]), person_id)


def _by_name(stage: Stage) -> bool:
    """Tell whether those who decide a stage are named, not their office."""
    return stage.name in (OWNER, MANAGER)


def _somebody(role: Role, first: list[_Decider]) -> str:
    stage = role.stages[0]
    if not _by_name(stage):
        return f"office `{stage.name}` decides"
    return f"{'your manager decides' if stage.name == MANAGER else 'its owners decide'}: {_names(first)}"


def _nobody(stage: Stage, role: Role) -> str:
    if stage.name == MANAGER:
        return f"no manager of yours is here; {_OFFICE}"
    if stage.name == OWNER:
        return f"nobody of its owners is here to decide ({', '.join(role.owners)}); {_OFFICE}"
    return f"nobody of office `{stage.name}`, which decides, is here; {_TEAM}"


def _names(found: list[_Decider]) -> str:
    shown = [f"{each.subject} for {each.stead}" if each.stead else each.subject for each in found[:_MOST_NAMES]]
    more = len(found) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
