"""From the store to the grant table: as a whole, and change by change in dense order."""

from __future__ import annotations

import gc

from munjigi.decision.grant_table import GrantTable
from munjigi.grants.changes import BlockEdit, Change, GrantEdit, PersonEdit, SessionEdit
from munjigi.grants.ports import StateStore


def apply_changes(table: GrantTable, changes: list[Change]) -> GrantTable:
    """Return the table after the changes."""
    for change in changes:
        edit = change.edit
        if isinstance(edit, GrantEdit):
            table = table.with_grant(edit.grant, change.grant_revision)
        elif isinstance(edit, PersonEdit):
            table = table.with_person(edit.person, change.grant_revision)
        elif isinstance(edit, BlockEdit):
            put = table.with_block if edit.kind == "principal_blocked" else table.without_block
            table = put(edit.block, change.grant_revision)
        elif isinstance(edit, SessionEdit):
            table = table.with_session_end(edit.end, change.grant_revision)
        else:
            table = table.at(change.grant_revision)
    return table


def load_table(store: StateStore) -> GrantTable:
    """Return the whole table of the store."""
    gc.disable()  # it would walk a million grants that stay, again and again
    try:
        return _whole(store)
    finally:
        gc.enable()


def _whole(store: StateStore) -> GrantTable:
    state = store.load()
    return GrantTable.build(state.grants, state.people, state.grant_revision, state.blocks, state.session_ends)
