"""A change is answered when it is true at every worker: who was given something may use it anywhere, who lost it nowhere (P8)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from munjigi.grants.book import Book, Plan
from munjigi.grants.ports import StateStore
from munjigi.kernel.identity import EmployeeKey
from munjigi.rpc.ports import Acknowledger, Changed, Registrar

Answer = TypeVar("Answer")


class AcknowledgedRegistrar:
    """A registrar that waits; implements `rpc.ports.Registrar`."""

    def __init__(self, registrar: Registrar, everywhere: Acknowledger) -> None:
        self._registrar = registrar
        self._everywhere = everywhere

    async def change(self, by: EmployeeKey, request_id: str, body: bytes, plan: Callable[[Book], Plan]) -> Changed:
        """Plan and commit, and return when it is true everywhere."""
        changed = await self._registrar.change(by, request_id, body, plan)
        await self._everywhere.wait_applied(changed.grant_revision)
        return changed

    async def look(self, question: Callable[[StateStore], Answer]) -> Answer:
        """Ask the store."""
        return await self._registrar.look(question)
