"""What is too large is the caller's to make smaller: a reason of ours, and nothing that says to try the same again."""

from __future__ import annotations

import time
from pathlib import Path

import grpc
import pytest
from e2e_asking import question, reason_of
from google.rpc import error_details_pb2, status_pb2
from running import Daemon, Stubs, serving

from munjigi.adapters.state.sqlite import SqliteStateStore
from munjigi.grants.changes import grant_added, person_changed
from munjigi.kernel.clock import SECOND
from munjigi.kernel.grant import Grant, Person
from munjigi.kernel.identity import EMBEDDED_ISSUER, EmployeeKey
from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb

MIB = 1 << 20
MANY_GRANTS = EmployeeKey(EMBEDDED_ISSUER, "many.no")


def says_retry(error: grpc.RpcError) -> bool:
    details = status_pb2.Status.FromString(dict(error.trailing_metadata())["grpc-status-details-bin"]).details
    return any(detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR) for detail in details)


@pytest.mark.parametrize("size", [4 * MIB + 1, 5 * MIB, 8 * MIB - 16])
def test_a_request_above_four_mebibytes_is_refused_with_a_reason(daemon: Daemon, stubs: Stubs, size: int) -> None:
    call = stubs.channel.unary_unary("/munjigi.v1.DecisionService/BatchCheck", _registered_method=False)
    with pytest.raises(grpc.RpcError) as refused:
        call(bytes(size), metadata=daemon.credentials("cs.kim"))
    assert reason_of(refused.value) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "REQUEST_TOO_LARGE")
    assert not says_retry(refused.value)


def test_what_a_transport_refuses_itself_is_refused_all_the_same(daemon: Daemon, stubs: Stubs) -> None:
    call = stubs.channel.unary_unary("/munjigi.v1.DecisionService/BatchCheck", _registered_method=False)
    with pytest.raises(grpc.RpcError) as refused:
        call(bytes(9 * MIB), metadata=daemon.credentials("cs.kim"))
    reason = {"native": "REQUEST_TOO_LARGE", "grpcio": ""}[daemon.environment["MUNJIGI_FRONT"]]
    assert reason_of(refused.value) == (grpc.StatusCode.RESOURCE_EXHAUSTED, reason)


@pytest.mark.parametrize("front", ["native", "grpcio"])
def test_a_question_whose_record_is_too_large_is_the_callers_to_make_smaller(tmp_path: Path, front: str) -> None:
    """Each field's record names every grant that would allow it alone."""
    with serving(tmp_path / "var", MUNJIGI_FRONT=front) as daemon, daemon.channel() as channel:
        store = SqliteStateStore(daemon.state_dir / "state.sqlite")
        facts = next(person for person in store.load().people if person.person_id == "p.cs.kim").facts
        now = time.time_ns()
        grants = [
            grant_added(Grant(f"g.many.no.{n:05}", MANY_GRANTS, "cs_agent", "inquiry", now, now + 3600 * SECOND, ("cs.lee",)))
            for n in range(400)
        ]
        person = person_changed(Person("p.many", "employee", "customer-service", (MANY_GRANTS,), facts))
        revision = store.apply((person, *grants), at=now, actor="test", request_id="test")
        store.close()
        stub, metadata = Stubs(channel).decision, daemon.credentials("many.no")
        deadline = time.monotonic() + 10
        while (small := stub.Check(question(), metadata=metadata)).grant_revision < revision:
            assert time.monotonic() < deadline, daemon.text
            time.sleep(0.02)
        assert small.decision == pb.DECISION_ALLOW
        large = question(fields=["name", "phone"] * 128)
        with pytest.raises(grpc.RpcError) as refused:
            stub.Check(large, metadata=metadata)
        assert reason_of(refused.value) == (grpc.StatusCode.INVALID_ARGUMENT, "RECORD_TOO_LARGE")
        results = stub.BatchCheck(pb.BatchCheckRequest(items=[question(), large, question()]), metadata=metadata).results
        assert [result.error.reason for result in results] == ["", "RECORD_TOO_LARGE", ""]
        # Nothing was appended for those, and the neighbours' records follow each other.
        assert results[2].response.record.index == results[0].response.record.index + 1
