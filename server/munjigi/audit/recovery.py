"""Open a log for appending: check where it ends, and apply the tail rules (docs/operations.md).

A torn tail above the mark, with no later commit after it, goes to quarantine. Everything else that
is not as it was written is corruption and refuses to start; nothing is ever repaired in place. Of the last
commit a power failure may leave any part, the end without the beginning too; a later one proves that it was synced.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import msgspec
from msgspec.structs import replace

from munjigi.audit import files, frames, mark, packed, records, removal, segment
from munjigi.kernel.errors import Corruption, FailedPrecondition


@dataclass(slots=True)
class OpenLog:
    """A locked log that ends with a whole record. `size` in bytes, `last_time` in UTC nanoseconds."""

    folder: Path
    lock: int
    fd: int
    log_id: str
    slot: int
    segment: str
    size: int
    next_index: int
    chain: bytes
    last_time: int
    mark: mark.Mark  # its `cuts` are those whose records are still to be appended, in this order


@dataclass(slots=True)
class _End:
    """Where the scan of the last segment stands."""

    size: int
    next_index: int
    chain: bytes
    last: bytes = b""


def open_log(folder: Path, slot: int, quarantine: Path, sealed: int = 0) -> OpenLog:
    """Lock a log, check its end and return it ready for appending. It must hold the first `sealed` records at least.

    Raises `FailedPrecondition` when another process holds it, `Corruption` when bytes are not what was
    written, `ConfigurationError` when others can reach it, `OSError` when the disk refuses.
    """
    files.require_private(folder)
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    fd = -1
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FailedPrecondition(
                "JOURNAL_LOCKED",
                f"Another process writes the journal of worker slot {slot} in {folder}; stop it, "
                "or set MUNJIGI_STATE_DIR to another folder.",
            ) from None
        known = mark.read(folder)
        if known is None or known.log_id != folder.name or known.slot != slot:
            _refuse(folder / mark.NAME, 0, "it is missing or is not what was written")
        for scratch in (*folder.glob("*.seg.tmp"), folder / f"{mark.NAME}.tmp"):
            with suppress(FileNotFoundError):
                scratch.unlink()  # begun and never named: no record was ever in it
        names = [name for name in segment.names(folder) if segment.first_index_of(name) >= known.first]
        header = _check_headers(folder, names, known)
        fd = os.open(folder / names[-1], os.O_RDWR | os.O_APPEND)
        if not known.clean:
            _forget_cached(fd)
        log = _finish(folder, lock, fd, names[-1], header, known, quarantine, sealed)
        settled = removal.settled(folder, log.mark)
        if settled != log.mark:
            mark.write(folder, settled)
            log.mark = settled
        removal.require_recorded(folder, settled)
        removal.remove_files(folder, settled.first)
        return log
    except BaseException:
        if fd >= 0:
            os.close(fd)
        os.close(lock)
        raise


def _refuse(path: Path, offset: int, problem: str) -> NoReturn:
    raise Corruption(
        "JOURNAL_CORRUPT",
        f"{path} at offset {offset}: {problem}. Munjigi does not start on it; "
        "run `munjigi audit verify`, put this state folder aside and restore a backup (`munjigi restore`).",
    )


def _forget_cached(fd: int) -> None:
    """Read the end of a log that was not closed cleanly from the disk, not from memory.

    After a failed sync the kernel may keep pages that never reached the disk and call them clean.
    """
    os.fsync(fd)
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)


def _check_headers(folder: Path, names: list[str], known: mark.Mark) -> segment.Header:
    """Check that the segments follow each other and reach the mark; return the last one's header."""
    if known.segment not in names:
        _refuse(folder / known.segment, 0, "the segment is missing")
    header = segment.Header("", 0, 0, 0, 0, 0, segment.GENESIS)
    before = 0
    for name in names:
        path = folder / name
        with closing(segment.open_bytes(folder, name)) as source:
            files.require_private_mode(path, os.fstat(source.fileno()).st_mode)
            read, size = segment.parse_header(source.read(segment.HEADER_SIZE, 0)), source.size
        if read is None:
            _refuse(path, 0, "the segment's header is not what was written")
        first, header = header.first_index, read
        if header.log_id != known.log_id or header.slot != known.slot or segment.name_of(header.first_index) != name:
            _refuse(path, 0, "the header belongs to another segment")
        whole = (
            header.first_index == known.first if not before else (header.previous_first, header.previous_size) == (first, before)
        )
        if not whole:
            _refuse(path, 0, "the segment before it is missing or has another size")
        before = size
        if name == known.segment and before < known.size:
            _refuse(path, before, "the file is shorter than it was when it was last known to be whole")
    return header


def _finish(
    folder: Path, lock: int, fd: int, name: str, header: segment.Header, known: mark.Mark, quarantine: Path, sealed: int
) -> OpenLog:
    """Scan the last segment, cut a torn tail, and mark the log as open."""
    path = folder / name
    whole = os.fstat(fd).st_size
    floor = known.size if name == known.segment else segment.HEADER_SIZE
    end = _scan(fd, path, whole, header, known if name == known.segment else None)
    if end.next_index < sealed:
        _refuse(path, end.size, f"{sealed} records were sealed and {end.next_index} are left: the log was taken back")
    cuts = tuple(cut for cut in known.cuts if cut.index >= end.next_index)
    if end.size < whole:
        if end.size < floor or known.clean:
            _refuse(path, end.size, "a frame below the last known end is damaged")
        cuts = (*cuts, _cut(fd, path, end, whole, quarantine, end.next_index + len(cuts)))
    elif known.clean and (name != known.segment or whole != known.size):
        _refuse(path, known.size, "there are bytes after the end of a clean stop")
    last_time = header.created
    if end.last:
        try:
            record = records.decode(end.last)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            _refuse(path, end.size, "the last record can't be read; it may come from a newer version of Munjigi")
        if record.index != end.next_index - 1:
            _refuse(path, end.size, "the last record has another index than its place")
        last_time = max(last_time, record.time)
    reached = {"segment": name, "size": end.size, "next_index": end.next_index, "chain": end.chain.hex()}
    opened = replace(known, clean=False, **reached, cuts=cuts)
    mark.write(folder, opened)
    if end.size < whole:
        os.ftruncate(fd, end.size)
    os.fsync(fd)
    return OpenLog(folder, lock, fd, known.log_id, known.slot, name, end.size, end.next_index, end.chain, last_time, opened)


def _scan(fd: int, path: Path, whole: int, header: segment.Header, known: mark.Mark | None) -> _End:
    """Walk over the whole frames of a segment; compare with the mark where the walk passes it."""
    end = _End(segment.HEADER_SIZE, header.first_index, header.chain)
    sha256 = hashlib.sha256
    goal = known.size if known is not None else -1
    for base, part in segment.scan(packed.PlainBytes(fd), segment.HEADER_SIZE, whole):
        for offset, kind, payload in part.frames:
            if kind == frames.HEADER:
                _refuse(path, base + offset, "a header stands where a record should")
            if base + offset == goal:
                _compare(path, end, known)
            end.chain = sha256(end.chain + sha256(b"\x00" + payload).digest()).digest()
            end.next_index += 1
            end.last = payload
            end.size = base + offset + frames.OVERHEAD + len(payload)
    if end.size == goal:
        _compare(path, end, known)
    elif goal > end.size:
        _refuse(path, end.size, "a frame below the last known end is damaged")
    return end


def _compare(path: Path, end: _End, known: mark.Mark | None) -> None:
    if known is not None and (end.next_index != known.next_index or end.chain.hex() != known.chain):
        _refuse(path, known.size, "the records up to here are not those that were written")


def _cut(fd: int, path: Path, end: _End, whole: int, quarantine: Path, index: int) -> mark.Cut:
    """Copy a torn tail to quarantine; the caller shortens the segment once the mark says so."""
    tail = os.pread(fd, whole - end.size, end.size)
    follower = frames.find_record(tail, 1, first_of_commit=True)
    if follower >= 0:
        _refuse(path, end.size, f"a damaged frame is followed by a later commit at offset {end.size + follower}")
    digest = hashlib.sha256(tail).hexdigest()
    files.make_folder(quarantine)
    files.write_file(quarantine / f"{path.parent.name}-{path.stem}-{end.size}-{digest[:16]}.tail", tail)
    return mark.Cut(index, path.name, end.size, whole - end.size, digest)
