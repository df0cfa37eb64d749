"""An HTTP server on loopback that answers as it is told: for what the tests' Elasticsearch lacks, and for what is sent to it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import orjson


class Asked(NamedTuple):
    """One request as it arrived."""

    method: str
    target: str
    authorization: str
    body: Any


class Scripted:
    """Keeps what it was asked. `answers` are statuses by the beginning of the target; 200 for all others."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.answers: dict[str, int] = {}
        self.url = ""


@contextmanager
def scripted() -> Iterator[Scripted]:
    """Serve for a while."""
    script = Scripted()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            data = self.rfile.read(int(self.headers.get("content-length", 0)))
            body = orjson.loads(data) if data else None
            script.asked.append(Asked(self.command, self.path, self.headers.get("authorization", ""), body))
            status = next((status for begin, status in script.answers.items() if self.path.startswith(begin)), 200)
            content = orjson.dumps({"acknowledged": True} if status == 200 else {"error": {"type": "scripted"}, "status": status})
            self.send_response(status)
            self.send_header("content-type", "application/vnd.elasticsearch+json;compatible-with=8")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_PUT = do_POST = do_DELETE = _answer  # noqa: N815 -- the names of http.server

        def log_message(self, *_: object) -> None:
            """Be silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    script.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield script
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
