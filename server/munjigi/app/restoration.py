"""A restored folder, from the restore to the record that says so, which the first start makes before it serves."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import msgspec

from munjigi.app.files import StateFolder
from munjigi.audit.files import sync_folder, write_file
from munjigi.audit.journal import Journal
from munjigi.audit.reader import JournalReader, list_logs
from munjigi.audit.records import AnyRecord, RestoredRecord, TailCutRecord, decode
from munjigi.kernel.errors import Corruption, MunjigiError
from munjigi.rpc.verification import Restored

_BEGINNING = 16  # records of a log: before the one that says so can only be records of cut tails


def announce(folder: StateFolder, record: RestoredRecord) -> None:
    """Leave word for the first start. Raises `OSError`."""
    write_file(folder.restored, msgspec.json.encode(record))


def record_restored(folder: StateFolder, journal: Journal) -> bool:
    """Append what the restore left word of, unless it is recorded; tell whether there is such word.

    Raises `Corruption` when it can't be read.
    """
    try:
        record = msgspec.json.decode(folder.restored.read_bytes(), type=RestoredRecord)
    except FileNotFoundError:
        return False
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise Corruption(
            "RESTORE_UNREADABLE", f"{folder.restored} can't be read; remove the folder and run `munjigi restore` again."
        ) from None
    if journal.durable_index == 0 or not any(
        isinstance(each, RestoredRecord) for each in _beginning(folder.journal / journal.log_id)
    ):
        journal.append(record)
    return True


def forget(folder: StateFolder) -> None:
    """Remove the word, once the record is durable. Raises `OSError`."""
    folder.restored.unlink()
    sync_folder(folder.root)


def recorded(root: Path) -> list[Restored]:
    """Return the restores that are recorded in the journals under `root`, oldest first; a damaged log has its own finding."""
    found = []
    for log_id in list_logs(root):
        try:
            records = list(enumerate(_beginning(root / log_id)))
        except (MunjigiError, msgspec.MsgspecError, UnicodeDecodeError):
            continue
        found += [Restored(log_id, index, each) for index, each in records if isinstance(each, RestoredRecord)]
    return sorted(found, key=lambda each: each.record.restored_at)


def _beginning(folder: Path) -> Iterable[AnyRecord]:
    with closing(JournalReader(folder)) as log:
        for _, payload in log.read(0, _BEGINNING):
            record = decode(payload)
            yield record
            if not isinstance(record, TailCutRecord):
                return
