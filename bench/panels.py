"""`python -m bench.panels FOLDER --metrics PAGE`: every panel's question on 30 days of data, on a real Prometheus and a real Elasticsearch.

PAGE is what a busy daemon's /metrics said. Its series go on for so many days, a sample every `--every` seconds, by the shape of
a working day. The records are of twenty employees who read; each is made by the journal and shipped by the shipper.
"""

from __future__ import annotations

import argparse
import math
import random
import re
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Final

from audit.support import TickingClock, access, open_journal
from dashboards.grafana_elasticsearch import search
from dashboards.support import PANELS, Shipped
from elastic.server import elasticsearch, make_folder
from elastic.support import Shipped as Shipper
from elastic.support import access_to, installed
from prometheus_server import prometheus

from munjigi.adapters.prometheus_api import PrometheusApi
from munjigi.app.files import StateFolder
from munjigi.reports.interpolation import Span, filled, values_of

DAY: Final = 86_400
POINTS: Final = 1000
SCRAPE: Final = 15
ROUNDS: Final = 3
INSTANCE: Final = 'instance="127.0.0.1:9464",job="munjigi"'
SAMPLE: Final = re.compile(r"(munjigi_\w+?)(?:\{(.*)\})? (\S+)\Z")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--metrics", type=Path, required=True)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--every", type=int, default=60)
    parser.add_argument("--records", type=int, default=200_000)
    options = parser.parse_args()
    end = int(time.time()) // DAY * DAY
    span = Span((end - options.days * DAY) * 10**9, end * 10**9)
    written = _blocks(options.folder, options.metrics.read_text("utf-8"), options.days, options.every, end)
    print(f"Prometheus: {written:,} samples, one every {options.every} s, {options.days} days")
    changes = {"scrape_configs": []}
    with prometheus(options.folder / "prometheus", changes=changes) as server:
        source = PrometheusApi(server.url)
        _print([(panel.name, _asked(source, panel, span)) for panel in PANELS if panel.prometheus])
    _print(_elasticsearch(options.records, options.days, span))


def _blocks(folder: Path, page: str, days: int, every: int, end: int) -> int:
    """Write the series' history as blocks of Prometheus; return how many samples."""
    used = {
        name
        for panel in PANELS
        if panel.prometheus
        for each in panel.targets
        for name in re.findall(r"munjigi_\w+", each["expr"])
    }
    series: dict[str, list[tuple[str, float, bool]]] = {}
    kinds = dict(re.findall(r"# TYPE (\w+) (\w+)", page))
    for line in page.splitlines():
        if (match := SAMPLE.match(line)) and match[1] in used:
            family = re.sub(r"_(bucket|sum|count|total)$", "", match[1]) if match[1] not in kinds else match[1]
            labels = ",".join(part for part in (match[2], INSTANCE) if part)
            counts = match[1].endswith(("_total", "_bucket", "_count", "_sum"))
            series.setdefault(family, []).append((f"{match[1]}{{{labels}}}", float(match[3]), counts))
    shape = _day(every)
    total = sum(shape) * days
    number = 0
    folder.mkdir(parents=True, exist_ok=True)
    text = folder / "history.txt"
    with text.open("w") as file:
        for family, members in series.items():
            kind = kinds.get(family, kinds.get(f"{family}_total", "gauge"))
            file.write(f"# TYPE {family.removesuffix('_total')} {kind}\n")
            for name, value, counts in members:
                grown, scale = 0.0, 1000 * value / total
                stamp = end - days * DAY
                lines = []
                for _ in range(days):
                    for share in shape:
                        grown += share * scale
                        lines.append(f"{name} {(grown if counts else value):.6g} {stamp}\n")
                        stamp += every
                file.writelines(lines)
                number += len(lines)
        file.write("# EOF\n")
    data = folder / "prometheus" / "data"
    data.mkdir(parents=True)
    # Few large blocks, as after compaction: the file is read once for each.
    command = ["promtool", "tsdb", "create-blocks-from", "openmetrics", "--max-block-duration=720h", str(text), str(data)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    text.unlink()
    return number


def _day(every: int) -> list[float]:
    """How much of a day's work comes in each interval: little at night, most before and after lunch."""
    return [0.02 + max(0.0, math.sin(math.pi * (number * every / DAY * 24 - 8) / 10)) for number in range(DAY // every)]


def _asked(source: PrometheusApi, panel: Shipped, span: Span) -> float:
    values = values_of(panel.dashboard, span, POINTS, SCRAPE)
    best = math.inf
    for _ in range(ROUNDS):
        took = 0.0
        for target in panel.targets:
            expression = filled(target["expr"], values)
            began = time.perf_counter()
            if panel.over_time:
                source.over(expression, span, int(values["__interval"].removesuffix("s")))
            else:
                source.at(expression, span.end - 1)
            took = max(took, time.perf_counter() - began)
        best = min(best, took)
    return best


def _elasticsearch(records: int, days: int, span: Span) -> list[tuple[str, float]]:
    folder = make_folder()
    server = elasticsearch(folder).start()
    try:
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch)
            installed(server, path, "munjigi-bench")
            _journal(path / "state", records, days, span)
            shipper = Shipper(StateFolder(path / "state"), access_to(server, path), "munjigi-bench")
            shipper.run()
            server.call("POST", "/munjigi-bench-*/_refresh")
            print(f"Elasticsearch: {records:,} records, {days} days")
            found = []
            for panel in PANELS:
                if not panel.prometheus:
                    values = values_of(panel.dashboard, span, POINTS, SCRAPE)
                    best = math.inf
                    for _ in range(ROUNDS):
                        began = time.perf_counter()
                        for target in panel.targets:
                            body = search(target, values, span)
                            server.call("POST", "/munjigi-bench-*/_search?request_cache=false", body, user="searcher")
                        best = min(best, time.perf_counter() - began)
                    found.append((panel.name, best))
            return found
    finally:
        server.stop()


def _journal(state: Path, records: int, days: int, span: Span) -> None:
    folder = StateFolder(state)
    folder.make()
    drawn, clock = random.Random(1), TickingClock(span.start)
    journal = open_journal(state, 0, clock=clock)
    for number in range(records):
        clock.at = max(clock.at, span.start + number * days * DAY * 10**9 // records)
        allow = drawn.random() < 0.85
        large = drawn.random() < 0.01
        journal.append(
            access(
                number,
                employee=f"e{drawn.randrange(20):02d}.kim",
                purpose=drawn.choice(("inquiry", "marketing", "fraud_investigation")),
                tool=drawn.choice(("crm-desk", "campaign-tool")),
                decision="ALLOW" if allow else "DENY",
                reason="GRANTED" if allow else drawn.choice(("NO_GRANT", "RULE_DENIES")),
                data_classes=(drawn.choice(("contact", "identity", "payment")),),
                subject_count=5000 if large else 1,
                members=() if large else (f"m1.01234567.{drawn.randrange(50_000):026d}",),
            )
        )
        if number % 5000 == 0:
            journal.sync()
    journal.sync()
    journal.close()


def _print(found: list[tuple[str, float]]) -> None:
    for name, seconds in sorted(found, key=lambda each: -each[1])[:8]:
        print(f"  {seconds:7.3f} s  {name}")
    print(f"  {max(seconds for _, seconds in found):7.3f} s  the slowest of {len(found)} panels (best of {ROUNDS})")


if __name__ == "__main__":
    main()
