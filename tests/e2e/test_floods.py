"""A flood of denials against a real daemon: counted, summed up, and known after a kill (P1)."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path

import grpc
import pytest
from e2e_asking import question, reason_of
from running import Daemon, Stubs, serving

from munjigi.audit.reader import JournalReader
from munjigi.audit.records import AccessRecord, AnyRecord, DenialFloodRecord, decode
from munjigi.audit.verify import verify_journal
from munjigi_client._proto.munjigi.v1 import audit_pb2, grant_pb2
from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb

BOUND = 20
DENIED = {"fields": ["resident_number"]}


def recorded(daemon: Daemon) -> list[AnyRecord]:
    """Return every record of the one journal, from its files."""
    (log,) = [each for each in (daemon.state_dir / "journal").iterdir() if each.is_dir()]
    with JournalReader(log) as reader:
        return [decode(payload) for _, payload in reader.read(0, 1_000_000)]


def floods(records: list[AnyRecord], reason: str) -> list[DenialFloodRecord]:
    return [each for each in records if isinstance(each, DenialFloodRecord) and each.reason == reason]


@pytest.mark.parametrize("front", ["native", "grpcio"])
def test_a_flood_is_counted_and_no_allow_is(tmp_path: Path, front: str) -> None:
    options = {"MUNJIGI_FRONT": front, "MUNJIGI_DENIAL_RECORDS_PER_SECOND": str(BOUND)}
    with serving(tmp_path / "var", **options) as daemon, daemon.channel() as channel:
        stubs, metadata = Stubs(channel), daemon.credentials("cs.kim")
        trial = question(**DENIED, observe=True)
        items = [question(), question(**DENIED), trial] * 100
        results = stubs.decision.BatchCheck(pb.BatchCheckRequest(items=items), metadata=metadata).results
        answers = [result.response for result in results]
        # An ALLOW has its record whatever goes on beside it, and so has what a tool only tries out: it reads all the same.
        assert all(answer.decision_id and answer.record.log_id for answer in (*answers[::3], *answers[2::3]))
        denied = answers[1::3]
        assert all((answer.decision, answer.reason) == (pb.DECISION_DENY, "RULE_DENIES") for answer in denied)
        assert all(answer.help and answer.policy_revision for answer in denied)
        counted = [answer for answer in denied if not answer.decision_id]
        assert not any(answer.HasField("record") for answer in counted)
        assert BOUND <= len(denied) - len(counted) < 4 * BOUND
        # An operation on Munjigi itself is denied and counted the same way.
        ids = []
        for _ in range(2 * BOUND):
            with pytest.raises(grpc.RpcError) as refused:
                stubs.grant.ListGrants(grant_pb2.ListGrantsRequest(everyone=True), metadata=metadata)
            assert refused.value.code() == grpc.StatusCode.PERMISSION_DENIED
            ids.append(refused.value)
        assert {reason_of(each)[0] for each in ids} == {grpc.StatusCode.PERMISSION_DENIED}
        search = audit_pb2.SearchRecordsRequest(event_type="denial.flood", tool="crm-desk")
        deadline = time.monotonic() + 30
        while True:
            found = stubs.audit.SearchRecords(search, metadata=daemon.credentials("dpo.yoon", "munjigi-cli")).records
            sums = [
                each.content["count"] for each in found if each.content["reason"] == "RULE_DENIES" and "count" in each.content
            ]
            if sum(sums) == len(counted):
                break
            assert time.monotonic() < deadline, found
            time.sleep(0.1)
    records = recorded(daemon)
    allowed = [
        each for each in records if isinstance(each, AccessRecord) and each.decision == "ALLOW" and each.tool == "crm-desk"
    ]
    assert len(allowed) == 100
    of_flood = floods(records, "RULE_DENIES")
    assert of_flood[0].count == 0
    assert sum(each.count for each in of_flood) == len(counted)
    assert all(each.first_at <= each.last_at and each.period_ns < 5 * 10**9 for each in of_flood)
    own = [each for each in records if isinstance(each, AccessRecord) and each.decision == "DENY" and not each.observe]
    assert len(own) + sum(each.count for each in records if isinstance(each, DenialFloodRecord)) == 100 + 2 * BOUND


def test_what_is_counted_is_written_down_before_a_stop(tmp_path: Path) -> None:
    with serving(tmp_path / "var", MUNJIGI_DENIAL_RECORDS_PER_SECOND="1") as daemon:
        with daemon.channel() as channel:
            batch = pb.BatchCheckRequest(items=[question(**DENIED)] * 50)
            results = Stubs(channel).decision.BatchCheck(batch, metadata=daemon.credentials("cs.kim")).results
        assert daemon.stop() == 0
    counted = sum(not result.response.decision_id for result in results)
    assert counted > 40
    assert sum(each.count for each in floods(recorded(daemon), "RULE_DENIES")) == counted


@pytest.mark.parametrize("front", ["native", "grpcio"])
def test_p1_a_kill_in_the_middle_of_a_flood_loses_counts_and_never_the_fact(tmp_path: Path, front: str) -> None:
    daemon = Daemon(tmp_path / "var", MUNJIGI_FRONT=front, MUNJIGI_DENIAL_RECORDS_PER_SECOND="5").start()
    answered: list[pb.CheckResponse] = []
    enough = threading.Event()
    metadata = daemon.credentials("cs.kim")

    def ask() -> None:
        with daemon.channel() as channel:
            stub = Stubs(channel).decision
            try:
                while True:
                    answered.append(stub.Check(question(**DENIED), metadata=metadata, timeout=10))
                    answered.append(stub.Check(question(), metadata=metadata, timeout=10))
                    if len(answered) > 1_000:
                        enough.set()
            except grpc.RpcError:
                enough.set()

    askers = [threading.Thread(target=ask) for _ in range(4)]
    for each in askers:
        each.start()
    assert enough.wait(60)
    daemon.stop(signal.SIGKILL)
    for each in askers:
        each.join(30)
    records = recorded(daemon)
    (log,) = [each for each in (daemon.state_dir / "journal").iterdir() if each.is_dir()]
    held = {f"{log.name}-{each.index}" for each in records if isinstance(each, AccessRecord)}
    allowed = [each for each in answered if each.decision == pb.DECISION_ALLOW]
    assert allowed
    assert {each.decision_id for each in answered if each.decision_id} <= held
    assert all(each.decision_id for each in allowed)
    counted = sum(not each.decision_id for each in answered)
    assert counted > 100
    of_flood = floods(records, "RULE_DENIES")
    assert of_flood[0].count == 0
    if sum(each.count for each in of_flood) < counted:  # the last period was not summed up any more, and its beginning is there
        assert of_flood[-1].count == 0
    # The next start says nothing else happened to the log, and decides again.
    with serving(daemon.state_dir, MUNJIGI_FRONT=front) as again, again.channel() as channel:
        assert Stubs(channel).decision.Check(question(**DENIED), metadata=again.credentials("cs.kim")).decision_id
    assert verify_journal(log).intact
