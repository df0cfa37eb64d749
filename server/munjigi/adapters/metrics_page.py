"""The page of all processes' metrics, dead ones' counters included, as text or as OpenMetrics with exemplars."""

from __future__ import annotations

import json
import os
import time
from bisect import bisect_left
from collections.abc import Iterable
from typing import Any, NamedTuple

from prometheus_client import CollectorRegistry, multiprocess
from prometheus_client.exposition import choose_encoder
from prometheus_client.samples import Exemplar
from prometheus_client.utils import floatToGoString

from munjigi.adapters.metrics_folder import VARIABLE
from munjigi.adapters.prometheus import slowest_files
from munjigi.monitoring import catalogue
from munjigi.monitoring.metric import BUCKETS, Metric, Slowest


class Page(NamedTuple):
    """One page, and what it took."""

    content: bytes
    content_type: str
    series: int
    seconds: float


def render(accept: str = "") -> Page:
    """Render a page as the scraper likes it: `accept` is its header."""
    began = time.perf_counter()
    encode, content_type = choose_encoder(accept)
    families = _families()
    if content_type.startswith("application/openmetrics-text"):
        _point(families, catalogue.CALL_SECONDS)
    registry = CollectorRegistry()
    registry.register(_Fixed(families))
    content = encode(registry)
    return Page(content, content_type, sum(len(each.samples) for each in families), time.perf_counter() - began)


class _Fixed:
    """Families that were read already."""

    def __init__(self, families: list[Any]) -> None:
        self._families = families

    def collect(self) -> Iterable[Any]:
        return self._families

    def describe(self) -> Iterable[Any]:
        return ()


def _families() -> list[Any]:
    """Read every process' files, by name; the library's own order is that of the folder's entries."""
    found = multiprocess.MultiProcessCollector(None, os.environ[VARIABLE]).collect()  # type: ignore[no-untyped-call]
    return sorted(found, key=lambda family: str(family.name))


def _point(families: list[Any], metric: Metric) -> None:
    """Tie the slowest call of each of a histogram's series to the bucket that it is in."""
    slowest: dict[str, Slowest] = {}
    for file in slowest_files(metric).glob("*.json"):
        for value, call in json.loads(file.read_text("utf-8")).items():
            slowest[value] = max(slowest.get(value, Slowest(0.0, "", "", 0)), Slowest(*call))
    (label,) = metric.labels
    for family in families:
        if family.name == metric.name:
            family.samples = [_pointed(sample, slowest.get(sample.labels[label])) for sample in family.samples]


def _pointed(sample: Any, call: Slowest | None) -> Any:
    if call is None or not sample.name.endswith("_bucket") or sample.labels["le"] != _bucket(call.seconds):
        return sample
    ids = {"decision_id": call.decision_id, "trace_id": call.trace_id}
    return sample._replace(exemplar=Exemplar({name: each for name, each in ids.items() if each}, call.seconds, call.at / 1e9))


def _bucket(seconds: float) -> str:
    position = bisect_left(BUCKETS, seconds)
    found: str = floatToGoString(BUCKETS[position] if position < len(BUCKETS) else "inf")  # type: ignore[no-untyped-call]
    return found
