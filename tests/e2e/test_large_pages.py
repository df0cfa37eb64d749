"""A page of large records is cut so that a client with gRPC's default limits can take it, and nothing is lost between pages."""

from __future__ import annotations

from e2e_asking import question
from running import Daemon, Stubs

from munjigi_client._proto.munjigi.v1 import audit_pb2
from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb

MANY = [str(3_000_001 + number) for number in range(1000)]


def test_pages_stay_below_what_a_client_takes_and_hold_each_record_once(daemon: Daemon, stubs: Stubs) -> None:
    batch = pb.BatchCheckRequest(items=[question(member_ids=MANY)] * 200)
    results = stubs.decision.BatchCheck(batch, metadata=daemon.credentials("cs.kim")).results
    credentials = daemon.credentials("dpo.yoon", "munjigi-cli")
    found: list[str] = []
    token = ""
    while True:
        # By the table too: a search by member is itself a record that names the member.
        search = audit_pb2.SearchRecordsRequest(member_id=MANY[0], resource="crm.member", page_size=1000, page_token=token)
        page = stubs.audit.SearchRecords(search, metadata=credentials)
        assert page.ByteSize() < 4 << 20
        found += [record.id for record in page.records]
        token = page.next_page_token
        if not token:
            break
    assert found == [result.response.decision_id for result in reversed(results)]
