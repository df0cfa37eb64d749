"""Follow the store's log of permission records: each change becomes a new grant table, in dense order."""

from __future__ import annotations

import asyncio
from typing import Final

from munjigi.app.policy_home import PolicyHome
from munjigi.decision.grant_table import GrantTable
from munjigi.grants.changes import Change, GrantEdit
from munjigi.grants.ports import StateStore
from munjigi.kernel.errors import FailedPrecondition

POLL_SECONDS: Final = 0.5


def apply_changes(table: GrantTable, changes: list[Change]) -> GrantTable:
    """Return the table after the changes."""
    for change in changes:
        edit = change.edit
        if isinstance(edit, GrantEdit):
            table = table.with_grant(edit.grant, change.grant_revision)
        else:
            table = table.with_person(edit.person, change.grant_revision)
    return table


def load_table(store: StateStore) -> GrantTable:
    """Return the whole table of the store."""
    state = store.load()
    return GrantTable.build(state.grants, state.people, state.grant_revision)


async def watch_grants(store: StateStore, home: PolicyHome) -> None:
    """Apply new changes to the snapshot; for ever. A store that was wound back is loaded anew."""
    while True:
        await asyncio.sleep(POLL_SECONDS)
        table = home.snapshot.grants
        try:
            changes = await asyncio.to_thread(store.changes_since, table.revision)
        except FailedPrecondition:
            home.set_grants(await asyncio.to_thread(load_table, store))
            continue
        if changes:
            home.set_grants(apply_changes(table, changes))
