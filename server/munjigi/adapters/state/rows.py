"""Read and write people and grants as rows, inside a transaction of the caller."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import groupby
from sys import intern
from typing import Any, Final, cast

from sqlalchemy import BindParameter, Connection, Row, RowMapping, Table, bindparam, insert, select, update

from munjigi.adapters.state.codec import GrantRow, decode_delegations, decode_grant, encode_grant
from munjigi.adapters.state.people_rows import write_people
from munjigi.adapters.state.request_rows import read_request, write_block, write_request
from munjigi.adapters.state.review_rows import (
    lift,
    standing,
    taken_from,
    write_closing,
    write_exception,
    write_items,
    write_review,
)
from munjigi.adapters.state.session_rows import write_session_end
from munjigi.adapters.state.tables import ACCOUNT, FACT, PERSON, ROLE_GRANT
from munjigi.grants.changes import BlockEdit, Edit, GrantEdit, PersonEdit, RequestEdit, SessionEdit, check_grant_edit
from munjigi.grants.log_edits import LogEdit
from munjigi.grants.review_edits import ExceptionEdit, ItemsEdit, ReviewEdit
from munjigi.grants.review_marks import check_mark, lifted
from munjigi.kernel.grant import Fact, Grant, Person, PrincipalType, Scope, Status
from munjigi.kernel.identity import EmployeeKey

# Built once: each change goes through these.
_MINE: Final[BindParameter[str]] = bindparam("mine")
_GRANT: Final = select(ROLE_GRANT).where(ROLE_GRANT.c.grant_id == _MINE)
_STANDING: Final = (
    select(PERSON.c.status, PERSON.c.person_id)
    .select_from(PERSON.join(ACCOUNT, ACCOUNT.c.person_id == PERSON.c.person_id))
    .where(ACCOUNT.c.issuer == bindparam("issuer"), ACCOUNT.c.subject == bindparam("subject"))
)
_GIVE: Final = insert(ROLE_GRANT)
_ALTER: Final = update(ROLE_GRANT).where(ROLE_GRANT.c.grant_id == _MINE)


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
    """Return all people with accounts and facts, or those of some ids, ordered by id."""

    def rows(table: Table, *order: str) -> Iterable[Row[Any]]:
        query = select(table).order_by(*(table.c[name] for name in order))
        return connection.execute(query if only is None else query.where(table.c.person_id.in_(only)))

    accounts: defaultdict[str, list[EmployeeKey]] = defaultdict(list)
    for row in rows(ACCOUNT, "person_id", "position"):
        accounts[row.person_id].append(EmployeeKey(row.issuer, row.subject))
    facts: defaultdict[str, list[Fact]] = defaultdict(list)
    for row in rows(FACT, "person_id", "position"):
        facts[row.person_id].append(Fact(row.kind, row.starts_at, row.ends_at, row.source, row.stated_at))
    return [
        Person(
            row.person_id,
            cast("PrincipalType", row.principal_type),
            row.department,
            tuple(accounts[row.person_id]),
            tuple(facts[row.person_id]),
            cast("Status", row.status),
            row.manager,
            decode_delegations(row.delegations),
            row.sessions_from,
            row.effective_at,
        )
        for row in rows(PERSON, "person_id")
    ]


def write_all(connection: Connection, edits: Iterable[Edit]) -> None:
    """Write edits in order, each after asking the rules; people who follow each other together. Raises what `grants/changes.py` raises."""
    for of_people, several in groupby(edits, lambda edit: isinstance(edit, PersonEdit)):
        if of_people:
            write_people(connection, cast("list[PersonEdit]", list(several)))
        else:
            for edit in several:
                _write(connection, edit)


def _write(connection: Connection, edit: Edit) -> None:
    if isinstance(edit, GrantEdit):
        write_grant(connection, edit)
    elif isinstance(edit, BlockEdit):
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


def write_grant(connection: Connection, edit: GrantEdit) -> None:
    """Insert or update one grant after asking the rules.

    Raises what `check_grant_edit` raises.
    """
    grant = edit.grant
    found = connection.execute(_GRANT, {"mine": grant.grant_id}).mappings().first()
    holder = connection.execute(_STANDING, grant.employee._asdict()).first()
    taken = taken_from(connection, grant.grant_id) if edit.kind == "grant_restored" else ()
    check_grant_edit(edit, None if found is None else grant_of(found), None if holder is None else holder.status, taken)
    if edit.kind == "grant_added" and holder is not None:
        _check_mark(connection, grant, holder.person_id)
    lists = encode_grant(grant)
    values: dict[str, Any] = {"starts_at": grant.starts_at, "ends_at": grant.ends_at, **lists._asdict()}
    values |= {name: getattr(grant, name) for name in ("access_request_id", "suspended", "ended", "break_glass")}
    if edit.kind == "grant_added":
        values |= {"grant_id": grant.grant_id, "issuer": grant.employee.issuer, "subject": grant.employee.subject}
        values |= {"role": grant.role, "purpose": grant.purpose}
        connection.execute(_GIVE, values)
    else:
        connection.execute(_ALTER, values | {"mine": grant.grant_id})


def _check_mark(connection: Connection, grant: Grant, person_id: str) -> None:
    """Refuse to give what a review took without a new approval, and note one. Raises `FailedPrecondition`."""
    mark = standing(connection, person_id, grant.role, grant.purpose)
    if mark is None:
        return
    asked = read_request(connection, grant.access_request_id) if grant.access_request_id else None
    check_mark(mark, asked)
    if not grant.break_glass:
        lift(connection, lifted(mark, asked))


def grant_of(row: RowMapping) -> Grant:
    """Return the grant of a row."""
    approved_by, scope = decode_grant(GrantRow(row["approved_by"], row["scope"]))
    employee = EmployeeKey(row["issuer"], row["subject"])
    period = (row["starts_at"], row["ends_at"])
    since = (row["access_request_id"], row["suspended"], row["ended"], row["break_glass"])
    return Grant(row["grant_id"], employee, row["role"], row["purpose"], *period, approved_by, scope, *since)
