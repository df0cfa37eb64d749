"""Read answers: what those to like questions have in common is read once.

A CheckResponse differs from that to a like question in its decision id, in where its record lies and in its period only. Bytes
whose rest is, field for field, that of an answer which protobuf has read need not be read again: a `_Shape` is that rest, with
its edges at the edges of fields. Whatever has no known shape is read by protobuf, which alone decides what is malformed.
Wire format: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

from google.protobuf.message import DecodeError

from munjigi_client._calls import item_error
from munjigi_client._errors import MunjigiClientError, ServerFault
from munjigi_client._masks import Mask
from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb
from munjigi_client._types import AccessOption, Decision, FieldDecision, StepUp, effect_of

_SHAPES: Final = 8
_VARINT, _FIXED64, _DELIMITED, _FIXED32 = 0, 1, 2, 5
_SHORT: Final = 0x80  # sizes and tags below it are one byte
_NUMBERS: Final = {each.name: each.number for each in pb.CheckResponse.DESCRIPTOR.fields}
_UNTIL: Final = _NUMBERS["valid_until"] << 3 | _VARINT
_RESULT: Final = pb.BatchCheckResponse.DESCRIPTOR.fields_by_name["results"].number << 3 | _DELIMITED
_RESPONSE: Final = pb.BatchCheckResult.DESCRIPTOR.fields_by_name["response"].number << 3 | _DELIMITED


class _Shape(NamedTuple):
    """The bytes around the size and text of the decision id, the size and content of the record's position, and the period."""

    head: bytes
    middle: bytes
    tail: bytes
    common: Mapping[str, Any]


class _Known:
    """The shapes of the last answers, replaced as one reference: threads may read meanwhile."""

    shapes: tuple[_Shape, ...] = ()


def decision_from(written: bytes, *, observed: bool, masks: Mapping[str, Mask], token: str) -> Decision:
    """Turn the bytes of a CheckResponse into a `Decision`. Anything but DECISION_ALLOW is a denial. Raises `ServerFault`."""
    common, decision_id, valid_until = _by_shape(written) or _by_protobuf(written)
    decision = object.__new__(Decision)
    # Past `__init__`, which sets sixteen fields one by one and through a frozen class's guard.
    values = decision.__dict__
    values.update(common)
    values["decision_id"] = decision_id
    values["valid_until"] = valid_until
    values["observed"] = observed
    values["mask_functions"] = masks
    values["employee_token"] = token
    return decision


def results_of(written: bytes) -> list[bytes | MunjigiClientError]:
    """Take a BatchCheckResponse apart into the bytes of its answers, and errors. Raises `ServerFault`."""
    found: list[bytes | MunjigiClientError] = []
    at, end = 0, len(written)
    try:
        while at < end:
            tag, size, at = written[at], written[at + 1], at + 2
            if size >= _SHORT:
                size, at = size & 0x7F | written[at] << 7, at + 1
            item, at = written[at : at + size], at + size
            if tag != _RESULT or size >= 1 << 14 or at > end:
                return _results(written)
            inner = item[1]
            content = 2 if inner < _SHORT else 3
            if content == 3:
                inner = inner & 0x7F | item[2] << 7
            if item[0] != _RESPONSE or size != content + inner:
                return _results(written)
            found.append(item[content:])
    except IndexError:
        return _results(written)
    return found


def _results(written: bytes) -> list[bytes | MunjigiClientError]:
    try:
        answer = pb.BatchCheckResponse.FromString(written)
    except DecodeError:
        raise _malformed() from None
    return [each.response.SerializeToString() if each.HasField("response") else item_error(each.error) for each in answer.results]


def _by_shape(written: bytes) -> tuple[Mapping[str, Any], str, int] | None:
    for head, middle, tail, common in _Known.shapes:
        if not written.startswith(head):
            continue
        begin, end = len(head), len(written) - len(tail)
        try:
            after = begin + 1 + written[begin]
            if not written.startswith(middle, after) or not written.endswith(tail):
                continue
            record = after + len(middle)
            period = record + 1 + written[record]
            if period > end or written[begin] >= _SHORT or written[record] >= _SHORT:
                continue
            valid_until = _period(written[period:end])
            if valid_until is not None:
                return common, written[begin + 1 : after].decode(), valid_until
        except (IndexError, UnicodeDecodeError):
            continue
    return None


@lru_cache(maxsize=256)
def _period(written: bytes) -> int | None:
    """Read the field `valid_until` alone; None when this is something else."""
    if not written:
        return 0
    fields = list(_fields(written))
    if [(tag, end) for tag, _, _, end in fields] != [(_UNTIL, len(written))]:
        return None
    return pb.CheckResponse.FromString(written).valid_until


def _by_protobuf(written: bytes) -> tuple[Mapping[str, Any], str, int]:
    try:
        answer = pb.CheckResponse.FromString(written)
    except DecodeError:
        raise _malformed() from None
    decision_id, valid_until = answer.decision_id, answer.valid_until
    answer.ClearField("decision_id")
    answer.ClearField("valid_until")
    answer.ClearField("record")
    common = _common(answer.SerializeToString())
    shape = _shape(written, common)
    if shape is not None:
        _Known.shapes = (shape, *_Known.shapes[: _SHAPES - 1])
    return common, decision_id, valid_until


def _shape(written: bytes, common: Mapping[str, Any]) -> _Shape | None:
    """Return the shape of an answer that protobuf has read, if it has its fields once and in order, as ours are written."""
    fields = {tag: (begin, content, end) for tag, begin, content, end in _fields(written)}
    tags = [tag for tag, *_ in _fields(written)]
    name, record = (_NUMBERS[each] << 3 | _DELIMITED for each in ("decision_id", "record"))
    if tags != sorted(tags) or tags.count(name) != 1 or tags.count(record) != 1 or tags.count(_UNTIL) > 1:
        return None
    (begin, content, end), (place, position, close) = fields[name], fields[record]
    if content != begin + 2 or position != place + 2:
        return None  # a size of more than a byte
    tail = fields[_UNTIL][2] if _UNTIL in fields else close
    return _Shape(written[: begin + 1], written[end : place + 1], written[tail:], common)


def _fields(written: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Yield (tag, where the field begins, where its content does, where it ends), up to what is not understood."""
    at = 0
    while at < len(written):
        begin, tag = at, written[at]
        wire, size, at = tag & 7, 0, at + 1
        if tag >= _SHORT or wire not in (_VARINT, _DELIMITED):
            yield -1, begin, at, len(written)  # no field of ours: no shape has it
            return
        shift = 0
        while at < len(written) and written[at] >= _SHORT:
            size, shift, at = size | (written[at] & 0x7F) << shift, shift + 7, at + 1
        size, at = size | (written[at] if at < len(written) else 0) << shift, at + 1
        content = at
        at += size if wire == _DELIMITED else 0
        yield tag, begin, content, at


def _malformed() -> ServerFault:
    return ServerFault("ANSWER_MALFORMED", "The answer is not a message of this method, so access is denied.")


@lru_cache(maxsize=1024)
def _common(written: bytes) -> Mapping[str, Any]:
    """Read what answers to like questions have in common: equal bytes share immutable values, because reading takes longest."""
    answer = pb.CheckResponse.FromString(written)
    limit: int | None = None
    must_confirm = False
    step_up: tuple[StepUp, ...] = ()
    for each in answer.obligations:
        kind = each.kind
        if kind == pb.OBLIGATION_KIND_CONFIRM_READ:
            must_confirm = True
        elif kind == pb.OBLIGATION_KIND_LIMIT_SUBJECTS and limit is None:
            limit = each.limit
        elif kind == pb.OBLIGATION_KIND_STEP_UP:
            wanted = each.step_up
            step_up += (StepUp(each.field, tuple(wanted.acr_values), wanted.max_age_seconds, wanted.challenge),)
    return {
        "allowed": answer.decision == pb.DECISION_ALLOW,
        "reason": answer.reason,
        "help": answer.help,
        "fields": tuple(_field(each) for each in answer.fields),
        "must_confirm": must_confirm,
        "subject_limit": limit,
        "policy_revision": answer.policy_revision,
        "grant_revision": answer.grant_revision,
        "role_path": tuple(answer.role_path),
        "step_up": step_up,
        "access_options": tuple(
            AccessOption(each.role, each.purpose, each.days, each.case_example, tuple(each.owners))
            for each in answer.access_options
        ),
    }


def _field(each: pb.FieldDecision) -> FieldDecision:
    return FieldDecision(each.name, effect_of(each.effect), each.mask, each.reason, each.rule, tuple(each.grant_ids))
