"""Counts reach prometheus-client's files of several processes as they were counted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from parts import small_disk

from munjigi.monitoring.catalogue import CATALOGUE

PROGRAM = """
import sys
from pathlib import Path
from munjigi.adapters.metrics_folder import prepare_folder
if sys.argv[2] == "first":
    prepare_folder(Path(sys.argv[1]), 1)
from munjigi.adapters.metrics_page import render
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
print(render().content.decode())
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


FILL = """
import os, sys
from pathlib import Path
folder = Path(sys.argv[1])
os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
from munjigi.adapters.metrics_page import render
from munjigi.adapters.prometheus import PrometheusSink
from munjigi.monitoring import catalogue
from munjigi.monitoring.meter import Meter
from munjigi.monitoring.metric import Slowest
meter = Meter(PrometheusSink("worker-0"))
try:
    (folder / "full").write_bytes(bytes(64 << 20))
except OSError:
    pass
for number in range(40):
    for seconds in (0.00004, 0.0002, 99.0):
        if meter.call(f"Method{number}", f"REASON_{number}", seconds):
            meter.slowest(f"Method{number}", Slowest(seconds, "a-1", "", number))
    meter.add(catalogue.DENIALS_COUNTED, f"tool-{number}", "NO_GRANT")
    meter.flush()
print(len(render("application/openmetrics-text;version=1.0.0").content))
"""


def test_a_full_disk_kills_nobody_who_counts(tmp_path: Path) -> None:
    with small_disk(tmp_path, "size=4m"):
        done = subprocess.run(
            [sys.executable, "-c", FILL, str(tmp_path)], capture_output=True, text=True, check=False, timeout=60
        )
        assert (done.returncode, int(done.stdout or 0) > 40_000) == (0, True), (done.returncode, done.stderr)


def test_names_follow_the_conventions() -> None:
    for metric in CATALOGUE:
        assert metric.name.startswith("munjigi_")
        assert (metric.kind == "counter") == metric.name.endswith("_total")
        assert not {"employee", "member", "ip", "sql", "user"} & set(metric.labels)
        assert metric.help.endswith(".")
    assert len({metric.name for metric in CATALOGUE}) == len(CATALOGUE)


def test_p1_a_disk_that_takes_no_metrics_stops_nobody(tmp_path: Path) -> None:
    folder = tmp_path / "metrics"
    folder.mkdir()
    for kind in ("histogram", "gauge_livemax"):
        (folder / f"{kind}_test.db").mkdir()  # what can't be opened, whoever asks
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder)}
    program = PROGRAM.replace("print(render().content.decode())", "print('goes on')")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, str(folder), "second"],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "goes on\n"
