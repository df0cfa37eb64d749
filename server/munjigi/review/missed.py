"""Whether somebody was denied for want of what a review took: the recorded question is put to the table that still has it."""

from __future__ import annotations

from munjigi.audit.records import AccessRecord
from munjigi.decision.core import decide
from munjigi.decision.recorded import asked_at, request_of
from munjigi.decision.snapshot import Snapshot
from munjigi.kernel.grant import Grant


def missed(record: AccessRecord, snapshot: Snapshot, before: Grant) -> bool:
    """Tell whether a recorded denial would have been an ALLOW with the grant as it was `before`.

    Menus that ask what to show, trials and questions about Munjigi itself are nobody's work.
    """
    if record.decision != "DENY" or record.probe or record.observe or record.own:
        return False
    whole = Snapshot(snapshot.bundle, snapshot.grants.with_grant(before, snapshot.grants.revision))
    return decide(whole, request_of(record, supposing=True), asked_at(record)).allow
