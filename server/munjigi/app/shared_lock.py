"""A lock among the workers of one state folder, and among the tasks of each."""

from __future__ import annotations

import asyncio
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType

from munjigi.audit.slots import locked


class SharedLock:
    """`async with` it. Waiting happens on a thread; who is killed lets go of it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._here = asyncio.Lock()
        self._held: AbstractContextManager[None] | None = None

    async def __aenter__(self) -> None:
        await self._here.acquire()
        try:
            held = locked(self._folder)
            await asyncio.to_thread(held.__enter__)
            self._held = held
        except BaseException:
            self._here.release()
            raise

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        held, self._held = self._held, None
        assert held is not None
        try:
            held.__exit__(None, None, None)
        finally:
            self._here.release()
