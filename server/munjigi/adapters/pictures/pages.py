"""A whole dashboard as one picture, its panels in their grid, and each panel as a picture of its own."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any, Final, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from PIL import Image

from munjigi.adapters.pictures.fonts import families
from munjigi.adapters.pictures.plots import INK, PALE, RULE, WORRY, legend, legend_rows, plot
from munjigi.reports.answers import Answer, Report

COLUMN: Final = 0.58  # inches of a cell of the grid
CELL: Final = 0.34
GAP: Final = 0.07
HEAD: Final = 0.95
ROW: Final = 0.42  # a heading
DOTS: Final = 100  # an inch
COLOURS: Final = 128  # of a PNG file
PAGE: Final = "#F5F7FA"
_SETTINGS: Final = {"svg.hashsalt": "munjigi", "svg.fonttype": "path", "axes.unicode_minus": False}


class Box(NamedTuple):
    """Where something stands: inches from the left and the top."""

    left: float
    top: float
    width: float
    height: float


class Painter:
    """Draw a report. `zone` is that of its times, `source` who answered, `kind` is `png` or `svg`."""

    def __init__(self, report: Report, source: str, zone: tzinfo, kind: str, font: Path | None = None) -> None:
        self._report = report
        self._zone = zone
        self._kind = kind
        began, ended = (datetime.fromtimestamp(each / 1e9, UTC).astimezone(zone) for each in report.span)
        until = f"{ended:%H:%M}" if began.date() == ended.date() else f"{ended:%Y-%m-%d %H:%M}"
        self._when = (
            f"{began:%Y-%m-%d %H:%M} to {until} ({ended.tzname()}), a point for {report.step} s, from Prometheus at {source}"
        )
        said = [report.title, *(line.name for each in report.answers for line in each.lines)]
        self._settings: Any = {**_SETTINGS, "font.family": families("".join(said), font)}

    def whole(self) -> bytes:
        """Draw all panels in their grid."""
        report = self._report
        shift = {row.y: number for number, row in enumerate(report.rows, start=1)}

        def top_of(y: int) -> float:
            """Return where a line of the grid begins: headings take less room than Grafana's."""
            above = sum(1 for row in shift if row < y)
            return HEAD + above * ROW + (y - above) * CELL

        bottom = max(each.panel.place.y + each.panel.place.height for each in report.answers)
        width, height = 24 * COLUMN + 2 * GAP, top_of(bottom) + 2 * GAP
        with mpl.rc_context(self._settings):
            figure = self._figure(width, height)
            self._head(figure, width, height)
            for row in report.rows:
                y = height - top_of(row.y) - ROW * 0.62
                figure.text(2 * GAP / width, y / height, row.title, fontsize=11, fontweight="bold", color=INK, va="center")
            for answer in report.answers:
                place = answer.panel.place
                box = Box(
                    GAP + place.x * COLUMN + GAP,
                    top_of(place.y) + GAP,
                    place.width * COLUMN - 2 * GAP,
                    place.height * CELL - 2 * GAP,
                )
                self._card(figure, width, height, box, answer)
            return self._bytes(figure)

    def each(self) -> Iterator[tuple[str, bytes]]:
        """Draw each panel by itself: its name for a file, and the picture."""
        names: dict[str, int] = {}
        for answer in self._report.answers:
            name = re.sub(r"[^a-z0-9]+", "-", answer.panel.title.lower()).strip("-") or "panel"
            names[name] = names.get(name, 0) + 1
            name = name if names[name] == 1 else f"{name}-{names[name]}"
            tall = answer.panel.over_time or answer.panel.kind == "bargauge"
            width, height = (8.0, 4.0) if tall else (5.6, 2.0)
            foot = "\n".join(part for part in (self._when, self._report.made_up) if part)
            with mpl.rc_context(self._settings):
                figure = self._figure(width, height)
                self._card(figure, width, height, Box(GAP, GAP, width - 2 * GAP, height - 2 * GAP - 0.4), answer)
                figure.text(2 * GAP / width, 0.26 / height, foot, fontsize=7, color=PALE, va="center", linespacing=1.5)
                yield name, self._bytes(figure)

    def _figure(self, width: float, height: float) -> Figure:
        return Figure(figsize=(width, height), dpi=DOTS, facecolor=PAGE)

    def _head(self, figure: Figure, width: float, height: float) -> None:
        left = 2 * GAP / width
        figure.text(left, (height - 0.3) / height, self._report.title, fontsize=19, fontweight="bold", color=INK, va="center")
        figure.text(left, (height - 0.68) / height, self._when, fontsize=9.5, color=PALE, va="center")
        if self._report.made_up:
            figure.text(
                1 - 2 * left,
                (height - 0.3) / height,
                self._report.made_up,
                fontsize=10,
                fontweight="bold",
                color="white",
                va="center",
                ha="right",
                bbox={"boxstyle": "round,pad=0.45", "facecolor": WORRY, "edgecolor": "none"},
            )

    def _card(self, figure: Figure, width: float, height: float, box: Box, answer: Answer) -> None:
        """Draw one panel: title, axes, legend, on white."""
        bottom = height - box.top - box.height
        figure.add_artist(
            FancyBboxPatch(
                (box.left / width, bottom / height),
                box.width / width,
                box.height / height,
                boxstyle="round,pad=0,rounding_size=0.004",
                mutation_aspect=width / height,
                facecolor="white",
                edgecolor=RULE,
                linewidth=0.8,
                transform=figure.transFigure,
                zorder=-1,  # below the axes
            )
        )
        title = (height - box.top - 0.2) / height
        figure.text((box.left + 0.13) / width, title, answer.panel.title, fontsize=10, fontweight="bold", color=INK, va="center")
        rows, columns = legend_rows(answer, box.width - 0.9)
        small = answer.panel.kind == "stat"
        bars = answer.panel.kind == "bargauge"
        left = 0.14 if small else 1.6 if bars else 0.82
        below = 0.1 if small else 0.34 + rows * 0.165
        axes = figure.add_axes(
            (
                (box.left + left) / width,
                (bottom + below) / height,
                (box.width - left - 0.2) / width,
                (box.height - 0.42 - below) / height,
            ),
            facecolor="none",
        )
        plot(axes, answer, self._report, self._zone)
        legend(axes, columns)

    def _bytes(self, figure: Figure) -> bytes:
        out = io.BytesIO()
        if self._kind == "svg":
            figure.savefig(out, format="svg", facecolor=PAGE, metadata={"Date": None, "Creator": "Munjigi"})
        else:
            canvas = FigureCanvasAgg(figure)
            canvas.draw()  # type: ignore[no-untyped-call]
            image = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")  # type: ignore[no-untyped-call]
            # Flat colours need no more, and the file is a third as large in a mail.
            image.quantize(COLOURS, dither=Image.Dither.NONE).save(out, format="png", optimize=True, dpi=(DOTS, DOTS))
        return out.getvalue()
