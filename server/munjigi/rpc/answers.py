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


_high: Final = lru_cache(maxsize=1024)(_varint)  # of an index without its lowest seven bits, which its neighbours have as well


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

    An index is not 0: a log begins with its process's start.
    """

    head: bytes
    log: bytes
    middle: bytes
    position: bytes
    tail: bytes

    @classmethod
    def of(cls, answer: pb.CheckResponse, log_id: str) -> Self:
        """Serialize what the answers of one ruling have in common, in one log."""
        number = {field.name: field.number for field in pb.CheckResponse.DESCRIPTOR.fields}
        head = _between(answer, 0, number["decision_id"]) + _DECISION_ID
        middle = _between(answer, number["decision_id"], number["record"]) + _RECORD
        tail = _between(answer, number["valid_until"], max(number.values()) + 1)
        log = log_id.encode()
        return cls(head, log + b"-", middle, _delimited(_LOG_ID, log) + _INDEX, tail)


class Answering:
    """The answers of one ruling in one call: only where the record lies is another for each question."""

    __slots__ = ("_after", "_answer", "_before", "_between", "_least", "_most", "_period")

    def __init__(self, answer: Answer, valid_until: int) -> None:
        """`valid_until` is until when the reads of this call may start, UTC nanoseconds; 0 for no reads."""
        self._answer = answer
        self._period = pb.CheckResponse(valid_until=valid_until).SerializeToString()
        self._least = self._most = 0  # the indexes that what lies before, between and after fits

    def message(self, index: int | None) -> bytes:
        """Write a CheckResponse, without index that of a denial that has no record."""
        head, log, middle, position, tail = self._answer
        if index is None:
            return head[: -len(_DECISION_ID)] + middle[: -len(_RECORD)] + tail
        digits, number = b"%d" % index, _varint(index)
        # Decision id and position have sizes of one byte: neither is longer than 127.
        sizes = len(log) + len(digits), len(position) + len(number)
        return b"%b%c%b%b%b%c%b%b%b%b" % (head, sizes[0], log, digits, middle, sizes[1], position, number, self._period, tail)

    def streamed(self, name: str, index: int | None) -> bytes:
        """Write a CheckStreamResponse, the answer to the question of that id."""
        return _delimited(_ID, name.encode()) + _delimited(_STREAMED, self.message(index))

    def result(self, index: int | None) -> bytes:
        """Write one of the results of a BatchCheckResponse. Neighbours differ in the index alone, twice; what surrounds it is written once."""
        if index is None or index <= 0x7F:
            return _delimited(_RESULTS, _delimited(_RESPONSE, self.message(index)))
        if not self._least <= index < self._most:
            self._fit(index)
        return b"%b%d%b%c%b%b" % (self._before, index, self._between, index & 0x7F | 0x80, _high(index >> 7), self._after)

    def _fit(self, index: int) -> None:
        """Write what surrounds an index: the same for all that have as many digits and, as a varint, as many bytes."""
        head, log, middle, position, tail = self._answer
        digits, size = len(str(index)), len(_varint(index))
        self._least = max(10 ** (digits - 1), 1 << 7 * (size - 1))
        self._most = min(10**digits, 1 << 7 * size)
        self._between = b"%b%c%b" % (middle, len(position) + size, position)
        self._after = self._period + tail
        before = b"%b%c%b" % (head, len(log) + digits, log)
        length = len(before) + digits + len(self._between) + size + len(self._after)
        response = _RESPONSE + _varint(length)
        self._before = b"%b%b%b%b" % (_RESULTS, _varint(len(response) + length), response, before)


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
