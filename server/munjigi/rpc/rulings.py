"""Decisions that still stand, with what their records and answers have in common.

A tool asks about one customer after the other for the same employee: the same columns, the same purpose, another member
and another case. Nothing of that is decided anew before the snapshot or the minute is another; each question has a
record of its own all the same.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from munjigi.audit.records import AccessRecord
from munjigi.decision.helptext import Help
from munjigi.decision.snapshot import Snapshot
from munjigi.decision.standing import stands_until
from munjigi.decision.types import Decision, Request
from munjigi.kernel.identity import EmployeeKey, SignIn
from munjigi.monitoring.counted import Counted, counted
from munjigi.rpc.answers import Answer
from munjigi.rpc.forms import MOST, Form, Forms
from munjigi.rpc.pending import Read

# All that a decision, its record and its answer can depend on besides snapshot and time: employee, tool, form, employee's
# address, number of members, whether there is a case id (one that does not have its purpose's form is refused before), sign-in.
Question = tuple[EmployeeKey, str, Form, str, int, bool, SignIn]


class Ruling(NamedTuple):
    """One decision, made at `since` and standing until `until` (UTC nanoseconds).

    `record` is to be copied. `read` is what an ALLOW lets be confirmed, if anything; None for a DENY.
    """

    snapshot: Snapshot
    request: Request
    decision: Decision
    record: AccessRecord
    answer: Answer
    read: Read | None
    counted: Counted
    since: int
    until: int


class Rulings:
    """The rulings of one snapshot, and the forms of their questions. Lives on the event loop."""

    def __init__(self, most: int = MOST, *, calendar: bool = True) -> None:
        """Keep at most `most` rulings, and as many forms. `calendar` is what `stands_until` makes of it."""
        self._most = most
        self._calendar = calendar
        self.forms: Final = Forms(most)
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
        answer: Answer,
        read: Read | None,
        now: int,
    ) -> Ruling:
        """Make a ruling and keep it, unless it has names that callers can make up without end."""
        known = decision.resource_known and decision.purpose_known and decision.action_known and not decision.unknown_fields
        calendar = self._calendar or isinstance(decision.help, Help)  # whom it names may be deputies, for a time
        until = stands_until(snapshot, request.employee, now, request.sign_in, calendar=calendar) if known else now
        labels = counted(request, decision, record.data_classes)
        ruling = Ruling(snapshot, request, decision, record, answer, read, labels, now, until)
        if known and snapshot is self._snapshot:
            _, _, form, *_ = question
            if len(self._standing) >= self._most:
                self._standing.clear()
            self._standing[question] = ruling
            self.forms.keep(form)
        return ruling
