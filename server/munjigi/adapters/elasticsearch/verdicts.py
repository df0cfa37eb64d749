"""What an answer of the cluster means for a record: stored, tried again, held back with all behind it, or a dead letter.

Only what is about the document makes a dead letter: it would be refused whenever it came. What is about the cluster (an index
that is closed, blocked or can't be made) holds shipping back until somebody mends it, and loses nothing.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from munjigi.adapters.elasticsearch.access import Reply
from munjigi.adapters.elasticsearch.documents import Line

PASSING: Final = frozenset({429, 502, 503, 504})  # by waiting alone

# Kinds of a 400 that say something about the cluster or the index, whatever the document is.
_OF_THE_CLUSTER: Final = frozenset(
    {
        "cluster_block_exception",
        "illegal_state_exception",
        "index_closed_exception",
        "index_not_found_exception",
        "invalid_alias_name_exception",
        "invalid_index_name_exception",
        "invalid_index_template_exception",
        "resource_already_exists_exception",  # two requests made the day's index at the same time
        "validation_exception",  # the cluster holds as many shards as it may
    }
)

# `doubtful`: the cluster failed over one document. If its index takes others meanwhile, the document is to blame.
Verdict = Literal["stored", "already", "dead", "again", "doubtful", "held"]


class Refused(NamedTuple):
    """A line that was not stored: the status and the kind of the error."""

    line: Line
    status: int
    kind: str


def verdict(status: int, kind: str) -> Verdict:
    """Judge one document's status."""
    if status in (200, 201):
        return "stored"
    if status == 409:
        return "already"
    if status in PASSING:
        return "again"
    if status == 413 or (status == 400 and kind not in _OF_THE_CLUSTER):
        return "dead"
    return "doubtful" if status == 500 else "held"


def items(reply: Reply) -> list[tuple[int, str]]:
    """Read the status and the kind of error of each document; empty when the answer isn't of that form."""
    found: list[tuple[int, str]] = []
    listed = reply.body.get("items")
    for item in listed if isinstance(listed, list) else ():
        result = item.get("create") if isinstance(item, dict) else None
        if not isinstance(result, dict) or not isinstance(result.get("status"), int):
            return []
        error = result.get("error")
        kind = error.get("type") if isinstance(error, dict) else None
        found.append((result["status"], kind if isinstance(kind, str) else ""))
    return found
