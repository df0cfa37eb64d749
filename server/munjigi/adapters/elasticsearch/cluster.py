"""One cluster: who we are to it, and a request with its answer. Every refusal becomes a value or an error of our tree.

The official client's transport does the work (nodes, TLS, connections). Retries are ours (`sender.py`): the client's own
know nothing of single documents. `info()` is never called: an account that may only create documents may not call it.
"""

from __future__ import annotations

import base64
import logging
import os
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

import orjson
from elastic_transport import TransportError
from elasticsearch import AsyncElasticsearch
from elasticsearch.serializer import OrjsonSerializer

from munjigi.kernel.errors import ConfigurationError, Unavailable

CREDENTIALS_VARIABLE: Final = "MUNJIGI_ELASTICSEARCH_AUTHORIZATION"
_JSON: Final = "application/vnd.elasticsearch+json; compatible-with=8"
_NDJSON: Final = "application/vnd.elasticsearch+x-ndjson; compatible-with=8"


@dataclass(frozen=True, slots=True)
class Access:
    """Where the cluster is and who we are to it.

    `authority` pins the certificate authority (PEM); without it the system's authorities count. `credentials` is a file
    with one line: `name:password`, or an API key in its encoded form; without it the environment variable
    `MUNJIGI_ELASTICSEARCH_AUTHORIZATION` says the same. `timeout` in seconds.
    """

    urls: tuple[str, ...]
    authority: Path | None = None
    credentials: Path | None = None
    timeout: float = 30.0


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


class Cluster:
    """Requests to one cluster. Use as an asynchronous context manager, or call `close`."""

    def __init__(self, access: Access) -> None:
        self._access = access
        logging.getLogger("elastic_transport").setLevel(logging.ERROR)  # what fails is said once, by us, without a traceback
        self._authorization = Authorization(access.credentials)
        options: dict[str, Any] = {}
        if any(url.startswith("https:") for url in access.urls):
            options["ssl_context"] = _tls(access.authority)
        self._client = AsyncElasticsearch(list(access.urls), serializer=OrjsonSerializer(), **options)

    async def request(self, method: str, target: str, body: object = None, *, lines: bool = False) -> Reply:
        """Send one request; `lines` says that `body` is newline-delimited JSON.

        Raises `Unavailable` when no answer came, so that nobody knows whether it was done, and `ConfigurationError` when
        the credentials' file can't be read.
        """
        headers = {"accept": _JSON, **self._authorization.header()}
        if body is not None:
            headers["content-type"] = _NDJSON if lines else _JSON
        try:
            meta, content = await self._client.transport.perform_request(
                method, target, body=body, headers=headers, max_retries=0, request_timeout=self._access.timeout
            )
        except TransportError as error:
            raise Unavailable(
                "ELASTICSEARCH_UNREACHABLE",
                f"Elasticsearch gave no usable answer ({type(error).__name__}); look at its nodes, the network between, and "
                "the authority in MUNJIGI_ELASTICSEARCH_AUTHORITY.",
            ) from error
        return Reply(meta.status, content if isinstance(content, dict) else {})

    async def demand(self, method: str, target: str, body: object = None, *, fine: tuple[int, ...] = ()) -> Reply:
        """Send one request that must be done, or be answered with a status in `fine`. Raises `Unavailable` also for refusals."""
        reply = await self.request(method, target, body)
        if not reply.ok and reply.status not in fine:
            raise refusal(reply.status, reply.error_type)
        return reply

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


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

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._header = header_of(os.environ.get(CREDENTIALS_VARIABLE, "")) if path is None else {}

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
                "CREDENTIALS_UNREADABLE",
                f"{self._path} can't be read; set MUNJIGI_ELASTICSEARCH_CREDENTIALS to a file of one line.",
            ) from error
        return self._header


def header_of(credentials: str) -> dict[str, str]:
    """Make the header of `name:password` (Basic, RFC 7617) or of an encoded API key; none of nothing."""
    text = credentials.strip()
    if not text:
        return {}
    if ":" in text:
        return {"authorization": "Basic " + base64.b64encode(text.encode()).decode("ascii")}
    return {"authorization": "ApiKey " + text}


def _tls(authority: Path | None) -> ssl.SSLContext:
    """Trust one authority, or the system's. Raises `ConfigurationError` when its file can't be used."""
    try:
        return ssl.create_default_context(cafile=authority)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            "ELASTICSEARCH_AUTHORITY_UNUSABLE",
            f"{authority} holds no certificates; set MUNJIGI_ELASTICSEARCH_AUTHORITY to the cluster's authority (PEM).",
        ) from error


def json_bytes(value: object) -> bytes:
    """Encode JSON with sorted keys: equal values have equal bytes."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
