"""What passes by protovalidate would have passed it, and a question that was taken apart is still the same question."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from munjigi.kernel.errors import InvalidArgument
from munjigi.rpc.forms import Forms
from munjigi.rpc.pipeline import validate
from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb

LETTERS = st.characters(exclude_categories=("Cs",))
# Around every limit, in letters of one byte and of several.
TEXT = st.one_of(
    st.text(LETTERS, max_size=3),
    st.text(LETTERS, min_size=20, max_size=70),
    st.sampled_from(
        ["", "CS-2026-000123", "1000001", "a" * 64, "a" * 65, "가" * 21, "가" * 22, "é" * 32, "é" * 33, "x\n", "a\x00"]
    ),
)
RARELY = st.one_of(st.just("crm.member"), st.just("crm.member"), TEXT, st.just("r" * 256), st.just("r" * 257))
QUESTIONS = st.builds(
    pb.CheckRequest,
    request_id=st.one_of(st.just(""), st.just("7f3a-1"), TEXT),
    resource=RARELY,
    fields=st.lists(st.one_of(st.just("name"), TEXT), max_size=3),
    action=st.one_of(st.just("read"), TEXT),
    purpose=RARELY,
    case_id=TEXT,
    member_ids=st.one_of(st.lists(TEXT, max_size=3), st.integers(999, 1001).map(lambda many: ["1"] * many)),
    subject_count=st.integers(0, 3),
    intent=st.sampled_from([0, 1, 2, 7]),
    allow_partial=st.booleans(),
    origin=st.one_of(st.none(), st.builds(pb.Origin, ip=TEXT, session_id=TEXT)),
    observe=st.booleans(),
)


def copy_of(asked: pb.CheckRequest) -> pb.CheckRequest:
    return pb.CheckRequest.FromString(asked.SerializeToString())


def refusal(asked: pb.CheckRequest) -> str:
    try:
        validate(asked)
    except InvalidArgument as error:
        return error.message
    return ""


@settings(max_examples=400)
@given(QUESTIONS, QUESTIONS)
def test_a_question_is_refused_as_by_its_rules_and_otherwise_read_as_it_is(
    asked: pb.CheckRequest, other: pb.CheckRequest
) -> None:
    forms = Forms()
    for each in (asked, other, asked):
        expected = refusal(copy_of(each))
        if expected:
            with pytest.raises(InvalidArgument) as refused:
                forms.read(copy_of(each))
            assert refused.value.message == expected
            continue
        form, case_id, serials, request_id = forms.read(copy_of(each))
        forms.keep(form)
        again, *same = forms.read(copy_of(each))
        assert same == [case_id, serials, request_id]
        assert again is form or len(form.written) > 4096
        assert (case_id, list(serials), request_id) == (each.case_id, [*each.member_ids], each.request_id)
        assert (form.resource, list(form.fields), form.purpose) == (each.resource, [*each.fields], each.purpose)
        assert (form.action, form.subject_count) == (each.action or "read", each.subject_count)
        assert (form.probe, form.partial, form.observe) == (each.intent == pb.INTENT_PROBE, each.allow_partial, each.observe)
        assert form.origin == ((each.origin.ip, each.origin.session_id) if each.HasField("origin") else None)


def test_known_forms_are_bounded_in_number_and_size() -> None:
    forms = Forms()
    for number in range(5_000):
        forms.keep(forms.read(pb.CheckRequest(resource="crm.member", purpose="inquiry", subject_count=number))[0])
    forms.keep(forms.read(pb.CheckRequest(resource="crm.member", purpose="inquiry", fields=["x" * 128] * 64))[0])
    assert 0 < len(forms._kept) <= 2_048
    assert max(map(len, forms._kept)) <= 4_096
