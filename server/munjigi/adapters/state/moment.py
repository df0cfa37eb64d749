"""The store at one moment, for whoever plans a change on it: all looks in one transaction."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection

from munjigi.adapters.state.log_rows import changes_of, written_head
from munjigi.adapters.state.request_rows import read_request, read_requests, remembered
from munjigi.adapters.state.review_rows import StoredReviews
from munjigi.grants.changes import Change, Once
from munjigi.grants.ports import LogHead, RequestFilter, no_rest
from munjigi.kernel.access_request import AccessRequest
from munjigi.kernel.errors import FailedPrecondition


class StoredMoment:
    """Implements `grants.ports.Moment` on a connection whose transaction sees one moment."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._head: LogHead | None = None

    def changes_since(self, revision: int, rest: Callable[[], None] = no_rest) -> list[Change]:
        """Return the changes after `revision`. Raises `FailedPrecondition` when the store is older than `revision`."""
        at = self.log_head()
        head = at.base + at.next_index
        if revision > head:
            raise FailedPrecondition("STATE_REWOUND", "The state store is older than what was loaded from it; load it again.")
        return changes_of(self._connection, revision, head, rest) if revision < head else []

    def remembered(self, issuer: str, actor: str, request_id: str) -> Once | None:
        """Return what a mutation of this idempotency key left behind."""
        return remembered(self._connection, issuer, actor, request_id)

    def log_head(self) -> LogHead:
        """Return where the log that is written stands."""
        if self._head is None:
            self._head = written_head(self._connection)
        return self._head

    def request(self, access_request_id: str) -> AccessRequest | None:
        """Return the request of this id."""
        return read_request(self._connection, access_request_id)

    def requests(self, asked: RequestFilter) -> list[AccessRequest]:
        """Return requests, newest first."""
        return read_requests(self._connection, asked)

    @property
    def reviews(self) -> StoredReviews:
        """Reviews at this moment."""
        return StoredReviews(self._connection)
