"""Write answers: what those of one ruling have in common is serialized once.

Where the record lies and until when the read may start is written in between, each in its place in the order of the fields,
so that the bytes are those that the whole message is serialized to. Wire format: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple, Self

from google.protobuf.message import Message

from munjigi.decision.cells import demands_on
from munjigi.decision.options import access_options
from munjigi.decision.reasons import STEP_UP_REQUIRED
from munjigi.decision.snapshot import Snapshot
from munjigi.decision.types import Decision, Effect, Request
from munjigi.kernel.clock import SECOND
from munjigi.policy.types import CLASS_PREFIX
from munjigi.rpc.whom import WhomToAsk
from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb

_DELIMITED: Final = 2  # wire type
_VARINT: Final = 0


def _varint(number: int) -> bytes:
    if number < 1 << 7:
        return b"%c" % number
    if number < 1 << 14:
        return b"%c%c" % (number & 0x7F | 0x80, number >> 7)
    return b"%c%c%b" % (number & 0x7F | 0x80, number >> 7 & 0x7F | 0x80, _varint(number >> 14))


_size: Final = lru_cache(maxsize=1024)(_varint)  # of an answer: few are as long as no other


def _tag(message: type[Message], field: str, wire: int) -> bytes:
    return _varint(message.DESCRIPTOR.fields_by_name[field].number << 3 | wire)


_DECISION_ID: Final = _tag(pb.CheckResponse, "decision_id", _DELIMITED)
_RECORD: Final = _tag(pb.CheckResponse, "record", _DELIMITED)
_LOG_ID: Final = _tag(pb.RecordPosition, "log_id", _DELIMITED)
_INDEX: Final = _tag(pb.RecordPosition, "index", _VARINT)
_RESULTS: Final = _tag(pb.BatchCheckResponse, "results", _DELIMITED)
_RESPONSE: Final = _tag(pb.BatchCheckResult, "response", _DELIMITED)
_ID: Final = _tag(pb.CheckStreamResponse, "id", _DELIMITED)
_STREAMED: Final = _tag(pb.CheckStreamResponse, "response", _DELIMITED)


_EFFECTS: Final = {
    Effect.CLEAR: pb.FIELD_EFFECT_CLEAR,
    Effect.MASKED: pb.FIELD_EFFECT_MASKED,
    Effect.DENIED: pb.FIELD_EFFECT_DENIED,
}


def message_of(
    snapshot: Snapshot, request: Request, decision: Decision, now: int, whom: WhomToAsk | None = None, *, observe: bool
) -> pb.CheckResponse:
    """Put a decision that was made at `now` (UTC nanoseconds) into an answer, all but its period and where its record lies.

    `whom` knows whom a denial sends to.
    """
    answer = pb.CheckResponse(
        decision=pb.DECISION_ALLOW if decision.allow else pb.DECISION_DENY,
        reason=decision.reason,
        policy_revision=decision.policy_revision,
        grant_revision=decision.grant_revision,
        role_path=decision.role_path,
    )
    fields = answer.fields
    obligations = answer.obligations
    for name, effect, mask, reason, rule, grants, _ in decision.fields:
        fields.add(name=name, effect=_EFFECTS[effect], mask=mask, reason=reason, rule=rule, grant_ids=grants)
        if decision.allow and effect is Effect.MASKED:
            obligations.add(kind=pb.OBLIGATION_KIND_MASK, field=name, mask=mask)
        if reason == STEP_UP_REQUIRED:
            _add_step_up(answer, snapshot, request, name)
    if decision.allow and not request.probe and not observe:
        tool = snapshot.bundle.tools.get(request.tool)
        if request.subjects:
            obligations.add(kind=pb.OBLIGATION_KIND_LIMIT_SUBJECTS, limit=request.subjects)
        if tool is not None and tool.confirm == "required":
            obligations.add(kind=pb.OBLIGATION_KIND_CONFIRM_READ)
    if decision.help:
        whom = whom or WhomToAsk(snapshot, request.employee, now)
        answer.help = whom.told(decision.help)
        for option in access_options(snapshot, request, decision, now):
            asked = option._replace(owners=whom.subjects(option.role, option.owners))
            answer.access_options.add(**asked._asdict())
    return answer


def _add_step_up(answer: pb.CheckResponse, snapshot: Snapshot, request: Request, name: str) -> None:
    """Say which sign-in a field wants, in the words of RFC 9470, so that the tool can ask the provider for it."""
    target = name if name.startswith(CLASS_PREFIX) else f"{request.resource}.{name}"
    for demand in demands_on(snapshot.bundle, target):
        step_up = pb.StepUp(acr_values=demand.acr, max_age_seconds=demand.max_age // SECOND, challenge=demand.challenge())
        answer.obligations.add(kind=pb.OBLIGATION_KIND_STEP_UP, field=name, step_up=step_up)


class Answer(NamedTuple):
    """An answer that lacks its period and the index of its record: the bytes around these.

    `shared` is how many bytes all such answers have. An index is not 0: a log begins with its process's start.
    """

    head: bytes
    log: bytes
    middle: bytes
    position: bytes
    tail: bytes
    shared: int

    @classmethod
    def of(cls, answer: pb.CheckResponse, log_id: str) -> Self:
        """Serialize what the answers of one ruling have in common, in one log."""
        number = {field.name: field.number for field in pb.CheckResponse.DESCRIPTOR.fields}
        head = _between(answer, 0, number["decision_id"]) + _DECISION_ID
        middle = _between(answer, number["decision_id"], number["record"]) + _RECORD
        tail = _between(answer, number["valid_until"], max(number.values()) + 1)
        log = log_id.encode()
        position = _delimited(_LOG_ID, log) + _INDEX
        # Decision id and position have sizes of one byte: neither is longer than 127.
        shared = len(head) + 1 + len(log) + len(b"-") + len(middle) + 1 + len(position) + len(tail)
        return cls(head, log + b"-", middle, position, tail, shared)

    def message(self, index: int | None, period: bytes) -> bytes:
        """Write a CheckResponse, without index that of a denial that has no record. `period` is what `period` has written."""
        head, log, middle, position, tail, _ = self
        if index is None:
            return head[: -len(_DECISION_ID)] + middle[: -len(_RECORD)] + tail
        digits, number = b"%d" % index, _varint(index)
        sizes = len(log) + len(digits), len(position) + len(number)
        return b"%b%c%b%b%b%c%b%b%b%b" % (head, sizes[0], log, digits, middle, sizes[1], position, number, period, tail)

    def streamed(self, name: str, index: int | None, period: bytes) -> bytes:
        """Write a CheckStreamResponse, the answer to the question of that id."""
        return _delimited(_ID, name.encode()) + _delimited(_STREAMED, self.message(index, period))

    def result(self, index: int | None, period: bytes) -> bytes:
        """Write one of the results of a BatchCheckResponse; in one piece, since most answers are such."""
        if index is None:
            return _delimited(_RESULTS, _delimited(_RESPONSE, self.message(index, period)))
        head, log, middle, position, tail, shared = self
        digits, number = b"%d" % index, _varint(index)
        length = shared + len(digits) + len(number) + len(period)
        size = _size(length)
        return b"%b%b%b%b%b%c%b%b%b%c%b%b%b%b" % (
            *(_RESULTS, _size(1 + len(size) + length), _RESPONSE, size),
            *(head, len(log) + len(digits), log, digits, middle, len(position) + len(number), position, number, period, tail),
        )


def period(valid_until: int) -> bytes:
    """Write until when the reads of a call may start, UTC nanoseconds; nothing for 0."""
    return pb.CheckResponse(valid_until=valid_until).SerializeToString()


def _between(answer: pb.CheckResponse, after: int, before: int) -> bytes:
    """Serialize the fields whose numbers lie between two numbers."""
    part = pb.CheckResponse()
    part.CopyFrom(answer)
    for field in part.DESCRIPTOR.fields:
        if not after < field.number < before:
            part.ClearField(field.name)
    return part.SerializeToString()


def _delimited(tag: bytes, content: bytes) -> bytes:
    return b"%b%b%b" % (tag, _varint(len(content)), content)
