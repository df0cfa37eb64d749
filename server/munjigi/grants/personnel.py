"""Joiner, mover, leaver, leave, return: what an event of a person does to all that hangs on the person, as one change.

Pure: a plan on a book. An event says when it took effect by its source's clock, and one that is older than the last that was
applied to its person is refused, so that events which arrive in another order than they happened give nobody a right back.
An event that says what is so already changes nothing but that time, whoever sends it how often.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar, Final, NamedTuple, TypedDict

from munjigi.grants.book import Book
from munjigi.grants.changes import Edit, GrantEdit, GrantKind, PersonEdit, PersonEvent, RequestEdit
from munjigi.grants.lifecycle import PERSON, PersonnelKind, over, state_of
from munjigi.kernel.clock import SECOND
from munjigi.kernel.errors import FailedPrecondition, InvalidArgument, NotFound
from munjigi.kernel.grant import Delegation, Fact, Grant, Person, PrincipalType
from munjigi.kernel.identity import EmployeeKey
from munjigi.kernel.ids import ID
from munjigi.kernel.personal import looks_personal
from munjigi.policy.registers import REQUIREMENTS, is_department

AHEAD: Final = 300 * SECOND  # how far a source's clock may be before ours, nanoseconds
METHOD: Final = "personnel"
LEFT: Final = "left"  # why a grant ended
MOVED: Final = "moved"
LEAVE: Final = "leave"  # why a grant is suspended
_WITHDRAWN: Final = frozenset(("new", "renew", "change"))  # a review of what was taken in an emergency goes on
_SETTLED: Final = frozenset((("left", "leaver"), ("leave", "leave"), ("active", "return")))


class PersonnelEvent(NamedTuple):
    """What happened to a person, by the word of `source`, at `effective_at` (UTC nanoseconds by its clock; 0: now).

    What is None stays as it is. `accounts` are added; `dropped` are taken away, which only those can be that never held anything.
    `facts` replace those of the same kind and source. `by` is the person who applies the event, empty for a program.
    """

    kind: PersonnelKind
    person_id: str
    source: str
    effective_at: int = 0
    principal_type: PrincipalType | None = None
    department: str | None = None
    manager: str | None = None
    accounts: tuple[EmployeeKey, ...] = ()
    dropped: tuple[EmployeeKey, ...] = ()
    facts: tuple[Fact, ...] = ()
    by: str = ""


class _Place(TypedDict):
    principal_type: PrincipalType
    department: str
    manager: str


class Personnel:
    """Plans events one after the other; `edits` is what they come to. After an error the plan is void.

    `waiting` are the grants of people who returned that wait for an owner to resume them.
    """

    def __init__(self, book: Book) -> None:
        self.edits: list[Edit] = []
        self.waiting: list[Grant] = []
        self._book = book
        self._people: dict[str, Person] = {}  # as they are by `edits`
        self._grants: dict[str, Grant] = {}
        self._claimed: dict[EmployeeKey, str] = {}
        self._said: dict[Fact, Fact] = {}  # a list says the same of many: they share it, as long as they stay in memory

    def person(self, person_id: str) -> Person | None:
        """Return a person as the plan leaves them so far."""
        return self._people.get(person_id) or self._book.holdings.person_of(person_id)

    def apply(self, event: PersonnelEvent) -> None:
        """Plan one event.

        Raises `NotFound` for a person who is not known, `FailedPrecondition` for an event that does not fit the person's state
        or comes late, and `InvalidArgument`.
        """
        person = self.person(event.person_id)
        if event.by and event.by == event.person_id:
            raise FailedPrecondition("OWN_PERSON", "Nobody applies personnel events to themselves (promise P9); a colleague can.")
        _check(event, self._book.now)
        at = event.effective_at or max(self._book.now, person.effective_at if person is not None else 0)
        if person is not None and _is_so(event, person):
            if event.effective_at > person.effective_at:
                self._keep(replace(person, effective_at=at), event)
            return
        before = person.status if person is not None else ""
        status = PERSON.get((before, event.kind))
        if status is None:
            raise _misfit(before)
        if person is None:
            person = Person(event.person_id, event.principal_type or "employee", "", ())
        elif event.kind not in ("facts", "account") and at < person.effective_at:
            raise FailedPrecondition(
                "EVENT_OUT_OF_ORDER",
                "A later event of this person was applied, so this one changes nothing; if it still holds, send it with the time "
                "from which it does.",
            )
        changed = self._with_accounts(person if person.status == status else replace(person, status=status), event)
        self._EFFECTS[event.kind](self, person, changed, event, at)

    def _joined(self, _before: Person, person: Person, event: PersonnelEvent, at: int) -> None:
        self._keep(replace(person, **_place(person, event), effective_at=at), event)

    def _moved(self, before: Person, person: Person, event: PersonnelEvent, at: int) -> None:
        """End what the new department's duty does not need, at once, and withdraw what was asked for of it."""
        moved = replace(person, **_place(person, event), effective_at=at)
        if moved.department != before.department:
            roles = self._book.bundle.roles
            self._end(before, MOVED, lambda role: role not in roles or not roles[role].open_to(moved.department))
        self._keep(moved, event)

    def _left(self, before: Person, person: Person, event: PersonnelEvent, at: int) -> None:
        """End everything that hangs on the person: grants, requests, sessions, and who decides in whose stead."""
        now = self._book.now
        self._end(before, LEFT, lambda _role: True)
        for other_id in self._stood_in_for(person.person_id):
            other = self.person(other_id)
            if other is not None and other_id != person.person_id:
                kept = _ended(other.delegations, now, lambda deputy: deputy == person.person_id)
                self._keep(replace(other, delegations=kept), event._replace(kind="leaver", person_id=other_id), "delegation")
        gone = replace(person, delegations=_ended(person.delegations, now, lambda _deputy: True))
        self._keep(replace(gone, sessions_from=now, effective_at=at), event)

    def _away(self, before: Person, person: Person, event: PersonnelEvent, at: int) -> None:
        for grant in self._held(before):
            if state_of(grant, self._book.now) in ("active", "pending"):
                self._put("grant_suspended", replace(grant, suspended=LEAVE))
        self._keep(replace(person, effective_at=at), event)

    def _back(self, before: Person, person: Person, event: PersonnelEvent, at: int) -> None:
        """Leave suspended what the leave suspended: an owner gives each back by resuming it (rule R7 of reviews), or it ends."""
        self._keep(replace(person, effective_at=at), event)
        now = self._book.now
        self.waiting += [each for each in self._held(before) if each.suspended == LEAVE and state_of(each, now) == "suspended"]

    def _stated(self, _before: Person, person: Person, event: PersonnelEvent, at: int) -> None:
        facts = {(fact.kind, fact.source): fact for fact in person.facts}
        for fact in event.facts:
            key = (fact.kind, event.source)
            known = facts.get(key)
            if known is not None and at < known.stated_at:
                raise FailedPrecondition(
                    "EVENT_OUT_OF_ORDER",
                    "The source said something later about this fact, so this changes nothing; ask the source.",
                )
            said = fact._replace(source=event.source, stated_at=at)
            facts[key] = self._said.setdefault(said, said)
        if tuple(facts.values()) != person.facts:
            self._keep(replace(person, facts=tuple(facts.values())), event)

    def _linked(self, before: Person, person: Person, event: PersonnelEvent, _at: int) -> None:
        if person.accounts != before.accounts:
            self._keep(person, event)

    def _with_accounts(self, person: Person, event: PersonnelEvent) -> Person:
        for account in event.accounts:
            owner = self._claimed.get(account)
            if owner is None and (known := self._book.holdings.person(account)) is not None:
                owner = known.person_id
            if owner not in (None, person.person_id):
                raise FailedPrecondition(
                    "ACCOUNT_TAKEN", "An account belongs to another person; one account is one person's (promise P9)."
                )
            self._claimed[account] = person.person_id
        kept = [account for account in person.accounts if account not in event.dropped]
        accounts = tuple(dict.fromkeys((*kept, *event.accounts)))
        return person if accounts == person.accounts else replace(person, accounts=accounts)

    def _held(self, person: Person) -> list[Grant]:
        return [self._grants.get(grant.grant_id, grant) for grant in self._book.grants_of(person)]

    def _end(self, person: Person, why: str, which: Callable[[str], bool]) -> None:
        now = self._book.now
        for grant in self._held(person):
            if which(grant.role) and state_of(grant, now) in ("active", "pending", "suspended"):
                self._put("grant_ended", over(grant, now, why))
        for request in self._book.open_of(person):
            if which(request.role) and request.kind in _WITHDRAWN:
                self.edits.append(RequestEdit("request_closed", replace(request, state="withdrawn")))

    def _put(self, kind: GrantKind, grant: Grant) -> None:
        self._grants[grant.grant_id] = grant
        self.edits.append(GrantEdit(kind, grant, "", METHOD))

    def _keep(self, person: Person, event: PersonnelEvent, kind: PersonEvent = "") -> None:
        self._people[person.person_id] = person
        self.edits.append(PersonEdit("person_changed", person, kind or event.kind, event.source))

    def _stood_in_for(self, person_id: str) -> list[str]:
        """Return who has this person as a deputy now or later, as the people were before the plan: none is named by it."""
        people = ((each, self._book.holdings.person_of(each)) for each in self._book.holdings.stood_in_for(person_id))
        return sorted(each for each, person in people if person is not None and _named(person, person_id, self._book.now))

    _EFFECTS: ClassVar[dict[PersonnelKind, Callable[[Personnel, Person, Person, PersonnelEvent, int], None]]] = {
        "joiner": _joined,
        "mover": _moved,
        "leaver": _left,
        "leave": _away,
        "return": _back,
        "facts": _stated,
        "account": _linked,
    }


def _check(event: PersonnelEvent, now: int) -> None:
    """Refuse what can't be a person's, or is not so yet. Raises `InvalidArgument`."""
    if event.effective_at > now + AHEAD:
        raise InvalidArgument("EVENT_IN_FUTURE", "An event is applied when it takes effect; send it then, not before.")
    for name, text in (("person_id", event.person_id), ("manager", event.manager), ("source", event.source)):
        if text and (ID.match(text) is None or looks_personal(text)):
            raise InvalidArgument(
                "PERSON_FIELD_INVALID",
                f"`{name}` is a key of 1 to 64 of A-Z a-z 0-9 . _ - that says nothing about the person, such as the personnel number.",
            )
    if ID.match(event.person_id) is None:
        raise InvalidArgument("PERSON_ID_INVALID", "A person id is 1 to 64 of A-Z a-z 0-9 . _ -")
    if event.department and not is_department(event.department):
        raise InvalidArgument(
            "PERSON_FIELD_INVALID", "`department` is a name as roles.toml has them, of at most 64 printable characters."
        )
    if event.manager and event.manager == event.person_id:
        raise InvalidArgument("MANAGER_SELF", "Nobody is their own manager; name another person, or nobody.")
    for issuer, subject in event.accounts:
        if not (issuer and subject) or looks_personal(subject) == "resident number":
            raise InvalidArgument("ACCOUNT_INVALID", "An account is an issuer and a subject, as the sign-in's tokens name them.")
    for fact in event.facts:
        if fact.kind not in REQUIREMENTS:
            raise InvalidArgument("FACT_UNKNOWN", f"A fact is one of: {', '.join(REQUIREMENTS)}.")
        if not 0 <= fact.starts_at <= fact.ends_at:
            raise InvalidArgument("FACT_PERIOD_INVALID", "A fact or delegation can't end before it starts.")


def _place(person: Person, event: PersonnelEvent) -> _Place:
    """Return where an event puts a person: what it does not say stays."""
    return {
        "principal_type": event.principal_type or person.principal_type,
        "department": person.department if event.department is None else event.department,
        "manager": person.manager if event.manager is None else event.manager,
    }


def _is_so(event: PersonnelEvent, person: Person) -> bool:
    """Tell whether the person is as the event says."""
    if event.kind in ("joiner", "mover"):
        here = (
            person.status != "left"
            and set(event.accounts) <= set(person.accounts)
            and not set(event.dropped) & set(person.accounts)
        )
        return here and all(getattr(person, name) == value for name, value in _place(person, event).items())
    return (person.status, event.kind) in _SETTLED


def _misfit(status: str) -> NotFound | FailedPrecondition:
    if not status:
        return NotFound("PERSON_UNKNOWN", "There is no person of this id; a joiner event brings one.")
    what = {"active": "active", "leave": "on leave"}.get(status, "gone")
    return FailedPrecondition(
        "PERSON_STATE",
        f"The person is {what}, which this event does not fit; look with `munjigi people show` and send the one that fits.",
    )


def _named(person: Person, deputy: str, now: int) -> bool:
    """Tell whether somebody is the person's deputy now or later."""
    return any(each.person_id == deputy and each.ends_at > now for each in person.delegations)


def _ended(delegations: tuple[Delegation, ...], now: int, which: Callable[[str], bool]) -> tuple[Delegation, ...]:
    """End those of a deputy now; what has not begun goes altogether."""
    kept = []
    for each in delegations:
        if not which(each.person_id):
            kept.append(each)
        elif each.starts_at < now:
            kept.append(each._replace(ends_at=min(each.ends_at, now)))
    return tuple(kept)
