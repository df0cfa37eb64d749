"""The page of a daemon, taken apart by the library's own parser."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Callable

from prometheus_client.parser import text_string_to_metric_families
from running import Daemon

OPENMETRICS = "application/openmetrics-text;version=1.0.0"

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]
SECONDS = 60.0


def text_of(daemon: Daemon, accept: str = "*/*") -> str:
    request = urllib.request.Request(f"http://{daemon.http_address}/metrics", headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return str(answer.read().decode())


def samples_of(text: str) -> Samples:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def total(samples: Samples, name: str, **labels: str) -> float:
    """Add up a metric's samples with these labels."""
    return sum(value for (found, of), value in samples.items() if found == name and labels.items() <= dict(of).items())


def eventually(daemon: Daemon, holds: Callable[[Samples], bool], what: str) -> Samples:
    """Ask until the page holds; return it."""
    deadline = time.monotonic() + SECONDS
    while not holds(found := samples_of(text_of(daemon))):
        assert time.monotonic() < deadline, f"{what}\n{daemon.text[-2000:]}"
        time.sleep(0.1)
    return found
