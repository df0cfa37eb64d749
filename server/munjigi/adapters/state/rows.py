"""Read and write people and grants as rows, inside a transaction of the caller."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from sys import intern
from typing import Any, Final, cast

from sqlalchemy import Column, Connection, Select, select

from munjigi.adapters.state.codec import GrantRow, corrupt, decode_delegations, decode_grant, encode_delegations
from munjigi.adapters.state.grant_rows import write_grants
from munjigi.adapters.state.people_rows import write_people
from munjigi.adapters.state.request_rows import write_block, write_request
from munjigi.adapters.state.review_rows import write_closing, write_exception, write_items, write_review
from munjigi.adapters.state.session_rows import write_session_end
from munjigi.adapters.state.tables import ACCOUNT, FACT, PERSON, ROLE_GRANT
from munjigi.grants.changes import BlockEdit, Edit, GrantEdit, PersonEdit, RequestEdit, SessionEdit
from munjigi.grants.log_edits import LogEdit
from munjigi.grants.review_edits import ExceptionEdit, ItemsEdit, ReviewEdit
from munjigi.kernel.grant import Fact, Grant, Person, PrincipalType, Scope, Status
from munjigi.kernel.identity import EmployeeKey

# Built once: each look goes through these.
_PEOPLE: Final = select(
    *(PERSON.c[name] for name in ("person_id", "principal_type", "department", "status", "manager")),
    *(PERSON.c[name] for name in ("delegations", "sessions_from", "effective_at")),
).order_by(PERSON.c.person_id)
_ACCOUNTS: Final = select(ACCOUNT.c.person_id, ACCOUNT.c.issuer, ACCOUNT.c.subject).order_by(
    ACCOUNT.c.person_id, ACCOUNT.c.position
)
_FACTS: Final = select(*(FACT.c[name] for name in ("person_id", "kind", "starts_at", "ends_at", "source", "stated_at"))).order_by(
    FACT.c.person_id, FACT.c.position
)
_FACTS_KEPT: Final = 10_000  # facts that are compared with what is read
_Plain = tuple[Any, ...]  # a row
_NONE: Final = encode_delegations(())


def read_grants(connection: Connection) -> list[Grant]:
    """Return all grants, ordered by id. There may be a million: equal parts of theirs are made once."""
    c = ROLE_GRANT.c
    columns = (c.grant_id, c.issuer, c.subject, c.role, c.purpose, c.starts_at, c.ends_at, c.approved_by, c.scope)
    since = (c.access_request_id, c.suspended, c.ended, c.break_glass)
    accounts: dict[tuple[str, str], EmployeeKey] = {}
    lists: dict[tuple[str, str | None], tuple[tuple[str, ...], Scope | None]] = {}
    found = []
    for grant_id, issuer, subject, role, purpose, starts, ends, approved_by, scope, *rest in connection.execute(
        select(*columns, *since).order_by(c.grant_id)
    ):
        employee = accounts.get((issuer, subject)) or accounts.setdefault((issuer, subject), EmployeeKey(issuer, subject))
        both = lists.get((approved_by, scope))
        if both is None:
            both = lists[approved_by, scope] = decode_grant(GrantRow(approved_by, scope))
        found.append(Grant(grant_id, employee, intern(role), intern(purpose), starts, ends, *both, *rest))
    return found


def read_people(connection: Connection, only: Sequence[str] | None = None) -> list[Person]:
    """Return all people with accounts and facts, or those of some ids, ordered by id.

    There may be a million: the three tables are gone through side by side, and equal parts of people are made once.
    """

    def rows(query: Select[Any], of: Column[str]) -> Iterable[_Plain]:
        return connection.execute(query if only is None else query.where(of.in_(only)))

    accounts, facts = _Following(rows(_ACCOUNTS, ACCOUNT.c.person_id)), _Following(rows(_FACTS, FACT.c.person_id))
    known: dict[_Plain, Fact] = {}
    found = []
    for person_id, kind, department, status, manager, delegations, sessions_from, effective_at in rows(
        _PEOPLE, PERSON.c.person_id
    ):
        here = tuple([EmployeeKey(intern(issuer), subject) for _, issuer, subject in accounts.of(person_id)])
        stated = tuple([_fact(each[1:], known) for each in facts.of(person_id)])
        deputies = decode_delegations(delegations) if delegations != _NONE else ()
        stands = (cast("Status", intern(status)), intern(manager), deputies, sessions_from, effective_at)
        found.append(Person(person_id, cast("PrincipalType", intern(kind)), intern(department), here, stated, *stands))
    accounts.end()
    facts.end()
    return found


class _Following:
    """Rows in the order of people, whose id comes first in each."""

    def __init__(self, rows: Iterable[_Plain]) -> None:
        self._rows = iter(rows)
        self._next = next(self._rows, None)

    def of(self, person_id: str) -> list[_Plain]:
        """Return the rows of a person; people are asked for in order."""
        row, found = self._next, []
        while row is not None and row[0] == person_id:
            found.append(row)
            row = next(self._rows, None)
        self._next = row
        return found

    def end(self) -> None:
        """Raise `Corruption` when there are rows of nobody, behind which those of others would be missing."""
        if self._next is not None:
            raise corrupt()


def _fact(row: _Plain, known: dict[_Plain, Fact]) -> Fact:
    """Return the fact of a row: a list states the same of many."""
    fact = known.get(row)
    if fact is None:
        kind, starts_at, ends_at, source, stated_at = row
        if len(known) >= _FACTS_KEPT:
            known.clear()
        fact = known[row] = Fact(intern(kind), starts_at, ends_at, intern(source), stated_at)
    return fact


def write_all(connection: Connection, edits: Iterable[Edit]) -> None:
    """Write edits in order, each after asking the rules; grants that follow each other together, and people, too.

    Raises what `grants/changes.py` raises.
    """
    for kind, several in groupby(edits, type):
        if kind is PersonEdit:
            write_people(connection, cast("list[PersonEdit]", list(several)))
        elif kind is GrantEdit:
            write_grants(connection, cast("list[GrantEdit]", list(several)))
        else:
            for edit in several:
                _write(connection, edit)


def _write(connection: Connection, edit: Edit) -> None:
    if isinstance(edit, BlockEdit):
        write_block(connection, edit)
    elif isinstance(edit, SessionEdit):
        write_session_end(connection, edit)
    elif isinstance(edit, RequestEdit):
        write_request(connection, edit)
    elif isinstance(edit, ItemsEdit):
        write_items(connection, edit)
    elif isinstance(edit, ReviewEdit):
        write_review(connection, edit)
    elif isinstance(edit, ExceptionEdit):
        write_exception(connection, edit)
    elif isinstance(edit, LogEdit):
        write_closing(connection, edit)
