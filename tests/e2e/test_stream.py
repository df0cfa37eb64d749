"""CheckStream, on both fronts: matched by id, recorded before answered, held back by a client that doesn't read."""

from __future__ import annotations

import os
import queue
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from e2e_asking import question, reason_of
from running import Daemon, Stubs, serving

from munjigi.audit.reader import JournalReader
from munjigi.audit.records import AccessRecord, decode
from munjigi_client._proto.munjigi.v1 import audit_pb2
from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb

SECONDS = 60


def ask(number: int, **changes: object) -> pb.CheckStreamRequest:
    return pb.CheckStreamRequest(id=f"q{number}", check=question(member_ids=[str(1_000_001 + number)], **changes))


class Talk:
    """One open call: `say` a message, `hear` one."""

    def __init__(self, stubs: Stubs, credentials: object) -> None:
        self._out: queue.SimpleQueue[pb.CheckStreamRequest | None] = queue.SimpleQueue()
        self.call = stubs.decision.CheckStream(iter(self._out.get, None), metadata=credentials, timeout=SECONDS)

    def say(self, *messages: pb.CheckStreamRequest) -> None:
        for message in messages:
            self._out.put(message)

    def end(self) -> None:
        self._out.put(None)

    def hear(self, count: int = 1) -> list[pb.CheckStreamResponse]:
        return [next(self.call) for _ in range(count)]


@pytest.fixture
def talk(daemon: Daemon, stubs: Stubs) -> Iterator[Talk]:
    talk = Talk(stubs, daemon.credentials("cs.kim"))
    yield talk
    talk.end()
    talk.call.cancel()


def test_p4_each_question_is_answered_as_check_answers_it(daemon: Daemon, stubs: Stubs, talk: Talk) -> None:
    asked = [ask(0), ask(1, fields=["resident_number"]), ask(2, observe=True), ask(3, intent=pb.INTENT_PROBE)]
    talk.say(*asked)
    heard = {each.id: each for each in talk.hear(len(asked))}
    for one in asked:
        alone = stubs.decision.Check(one.check, metadata=daemon.credentials("cs.kim"), timeout=SECONDS)
        answer = heard[one.id].response
        assert answer.decision_id == f"{answer.record.log_id}-{answer.record.index}" != alone.decision_id
        for each in (answer, alone):
            for field in ("decision_id", "record", "valid_until"):
                each.ClearField(field)
        assert answer == alone


def test_p1_each_answer_has_its_record(daemon: Daemon, stubs: Stubs, talk: Talk) -> None:
    talk.say(*(ask(number) for number in range(600)))
    heard = talk.hear(600)
    assert sorted(each.id for each in heard) == sorted(f"q{number}" for number in range(600))
    indexes = [each.response.record.index for each in heard]
    assert len(set(indexes)) == 600
    verified = stubs.audit.VerifyJournal(
        audit_pb2.VerifyJournalRequest(), metadata=daemon.credentials("dpo.yoon", "munjigi-cli"), timeout=SECONDS
    )
    assert verified.intact
    assert max(journal.records for journal in verified.journals) > max(indexes)


def test_what_is_wrong_with_a_question_concerns_it_alone(talk: Talk) -> None:
    talk.say(
        pb.CheckStreamRequest(id="empty"),
        pb.CheckStreamRequest(id="serial", check=question(member_ids=["not-a-number"])),
        ask(1),
        pb.CheckStreamRequest(id="case", check=question(case_id="nonsense")),
        ask(2),
    )
    heard = {each.id: each for each in talk.hear(5)}
    assert heard["empty"].error.reason == "REQUEST_INVALID"
    assert heard["empty"].error.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    assert heard["serial"].error.reason == "MEMBER_ID_INVALID"
    assert "not-a-number" not in heard["serial"].error.message
    assert heard["case"].error.reason == "CASE_ID_INVALID"
    assert heard["q1"].response.decision == heard["q2"].response.decision == pb.DECISION_ALLOW


def test_the_end_of_the_questions_is_the_end_of_the_call(talk: Talk) -> None:
    talk.say(*(ask(number) for number in range(50)))
    talk.end()
    assert len(list(talk.call)) == 50
    assert talk.call.code() is grpc.StatusCode.OK


def test_a_message_without_an_id_ends_the_call_after_the_answers_before_it(talk: Talk) -> None:
    talk.say(ask(1), pb.CheckStreamRequest(check=question()), ask(2))
    assert talk.hear()[0].id == "q1"
    with pytest.raises(grpc.RpcError) as refused:
        talk.hear()
    assert reason_of(refused.value) == (grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_INVALID")


def test_a_client_that_asks_long_before_it_reads_harms_nobody(daemon: Daemon, stubs: Stubs, talk: Talk) -> None:
    talk.say(*(ask(number) for number in range(5_000)))
    assert stubs.decision.Check(question(), metadata=daemon.credentials("cs.kim"), timeout=SECONDS).decision_id
    assert len({each.id for each in talk.hear(5_000)}) == 5_000


def test_p2_a_stream_goes_on_over_a_reload(daemon: Daemon, stubs: Stubs, talk: Talk) -> None:
    talk.say(ask(1))
    first = talk.hear()[0].response
    from munjigi_client._proto.munjigi.v1 import policy_pb2

    stubs.policy.ReloadPolicy(
        policy_pb2.ReloadPolicyRequest(), metadata=daemon.credentials("sec.han", "munjigi-cli"), timeout=SECONDS
    )
    talk.say(ask(2))
    second = talk.hear()[0].response
    assert first.decision == second.decision == pb.DECISION_ALLOW
    assert second.record.index > first.record.index


@pytest.mark.parametrize("front", ["native", "grpcio"])
def test_nobody_gets_a_stream_without_credentials(front: str, tmp_path: Path) -> None:
    # A daemon of its own: refused credentials slow down everybody who comes from the same address.
    with serving(tmp_path / "var", MUNJIGI_FRONT=front) as daemon, daemon.channel() as channel:
        for metadata in ((), (("authorization", "Bearer nonsense"),)):
            talk = Talk(Stubs(channel), metadata)
            talk.say(ask(1))
            with pytest.raises(grpc.RpcError) as refused:
                talk.hear()
            talk.end()
            assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize("front", ["native", "grpcio"])
def test_a_stop_answers_what_was_read_and_says_so(front: str, tmp_path: Path) -> None:
    with serving(tmp_path / "var", MUNJIGI_FRONT=front) as daemon, daemon.channel() as channel:
        talk = Talk(Stubs(channel), daemon.credentials("cs.kim"))
        talk.say(ask(1))
        assert talk.hear()[0].response.decision == pb.DECISION_ALLOW
        stopped = threading.Thread(target=daemon.stop)
        stopped.start()
        with pytest.raises(grpc.RpcError) as ended:
            talk.hear()
        talk.end()
        stopped.join(SECONDS)
        assert ended.value.code() is grpc.StatusCode.UNAVAILABLE
        assert daemon.process is not None
        assert daemon.process.returncode == 0


@pytest.mark.parametrize("front", ["native", "grpcio"])
def test_p1_whatever_a_stream_has_answered_is_in_the_journal_of_a_killed_gateway(front: str, tmp_path: Path) -> None:
    heard: list[pb.CheckStreamResponse] = []
    with serving(tmp_path / "var", MUNJIGI_FRONT=front) as daemon, daemon.channel() as channel:
        talk = Talk(Stubs(channel), daemon.credentials("cs.kim"))
        talk.say(*(ask(number) for number in range(3_000)))
        heard += talk.hear(700)
        os.kill(daemon.children()["worker"], signal.SIGKILL)
        with pytest.raises(grpc.RpcError):
            heard.extend(talk.call)
        talk.end()
    log_id = heard[0].response.record.log_id
    with JournalReader(tmp_path / "var" / "journal" / log_id) as reader:
        for each in heard:
            ((index, payload),) = reader.read(each.response.record.index, 1)
            record = decode(payload)
            assert isinstance(record, AccessRecord)
            assert (record.index, index) == (each.response.record.index, each.response.record.index)
            assert (record.door, record.decision, record.employee) == ("CheckStream", "ALLOW", "cs.kim")
