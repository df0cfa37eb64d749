"""A change of the grant table is valid before any store writes it: one set of rules for every store.

Stores look up what a rule needs (the grant as it is, the owners of accounts) and ask here. Revisions are
dense: each change has its own `grant_revision`, so the table at any past revision can be rebuilt.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Literal, NamedTuple

from munjigi.kernel.errors import FailedPrecondition, InvalidArgument, NotFound
from munjigi.kernel.grant import Grant, Person
from munjigi.kernel.identity import EmployeeKey
from munjigi.kernel.ids import ID

GrantKind = Literal["grant_added", "grant_changed", "grant_ended"]


class GrantEdit(NamedTuple):
    """Add a grant, change its period, scope or approvers, or end it. `grant` is the whole grant afterwards."""

    kind: GrantKind
    grant: Grant


class PersonEdit(NamedTuple):
    """Add a person or replace all that is known about one."""

    kind: Literal["person_changed"]
    person: Person


Edit = GrantEdit | PersonEdit
_LAST_NS: Final = 2**63 - 1


class Change(NamedTuple):
    """An edit as it was committed. `at` is UTC nanoseconds and never decreases along the revisions.

    `clock_stepped` marks an `at` that was clamped because the machine's clock had gone back.
    """

    grant_revision: int
    at: int
    clock_stepped: bool
    actor: str
    request_id: str
    edit: Edit


class State(NamedTuple):
    """The grant table at one revision; grants by id, people by id."""

    grants: list[Grant]
    people: list[Person]
    grant_revision: int


def grant_added(grant: Grant) -> GrantEdit:
    """Add a grant with a new id."""
    return GrantEdit("grant_added", grant)


def grant_changed(grant: Grant) -> GrantEdit:
    """Replace period, scope or approvers of a grant."""
    return GrantEdit("grant_changed", grant)


def grant_ended(grant: Grant) -> GrantEdit:
    """End a grant: `grant.ends_at` is not after the end that it had."""
    return GrantEdit("grant_ended", grant)


def person_changed(person: Person) -> PersonEdit:
    """Add or replace a person."""
    return PersonEdit("person_changed", person)


def check_grant_edit(edit: GrantEdit, before: Grant | None, *, account_known: bool) -> None:
    """Refuse an edit that the table can't take.

    `before` is the grant of that id as it is now, `account_known` tells whether the employee's account belongs
    to a person. Raises `InvalidArgument`, `NotFound` or `FailedPrecondition`.
    """
    grant = edit.grant
    scope = (*grant.scope.objects, *grant.scope.actions) if grant.scope else ()
    _check_storable((*grant.employee, grant.role, grant.purpose, *grant.approved_by, *scope), (grant.starts_at, grant.ends_at))
    if ID.match(grant.grant_id) is None:
        raise InvalidArgument("GRANT_ID_INVALID", "A grant id is 1 to 64 of A-Z a-z 0-9 . _ -")
    if edit.kind == "grant_added":
        if before is not None:
            raise FailedPrecondition("GRANT_EXISTS", "A grant with this id exists; choose a new id, or change the grant.")
        if not grant.starts_at < grant.ends_at:
            raise InvalidArgument(
                "GRANT_PERIOD_INVALID", "A grant ends after it starts; give an end that is later than the start."
            )
        if not account_known:
            raise FailedPrecondition("ACCOUNT_UNKNOWN", "The employee's account belongs to no person; register the person first.")
        return
    if before is None:
        raise NotFound("GRANT_UNKNOWN", "There is no grant with this id; list the grants to find it.")
    if (grant.employee, grant.role, grant.purpose) != (before.employee, before.role, before.purpose):
        raise FailedPrecondition("GRANT_FIXED", "Employee, role and purpose of a grant never change; end it and add another.")
    if grant.starts_at > grant.ends_at:
        raise InvalidArgument("GRANT_PERIOD_INVALID", "A grant can't end before it starts.")
    if edit.kind == "grant_ended" and grant.ends_at > before.ends_at:
        raise InvalidArgument("GRANT_PERIOD_INVALID", "Ending a grant can't make it longer; change it instead.")


def check_person_edit(edit: PersonEdit, owners: Mapping[EmployeeKey, str], granted: Iterable[EmployeeKey]) -> None:
    """Refuse a person that would share an account with another, or lose one that holds or held a grant.

    `owners` maps those of the person's new accounts that exist to their person's id; `granted` are the accounts of
    the person, as it is now, that grants name. Raises `InvalidArgument` or `FailedPrecondition`.
    """
    person = edit.person
    names = (text for account in person.accounts for text in account)
    facts = (text for fact in person.facts for text in (fact.kind, fact.source))
    _check_storable(
        (person.department, *names, *facts), (time for fact in person.facts for time in (fact.starts_at, fact.ends_at))
    )
    if ID.match(person.person_id) is None:
        raise InvalidArgument("PERSON_ID_INVALID", "A person id is 1 to 64 of A-Z a-z 0-9 . _ -")
    if len(set(person.accounts)) != len(person.accounts):
        raise InvalidArgument("ACCOUNT_REPEATED", "An account stands twice in the person's list; leave one.")
    if any(owners.get(account, person.person_id) != person.person_id for account in person.accounts):
        raise FailedPrecondition(
            "ACCOUNT_TAKEN", "An account belongs to another person; one account is one person's (promise P9)."
        )
    if any(account not in person.accounts for account in granted):
        raise FailedPrecondition(
            "ACCOUNT_GRANTED", "An account that a grant names can't be taken away; end the grant and keep the account."
        )
    if any(fact.starts_at > fact.ends_at for fact in person.facts):
        raise InvalidArgument("FACT_PERIOD_INVALID", "A fact can't end before it starts.")


def check_origin(at: int, actor: str, request_id: str) -> None:
    """Refuse a time or a name that no store can keep beside a change.

    Raises `InvalidArgument`.
    """
    _check_storable((actor, request_id), (at,))


def _check_storable(texts: Iterable[str], times: Iterable[int]) -> None:
    # What every store can keep: no lone surrogate (not UTF-8), no NUL (PostgreSQL), times of 64 bits.
    if any("\x00" in text or any("\ud800" <= char <= "\udfff" for char in text) for text in texts):
        raise InvalidArgument(
            "TEXT_INVALID", "A name contains a character that can't be stored; use plain Unicode text without NUL."
        )
    if any(not 0 <= time <= _LAST_NS for time in times):
        raise InvalidArgument("TIME_INVALID", "A time is UTC nanoseconds since 1970, from 0 to 2^63-1.")
