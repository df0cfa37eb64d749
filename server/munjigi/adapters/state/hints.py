"""Hear of commits in the database at once. Only a hint: who is woken looks at the log, and looks by itself when nothing is heard."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import psycopg

from munjigi.adapters.state.address import CHANNEL, Address
from munjigi.kernel.errors import MunjigiError

_AGAIN_SECONDS: Final = 1.0


async def hear(address: Address, wake: Callable[[], None]) -> None:
    """Call `wake` after each commit of whatever process, for ever; a connection that is lost is made again."""
    while True:
        # Whatever is wrong, the store says it to those who need it.
        with suppress(psycopg.Error, OSError, MunjigiError):
            parameters = address.parameters(read_only=True)
            async with await psycopg.AsyncConnection.connect(**parameters, autocommit=True) as connection:
                await connection.execute(f"LISTEN {CHANNEL}")
                wake()  # for what was committed before
                async for _ in connection.notifies():
                    wake()
        await asyncio.sleep(_AGAIN_SECONDS)
