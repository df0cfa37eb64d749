"""How long the law wants records kept, read from the dated file `law.toml`: nothing here knows a number of years.

A period of years begins on the day after the record was made and ends with the day that has its date (Civil Act, art. 157,
159 and 160), by the calendar where the law is in force. So a cut is the beginning of a day there.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import date, datetime, timedelta, timezone
from functools import cache
from importlib.resources import files
from typing import Any, Final, Literal, NamedTuple

from munjigi.kernel.clock import SECOND

Family = Literal["access", "permission"]
Profile = Literal["ordinary", "large"]
_DAY: Final = timedelta(days=1)
_LONGEST_YEAR: Final = 366  # days


class Rule(NamedTuple):
    """One article: what it asks of a family of records, for how many calendar years, and since when."""

    family: Family
    profile: Profile
    years: int
    article: str
    in_force_from: date
    asks: str


class Law(NamedTuple):
    """The rules that apply, and the offset of their calendar from UTC."""

    title: str
    as_of: date
    zone: timezone
    rules: tuple[Rule, ...]

    def rule(self, family: Family, profile: Profile) -> Rule:
        """Return what is asked of a family of records."""
        return next(each for each in self.rules if (each.family, each.profile) == (family, profile))

    def longest(self) -> Rule:
        """Return the rule that asks for most: what holds records of all families is kept as long."""
        return max(self.rules, key=lambda each: each.years)

    def cut(self, now: int, years: int) -> int:
        """Return the time (UTC nanoseconds) before which records have been kept for `years` at `now`; at least 0."""
        today = datetime.fromtimestamp(now // SECOND, self.zone).date()
        year = today.year - years
        if year < 1970:
            return 0
        # Where the year has no such day (29 February), the day before it: nothing goes too early.
        day = today.replace(year=year) if (today.month, today.day) != (2, 29) or _leap(year) else date(year, 2, 28)
        begin = datetime(day.year, day.month, day.day, tzinfo=self.zone)
        return max(int(begin.timestamp()), 0) * SECOND


def days_of(years: int) -> int:
    """Return a number of days that is never shorter than so many calendar years."""
    return years * _LONGEST_YEAR


def _leap(year: int) -> bool:
    return (date(year, 3, 1) - _DAY).day == 29


def parse(content: Mapping[str, Any]) -> Law:
    """Read the file's content."""
    rules = tuple(Rule(**each) for each in content["rule"])
    return Law(content["title"], content["as_of"], timezone(timedelta(hours=content["utc_offset_hours"])), rules)


@cache
def law() -> Law:
    """Return the law that this version of Munjigi knows."""
    return parse(tomllib.loads(files("munjigi.audit").joinpath("law.toml").read_text("utf-8")))
