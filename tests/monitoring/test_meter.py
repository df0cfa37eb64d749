"""Counts reach prometheus-client's files of several processes as they were counted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from munjigi.monitoring.catalogue import CATALOGUE

PROGRAM = """
import sys
from pathlib import Path
from munjigi.adapters.prometheus import prepare_folder, render
if sys.argv[2] == "first":
    prepare_folder(Path(sys.argv[1]))
from munjigi.adapters.prometheus import PrometheusSink
from munjigi.monitoring.meter import Meter
from munjigi.monitoring import catalogue
meter = Meter(PrometheusSink("test"))
if sys.argv[2] != "render":
    for seconds in (0.00004, 0.0002, 0.0002, 3.0, 99.0):
        meter.call("Check", "OK", seconds)
    meter.add(catalogue.POLICY_LOADS, "accepted")
    meter.set(catalogue.POLICY_REJECTED, value=1)
    meter.flush()
print(render().decode())
"""


def run(folder: Path, what: str) -> str:
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder)}
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM, str(folder), what],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def test_counts_of_processes_add_up_and_survive_them(tmp_path: Path) -> None:
    folder = tmp_path / "metrics"
    folder.mkdir()
    assert 'munjigi_call_seconds_count{method="Check"} 5.0' in run(folder, "first")
    text = run(folder, "second")
    assert 'munjigi_call_seconds_bucket{le="5e-05",method="Check"} 2.0' in text
    assert 'munjigi_call_seconds_bucket{le="0.00025",method="Check"} 6.0' in text
    assert 'munjigi_call_seconds_bucket{le="10.0",method="Check"} 8.0' in text
    assert 'munjigi_call_seconds_bucket{le="+Inf",method="Check"} 10.0' in text
    assert 'munjigi_call_seconds_count{method="Check"} 10.0' in text
    assert 'munjigi_policy_loads_total{result="accepted"} 2.0' in text
    assert "munjigi_policy_rejected 1.0" in text
    assert run(folder, "render") == text


def test_names_follow_the_conventions() -> None:
    for metric in CATALOGUE:
        assert metric.name.startswith("munjigi_")
        assert (metric.kind == "counter") == metric.name.endswith("_total")
        assert not {"employee", "member", "ip", "sql", "user"} & set(metric.labels)
        assert metric.help.endswith(".")
    assert len({metric.name for metric in CATALOGUE}) == len(CATALOGUE)
