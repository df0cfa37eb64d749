"""A decision that stands is taken over by equal questions; nobody may be able to tell (promises P2, P4, P6)."""

import asyncio
import os
from collections.abc import Awaitable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def answers(tmp_path, monkeypatch):
    """Ask one batch, then each of its items alone, of the same gateway; return both lists and all records."""
    from munjigi.app.files import StateFolder

    folder = StateFolder(tmp_path / "state")
    folder.make()
    monkeypatch.setitem(os.environ, "PROMETHEUS_MULTIPROC_DIR", str(folder.metrics))
    return asyncio.run(_ask(folder.root))


async def _ask(state):
    from munjigi.app.bootstrap import open_gateway
    from munjigi.app.config import load_settings
    from munjigi.audit.records import AccessRecord
    from munjigi.kernel.identity import EMBEDDED_ISSUER, Caller, EmployeeKey
    from munjigi.rpc.call import Call
    from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb

    gateway = open_gateway(
        load_settings({"state_dir": state, "policy_home": ROOT / "policies", "front": "grpcio", "sample": False}), pytest.fail
    )
    records = []
    append = gateway.journal.append

    def keep(record):
        index = append(record)
        if isinstance(record, AccessRecord):
            records.append({name: getattr(record, name) for name in record.__struct_fields__})
        return index

    gateway.journal.append = keep
    methods = {method.name: method.handler for method in gateway.methods if method.service.endswith("DecisionService")}
    call = Call(Caller(EmployeeKey(EMBEDDED_ISSUER, "cs.kim"), "crm-desk", "127.0.0.1"), "Check", gateway.clock.now(), "", "")

    def question(**changes):
        asked = {"resource": "crm.member", "fields": ["name", "phone"], "purpose": "inquiry", "case_id": "CS-2026-000123"}
        return pb.CheckRequest(**{**asked, "member_ids": ["1000001"], **changes})

    items = [
        question(),
        question(member_ids=["1000002"], request_id="second"),
        question(member_ids=["1000003"], observe=True),
        question(member_ids=["1000004"], intent=pb.INTENT_PROBE),
        question(member_ids=["1000005", "1000006"]),
        question(fields=["resident_number"]),
        question(fields=["resident_number"], member_ids=["1000007"]),
        question(member_ids=["1000008"], origin=pb.Origin(ip="10.1.2.3", session_id="s-1")),
        question(member_ids=["1000009"], origin=pb.Origin(ip="10.1.2.3", session_id="s-2")),
        question(member_ids=["1000001"]),
    ]
    batch = methods["BatchCheck"](call, pb.BatchCheckRequest(items=items))
    if isinstance(batch, Awaitable):
        batch = await batch
    together = [result.response for result in pb.BatchCheckResponse.FromString(bytes(batch)).results]
    alone = []
    for item in items:
        rulings = methods["Check"].__self__._desk._rulings
        rulings._standing.clear()  # each is decided anew
        rulings.forms._kept.clear()  # and read anew
        alone.append(pb.CheckResponse.FromString(methods["Check"](call._replace(), item)))
    await gateway.committer.close()
    gateway.journal.close()
    gateway.index.close()
    gateway.store.close()
    return together, alone, records


def test_p4_a_batch_answers_and_records_exactly_what_its_items_alone_would(answers):
    together, alone, records = answers
    assert len(together) == len(alone) == len(records) / 2
    for one, other in zip(together, alone, strict=True):
        assert one.decision_id != other.decision_id
        for each in (one, other):
            assert each.decision_id == f"{each.record.log_id}-{each.record.index}"
            each.ClearField("decision_id")
            each.ClearField("record")
        assert one == other
    differ = {"index", "time", "latency_ns"}
    for one, other in zip(records[: len(together)], records[len(together) :], strict=True):
        assert {name: value for name, value in one.items() if name not in differ} == {
            name: value for name, value in other.items() if name not in differ
        }
    indexes = [record["index"] for record in records]
    assert indexes == list(range(indexes[0], indexes[0] + len(records)))


def test_p6_each_record_of_a_batch_names_its_own_members(answers):
    together, _, records = answers
    named = [record["members"] for record in records[: len(together)]]
    assert named[0] == named[-1]
    assert len({*named}) == len(named) - 2  # the first question's member is asked about twice more
    assert len(named[4]) == 2
