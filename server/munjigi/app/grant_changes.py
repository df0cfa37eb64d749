"""From the store to the grant table: as a whole, and change by change in dense order."""

from __future__ import annotations

import gc
from collections.abc import Callable
from itertools import groupby
from typing import Final

from munjigi.decision.grant_table import GrantTable
from munjigi.grants.changes import BlockEdit, Change, GrantEdit, PersonEdit, SessionEdit
from munjigi.grants.ports import StateStore, no_rest

_PART: Final = 100  # changes that are put in within a millisecond
_FRESH: Final = 5_000  # changes of which the collector may still see what they brought


def apply_changes(table: GrantTable, changes: list[Change], rest: Callable[[], None] = no_rest) -> GrantTable:
    """Return the table after the changes, resting between parts of them.

    Grants that follow each other are put in at once, and people, too: lists of them are long.
    """
    for start in range(0, len(changes), _PART):
        if start:
            rest()
        table = _with(table, changes[start : start + _PART])
    return table


def _with(table: GrantTable, changes: list[Change]) -> GrantTable:
    for kind, group in groupby(changes, lambda change: type(change.edit)):
        several = list(group)
        edits, last = [change.edit for change in several], several[-1].grant_revision
        if kind is GrantEdit:
            table = table.with_grants([edit.grant for edit in edits if isinstance(edit, GrantEdit)], last)
        elif kind is PersonEdit:
            table = table.with_people([edit.person for edit in edits if isinstance(edit, PersonEdit)], last)
        else:
            for change in several:
                table = _after(table, change)
    return table


def _after(table: GrantTable, change: Change) -> GrantTable:
    edit = change.edit
    if isinstance(edit, BlockEdit):
        put = table.with_block if edit.kind == "principal_blocked" else table.without_block
        return put(edit.block, change.grant_revision)
    if isinstance(edit, SessionEdit):
        return table.with_session_end(edit.end, change.grant_revision)
    return table.at(change.grant_revision)


def load_table(store: StateStore, *, stays: bool = False) -> GrantTable:
    """Return the whole table of the store. What `stays` for the life of the process the collector never looks at again."""
    gc.disable()  # it would walk a million grants that stay, again and again
    try:
        return _whole(store)
    finally:
        if stays:
            gc.freeze()
        gc.enable()


class Settling:
    """Takes what changes bring out of the collector's sight, many at a time: whoever decides can't wait while it walks a million people."""

    def __init__(self) -> None:
        self._fresh = 0

    def note(self, changes: int) -> None:
        """Count changes that went into a table that stays."""
        self._fresh += changes
        if self._fresh >= _FRESH:
            self._fresh = 0
            gc.collect(1)
            gc.freeze()


def _whole(store: StateStore) -> GrantTable:
    state = store.load(whole=False)
    return GrantTable.build(state.grants, state.people, state.grant_revision, state.blocks, state.session_ends)
