"""The grant table in memory, as a fold over changes: equal changes make equal tables."""

from __future__ import annotations

from collections.abc import Iterable

from munjigi.grants.changes import Edit, GrantEdit, State, check_grant_edit, check_person_edit, person_changed
from munjigi.kernel.grant import Grant, Person
from munjigi.kernel.identity import EmployeeKey


class Ledger:
    """People, accounts and grants at the revision reached so far."""

    __slots__ = ("_granted", "_grants", "_owners", "_people", "grant_revision")

    def __init__(self) -> None:
        self._grants: dict[str, Grant] = {}
        self._granted: set[EmployeeKey] = set()  # accounts that a grant names or named: grants are ended, never removed
        self._people: dict[str, Person] = {}
        self._owners: dict[EmployeeKey, str] = {}
        self.grant_revision = 0

    def apply(self, edits: Iterable[Edit]) -> None:
        """Take the edits, one revision each.

        Raises what `check_grant_edit` and `check_person_edit` raise; edits before the refused one have been taken.
        """
        for edit in edits:
            if isinstance(edit, GrantEdit):
                self._apply_grant(edit)
            else:
                self._apply_person(edit.person)
            self.grant_revision += 1

    def copy(self) -> Ledger:
        """Return an independent ledger with the same content."""
        other = Ledger()
        other._grants, other._people, other._owners = dict(self._grants), dict(self._people), dict(self._owners)
        other._granted = set(self._granted)
        other.grant_revision = self.grant_revision
        return other

    def state(self) -> State:
        """Return the table in its stable order."""
        return State(
            [self._grants[key] for key in sorted(self._grants)],
            [self._people[key] for key in sorted(self._people)],
            self.grant_revision,
        )

    def _apply_grant(self, edit: GrantEdit) -> None:
        grant = edit.grant
        check_grant_edit(edit, self._grants.get(grant.grant_id), account_known=grant.employee in self._owners)
        self._grants[grant.grant_id] = grant
        self._granted.add(grant.employee)

    def _apply_person(self, person: Person) -> None:
        before = self._people.get(person.person_id)
        had = set(before.accounts) if before else set()
        owners = {account: self._owners[account] for account in person.accounts if account in self._owners}
        check_person_edit(person_changed(person), owners, had & self._granted)
        for account in had:
            del self._owners[account]
        self._owners.update(dict.fromkeys(person.accounts, person.person_id))
        self._people[person.person_id] = person
