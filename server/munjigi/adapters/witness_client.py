"""Ask a witness to co-sign a checkpoint, over c2sp.org/tlog-witness."""

from __future__ import annotations

import http.client
import ipaddress
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from munjigi.audit.seal.note import COSIGNATURE, Checkpoint, Note, VerifierKey
from munjigi.audit.seal.witness import SIZE_TYPE, Submission
from munjigi.kernel.errors import ConfigurationError, Corruption, FailedPrecondition, InvalidArgument, Unavailable

_SECONDS: Final = 5.0
_LONGEST: Final = 4096  # bytes of an answer
_MAX_SIZE: Final = 1 << 63


class WitnessClient:
    """One witness. Blocking; one thread at a time."""

    def __init__(self, key: str, url: str, authority: Path | None = None) -> None:
        """Prepare for the witness at `url` that signs with `key`; `authority` is a PEM file.

        Raises `InvalidArgument` for a key that is none, `ConfigurationError` for a URL that is neither https nor loopback.
        """
        self.key = VerifierKey.parse(key)
        self.name = self.key.name
        if self.key.kind != COSIGNATURE:
            raise InvalidArgument("VERIFIER_KEY_INVALID", "A witness's verification key is one for co-signatures.")
        parts = urlsplit(url)
        self._host, self._port, self._path = parts.hostname or "", parts.port, parts.path.rstrip("/") + "/add-checkpoint"
        if not self._host or parts.scheme not in ("http", "https") or (parts.scheme == "http" and not _loopback(self._host)):
            raise ConfigurationError("SETTING_INVALID", "A witness's URL is https; http is for loopback hosts only.")
        self._context = ssl.create_default_context(cafile=authority) if parts.scheme == "https" else None
        self._size = 0  # of the checkpoint that the witness has

    @property
    def address(self) -> tuple[str, int]:
        """Return host and port."""
        return self._host, self._port or (80 if self._context is None else 443)

    def cosign(self, note: Note, consistency: Callable[[int], list[bytes]]) -> str:
        """Return the line with the witness's signature; `consistency` proves from a size to the note's.

        Raises `Unavailable` when the witness does not answer, `Corruption` `WITNESS_DIFFERS` when it has seen another
        history, `FailedPrecondition` `WITNESS_REFUSES` when it does not know us.
        """
        size = Checkpoint.parse(note.text).size
        status, kind, body = self._ask(note, consistency)
        if status == 409 and kind == SIZE_TYPE:
            self._size = int(body) if body.strip().isdigit() and int(body) < _MAX_SIZE else 0
            if self._size > size:
                raise _differs(f"witness {self.name} has seen {self._size} entries, the seal has {size}: it was taken back")
            status, kind, body = self._ask(note, consistency)
        if status in (409, 422):
            raise _differs(f"witness {self.name} has co-signed another history")
        if status in (400, 403, 404):
            raise FailedPrecondition(
                "WITNESS_REFUSES", f"Witness {self.name} refuses ({status}); give it this installation's verification key."
            )
        try:
            more = note.with_lines(body) if status == 200 else None
        except InvalidArgument:
            more = None
        if more is None or not self.key.signed(more):
            raise Unavailable("WITNESS_AWAY", f"Witness {self.name} gave no signature ({status}); it is asked again.")
        self._size = size
        return body

    def _ask(self, note: Note, consistency: Callable[[int], list[bytes]]) -> tuple[int, str, str]:
        body = str(Submission(self._size, tuple(consistency(self._size)), note)).encode()
        connection = (
            http.client.HTTPConnection(self._host, self._port, timeout=_SECONDS)
            if self._context is None
            else http.client.HTTPSConnection(self._host, self._port, timeout=_SECONDS, context=self._context)
        )
        try:
            connection.request("POST", self._path, body, {"Content-Type": "text/plain; charset=utf-8"})
            answer = connection.getresponse()
            return answer.status, answer.headers.get("Content-Type", ""), answer.read(_LONGEST).decode("utf-8", "replace")
        except (OSError, http.client.HTTPException):
            raise Unavailable("WITNESS_AWAY", f"Witness {self.name} does not answer; it is asked again.") from None
        finally:
            connection.close()


def _differs(what: str) -> Corruption:
    return Corruption(
        "WITNESS_DIFFERS",
        f"The history of this installation was changed: {what}. Keep a copy of the state folder and of the witness's.",
    )


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
