"""What the rules of deploy/prometheus cost: a real Prometheus over the pages of a company of 100,000 employees, on four hosts.

No label knows an employee, so a page has as many samples as the policy has tools, purposes and classes; here more of each than any should
have, every combination of them. Three days of what longer windows look back at are put into its database before. The time of
an evaluation is Prometheus' own figure. Run as `PYTHONPATH=tests python -m bench.rules FOLDER`; prints JSON.
"""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from bench.machine import spread
from bench.servers import ROOT
from bench.table import Row, number, within
from munjigi.monitoring import catalogue
from munjigi.monitoring.catalogue import CATALOGUE
from munjigi.monitoring.metric import BUCKETS, Metric

HOSTS: Final = 4
ROUNDS: Final = 10
_RULES: Final = ROOT / "deploy" / "prometheus" / "rules"
_EVERY: Final = 3  # seconds, of evaluations; pages are scraped every second, fifteen times as often as a Prometheus does
_FILL_SECONDS: Final = 45
_HISTORY: Final = 3 * 86_400
_VALUES: Final = {
    "verdict": ["allow", "deny"],
    "reason": [*(f"REASON_{each}" for each in range(12)), "INTERNAL", "AUDIT_UNAVAILABLE"],
    "door": ["Check", "BatchCheck", "CheckStream", "Query", "Explain", "WhoCan"],
    "method": ["Check", "BatchCheck", "CheckStream", *(f"Method{each}" for each in range(20))],
    "tool": [f"tool-{each}" for each in range(100)],
    "purpose": [f"purpose-{each}" for each in range(60)],
    "class": [f"class-{each}" for each in range(30)],
    "process": [*(f"worker-{each}" for each in range(4)), "follower"],
}
_OTHER: Final = ["a", "b", "c"]  # of labels with few values
# What is trouble stands still: an alert for each of a hundred tools would be measured else.
_GROWING: Final = frozenset(catalogue.metrics_of(catalogue.decisions)) - {catalogue.DENIALS_COUNTED, catalogue.ANSWERS_WITHHELD}


def missing() -> str:
    """Return why nothing can be measured, or nothing."""
    lacking = [each for each in ("prometheus", "promtool") if shutil.which(each) is None]
    return f"{' and '.join(lacking)} not installed (Debian's prometheus)" if lacking else ""


def series() -> Iterator[tuple[Metric, str, str]]:
    """Yield every sample of a host's page: its metric, name and labels."""
    for metric in CATALOGUE:
        for values in itertools.product(*(_VALUES.get(label, _OTHER) for label in metric.labels)):
            labels = ",".join(f'{label}="{value}"' for label, value in zip(metric.labels, values, strict=True))
            if metric.kind != "histogram":
                yield metric, metric.name, labels
                continue
            for bucket in (*BUCKETS, "+Inf"):
                yield metric, f"{metric.name}_bucket", f'{labels},le="{bucket}"'
            yield metric, f"{metric.name}_count", labels
            yield metric, f"{metric.name}_sum", labels


@contextmanager
def host() -> Iterator[int]:
    """Serve pages that grow with time; give the port."""
    template = [(f"{name}{{{labels}}}" if labels else name, metric not in _GROWING) for metric, name, labels in series()]

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            value = int(time.monotonic() * 100)
            body = "".join(f"{name} {1 if still else value + place}\n" for place, (name, still) in enumerate(template)).encode()
            self.send_response(200)
            self.send_header("content-type", "text/plain; version=0.0.4")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()


def put_history(data: Path, scratch: Path) -> None:
    """Put into a database what the windows of days look back at."""
    now = int(time.time()) - 600
    with scratch.open("w") as file:
        for name in ("job:munjigi_objective_events:rate5m", "job:munjigi_objective_broken:rate5m"):
            file.write(f"# TYPE {name} gauge\n")
            for objective in ("availability", "latency"):
                for at in range(now - _HISTORY, now, 15):
                    file.write(f'{name}{{job="munjigi",objective="{objective}"}} {1 + at % 7} {at}\n')
        file.write("# EOF\n")
    subprocess.run(
        ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(scratch), str(data)], check=True, capture_output=True
    )


def measure(folder: Path) -> dict[str, Any]:
    """Fill a Prometheus, and read what its evaluations take."""
    if reason := missing():
        return {"missing": reason}
    from prometheus_server import prometheus  # noqa: PLC0415  # of the tests: PYTHONPATH

    folder.mkdir(parents=True, exist_ok=True)
    put_history(folder / "data", folder / "history.om")
    with ExitStack() as running:
        targets = [f"127.0.0.1:{running.enter_context(host())}" for _ in range(HOSTS)]
        changes = {"global": {"scrape_interval": "1s", "evaluation_interval": f"{_EVERY}s"}}
        server = running.enter_context(prometheus(folder, *targets, rules=sorted(_RULES.glob("*.yml")), changes=changes))
        time.sleep(_FILL_SECONDS)
        groups: dict[str, list[float]] = {}
        for _ in range(ROUNDS):
            for name, seconds in durations(server.url).items():
                groups.setdefault(name, []).append(seconds)
            time.sleep(_EVERY)
        failures = failed(server.url)
        assert not failures, f"{failures} rules failed"
        old = server.value('count_over_time(job:munjigi_objective_events:rate5m{objective="latency"}[3d])')
        recorded = server.value('count({__name__=~".+:munjigi.+"})')
    recording = [sum(values) for values in zip(*(each for name, each in groups.items() if name != "munjigi-alerts"), strict=True)]
    return {
        "page": sum(1 for _ in series()),
        "hosts": HOSTS,
        "recorded": recorded,
        "history": old,
        "recording": recording,
        "alerts": groups["munjigi-alerts"],
    }


def durations(url: str) -> dict[str, float]:
    """Return what the last evaluation of each rule group took, in seconds."""
    name = "prometheus_rule_group_last_duration_seconds{"
    return {
        line.partition(";")[2].partition('"')[0]: float(line.rpartition(" ")[2]) for line in own(url) if line.startswith(name)
    }


def failed(url: str) -> float:
    """Return how many evaluations of rules failed."""
    return sum(
        float(line.rpartition(" ")[2]) for line in own(url) if line.startswith("prometheus_rule_evaluation_failures_total{")
    )


def own(url: str) -> list[str]:
    with urllib.request.urlopen(f"{url}/metrics", timeout=10) as answer:
        return answer.read().decode().splitlines()


def rows(found: dict[str, Any]) -> list[Row]:
    whole = f"{number(found['hosts'] * found['page'])} series of {found['hosts']} hosts, {number(found['history'])} samples back"
    recording, alerts = (spread(found[name]).divided(0.001) for name in ("recording", "alerts"))
    return [
        Row(
            "recording rules, 100,000 employees, one evaluation",
            within(recording, " ms"),
            whole,
            "",
            "<= 1 s",
            recording.median <= 1000,
        ),
        Row("alerting rules, same", within(alerts, " ms"), whole),
    ]


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[1]))))
