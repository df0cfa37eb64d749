"""A scripted HTTP proxy in front of the cluster: one fault for each bulk request, from a list; then everything passes.

It speaks TLS on both sides, so that it can also show a certificate of nobody's authority.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPSConnection
from typing import Any

import orjson
from elastic.server import ElasticsearchServer

from munjigi.adapters.identity.authority import TlsFiles

# What a cluster says of a whole request when something in it must be mended.
STATES = {
    "index_missing": (404, "index_not_found_exception"),
    "cluster_broken": (500, "null_pointer_exception"),
    "request_refused": (400, "illegal_argument_exception"),
}


class Proxy:
    """Listens on a loopback port. `script` holds the names of the faults to come, `seen` what happened to each bulk request."""

    def __init__(self, server: ElasticsearchServer, tls: TlsFiles) -> None:
        self._server = server
        self._outward = ssl.create_default_context(cafile=server.tls.authority)
        self._inward = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._inward.load_cert_chain(tls.certificate, tls.key)
        self.script: list[str] = []
        self.seen: list[str] = []
        self.sizes: list[int] = []  # bytes of each bulk request
        self.limit = 1 << 40  # bytes; above it `too_large` answers 413
        self.lift_after = 1 << 40  # so many requests passed, and there is no limit any more
        self.refused: dict[int, tuple[int, str]] = {}  # records that never reach the cluster: status and kind, by index
        self.between: Callable[[], None] = lambda: None  # what `done_and` does once the cluster has taken a request
        self.port = 0

    @property
    def passed(self) -> list[int]:
        """Bytes of each bulk request that passed."""
        return [size for size, fault in zip(self.sizes, self.seen, strict=True) if fault == "pass"]

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def mend(self) -> None:
        """Let everything pass from now on."""
        self.script = []
        self.limit = self.lift_after = 1 << 40
        self.refused = {}
        self.between = lambda: None

    async def start(self) -> asyncio.Server:
        listening = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._inward)
        self.port = listening.sockets[0].getsockname()[1]
        return listening

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, ssl.SSLError):
            while (request := await _message(reader)) is not None:
                answer = await self._answer(*request)
                if answer is None:
                    writer.transport.abort()
                    return
                for piece in _pieces(answer):
                    writer.write(piece)
                    await writer.drain()
                    if isinstance(answer, _Trickle):
                        await asyncio.sleep(0.02)
        writer.close()

    async def _answer(self, head: bytes, body: bytes) -> bytes | None:
        if b"/_bulk" not in head.partition(b"\r\n")[0]:
            return await self._forward(head, body)
        fault = self.script.pop(0) if self.script else "pass"
        if len(body) > self.limit and self.seen.count("pass") < self.lift_after:
            fault = "too_large"
        self.seen.append(fault)
        self.sizes.append(len(body))
        if fault == "too_many":
            return _json(429, {"error": {"type": "es_rejected_execution_exception"}, "status": 429})
        if fault == "too_large":
            return _json(413, {})
        if fault in STATES:
            status, kind = STATES[fault]
            return _json(status, {"error": {"type": kind}, "status": status})
        if fault == "html":
            return _response(502, b"<html><body><h1>Bad Gateway</h1></body></html>", "text/html")
        if fault == "html_ok":
            return _response(200, b"<html><body>Sign in to continue</body></html>", "text/html")
        if fault == "half":  # every second line is refused before it reaches the cluster
            return await self._mixed(head, body, lambda at, _: (429, "es_rejected_execution_exception") if at % 2 else None)
        if self.refused and fault == "pass":
            return await self._mixed(head, body, lambda _, index: self.refused.get(index))
        if fault == "reset_before":
            return None
        answer = await self._forward(head, body)
        if fault == "reset_after":  # done, but nobody hears of it
            return None
        if fault == "done_and":
            self.between()
            return None
        if fault == "trickle":
            return _Trickle(answer)
        if fault == "slow":
            await asyncio.sleep(3)
            return None
        return answer

    async def _mixed(self, head: bytes, body: bytes, refusing: Callable[[int, int], tuple[int, str] | None]) -> bytes:
        """Refuse lines before they reach the cluster; `refusing` is given the place in the request and the record's index."""
        lines = body.splitlines(keepends=True)
        items: list[Any] = []
        passing: list[bytes] = []
        for at in range(0, len(lines), 2):
            name = orjson.loads(lines[at])["create"]["_id"]
            refused = refusing(at // 2, int(name.rpartition("-")[2]))
            items.append({"create": {"status": refused[0], "error": {"type": refused[1]}}} if refused else None)
            passing += [] if refused else lines[at : at + 2]
        if passing:
            passed = await self._forward(head, b"".join(passing))
            stored = iter(orjson.loads(passed.partition(b"\r\n\r\n")[2])["items"])
            items = [item or next(stored) for item in items]
        return _json(200, {"errors": True, "items": items})

    async def _forward(self, head: bytes, body: bytes) -> bytes:
        return await asyncio.to_thread(self._forwarded, head, body)

    def _forwarded(self, head: bytes, body: bytes) -> bytes:
        first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
        method, target, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        kept = {name: headers[name] for name in ("accept", "content-type", "authorization") if name in headers}
        with contextlib.closing(HTTPSConnection("127.0.0.1", self._server.port, context=self._outward)) as upstream:
            upstream.request(method, target, body, kept)
            answer = upstream.getresponse()
            return _response(answer.status, answer.read(), answer.getheader("content-type") or "text/plain")


class _Trickle(bytes):
    """An answer that comes a byte at a time, so that no pause is ever long."""


def _pieces(answer: bytes) -> Iterator[bytes]:
    return (answer[at : at + 1] for at in range(len(answer))) if isinstance(answer, _Trickle) else iter((answer,))


async def _message(reader: asyncio.StreamReader) -> tuple[bytes, bytes] | None:
    """Read one request or answer with a known length; None at the end of the connection."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    length = 0
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return head, await reader.readexactly(length)


def _json(status: int, body: object) -> bytes:
    return _response(status, orjson.dumps(body), "application/vnd.elasticsearch+json;compatible-with=8")


def _response(status: int, body: bytes, kind: str) -> bytes:
    return b"HTTP/1.1 %d Scripted\r\ncontent-type: %b\r\ncontent-length: %d\r\n\r\n" % (status, kind.encode(), len(body)) + body


@contextmanager
def proxied(server: ElasticsearchServer, tls: TlsFiles | None = None) -> Iterator[Proxy]:
    """Run a proxy on a thread of its own."""
    proxy = Proxy(server, tls or server.tls)
    ready, loop = threading.Event(), asyncio.new_event_loop()

    async def run() -> None:
        listening = await proxy.start()
        ready.set()
        with contextlib.suppress(asyncio.CancelledError):
            await listening.serve_forever()

    task = loop.create_task(run())
    thread = threading.Thread(target=lambda: loop.run_until_complete(task), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield proxy
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(10)
        for left in asyncio.all_tasks(loop):
            left.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
