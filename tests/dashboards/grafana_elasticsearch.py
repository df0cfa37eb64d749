"""What Grafana 11 asks Elasticsearch for a panel, and the rows that it makes of the answer.

Source: `pkg/tsdb/elasticsearch/data_query.go` and `client/search_request.go` of Grafana 11. Only what our panels use.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from munjigi.reports.interpolation import Span, filled

TIME = "@timestamp"


def search(target: Mapping[str, Any], values: Mapping[str, str], span: Span) -> dict[str, Any]:
    """Return the body of the search."""
    start, end = (moment // 1_000_000 for moment in span)
    filters: list[Any] = [{"range": {TIME: {"gte": start, "lte": end, "format": "epoch_millis"}}}]
    lucene = filled(target["query"], values)
    filters.append({"query_string": {"analyze_wildcard": True, "query": lucene}})
    body: dict[str, Any] = {"query": {"bool": {"filter": filters}}, "track_total_hits": True}
    (metric,) = target["metrics"]
    if metric["type"] == "raw_data":
        return body | {
            "size": int(metric["settings"]["size"]),
            "sort": [{TIME: {"order": "desc", "unmapped_type": "boolean"}}, {"_doc": {"order": "desc"}}],
            "fields": [{"field": TIME, "format": "strict_date_optional_time_nanos"}],
            "script_fields": {},
        }
    return body | {"size": 0, "aggs": _nested(target["bucketAggs"], metric, values, span)}


def _nested(buckets: list[Any], metric: Mapping[str, Any], values: Mapping[str, str], span: Span) -> dict[str, Any]:
    if not buckets:
        return {} if metric["type"] == "count" else {metric["id"]: {metric["type"]: {"field": metric["field"]}}}
    first, *rest = buckets
    settings = first["settings"]
    if first["type"] == "date_histogram":
        start, end = (moment // 1_000_000 for moment in span)
        interval = values["__interval"] if settings["interval"] == "auto" else settings["interval"]
        asked: dict[str, Any] = {
            "field": first["field"],
            "fixed_interval": interval,
            "min_doc_count": int(settings["min_doc_count"]),
            "extended_bounds": {"min": start, "max": end},
            "format": "epoch_millis",
        }
    else:
        by = "_count" if metric["type"] == "count" else settings["orderBy"]
        asked = {
            "field": first["field"],
            "size": int(settings["size"]),
            "order": {by: settings["order"]},
            "min_doc_count": int(settings["min_doc_count"]),
        }
    inner = _nested(rest, metric, values, span)
    at_this_level = {} if metric["type"] == "count" or not rest else _nested([], metric, values, span)
    return {first["id"]: {first["type"]: asked, **({"aggs": inner | at_this_level} if inner or at_this_level else {})}}


def rows(target: Mapping[str, Any], answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the documents of a list, or a row for each innermost bucket: its keys by field, and `value`."""
    (metric,) = target["metrics"]
    if metric["type"] == "raw_data":
        return [hit["_source"] for hit in answer["hits"]["hits"]]
    return list(_rows(target["bucketAggs"], metric, answer["aggregations"], {}))


def _rows(
    buckets: list[Any], metric: Mapping[str, Any], found: Mapping[str, Any], keys: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    first, *rest = buckets
    for bucket in found[first["id"]]["buckets"]:
        named = {**keys, first["field"]: bucket["key"]}
        if rest:
            yield from _rows(rest, metric, bucket, named)
        else:
            value = bucket["doc_count"] if metric["type"] == "count" else bucket[metric["id"]]["value"]
            yield {**named, "value": value}
