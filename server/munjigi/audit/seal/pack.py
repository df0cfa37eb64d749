"""An evidence pack: records with all that proves them, as lines of JSON that a program of one file can check.

The first line holds the checkpoint and the changes of key, each further one a record: its bytes, its place in its
log's tree, and that tree's place in the installation's.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Final

from munjigi.audit.archive import ArchivedLog
from munjigi.audit.ports import LogSource
from munjigi.audit.seal import entries as entries_
from munjigi.audit.seal import merkle
from munjigi.audit.seal.entries import NewKey
from munjigi.audit.seal.note import Checkpoint
from munjigi.audit.seal.reader import SealReader
from munjigi.audit.seal.store import rotations
from munjigi.kernel.errors import Corruption, FailedPrecondition, NotFound
from munjigi.kernel.ids import record_id

FORMAT: Final = "munjigi-evidence/1"


def evidence(
    seal: SealReader,
    logs: Mapping[str, LogSource | ArchivedLog],
    places: Iterable[tuple[str, int]],
    before: Sequence[SealReader] = (),
) -> Iterator[str]:
    """Yield the lines of a pack about the records at (log id, index). `before` are the generations before this one.

    Raises `NotFound` for a record that does not exist, `FailedPrecondition` for one that is not sealed yet, and
    `Corruption` for one that is not what was sealed.
    """
    lineage = (*before, seal)
    changes = [_rotation(each, number, str(note)) for each in lineage for number, note in rotations(each.folder)]
    yield _line({FORMAT: str(seal.note), "keys": [each for each in changes if each]})
    for log_id, index in places:
        yield _record(seal, logs.get(log_id), log_id, index)


def _rotation(seal: SealReader, number: int, note: str) -> dict[str, object]:
    entry = entries_.parse(b"".join(seal.entries.read(number)))
    size = Checkpoint.parse(note).size
    if not isinstance(entry, NewKey) or number >= size:
        return {}
    proof = merkle.inclusion(seal.tree, number, size)
    return {"checkpoint": note, "entry": number, "time": entry.time, "key": _text(entry.public), "proof": _texts(proof)}


def _record(seal: SealReader, log: LogSource | ArchivedLog | None, log_id: str, index: int) -> str:
    name = record_id(log_id, index)
    records = log.read(index, 1) if log is not None else []
    if not records:
        raise NotFound("RECORD_UNKNOWN", f"There is no record {name}.")
    found = seal.head_of(log_id)
    if found is None or found[1].size <= index:
        raise FailedPrecondition("NOT_SEALED_YET", f"Record {name} is not sealed yet; try again in a second or two.")
    number, head = found
    with closing(seal.tree_of(log_id)) as tree:
        if merkle.leaf_hash(records[0][1]) != tree.leaf(index):
            raise Corruption(
                "RECORD_NOT_AS_SEALED",
                f"Record {name} is not the one that was sealed; run `munjigi audit verify`, with the archive.",
            )
        proof = merkle.inclusion(tree, index, head.size)
    within = merkle.inclusion(seal.tree, number, seal.checkpoint.size)
    return _line(
        {
            "id": name,
            "record": _text(records[0][1]),
            "proof": _texts(proof),
            "head": {"entry": number, "size": head.size, "root": _text(head.root), "proof": _texts(within)},
        }
    )


def _line(content: dict[str, object]) -> str:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")) + "\n"


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _texts(proof: list[bytes]) -> list[str]:
    return [_text(each) for each in proof]
