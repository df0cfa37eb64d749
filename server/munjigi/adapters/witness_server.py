"""A witness over HTTP: `POST /add-checkpoint` of c2sp.org/tlog-witness, `GET /key` for people.

Runs on its own, best on another team's machine: it shares nothing with the installation that it watches.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from munjigi.audit.files import FOLDER_MODE, write_file
from munjigi.audit.seal.note import Checkpoint, SigningKey, VerifierKey
from munjigi.audit.seal.witness import MAX_REQUEST, add_checkpoint
from munjigi.kernel.errors import ConfigurationError, InvalidArgument


class SeenFiles:
    """The last checkpoint of each origin, a file each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)

    def get(self, origin: str) -> Checkpoint | None:
        """Return the last one. A damaged file is refused: a witness that forgets is none.

        Raises `ConfigurationError`.
        """
        path = self._path(origin)
        try:
            found = Checkpoint.parse(path.read_text("utf-8"))
        except FileNotFoundError:
            return None
        except (InvalidArgument, UnicodeDecodeError, OSError):
            raise ConfigurationError("WITNESS_STATE_DAMAGED", f"{path} is damaged; restore it from a backup.") from None
        return found

    def put(self, checkpoint: Checkpoint) -> None:
        """Keep another one. Raises `OSError`."""
        write_file(self._path(checkpoint.origin), str(checkpoint).encode())

    def _path(self, origin: str) -> Path:
        return self._folder / hashlib.sha256(origin.encode()).hexdigest()


def application(known: Mapping[str, Sequence[VerifierKey]], seen: SeenFiles, key: SigningKey) -> Starlette:
    """Make the witness's pages. `known` are the keys of each origin that it watches."""
    turn = asyncio.Lock()

    async def add(request: Request) -> Response:
        body = b""
        try:
            async for piece in request.stream():
                body += piece
                if len(body) > MAX_REQUEST:
                    return PlainTextResponse("The request is too large.\n", 413)
        except ClientDisconnect:
            return Response(status_code=400)
        async with turn:
            answer = await asyncio.to_thread(
                add_checkpoint, body.decode("utf-8", "replace"), known, seen, key, lambda: int(time.time())
            )
        return Response(answer.body, answer.status, media_type=None, headers={"Content-Type": answer.kind})

    async def public(request: Request) -> Response:
        del request
        return PlainTextResponse(f"{key.verifier}\n")

    return Starlette(routes=[Route("/add-checkpoint", add, methods=["POST"]), Route("/key", public)])
