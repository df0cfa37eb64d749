"""One moment of all our indices, asked in pages of a bounded size: buckets of composite aggregations, and documents.

What arrives meanwhile is not in it. An answer that is not of all shards is no answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from types import TracebackType
from typing import Any, Final, Self

from munjigi.adapters.elasticsearch.blocking import BlockingCluster
from munjigi.kernel.clock import SECOND
from munjigi.kernel.errors import Unavailable

PAGE: Final = 20_000  # buckets of one answer, of which servers allow 65,535; each page looks at all documents of the query again
DOCUMENTS: Final = 10_000  # of one answer; servers allow no more
_KEEP: Final = "5m"  # between two requests
_SEARCH: Final = "/_search?allow_partial_search_results=false"
_TIME: Final = {"field": "@timestamp", "format": "strict_date_optional_time_nanos"}

Query = dict[str, Any]
Source = dict[str, Any]


def every(*conditions: Query, none: Sequence[Query] = ()) -> Query:
    """Return the query of documents for which all conditions hold, and not one of `none`."""
    return {"bool": {"filter": list(conditions), "must_not": list(none)}}


def some(*conditions: Query) -> Query:
    """Return the query of documents for which at least one condition holds."""
    return {"bool": {"should": list(conditions), "minimum_should_match": 1}}


def by(field: str, *, missing: bool = False) -> Source:
    """Group by each value of a field; `missing`: documents without one are a group, too, with the value None."""
    return {"terms": {"field": field, "missing_bucket": missing}}


class View:
    """One moment. Use as a context manager; the account may only read. Every method raises `Unavailable`.

    It holds what a search could find when it was opened, so that documents of the last second may not be in it yet.
    """

    def __init__(self, cluster: BlockingCluster, pattern: str) -> None:
        self._cluster = cluster
        self._pattern = pattern
        self._id = ""

    def __enter__(self) -> Self:
        """Open it."""
        reply = self._cluster.demand("POST", f"/{self._pattern}/_pit?keep_alive={_KEEP}&expand_wildcards=open,closed")
        self._id = str(reply.body["id"])
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Let go of it; a cluster that is away does so by itself."""
        with suppress(Unavailable):
            self._cluster.request("DELETE", "/_pit", {"id": self._id})

    def buckets(
        self, query: Query, sources: Mapping[str, Source], measures: Mapping[str, Any] | None = None
    ) -> Iterator[dict[str, Any]]:
        """Yield the buckets of a composite aggregation, in the order of its sources; `measures` are taken of each bucket."""
        composite: dict[str, Any] = {"size": PAGE, "sources": [{name: source} for name, source in sources.items()]}
        asked: dict[str, Any] = {"composite": composite, **({"aggs": measures} if measures else {})}
        body = {"size": 0, "query": query, "aggs": {"found": asked}, "track_total_hits": False}
        while True:
            answer = self._ask(body).get("aggregations", {}).get("found", {})  # no index, no aggregations
            found = answer.get("buckets", [])
            yield from found
            if len(found) < PAGE:
                return
            composite["after"] = answer["after_key"]

    def documents(self, query: Query, names: Sequence[str]) -> Iterator[tuple[int, int, dict[str, Any]]]:
        """Yield documents by their index in the log: that index, the time (UTC nanoseconds, 0 without one), and these fields."""
        body: dict[str, Any] = {
            "size": DOCUMENTS,
            "query": query,
            "sort": [{"munjigi.index": {"order": "asc", "unmapped_type": "long"}}, "_shard_doc"],
            **({"_source": list(names)} if names else {"stored_fields": "_none_"}),  # what is stored costs most of an answer
            "docvalue_fields": [_TIME],
            "track_total_hits": False,
        }
        while True:
            hits = self._ask(body)["hits"]["hits"]
            for hit in hits:
                times = hit.get("fields", {}).get("@timestamp", [])
                yield int(hit["sort"][0]), nanoseconds(times[0]) if times else 0, hit.get("_source", {})
            if len(hits) < DOCUMENTS:
                return
            body["search_after"] = hits[-1]["sort"]

    def _ask(self, body: dict[str, Any]) -> dict[str, Any]:
        answer = self._cluster.demand("POST", _SEARCH, {**body, "pit": {"id": self._id, "keep_alive": _KEEP}}).body
        shards = answer.get("_shards")
        if answer.get("timed_out") is not False or not isinstance(shards, dict) or shards.get("failed") != 0:
            raise Unavailable(
                "ELASTICSEARCH_REFUSED", "Elasticsearch did not answer for all of its shards; look at its state, and ask again."
            )
        self._id = str(answer.get("pit_id", self._id))
        return answer


def nanoseconds(text: str) -> int:
    """Return the UTC nanoseconds of a time as the cluster writes it: RFC 3339 with 0 to 9 decimals and `Z`."""
    seconds, _, rest = text.removesuffix("Z").partition(".")
    return int(datetime.fromisoformat(f"{seconds}+00:00").timestamp()) * SECOND + int(rest.ljust(9, "0") or "0")
