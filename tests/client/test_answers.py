"""What is read by its shape is what protobuf reads, however the bytes are."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from munjigi_client import Decision, MunjigiClientError, ServerFault
from munjigi_client import _answers as answers
from munjigi_client._answers import decision_from, results_of
from munjigi_client._calls import item_error
from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=9)
OWN = st.tuples(st.text("log-7", max_size=130), TEXT, st.integers(0, 2**64 - 1), st.integers(-1, 2**63 - 1))
COMMON = st.builds(
    pb.CheckResponse,
    decision=st.sampled_from([pb.DECISION_UNSPECIFIED, pb.DECISION_ALLOW, pb.DECISION_DENY]),
    reason=TEXT,
    fields=st.lists(st.builds(pb.FieldDecision, name=TEXT, effect=st.integers(0, 3), mask=TEXT), max_size=2),
    obligations=st.lists(st.builds(pb.Obligation, kind=st.integers(0, 4), limit=st.integers(0, 9)), max_size=2),
    policy_revision=TEXT,
    grant_revision=st.integers(0, 9),
    help=TEXT,
    role_path=st.lists(TEXT, max_size=2),
)


def answer(common: pb.CheckResponse, own: tuple[str, str, int, int]) -> pb.CheckResponse:
    made = pb.CheckResponse()
    made.CopyFrom(common)
    made.decision_id, made.record.log_id, made.record.index, made.valid_until = own
    return made


def read(written: bytes) -> Decision:
    return decision_from(written, observed=False, masks={}, token="t")


def by_protobuf(written: bytes) -> Decision | str:
    answers._Known.shapes = ()
    try:
        return read(written)
    except ServerFault as error:
        return error.reason


@given(st.lists(COMMON, min_size=1, max_size=3), st.lists(OWN, min_size=1, max_size=4))
def test_answers_that_differ_in_their_own_are_read_alike(commons: list[pb.CheckResponse], owns: list[Any]) -> None:
    written = [answer(common, own).SerializeToString() for own in owns for common in commons]
    answers._Known.shapes = ()
    found = [read(each) for each in written]  # by shapes, but the first of each
    assert found == [by_protobuf(each) for each in written]
    for decision, (own, common) in zip(found, ((own, common) for own in owns for common in commons), strict=True):
        assert (decision.decision_id, decision.valid_until, decision.reason) == (own[0], own[3], common.reason)
        assert decision.allowed is (common.decision == pb.DECISION_ALLOW)


@given(COMMON, OWN, OWN, st.data())
def test_p3_spoilt_bytes_are_read_as_protobuf_reads_them_or_refused(
    common: pb.CheckResponse, known: Any, own: Any, data: st.DataObject
) -> None:
    first = answer(common, known).SerializeToString()
    spoilt = bytearray(answer(common, own).SerializeToString())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(spoilt)))
        gone = data.draw(st.integers(0, 2))
        spoilt[at : at + gone] = data.draw(st.binary(max_size=2))
    expected = by_protobuf(bytes(spoilt))
    answers._Known.shapes = ()
    read(first)
    try:
        found: Decision | str = read(bytes(spoilt))
    except ServerFault as error:
        found = error.reason
    if expected != "ANSWER_MALFORMED":
        assert found == expected
    elif isinstance(found, Decision):  # the record's position, which nothing here reads, is what is spoilt
        kept = pb.CheckResponse.FromString(first)
        assert (found.allowed, found.reason) == (kept.decision == pb.DECISION_ALLOW, kept.reason)


@given(st.lists(st.one_of(COMMON, st.builds(pb.ItemError, code=st.integers(0, 16), reason=TEXT)), max_size=5), st.data())
def test_a_batch_is_taken_apart_as_protobuf_does(items: list[Any], data: st.DataObject) -> None:
    results = [pb.BatchCheckResult(**{"error" if isinstance(each, pb.ItemError) else "response": each}) for each in items]
    whole = pb.BatchCheckResponse(results=results).SerializeToString()
    assert [str(each) for each in results_of(whole)] == [
        str(item_error(each.error) if each.HasField("error") else each.response.SerializeToString()) for each in results
    ]
    spoilt = bytearray(whole)
    at = data.draw(st.integers(0, len(spoilt)))
    spoilt[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    try:
        expected = pb.BatchCheckResponse.FromString(bytes(spoilt)).results
    except DecodeError:
        return  # what is wrong inside an item may show when that is read
    found = results_of(bytes(spoilt))
    assert [isinstance(each, MunjigiClientError) for each in found] == [not each.HasField("response") for each in expected]
    for result, each in zip(found, expected, strict=True):
        if isinstance(result, bytes):
            assert pb.CheckResponse.FromString(result) == each.response


@pytest.mark.parametrize("size", [100, 127, 128, 131, 16_000, 16_500, 70_000])
def test_an_answer_may_have_any_size(size: int) -> None:
    large = pb.CheckResponse(decision=pb.DECISION_DENY, help="h" * size)
    batch = pb.BatchCheckResponse(results=[pb.BatchCheckResult(response=large)] * 3)
    assert results_of(batch.SerializeToString()) == [large.SerializeToString()] * 3
    assert read(large.SerializeToString()).help == large.help


def test_p3_what_is_no_answer_gives_no_access() -> None:
    for wrong in (b"\xff", b"\x08", b"\x12\x05abc"):
        with pytest.raises(ServerFault, match="ANSWER_MALFORMED"):
            read(wrong)
    with pytest.raises(ServerFault, match="ANSWER_MALFORMED"):
        results_of(b"\x0a\x05abc")
