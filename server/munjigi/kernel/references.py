"""Members appear in records as keyed references, never as serials (promise P5).

A reference is `m1.<key id>.<26 base32>`: HMAC-SHA-256(key, `database.table` 0x00 canonical serial),
cut to 16 bytes, in lower-case RFC 4648 base32 without padding. The key id is the first 8 hex digits of
SHA-256("munjigi member key" 0x00 key), so that instances can compare keys without showing them.
"""

from __future__ import annotations

import hashlib
import hmac
import unicodedata
from collections.abc import Iterable
from typing import Any, Final, Literal

from munjigi.kernel.errors import ConfigurationError, InvalidArgument

KeyType = Literal["integer", "text"]
KEY_BYTES: Final = 32
_MAX_TEXT: Final = 64
_BASE32: Final = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS: Final = tuple(high + low for high in _BASE32 for low in _BASE32)


def canonical_serial(serial: str, key_type: KeyType) -> str:
    """Bring a raw serial into the one form of its key type.

    `integer`: ASCII digits without sign or leading zeros; `text`: NFC, 1 to 64 characters, no control
    characters. Raises `InvalidArgument` when the serial has no such form.
    """
    if key_type == "integer":
        if not (serial.isascii() and serial.isdigit()) or len(serial) > 20:
            raise InvalidArgument(
                "MEMBER_ID_INVALID", "A member id of this table is a whole number without sign, at most 20 digits."
            )
        return serial.lstrip("0") or "0"
    text = unicodedata.normalize("NFC", serial)
    if not 1 <= len(text) <= _MAX_TEXT or any(unicodedata.category(char) in ("Cc", "Cs") for char in text):
        raise InvalidArgument("MEMBER_ID_INVALID", "A member id of this table is 1 to 64 characters without control characters.")
    return text


class MemberReferences:
    """Turn raw serials into references under one key."""

    __slots__ = ("_inner", "_outer", "_prefix", "_tables", "key_id")

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ConfigurationError(
                "MEMBER_KEY_INVALID", f"The member key must have {KEY_BYTES} bytes; make one with `munjigi init`."
            )
        self.key_id = hashlib.sha256(b"munjigi member key\x00" + key).hexdigest()[:8]
        self._prefix = f"m1.{self.key_id}."
        # The two keyed states of HMAC (RFC 2104); copying them costs a third of what the hmac module takes.
        block = key.ljust(hashlib.sha256().block_size, b"\x00")
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block))
        self._tables: dict[str, Any] = {}  # the keyed state of each table of the catalog

    def of(self, table: str, serials: Iterable[str], key_type: KeyType) -> tuple[str, ...]:
        """Return one reference for each distinct serial of `table` (`database.table`), in first-seen order.

        Raises `InvalidArgument` when a serial does not have the table's key type.
        """
        keyed = self._tables.get(table)
        if keyed is None:
            keyed = self._tables[table] = self._inner.copy()
            keyed.update(table.encode() + b"\x00")
        found = []
        for serial in serials:
            inner, outer = keyed.copy(), self._outer.copy()
            inner.update(canonical_serial(serial, key_type).encode())
            outer.update(inner.digest())
            found.append(self._prefix + _base32(outer.digest()))
        return tuple(found) if len(found) == 1 else tuple(dict.fromkeys(found))


def _base32(content: bytes) -> str:
    """Encode the first 16 bytes as 26 digits, RFC 4648 section 6 in lower case without padding; base64.b32encode takes 6 µs more."""
    n = int.from_bytes(content[:16]) << 2
    p, m = _PAIRS, 1023
    # Written out: half the time of a loop, and every reference of every record passes here.
    return (
        f"{p[n >> 120]}{p[n >> 110 & m]}{p[n >> 100 & m]}{p[n >> 90 & m]}{p[n >> 80 & m]}{p[n >> 70 & m]}{p[n >> 60 & m]}"
        f"{p[n >> 50 & m]}{p[n >> 40 & m]}{p[n >> 30 & m]}{p[n >> 20 & m]}{p[n >> 10 & m]}{p[n & m]}"
    )


class NameDigests:
    """Stand-ins for names that the catalog does not know: `d1.<16 hex>`, keyed, for records only."""

    __slots__ = ("_base",)

    def __init__(self, key: bytes) -> None:
        self._base = hmac.new(key, b"munjigi unknown name\x00", hashlib.sha256)

    def of(self, name: str) -> str:
        """Return the keyed digest of `name`."""
        keyed = self._base.copy()
        keyed.update(name.encode("utf-8", "surrogatepass"))
        return "d1." + keyed.hexdigest()[:16]
