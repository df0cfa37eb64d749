"""Compare the cluster with the logs, a thousand records at a time: what is missing is sent again, what differs is named.

A document is a function of its record (`audit/schema/ecs.py`), so it can be made anew and compared as a whole: first the
digests of a range, then, where they differ, one by one. A document whose record was removed at the end of its retention carries
the record's bytes, and these are held against the hash that the seal kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, Literal, NamedTuple

import msgspec
import orjson

from munjigi.adapters.elasticsearch.access import json_bytes
from munjigi.adapters.elasticsearch.cluster import Cluster
from munjigi.adapters.elasticsearch.documents import Documents, payload_of, time_of
from munjigi.adapters.elasticsearch.progress import DeadLetter, Progress
from munjigi.adapters.elasticsearch.sender import Sender
from munjigi.audit.ports import LogSource
from munjigi.audit.schema.ecs import document
from munjigi.audit.seal.merkle import leaf_hash
from munjigi.kernel.errors import Corruption
from munjigi.kernel.ids import is_log_id, record_id

RANGE: Final = 1000  # records
_LOG: Final = "munjigi.log_id"
_INDEX: Final = "munjigi.index"
_KEEP: Final = "2m"

Leaf = Callable[[str, int], bytes]  # the hash that the seal keeps of a record, empty where it has none
Place = tuple[str, str]  # an index of Elasticsearch and a document's `_id`


class Finding(NamedTuple):
    """A document that is not what the logs say: `edited` differs from its record, `invented` has none there.

    `lost` has none either, and is of after the end of a log that a restore ended: what is left of a record that the backup did
    not have. It states no fault, and it proves nothing by itself.
    """

    kind: Literal["edited", "invented", "lost"]
    target: str
    document: str


class Compared(NamedTuple):
    """What comparing one log found. `missing` documents were sent again; `dead` are the records that were refused again."""

    log_id: str
    records: int
    missing: int
    dead: list[DeadLetter]
    findings: list[Finding]


class Reconciler:
    """Compares logs with what a cluster holds. The account must be allowed to read, to refresh and to create documents."""

    def __init__(self, cluster: Cluster, documents: Documents, sender: Sender, leaf: Leaf = lambda _log_id, _index: b"") -> None:
        self._cluster = cluster
        self._leaf = leaf
        self._documents = documents
        self._sender = sender

    async def compare(self, source: LogSource, progress: Progress, *, ended: bool = False) -> Compared:
        """Compare a whole log; `ended`: by a restore. Raises `Corruption` when it can't be read, `Unavailable` when the cluster doesn't answer."""
        first = at = source.first()
        missing = 0
        findings: list[Finding] = []
        letters = progress.dead_letters()
        of_log = {"term": {_LOG: source.log_id}}
        async with self._view() as view:
            if first:
                async for page in self._pages(view, of_log, {"range": {_INDEX: {"gte": 0, "lt": first}}}):
                    findings += self._removed(source.log_id, page)
            while records := source.read(at, RANGE):
                source.settle()
                end = at + len(records)
                there = await self._there(view, of_log, {"range": {_INDEX: {"gte": at, "lt": end}}})
                lost, found = self._differences(source.log_id, records, there)
                findings += found
                absent = {index for index, _ in lost.values()}
                if back := [DeadLetter(index, 0, "") for index in letters if at <= index < end and index not in absent]:
                    progress.add_letters(back)
                missing += await self._refill(source.log_id, lost, progress, findings)
                at = end
            others = {"bool": {"must_not": {"range": {_INDEX: {"gte": 0, "lt": at}}}}}
            beyond = self._beyond(source, at, await self._there(view, of_log, others))
            findings += [_as_lost(each, source.log_id, at) for each in beyond] if ended else beyond
        return Compared(source.log_id, at - first, missing, list(progress.dead_letters().values()), findings)

    async def unknown(self, log_ids: Collection[str]) -> tuple[dict[str, int], list[Finding]]:
        """Return how many documents other logs have here, by log id, and the documents that name no log at all."""
        not_ours = {"bool": {"must_not": {"terms": {_LOG: sorted(log_ids)}}}}
        body = {"size": 0, "query": not_ours, "aggs": {"logs": {"terms": {"field": _LOG, "size": 1000}}}}
        reply = await self._cluster.demand("POST", f"/{self._documents.naming.pattern}/_search", body)
        buckets = reply.body["aggregations"]["logs"]["buckets"] if "aggregations" in reply.body else []
        others = {str(each["key"]): int(each["doc_count"]) for each in buckets if is_log_id(str(each["key"]))}
        nameless = {"bool": {"must_not": {"terms": {_LOG: sorted((*log_ids, *others))}}}}
        async with self._view() as view:
            return others, [Finding("invented", *place) for place in sorted(await self._there(view, nameless))]

    def _differences(
        self, log_id: str, records: Sequence[tuple[int, bytes]], there: dict[Place, bytes]
    ) -> tuple[dict[Place, tuple[int, bytes]], list[Finding]]:
        """Return the records whose documents were not found, and the documents that differ."""
        expected: dict[Place, bytes] = {}
        place_of: dict[Place, tuple[int, bytes]] = {}
        for index, payload in records:
            place = (self._documents.target(payload), record_id(log_id, index))
            expected[place] = json_bytes(document(log_id, index, payload))
            place_of[place] = (index, payload)
        if len(there) == len(expected) and _digest(there) == _digest(expected):
            return {}, []
        findings = [Finding("invented", *place) for place in sorted(there.keys() - expected.keys())]
        findings += [Finding("edited", *place) for place, data in expected.items() if there.get(place, data) != data]
        belongs = self._documents.expected
        lost = {place: each for place, each in place_of.items() if place not in there and belongs(time_of(each[1]))}
        return lost, findings

    def _removed(self, log_id: str, there: dict[Place, bytes]) -> list[Finding]:
        """Judge documents whose records are not here any more."""
        findings = []
        for (target, name), data in sorted(there.items()):
            source = orjson.loads(data)
            index, payload = int(source[_INDEX]), payload_of(source)
            try:
                same = (target, name) == (self._documents.target(payload), record_id(log_id, index)) and data == json_bytes(
                    document(log_id, index, payload)
                )
            except (Corruption, msgspec.MsgspecError, ValueError):
                same = False
            if not same or leaf_hash(payload) != self._leaf(log_id, index):
                findings.append(Finding("edited", target, name))
        return findings

    async def _refill(
        self, log_id: str, lost: dict[Place, tuple[int, bytes]], progress: Progress, findings: list[Finding]
    ) -> int:
        """Send what is really missing; a search finds neither the newest documents nor those that name another record."""
        if not lost:
            return 0
        gone: list[tuple[int, bytes]] = []
        docs = [{"_index": target, "_id": name} for target, name in lost]
        reply = await self._cluster.demand("POST", "/_mget", {"docs": docs})
        for (place, (index, payload)), each in zip(lost.items(), reply.body.get("docs", []), strict=True):
            if not each.get("found"):
                gone.append((index, payload))
            elif json_bytes(each.get("_source")) != json_bytes(document(log_id, index, payload)):
                findings.append(Finding("edited", *place))
        if not gone:
            return 0
        dead = await self._sender.send(self._documents.lines(log_id, gone))
        refused = {each.line.position: DeadLetter(each.line.position, each.status, each.kind) for each in dead}
        progress.add_letters([*refused.values(), *(DeadLetter(index, 0, "") for index, _ in gone if index not in refused)])
        return len(gone)

    def _beyond(self, source: LogSource, end: int, there: dict[Place, bytes]) -> list[Finding]:
        """Judge documents that claim a place after the end of the log, which may have grown meanwhile."""
        findings = []
        for (target, name), data in sorted(there.items()):
            number = name.rpartition("-")[2]
            index = int(number) if number.isascii() and number.isdigit() else -1
            records = source.read(index, 1) if index >= end else []
            if not records or (target, name) != (self._documents.target(records[0][1]), record_id(source.log_id, index)):
                findings.append(Finding("invented", target, name))
            elif data != json_bytes(document(source.log_id, index, records[0][1])):
                findings.append(Finding("edited", target, name))
        return findings

    async def _there(self, view: str, *conditions: dict[str, Any]) -> dict[Place, bytes]:
        """Return the documents of a view for which all conditions hold."""
        found: dict[Place, bytes] = {}
        async for page in self._pages(view, *conditions):
            found.update(page)
        return found

    async def _pages(self, view: str, *conditions: dict[str, Any]) -> AsyncIterator[dict[Place, bytes]]:
        """Yield the documents of a view for which all conditions hold, in bounded parts."""
        body: dict[str, Any] = {
            "size": RANGE,
            "query": {"bool": {"filter": list(conditions)}},
            "sort": [_INDEX, "_shard_doc"],
            "pit": {"id": view, "keep_alive": _KEEP},
            "track_total_hits": False,
        }
        while True:
            reply = await self._cluster.demand("POST", "/_search", body)
            hits = reply.body["hits"]["hits"]
            yield {(hit["_index"], hit["_id"]): json_bytes(hit["_source"]) for hit in hits}
            if len(hits) < RANGE:
                return
            body["search_after"] = hits[-1]["sort"]

    @asynccontextmanager
    async def _view(self) -> AsyncIterator[str]:
        """Hold a point in time of all our indices: what arrives meanwhile neither hides nor doubles anything.

        It holds what a search can find, so that all that was written before is made findable first.
        """
        await self._cluster.demand("POST", f"/{self._documents.naming.pattern}/_refresh")
        opened = await self._cluster.demand("POST", f"/{self._documents.naming.pattern}/_pit?keep_alive={_KEEP}")
        view = str(opened.body["id"])
        try:
            yield view
        finally:
            await self._cluster.request("DELETE", "/_pit", {"id": view})


def _as_lost(finding: Finding, log_id: str, end: int) -> Finding:
    """Take a document under a name that follows the log's end for one of the history that was lost."""
    of_log, _, number = finding.document.rpartition("-")
    follows = of_log == log_id and number.isascii() and number.isdigit() and int(number) >= end
    return finding._replace(kind="lost") if follows and finding.kind == "invented" else finding


def each_once(findings: Iterable[Finding]) -> list[Finding]:
    """Name each document once: one that claims another record's place is edited, not invented as well."""
    found: dict[Place, Finding] = {}
    for each in findings:
        if each.kind == "edited" or (each.target, each.document) not in found:
            found[each.target, each.document] = each
    return list(found.values())


def _digest(documents: dict[Place, bytes]) -> bytes:
    """Digest a range's documents with their names."""
    whole = hashlib.sha256()
    for (target, name), data in sorted(documents.items()):
        whole.update(b"%b\0%b\0%d\0" % (target.encode(), name.encode(), len(data)) + data)
    return whole.digest()
