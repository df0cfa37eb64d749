"""An `AuditIndex` in memory: the same rules, no disk."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from munjigi.audit import pages
from munjigi.audit.matching import matches
from munjigi.audit.ports import IndexedRecord, RecordPage, RecordQuery
from munjigi.audit.records import AnyRecord, decode
from munjigi.kernel.errors import Corruption, FailedPrecondition


class MemoryAuditIndex:
    def __init__(self) -> None:
        self._logs: dict[str, list[tuple[AnyRecord, bytes] | None]] = {}  # None: forgotten
        self._closed = False

    def ingest(self, log_id: str, first_index: int, records: Sequence[bytes]) -> int:
        log = self._open().get(log_id, [])
        if first_index > len(log):
            raise FailedPrecondition("AUDIT_INDEX_GAP", "Follow the log from its cursor.")
        new: list[tuple[AnyRecord, bytes] | None] = []
        for index, payload in enumerate(records[len(log) - first_index :], len(log)):
            try:
                record = decode(payload)
            except (msgspec.MsgspecError, UnicodeDecodeError):
                raise Corruption("RECORD_UNREADABLE", "Not a record.") from None
            if record.index != index:
                raise Corruption("RECORD_UNREADABLE", "A record of another index.")
            new.append((record, payload))
        self._logs.setdefault(log_id, log).extend(new)
        return len(new)

    def cursor(self, log_id: str) -> int:
        return len(self._open().get(log_id, []))

    def holds(self, log_id: str, below: int) -> bool:
        return self.cursor(log_id) >= below

    def payload(self, log_id: str, index: int) -> bytes | None:
        log = self._open().get(log_id, [])
        found = log[index] if 0 <= index < len(log) else None
        return found[1] if found is not None else None

    def truncate(self, log_id: str, next_index: int) -> None:
        del self._open().get(log_id, [])[next_index:]

    def forget(self, log_id: str, first_index: int) -> None:
        if first_index:
            log = self._open().setdefault(log_id, [])
            log[:first_index] = [None] * first_index

    def search(self, query: RecordQuery, page_size: int, page_token: str = "") -> RecordPage:
        logs = self._open()
        pages.check_size(page_size)
        query.check()
        place = pages.place_of(query, page_token)
        query.position()
        found = [
            (record.time, log_id, record.index, payload)
            for log_id, log in logs.items()
            for record, payload in filter(None, log)
            if matches(query, log_id, record)
            and (place is None or (record.time, log_id, record.index) < (place.time, place.log_id, place.index))
        ]
        found.sort(reverse=True)
        page = [IndexedRecord(log_id, index, time, payload) for time, log_id, index, payload in found[:page_size]]
        if len(found) <= page_size:
            return RecordPage(page, "")
        return RecordPage(page, pages.token_of(query, pages.Place(page[-1].time, page[-1].log_id, page[-1].index)))

    def close(self) -> None:
        self._closed = True

    def _open(self) -> dict[str, list[tuple[AnyRecord, bytes] | None]]:
        if self._closed:
            raise FailedPrecondition("AUDIT_INDEX_CLOSED", "Closed.")
        return self._logs
