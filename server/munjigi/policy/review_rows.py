"""Read reviews.toml: which reviews there are, one table a kind. Optional; without the file, `review/settings.py` has the rows that are shipped.

[reviews.unused]
title = "Rights that nobody uses"
judges = "use"
every = "quarterly"
day = 1

`judges` says what is looked at: `use` (grants by what was used of them), `holders` (each grant, by name), `accounts` (accounts that
nobody uses), `records` (a sample of the access records). Numbers that a row leaves out are those of `ReviewRow`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Final, Literal, NamedTuple, cast, get_args

from munjigi.policy.findings import Findings
from munjigi.policy.sections import Section, entries, only_groups
from munjigi.policy.toml_file import TomlFile
from munjigi.policy.types import Role

REVIEWS_FILE: Final = "reviews.toml"
Judges = Literal["use", "holders", "accounts", "records"]
Who = Literal["ordinary", "privileged", "all"]
Every = Literal["called", "monthly", "quarterly", "half_yearly", "yearly"]
DefaultWord = Literal["revoke", "suspend"]
_LONGEST: Final = 3660  # days
_SHARES: Final = {"cap_grants": 0.02, "cap_team": 0.20, "canary": 0.05, "spike": 0.02, "sample": 0.01}


class Thresholds(NamedTuple):
    """How many days a permission may lie unused, by how often its work comes round: the period and a tenth of it (REVIEW R6)."""

    continuous: int = 90
    monthly: int = 33
    quarterly: int = 100
    half_yearly: int = 200
    yearly: int = 400

    def of(self, cadence: str) -> int:
        """Return the days of a cadence; one that is not known is `continuous`."""
        return int(getattr(self, cadence, self.continuous))


_THRESHOLDS: Final = Thresholds()


@dataclass(frozen=True, slots=True)
class ReviewRow:
    """One kind of review. `kind` is its name in the file; `roles` are those it is about, none: all.

    `who`: grants of ordinary work, or privileged ones (taken in an emergency, or of roles that operate Munjigi itself), or all.
    `every` and `day` (of the period's first month) say when it is due; `called`: only when somebody asks for it. Shares are
    0 to 1: `cap_grants` of all grants in force and `cap_team` of a department's may go in one run, `canary` of them go first and are
    watched for `canary_hours`, `spike` of whose holders may be denied meanwhile. `auto_revoke`: what is planned is applied where
    nobody objects; else somebody must have said so. `defaults` has the word for what nobody decided, by data class, "" for all
    others. Of the month's accesses that are no export `sample` (a share) are looked at, at least `sample_least` and at most `sample_most`
    where there are so many. `lock_days` and `remove_days` are those of an account that lies unused.
    """

    kind: str
    title: str
    judges: Judges = "use"
    who: Who = "ordinary"
    roles: tuple[str, ...] = ()
    every: Every = "called"
    day: int = 1
    min_age_role_days: int = 90
    min_age_permission_days: int = 14
    thresholds: Thresholds = _THRESHOLDS
    notice_days: int = 7
    remind_days: tuple[int, ...] = (3, 6)
    escalate_days: int = 7
    office_days: int = 10
    default_days: int = 14
    cap_grants: float = _SHARES["cap_grants"]
    cap_team: float = _SHARES["cap_team"]
    canary: float = _SHARES["canary"]
    canary_hours: int = 24
    spike: float = _SHARES["spike"]
    auto_revoke: bool = True
    defaults: tuple[tuple[str, DefaultWord], ...] = (("", "suspend"),)
    sample: float = _SHARES["sample"]
    sample_least: int = 50
    sample_most: int = 200
    lock_days: int = 90
    remove_days: int = 180


_KEYS: Final = {each.name: each.default for each in fields(ReviewRow)}


def read_reviews(
    file: TomlFile, roles: Mapping[str, Role] | None, classes: Mapping[str, object], findings: Findings
) -> dict[str, ReviewRow]:
    """Return the rows as far as they are right; the rest is reported. `roles` are those of roles.toml, None where it can't be read."""
    only_groups(file, ("reviews",), findings)
    return {section.name: _read_row(section, roles, classes) for section in entries(file, "reviews", findings)}


def _read_row(section: Section, roles: Mapping[str, Role] | None, classes: Mapping[str, object]) -> ReviewRow:
    days = {key: _number(section, key, 0, _LONGEST) for key in ("min_age_role_days", "min_age_permission_days", "notice_days")}
    order = {key: _number(section, key, 1, _LONGEST) for key in ("escalate_days", "office_days", "default_days")}
    row = ReviewRow(
        kind=section.name,
        title=section.text("title"),
        judges=cast(Judges, _choice(section, "judges", get_args(Judges))),
        who=cast(Who, _choice(section, "who", get_args(Who))),
        roles=_roles(section, roles),
        every=cast(Every, _choice(section, "every", get_args(Every))),
        day=_number(section, "day", 1, 31),
        thresholds=_thresholds(section),
        remind_days=_days(section, "remind_days"),
        canary_hours=_number(section, "canary_hours", 0, 24 * 90),
        auto_revoke=section.flag("auto_revoke", default=True),
        defaults=_defaults(section, classes),
        sample=_share(section, "sample"),
        sample_least=_number(section, "sample_least", 0, 100_000),
        sample_most=_number(section, "sample_most", 1, 100_000),
        lock_days=_number(section, "lock_days", 1, _LONGEST),
        remove_days=_number(section, "remove_days", 1, _LONGEST),
        cap_grants=_share(section, "cap_grants"),
        cap_team=_share(section, "cap_team"),
        canary=_share(section, "canary"),
        spike=_share(section, "spike"),
        **days,
        **order,
    )
    if not row.escalate_days <= row.office_days <= row.default_days:
        section.error(
            "default_days",
            "REVIEW_STEPS_REVERSED",
            "Managers are asked (`escalate_days`), then the office (`office_days`), then the default counts (`default_days`): in this order.",
        )
    if row.sample_least > row.sample_most:
        section.error("sample_most", "SAMPLE_REVERSED", "`sample_least` is the smallest sample, `sample_most` the largest one.")
    if row.lock_days > row.remove_days:
        section.error(
            "remove_days", "REVIEW_STEPS_REVERSED", "An account is locked (`lock_days`) before it is removed (`remove_days`)."
        )
    if row.auto_revoke and row.who != "ordinary":
        section.error(
            "auto_revoke",
            "REVIEW_AUTO_PRIVILEGED",
            'Privileged grants go by somebody\'s word only: write auto_revoke = false, or who = "ordinary".',
        )
    section.finish()
    return row


def _number(section: Section, key: str, lowest: int, highest: int) -> int:
    return section.number(key, lowest, highest, default=cast(int, _KEYS[key]))


def _choice(section: Section, key: str, choices: tuple[str, ...]) -> str:
    value = section.text(key, required=False)
    if value and value not in choices:
        section.error(key, "VALUE_INVALID", f"`{key}` must be one of: {', '.join(choices)}.")
    return value if value in choices else str(_KEYS[key])


def _share(section: Section, key: str) -> float:
    """Read a share in percent: `cap_grants_percent = 2` is 0.02."""
    return section.number(f"{key}_percent", 0, 100, default=round(_SHARES[key] * 100)) / 100


def _roles(section: Section, roles: Mapping[str, Role] | None) -> tuple[str, ...]:
    named = section.names("roles", required=False)
    if roles is not None and any(each not in roles for each in named):
        section.error("roles", "ROLE_UNKNOWN", "A role of this review is not in roles.toml; add it or remove it here.")
    return named


def _thresholds(section: Section) -> Thresholds:
    part = section.part("threshold_days")
    if part is None:
        return _THRESHOLDS
    found = Thresholds(**{key: part.number(key, 1, _LONGEST, default=days) for key, days in _THRESHOLDS._asdict().items()})
    part.finish()
    return found


def _days(section: Section, key: str) -> tuple[int, ...]:
    part = section.numbers(key, 1, _LONGEST)
    return cast(tuple[int, ...], _KEYS[key]) if part is None else part


def _defaults(section: Section, classes: Mapping[str, object]) -> tuple[tuple[str, DefaultWord], ...]:
    """Read `defaults = {others = "suspend", identity = "revoke"}`."""
    part = section.part("defaults")
    if part is None:
        return cast(tuple[tuple[str, DefaultWord], ...], _KEYS["defaults"])
    words = cast(tuple[DefaultWord, ...], get_args(DefaultWord))
    found: dict[str, DefaultWord] = {"": "suspend"}
    for name in ("others", *sorted(classes)):
        value = part.text(name, required=False)
        if value and value not in words:
            part.error(name, "VALUE_INVALID", f"`{name}` must be one of: {', '.join(words)}.")
        elif value:
            found["" if name == "others" else name] = "revoke" if value == "revoke" else "suspend"
    part.finish()
    return tuple(sorted(found.items()))
