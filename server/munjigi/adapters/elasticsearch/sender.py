"""Send lines until each is stored or known to be unstorable.

Bulk `create` with a name of the record's own makes a repeated line harmless: 201 and 409 both mean that a document of that
name is there. What passes by waiting is sent again with full jitter; what never will is a dead letter, never dropped silently;
what somebody must mend in the cluster ends the call at once (`verdicts.py`).
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

from munjigi.adapters.elasticsearch.access import Reply, refusal
from munjigi.adapters.elasticsearch.cluster import Cluster
from munjigi.adapters.elasticsearch.documents import Line, chunks
from munjigi.adapters.elasticsearch.request_size import MOST_DOCUMENTS, RequestSize
from munjigi.adapters.elasticsearch.verdicts import PASSING, Refused, items, verdict
from munjigi.adapters.elasticsearch.wire import BULK, STORED
from munjigi.kernel.errors import FailedPrecondition, Unavailable
from munjigi.monitoring import catalogue
from munjigi.monitoring.metric import Metric

ATTEMPTS: Final = 6
_FIRST_PAUSE: Final = 0.1  # seconds; doubles with every attempt up to the longest; a random part of it is waited
_LONGEST_PAUSE: Final = 5.0


class Count(Protocol):
    """Count something: `Meter.add`."""

    def __call__(self, metric: Metric, *labels: str, amount: float = 1) -> None:
        """Add to a counter."""
        ...


def _uncounted(metric: Metric, *labels: str, amount: float = 1) -> None:
    """Count nowhere: a command has no metrics."""


class _Outcome(NamedTuple):
    """What one attempt came to: the dead, what to send again, and the error that ends the call now or when that never succeeds."""

    dead: list[Refused]
    again: list[Refused]
    problem: Unavailable | None
    held: bool


class Sender:
    """Sends chunks. Several may be under way at once; use on one event loop."""

    def __init__(self, cluster: Cluster, count: Count = _uncounted) -> None:
        self._cluster = cluster
        self.count = count
        self._size = RequestSize()
        self._checked: set[str] = set()

    @property
    def most_bytes(self) -> int:
        """The size of the largest request that is sent at present."""
        return self._size.limit

    async def send(self, lines: Sequence[Line]) -> list[Refused]:
        """Return when every line is stored, apart from the dead ones that are returned.

        Raises `Unavailable` when the cluster did not take them in several attempts, or won't before it is mended; part of
        them may be stored. `FailedPrecondition` when they went to an index that is not ours.
        """
        left = list(lines)
        dead: list[Refused] = []
        taking: set[str] = set()  # indices that stored something meanwhile
        for attempt in range(ATTEMPTS):
            outcome = await self._send_once(left, taking)
            dead += outcome.dead
            if outcome.held:
                raise outcome.problem or refusal(503, "")
            again = outcome.again
            if attempt + 1 == ATTEMPTS and all(each.status == 500 and each.line.target in taking for each in again):
                dead += again  # over and over, while its neighbours passed: it is the document
                again = []
            if not again:
                if dead:
                    self.count(catalogue.SHIP_RECORDS, "dead", amount=len(dead))
                await self._check({line.target for line in lines})
                return dead
            left = [each.line for each in again]
            if attempt + 1 < ATTEMPTS:
                self.count(catalogue.SHIP_RETRIES, amount=len(left))
                longest = min(_FIRST_PAUSE * 2**attempt, _LONGEST_PAUSE)
                await asyncio.sleep(random.random() * longest)  # noqa: S311 -- spreads load, guards nothing
        raise outcome.problem or refusal(503, "")

    async def _send_once(self, lines: Sequence[Line], taking: set[str]) -> _Outcome:
        """Send lines once, in as many requests as their size asks for."""
        dead: list[Refused] = []
        again: list[Refused] = []
        problem: Unavailable | None = None
        waiting = list(chunks(lines, MOST_DOCUMENTS, self._size.limit))
        while waiting:
            chunk = waiting.pop(0)
            body = b"".join(line.data for line in chunk)
            try:
                reply = await self._cluster.request("POST", BULK, body, lines=True)
            except Unavailable as error:
                if error.reason == "ELASTICSEARCH_SLOW":
                    self._size.too_slow(len(body))
                problem, again = error, again + _all(chunk)
                continue
            if reply.status == 413:
                self._size.too_large(len(body))
                if len(chunk) > 1:
                    waiting[:0] = chunks(chunk, MOST_DOCUMENTS, self._size.limit)
                else:
                    dead.append(Refused(chunk[0], 413, "request_too_large"))
                continue
            self._size.passed(len(body))
            outcome = self._judge(chunk, reply, taking)
            dead += outcome.dead
            again += outcome.again
            problem = outcome.problem or problem
            if outcome.held:
                return _Outcome(dead, again, problem, held=True)
        return _Outcome(dead, again, problem, held=False)

    def _judge(self, chunk: list[Line], reply: Reply, taking: set[str]) -> _Outcome:
        """Go through the verdicts of one request."""
        if reply.ok and reply.body.get(STORED) == len(chunk):
            self.count(catalogue.SHIP_RECORDS, "stored", amount=len(chunk))
            taking.update([line.target for line in chunk])
            return _Outcome([], [], None, held=False)
        found = items(reply)
        if not reply.ok or len(found) != len(chunk):
            passing = reply.ok or reply.status in PASSING  # with 200 and another form, something before the cluster answered
            return _Outcome([], _all(chunk), refusal(reply.status, reply.error_type), held=not passing)
        refused: dict[str, list[Refused]] = {"dead": [], "again": [], "doubtful": [], "held": []}
        counted: Counter[str] = Counter()
        for line, (status, kind) in zip(chunk, found, strict=True):
            what = verdict(status, kind)
            if what in refused:
                refused[what].append(Refused(line, status, kind))
            else:
                counted[what] += 1
                taking.add(line.target)
        for result, amount in counted.items():
            self.count(catalogue.SHIP_RECORDS, result, amount=amount)
        problems = [refusal(each.status, each.kind) for each in (*refused["held"], *refused["again"], *refused["doubtful"])]
        again = [*refused["again"], *refused["doubtful"], *refused["held"]]
        return _Outcome(refused["dead"], again, problems[0] if problems else None, held=bool(refused["held"]))

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


def _all(chunk: list[Line]) -> list[Refused]:
    return [Refused(line, 0, "") for line in chunk]
