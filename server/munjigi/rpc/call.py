"""One call: who asks, where from, under which trace; and one method: what answers it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from google.protobuf.message import Message

from munjigi.kernel.identity import Caller, EmployeeKey

# https://www.w3.org/TR/trace-context/#traceparent-header-field-values
_TRACEPARENT: Final = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}\Z")
_NO_TRACE: Final = ("", "")


class Call(NamedTuple):
    """An authenticated call. `received` is UTC nanoseconds; `door` is the RPC's name."""

    caller: Caller
    door: str
    received: int
    trace_id: str
    span_id: str


ANONYMOUS: Final = Call(Caller(EmployeeKey("", ""), "", ""), "", 0, "", "")


def trace_of(traceparent: str) -> tuple[str, str]:
    """Return (trace id, parent span id) of a W3C `traceparent` value; empty texts when it is malformed."""
    match = _TRACEPARENT.match(traceparent)
    if match is None or not match[1].strip("0") or not match[2].strip("0"):
        return _NO_TRACE
    return match[1], match[2]


Answer = Message | bytes | bytearray  # the message, or its bytes
Handler = Callable[[Call, Any], Answer | Awaitable[Answer]]
EachHandler = Callable[[Call, Any], Iterator[bytes]]  # of an iterable of requests: one after the other, as answers are taken


@dataclass(frozen=True, slots=True)
class Method:
    """An RPC. A plain function answers on the event loop; a coroutine function may wait.

    Either way the answer leaves only after everything appended to the journal before it is durable.
    `open` methods (health) need no credentials. Of a `streaming` method each message of the call, both ways, is a
    request and its answer; its handler is an `EachHandler`. The handler of an `itemwise` method runs the rules of its
    request itself: so that a bad item harms no other, or since what it knows already need not be run again. What a method
    that `changes` something has done is told whatever happens to the caller's grants meanwhile; what another one would hand
    out after them is withheld. `written` is the message whose bytes the handler answers with, if it writes it itself.
    """

    service: str
    name: str
    request_type: type[Message]
    handler: Handler | EachHandler
    open: bool = False
    streaming: bool = False
    itemwise: bool = False
    changes: bool = False
    written: type[Message] | None = None

    @property
    def path(self) -> str:
        """Return the HTTP/2 path."""
        return f"/{self.service}/{self.name}"
