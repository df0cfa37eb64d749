"""A notice in words, in one language or in both: subject, what happened, the facts, and the exact command for whoever is to act.

What was typed by people is quoted, on one line, so that nobody can write a line that looks like ours.
"""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from typing import Final, Literal, NamedTuple

from munjigi.grants.notices import words_en, words_ko
from munjigi.grants.notices.notice import Notice
from munjigi.grants.notices.vocabulary import Vocabulary
from munjigi.kernel.clock import SECOND
from munjigi.policy.calendar import zone_of

Language = Literal["ko", "en", "both"]
_VOCABULARY: Final[dict[Language, Vocabulary]] = {"ko": words_ko.VOCABULARY, "en": words_en.VOCABULARY}
_LANGUAGES: Final[dict[Language, tuple[Language, ...]]] = {"ko": ("ko",), "en": ("en",), "both": ("ko", "en")}
_FACTS: Final = (
    "holder",
    "applicant",
    "by",
    "principal",
    "role",
    "purpose",
    "case",
    "fact",
    "roles",
    "starts",
    "ends",
    "days",
    "lapses",
    "log",
    "unknown",
    "review",
    "items",
    "applies",
    "defaults",
)
_QUOTED: Final = ("reason", "answer")


class Said(NamedTuple):
    """A notice as it is read."""

    subject: str
    text: str


def say(notice: Notice, language: Language) -> Said:
    """Put a notice into words."""
    zone = zone_of(notice.zone)
    said = [_say(notice, each, zone) for each in _LANGUAGES[language]]
    return Said(" / ".join(each.subject for each in said), "\n\n----\n\n".join(each.text for each in said) + "\n")


def languages(language: Language) -> tuple[Language, ...]:
    """Return the codes of a setting's languages."""
    return _LANGUAGES[language]


def _say(notice: Notice, language: Language, zone: tzinfo | None) -> Said:
    vocabulary = _VOCABULARY[language]
    about = {name: _line(text) for name, text in notice.about.items()}
    names = {f"{name}_name": about.get(name, "") for name in ("role", "purpose")}
    titles = {name: _titled(about, name) for name in ("role", "purpose")}
    filled = _Filled({**about, **names, **titles, **_shown(notice.times, zone)})
    subject, opening, *orders = vocabulary.kinds[notice.kind]
    facts = [f"{vocabulary.labels[name]}: {filled[name]}" for name in _FACTS if filled[name]]
    facts += [f"{vocabulary.labels[name]}: “{filled[name]}”" for name in _QUOTED if filled[name]]
    mark = vocabulary.severities[notice.severity]
    orders = [order.format_map(filled) for order in orders]
    parts = [opening.format_map(filled), "\n".join(facts), "\n".join(orders)]
    return Said(f"[Munjigi]{mark} {subject.format_map(filled)}", "\n\n".join(part for part in parts if part))


class _Filled(dict[str, str]):
    """What templates fill in; what a notice does not have is empty."""

    def __missing__(self, _name: str) -> str:
        return ""


def _line(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)


def _titled(about: dict[str, str], name: str) -> str:
    title, own = about.get(f"{name}_title", ""), about.get(name, "")
    return f"{title} ({own})" if title and own else own


def _shown(times: dict[str, int], zone: tzinfo | None) -> dict[str, str]:
    return {name: f"{shown_at(at, zone):%Y-%m-%d %H:%M %Z}" for name, at in times.items()}


def shown_at(at: int, zone: tzinfo | None) -> datetime:
    """Return UTC nanoseconds as a time in a zone (UTC without one), to the second."""
    return datetime.fromtimestamp(at // SECOND, zone or UTC)
