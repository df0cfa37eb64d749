"""A real Prometheus for a while: it scrapes what it is told, evaluates rules, and answers queries."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml
from parts import need_program
from running import free_port

Series = list[tuple[dict[str, str], float]]
SECONDS = 60.0


class Prometheus:
    """A running server. `folder` holds its configuration, data and log."""

    def __init__(self, folder: Path, address: str) -> None:
        self.folder = folder
        self.url = f"http://{address}"

    def get(self, path: str, **asked: str) -> Any:
        """Ask its HTTP API (`/api/v1/...`); return the data of the answer."""
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(asked)}", timeout=30) as answer:
            return json.load(answer)["data"]

    def query(self, expression: str, at: float | None = None) -> Series:
        """Evaluate an expression now, or at a time; return labels and value of each series."""
        data = self.get("query", query=expression, **({} if at is None else {"time": f"{at:.3f}"}))
        if data["resultType"] == "scalar":
            return [({}, float(data["result"][1]))]
        return [(each["metric"], float(each["value"][1])) for each in data["result"]]

    def value(self, expression: str) -> float | None:
        """Return the one value of an expression; None while there is none."""
        found = self.query(expression)
        assert len(found) <= 1, found
        return found[0][1] if found else None

    def wait_for(self, expression: str, holds: Callable[[Series], bool] = bool, seconds: float = SECONDS) -> Series:
        """Ask until what is found holds, by default until there is anything; return it."""
        deadline = time.monotonic() + seconds
        while not holds(found := self.query(expression)):
            assert time.monotonic() < deadline, f"{expression} is still {found}\n{self.log[-2000:]}"
            time.sleep(0.1)
        return found

    def samples(self, selector: str, seconds: float) -> list[tuple[dict[str, str], list[float]]]:
        """Return the raw samples of the last seconds, oldest first."""
        data = self.get("query", query=f"{selector}[{seconds:.0f}s]")
        return [(each["metric"], [float(value) for _, value in each["values"]]) for each in data["result"]]

    @property
    def log(self) -> str:
        """What it wrote."""
        return (self.folder / "prometheus.log").read_text("utf-8")


@contextmanager
def prometheus(
    folder: Path,
    *targets: str,
    every: str = "1s",
    rules: Sequence[Path] = (),
    alertmanagers: Sequence[str] = (),
    changes: Mapping[str, Any] | None = None,
) -> Iterator[Prometheus]:
    """Run a Prometheus that scrapes targets (`host:port`) as job `munjigi`; `changes` replace parts of its configuration."""
    need_program("prometheus")
    folder.mkdir(parents=True, exist_ok=True)
    configuration = {
        "global": {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every},
        "rule_files": [str(path) for path in rules],
        "scrape_configs": [{"job_name": "munjigi", "static_configs": [{"targets": list(targets)}]}],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": list(alertmanagers)}]}]} if alertmanagers else {},
        **(changes or {}),
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration))
    address = f"127.0.0.1:{free_port()}"
    command = [
        "prometheus",
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address={address}",
        "--enable-feature=exemplar-storage",
    ]
    with (folder / "prometheus.log").open("w") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, cwd=folder)
    server = Prometheus(folder, address)
    try:
        _wait_until_ready(server, process)
        yield server
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_ready(server: Prometheus, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, server.log
        with suppress(OSError, urllib.error.HTTPError), urllib.request.urlopen(f"{server.url}/-/ready", timeout=5) as answer:
            if answer.status == 200:
                return
        time.sleep(0.05)
    raise AssertionError(server.log)
