"""Metrics by prometheus-client: each process counts in memory-mapped files, which the follower reads (`metrics_page.py`).

The environment variable PROMETHEUS_MULTIPROC_DIR must be set before this module is imported; the supervisor
sets it for its children.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, values
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.values import MultiProcessValue

from munjigi.adapters.metrics_folder import VARIABLE
from munjigi.monitoring.catalogue import CATALOGUE
from munjigi.monitoring.metric import BUCKETS, Metric, Slowest

MOST_LABEL_SETS: Final = 500  # of one metric in one process
_LARGE, _SMALL = 512 * 1024, 64 * 1024  # bytes of a file of counts, of gauges: room for a daemon that was asked everything
OTHER: Final = "other"  # the labels of all beyond
_KEPT: Final = 60_000_000_000  # nanoseconds that a slowest call is pointed at, unless a slower one comes


class PrometheusSink:
    """Register the catalogue in this process and take its counts.

    `process` names its files: a process that is started again under its name goes on counting in them.
    """

    def __init__(self, process: str) -> None:
        # The library's own way to name them: https://prometheus.github.io/client_python/multiprocess/
        values.ValueClass = MultiProcessValue(process_identifier=lambda: process)  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        self._process = process
        for kind in {_file_kind(metric) for metric in CATALOGUE}:
            _allocate(Path(os.environ[VARIABLE]) / f"{kind}_{process}.db")
        self._sets: dict[str, set[tuple[str, ...]]] = defaultdict(set)
        for name, labels, _ in _counted(process):
            self._sets[name].add(labels)
        self._metrics: dict[str, Any] = {}
        self._children: dict[tuple[str, tuple[str, ...]], Any] = {}
        for metric in CATALOGUE:
            # Counters stand at 0 from the start. A gauge is of those who set it: another process' 0 would be the least of all.
            if metric.kind == "counter" and not metric.labels:
                self._child(metric, ())
            for value in metric.begins:
                self._child(metric, (value,))
        self._slowest: dict[str, dict[str, Slowest]] = {}

    def _child(self, metric: Metric, labels: Sequence[str]) -> Any:
        key = (metric.name, tuple(labels))
        child = self._children.get(key)
        if child is None:
            parent = self._metrics.get(metric.name)
            if parent is None:
                parent = self._metrics[metric.name] = _register(metric, self._registry)
            if not labels:
                child = self._children[key] = parent
                return child
            sets = self._sets[metric.name]
            if key[1] not in sets and len(sets) >= MOST_LABEL_SETS:
                return parent.labels(*(OTHER for _ in labels))
            sets.add(key[1])
            child = self._children[key] = parent.labels(*labels)
        return child

    def add(self, metric: Metric, labels: Sequence[str], amount: float) -> None:
        """Add to a counter. What a disk that refuses has no room for is not counted: the journal says that it refuses."""
        with suppress(OSError):
            self._child(metric, labels).inc(amount)

    def set(self, metric: Metric, labels: Sequence[str], value: float) -> None:
        """Set a gauge, as `add` does."""
        with suppress(OSError):
            self._child(metric, labels).set(value)

    def observe_many(self, metric: Metric, labels: Sequence[str], counts: Sequence[int], total: float) -> None:
        """Add observations by bucket and their sum.

        The public API takes one observation at a time, at 3 µs each; a test pins these two attributes.
        """
        with suppress(OSError):  # as in `add`
            child = self._child(metric, labels)
            for bucket, count in zip(child._buckets, counts, strict=True):  # noqa: SLF001 - see above
                if count:
                    bucket.inc(count)
            child._sum.inc(total)  # noqa: SLF001 - see above

    def point_at(self, metric: Metric, slowest: Mapping[str, Slowest]) -> None:
        """Keep the slowest calls of the last minute beside the counts; the library has no exemplars where processes are many."""
        kept = self._slowest.setdefault(metric.name, {})
        before = dict(kept)
        for value, call in slowest.items():
            known = kept.get(value)
            if (call.decision_id or call.trace_id) and (
                known is None or call.seconds >= known.seconds or abs(call.at - known.at) > _KEPT
            ):
                kept[value] = call
        if kept != before:
            path = slowest_files(metric) / f"{self._process}.json"
            with suppress(OSError):  # a full disk keeps nobody from being counted
                path.parent.mkdir(mode=0o700, exist_ok=True)
                fresh = path.with_suffix(".new")
                fresh.write_text(json.dumps(kept), "utf-8")
                fresh.replace(path)

    def counted(self, metric: Metric) -> float:
        """Return what a counter of this process adds up to, whoever ran under its name before."""
        return sum(value for name, _, value in _counted(self._process) if name == metric.name)


def _file_kind(metric: Metric) -> str:
    """Return what the library calls the file of such metrics."""
    return f"gauge_{metric.across}" if metric.kind == "gauge" else metric.kind


def _allocate(path: Path) -> None:
    """Make a file of counts with its room on the disk: the library's is sparse, and a write into it kills the process on a full disk.

    It comes into being whole, since a scrape may come between.
    """
    if path.exists():
        return
    size = _SMALL if path.name.startswith("gauge") else _LARGE
    draft = path.with_suffix(".new")
    with draft.open("wb") as file:
        file.truncate(size)
        if hasattr(os, "posix_fallocate"):
            with suppress(OSError):  # a full disk: as sparse as the library's
                os.posix_fallocate(file.fileno(), 0, size)
    draft.replace(path)


def _counted(process: str) -> Iterator[tuple[str, tuple[str, ...], float]]:
    """Yield each counter of a process' file: its name, label values and value."""
    path = Path(os.environ[VARIABLE]) / f"counter_{process}.db"
    if not path.exists():
        return
    names = {metric.name: metric.labels for metric in CATALOGUE}
    for key, value, _, _ in MmapedDict.read_all_values_from_file(str(path)):  # type: ignore[no-untyped-call]
        _, name, labels, _ = json.loads(key)
        if name in names:
            yield name, tuple(labels[label] for label in names[name]), value


def _register(metric: Metric, registry: CollectorRegistry) -> Any:
    if metric.kind == "counter":
        return Counter(metric.name, metric.help, metric.labels, registry=registry)
    if metric.kind == "gauge":
        return Gauge(metric.name, metric.help, metric.labels, registry=registry, multiprocess_mode=metric.across)
    return Histogram(metric.name, metric.help, metric.labels, registry=registry, buckets=BUCKETS)


def slowest_files(metric: Metric) -> Path:
    """Return the folder of the slowest calls, a file for each process."""
    return Path(os.environ[VARIABLE]) / f"{metric.name}.slowest"
