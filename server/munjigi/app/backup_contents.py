"""What lies in the archives of a backup: files under a signed manifest; keys, in an archive of their own, under the same id."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from itertools import zip_longest
from pathlib import Path
from typing import IO, Final

import msgspec

from munjigi.adapters.archive import MANIFEST, SIGNATURE, ArchiveWriter, Listed, damaged, members
from munjigi.adapters.seal_keys import INSTALLATION, SEED_BYTES, public_key
from munjigi.adapters.secrets import read_secret
from munjigi.app.files import StateFolder
from munjigi.audit import copying
from munjigi.audit.seal.note import Note, SigningKey
from munjigi.kernel.errors import InvalidArgument
from munjigi.kernel.references import KEY_BYTES, MemberReferences

DATA: Final = "munjigi-backup/1"
KEYS: Final = "munjigi-keys/1"
MEMBER_KEY: Final = "keys/member.key"
SEAL_KEY: Final = f"keys/{INSTALLATION}.key"
SEAL_VERIFIER: Final = f"keys/{INSTALLATION}.vkey"
_SECRETS: Final = {MEMBER_KEY: KEY_BYTES, "keys/names.key": KEY_BYTES, SEAL_KEY: SEED_BYTES}
_LONGEST: Final = 64 << 20  # bytes of a manifest
_MOST_KEYS: Final = 64 << 10  # bytes of a file of keys

Open = Callable[[str], AbstractContextManager[IO[bytes] | None]]


class LogHeld(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much of a log a backup holds, and how much of that is sealed; what retention removed counts. `slot`: -1 for permissions."""

    log_id: str
    slot: int
    records: int
    sealed: int
    chain: str


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an archive holds. `time` (UTC nanoseconds) is when it was begun; `origin` and `entries` are the checkpoint's."""

    format: str
    backup_id: str
    time: int
    version: str
    origin: str
    entries: int
    member_key_id: str
    logs: tuple[LogHeld, ...]
    files: tuple[Listed, ...]


class Keys:
    """The keys that go with a backup, as they were at one moment."""

    def __init__(self, content: Mapping[str, bytes]) -> None:
        """Take files by name. Raises `InvalidArgument` when the seal's key is not among them."""
        self.content = dict(content)
        if SEAL_KEY not in content or SEAL_VERIFIER not in content:
            raise InvalidArgument("KEYS_INCOMPLETE", "The keys of the seal are not in it; give the file that `--keys` wrote.")
        name = content[SEAL_VERIFIER].decode("ascii", "replace").partition("+")[0]
        self.seal = SigningKey(name, content[SEAL_KEY])

    @property
    def member_key_id(self) -> str:
        """The id of the key of member references; empty when it lies outside of the state folder."""
        key = self.content.get(MEMBER_KEY)
        return MemberReferences(key).key_id if key is not None else ""

    @classmethod
    def of(cls, folder: StateFolder) -> Keys:
        """Read them from a state folder. Raises `ConfigurationError`."""
        found = {name: read_secret(folder.root / name, size) for name, size in _SECRETS.items() if (folder.root / name).exists()}
        found[SEAL_VERIFIER] = f"{public_key(folder.root / SEAL_VERIFIER)}\n".encode()
        return cls(found)


def sign(archive: ArchiveWriter, manifest: Manifest, key: SigningKey) -> None:
    """Add the manifest of what is in an archive, and a signature over it. Raises what `ArchiveWriter.add` raises."""
    data = msgspec.json.encode(manifest)
    text = _signed_text(manifest.format, data)
    archive.add(copying.whole(MANIFEST, data))
    archive.add(copying.whole(SIGNATURE, f"{text}\n{key.sign(text)}".encode()))


def read_through(path: Path, kind: str, keep: Open = lambda _name: nullcontext()) -> tuple[Manifest, Note]:
    """Read a whole archive, each file into what `keep` opens for it; return its manifest and the signature over that.

    Raises `Corruption` `BACKUP_DAMAGED`, naming the first file that is not what was written, and what `members` raises.
    """
    found: list[Listed] = []
    ends: dict[str, bytes] = {}
    for member in members(path):
        if member.name not in (MANIFEST, SIGNATURE):
            if ends:
                raise damaged(path, member.name, "it comes after the manifest")
            with keep(member.name) as target:
                found.append(member.copy(target))
            continue
        buffer = io.BytesIO()
        if member.size > _LONGEST:
            raise damaged(path, member.name, "it is too large")
        member.copy(buffer)
        ends[member.name] = buffer.getvalue()
    for name in (MANIFEST, SIGNATURE):
        if name not in ends:
            raise damaged(path, name, "it is missing")
    try:
        manifest = msgspec.json.decode(ends[MANIFEST], type=Manifest)
        signature = Note.parse(ends[SIGNATURE].decode())
    except (msgspec.MsgspecError, UnicodeDecodeError, InvalidArgument):
        raise damaged(path, MANIFEST, "it or its signature can't be read") from None
    if manifest.format != kind:
        raise other_kind(path)
    if signature.text != _signed_text(kind, ends[MANIFEST]):
        raise damaged(path, SIGNATURE, "it is not of this manifest")
    for said, is_ in zip_longest(manifest.files, found):
        if said != is_:
            name = said.name if said is not None else is_.name if is_ is not None else ""
            raise damaged(path, name, "it is not what the manifest says")
    return manifest, signature


def read_keys(path: Path) -> tuple[Manifest, Keys]:
    """Read the archive of keys.

    Raises what `read_through` raises, and `InvalidArgument` when the key of the seal, which has signed it, is not in it.
    """
    content: dict[str, io.BytesIO] = {}

    def keep(name: str) -> AbstractContextManager[IO[bytes]]:
        if name not in (*_SECRETS, SEAL_VERIFIER):
            raise other_kind(path)
        content[name] = _Bounded()
        return nullcontext(content[name])

    manifest, signature = read_through(path, KEYS, keep)
    keys = Keys({name: each.getvalue() for name, each in content.items()})
    if not keys.seal.verifier.signed(signature):
        raise damaged(path, SEAL_KEY, "it has not signed the manifest")
    return manifest, keys


def other_kind(path: Path) -> InvalidArgument:
    """Make the error for a backup where its keys should be, or the other way round."""
    return InvalidArgument("BACKUP_OTHER_KIND", f"{path} is not what it is given as; exchange the backup and its keys.")


class _Bounded(io.BytesIO):
    def write(self, data: bytes, /) -> int:  # type: ignore[override]  # only bytes come here
        if self.tell() + len(data) > _MOST_KEYS:
            raise InvalidArgument("KEYS_TOO_LARGE", "A key in it is larger than a key can be; give the file that `--keys` wrote.")
        return super().write(data)


def _signed_text(kind: str, data: bytes) -> str:
    return f"{kind}\nsha256:{hashlib.sha256(data).hexdigest()}\n"
