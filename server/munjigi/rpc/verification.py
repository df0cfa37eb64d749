"""What a verification found, as the answer of VerifyJournal and of `munjigi audit verify`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from munjigi.audit.seal.check import SealCheck
from munjigi.audit.verify import Verification
from munjigi_client._proto.munjigi.v1 import audit_pb2 as pb

NOT_SEALED: Final = "NOT_SEALED"  # the first checkpoint is still to come: nothing is wrong


def answer_of(seal: SealCheck, found: Sequence[Verification]) -> pb.VerifyJournalResponse:
    """Put the findings into an answer."""
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
            sealed=seal.sealed[each.log_id].size if each.log_id in seal.sealed else 0,
        )
        for each in found
    ]
    intact = all(each.intact for each in found) and seal.problem in ("", NOT_SEALED)
    return pb.VerifyJournalResponse(journals=journals, intact=intact, seal_problem=seal.problem, seal_entries=seal.entries)
