"""What a panel is, as data: a question to Prometheus or to Elasticsearch, its words, its size, and the records behind it.

In expressions `$at` stands for the selector of the chosen hosts. A panel whose answer is empty while all is well says so in
`quiet`, and its expression ends in a zero (`or_none`, `or_zero`), so that "nothing happened" looks different from "no data".
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

Shape = Literal["lines", "areas", "steps", "number", "bars", "table"]

# Told apart by people who don't tell red from green (M. Okabe, K. Ito: Color Universal Design).
BLUE: Final = "#0072B2"
VERMILION: Final = "#D55E00"
ORANGE: Final = "#E69F00"
SKY: Final = "#56B4E9"
COLOURS: Final = {"allow": BLUE, "deny": VERMILION, "ready": BLUE, "expected": ORANGE, "p50": SKY, "p99": VERMILION}

ALERTS: Final = "alert rules"
NO_RECORD: Final = "No record stands behind this: it is the state of the machine."


class Query(NamedTuple):
    """A question to Prometheus. `legend` names labels that its answer has."""

    expression: str
    legend: str


class Counted(NamedTuple):
    """Records counted in Elasticsearch, or one of their numbers: by the values of fields, or over time where `by` ends in `@timestamp`."""

    lucene: str
    by: tuple[str, ...]
    number: str = ""  # empty: how many records; `sum FIELD`, `cardinality FIELD`
    most: int = 15  # values of each field


class Listed(NamedTuple):
    """Records themselves, newest first, with these of their fields."""

    lucene: str
    fields: tuple[str, ...]
    most: int = 200


class Panel(NamedTuple):
    """One panel. `text` is what it says to whom; `records` finds what is behind it, in the words of Lucene.

    `search` are the options of `munjigi audit search` that find the same; without both, `text` ends with `NO_RECORD` or names a command.
    """

    title: str
    text: str
    shape: Shape
    unit: str
    ask: tuple[Query, ...] | Counted | Listed
    width: int = 12  # of 24
    height: int = 8
    records: str = ""
    search: str = ""
    quiet: str = ""  # why there is nothing while all is well
    worry: float | None = None  # from this value on it is shown in another colour


class Dashboard(NamedTuple):
    """One dashboard. Panels stand in rows, in their order."""

    uid: str
    title: str
    text: str
    rows: tuple[tuple[str, tuple[Panel, ...]], ...]
    since: str = "now-6h"


def asked(expression: str, legend: str) -> tuple[Query, ...]:
    """Ask one question."""
    return (Query(expression, legend),)


def or_zero(expression: str) -> str:
    """Answer 0 where there is nothing."""
    return f"{expression} or vector(0)"


def or_none(expression: str, label: str) -> str:
    """Answer 0 under the label's value `none` where there is nothing."""
    return f'{expression} or on() label_replace(vector(0), "{label}", "none", "", "")'


def rate(metric: str, by: str, *, where: str = "") -> str:
    """How often a second, by labels."""
    return f"sum by ({by}) (rate({metric}{{$at{where and ', '}{where}}}[$__rate_interval]))"


def over_range(metric: str, *, where: str = "") -> str:
    """How many in the time that is looked at."""
    return f"sum(increase({metric}{{$at{where and ', '}{where}}}[$__range]))"
