"""The log of one gateway worker. An index is durable, or the journal has failed for good (promise P1).

`append` only computes; `take`, `commit` and `settle` are one group commit in three steps, of which only
`commit` touches the disk and may run on another thread. After any failed write or sync the journal
refuses everything: what the kernel then holds in memory may never reach the disk, so the descriptor
is not tried again, the process ends, and the tail rules decide at the next start.
"""

from __future__ import annotations

import errno
import hashlib
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple, Self

from google_crc32c import value as crc32c
from msgspec.structs import replace

from munjigi.audit import files, frames, mark, recovery, segment, slots
from munjigi.audit.record import Record
from munjigi.audit.records import TailCutRecord, encode
from munjigi.kernel.clock import Clock
from munjigi.kernel.errors import AuditUnavailable, InvalidArgument

SEGMENT_BYTES: Final = 64 << 20
_sha256, _head, _first, _further = hashlib.sha256, frames.LENGTH_AND_CRC.pack, frames.RECORD_BYTE, frames.FURTHER_BYTE


class Batch(NamedTuple):
    """Records [first_index, next_index) as bytes, with the chain before and after them."""

    first_index: int
    next_index: int
    chain_before: bytes
    chain: bytes
    last_time: int
    parts: list[bytes]


class Journal:
    """An open log. Not for use by several threads, but for `commit`."""

    @classmethod
    def open(
        cls,
        root: Path,
        slot: int,
        *,
        quarantine: Path,
        clock: Clock,
        randomness: bytes,
        segment_bytes: int = SEGMENT_BYTES,
        device: files.Device | None = None,
        sealed: Callable[[str], int] = lambda _: 0,
        synthetic: bool = False,
    ) -> Self:
        """Open the log of a worker slot under `root`, making it if the slot never had one.

        `randomness` (13 bytes or more) becomes the log id of a new log. A torn tail is cut and recorded first. `sealed` tells
        how many records of a log are under a checkpoint: a log with fewer was taken back, and is refused. `synthetic`: every record
        that is appended says that it is none of a real company.
        Raises `FailedPrecondition` when another process holds the log, `Corruption` when bytes are not what
        was written, `ConfigurationError` for unsafe or missing rights, `AuditUnavailable` when the disk refuses.
        """
        with files.opening(root):
            if root.exists():
                files.require_private(root)
            log_id = slots.log_of(root, slot, randomness=randomness, now=clock.now())
            log = recovery.open_log(root / log_id, slot, quarantine, sealed(log_id))
        journal = cls(log, clock, segment_bytes, device or files.SystemDevice(), synthetic=synthetic)
        try:
            for cut in log.mark.cuts:
                journal.append(TailCutRecord(file=cut.file, offset=cut.offset, length=cut.length, digest=cut.digest))
            journal.sync()
        except AuditUnavailable:
            journal.close()
            raise
        return journal

    def __init__(
        self, log: recovery.OpenLog, clock: Clock, segment_bytes: int, device: files.Device, *, synthetic: bool = False
    ) -> None:
        self._log = log
        self._now = clock.now
        self._segment_bytes = segment_bytes
        self._device = device
        self._parts: list[bytes] = []
        self._next = self._taken = self._durable = log.next_index
        self._chain = self._taken_chain = log.chain
        self._last = self._opened_after = log.last_time
        self._marking = threading.Lock()
        self._synthetic = synthetic
        self._refusal = ""
        self._failed = self._closed = False

    @property
    def log_id(self) -> str:
        """The log's id."""
        return self._log.log_id

    @property
    def folder(self) -> Path:
        """Where its files lie."""
        return self._log.folder

    @property
    def opened_after(self) -> int:
        """The time of the last record that was there when the log was opened (UTC nanoseconds)."""
        return self._opened_after

    @property
    def next_index(self) -> int:
        """The index that the next record gets."""
        return self._next

    @property
    def durable_index(self) -> int:
        """The end (exclusive) of what is durable."""
        return self._durable

    @property
    def chain(self) -> bytes:
        """The chain over all records appended so far, 32 bytes."""
        return self._chain

    @property
    def failed(self) -> bool:
        """Whether a write or a sync has failed; then nothing is taken any more."""
        return self._failed

    @property
    def mark_holds(self) -> tuple[str, ...]:
        """The ids of the legal holds that its mark names."""
        return self._log.mark.holds

    def append(self, record: Record) -> int:
        """Give a record its index and time, and keep its bytes for the next commit; the record may be filled in anew. No I/O.

        Raises `AuditUnavailable` when the journal has failed or is closed, and for a record that lacks a legal field;
        `InvalidArgument` RECORD_TOO_LARGE for one that a frame can't hold, which no retry changes. Then nothing was appended.
        """
        if self._refusal:
            raise AuditUnavailable(self._refusal)
        index = self._next
        now = self._now()
        record.clock_stepped = now < self._last
        if record.clock_stepped:
            now = self._last
        if self._synthetic:
            record.synthetic = True
        record.index = index
        record.time = now
        payload = encode(record)
        if len(payload) > frames.MAX_PAYLOAD:
            raise InvalidArgument(
                "RECORD_TOO_LARGE", "The record of this would be larger than 1 MiB; ask for fewer members or fields at once."
            )
        parts = self._parts
        body = (_further if parts else _first) + payload
        parts += _head(len(payload), crc32c(body)), body
        self._chain = _sha256(self._chain + _sha256(b"\x00" + payload).digest()).digest()
        self._last = now
        self._next = index + 1
        return index

    def take(self) -> Batch | None:
        """Hand over what was appended since the last `take`; None when there is nothing."""
        if not self._parts:
            return None
        batch = Batch(self._taken, self._next, self._taken_chain, self._chain, self._last, self._parts)
        self._parts = []
        self._taken = self._next
        self._taken_chain = self._chain
        return batch

    def commit(self, batch: Batch) -> int:
        """Write a batch and sync it; return its bytes. Batches are committed one at a time, in order.

        Raises `AuditUnavailable` when the disk refuses; the journal has then failed for good.
        """
        if self._refusal:
            raise AuditUnavailable(self._refusal)
        log = self._log
        try:
            data = b"".join(batch.parts)
            if log.size + len(data) > self._segment_bytes and log.size > segment.HEADER_SIZE:
                self._rotate(batch)
            files.write_all(log.fd, data, self._device.append)
        except Exception as error:  # no memory, say: the batch is lost all the same, and the next one must not follow it
            name = errno.errorcode.get(error.errno or 0, "EIO") if isinstance(error, OSError) else type(error).__name__
            self._failed = True
            self._refusal = (
                f"The audit journal can't be written ({name}), so nothing is answered; "
                "free space on the disk of MUNJIGI_STATE_DIR or repair it, then start again."
            )
            raise AuditUnavailable(self._refusal) from error
        log.size += len(data)
        return len(data)

    def settle(self, batch: Batch) -> None:
        """Count a committed batch as durable."""
        self._durable = batch.next_index

    def sync(self) -> None:
        """Make everything appended so far durable, now.

        Raises `AuditUnavailable` when the disk refuses or has refused before.
        """
        if self._refusal:
            raise AuditUnavailable(self._refusal)
        batch = self.take()
        if batch is not None:
            self.commit(batch)
            self.settle(batch)

    def close(self) -> None:
        """Commit what is left, leave an exact mark, and let go of the log. A second call does nothing.

        Raises `AuditUnavailable` when the disk refuses; the log is let go all the same.
        """
        if self._closed:
            return
        try:
            if not self._refusal:
                self.sync()
                try:
                    self._mark(clean=True, next_index=self._next, chain=self._chain)
                except OSError as error:
                    raise AuditUnavailable(
                        "The journal's mark of a clean stop can't be written; free space on its disk."
                    ) from error
        finally:
            with self._marking:
                self._closed = True
            self._refusal = self._refusal or "The audit journal is closed; this worker is stopping."
            with suppress(OSError):
                os.close(self._log.fd)
            os.close(self._log.lock)

    def change_mark(self, change: Callable[[mark.Mark], mark.Mark]) -> None:
        """Replace the mark, durably, by what `change` makes of it; what it says of the log's end stays true. May run on a thread.

        Raises `AuditUnavailable` when the journal is closed or the disk refuses.
        """
        with self._marking:
            if self._closed:
                raise AuditUnavailable(self._refusal)
            changed = change(self._log.mark)
            try:
                mark.write(self._log.folder, changed)
            except OSError as error:
                raise AuditUnavailable("The journal's mark can't be written; free space on its disk.") from error
            self._log.mark = changed

    def _rotate(self, batch: Batch) -> None:
        """Begin a new segment before `batch`. Everything in the old one is durable. Raises `OSError`."""
        log = self._log
        created = max(self._now(), batch.last_time)
        before = segment.first_index_of(log.segment)
        header = segment.Header(log.log_id, log.slot, batch.first_index, before, log.size, created, batch.chain_before)
        fd = segment.create(log.folder, header)
        os.close(log.fd)
        log.fd, log.segment, log.size = fd, segment.name_of(batch.first_index), segment.HEADER_SIZE
        self._mark(clean=False, next_index=batch.first_index, chain=batch.chain_before)

    def _mark(self, *, clean: bool, next_index: int, chain: bytes) -> None:
        log = self._log
        with self._marking:
            end = {"clean": clean, "segment": log.segment, "size": log.size, "next_index": next_index, "chain": chain.hex()}
            changed = replace(log.mark, **end, cuts=())
            mark.write(log.folder, changed)
            log.mark = changed
