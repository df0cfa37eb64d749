"""What goes over the wire as bytes that are made already, and comes back as bytes that need not be read.

Of a thousand documents that were all stored, a bulk answer says the same thing a thousand times. Comparing it with what it would
be then costs a hundredth of parsing it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, ClassVar, Final

from elastic_transport import OrjsonSerializer, Serializer

BULK: Final = "/_bulk?filter_path=errors,items.*.status,items.*.error.type"
STORED: Final = "stored"  # name of a count of documents, in the place of an answer that says 201 of each
_BEFORE, _EACH, _AFTER = b'{"errors":false,"items":[', b'{"create":{"status":201}}', b"]}"


@lru_cache(maxsize=64)
def _all_stored(documents: int) -> bytes:
    return _BEFORE + b",".join([_EACH] * documents) + _AFTER


def stored_by(answer: bytes) -> int:
    """Return of how many documents a bulk answer says that all were stored now; 0 when it says anything else."""
    documents = (len(answer) - len(_BEFORE) - len(_AFTER) + 1) // (len(_EACH) + 1)
    return documents if documents > 0 and answer.startswith(_BEFORE) and answer == _all_stored(documents) else 0


class Json(OrjsonSerializer):
    """JSON under the name that Elasticsearch has for it. An answer that `stored_by` knows is read as `{STORED: documents}`."""

    mimetype: ClassVar[str] = "application/vnd.elasticsearch+json"

    def loads(self, data: bytes) -> Any:
        """Read an answer."""
        documents = stored_by(data)
        return {STORED: documents} if documents else super().loads(data)


class Lines(Serializer):
    """Newline-delimited JSON that is made already."""

    mimetype: ClassVar[str] = "application/vnd.elasticsearch+x-ndjson"

    def dumps(self, data: Any) -> bytes:
        """Send bytes as they are. Raises TypeError for anything else."""
        if not isinstance(data, bytes):
            raise TypeError
        return data


SERIALIZERS: Final[dict[str, Serializer]] = {each.mimetype: each for each in (Json(), Lines())}
