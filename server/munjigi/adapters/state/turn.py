"""A writer's turn: from the moment it has the head row nobody else commits, so that what it reads is what it commits on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import Connection, Executable

from munjigi.adapters.state.log_rows import add_rows, locked_head
from munjigi.adapters.state.moment import StoredMoment
from munjigi.adapters.state.request_rows import forget, remember
from munjigi.adapters.state.rows import write_all
from munjigi.grants.changes import Change, Edit, Once, check_origin
from munjigi.grants.permission_log import rows_of


class StoredTurn(StoredMoment):
    """Implements `grants.ports.Turn` on a connection whose transaction writes.

    `moving` moves the head; `forgets` tells whether it is time to forget answers that are old enough; `synthetic`: every permission
    record says that it is none of a real company.
    """

    def __init__(self, connection: Connection, moving: Executable, forgets: Callable[[int], bool], *, synthetic: bool) -> None:
        super().__init__(connection)
        self._at = locked_head(connection)
        self._moving = moving
        self._forgets = forgets
        self._synthetic = synthetic

    @property
    def revision(self) -> int:
        """The last committed revision."""
        return int(self._at.grant_revision)

    def commit(
        self, edits: Sequence[Edit], *, at: int, actor: str, request_id: str, issuer: str = "", once: Once | None = None
    ) -> list[Change]:
        """Write all edits and return them as changes; they are committed with the turn. Raises what `munjigi.grants.changes` raises."""
        check_origin(at, actor, request_id)
        head = self._at
        if once is not None:
            if self._forgets(at):
                forget(self._connection, at)
            remember(self._connection, once, issuer=issuer, actor=actor, request_id=request_id, at=at)
        write_all(self._connection, edits)
        if not edits:
            return []
        stamped, first = max(at, head.at), head.grant_revision + 1
        changes = [
            Change(first + offset, stamped, stamped != at, actor, request_id, edit, issuer) for offset, edit in enumerate(edits)
        ]
        rows = rows_of(changes, head.chain, head.base, synthetic=self._synthetic)
        add_rows(self._connection, rows)
        moved = {"last": changes[-1].grant_revision, "stamped": stamped, "linked": rows[-1].chain}
        self._connection.execute(self._moving, moved)
        return changes
