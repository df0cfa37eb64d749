"""Calls without a transport: a made-up company asks the very services that answer real calls, each caller as if signed in."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any, Final

from google.protobuf.message import Message

from munjigi.company.events import Asked, Outcome, Question
from munjigi.company.ports import Refused
from munjigi.kernel.errors import (
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
)
from munjigi.kernel.identity import EMBEDDED_ISSUER, Caller, EmployeeKey
from munjigi.kernel.ids import record_id
from munjigi.rpc.call import Call, Method
from munjigi.rpc.company_changes import TOOL
from munjigi.rpc.decisions import DecisionService
from munjigi.rpc.desk import Desk
from munjigi.rpc.pipeline import validate
from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb

_PEER: Final = "127.0.0.1"
_OUTCOMES: Final[dict[Outcome, pb.ReadOutcome]] = {
    "read": pb.READ_OUTCOME_READ,
    "failed": pb.READ_OUTCOME_FAILED,
    "abandoned": pb.READ_OUTCOME_ABANDONED,
}
_REFUSALS: Final = (AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, PermissionDenied)


class InProcess:
    """Asks and tells for whoever the caller is said to be. Records are durable when their committer says so."""

    def __init__(self, desk: Desk, decisions: DecisionService, changes: Iterable[Method], log_id: str) -> None:
        """Take the rooms: `changes` are the methods that `tell` may call, `log_id` names the journal that records."""
        self._desk = desk
        self._decisions = decisions
        self._log_id = log_id
        self._methods = {method.request_type: method for method in changes}
        self._callers: dict[tuple[str, str], Caller] = {}

    def ask(self, asked: Asked, question: Question) -> tuple[bool, str, int]:
        """Ask one question; return whether it is allowed, why, and the index of its record.

        Raises `InvalidArgument` when nothing was decided, `AuditUnavailable`.
        """
        request = pb.CheckRequest(
            resource=question.resource,
            fields=question.fields,
            action=question.action,
            purpose=question.purpose,
            case_id=question.case_id,
            member_ids=question.members,
            subject_count=question.subjects,
            intent=pb.INTENT_PROBE if question.probe else pb.INTENT_ACCESS,
        )
        if asked.ip:
            request.origin.ip = asked.ip
        door = "Check" if len(asked.questions) == 1 else "BatchCheck"
        call = Call(self._caller(asked.employee, asked.tool), door, asked.at, "", "")
        ruling, index, _ = self._desk.check(call, request)
        decision = ruling.decision
        return decision.allow, decision.reason, -1 if index is None else index

    def confirm(self, asked: Asked, question: Question, index: int, now: int) -> bool:
        """Confirm the read that the decision at `index` allowed, at `now` (UTC nanoseconds); tell whether that was taken.

        Raises `AuditUnavailable`.
        """
        item = pb.ConfirmItem(
            decision_id=record_id(self._log_id, index),
            row_count=asked.rows or 0,
            member_ids=question.members if asked.outcome == "read" else (),
            outcome=_OUTCOMES[asked.outcome],
        )
        try:
            self._decisions.confirm(Call(self._caller(asked.employee, asked.tool), "ConfirmRead", now, "", ""), item)
        except _REFUSALS:
            return False
        return True

    async def tell(self, employee: str, request: Message, now: int) -> Any:
        """Send a change as an employee and return the answer. Raises `Refused`."""
        try:
            validate(request)
            method = self._methods[type(request)]
            answer = method.handler(Call(self._caller(employee, TOOL), method.name, now, "", ""), request)
            return await answer if inspect.isawaitable(answer) else answer
        except _REFUSALS as error:
            raise Refused(error.reason) from error

    def _caller(self, employee: str, tool: str) -> Caller:
        caller = self._callers.get((employee, tool))
        if caller is None:
            caller = self._callers[employee, tool] = Caller(EmployeeKey(EMBEDDED_ISSUER, employee), tool, _PEER)
        return caller
