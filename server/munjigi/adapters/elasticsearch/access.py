"""Who we are to a cluster, and what its answers mean. Every refusal becomes a value or an error of our tree.

Shared by the two ways to ask: `cluster.py` on an event loop, `blocking.py` on a thread. `info()` is never called: an account
that may only create documents, or only read them, may not call it.
"""

from __future__ import annotations

import base64
import logging
import os
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import orjson

from munjigi.kernel.errors import ConfigurationError, Unavailable

JSON: Final = "application/vnd.elasticsearch+json; compatible-with=8"
NDJSON: Final = "application/vnd.elasticsearch+x-ndjson; compatible-with=8"

Part = Literal["shipper", "reader"]


class _Names(NamedTuple):
    """Where a part's credentials come from: the setting that names a file, and the variable that holds them."""

    setting: str
    variable: str


NAMES: Final[dict[Part, _Names]] = {
    "shipper": _Names("MUNJIGI_ELASTICSEARCH_CREDENTIALS", "MUNJIGI_ELASTICSEARCH_AUTHORIZATION"),
    "reader": _Names("MUNJIGI_ELASTICSEARCH_READER", "MUNJIGI_ELASTICSEARCH_READER_AUTHORIZATION"),
}


@dataclass(frozen=True, slots=True)
class Access:
    """Where the cluster is and who we are to it.

    `authority` pins the certificate authority (PEM); without it the system's authorities count. `credentials` is a file
    with one line: `name:password`, or an API key in its encoded form; without it the part's environment variable says the
    same. `timeout` in seconds.
    """

    urls: tuple[str, ...]
    authority: Path | None = None
    credentials: Path | None = None
    timeout: float = 30.0
    part: Part = "shipper"


class Reply(NamedTuple):
    """What the cluster, or something in front of it, answered. `body` is empty when it was not a JSON object."""

    status: int
    body: dict[str, Any]

    @property
    def ok(self) -> bool:
        """Tell whether the request was done."""
        return 200 <= self.status < 300

    @property
    def error_type(self) -> str:
        """The kind of a refusal, as Elasticsearch names it: never its text, which can quote documents (P5)."""
        error = self.body.get("error")
        kind = error.get("type") if isinstance(error, dict) else None
        return kind if isinstance(kind, str) else ""

    def demanded(self, fine: tuple[int, ...] = ()) -> Reply:
        """Return this answer of a request that must be done, or be answered with a status in `fine`. Raises `Unavailable`."""
        if not self.ok and self.status not in fine:
            raise refusal(self.status, self.error_type)
        return self


def reply_of(status: int, content: object) -> Reply:
    """Make a reply of what came back."""
    return Reply(status, content if isinstance(content, dict) else {})


def unreachable(error: Exception) -> Unavailable:
    """Say that no answer came, or none in time, so that nobody knows whether the request was done."""
    from elastic_transport import ConnectionTimeout  # noqa: PLC0415  # a worker names clusters and loads no client

    if isinstance(error, ConnectionTimeout):
        return Unavailable(
            "ELASTICSEARCH_SLOW",
            "Elasticsearch gave no answer in time; look at its load, its disks and what stands before it.",
        )
    return Unavailable(
        "ELASTICSEARCH_UNREACHABLE",
        f"Elasticsearch gave no usable answer ({type(error).__name__}); look at its nodes, the network between, and "
        "the authority in MUNJIGI_ELASTICSEARCH_AUTHORITY.",
    )


def refusal(status: int, kind: str) -> Unavailable:
    """Say what to do about a status that is not ours to mend."""
    if status in (401, 403) and "block" not in kind:
        return Unavailable(
            "ELASTICSEARCH_DENIED",
            f"Elasticsearch refuses this account (status {status}); renew its credentials or give it the role of docs/elasticsearch.md.",
        )
    return Unavailable(
        "ELASTICSEARCH_REFUSED",
        f"Elasticsearch answered with status {status} ({kind or 'no reason given'}); look at its state, disk and index blocks.",
    )


class Authorization:
    """The header that proves who we are; read anew when the file is replaced, so that credentials are renewed in place."""

    def __init__(self, access: Access) -> None:
        self._path = access.credentials
        self._names = NAMES[access.part]
        self._seen: tuple[int, int] | None = None
        self._header = header_of(os.environ.get(self._names.variable, "")) if self._path is None else {}

    def header(self) -> dict[str, str]:
        """Return the header; empty without credentials. Raises `ConfigurationError` when the file can't be read."""
        if self._path is None:
            return self._header
        try:
            status = self._path.stat()
            if status.st_mode & 0o077:
                raise ConfigurationError(
                    "CREDENTIALS_OPEN_TO_OTHERS", f"{self._path} can be read by other users; run `chmod 600 {self._path}`."
                )
            seen = (status.st_ino, status.st_mtime_ns)
            if seen != self._seen:
                self._header, self._seen = header_of(self._path.read_text("utf-8")), seen
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(
                "CREDENTIALS_UNREADABLE", f"{self._path} can't be read; set {self._names.setting} to a file of one line."
            ) from error
        return self._header

    def headers(self, *, body: bool, lines: bool = False) -> dict[str, str]:
        """Return all headers of a request; `lines` says that its body is newline-delimited JSON."""
        kind = {"content-type": NDJSON if lines else JSON} if body else {}
        return {"accept": JSON, **kind, **self.header()}


def header_of(credentials: str) -> dict[str, str]:
    """Make the header of `name:password` (Basic, RFC 7617) or of an encoded API key; none of nothing."""
    text = credentials.strip()
    if not text:
        return {}
    if ":" in text:
        return {"authorization": "Basic " + base64.b64encode(text.encode()).decode("ascii")}
    return {"authorization": "ApiKey " + text}


def tls_of(access: Access) -> ssl.SSLContext | None:
    """Trust one authority, or the system's; None where no address needs it.

    Raises `ConfigurationError` when the authority's file can't be used.
    """
    if not any(url.startswith("https:") for url in access.urls):
        return None
    try:
        return ssl.create_default_context(cafile=access.authority)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            "ELASTICSEARCH_AUTHORITY_UNUSABLE",
            f"{access.authority} holds no certificates; set MUNJIGI_ELASTICSEARCH_AUTHORITY to the cluster's authority (PEM).",
        ) from error


def quiet() -> None:
    """Let the client be silent: what fails is said once, by us, without a traceback.

    Where its log led anywhere, it would turn the body of every request into text for it, at whatever level.
    """
    logger = logging.getLogger("elastic_transport")
    logger.setLevel(logging.ERROR)
    logger.propagate = False


def json_bytes(value: object) -> bytes:
    """Encode JSON with sorted keys: equal values have equal bytes."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
