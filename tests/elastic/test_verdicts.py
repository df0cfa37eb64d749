"""What each status of a document means for its record."""

from __future__ import annotations

import pytest

from munjigi.adapters.elasticsearch.access import Reply
from munjigi.adapters.elasticsearch.verdicts import items, verdict


@pytest.mark.parametrize(
    ("status", "kind", "means"),
    [
        (201, "", "stored"),
        (200, "", "stored"),
        (409, "version_conflict_engine_exception", "already"),
        (429, "es_rejected_execution_exception", "again"),
        (502, "", "again"),
        (503, "unavailable_shards_exception", "again"),
        (504, "", "again"),
        (400, "document_parsing_exception", "dead"),
        (400, "strict_dynamic_mapping_exception", "dead"),
        (400, "", "dead"),
        (413, "", "dead"),
        (400, "index_closed_exception", "held"),
        (400, "validation_exception", "held"),
        (401, "security_exception", "held"),
        (403, "security_exception", "held"),
        (403, "cluster_block_exception", "held"),
        (404, "index_not_found_exception", "held"),
        (500, "null_pointer_exception", "doubtful"),
        (507, "", "held"),
        (302, "", "held"),
    ],
)
def test_each_status_has_its_meaning(status: int, kind: str, means: str):
    assert verdict(status, kind) == means


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"items": {}},
        {"items": ["create"]},
        {"items": [{"create": {"status": 201}}, {"index": {"status": 201}}]},
        {"items": [{"create": {"status": "201"}}]},
    ],
)
def test_an_answer_of_another_form_is_no_verdict(body: dict[str, object]):
    assert items(Reply(200, body)) == []
