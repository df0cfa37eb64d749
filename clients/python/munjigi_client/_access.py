"""One allowed read, from the answer to its confirmation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from types import TracebackType
from typing import Any, Final

from munjigi_client._calls import MEMBERS_LIMIT, texts
from munjigi_client._errors import InvalidRequest
from munjigi_client._types import Decision, Outcome

Confirm = Callable[[Decision, Outcome, int, Iterable[str]], None]


class Access:
    """What a `with client.access(...)` block works with: the decision, the masks, and the report of what was read.

    When the block ends: reported reads are confirmed as READ, even if an exception follows them, because the rows may
    have reached the employee; an exception before any report is FAILED; a block without report is ABANDONED.
    """

    def __init__(self, decision: Decision) -> None:
        self.decision: Final = decision
        self._rows = 0
        self._members: dict[str, None] = {}
        self._reported = False

    def masked(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return the row as the employee may see it; see `Decision.masked`."""
        return self.decision.masked(row)

    def read(self, *, rows: int, member_ids: Iterable[str] = ()) -> None:
        """Report rows that reached the employee, and the raw serials of their members. Reports add up.

        Raises `InvalidRequest` when a value has the wrong type, and when more than 1,000 members have been named; the rows
        stay reported then.
        """
        members = texts(member_ids)
        if rows < 0 or not all(isinstance(member, str) for member in members):
            raise InvalidRequest("ARGUMENT_TYPE", "`rows` is an int of at least 0, `member_ids` are str.")
        self._rows += rows
        self._reported = True
        for member in members:
            if len(self._members) >= MEMBERS_LIMIT and member not in self._members:
                message = f"One access may name at most {MEMBERS_LIMIT} members; ask once per batch."
                raise InvalidRequest("TOO_MANY_MEMBERS", message)
            self._members[member] = None

    def finish(self, confirm: Confirm, *, failed: bool) -> None:
        """Confirm what became of the access."""
        outcome: Outcome = "read" if self._reported else "failed" if failed else "abandoned"
        confirm(self.decision, outcome, self._rows, self._members)


class AccessBlock(AbstractContextManager[Access]):
    """`with client.access(...)`: asks on entry, confirms on exit."""

    def __init__(self, require: Callable[[], Decision], confirm: Confirm) -> None:
        self._require = require
        self._confirm = confirm
        self._access: Access | None = None

    def __enter__(self) -> Access:
        self._access = Access(self._require())
        return self._access

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._access is not None:
            self._access.finish(self._confirm, failed=kind is not None)


class AsyncAccessBlock(AbstractAsyncContextManager[Access]):
    """`async with client.access(...)`: asks on entry, confirms on exit."""

    def __init__(self, require: Callable[[], Any], confirm: Confirm) -> None:
        self._require = require
        self._confirm = confirm
        self._access: Access | None = None

    async def __aenter__(self) -> Access:
        self._access = Access(await self._require())
        return self._access

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._access is not None:
            self._access.finish(self._confirm, failed=kind is not None)
