"""A made-up company's records, written by the gateway's rooms: what `munjigi demo --fast` does in a second of one processor.

The baseline is the same life without the gateway: events drawn and thrown away. Nothing of a record's cost is in it.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any, Final

from bench.servers import ROOT
from bench.table import Row, number
from munjigi.app.config import Settings
from munjigi.app.demo import Wish, calendar_of_home, write_company
from munjigi.company.life import Company, live

_ROUNDS: Final = 2
_WISH: Final = Wish(1, 200, 50_000, date(2026, 9, 20), 30)
_TARGET: Final = 25_000  # records a second of one processor


def rows(figures: dict[str, Any]) -> list[Row]:
    """Put the figures into rows."""
    best = max(figures["records_per_second"])
    return [
        Row(
            "`demo --fast`, records a second of one processor",
            f"{number(best)}/s",
            f"events drawn alone {number(max(figures['events_per_second']))}/s",
            f"{best / max(figures['events_per_second']):.2f}x",
            f">= {number(_TARGET)}/s",
            best >= _TARGET,
        )
    ]


def measure(folder: Path) -> dict[str, list[float]]:
    """Write 30 days of 200 people some times; return rates by processor time, generation included."""
    home = ROOT / "policies"
    company = Company(_WISH.seed, _WISH.employees, _WISH.first, _WISH.days, calendar_of_home(home), _WISH.members)
    figures: dict[str, list[float]] = {"records_per_second": [], "events_per_second": [], "wall_records_per_second": []}
    for turn in range(_ROUNDS):
        began = time.process_time()
        events = sum(1 for _ in live(company))
        figures["events_per_second"].append(events / (time.process_time() - began))
        root = folder / str(turn)
        written = write_company(Settings(state_dir=root, policy_home=home), _WISH, lambda _records, _at: None)
        figures["records_per_second"].append(written.journal / written.processor_seconds)
        figures["wall_records_per_second"].append(written.journal / written.seconds)
        shutil.rmtree(root)
    return figures


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    sys.stdout.write(json.dumps(measure(target)) + "\n")
