"""Remove the oldest segments of a log so that no reader ever sees half of it, and a kill at any point leaves nothing half done.

In this order: the mark says that records are being removed; the record of the removal is durable (P1); the mark says that the
log begins later, which is the moment at which they are gone for every reader; the files go. Killed before the record was
durable, the removal never began; killed later, it is finished when the log is opened again.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from msgspec.structs import replace

from munjigi.audit import files, mark, packed, segment
from munjigi.audit.mark import Mark
from munjigi.audit.reader import JournalReader
from munjigi.audit.records import RemovedRecord, decode
from munjigi.kernel.errors import Corruption, NotFound

_PIECE = 1000  # records


def beginning(known: Mark, next_index: int, after: int) -> Mark:
    """Return the mark of a log whose records before `next_index` are about to be removed, by a record that is `after` or later."""
    return replace(known, removing=mark.Removing(next_index, after))


def done(known: Mark, next_index: int, removal: int) -> Mark:
    """Return the mark of a log that begins with `next_index`, as its record `removal` says."""
    return replace(known, first=next_index, removal=removal, removing=None)


def settled(folder: Path, known: Mark) -> Mark:
    """Return the mark as it is once a removal that was interrupted is finished, or forgotten where nothing recorded it.

    The caller writes it. Raises `Corruption` when the log can't be read, `OSError`.
    """
    if known.removing is None:
        return known
    at, next_index = known.removing.after, known.removing.next_index
    with closing(JournalReader(folder)) as log:
        while found := log.read(at, _PIECE):
            for index, payload in found:
                record = decode(payload)
                if isinstance(record, RemovedRecord) and record.next_index == next_index:
                    return done(known, next_index, index)
            at += len(found)
    return replace(known, removing=None)


def require_recorded(folder: Path, known: Mark) -> None:
    """Refuse a log whose beginning is gone without a record that says so. Raises `Corruption`, `OSError`."""
    if not known.first:
        return
    try:
        with closing(JournalReader(folder)) as log:
            found = log.read(known.removal, 1)
    except NotFound:
        found = []
    record = decode(found[0][1]) if found else None
    if not isinstance(record, RemovedRecord) or record.next_index != known.first:
        raise Corruption(
            "REMOVAL_NOT_RECORDED",
            f"The log in {folder} begins with record {known.first}, and it holds no record that the ones before were removed at "
            "the end of their retention. Munjigi does not start on it; run `munjigi audit verify` and restore the journal "
            "from a backup.",
        )


def remove_files(folder: Path, first: int) -> int:
    """Remove the segments before `first`, oldest first; return how many. Raises `OSError`."""
    gone = [name for name in segment.names(folder) if segment.first_index_of(name) < first]
    for name in gone:
        (folder / name).unlink(missing_ok=True)
        (folder / (name + packed.SUFFIX)).unlink(missing_ok=True)
    if gone:
        files.sync_folder(folder)
    return len(gone)
