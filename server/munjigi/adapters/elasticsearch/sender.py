"""Send lines until each is stored or known to be unstorable.

Bulk `create` with a name of the record's own makes a repeated line harmless: 201 and 409 both mean that a document of that
name is there. What can pass by waiting is sent again with full jitter; what never will is a dead letter, never dropped silently.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple, Protocol

from munjigi.adapters.elasticsearch.access import Reply, refusal
from munjigi.adapters.elasticsearch.cluster import Cluster
from munjigi.adapters.elasticsearch.documents import Line, chunks
from munjigi.kernel.errors import FailedPrecondition, Unavailable
from munjigi.monitoring import catalogue
from munjigi.monitoring.catalogue import Metric

MOST_DOCUMENTS: Final = 1000  # in one request
MOST_BYTES: Final = 1 << 20  # of one request: more would hold the event loop; halved whenever the cluster finds it too large
ATTEMPTS: Final = 6
_FIRST_PAUSE: Final = 0.1  # seconds; doubles with every attempt up to the longest; a random part of it is waited
_LONGEST_PAUSE: Final = 5.0
_BULK: Final = "/_bulk?filter_path=errors,items.*.status,items.*.error.type"

# Kinds of a 400 that are about the document. Others (too many shards, a closed index) are about the cluster and pass.
_UNSTORABLE: Final = frozenset(
    {"document_parsing_exception", "mapper_parsing_exception", "strict_dynamic_mapping_exception", "illegal_argument_exception"}
)

Verdict = Literal["stored", "already", "dead", "again"]


class Count(Protocol):
    """Count something: `Meter.add`."""

    def __call__(self, metric: Metric, *labels: str, amount: float = 1) -> None:
        """Add to a counter."""
        ...


def _uncounted(metric: Metric, *labels: str, amount: float = 1) -> None:
    """Count nowhere: a command has no metrics."""


class Dead(NamedTuple):
    """A line that the cluster will never take as it is: its status and the kind of the error."""

    line: Line
    status: int
    kind: str


class _Outcome(NamedTuple):
    """One request's outcome: the dead, what to send again, and what to say when that never succeeds."""

    dead: list[Dead]
    again: list[Line]
    problem: Unavailable | None


def verdict(status: int, kind: str) -> Verdict:
    """Judge one document's status."""
    if status in (200, 201):
        return "stored"
    if status == 409:
        return "already"
    if status == 400 and kind in _UNSTORABLE:
        return "dead"
    return "again"


class Sender:
    """Sends chunks. Several may be under way at once; use on one event loop."""

    def __init__(self, cluster: Cluster, count: Count = _uncounted) -> None:
        self._cluster = cluster
        self._count = count
        self._most_bytes = MOST_BYTES
        self._checked: set[str] = set()

    @property
    def most_bytes(self) -> int:
        """The size of a request that the cluster is known to take, or the most that we send."""
        return self._most_bytes

    async def send(self, lines: Sequence[Line]) -> list[Dead]:
        """Return when every line is stored, apart from the dead ones that are returned.

        Raises `Unavailable` when the cluster did not take them in several attempts; part of them may be stored.
        `FailedPrecondition` when they went to an index that is not ours.
        """
        left = list(lines)
        dead: list[Dead] = []
        for attempt in range(ATTEMPTS):
            outcome = await self._send_once(left)
            dead += outcome.dead
            left = outcome.again
            if not left:
                await self._check({line.target for line in lines})
                return dead
            if attempt + 1 < ATTEMPTS:
                self._count(catalogue.SHIP_RETRIES, amount=len(left))
                longest = min(_FIRST_PAUSE * 2**attempt, _LONGEST_PAUSE)
                await asyncio.sleep(random.random() * longest)  # noqa: S311 -- spreads load, guards nothing
        raise outcome.problem or refusal(503, "")

    async def _send_once(self, lines: Sequence[Line]) -> _Outcome:
        """Send lines once, in as many requests as their size asks for."""
        dead: list[Dead] = []
        again: list[Line] = []
        problem: Unavailable | None = None
        waiting = list(chunks(lines, MOST_DOCUMENTS, self._most_bytes))
        while waiting:
            chunk = waiting.pop(0)
            body = b"".join(line.data for line in chunk)
            try:
                reply = await self._cluster.request("POST", _BULK, body, lines=True)
            except Unavailable as error:
                problem, again = error, again + chunk
                continue
            if reply.status == 413 and len(chunk) > 1:
                self._most_bytes = max(1, min(self._most_bytes, len(body)) // 2)
                waiting[:0] = chunks(chunk, MOST_DOCUMENTS, self._most_bytes)
            elif reply.status == 413:
                dead.append(Dead(chunk[0], 413, "request_too_large"))
            elif reply.status in (401, 403):
                raise refusal(reply.status, reply.error_type)
            else:
                outcome = self._judge(chunk, reply)
                dead += outcome.dead
                again += outcome.again
                problem = outcome.problem or problem
        return _Outcome(dead, again, problem)

    def _judge(self, chunk: list[Line], reply: Reply) -> _Outcome:
        """Go through the verdicts of one request."""
        found = _items(reply)
        if not reply.ok or len(found) != len(chunk):
            return _Outcome([], chunk, refusal(reply.status, reply.error_type))
        dead: list[Dead] = []
        again: list[Line] = []
        problem: Unavailable | None = None
        counted = {"stored": 0, "already": 0, "dead": 0}
        for line, (status, kind) in zip(chunk, found, strict=True):
            what = verdict(status, kind)
            if what == "again":
                again.append(line)
                problem = refusal(status, kind)
                continue
            counted[what] += 1
            if what == "dead":
                dead.append(Dead(line, status, kind))
        for result, amount in counted.items():
            if amount:
                self._count(catalogue.SHIP_RECORDS, result, amount=amount)
        return _Outcome(dead, again, problem)

    async def _check(self, targets: set[str]) -> None:
        """Make sure that an index that was written for the first time was made by our template.

        Without it, Elasticsearch guesses types. Raises `FailedPrecondition`.
        """
        for target in sorted(targets - self._checked):
            reply = await self._cluster.demand("GET", f"/{target}/_mapping?filter_path=*.mappings.dynamic", fine=(404,))
            mapping = reply.body.get(target)
            dynamic = mapping["mappings"].get("dynamic") if isinstance(mapping, dict) else None
            if reply.status != 404 and dynamic != "strict":
                raise FailedPrecondition(
                    "ELASTICSEARCH_TEMPLATE_MISSING",
                    f"The index {target} was made without Munjigi's template; run `munjigi audit install-index`, then "
                    "delete that index: it is filled again by itself.",
                )
            self._checked.add(target)


def _items(reply: Reply) -> list[tuple[int, str]]:
    """Read the status and the kind of error of each line; empty when the answer isn't of that form."""
    found: list[tuple[int, str]] = []
    items = reply.body.get("items")
    for item in items if isinstance(items, list) else ():
        result = item.get("create") if isinstance(item, dict) else None
        if not isinstance(result, dict) or not isinstance(result.get("status"), int):
            return []
        error = result.get("error")
        kind = error.get("type") if isinstance(error, dict) else None
        found.append((result["status"], kind if isinstance(kind, str) else ""))
    return found
