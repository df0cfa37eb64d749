"""Write grants as rows, many at once, inside a transaction of the caller: a review takes a hundred in one commit.

What the rules ask about each edit is read for all of them together, and followed in memory from edit to edit; of a grant that is
edited several times only the last state is written.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import BindParameter, Connection, RowMapping, bindparam, insert, select, update

from munjigi.adapters.state.batches import parts, write_each
from munjigi.adapters.state.codec import GrantRow, decode_grant, encode_grant
from munjigi.adapters.state.request_rows import read_request
from munjigi.adapters.state.review_rows import lift, standing, taken_from
from munjigi.adapters.state.tables import ACCOUNT, PERSON, ROLE_GRANT
from munjigi.grants.changes import GrantEdit, check_grant_edit
from munjigi.grants.review_marks import check_mark, lifted
from munjigi.kernel.grant import Grant, Status
from munjigi.kernel.identity import EmployeeKey

# Built once, as are the statements of `people_rows.py`.
_THESE: Final[BindParameter[Sequence[str]]] = bindparam("these", expanding=True)
_KNOWN: Final = select(ROLE_GRANT).where(ROLE_GRANT.c.grant_id.in_(_THESE))
_HOLDERS: Final = (
    select(ACCOUNT.c.subject, PERSON.c.status, PERSON.c.person_id)
    .select_from(PERSON.join(ACCOUNT, ACCOUNT.c.person_id == PERSON.c.person_id))
    .where(ACCOUNT.c.issuer == bindparam("of"), ACCOUNT.c.subject.in_(_THESE))
)
_GIVE: Final = insert(ROLE_GRANT)
_ALTER: Final = update(ROLE_GRANT).where(ROLE_GRANT.c.grant_id == bindparam("mine"))


class _Holder(NamedTuple):
    """Whose account it is."""

    status: Status
    person_id: str


def write_grants(connection: Connection, edits: Sequence[GrantEdit]) -> None:
    """Insert or update grants in order after asking the rules. Raises what `check_grant_edit` and `check_mark` raise."""
    before = {
        row["grant_id"]: grant_of(row)
        for some in parts({edit.grant.grant_id for edit in edits})
        for row in connection.execute(_KNOWN, {"these": some}).mappings()
    }
    holders = _holders(connection, {edit.grant.employee for edit in edits})
    restored = {edit.grant.grant_id for edit in edits if edit.kind == "grant_restored"}
    taken = taken_from(connection, restored)
    after: dict[str, Grant] = {}
    for edit in edits:
        grant = edit.grant
        holder = holders.get(grant.employee)
        known = after.get(grant.grant_id) or before.get(grant.grant_id)
        check_grant_edit(edit, known, None if holder is None else holder.status, taken.get(grant.grant_id, ()))
        if edit.kind == "grant_added" and holder is not None:
            _check_mark(connection, grant, holder.person_id)
        after[grant.grant_id] = grant
    given = [{**_fixed(grant), **_values(grant)} for grant in after.values() if grant.grant_id not in before]
    write_each(connection, _GIVE, given)
    altered = [{"mine": grant.grant_id, **_values(grant)} for grant in after.values() if grant.grant_id in before]
    write_each(connection, _ALTER, altered)


def _holders(connection: Connection, accounts: Iterable[EmployeeKey]) -> dict[EmployeeKey, _Holder]:
    """Return whose accounts these are, of those that there are."""
    subjects: defaultdict[str, list[str]] = defaultdict(list)
    for issuer, subject in accounts:
        subjects[issuer].append(subject)
    return {
        EmployeeKey(issuer, subject): _Holder(status, person_id)
        for issuer, several in subjects.items()
        for some in parts(several)
        for subject, status, person_id in connection.execute(_HOLDERS, {"of": issuer, "these": some})
    }


def _check_mark(connection: Connection, grant: Grant, person_id: str) -> None:
    """Refuse to give what a review took without a new approval, and note one. Raises `FailedPrecondition`."""
    mark = standing(connection, person_id, grant.role, grant.purpose)
    if mark is None:
        return
    asked = read_request(connection, grant.access_request_id) if grant.access_request_id else None
    check_mark(mark, asked)
    if not grant.break_glass:
        lift(connection, lifted(mark, asked))


def _fixed(grant: Grant) -> dict[str, str]:
    return {"grant_id": grant.grant_id, **grant.employee._asdict(), "role": grant.role, "purpose": grant.purpose}


def _values(grant: Grant) -> dict[str, Any]:
    values: dict[str, Any] = {"starts_at": grant.starts_at, "ends_at": grant.ends_at, **encode_grant(grant)._asdict()}
    return values | {name: getattr(grant, name) for name in ("access_request_id", "suspended", "ended", "break_glass")}


def grant_of(row: RowMapping) -> Grant:
    """Return the grant of a row."""
    approved_by, scope = decode_grant(GrantRow(row["approved_by"], row["scope"]))
    employee = EmployeeKey(row["issuer"], row["subject"])
    period = (row["starts_at"], row["ends_at"])
    since = (row["access_request_id"], row["suspended"], row["ended"], row["break_glass"])
    return Grant(row["grant_id"], employee, row["role"], row["purpose"], *period, approved_by, scope, *since)
