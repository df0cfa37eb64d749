"""A wire to a server that can be cut: nothing comes through, and neither side is told, as where a network is parted."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Relay:
    """Passes TCP connections on to a port of this machine. While it is cut, what was sent waits in it."""

    def __init__(self, to: int) -> None:
        self._to = to
        self._whole = threading.Event()
        self._whole.set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._ended = False
        self.port: int = self._listener.getsockname()[1]

    def cut(self) -> None:
        """Let nothing through any more, in neither direction; new connections are made and say nothing."""
        self._whole.clear()

    def mend(self, *, forget: bool) -> None:
        """Let everything through again. With `forget`, connections of before are broken: the other side had given them up."""
        if forget:
            self._break()
        self._whole.set()

    def run(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            self._sockets.append(near)
            self._start(self._connect, near)

    def _start(self, work: object, *arguments: socket.socket) -> None:
        thread = threading.Thread(target=work, args=arguments)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _connect(self, near: socket.socket) -> None:
        self._whole.wait()
        if self._ended:
            return
        try:
            far = socket.create_connection(("127.0.0.1", self._to))
        except OSError:
            near.close()
            return
        self._sockets.append(far)
        self._start(self._pass, near, far)
        self._start(self._pass, far, near)

    def _pass(self, here: socket.socket, there: socket.socket) -> None:
        with suppress(OSError):
            while data := here.recv(65_536):
                self._whole.wait()
                there.sendall(data)
        for each in (here, there):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _break(self) -> None:
        for each in list(self._sockets):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    @contextmanager
    def running(self) -> Iterator[Relay]:
        accepting = threading.Thread(target=self.run)
        accepting.start()
        try:
            yield self
        finally:
            self._ended = True
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            accepting.join(10)
            self._break()
            self._whole.set()
            for each in list(self._threads):
                each.join(10)
            for each in self._sockets:
                each.close()
