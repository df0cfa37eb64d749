"""Metrics by prometheus-client: each process writes memory-mapped files, the follower renders them all.

The environment variable PROMETHEUS_MULTIPROC_DIR must be set before this module is imported; the supervisor
sets it for its children.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess, values
from prometheus_client.values import MultiProcessValue

from munjigi.monitoring.catalogue import BUCKETS, CATALOGUE, Metric

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


class PrometheusSink:
    """Register the catalogue in this process and take its counts.

    `process` names its files: a process that is started again under its name goes on counting in them.
    """

    def __init__(self, process: str) -> None:
        # The library's own way to name them: https://prometheus.github.io/client_python/multiprocess/
        values.ValueClass = MultiProcessValue(process_identifier=lambda: process)  # type: ignore[no-untyped-call]
        registry = CollectorRegistry()
        self._metrics: dict[str, Any] = {metric.name: _register(metric, registry) for metric in CATALOGUE}
        self._children: dict[tuple[str, tuple[str, ...]], Any] = {}

    def _child(self, metric: Metric, labels: Sequence[str]) -> Any:
        key = (metric.name, tuple(labels))
        child = self._children.get(key)
        if child is None:
            parent = self._metrics[metric.name]
            child = self._children[key] = parent.labels(*labels) if labels else parent
        return child

    def add(self, metric: Metric, labels: Sequence[str], amount: float) -> None:
        """Add to a counter."""
        self._child(metric, labels).inc(amount)

    def set(self, metric: Metric, labels: Sequence[str], value: float) -> None:
        """Set a gauge."""
        self._child(metric, labels).set(value)

    def observe_many(self, metric: Metric, labels: Sequence[str], counts: Sequence[int], total: float) -> None:
        """Add observations by bucket and their sum.

        The public API takes one observation at a time, at 3 µs each; a test pins these two attributes.
        """
        child = self._child(metric, labels)
        for bucket, count in zip(child._buckets, counts, strict=True):  # noqa: SLF001 - see above
            if count:
                bucket.inc(count)
        child._sum.inc(total)  # noqa: SLF001 - see above


def _register(metric: Metric, registry: CollectorRegistry) -> Any:
    if metric.kind == "counter":
        return Counter(metric.name, metric.help, metric.labels, registry=registry)
    if metric.kind == "gauge":
        return Gauge(metric.name, metric.help, metric.labels, registry=registry, multiprocess_mode=metric.across)
    return Histogram(metric.name, metric.help, metric.labels, registry=registry, buckets=BUCKETS)


class _Sorted:
    """All processes' metrics by name; the library's own order is that of the folder's entries."""

    def collect(self) -> Iterable[Any]:
        found = multiprocess.MultiProcessCollector(None).collect()  # type: ignore[no-untyped-call]
        return sorted(found, key=lambda metric: str(metric.name))


def render() -> bytes:
    """Render the metrics of all processes, dead ones' counters included."""
    registry = CollectorRegistry()
    registry.register(_Sorted())
    return generate_latest(registry)


def forget(process: str) -> None:
    """Count a process that has ended no longer among those that live."""
    multiprocess.mark_process_dead(process)  # type: ignore[no-untyped-call]


def prepare_folder(folder: Path) -> None:
    """Empty the folder of metric files for a new start of the daemon and name it to this process's children."""
    folder.mkdir(mode=0o700, exist_ok=True)
    for file in _files(folder):
        file.unlink()
    os.environ[VARIABLE] = str(folder)


def _files(folder: Path) -> Iterable[Path]:
    return folder.glob("*.db")
