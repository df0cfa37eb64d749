"""A Prometheus that is away, that is none, or that refuses is said so."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import ClassVar

import pytest

from munjigi.adapters.prometheus_api import PrometheusApi
from munjigi.kernel.errors import ConfigurationError, InvalidArgument, Unavailable


class Scripted(BaseHTTPRequestHandler):
    answers: ClassVar[dict[str, tuple[int, bytes]]] = {}

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        status, body = self.answers.get(self.path, (404, b"not here"))
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Scripted) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_server_that_is_away_is_named(address: str):
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:1 does not answer.*--prometheus"):
        PrometheusApi("http://127.0.0.1:1").at("up", 0)
    with pytest.raises(Unavailable, match="is no Prometheus \\(status 404\\)"):
        PrometheusApi(address).at("up", 0)


def test_an_expression_that_it_refuses_is_said(address: str):
    Scripted.answers = {"/base/api/v1/query": (400, b'{"status":"error","errorType":"bad_data","error":"parse error"}')}
    with pytest.raises(InvalidArgument, match=r"bad_data.*parse error"):
        PrometheusApi(f"{address}/base/").at("up(", 0)


@pytest.mark.parametrize("address", ["", "localhost:9090", "ftp://x", "http://", "http://user:word@x", "http://x?y=1"], ids=str)
def test_what_is_no_address_is_refused(address: str):
    with pytest.raises(ConfigurationError) as refused:
        PrometheusApi(address)
    assert refused.value.reason == "PROMETHEUS_ADDRESS_INVALID"
    assert "word" not in refused.value.message
