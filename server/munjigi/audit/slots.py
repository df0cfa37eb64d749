"""Which log belongs to which worker slot. Made once, kept over restarts.

The slot files lie beside the journal folder, not in it: they are the witness that a log existed, so
that a journal folder which disappears is noticed instead of silently begun anew.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec.structs import replace

from munjigi.audit import files, mark, segment
from munjigi.kernel.errors import Corruption
from munjigi.kernel.ids import is_log_id, new_log_id


def slot_file(root: Path, slot: int) -> Path:
    """Return the file that names the log of a slot."""
    return root.parent / "slots" / str(slot)


def retired_file(root: Path) -> Path:
    """Return the file that names, a line each, the logs that a restore ended: they are read, and never written again."""
    return root.parent / "slots" / "retired"


def retired(root: Path) -> set[str]:
    """Return the ids of the logs that a restore ended. Raises `OSError`."""
    try:
        return set(retired_file(root).read_text("ascii", "replace").split())
    except FileNotFoundError:
        return set()


def known(root: Path) -> list[int]:
    """Return the slots that have a log, whether a worker has them now or not. Raises `OSError`."""
    folder = root.parent / "slots"
    return sorted(int(path.name) for path in folder.iterdir() if path.name.isdigit()) if folder.is_dir() else []


def logs_of(root: Path, slots: Iterable[int]) -> list[str]:
    """Return the ids of the logs that belong to these slots now; of a slot that never had one, none. Raises `OSError`."""
    files_of = (slot_file(root, slot) for slot in slots)
    return [path.read_text("ascii", "replace").strip() for path in files_of if path.exists()]


def named(root: Path) -> set[str]:
    """Return every log that a file beside the journal folder names: each must be in it. Raises `OSError`."""
    folder = root.parent / "slots"
    listed = folder.iterdir() if folder.is_dir() else ()
    return {each for path in listed for each in path.read_text("ascii", "replace").split()}


def begin_anew(root: Path, slots: Iterable[int], *, randomness: Callable[[], bytes], now: int) -> list[str]:
    """Retire every log there is, and give each slot an empty one; return their ids. For a folder that nobody serves from.

    Raises `OSError`.
    """
    ended = {log_id: mark.read(root / log_id) for log_id in logs(root)}
    holds = tuple(dict.fromkeys(each for known in ended.values() if known is not None for each in known.holds))
    files.make_folder(slot_file(root, 0).parent)
    files.write_file(retired_file(root), "".join(f"{each}\n" for each in ended).encode("ascii"))
    begun: list[str] = []
    for slot in slots:
        log_id = _create(root, slot, new_log_id(randomness()), now, () if begun else holds)
        begun.append(log_id)
        files.write_file(slot_file(root, slot), log_id.encode("ascii") + b"\n")
    for log_id, known in ended.items():  # a hold can be released only where somebody writes
        if known is not None and known.holds:
            mark.write(root / log_id, replace(known, holds=()))
    return begun


def logs(root: Path) -> list[str]:
    """Return the ids of all logs under the journal folder, in order; none when there is no such folder."""
    try:
        return sorted(path.name for path in root.iterdir() if is_log_id(path.name))
    except FileNotFoundError:
        return []


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder's lock, waiting for it, so that two workers don't make logs at once. Raises `OSError`."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def log_of(root: Path, slot: int, *, randomness: bytes, now: int) -> str:
    """Return the log id of a slot; a new log is made when the slot never had one.

    Raises `Corruption` when the slot had a log and it is gone, `OSError` when the disk refuses.
    """
    name_file = slot_file(root, slot)
    known = name_file.read_text("ascii", "replace").strip() if name_file.exists() else ""
    if known:
        if not is_log_id(known):
            raise Corruption(
                "JOURNAL_SLOT", f"{name_file} does not name a log; remove it, and its log is found again in the journal."
            )
        if known in retired(root):
            raise Corruption(
                "JOURNAL_RETIRED",
                f"{name_file} names log {known}, which a restore ended; write the id of the slot's newest log into it.",
            )
        if not (root / known).is_dir():
            raise Corruption(
                "JOURNAL_MISSING",
                f"{name_file} names a log whose folder {root / known} is missing; put this state folder aside and restore a backup, "
                f"or, to accept the loss, remove {name_file}.",
            )
        return known
    files.make_folder(root)
    files.require_private(root)
    with locked(root):
        log_id = _adopt(root, slot) or _create(root, slot, new_log_id(randomness), now)
        files.make_folder(name_file.parent)
        files.write_file(name_file, log_id.encode("ascii") + b"\n")
    return log_id


def _adopt(root: Path, slot: int) -> str:
    """Find a log whose slot file was lost, or was not yet written when its maker died; empty if none."""
    found = []
    ended = retired(root)
    for log_id in logs(root):
        if log_id in ended:
            continue
        segments = segment.names(root / log_id)
        header = segment.read_header(root / log_id / segments[0]) if segments else None
        if header is not None and header.slot == slot and header.log_id == log_id:
            found.append(log_id)
    if len(found) > 1:
        raise Corruption(
            "JOURNAL_SLOT",
            f"{root} holds {len(found)} logs of worker slot {slot} and {slot_file(root, slot)} is missing; "
            "write the id of the newest into it.",
        )
    return found[0] if found else ""


def _create(root: Path, slot: int, log_id: str, now: int, holds: tuple[str, ...] = ()) -> str:
    """Make an empty log: whole under its name, or not there. `holds` are the legal holds that it names from the first."""
    scratch = root / f"{log_id}.tmp"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(files.FOLDER_MODE)
    os.close(segment.create(scratch, segment.Header(log_id, slot, 0, 0, 0, now, segment.GENESIS)))
    first = segment.name_of(0)
    mark.write(scratch, mark.Mark(1, log_id, slot, True, first, segment.HEADER_SIZE, 0, segment.GENESIS.hex(), holds=holds))
    scratch.rename(root / log_id)
    files.sync_folder(root)
    return log_id
