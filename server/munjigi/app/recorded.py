"""Settings and the seal's key in the trail: each start names them, and a change of either is a record of its own.

What was recorded last is remembered in a file beside the logs, written after the record is durable: a crash in between makes
the next start record the same change once more, and never leaves one out. Without the file, there is nothing to compare with.
"""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec

from munjigi.adapters.seal_keys import public_key
from munjigi.app.config import Settings, as_plain
from munjigi.app.files import StateFolder
from munjigi.audit import files
from munjigi.audit.record import Record
from munjigi.audit.records import ConfigurationRecord, SealKeyRecord
from munjigi.kernel.errors import ConfigurationError

_FORMAT: Final = 1


class _Known(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the trail says already: a digest of each setting, one of all of them, and the seal's verification key."""

    format: int = _FORMAT
    settings: dict[str, str] = {}
    digest: str = ""
    key: str = ""


_decoder: Final = msgspec.json.Decoder(_Known)


class Recorded:
    """Compares how things are with what was recorded. `records` returns what there is to record; `keep` notes that it is durable."""

    def __init__(self, folder: StateFolder, settings: Settings) -> None:
        self._path = folder.recorded
        self._vkey = folder.keys / "seal.vkey"
        self._settings = {name: _digest(value) for name, value in as_plain(settings).items()}
        self._seen: tuple[int, int] | None = None
        self.digest = _digest(self._settings)
        self.key = ""
        self._known = self._read()
        self._unwritten = False

    def records(self) -> list[Record]:
        """Look at the seal's key, and return a record for each change since the last one that is known."""
        self._look()
        found: list[Record] = []
        known = self._known
        if known.digest and known.digest != self.digest:
            names = sorted(name for name in {*known.settings, *self._settings} if self._differs(name))
            found.append(ConfigurationRecord(settings=tuple(names), settings_digest=self.digest, replaced=known.digest))
        if known.key and self.key and known.key != self.key:
            found.append(SealKeyRecord(seal_key=self.key, replaced=known.key))
        return found

    def keep(self) -> None:
        """Remember that everything is recorded as it is now. Raises `OSError` when the disk refuses."""
        now = _Known(settings=self._settings, digest=self.digest, key=self.key or self._known.key)
        if now != self._known or self._unwritten:
            self._known, self._unwritten = now, True
            files.write_file(self._path, msgspec.json.encode(now))
            self._unwritten = False

    def _differs(self, name: str) -> bool:
        return self._known.settings.get(name) != self._settings.get(name)

    def _look(self) -> None:
        """Read the verification key when its file was replaced. While it can't be read, the one before stands."""
        try:
            status = self._vkey.stat()
            seen = (status.st_ino, status.st_mtime_ns)
            if seen != self._seen:
                self.key, self._seen = str(public_key(self._vkey)), seen
        except (OSError, ConfigurationError):
            return

    def _read(self) -> _Known:
        try:
            found = _decoder.decode(self._path.read_bytes())
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            return _Known()
        return found if found.format == _FORMAT else _Known()


def _digest(value: object) -> str:
    return hashlib.sha256(msgspec.json.encode(value, order="sorted")).hexdigest()
