"""Search the audit records in Elasticsearch; what is answered is what the log says, or nothing is.

The account may only read. A hit is made anew from the record's bytes that it carries, and compared as a whole: a document that
was edited, or stands where no record of ours belongs, ends the search with its name (P7). A document that was deleted, or edited so
that it does not match any more, is found by `munjigi audit reconcile`, not here.

Pages go on by `search_after` in a total order (time, log, index). A point in time would add nothing: documents never change, so
that a page neither repeats nor skips one that was there before; and a token must outlive the worker and its views of the cluster.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, Final

from munjigi.adapters.elasticsearch.access import Reply, json_bytes
from munjigi.adapters.elasticsearch.blocking import BlockingCluster
from munjigi.adapters.elasticsearch.documents import Documents, payload_of, time_of
from munjigi.adapters.elasticsearch.progress import AHEAD, Progress
from munjigi.audit import pages
from munjigi.audit.ports import IndexedRecord, RecordPage, RecordQuery
from munjigi.audit.schema.catalogue import SEARCHED
from munjigi.audit.schema.ecs import document
from munjigi.kernel.clock import to_rfc3339
from munjigi.kernel.errors import Corruption, FailedPrecondition, InvalidArgument, Unavailable
from munjigi.kernel.ids import parse_record_id, record_id

# A shard that fails, or an index that is closed, must not make the answer shorter; and the same copies answer each time, since
# copies are refreshed one by one.
_WHOLE: Final = "allow_partial_search_results=false&expand_wildcards=open,closed&preference=munjigi"
_MOMENT: Final = {"order": "desc", "format": "strict_date_optional_time_nanos", "numeric_type": "date_nanos"}
_ORDER: Final = [
    {"@timestamp": {**_MOMENT, "unmapped_type": "date_nanos"}},
    {"munjigi.log_id": {"order": "desc", "unmapped_type": "keyword"}},
    {"munjigi.index": {"order": "desc", "unmapped_type": "long"}},
]
_KEPT: Final = 300 * 86_400_000_000_000  # nanoseconds; retention removes nothing that is younger
_INDEX_NAME: Final = re.compile(r"[a-z0-9.-]{1,100}\Z")
_LOGGER: Final = logging.getLogger("munjigi.search")

Agrees = Callable[[str, int, bytes], bool]


class ElasticsearchSearch:
    """A `RecordSearch` over one cluster. Any thread may call.

    `shipping` is the folder of shipping's cursors, `logs` tells the ids of the logs of this installation, of which alone there
    are answers; `agrees` tells whether a log has these bytes at that index.
    """

    def __init__(
        self,
        cluster: BlockingCluster,
        documents: Documents,
        shipping: Path,
        logs: Callable[[], Collection[str]],
        agrees: Agrees,
    ) -> None:
        self._cluster = cluster
        self._documents = documents
        self._shipping = shipping
        self._logs = logs
        self._agrees = agrees
        self._target = f"/{documents.naming.pattern}/_search?{_WHOLE}"
        self._closed = False

    def holds(self, log_id: str, below: int) -> bool:
        """Tell whether a search finds every record of a log below an index.

        What is stored stands in shipping's cursor; a search finds it after the next refresh, so the last documents are counted:
        nothing before them was stored later.
        """
        self._refuse_closed()
        if not below:
            return True
        progress = Progress(self._shipping, log_id)
        if progress.cursor().next_index < below or any(index < below for index in progress.dead_letters()):
            return False
        first = max(0, below - AHEAD)
        filters = [{"term": {"munjigi.log_id": log_id}}, {"range": {"munjigi.index": {"gte": first, "lt": below}}}]
        body = {
            "size": 1,
            "query": {"bool": {"filter": filters}},
            "sort": [{"munjigi.index": {"order": "asc", "unmapped_type": "long"}}],
            "_source": ["@timestamp"],
            "track_total_hits": True,
        }
        reply = self._ask(body)
        found, hits = _total(reply), _hits(reply)
        long_ago = time.time_ns() - _KEPT  # what lies before has reached the end of its retention, where it is missing
        if hits and str(hits[0]["_source"].get("@timestamp", "")) < to_rfc3339(long_ago):
            first = max(first, int(hits[0]["sort"][0]))
        return found >= below - first or (not hits and progress.saved_at() < long_ago)

    def search(self, query: RecordQuery, page_size: int, page_token: str = "") -> RecordPage:
        """Return a page of records, newest first."""
        self._refuse_closed()
        pages.check_size(page_size)
        query.check()
        place = pages.place_of(query, page_token)
        body: dict[str, Any] = {
            "size": page_size + 1,
            "query": {"bool": {"filter": [{"terms": {"munjigi.log_id": sorted(self._logs())}}, *_conditions(query)]}},
            "sort": _ORDER,
            "track_total_hits": False,
        }
        if place is not None:
            body["search_after"] = [to_rfc3339(place.time), place.log_id, place.index]
        hits = _hits(self._ask(body))
        found = [self._record(hit) for hit in hits[:page_size]]
        if len(hits) <= page_size:
            return RecordPage(found, "")
        last = found[-1]
        return RecordPage(found, pages.token_of(query, pages.Place(last.time, last.log_id, last.index)))

    def close(self) -> None:
        """Let go of the connections. A second call does nothing."""
        self._closed = True
        self._cluster.close()

    def _ask(self, body: dict[str, Any]) -> Reply:
        """Search all our indices. Raises `Unavailable` also when an answer is not whole."""
        reply = self._cluster.demand("POST", self._target, body)
        shards = reply.body.get("_shards")
        if reply.body.get("timed_out") is not False or not isinstance(shards, dict) or shards.get("failed") != 0:
            raise _not_whole()
        return reply

    def _record(self, hit: dict[str, Any]) -> IndexedRecord:
        """Return the record of a hit. Raises `Corruption` when the document is not what the log's record makes."""
        name, target, source = str(hit["_id"]), str(hit["_index"]), hit["_source"]
        payload = payload_of(source)
        try:
            log_id, index = parse_record_id(name)
            same = json_bytes(document(log_id, index, payload)) == json_bytes(source)
            if same and target == self._documents.target(payload) and self._agrees(log_id, index, payload):
                return IndexedRecord(log_id, index, time_of(payload), payload)
            shown = record_id(log_id, index)
        except InvalidArgument:
            shown = "without a record's name"
        except Corruption:
            shown = name
        where = target if _INDEX_NAME.match(target) else "an index"
        _LOGGER.error("a document in Elasticsearch is not its record", extra={"document": shown, "index": where})
        raise Corruption(
            "DOCUMENT_ALTERED",
            f"Document {shown} in {where} of Elasticsearch is not what the log says: it was edited or invented there. Run "
            "`munjigi audit reconcile`, which names all such documents, and find out who writes to these indices.",
        )

    def _refuse_closed(self) -> None:
        if self._closed:
            raise FailedPrecondition("AUDIT_INDEX_CLOSED", "The audit index is closed; this process is stopping.")


def _conditions(query: RecordQuery) -> list[dict[str, Any]]:
    """Return the filters of a query: exact terms and ranges, in which no text has a meaning of its own."""
    found: list[dict[str, Any]] = []
    for name, field in SEARCHED.items():
        wanted = getattr(query, name)
        if not wanted:
            continue
        if name == "members":
            found.append({"terms": {field: list(wanted)}})
        elif name == "decision_id":
            query.position()  # refuses what is no record id
            found.append({"bool": {"should": [{"term": {"event.id": wanted}}, {"term": {field: wanted}}]}})
        else:
            found.append({"term": {field: wanted}})
    bounds = {"gte": query.from_time, "lt": query.to_time}
    times = {bound: to_rfc3339(moment) for bound, moment in bounds.items() if moment}
    return [*found, {"range": {"@timestamp": times}}] if times else found


def _hits(reply: Reply) -> list[dict[str, Any]]:
    hits = reply.body.get("hits")
    found = hits.get("hits") if isinstance(hits, dict) else None
    if not isinstance(found, list):
        raise _not_whole()
    return found


def _total(reply: Reply) -> int:
    total = reply.body["hits"].get("total") if isinstance(reply.body.get("hits"), dict) else None
    return int(total["value"]) if isinstance(total, dict) else 0


def _not_whole() -> Unavailable:
    return Unavailable(
        "ELASTICSEARCH_REFUSED", "Elasticsearch did not answer for all of its shards; look at its state, and search again."
    )
