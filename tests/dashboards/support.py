"""The dashboards' committed files, and what their panels ask."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "deploy" / "grafana" / "source"
FOLDER = ROOT / "deploy" / "grafana" / "dashboards"
OVER_TIME = "timeseries"


class Shipped(NamedTuple):
    """A panel of a dashboard."""

    dashboard: dict[str, Any]
    panel: dict[str, Any]

    @property
    def name(self) -> str:
        return f"{self.dashboard['uid']}: {self.panel['title']}"

    @property
    def prometheus(self) -> bool:
        return bool(self.panel["datasource"]["type"] == "prometheus")

    @property
    def over_time(self) -> bool:
        return bool(self.panel["type"] == OVER_TIME)

    @property
    def targets(self) -> list[dict[str, Any]]:
        return list(self.panel["targets"])

    @property
    def quiet(self) -> bool:
        """Tell whether it says that it is empty while all is well."""
        return "Empty while all is well: " in self.panel["description"]


DASHBOARDS: list[dict[str, Any]] = [json.loads(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.json"))]
PANELS = [Shipped(page, panel) for page in DASHBOARDS for panel in page["panels"] if panel["type"] != "row"]
