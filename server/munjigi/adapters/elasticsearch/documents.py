"""A record as a line of a bulk request: always the same document, with the same name, in the same index.

The index is chosen by the record's own time, so that a retry, a refill or a rebuild years later goes where the first one went.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

import msgspec

from munjigi.audit.schema.ecs import ORIGINAL
from munjigi.audit.schema.written import write

_DAY: Final = 86_400_000_000_000  # nanoseconds
_FORMATS: Final = {"day": "%Y.%m.%d", "month": "%Y.%m"}

Rollover = Literal["day", "month"]


class _Moment(msgspec.Struct):
    time: int = 0


_moment: Final = msgspec.msgpack.Decoder(_Moment)


class Line(msgspec.Struct, frozen=True, gc=False):
    """One document of a bulk request: the two lines as they are sent."""

    position: int  # the record's index in its log
    target: str  # index of Elasticsearch
    data: bytes


@dataclass(frozen=True, slots=True)
class Naming:
    """Which index a record belongs to."""

    prefix: str = "munjigi-audit"
    rollover: Rollover = "day"

    @property
    def pattern(self) -> str:
        """What matches every index of ours and nothing else, as long as nobody else uses the prefix."""
        return f"{self.prefix}-*"

    def of_time(self, time: int) -> str:
        """Name the index of a record's time (UTC nanoseconds)."""
        return f"{self.prefix}-{datetime.fromtimestamp(time // 1_000_000_000, UTC).strftime(_FORMATS[self.rollover])}"

    def period_of(self, name: str) -> tuple[int, int] | None:
        """Return the time of the records that belong to an index, half-open; None when the name is none of ours."""
        try:
            begin = datetime.strptime(name, f"{self.prefix}-{_FORMATS[self.rollover]}").replace(tzinfo=UTC)
        except ValueError:
            return None
        after = begin + timedelta(days=1 if self.rollover == "day" else 31)
        end = after if self.rollover == "day" else after.replace(day=1)
        period = int(begin.timestamp()) * 1_000_000_000, int(end.timestamp()) * 1_000_000_000
        return period if period[0] >= 0 and self.of_time(period[0]) == name else None


def _everything(_time: int) -> bool:
    return True


class Documents:
    """Make documents and their lines.

    `expected` tells of a record's time whether its document belongs there: not once its period is past its retention.
    """

    def __init__(self, naming: Naming, expected: Callable[[int], bool] = _everything) -> None:
        self.naming = naming
        self.expected = expected
        self._day = (-1, "", b"")

    def target(self, payload: bytes) -> str:
        """Name the index that a record belongs to."""
        return self._index_of(time_of(payload))[1]

    def lines(self, log_id: str, records: Sequence[tuple[int, bytes]]) -> list[Line]:
        """Make the lines of records, but for those that do not belong there any more. Raises `Corruption` when one can't be read."""
        made = []
        log = log_id.encode()
        for index, payload in records:
            time, document = write(log_id, index, payload)
            if self.expected(time):
                _, target, head = self._index_of(time)
                made.append(Line(index, target, b"".join((head, log, b'-%d"}}\n' % index, document, b"\n"))))
        return made

    def _index_of(self, time: int) -> tuple[int, str, bytes]:
        """Return the day of a record's time, the index of that day, and how a line for it begins; records come in order."""
        if self._day[0] != time // _DAY:
            target = self.naming.of_time(time)
            self._day = (time // _DAY, target, b'{"create":{"_index":"%b","_id":"' % target.encode())
        return self._day


def time_of(payload: bytes) -> int:
    """Return a record's time (UTC nanoseconds). Raises `msgspec.MsgspecError` when the bytes are not a record."""
    return _moment.decode(payload).time


def payload_of(source: dict[str, Any]) -> bytes:
    """Return the canonical bytes that a document carries; empty when it carries none."""
    text = source.get(ORIGINAL)
    try:
        return b64decode(text, validate=True) if isinstance(text, str) else b""
    except ValueError:
        return b""


def chunks(lines: Sequence[Line], documents: int, size: int) -> Iterator[list[Line]]:
    """Split lines into requests of at most `documents` lines and `size` bytes; a longer line goes alone."""
    if len(lines) <= documents and sum([len(line.data) for line in lines]) <= size:
        if lines:
            yield list(lines)
        return
    chunk: list[Line] = []
    held = 0
    for line in lines:
        if chunk and (len(chunk) >= documents or held + len(line.data) > size):
            yield chunk
            chunk, held = [], 0
        chunk.append(line)
        held += len(line.data)
    if chunk:
        yield chunk
