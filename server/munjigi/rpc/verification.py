"""What a verification found, as the answer of VerifyJournal and of `munjigi audit verify`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from munjigi.audit.records import RestoredRecord
from munjigi.audit.seal.check import SealCheck
from munjigi.audit.verify import Verification
from munjigi.kernel.ids import record_id
from munjigi_client._proto.munjigi.v1 import audit_pb2 as pb

NOT_SEALED: Final = "NOT_SEALED"  # the first checkpoint is still to come: nothing is wrong


class Restored(NamedTuple):
    """Where a restore is recorded."""

    log_id: str
    position: int
    record: RestoredRecord


def answer_of(seal: SealCheck, found: Sequence[Verification], restored: Sequence[Restored] = ()) -> pb.VerifyJournalResponse:
    """Put the findings into an answer. `restored` are the restores that are recorded; the seal knows all there were."""
    journals = [
        pb.JournalVerification(
            log_id=each.log_id,
            intact=each.intact,
            records=each.records,
            chain=each.chain,
            file=each.file,
            offset=each.offset,
            index=each.index,
            problem=each.problem,
            first=each.first,
            sealed=seal.sealed[each.log_id].size if each.log_id in seal.sealed else 0,
        )
        for each in found
    ]
    intact = all(each.intact for each in found) and seal.problem in ("", NOT_SEALED)
    return pb.VerifyJournalResponse(
        journals=journals,
        intact=intact,
        seal_problem=seal.problem,
        seal_entries=seal.entries,
        restorations=_restorations(seal, {each.record.origin: each for each in restored}),
        lost_entries=seal.lost,
    )


def _restorations(seal: SealCheck, recorded: Mapping[str, Restored]) -> list[pb.Restoration]:
    origins = [*(each.origin for each in seal.continued), seal.origin]
    made = []
    for before, origin in zip(seal.continued, origins[1:], strict=True):
        shown = pb.Restoration(origin=origin, continued_origin=before.origin, continued_entries=before.size)
        found = recorded.get(origin)
        if found is not None:
            record = found.record
            shown.record_id = record_id(found.log_id, found.position)
            shown.backup_id, shown.backup_time, shown.started_at = record.backup_id, record.backup_time, record.time
            shown.reason, shown.operator = record.reason, record.operator
            shown.kept_entries, shown.lost_entries = record.kept_entries, record.lost_entries
        made.append(shown)
    return made
