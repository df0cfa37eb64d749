"""The grant table in memory, as a fold over changes: equal changes make equal tables."""

from __future__ import annotations

from collections.abc import Iterable

from munjigi.grants.changes import (
    BlockEdit,
    Edit,
    GrantEdit,
    PersonEdit,
    RequestEdit,
    SessionEdit,
    State,
    check_block_edit,
    check_grant_edit,
    check_person_edit,
    check_request_edit,
    check_session_edit,
)
from munjigi.grants.review_ledger import ReviewLedger
from munjigi.kernel.access_request import AccessRequest
from munjigi.kernel.grant import Block, Grant, Person
from munjigi.kernel.identity import EmployeeKey, SessionEnd


class Ledger:
    """People, accounts and grants at the revision reached so far."""

    __slots__ = ("_blocks", "_ends", "_granted", "_grants", "_owners", "_people", "_requests", "_reviews", "grant_revision")

    def __init__(self) -> None:
        self._grants: dict[str, Grant] = {}
        self._granted: set[EmployeeKey] = set()  # accounts that a grant names or named: grants are ended, never removed
        self._people: dict[str, Person] = {}
        self._owners: dict[EmployeeKey, str] = {}
        self._requests: dict[str, AccessRequest] = {}
        self._blocks: set[Block] = set()
        self._ends: dict[tuple[str, str, str], SessionEnd] = {}
        self._reviews = ReviewLedger()
        self.grant_revision = 0

    def apply(self, edits: Iterable[Edit]) -> None:
        """Take the edits, one revision each.

        Raises what `check_grant_edit` and `check_person_edit` raise; edits before the refused one have been taken.
        """
        for edit in edits:
            if isinstance(edit, GrantEdit):
                self._apply_grant(edit)
            elif isinstance(edit, PersonEdit):
                self._apply_person(edit)
            elif isinstance(edit, RequestEdit):
                check_request_edit(edit, self._requests.get(edit.request.access_request_id))
                self._requests[edit.request.access_request_id] = edit.request
            elif isinstance(edit, SessionEdit):
                self._apply_session(edit)
            elif isinstance(edit, BlockEdit):
                self._apply_block(edit)
            else:
                self._reviews.apply(edit)
            self.grant_revision += 1

    def copy(self) -> Ledger:
        """Return an independent ledger with the same content."""
        other = Ledger()
        other._grants, other._people, other._owners = dict(self._grants), dict(self._people), dict(self._owners)
        other._granted, other._requests, other._blocks = set(self._granted), dict(self._requests), set(self._blocks)
        other._ends, other._reviews = dict(self._ends), self._reviews.copy()
        other.grant_revision = self.grant_revision
        return other

    def state(self) -> State:
        """Return the table in its stable order."""
        return State(
            [self._grants[key] for key in sorted(self._grants)],
            [self._people[key] for key in sorted(self._people)],
            self.grant_revision,
            sorted(self._blocks),
            [self._requests[key] for key in sorted(self._requests)],
            sorted(self._ends.values()),
            self._reviews.state(),
        )

    def request(self, access_request_id: str) -> AccessRequest | None:
        """Return the request of this id."""
        return self._requests.get(access_request_id)

    def _apply_grant(self, edit: GrantEdit) -> None:
        grant = edit.grant
        owner = self._owners.get(grant.employee)
        status = None if owner is None else self._people[owner].status
        check_grant_edit(edit, self._grants.get(grant.grant_id), status, self._reviews.taken(grant.grant_id))
        if edit.kind == "grant_added" and owner is not None:
            self._reviews.check_given(edit, owner, self._requests.get)
        self._grants[grant.grant_id] = grant
        self._granted.add(grant.employee)

    def _apply_block(self, edit: BlockEdit) -> None:
        check_block_edit(edit, blocked=edit.block in self._blocks)
        (self._blocks.add if edit.kind == "principal_blocked" else self._blocks.discard)(edit.block)

    def _apply_session(self, edit: SessionEdit) -> None:
        check_session_edit(edit)
        end = edit.end
        self._ends = {key: other for key, other in self._ends.items() if other.until > end.ended_at}
        before = self._ends.get(end[:3])
        if before is None or before.ended_at < end.ended_at:
            self._ends[end[:3]] = end

    def _apply_person(self, edit: PersonEdit) -> None:
        person = edit.person
        before = self._people.get(person.person_id)
        had = set(before.accounts) if before else set()
        owners = {account: self._owners[account] for account in person.accounts if account in self._owners}
        check_person_edit(edit, owners, had & self._granted)
        for account in had:
            del self._owners[account]
        self._owners.update(dict.fromkeys(person.accounts, person.person_id))
        self._people[person.person_id] = person
