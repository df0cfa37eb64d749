"""What a metric is. Labels are bounded by code, policy or configuration: never an employee, a member, an address or SQL."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

BUCKETS: Final = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Slowest(NamedTuple):
    """The call behind the highest value of a while: where its records are found. `at` is UTC nanoseconds; an id may be empty."""

    seconds: float
    decision_id: str
    trace_id: str
    at: int


class Metric(NamedTuple):
    """One metric. Counters end in `_total`, times are in seconds, sizes in bytes.

    `begins` are the values of a counter's one label that stand at 0 from the start, so that the first increase is one.
    `across` says what a gauge is over several workers: what was said last, or of those that live the sum, least or most.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    begins: tuple[str, ...] = ()
    across: Literal["mostrecent", "livesum", "livemin", "livemax"] = "mostrecent"
