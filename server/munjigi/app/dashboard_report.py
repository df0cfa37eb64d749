"""A dashboard as pictures: its committed file, asked of a Prometheus, drawn."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from datetime import tzinfo
from pathlib import Path
from typing import Any, Final

from munjigi.adapters.prometheus_api import PrometheusApi
from munjigi.kernel.errors import FailedPrecondition
from munjigi.reports.answers import Report, answered
from munjigi.reports.interpolation import Span

POINTS: Final = 400  # across a panel
OVERVIEW: Final = "munjigi-overview"


def dashboards() -> Path:
    """Return the folder of dashboards that comes with the distribution, or the checkout's."""
    package = Path(__file__).resolve().parent.parent
    packaged = package / "_dashboards"
    return packaged if packaged.is_dir() else package.parent.parent / "deploy" / "grafana" / "dashboards"


def report(source: PrometheusApi, span: Span, *, scrape: int, title: str = "") -> Report:
    """Ask the overview's questions. `scrape`: seconds between two scrapes."""
    content: Any = json.loads((dashboards() / f"{OVERVIEW}.json").read_text("utf-8"))
    found = answered(content, source, span, points=POINTS, scrape=scrape)
    return found._replace(title=title) if title else found


def pictures(found: Report, source: str, zone: tzinfo, kind: str, font: Path | None) -> Iterator[tuple[str, bytes]]:
    """Yield each file's name and content: the whole one first, then a panel each.

    Raises `FailedPrecondition` when the extra `report` is not installed.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise FailedPrecondition("EXTRA_MISSING", "Pictures need an extra; install it with: pip install 'munjigi[report]'.")
    from munjigi.adapters.pictures.pages import Painter  # noqa: PLC0415 - heavy, and an extra

    painter = Painter(found, source, zone, kind, font)
    yield f"overview.{kind}", painter.whole()
    for name, content in painter.each():
        yield f"{name}.{kind}", content
