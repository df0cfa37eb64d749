"""Signed notes and checkpoints: the text that is signed, witnessed, published and compared.

Formats: c2sp.org/signed-note, c2sp.org/tlog-checkpoint, c2sp.org/tlog-cosignature. Signatures are Ed25519 (RFC 8032).
"""

from __future__ import annotations

import base64
import binascii
import re
from hashlib import sha256
from typing import Final, NamedTuple, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from munjigi.audit.seal.merkle import HASH
from munjigi.kernel.errors import InvalidArgument

SIGNATURE: Final = 1  # a log's own Ed25519 signature over the note's text
COSIGNATURE: Final = 4  # a witness's, over a time and the note's text
MAX_NOTE: Final = 64 * 1024  # bytes
_NAME: Final = re.compile(r"[^\s+]{1,200}\Z")
_LINE: Final = re.compile(r"— ([^\s+]{1,200}) ([A-Za-z0-9+/]{1,400}={0,2})\Z")
_SIZE: Final = re.compile(r"0\Z|[1-9][0-9]{0,18}\Z")
_KEY_ID: Final = 4  # bytes
_TIME: Final = 8  # bytes


class VerifierKey(NamedTuple):
    """A public key under its name; its text is `NAME+8 hex digits+base64(kind, 32 bytes)`."""

    name: str
    kind: int
    public: bytes

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a key's text. Raises `InvalidArgument`."""
        name, _, rest = text.strip().partition("+")
        key_id, _, encoded = rest.partition("+")
        content = _bytes(encoded)
        if content is not None and len(content) == 33 and content[0] in (SIGNATURE, COSIGNATURE) and _NAME.match(name):
            key = cls(name, content[0], content[1:])
            if key.key_id.hex() == key_id:
                return key
        raise InvalidArgument("VERIFIER_KEY_INVALID", "A verification key looks like NAME+0123abcd+BASE64; copy it whole.")

    @property
    def key_id(self) -> bytes:
        """Four bytes that tell the keys of one name apart."""
        return sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:_KEY_ID]

    def __str__(self) -> str:
        """Return the key's text."""
        return f"{self.name}+{self.key_id.hex()}+{_text(bytes([self.kind]) + self.public)}"

    def signed(self, note: Note) -> bool:
        """Tell whether the note has a good signature of this key."""
        return self.signed_at(note) is not None

    def signed_at(self, note: Note) -> int | None:
        """Return when this key co-signed the note (UTC seconds), 0 for a signature that has no time, None without a good one."""
        public = Ed25519PublicKey.from_public_bytes(self.public)
        for name, content in note.signatures:
            if name != self.name or content[:_KEY_ID] != self.key_id:
                continue
            signature, message, seconds = content[_KEY_ID:], note.text.encode(), 0
            if self.kind == COSIGNATURE:
                seconds = int.from_bytes(signature[:_TIME])
                signature, message = signature[_TIME:], _cosigned(seconds, note.text)
            try:
                public.verify(signature, message)
            except InvalidSignature:
                continue
            return seconds
        return None


class SigningKey:
    """A private key under its name. `seed` are its 32 secret bytes (RFC 8032)."""

    def __init__(self, name: str, seed: bytes, kind: int = SIGNATURE) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.verifier = VerifierKey(name, kind, self._key.public_key().public_bytes_raw())

    def sign(self, text: str) -> str:
        """Return the line that signs a note's text."""
        return self._line(self._key.sign(text.encode()))

    def cosign(self, text: str, seconds: int) -> str:
        """Return the line by which a witness says that it saw this checkpoint at `seconds` (UTC since 1970)."""
        return self._line(seconds.to_bytes(_TIME) + self._key.sign(_cosigned(seconds, text)))

    def _line(self, signature: bytes) -> str:
        return f"— {self.verifier.name} {_text(self.verifier.key_id + signature)}\n"


class Note(NamedTuple):
    """A text, which ends with a newline, and its signatures as (name, key id and signature)."""

    text: str
    signatures: tuple[tuple[str, bytes], ...]

    @classmethod
    def parse(cls, data: str) -> Self:
        """Read a signed note. Raises `InvalidArgument`."""
        text, blank, lines = data.rpartition("\n\n")
        signatures: list[tuple[str, bytes]] = []
        for line in lines.splitlines():
            found = _LINE.match(line)
            content = _bytes(found[2]) if found else None
            if found is None or content is None or len(content) <= _KEY_ID:
                signatures.clear()
                break
            signatures.append((found[1], content))
        if not blank or not signatures or not data.endswith("\n") or len(data) > MAX_NOTE:
            raise InvalidArgument("NOTE_INVALID", "This is no signed note: a text, an empty line, and lines of signatures.")
        return cls(text + "\n", tuple(signatures))

    def __str__(self) -> str:
        """Return the note as it is kept and sent."""
        return self.text + "\n" + "".join(f"— {name} {_text(content)}\n" for name, content in self.signatures)

    def with_lines(self, lines: str) -> Note:
        """Return the note with more signatures. Raises `InvalidArgument` when the lines are none."""
        more = Note.parse(f"{self.text}\n{lines}").signatures
        return Note(self.text, tuple(dict.fromkeys((*self.signatures, *more))))


class Checkpoint(NamedTuple):
    """How far a tree had grown. `origin` names the tree."""

    origin: str
    size: int
    root: bytes

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text of a checkpoint; lines after the third are extensions. Raises `InvalidArgument`."""
        lines = text.split("\n")
        root = _bytes(lines[2]) if len(lines) > 3 else None
        if root is None or len(root) != HASH or not lines[0] or not _SIZE.match(lines[1]) or not text.endswith("\n"):
            raise InvalidArgument("CHECKPOINT_INVALID", "This is no checkpoint: its origin, a size, and a root in base64.")
        return cls(lines[0], int(lines[1]), root)

    def __str__(self) -> str:
        """Return the text that is signed."""
        return f"{self.origin}\n{self.size}\n{_text(self.root)}\n"


def _cosigned(seconds: int, text: str) -> bytes:
    return f"cosignature/v1\ntime {seconds}\n{text}".encode()


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _bytes(text: str) -> bytes | None:
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return content if _text(content) == text else None  # one text for one value
