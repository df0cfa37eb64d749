"""Read calendar.toml: the time zone and the public holidays that conditions see. Optional.

zone = "Asia/Seoul"

[holidays]
2026-01-01 = "New Year's Day"
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Final

from munjigi.policy.calendar import DEFAULT_ZONE, Calendar, zone_of
from munjigi.policy.conditions import read
from munjigi.policy.csvfile import Row
from munjigi.policy.findings import Findings
from munjigi.policy.toml_file import TomlFile

CALENDAR_FILE: Final = "calendar.toml"
_MAX_HOLIDAYS: Final = 5_000
_HOLIDAY: Final = "r.ctx.holiday"
_OF_ZONE: Final = frozenset(("r.ctx.hour", "r.ctx.weekday", _HOLIDAY))


def read_calendar(file: TomlFile, findings: Findings) -> Calendar:
    """Return the zone and the holidays as far as they are right; the rest is reported."""
    for key in file.values:
        if key not in ("zone", "holidays"):
            message = "A calendar has `zone` and the table [holidays]; remove this."
            findings.error(file.file, *file.place((key,)), "KEY_UNKNOWN", message)
    zone = file.values.get("zone", DEFAULT_ZONE)
    if not isinstance(zone, str) or zone_of(zone) is None:
        message = f'This is no time zone of this machine; write an IANA name such as "{DEFAULT_ZONE}", and install `tzdata` where it is missing.'
        findings.error(file.file, *file.place(("zone",)), "ZONE_UNKNOWN", message)
        zone = DEFAULT_ZONE
    named = file.values.get("holidays", {})
    if not isinstance(named, dict) or len(named) > _MAX_HOLIDAYS:
        message = f"`holidays` must be a table of at most {_MAX_HOLIDAYS} days: [holidays], then a line a day."
        findings.error(file.file, *file.place(("holidays",)), "VALUE_WRONG_TYPE", message)
        named = {}
    days = set()
    for text, name in named.items():
        day = _day(text)
        if day is None or not isinstance(name, str):
            message = 'A holiday is a line of day and name, such as 2026-03-01 = "Independence Movement Day".'
            findings.error(file.file, *file.place(("holidays", text)), "HOLIDAY_INVALID", message)
        else:
            days.add(day)
    return Calendar(zone, frozenset(days))


def check_times(file: str, rows: Iterable[tuple[str, Row, int]], calendar: Calendar, findings: Findings) -> None:
    """Report each condition (text, row, cell) that asks the calendar for what it does not know."""
    zone_missing = zone_of(calendar.zone) is None
    if calendar.holidays and not zone_missing:
        return
    for text, row, cell in rows:
        reads = read(text).reads
        if zone_missing and reads & _OF_ZONE:
            message = f"This machine does not know the zone {calendar.zone}; install `tzdata`."
            findings.error(file, row.line, row.column(cell), "ZONE_UNKNOWN", message)
        if _HOLIDAY in reads and not calendar.holidays:
            message = f"`{_HOLIDAY}` needs the table [holidays] of {CALENDAR_FILE}; add the holidays there."
            findings.error(file, row.line, row.column(cell), "CALENDAR_MISSING", message)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if len(text) == len("2026-01-01") else None
    except ValueError:
        return None
