"""The employee's address is a tool's word; only an address may come of it."""

from __future__ import annotations

import grpc
import pytest
from e2e_asking import question, reason_of
from running import Daemon, Stubs

from munjigi_client._proto.munjigi.v1 import audit_pb2
from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb


@pytest.mark.parametrize("zone", ["010-1234-5678", "kim@example.com", "eth0"])
def test_p5_a_zone_of_an_address_never_reaches_a_record(daemon: Daemon, stubs: Stubs, zone: str) -> None:
    asked = question(origin=pb.Origin(ip=f"fe80::1%{zone}"))
    with pytest.raises(grpc.RpcError) as refused:
        stubs.decision.Check(asked, metadata=daemon.credentials("cs.kim"))
    assert reason_of(refused.value) == (grpc.StatusCode.INVALID_ARGUMENT, "ORIGIN_INVALID")
    assert zone not in str(refused.value)


@pytest.mark.parametrize(("said", "kept"), [("::ffff:10.1.2.3", "10.1.2.3"), ("2001:DB8::0:1", "2001:db8::1")])
def test_an_address_is_recorded_in_its_one_form(daemon: Daemon, stubs: Stubs, said: str, kept: str) -> None:
    answer = stubs.decision.Check(question(origin=pb.Origin(ip=said)), metadata=daemon.credentials("cs.kim"))
    search = audit_pb2.SearchRecordsRequest(decision_id=answer.decision_id)
    (found,) = stubs.audit.SearchRecords(search, metadata=daemon.credentials("dpo.yoon", "munjigi-cli")).records
    assert found.content["ip"] == kept
