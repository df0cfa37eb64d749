"""An answer that is put together out of bytes is the very message (promise P4)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from munjigi.rpc.answers import Answer, Answering
from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
TEXTS = st.lists(TEXT, max_size=3)
STEP_UPS = st.builds(pb.StepUp, acr_values=TEXTS, max_age_seconds=st.integers(0, 9_000), challenge=TEXT)
ANSWERS = st.builds(
    pb.CheckResponse,
    decision=st.sampled_from([pb.DECISION_UNSPECIFIED, pb.DECISION_ALLOW, pb.DECISION_DENY]),
    reason=TEXT,
    fields=st.lists(st.builds(pb.FieldDecision, name=TEXT, effect=st.integers(0, 3), mask=TEXT, grant_ids=TEXTS), max_size=9),
    obligations=st.lists(
        st.builds(pb.Obligation, kind=st.integers(0, 4), field=TEXT, limit=st.integers(0, 999), step_up=STEP_UPS), max_size=3
    ),
    policy_revision=TEXT,
    grant_revision=st.integers(0, 2**64 - 1),
    help=st.text("help", max_size=20_000),
    role_path=TEXTS,
)
LOG_ID = "k3v9x1aa0bqz7m2dxc5t"
INDEXES = st.one_of(
    st.integers(1, 300),
    st.integers(1, 2**64 - 1),
    st.sampled_from([1 << 7, 1 << 14, (1 << 14) - 1, 1 << 21, 999, 1_000, 9_999_999]),
)


@given(ANSWERS, INDEXES, st.one_of(st.just(0), st.integers(1, 2**63 - 1)), TEXT.filter(bool))
def test_p4_the_bytes_of_an_answer_are_those_of_its_message(
    answer: pb.CheckResponse, index: int, valid_until: int, name: str
) -> None:
    form = Answer.of(answer, LOG_ID)

    def of_stream() -> bytes:
        return pb.CheckStreamResponse(id=name, response=answer).SerializeToString()

    def of_batch() -> bytes:
        return pb.BatchCheckResponse(results=[pb.BatchCheckResult(response=answer)]).SerializeToString()

    def written(index: int | None) -> tuple[bytes, bytes, bytes]:
        return answering.message(index), answering.result(index), answering.streamed(name, index)

    def of_protobuf() -> tuple[bytes, bytes, bytes]:
        return answer.SerializeToString(), of_batch(), of_stream()

    answering = Answering(form, 0)
    assert written(None) == of_protobuf()
    answering = Answering(form, valid_until)
    answer.valid_until = valid_until
    for at in (index, min(index + 1, 2**64 - 1), max(1, index - 100), index):  # neighbours, across the edges of what was fitted
        answer.decision_id = f"{LOG_ID}-{at}"
        answer.record.log_id, answer.record.index = LOG_ID, at
        assert written(at) == of_protobuf()


def test_an_index_of_0_is_read_as_one() -> None:
    answer = pb.CheckResponse.FromString(Answering(Answer.of(pb.CheckResponse(), LOG_ID), 0).message(0))
    assert (answer.decision_id, answer.record) == (f"{LOG_ID}-0", pb.RecordPosition(log_id=LOG_ID))
