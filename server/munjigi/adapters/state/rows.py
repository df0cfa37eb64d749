"""Read and write people and grants as rows, inside a transaction of the caller."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from sys import intern
from typing import Any, Final, cast

from sqlalchemy import BindParameter, Connection, Row, RowMapping, Table, bindparam, delete, insert, select, update

from munjigi.adapters.state.codec import GrantRow, decode_delegations, decode_grant, encode_delegations, encode_grant
from munjigi.adapters.state.request_rows import write_block, write_request
from munjigi.adapters.state.session_rows import write_session_end
from munjigi.adapters.state.tables import ACCOUNT, FACT, PERSON, ROLE_GRANT
from munjigi.grants.changes import BlockEdit, Edit, GrantEdit, PersonEdit, SessionEdit, check_grant_edit, check_person_edit
from munjigi.kernel.grant import Fact, Grant, Person, PrincipalType, Scope, Status
from munjigi.kernel.identity import EmployeeKey

# Built once: lists of people are as long as the company is large.
_MINE: Final[BindParameter[str]] = bindparam("mine")
_ACCOUNTS: Final = (
    select(PERSON.c.person_id, ACCOUNT.c.issuer, ACCOUNT.c.subject, ACCOUNT.c.position)
    .select_from(PERSON.outerjoin(ACCOUNT, ACCOUNT.c.person_id == PERSON.c.person_id))
    .where(PERSON.c.person_id == _MINE)
)
_OWNER: Final = select(ACCOUNT.c.person_id).where(
    ACCOUNT.c.issuer == bindparam("issuer"), ACCOUNT.c.subject == bindparam("subject")
)
_HELD: Final = (
    select(ROLE_GRANT.c.grant_id)
    .where(ROLE_GRANT.c.issuer == bindparam("issuer"), ROLE_GRANT.c.subject == bindparam("subject"))
    .limit(1)
)
_CHANGE: Final = update(PERSON).where(PERSON.c.person_id == _MINE)
_FORGET: Final = delete(FACT).where(FACT.c.person_id == _MINE)
_HERE: Final = (ACCOUNT.c.issuer == bindparam("of")) & (ACCOUNT.c.subject == bindparam("who"))
_DROP: Final = delete(ACCOUNT).where(_HERE)
_MOVE: Final = update(ACCOUNT).where(_HERE)


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


def write(connection: Connection, edit: Edit) -> None:
    """Write one edit after asking the rules. Raises what `grants/changes.py` raises."""
    if isinstance(edit, GrantEdit):
        write_grant(connection, edit)
    elif isinstance(edit, PersonEdit):
        write_person(connection, edit)
    elif isinstance(edit, BlockEdit):
        write_block(connection, edit)
    elif isinstance(edit, SessionEdit):
        write_session_end(connection, edit)
    else:
        write_request(connection, edit)


def write_grant(connection: Connection, edit: GrantEdit) -> None:
    """Insert or update one grant after asking the rules.

    Raises what `check_grant_edit` raises.
    """
    grant = edit.grant
    mine = ROLE_GRANT.c.grant_id == grant.grant_id
    found = connection.execute(select(ROLE_GRANT).where(mine)).mappings().first()
    status = select(PERSON.c.status).select_from(PERSON.join(ACCOUNT, ACCOUNT.c.person_id == PERSON.c.person_id))
    account = (ACCOUNT.c.issuer == grant.employee.issuer) & (ACCOUNT.c.subject == grant.employee.subject)
    holder = connection.execute(status.where(account)).scalar_one_or_none()
    check_grant_edit(edit, None if found is None else grant_of(found), holder)
    lists = encode_grant(grant)
    values: dict[str, Any] = {"starts_at": grant.starts_at, "ends_at": grant.ends_at, **lists._asdict()}
    values |= {name: getattr(grant, name) for name in ("access_request_id", "suspended", "ended", "break_glass")}
    if edit.kind == "grant_added":
        values |= {"grant_id": grant.grant_id, "issuer": grant.employee.issuer, "subject": grant.employee.subject}
        values |= {"role": grant.role, "purpose": grant.purpose}
        connection.execute(insert(ROLE_GRANT).values(values))
    else:
        connection.execute(update(ROLE_GRANT).where(mine).values(values))


def write_person(connection: Connection, edit: PersonEdit) -> None:
    """Insert or replace one person after asking the rules.

    Raises what `check_person_edit` raises.
    """
    person = edit.person
    mine = {"mine": person.person_id}
    rows = connection.execute(_ACCOUNTS, mine).all()
    had = {EmployeeKey(row.issuer, row.subject): row.position for row in rows if row.issuer is not None}
    owners = {}
    for account in person.accounts:
        owner = person.person_id if account in had else connection.execute(_OWNER, account._asdict()).scalar_one_or_none()
        if owner is not None:
            owners[account] = owner
    dropped = [account for account in had if account not in person.accounts]
    granted = [account for account in dropped if connection.execute(_HELD, account._asdict()).first() is not None]
    check_person_edit(edit, owners, granted)

    named = ("principal_type", "department", "status", "manager", "sessions_from", "effective_at")
    values = {name: getattr(person, name) for name in named}
    values["delegations"] = encode_delegations(person.delegations)
    if rows:
        connection.execute(_CHANGE, mine | values)
        connection.execute(_FORGET, mine)
    else:
        connection.execute(insert(PERSON), {"person_id": person.person_id, **values})
    for account in dropped:
        connection.execute(_DROP, {"of": account.issuer, "who": account.subject})
    for position, account in enumerate(person.accounts):
        if account not in had:
            connection.execute(insert(ACCOUNT), {**account._asdict(), "person_id": person.person_id, "position": position})
        elif had[account] != position:  # updated, not made anew: grants refer to it
            connection.execute(_MOVE, {"of": account.issuer, "who": account.subject, "position": position})
    if person.facts:
        facts = [
            {"person_id": person.person_id, "position": position, **fact._asdict()} for position, fact in enumerate(person.facts)
        ]
        connection.execute(insert(FACT), facts)


def grant_of(row: RowMapping) -> Grant:
    """Return the grant of a row."""
    approved_by, scope = decode_grant(GrantRow(row["approved_by"], row["scope"]))
    employee = EmployeeKey(row["issuer"], row["subject"])
    period = (row["starts_at"], row["ends_at"])
    since = (row["access_request_id"], row["suspended"], row["ended"], row["break_glass"])
    return Grant(row["grant_id"], employee, row["role"], row["purpose"], *period, approved_by, scope, *since)
