"""The real Prometheus, Alertmanager and sample receiver, started by the commands of deploy/prometheus/README.md, on other ports."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from alerts.shipped import ALERTS, FOLDER
from parts import need_program
from prometheus_server import Prometheus
from running import ROOT, free_port

FASTER = 60
README = (FOLDER / "README.md").read_text("utf-8")
SLACK = 20.0  # seconds: scrape, evaluation, grouping and sending take three, and other work may keep a small machine busy
_SECONDS = {"s": 1, "m": 60, "h": 3600}


def wait_of(name: str) -> float:
    """Return the seconds that an alert waits in the trial."""
    (wait,) = (alert.wait for alert in ALERTS if alert.name == name)
    return int(wait[:-1]) * _SECONDS[wait[-1]] / FASTER if wait else 0.0


class Watch:
    """The three servers. Each can be stopped and started again; `arrived` is all that the receiver printed."""

    def __init__(self, folder: Path, daemon: str) -> None:
        for program in ("prometheus", "prometheus-alertmanager"):
            need_program(program)
        self.folder = folder
        self.ports = {9464: int(daemon.rpartition(":")[2]), **{port: free_port() for port in (9090, 9093, 9095)}}
        self.processes: dict[str, subprocess.Popen[str]] = {}
        subprocess.run(self.command("generate.py"), cwd=ROOT, check=True)
        for name in ("prometheus.yml", "alertmanager.yml"):
            path = folder / name
            path.write_text(self._moved(path.read_text("utf-8")), "utf-8")
        self.prometheus = Prometheus(folder, f"127.0.0.1:{self.ports[9090]}")
        self.alertmanager = f"http://127.0.0.1:{self.ports[9093]}"

    def _moved(self, text: str) -> str:
        return re.sub(r"(?<=127\.0\.0\.1:)(9464|9090|9093|9095)\b", lambda match: str(self.ports[int(match[1])]), text)

    def command(self, named: str) -> list[str]:
        """Return the command of the README whose first words end with this, for this folder and these ports."""
        commands = [
            line for block in re.findall(r"^```sh\n(.*?)^```", README, re.DOTALL | re.MULTILINE) for line in block.splitlines()
        ]
        (line,) = (each for each in commands if any(word.endswith(named) for word in each.split()[:2]))
        words = shlex.split(re.sub(r"(?<![\w/])trial\b", str(self.folder), self._moved(line)))
        return [sys.executable if Path(words[0]).name.startswith("python") else words[0], *words[1:]]

    def start(self, *names: str) -> None:
        """Start some of `receiver.py`, `prometheus`, `prometheus-alertmanager`."""
        for name in names:
            more = ["--json", "--port", str(self.ports[9095])] if name == "receiver.py" else []
            with (self.folder / f"{name}.log").open("a") as log, (self.folder / f"{name}.out").open("a") as out:
                self.processes[name] = subprocess.Popen(
                    [*self.command(name), *more], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out, stderr=log, text=True
                )

    def stop(self, *names: str) -> None:
        """Stop some of them, or all."""
        ending = [self.processes.pop(name) for name in names or list(self.processes)]
        for process in ending:
            process.terminate()
        for process in ending:
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def got(self) -> list[dict[str, Any]]:
        """Return everything that arrived, oldest first."""
        path = self.folder / "receiver.py.out"
        lines = path.read_text("utf-8").splitlines(keepends=True) if path.exists() else []
        found = [json.loads(line) for line in lines if line.endswith("\n")]
        # Before its first scrape Prometheus knows of no daemon at all, which sixty times faster is an alert: it names no instance.
        return [each for each in found if each["alert"] != "MunjigiAway" or "instance" in each["labels"]]

    def wait_for(self, alert: str, status: str, receiver: str, seconds: float, *, after: int = 0) -> float:
        """Return how long it took until an alert arrived in this state, looking behind the first `after` that arrived."""
        begin = time.monotonic()
        wanted = {"alert": alert, "status": status, "receiver": receiver}
        until(
            lambda: any(wanted.items() <= each.items() for each in self.got()[after:]),
            seconds,
            lambda: f"{wanted} did not arrive in {seconds:.0f} s; there is {self.got()[after:]}; {self.trace()}",
        )
        return time.monotonic() - begin

    def settle(self) -> None:
        """Wait until all is well, and told: before its first scrape Prometheus knows of no daemon, and the trial's wait is shorter."""
        self.wait_for("Watchdog", "firing", "watchdog", 2 * SLACK)
        self.prometheus.wait_for('up{job="munjigi"} == 1')
        self.prometheus.wait_for('ALERTS{alertname!="Watchdog"}', lambda found: not found)
        until(lambda: not self._open(), SLACK, self.trace)

    def _open(self) -> list[tuple[str, str]]:
        last = {(each["receiver"], each["alert"]): each["status"] for each in self.got() if each["alert"] != "Watchdog"}
        return [key for key, status in last.items() if status == "firing"]

    def trace(self) -> str:
        """Return what helps to understand a failure."""
        logs = "\n".join((self.folder / f"{name}.log").read_text("utf-8")[-1_500:] for name in self.processes)
        pending: object = ""
        with suppress(OSError, AssertionError):
            pending = self.prometheus.query("ALERTS")
        return f"Prometheus has {pending}\n{logs}"


@contextmanager
def watching(folder: Path, daemon: str, *names: str) -> Iterator[Watch]:
    """Watch a daemon (the address of its /metrics) for a while; `names`: what is started at first, all by default."""
    watch = Watch(folder, daemon)
    try:
        watch.start(*(names or ("receiver.py", "prometheus-alertmanager", "prometheus")))
        yield watch
    finally:
        watch.stop()


def comes_and_goes(watch: Watch, alert: str, *receivers: str, begin: Callable[[], object], end: Callable[[], object]) -> None:
    """Bring a fault about and mend it: the alert arrives within its time at each receiver, not before its wait, and resolves after."""
    seen = len(watch.got())
    wait = wait_of(alert)
    try:
        begin()
        took = [watch.wait_for(alert, "firing", each, wait + SLACK, after=seen) for each in receivers]
        assert took[0] >= 0.9 * wait
        assert not [each for each in watch.got()[seen:] if each["status"] == "resolved" and each["alert"] == alert]
    finally:
        end()
    over = [watch.wait_for(alert, "resolved", each, SLACK, after=seen) for each in receivers]
    arrived = [each for each in watch.got()[seen:] if each["alert"] == alert]
    assert {each["receiver"] for each in arrived} == set(receivers)
    assert all(each["summary"] and each["runbook"].endswith(f"#{alert.lower()}") for each in arrived)
    print(f"{alert}: arrived after {took[0]:.1f} s (its wait is {wait:.1f} s), resolved {over[0]:.1f} s after the mending")


def until(condition: Callable[[], object], seconds: float, said: Callable[[], str]) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, said()
        time.sleep(0.05)
