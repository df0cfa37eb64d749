"""Write people as rows, many at once, inside a transaction of the caller: a list of them is as long as the company is large.

What the rules ask about each edit is read for all of them together, and followed in memory from edit to edit; of a person who is
edited several times only the last state is written.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import BindParameter, Connection, bindparam, delete, insert, select, update

from munjigi.adapters.state.batches import parts, write_each
from munjigi.adapters.state.codec import encode_delegations
from munjigi.adapters.state.tables import ACCOUNT, FACT, PERSON, ROLE_GRANT
from munjigi.grants.changes import PersonEdit, check_person_edit
from munjigi.kernel.grant import Person
from munjigi.kernel.identity import EmployeeKey

_NAMED: Final = ("principal_type", "department", "status", "manager", "sessions_from", "effective_at")
# Built once, as are the statements of `rows.py`.
_MINE: Final[BindParameter[str]] = bindparam("mine")
_THESE: Final[BindParameter[Sequence[str]]] = bindparam("these", expanding=True)
_KNOWN: Final = (
    select(PERSON.c.person_id, ACCOUNT.c.issuer, ACCOUNT.c.subject, ACCOUNT.c.position)
    .select_from(PERSON.outerjoin(ACCOUNT, ACCOUNT.c.person_id == PERSON.c.person_id))
    .where(PERSON.c.person_id.in_(_THESE))
)
_OWNERS: Final = select(ACCOUNT.c.subject, ACCOUNT.c.person_id).where(
    ACCOUNT.c.issuer == bindparam("of"), ACCOUNT.c.subject.in_(_THESE)
)
_HELD: Final = (
    select(ROLE_GRANT.c.grant_id).where(ROLE_GRANT.c.issuer == bindparam("of"), ROLE_GRANT.c.subject == bindparam("who")).limit(1)
)
_HERE: Final = (ACCOUNT.c.issuer == bindparam("of")) & (ACCOUNT.c.subject == bindparam("who"))
_DROP: Final = delete(ACCOUNT).where(_HERE)
_MOVE: Final = update(ACCOUNT).where(_HERE)
_ADD: Final = insert(ACCOUNT)
_JOIN: Final = insert(PERSON)
_CHANGE: Final = update(PERSON).where(PERSON.c.person_id == _MINE)
_FORGET: Final = delete(FACT).where(FACT.c.person_id == _MINE)
_STATE: Final = insert(FACT)

_Places = dict[EmployeeKey, int]  # an account's place among its person's


def write_people(connection: Connection, edits: Sequence[PersonEdit]) -> None:
    """Insert or replace people in order after asking the rules. Raises what `check_person_edit` raises."""
    before = _known(connection, {edit.person.person_id for edit in edits})
    owners = {account: person_id for person_id, places in before.items() for account in places}
    new = {account for edit in edits for account in edit.person.accounts if account not in owners}
    owners |= _owners(connection, new)
    after: dict[str, Person] = {}
    for edit in edits:
        person = edit.person
        known = after.get(person.person_id)
        had = tuple(before.get(person.person_id, ())) if known is None else known.accounts
        dropped = [account for account in had if account not in person.accounts]
        granted = [account for account in dropped if connection.execute(_HELD, _of(account)).first() is not None]
        check_person_edit(edit, {each: owners[each] for each in person.accounts if each in owners}, granted)
        for account in dropped:
            del owners[account]
        owners.update(dict.fromkeys(person.accounts, person.person_id))
        after[person.person_id] = person
    _put(connection, before, after)


def _put(connection: Connection, before: dict[str, _Places], after: dict[str, Person]) -> None:
    """Write what is another now: what goes before what comes, since an account may go from one person to another."""
    people = after.values()
    known = [person for person in people if person.person_id in before]
    write_each(connection, _FORGET, [{"mine": person.person_id} for person in known])
    write_each(connection, _CHANGE, [{"mine": person.person_id, **_values(person)} for person in known])
    joined = [person for person in people if person.person_id not in before]
    write_each(connection, _JOIN, [{"person_id": person.person_id, **_values(person)} for person in joined])
    dropped, moved, added = [], [], []
    for person in people:
        had = before.get(person.person_id, {})
        dropped += [_of(account) for account in had if account not in person.accounts]
        for position, account in enumerate(person.accounts):
            if account not in had:
                added.append({**account._asdict(), "person_id": person.person_id, "position": position})
            elif had[account] != position:  # updated, not made anew: grants refer to it
                moved.append({**_of(account), "position": position})
    write_each(connection, _DROP, dropped)
    write_each(connection, _MOVE, moved)
    write_each(connection, _ADD, added)
    facts = [
        {"person_id": person.person_id, "position": position, **fact._asdict()}
        for person in people
        for position, fact in enumerate(person.facts)
    ]
    write_each(connection, _STATE, facts)


def _values(person: Person) -> dict[str, Any]:
    values = {name: getattr(person, name) for name in _NAMED}
    values["delegations"] = encode_delegations(person.delegations)
    return values


def _of(account: EmployeeKey) -> dict[str, str]:
    return {"of": account.issuer, "who": account.subject}


def _known(connection: Connection, ids: Iterable[str]) -> dict[str, _Places]:
    """Return the accounts of those that there are, in order."""
    found: dict[str, _Places] = {}
    for some in parts(ids):
        rows = connection.execute(_KNOWN, {"these": some}).all()
        for person_id, issuer, subject, position in sorted(rows, key=lambda row: row.position or 0):
            places = found.setdefault(person_id, {})
            if issuer is not None:
                places[EmployeeKey(issuer, subject)] = position
    return found


def _owners(connection: Connection, accounts: Iterable[EmployeeKey]) -> dict[EmployeeKey, str]:
    """Return whose accounts these are, of those that there are."""
    subjects: defaultdict[str, list[str]] = defaultdict(list)
    for issuer, subject in accounts:
        subjects[issuer].append(subject)
    return {
        EmployeeKey(issuer, subject): person_id
        for issuer, several in subjects.items()
        for some in parts(several)
        for subject, person_id in connection.execute(_OWNERS, {"of": issuer, "these": some})
    }
