"""One panel's answer on axes: lines, areas, a number, bars. Colours are told apart by people who don't tell red from green."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import tzinfo
from itertools import pairwise
from typing import Final, NamedTuple

from matplotlib import dates
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from munjigi.reports.answers import Answer, Line, Report
from munjigi.reports.units import axis_name, shown

# M. Okabe, K. Ito: Color Universal Design; its yellow is too faint for a line on white, grey stands for it.
COLOURS: Final = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#7F7F7F", "#000000")
DASHES: Final = ("-", "--", ":")  # for a second and a third round of colours
INK: Final = "#1F2933"
PALE: Final = "#5F6C7B"
RULE: Final = "#E4E7EB"
CALM: Final = "#0072B2"
WORRY: Final = "#D55E00"
_SMALL: Final = 8.0
_LETTER: Final = 0.062  # inches that a letter of the legend takes


_TIMES: Final = ["%Y", "%Y-%m", "%m-%d", "%H:%M", "%H:%M", "%H:%M:%S"]  # years to seconds


class Look(NamedTuple):
    """How one line is drawn."""

    name: str
    colour: str
    dash: str


def looks(answer: Answer) -> list[Look]:
    """Give each line its colour: the panel's own, or the next one that nobody has."""
    own = answer.panel.colours
    taken = {own[line.name].upper() for line in answer.lines if line.name in own}
    left = [colour for colour in COLOURS if colour.upper() not in taken] or list(COLOURS)
    found, number = [], 0
    for line in answer.lines:
        if line.name in own:
            found.append(Look(line.name, own[line.name], "-"))
        else:
            found.append(Look(line.name, left[number % len(left)], DASHES[number // len(left) % len(DASHES)]))
            number += 1
    return found


def legend_rows(answer: Answer, width: float) -> tuple[int, int]:
    """Return how many rows and columns the legend takes on `width` inches; (0, 0) where there is none."""
    if not answer.panel.over_time or not answer.lines:
        return 0, 0
    column = max(len(line.name) for line in answer.lines) * _LETTER + 0.45
    columns = max(1, min(len(answer.lines), int(width / column)))
    return math.ceil(len(answer.lines) / columns), columns


def plot(axes: Axes, answer: Answer, report: Report, zone: tzinfo) -> None:
    """Draw the answer. An empty one says so."""
    if not answer.lines:
        axes.set_axis_off()
        axes.text(0.5, 0.5, "no data in this time", ha="center", va="center", color=PALE, fontsize=9, transform=axes.transAxes)
    elif answer.panel.kind == "stat":
        _number(axes, answer)
    elif answer.panel.kind == "bargauge":
        _bars(axes, answer)
    else:
        _over_time(axes, answer, report, zone)


def _number(axes: Axes, answer: Answer) -> None:
    axes.set_axis_off()
    value = answer.lines[0].points[-1][1]
    worry = answer.panel.worry is not None and value >= answer.panel.worry
    text = "no number" if math.isnan(value) else shown(value, answer.panel.unit)
    colour = WORRY if worry else CALM
    axes.text(0.0, 0.58, text, ha="left", va="center", color=colour, fontsize=22, fontweight="bold", transform=axes.transAxes)
    axes.text(0.0, 0.12, answer.lines[0].name, ha="left", va="center", color=PALE, fontsize=_SMALL, transform=axes.transAxes)


def _bars(axes: Axes, answer: Answer) -> None:
    names = [line.name for line in answer.lines][::-1]
    values = [line.points[-1][1] for line in answer.lines][::-1]
    axes.barh(names, values, color=CALM, height=0.6)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: shown(value, answer.panel.unit)))
    _quiet(axes)


def _over_time(axes: Axes, answer: Answer, report: Report, zone: tzinfo) -> None:
    panel = answer.panel
    if panel.stacked:
        _areas(axes, answer, report.step)
    else:
        for line, look in zip(answer.lines, looks(answer), strict=True):
            times, values = _unbroken(line, report.step)
            style = "steps-post" if panel.stepped else "default"
            axes.plot(times, values, color=look.colour, linestyle=look.dash, linewidth=1.6, drawstyle=style, label=look.name)
    axes.set_xlim(_day(report.span.start / 1e9), _day(report.span.end / 1e9))
    axes.set_ylim(bottom=0)
    if axes.get_ylim()[1] < _LEAST.get(panel.unit, 1e-6):
        axes.set_ylim(0, _LEAST.get(panel.unit, 1e-6))
    locator = dates.AutoDateLocator(tz=zone, minticks=3, maxticks=7)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    formatter = dates.ConciseDateFormatter(locator, tz=zone, formats=_TIMES, zero_formats=_TIMES, show_offset=False)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_formatter(formatter)
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=panel.unit == "short"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: shown(value, panel.unit)))
    axes.set_ylabel(axis_name(panel.unit), color=PALE, fontsize=_SMALL)
    _quiet(axes)


_LEAST: Final = {
    "short": 1.0,
    "cps": 0.1,
    "percentunit": 0.01,
    "s": 0.001,
    "bytes": 1024.0,
    "Bps": 1024.0,
}  # an axis is no shorter


def _areas(axes: Axes, answer: Answer, step: int) -> None:
    """Stack the lines; where one has no point it counts as 0 if another one has, and there is a gap if none has."""
    known = sorted({moment for line in answer.lines for moment, _ in line.points})
    gaps = [before + step for before, after in pairwise(known) if after - before > 1.5 * step]
    moments = sorted([*known, *gaps])
    stacks = []
    for line in answer.lines:
        values = {moment: 0.0 if math.isnan(value) else value for moment, value in line.points} | dict.fromkeys(gaps, math.nan)
        stacks.append([values.get(moment, 0.0) for moment in moments])
    drawn = looks(answer)
    areas = axes.stackplot(
        [_day(moment) for moment in moments],
        stacks,
        labels=[look.name for look in drawn],
        colors=[look.colour for look in drawn],
        alpha=0.85,
        step="post" if answer.panel.stepped else None,
    )
    for area in areas:
        area.set_edgecolor("white")
        area.set_linewidth(0.4)


def _unbroken(line: Line, step: int) -> tuple[list[float], list[float]]:
    """Return a line's points, and a gap where points are missing."""

    def points() -> Iterator[tuple[float, float]]:
        before = None
        for moment, value in line.points:
            if before is not None and moment - before > 1.5 * step:
                yield before + step, math.nan
            yield moment, value
            before = moment

    found = list(points())
    return [_day(moment) for moment, _ in found], [value for _, value in found]


def _day(seconds: float) -> float:
    """Return a moment as matplotlib counts: days since 1970 in UTC."""
    return seconds / 86_400


def _quiet(axes: Axes) -> None:
    """Leave only what is read."""
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(RULE)
    axes.tick_params(colors=PALE, labelsize=_SMALL, length=0)
    axes.grid(axis="y", color=RULE, linewidth=0.8)
    axes.set_axisbelow(True)


def legend(axes: Axes, columns: int) -> None:
    """Name the lines below the axes."""
    if columns:
        axes.legend(
            loc="upper left",
            bbox_to_anchor=(-0.03, -0.02),
            bbox_transform=axes.transAxes,
            ncols=columns,
            frameon=False,
            fontsize=_SMALL,
            labelcolor=INK,
            handlelength=1.2,
            handletextpad=0.5,
            columnspacing=1.2,
            borderaxespad=1.4,
            borderpad=0,
        )
