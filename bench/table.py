"""The one table: what was measured, what it is compared with, and whether the target is met."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb
from statistics import median
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from bench.machine import Spread
from bench.rounds import Measured


class Row(NamedTuple):
    """One line. `met` is None where there is nothing to reach."""

    what: str
    value: str
    baseline: str = ""
    ratio: str = ""
    target: str = ""
    met: bool | None = None
    latency: str = ""
    cpu: str = ""


def number(value: float) -> str:
    """Write a number with three digits that count."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def within(values: Spread, unit: str = "") -> str:
    """Write a median with minimum and maximum."""
    return f"{number(values.median)}{unit} ({number(values.low)}-{number(values.high)})"


def median_within(changes: Sequence[float]) -> str:
    """Write the median of relative changes with its interval of 95 % (the order statistics between which a sign test finds it)."""
    ordered, count = sorted(changes), len(changes)
    tail, below = 0.5**count, 0
    while tail + comb(count, below + 1) * 0.5**count <= 0.025:
        below += 1
        tail += comb(count, below) * 0.5**count
    return f"{median(ordered):+.1%} ({ordered[below]:+.1%} to {ordered[count - 1 - below]:+.1%})"


def check_row(what: str, measured: Measured, empty: Measured, baseline: str, least_ratio: float = 0.0, least: float = 0.0) -> Row:
    """Compare a served call with the empty call of the same run."""
    ratio = measured.rate.median / empty.rate.median
    targets = [f">= {number(least_ratio)}x"] * bool(least_ratio) + [f">= {number(least)}/s"] * bool(least)
    return Row(
        what,
        within(measured.rate, "/s"),
        f"{baseline} {within(empty.rate, '/s')}",
        f"{ratio:.2f}x",
        ", ".join(targets),
        ratio >= least_ratio and measured.rate.median >= least if targets else None,
        f"{number(measured.p50.median)} / {number(measured.p99.median)}",
        within(measured.cpu),
    )


def show(rows: list[Row], title: str, notes: list[str]) -> None:
    """Print the table and the notes below it."""
    console = Console(width=None if Console().is_terminal else 200)
    table = Table(title=title, title_justify="left")
    for name in ("what", "measured", "baseline of the same run", "ratio", "target", "met", "p50 / p99 ms", "CPU µs a request"):
        table.add_column(name, overflow="fold")
    for row in rows:
        met = "" if row.met is None else "yes" if row.met else "NO"
        table.add_row(row.what, row.value, row.baseline, row.ratio, row.target, met, row.latency, row.cpu)
    console.print(table)
    for note in notes:
        console.print(note, highlight=False)


def markdown(rows: list[Row]) -> str:
    """Write the same table for the documentation."""
    lines = [
        "| what | measured | baseline of the same run | ratio | target | met | p50 / p99 ms | CPU µs a request |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        met = "" if row.met is None else "yes" if row.met else "no"
        cells = (row.what, row.value, row.baseline, row.ratio, row.target, met, row.latency, row.cpu)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
