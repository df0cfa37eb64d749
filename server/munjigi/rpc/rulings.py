"""Decisions that still stand, with what their records and answers have in common.

A tool asks about one customer after the other for the same employee: the same columns, the same purpose, another member
and another case. Nothing of that is decided anew before the snapshot or the minute is another; each question has a
record of its own all the same.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from munjigi.audit.records import AccessRecord
from munjigi.decision.snapshot import Snapshot
from munjigi.decision.standing import stands_until
from munjigi.decision.types import Decision, Request
from munjigi.kernel.identity import EmployeeKey, SignIn
from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb

_MOST: Final = 2048

# All that a decision can depend on besides snapshot and time. Of the case id only whether there is one: one that does
# not have its purpose's form is refused before. The last flag is `observe`, which the record and the answer show.
Question = tuple[EmployeeKey, str, str, tuple[str, ...], str, str, bool, int, str, bool, bool, bool, SignIn]


class Ruling(NamedTuple):
    """One decision, made at `since` and standing until `until` (UTC nanoseconds). `record` and `answer` are to be copied."""

    snapshot: Snapshot
    request: Request
    decision: Decision
    record: AccessRecord
    answer: pb.CheckResponse
    since: int
    until: int


class Rulings:
    """The rulings of one snapshot. Lives on the event loop."""

    def __init__(self) -> None:
        self._snapshot: Snapshot | None = None
        self._standing: dict[Question, Ruling] = {}

    def find(self, snapshot: Snapshot, question: Question, now: int) -> Ruling | None:
        """Return what was decided and stands at `now`; None when it must be decided."""
        if snapshot is not self._snapshot:
            self._snapshot = snapshot
            self._standing.clear()
            return None
        ruling = self._standing.get(question)
        return ruling if ruling is not None and ruling.since <= now < ruling.until else None

    def rule(
        self,
        snapshot: Snapshot,
        question: Question,
        request: Request,
        decision: Decision,
        record: AccessRecord,
        answer: pb.CheckResponse,
        now: int,
    ) -> Ruling:
        """Make a ruling and keep it, unless it has names that callers can make up without end."""
        known = decision.resource_known and decision.purpose_known and decision.action_known and not decision.unknown_fields
        until = stands_until(snapshot, request.employee, now, request.sign_in) if known else now
        ruling = Ruling(snapshot, request, decision, record, answer, now, until)
        if known and snapshot is self._snapshot:
            if len(self._standing) >= _MOST:
                self._standing.clear()
            self._standing[question] = ruling
        return ruling
