"""HTTP beside the RPCs: a listener, and a server that leaves signals and logs alone."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from starlette.applications import Starlette

from munjigi.app.addresses import split_address
from munjigi.kernel.errors import ConfigurationError


def listen(address: str, setting: str, *, reuse_port: bool = False) -> socket.socket:
    """Bind the HTTP address that a setting names; with `reuse_port`, beside the other workers.

    Raises `ConfigurationError` when it cannot be bound.
    """
    host, port = split_address(address)
    try:
        family, kind, _, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(where)
    except OSError as error:
        raise ConfigurationError(
            "HTTP_ADDRESS_UNUSABLE",
            f"An HTTP address cannot be listened on ({error.strerror}); set {setting} to a free one.",
        ) from error
    return listener


class HttpServer(uvicorn.Server):
    """Serve HTTP without taking over signals or the daemon's logs."""

    def __init__(self, app: Starlette) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                lifespan="off",
                server_header=False,
                proxy_headers=False,
                limit_concurrency=64,
            )
        )

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the process."""
        yield
