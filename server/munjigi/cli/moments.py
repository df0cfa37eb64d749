"""Times as people type and read them: in one zone, the policy calendar's, or with an offset of their own, or how long ago.

Nothing is guessed: a time that the zone's clocks show twice or never is refused with what to type instead.
"""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any, Final

import click

from munjigi.cli.failure import USAGE, Failure
from munjigi.kernel.clock import SECOND
from munjigi.policy.calendar import DEFAULT_ZONE, zone_of

ZONE_VARIABLE: Final = "MUNJIGI_ZONE"
_CHOSEN: Final = "munjigi.zone"  # key of a command's context
_AGO: Final = re.compile(r"(\d{1,6})(s|m|h|d|w)\Z", re.ASCII)
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_RFC3339: Final = re.compile(r"(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)?)?\Z", re.ASCII)
_WRITE: Final = "write a time like 2026-11-22T09:00 (with +09:00 or Z in another zone), a day like 2026-11-22, or how long ago: 90s, 15m, 8h, 7d."


def parse_moment(text: str, now: int, zone: tzinfo, *, end: bool = False) -> int:
    """Return UTC nanoseconds for RFC 3339 (`2026-11-22T09:00`), a day, or a duration before `now` (`15m`).

    What has no offset is in `zone`. A day is its first moment; as an `end` it is the first moment after it, so that a period which
    ends before then has the whole day. Raises ValueError, which says what to type, when `text` is none of these, lies before 1970,
    or comes twice or never by the zone's clocks.
    """
    if ago := _AGO.match(text):
        return max(0, now - int(ago[1]) * _UNITS[ago[2]] * SECOND)
    parts = _RFC3339.match(text)
    if parts is None:
        raise ValueError(_WRITE)
    day, clock, fraction, offset = parts.groups()
    try:
        civil = datetime.fromisoformat(f"{day}T{clock or '00:00:00'}")
        if end and not clock:
            civil += timedelta(days=1)
        if offset:
            civil = datetime.fromisoformat(f"{civil.isoformat()}{'+00:00' if offset in 'Zz' else offset}")
    except (ValueError, OverflowError):
        raise ValueError(f"the calendar or the clock has no such time; {_WRITE}") from None
    seconds = int((civil if offset else _at_home(civil, zone)).timestamp())
    if seconds < 0:
        raise ValueError("a time lies after 1970.")
    return seconds * SECOND + int((fraction or "0").ljust(9, "0"))


def _at_home(civil: datetime, zone: tzinfo) -> datetime:
    """Return the only time at which the zone's clocks show `civil`. Raises ValueError when there are two, or none."""
    earlier, later = civil.replace(tzinfo=zone), civil.replace(tzinfo=zone, fold=1)
    before, after = earlier.utcoffset(), later.utcoffset()
    assert before is not None
    assert after is not None
    if before > after:
        raise ValueError(f"this time comes twice in {zone}; write {earlier.isoformat()} or {later.isoformat()}.")
    if before < after:
        there = earlier.astimezone(UTC).astimezone(zone)
        raise ValueError(f"this time does not exist in {zone}, where clocks are put forward; write {there.isoformat()}.")
    return earlier


def zone() -> tzinfo:
    """Return the zone of times without an offset: --zone, MUNJIGI_ZONE, or Asia/Seoul. Raises `Failure` for one that is not known."""
    context = click.get_current_context(silent=True)
    chosen = context.meta.get(_CHOSEN) if context is not None else None
    if isinstance(chosen, tzinfo):
        return chosen
    found = zone_of(os.environ.get(ZONE_VARIABLE) or DEFAULT_ZONE)
    if found is None:
        raise Failure(f"{ZONE_VARIABLE} names no time zone that this machine knows.", "Set it to one like Asia/Seoul.", USAGE)
    return found


def show_moment(ns: int) -> str:
    """Show UTC nanoseconds to the millisecond in the zone, with its offset; empty for 0."""
    if not ns:
        return ""
    local = _shown(ns)
    offset = local.isoformat()[-6:] if local.utcoffset() else "Z"
    return f"{local:%Y-%m-%d %H:%M:%S}.{ns % SECOND // 1_000_000:03d}{offset}"


def show_day(ns: int) -> str:
    """Show the zone's day of nanoseconds."""
    return f"{_shown(ns):%Y-%m-%d}"


def show_last_day(ns: int) -> str:
    """Show the last day of a period that ends before `ns`: one that ends at midnight does not have the day that begins then."""
    return show_day(max(0, ns - 1))


def _shown(ns: int) -> datetime:
    return datetime.fromtimestamp(ns // SECOND, UTC).astimezone(zone())


if TYPE_CHECKING:
    _IntType = click.ParamType[int]
    _ZoneType = click.ParamType[tzinfo]
else:
    _IntType = _ZoneType = click.ParamType  # generic at run time only from a later click on than we ask for


class Moment(_IntType):
    """An option's value that `parse_moment` takes; `now` is looked at once per value. Of an `end`, a day is meant to its end."""

    name = "moment"

    def __init__(self, *, end: bool = False) -> None:
        self._end = end

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Parse. Fails as a usage error that shows what is accepted."""
        from munjigi.kernel.clock import SystemClock

        if isinstance(value, int):
            return value
        try:
            return parse_moment(str(value), SystemClock().now(), zone(), end=self._end)
        except (ValueError, OverflowError) as error:
            self.fail(str(error), param, ctx)


class _Zone(_ZoneType):
    name = "zone"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tzinfo:
        found = value if isinstance(value, tzinfo) else zone_of(str(value))
        if found is None:
            self.fail("this machine knows no such zone; write a name like Asia/Seoul, Europe/Berlin or UTC.", param, ctx)
        return found


def _choose(ctx: click.Context, _param: click.Parameter, value: tzinfo) -> None:
    ctx.meta[_CHOSEN] = value


# Before the options that are times, whatever their order on the command line.
zone_option: Final = click.option(
    "--zone",
    type=_Zone(),
    default=DEFAULT_ZONE,
    show_default=True,
    metavar="NAME",
    envvar=ZONE_VARIABLE,
    show_envvar=True,
    is_eager=True,
    expose_value=False,
    callback=_choose,
    help="Zone in which times are read and shown; the policy calendar's.",
)
