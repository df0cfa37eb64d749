"""Times as people type and read them: RFC 3339, or how long ago."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import click

from munjigi.kernel.clock import SECOND

_AGO: Final = re.compile(r"(\d{1,6})(s|m|h|d|w)\Z", re.ASCII)
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_RFC3339: Final = re.compile(r"(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)?)?\Z", re.ASCII)


def parse_moment(text: str, now: int) -> int:
    """Return UTC nanoseconds for RFC 3339 (`2026-11-22T09:00:00Z`), a day, or a duration before `now` (`15m`).

    A time without an offset is UTC. Raises ValueError when `text` is neither or lies before 1970.
    """
    if ago := _AGO.match(text):
        return max(0, now - int(ago[1]) * _UNITS[ago[2]] * SECOND)
    parts = _RFC3339.match(text)
    if parts is None:
        raise ValueError("no moment")
    day, clock, fraction, offset = parts.groups()
    offset = "+00:00" if offset in (None, "Z", "z") else offset
    seconds = int(datetime.fromisoformat(f"{day}T{clock or '00:00:00'}{offset}").timestamp())
    if seconds < 0:
        raise ValueError("before 1970")
    return seconds * SECOND + int((fraction or "0").ljust(9, "0"))


def show_moment(ns: int) -> str:
    """Show UTC nanoseconds to the millisecond; empty for 0."""
    return f"{datetime.fromtimestamp(ns // SECOND, UTC):%Y-%m-%d %H:%M:%S}.{ns % SECOND // 1_000_000:03d}Z" if ns else ""


def show_day(ns: int) -> str:
    """Show the UTC day of nanoseconds."""
    return f"{datetime.fromtimestamp(ns // SECOND, UTC):%Y-%m-%d}"


if TYPE_CHECKING:
    _IntType = click.ParamType[int]
else:
    _IntType = click.ParamType  # generic at run time only from a later click on than we ask for


class Moment(_IntType):
    """An option's value that `parse_moment` takes; `now` is looked at once per value."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Parse. Fails as a usage error that shows what is accepted."""
        from munjigi.kernel.clock import SystemClock

        if isinstance(value, int):
            return value
        try:
            return parse_moment(str(value), SystemClock().now())
        except (ValueError, OverflowError):
            self.fail(
                "write a time like 2026-11-22T09:00:00Z, a day like 2026-11-22, or how long ago: 90s, 15m, 8h, 7d.", param, ctx
            )
