"""A backup: one archive from which an installation can be restored, made beside a running daemon; keys go into another one.

Order is what makes it one moment: the seal first, so that what was sealed is in the logs; how far was shipped, and what was counted
of use, before the logs, so that nothing counts as done that is not there; grants and policies last, so that each decision in the
backup can be explained.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path, PurePath
from typing import Final

from munjigi import __version__
from munjigi.adapters.archive import ArchiveWriter, Listed, Progress
from munjigi.adapters.policy_files import LAST
from munjigi.adapters.state.sqlite import SqliteStateStore, copy_store
from munjigi.app.backup_contents import DATA, KEYS, Keys, LogHeld, Manifest, read_through, sign
from munjigi.app.files import StateFolder
from munjigi.app.state import copy_state
from munjigi.audit import copying
from munjigi.audit.copying import JournalCopy, Piece, SealCopy
from munjigi.audit.holds import HoldFiles
from munjigi.audit.reader import list_logs
from munjigi.audit.seal.note import Checkpoint
from munjigi.kernel.errors import ConfigurationError, Corruption, FailedPrecondition, Unavailable
from munjigi.kernel.ids import new_log_id

_LOOKS: Final = 50  # at the seal while its key is changed
_PAUSE: Final = 0.1  # seconds between them


def back_up(
    folder: StateFolder, target: Path, keys_target: Path | None, *, now: int, randomness: bytes, progress: Progress
) -> Manifest:
    """Write a backup of a state folder, and read it back. `keys_target`: write the keys there.

    `progress` is told each file after it was taken. Raises `Corruption` when what is there is damaged, `Unavailable` when a disk
    refuses or something vanished, `FailedPrecondition` before the first checkpoint.
    """
    folder.refuse_unfinished()
    keys, seal = _moment(folder)
    backup_id = new_log_id(randomness)
    head = Checkpoint.parse(seal.note.text)

    def manifest(kind: str, logs: list[LogHeld], listed: tuple[Listed, ...]) -> Manifest:
        own = keys.member_key_id
        return Manifest(kind, backup_id, now, __version__, head.origin, head.size, own, tuple(logs), listed)

    with ArchiveWriter(target, now, progress) as archive:
        logs: list[LogHeld] = []
        for piece in _pieces(folder, target.parent, seal, logs):
            archive.add(piece)
        _refuse_unlike(seal, logs)
        made = manifest(DATA, logs, archive.listed)
        sign(archive, made, keys.seal)
        if keys_target is not None:
            with ArchiveWriter(keys_target, now, progress) as second:
                for name, content in keys.content.items():
                    second.add(copying.whole(name, content))
                sign(second, manifest(KEYS, [], second.listed), keys.seal)
                second.finish()
        archive.finish()
    read_through(target, DATA)
    if keys_target is not None:
        read_through(keys_target, KEYS)
    return made


def _moment(folder: StateFolder) -> tuple[Keys, SealCopy]:
    """Take keys and checkpoint that belong together: the key may just be changed."""
    for _ in range(_LOOKS):
        try:
            keys = Keys.of(folder)
        except ConfigurationError as error:
            if error.reason not in {"KEY_FILE_MISSING", "VERIFIER_KEY_UNREADABLE"}:
                raise
            raise _nothing(folder) from None
        seal = SealCopy.of(folder.seal)
        if seal is None:
            raise _nothing(folder)
        if keys.seal.verifier.signed(seal.note):
            return keys, seal
        time.sleep(_PAUSE)
    raise Corruption("BACKUP_OF_DAMAGED", "The last checkpoint is not signed with the key in keys/; run `munjigi audit verify`.")


def _nothing(folder: StateFolder) -> FailedPrecondition:
    return FailedPrecondition(
        "NOTHING_TO_BACK_UP",
        f"{folder.root} has no seal yet; name the right state folder (MUNJIGI_STATE_DIR), or start munjigi and wait a second.",
    )


def _pieces(folder: StateFolder, scratch: Path, seal: SealCopy, logs: list[LogHeld]) -> Iterator[Piece]:
    """Yield all files in the order that makes them one moment; fill `logs`."""
    root = folder.root
    yield from seal.pieces()
    yield from copying.plain(root, folder.shipping.name, "*.cursor", "*.dead")
    yield from copying.plain(root, "slots", "[0-9]*", "retired")
    holds: set[str] = set()
    named: set[str] = set()
    ended = _released(folder)
    yield from _new(copying.plain(root, folder.holds.name, "*.json"), holds)
    standing = {PurePath(name).stem for name in holds} - ended
    if folder.usage.exists():  # before the logs: what it has counted is in them
        with _copied(folder.usage, scratch, copy_store) as copy:
            yield Piece(folder.usage.name, copy.stat().st_size, copy.open("rb"))
    for log_id in list_logs(folder.journal):
        journal = JournalCopy(folder.journal / log_id)
        yield from journal.pieces()
        assert journal.copied is not None
        named.update(journal.copied.holds)
        logs.append(
            LogHeld(log_id, journal.copied.slot, journal.copied.records, seal.sealed.get(log_id, 0), journal.copied.chain)
        )
    yield from _new(copying.plain(root, folder.holds.name, "*.json"), holds)  # those that were placed meanwhile
    there = {path.stem for path in folder.holds.glob("*.json")}
    if not standing <= there - _released(folder):  # its release may be in a log, and after a restore it would stand again
        raise Unavailable("BACKUP_DISTURBED", "A legal hold was released while it was copied; run the backup again.")
    if not named <= {PurePath(name).stem for name in holds}:
        raise Unavailable("BACKUP_DISTURBED", "A legal hold was placed and released while it was copied; run the backup again.")
    with _copied(folder.state, scratch, lambda _, target: copy_state(folder, target)) as copy:
        with closing(SqliteStateStore(copy, read_only=True)) as store:
            heads = store.log_heads()
        logs += [LogHeld(each.log_id, -1, each.next_index, seal.sealed.get(each.log_id, 0), each.chain.hex()) for each in heads]
        yield Piece(folder.state.name, copy.stat().st_size, copy.open("rb"))
    yield from copying.plain(root, folder.quarantine.name, "*.tail")
    # Which one decided last comes before the bundles: it is among them, whatever is loaded meanwhile.
    yield from copying.plain(root, folder.policies.name, LAST, "*.bundle", "*.source")


def _released(folder: StateFolder) -> set[str]:
    """Return the ids of the holds whose files say that they are released."""
    found, _ = HoldFiles(folder.holds).known()
    return {hold_id for hold_id, hold in found.items() if hold.released}


def _new(pieces: Iterator[Piece], seen: set[str]) -> Iterator[Piece]:
    """Yield the pieces whose names were not seen before."""
    for piece in pieces:
        if piece.name in seen:
            piece.content.close()
        else:
            seen.add(piece.name)
            yield piece


@contextmanager
def _copied(source: Path, scratch: Path, copied: Callable[[Path, Path], None]) -> Iterator[Path]:
    """Copy a database as of one moment to where the backup goes, for a while."""
    with tempfile.TemporaryDirectory(prefix=".munjigi-", dir=scratch) as private:
        copy = Path(private) / source.name
        copied(source, copy)
        yield copy


def _refuse_unlike(seal: SealCopy, logs: list[LogHeld]) -> None:
    held = {each.log_id: each.records for each in logs}
    for log_id, sealed in seal.sealed.items():
        if held.get(log_id, 0) < sealed:
            raise Corruption(
                "BACKUP_OF_DAMAGED",
                f"Log {log_id} has {held.get(log_id, 0)} records, and {sealed} were sealed; run `munjigi audit verify`. "
                "No backup is made of it.",
            )
