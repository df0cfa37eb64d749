"""A restore: a backup put into an empty folder, verified as a whole, and begun anew under names that nothing lost has used.

History may have gone on after the backup, elsewhere: answered, shipped, witnessed. So every log in it is ended, each worker
slot and the state store get a new one, and the seal begins a generation that binds the last checkpoint of the backup.
"""

from __future__ import annotations

import os
import re
import shutil
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import IO, Final

from munjigi.adapters.archive import Progress, damaged
from munjigi.adapters.seal_keys import publish
from munjigi.adapters.state.address import Address
from munjigi.adapters.state.sqlite import SqliteStateStore
from munjigi.app.backup_contents import DATA, SEAL_KEY, SEAL_VERIFIER, Keys, Manifest, other_kind, read_keys, read_through
from munjigi.app.files import StateFolder
from munjigi.app.log_sources import LogSources
from munjigi.app.restoration import announce
from munjigi.app.state import move_state
from munjigi.app.verification import seal_of, verify_logs
from munjigi.audit import files, slots
from munjigi.audit.records import RestoredLog, RestoredRecord
from munjigi.audit.seal import generations
from munjigi.audit.seal.note import Checkpoint, Note, SigningKey
from munjigi.audit.seal.store import SealStore
from munjigi.kernel.errors import Corruption, FailedPrecondition, InvalidArgument, Unavailable
from munjigi.kernel.ids import new_log_id
from munjigi.kernel.personal import looks_personal

_PLACE: Final = re.compile(r"(?:seal|shipping|slots|journal|quarantine|holds|policies)/.+\Z|(?:state|usage)\.sqlite\Z")
_MAX_REASON: Final = 500  # characters
_NOFOLLOW: Final = getattr(os, "O_NOFOLLOW", 0)

Put = Callable[[str], AbstractContextManager[IO[bytes]]]


def restore(
    archive: Path,
    keys_file: Path,
    folder: StateFolder,
    *,
    reason: str,
    operator: str,
    kept: Path | None,
    now: int,
    randomness: Callable[[], bytes],
    progress: Progress,
    address: Address | None = None,
) -> RestoredRecord:
    """Restore a backup into an empty or absent folder; return what the first start will record.

    `address`: the empty database that people and grants go to, instead of a file. `kept`: the last signed checkpoint that a
    witness or an auditor holds. Raises `FailedPrecondition` when folder or database is not empty, `Corruption` when backup, keys
    or what is in them are not what was written, `InvalidArgument` for keys or a checkpoint of another installation; nothing is
    left in the folder then. A restore that is killed leaves a folder that refuses to be used.
    """
    _refuse_reason(reason)
    about_keys, keys = read_keys(keys_file)
    with _empty(folder) as put, _unwritable(folder):
        manifest, signature = read_through(archive, DATA, lambda name: put(_placed(name, archive)))
        progress("unpacked", sum(each.size for each in manifest.files))
        if not keys.seal.verifier.signed(signature):
            raise _other_keys(keys_file, f"the seal's key in it has not signed {archive}")
        if about_keys.member_key_id not in ("", manifest.member_key_id):
            raise _other_keys(keys_file, f"its key of member references is not the one of {archive}")
        for name, content in keys.content.items():
            with put(name) as file:
                file.write(content)
        generations.make_trees(folder.seal)
        _verify(folder, manifest)
        progress("verified", sum(each.records for each in manifest.logs))
        continued, origin = _begin_anew(folder, keys, manifest, now, randomness)
        kept_entries, lost = _lost(folder, kept)
        record = RestoredRecord(
            backup_id=manifest.backup_id,
            backup_time=manifest.time,
            restored_at=now,
            reason=reason,
            operator=operator,
            origin=origin,
            continued_origin=continued.origin,
            continued_entries=continued.size,
            continued_root=b64encode(continued.root).decode(),
            kept_entries=kept_entries,
            lost_entries=lost,
            logs=tuple(RestoredLog(each.log_id, each.records, each.sealed) for each in manifest.logs),
        )
        if address is not None:
            move_state(folder, address)
        announce(folder, record)
    return record


def _refuse_reason(reason: str) -> None:
    kind = looks_personal(reason)
    if not reason.strip() or len(reason) > _MAX_REASON or not reason.isprintable():
        raise InvalidArgument("REASON_INVALID", f"A reason is one line of at most {_MAX_REASON} characters; say why you restore.")
    if kind:
        raise InvalidArgument("REASON_PERSONAL", f"The reason seems to hold a {kind}; it is recorded, so leave that out.")


@contextmanager
def _empty(folder: StateFolder) -> Iterator[Put]:
    """Hold an empty folder and yield what opens a new file in it; whatever goes wrong, nothing of it is left."""
    root = folder.root
    made = not root.exists()
    with _unwritable(folder):
        if not made and (not root.is_dir() or any(root.iterdir())):
            raise FailedPrecondition(
                "STATE_NOT_EMPTY",
                f"{root} is not empty; restore into a new folder (--state-dir), never over what is there, and compare the two.",
            )
        root.mkdir(mode=files.FOLDER_MODE, parents=True, exist_ok=True)
        root.chmod(files.FOLDER_MODE)
        folder.restoring.touch(files.FILE_MODE)
        files.sync_folder(root)
        files.sync_folder(root.parent)

    @contextmanager
    def put(name: str) -> Iterator[IO[bytes]]:
        path = root / name
        for each in (*reversed(path.relative_to(root).parents),):
            (root / each).mkdir(mode=files.FOLDER_MODE, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NOFOLLOW, files.FILE_MODE), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())

    try:
        yield put
        for path in (root, *(each for each in root.rglob("*") if each.is_dir())):
            files.sync_folder(path)
        folder.restoring.unlink()
        files.sync_folder(root)
    except BaseException:
        for path in root.iterdir():  # the marker last: killed here, it still says that nothing is to be used
            if path != folder.restoring:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        folder.restoring.unlink(missing_ok=True)
        if made:
            root.rmdir()
        raise
    folder.make()


@contextmanager
def _unwritable(folder: StateFolder) -> Iterator[None]:
    """Turn what the operating system refuses into an error of our tree."""
    try:
        yield
    except OSError as error:
        said = os.strerror(error.errno or 0)
        raise Unavailable(
            "RESTORE_UNWRITABLE", f"{folder.root} can't be written ({said}); free space or name another folder."
        ) from error


def _placed(name: str, archive: Path) -> str:
    if name.startswith("keys/"):
        raise other_kind(archive)
    if not _PLACE.match(name):
        raise damaged(archive, name, "it has no place in a state folder")
    return name


def _other_keys(path: Path, what: str) -> InvalidArgument:
    return InvalidArgument("KEYS_OF_ANOTHER_BACKUP", f"{path}: {what}. Give the keys of that installation and time.")


def _verify(folder: StateFolder, manifest: Manifest) -> None:
    """Verify what was unpacked as `audit verify` does, and that it is what the manifest says. Raises `Corruption`."""
    seal = seal_of(folder)
    if seal.problem or seal.origin != manifest.origin:
        raise _unverified(f"the seal: {seal.problem or 'it is of another name than the manifest says'}")
    found = verify_logs(folder, seal)
    for each in found:
        if not each.intact:
            place = f"{each.file or '(folder)'}, offset {each.offset}, record {each.index}"
            raise _unverified(f"log {each.log_id}: {each.problem} at {place}")
    if {(each.log_id, each.first + each.records, each.chain) for each in found} != {
        (each.log_id, each.records, each.chain) for each in manifest.logs
    }:
        raise _unverified("its logs are not those of the manifest")


def _unverified(what: str) -> Corruption:
    return Corruption("RESTORE_UNVERIFIED", f"The backup does not verify: {what}. Nothing was restored; take another backup.")


def _begin_anew(
    folder: StateFolder, keys: Keys, manifest: Manifest, now: int, randomness: Callable[[], bytes]
) -> tuple[Checkpoint, str]:
    """End every log and the seal's generation, and begin others; return the last checkpoint of the one and the other's name."""
    numbers = sorted({each.slot for each in manifest.logs if each.slot >= 0})
    slots.begin_anew(folder.journal, numbers, randomness=randomness, now=now)
    with closing(SqliteStateStore(folder.state)) as store:
        store.migrate()
        store.begin_log(new_log_id(randomness()))
    key = SigningKey(generations.next_origin(manifest.origin, randomness()), keys.content[SEAL_KEY])
    note = generations.begin(folder.seal, key)
    with closing(LogSources(folder)) as sources, closing(SealStore(folder.seal, key)) as seal:
        seal.begin(generations.binding(note), sources.look())
    publish(folder.root / SEAL_VERIFIER, key)
    return Checkpoint.parse(note.text), key.verifier.name


def _lost(folder: StateFolder, kept: Path | None) -> tuple[int, int]:
    """Return the size of the checkpoint that somebody kept, and how many of its entries are not here.

    Raises `InvalidArgument` when it is not one of this installation, or not of the history in the backup.
    """
    if kept is None:
        return 0, 0
    found = seal_of(folder, checkpoint=kept)
    if found.problem:
        raise InvalidArgument(
            "CHECKPOINT_OF_ANOTHER",
            f"{kept} is no checkpoint of this installation's history ({found.problem}); give the one that a witness or auditor holds.",
        )
    return Checkpoint.parse(Note.parse(kept.read_text("utf-8", "replace")).text).size, found.lost
