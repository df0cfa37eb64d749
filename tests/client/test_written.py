"""What is put together out of bytes is the message that it stands for, and an answer that shares its parts is a whole one."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from munjigi_client import Decision, InvalidRequest
from munjigi_client._answers import decision_from
from munjigi_client._calls import check_request, write_batch, write_check
from munjigi_client._masks import MASKS
from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb
from munjigi_client._types import FieldDecision, Question, StepUp

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=9)
TEXTS = st.lists(TEXT, max_size=3).map(tuple)
QUESTIONS = st.builds(
    Question, TEXT, TEXTS, TEXT, TEXT, TEXTS, st.integers(0, 9), TEXT, st.booleans(), st.booleans(), TEXT, TEXT, TEXT
)


def message(asked: Question, *, observe: bool) -> pb.CheckRequest:
    """Write the question as a message, field by field."""
    request = pb.CheckRequest(
        request_id=asked.request_id,
        resource=asked.resource,
        fields=asked.fields,
        action=asked.action,
        purpose=asked.purpose,
        case_id=asked.case_id,
        member_ids=asked.member_ids,
        subject_count=asked.subject_count,
        intent=pb.INTENT_PROBE if asked.probe else pb.INTENT_ACCESS,
        allow_partial=asked.allow_partial,
        observe=observe,
    )
    if asked.origin_ip or asked.session_id:
        request.origin.ip, request.origin.session_id = asked.origin_ip, asked.session_id
    return request


def written(asked: Question, *, observe: bool) -> Any:
    return write_check(*(getattr(asked, each.name) for each in dataclasses.fields(asked)), observe)


@given(st.lists(QUESTIONS, min_size=1, max_size=4), st.booleans())
def test_questions_as_bytes_are_the_questions(asked: list[Question], observe: bool) -> None:
    expected = [message(each, observe=observe) for each in asked]
    assert [check_request(each, observe=observe) for each in asked] == expected
    checks = [written(each, observe=observe) for each in asked]
    assert [pb.CheckRequest.FromString(each.written) for each in checks] == expected
    assert all(each.weight > len(each.written) for each in checks)
    assert pb.BatchCheckRequest.FromString(write_batch(checks).written) == pb.BatchCheckRequest(items=expected)


def test_a_long_question_keeps_its_length() -> None:
    asked = [Question("crm.member", member_ids=("1" * 64,) * 1_000), Question("crm.member")]
    batch = pb.BatchCheckRequest.FromString(write_batch([written(each, observe=False) for each in asked]).written)
    assert [len(each.member_ids) for each in batch.items] == [1_000, 0]


@pytest.mark.parametrize(
    "wrong",
    [
        {"resource": 7},
        {"purpose": b"\xff"},
        {"fields": (1,)},
        {"fields": ([],)},
        {"case_id": 7},
        {"member_ids": (1_000_001,)},
        {"request_id": 7},
        {"subject_count": -1},
        {"subject_count": 1.5},
        {"subject_count": []},
        {"action": "\ud800"},
        {"session_id": 7},
    ],
)
def test_a_wrong_type_is_refused_without_its_value_however_often(wrong: dict[str, Any]) -> None:
    written(Question("crm.member", subject_count=1), observe=False)
    for _ in range(2):
        with pytest.raises(InvalidRequest) as refused:
            check_request(Question(**{"resource": "crm.member", **wrong}), observe=False)
        assert (refused.value.reason, refused.value.__cause__) == ("ARGUMENT_TYPE", None)


def test_answers_that_share_their_parts_are_whole_decisions() -> None:
    answer = pb.CheckResponse(
        decision=pb.DECISION_ALLOW,
        decision_id="log-7",
        reason="GRANTED",
        help="h",
        fields=[
            pb.FieldDecision(name="name", effect=pb.FIELD_EFFECT_MASKED, mask="partial", rule="policy.csv:1", grant_ids=["g"])
        ],
        obligations=[
            pb.Obligation(kind=pb.OBLIGATION_KIND_CONFIRM_READ),
            pb.Obligation(kind=pb.OBLIGATION_KIND_LIMIT_SUBJECTS, limit=2),
            pb.Obligation(kind=pb.OBLIGATION_KIND_STEP_UP, field="name", step_up=pb.StepUp(acr_values=["a"], max_age_seconds=9)),
        ],
        policy_revision="p",
        grant_revision=3,
        record=pb.RecordPosition(log_id="log", index=7),
        valid_until=60,
        role_path=["g", "agent"],
    )
    other = pb.CheckResponse()
    other.CopyFrom(answer)
    other.decision_id, other.record.index, other.valid_until = "log-8", 8, 70
    masks = {**MASKS}
    made, second = (decision_from(each.SerializeToString(), observed=True, masks=masks, token="t") for each in (answer, other))
    expected = Decision(
        allowed=True,
        reason="GRANTED",
        help="h",
        decision_id="log-7",
        fields=(FieldDecision("name", "masked", "partial", "", "policy.csv:1", ("g",)),),
        valid_until=60,
        must_confirm=True,
        subject_limit=2,
        policy_revision="p",
        grant_revision=3,
        role_path=("g", "agent"),
        observed=True,
        step_up=(StepUp("name", ("a",), 9, ""),),
        mask_functions=masks,
        employee_token="t",
    )
    assert (made, repr(made), hash(made), made.__dict__) == (expected, repr(expected), hash(expected), expected.__dict__)
    assert second == dataclasses.replace(expected, decision_id="log-8", valid_until=70)
    assert second.fields is made.fields
    assert copy.deepcopy(made) == made
    assert pickle.loads(pickle.dumps(dataclasses.replace(made, mask_functions={}))) == made
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.allowed = False
    assert made.masks == {"name": "partial"}
