"""Check, BatchCheck, ConfirmRead and WhatCan as a tool meets them, on both fronts."""

from __future__ import annotations

import time

import grpc
import pytest
from e2e_asking import CASE, SERIAL, question, reason_of
from google.protobuf.json_format import MessageToDict
from running import Daemon, Stubs

from munjigi_client._proto.munjigi.v1 import audit_pb2, grant_pb2, reach_pb2
from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb


def records(daemon: Daemon, stubs: Stubs, **query: object) -> list[dict]:
    answer = stubs.audit.SearchRecords(
        audit_pb2.SearchRecordsRequest(**query), metadata=daemon.credentials("dpo.yoon", "munjigi-cli")
    )
    assert answer.complete
    return [{"id": each.id, "type": each.event_type, **MessageToDict(each.content)} for each in answer.records]


def test_an_allow_names_rule_grant_and_masks_and_its_record_is_found(daemon: Daemon, stubs: Stubs) -> None:
    before = time.time_ns()
    answer = stubs.decision.Check(question(request_id="tour-1"), metadata=daemon.credentials("cs.kim"))
    assert answer.decision == pb.DECISION_ALLOW
    assert answer.reason == "GRANTED"
    assert answer.decision_id == f"{answer.record.log_id}-{answer.record.index}"
    assert before < answer.valid_until - 60 * 10**9 < time.time_ns()
    assert [field.name for field in answer.fields] == ["name", "phone"]
    for field in answer.fields:
        assert field.effect == pb.FIELD_EFFECT_MASKED
        assert field.mask
        assert field.rule.startswith("policy.csv:")
        assert list(field.grant_ids) == ["g.cs.kim.cs_agent"]
    assert {(duty.kind, duty.field) for duty in answer.obligations} >= {
        (pb.OBLIGATION_KIND_MASK, "name"),
        (pb.OBLIGATION_KIND_MASK, "phone"),
        (pb.OBLIGATION_KIND_CONFIRM_READ, ""),
    }
    assert len(answer.policy_revision) == 64
    assert answer.grant_revision > 0
    (found,) = records(daemon, stubs, decision_id=answer.decision_id)
    assert found["type"] == "access.decision"
    assert found["employee"] == "cs.kim"  # identifier
    assert int(found["time"]) >= before  # date-time
    assert found["ip"] == "127.0.0.1"  # source location
    assert found["members"][0].startswith("m1.")  # data subject handled
    assert (found["action"], found["resource"], found["purpose"], found["case_id"]) == ("read", "crm.member", "inquiry", CASE)
    assert found["request_id"] == "tour-1"


def test_search_by_member_takes_a_serial_and_finds_its_reference(daemon: Daemon, stubs: Stubs) -> None:
    answer = stubs.decision.Check(question(member_ids=["2000777"]), metadata=daemon.credentials("cs.kim"))
    found = records(daemon, stubs, member_id="2000777")
    assert answer.decision_id in {each["id"] for each in found}
    assert all("2000777" not in str(each) for each in found)
    assert answer.decision_id in {each["id"] for each in records(daemon, stubs, member_id="0002000777", resource="crm.member")}
    # Of somebody else there is nothing, but that this search asks about them: it may find itself.
    assert {each["door"] for each in records(daemon, stubs, member_id="2000778")} <= {"SearchRecords"}


@pytest.mark.parametrize(
    ("employee", "changes", "reason"),
    [
        ("new.oh", {}, "NO_GRANT"),
        ("dba.jung", {}, "NO_GRANT"),
        ("nobody.here", {}, "NO_GRANT"),
        ("cs.kim", {"resource": "crm.secret"}, "RESOURCE_UNKNOWN"),
        ("cs.kim", {"fields": ["name", "shoe_size"]}, "FIELD_UNKNOWN"),
        ("cs.kim", {"action": "peek"}, "ACTION_UNKNOWN"),
        ("cs.kim", {"purpose": "curiosity"}, "PURPOSE_UNKNOWN"),
        ("cs.kim", {"case_id": ""}, "CASE_ID_REQUIRED"),
        ("cs.kim", {"member_ids": []}, "SUBJECTS_REQUIRED"),
        ("cs.kim", {"fields": ["resident_number"]}, None),
    ],
)
def test_p3_the_unknown_is_a_recorded_denial(
    daemon: Daemon, stubs: Stubs, employee: str, changes: dict, reason: str | None
) -> None:
    answer = stubs.decision.Check(question(**changes), metadata=daemon.credentials(employee))
    assert answer.decision == pb.DECISION_DENY
    assert answer.valid_until == 0
    assert answer.help
    if reason is not None:
        assert answer.reason == reason
    (found,) = records(daemon, stubs, decision_id=answer.decision_id)
    assert found["decision"] == "DENY"
    assert found["reason"] == answer.reason


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"case_id": "CS-26-1"}, "CASE_ID_INVALID"),
        ({"case_id": "010-1234-5678"}, "CASE_ID_INVALID"),
        ({"request_id": "010-1234-5678"}, "PERSONAL_DATA_IN_IDENTIFIER"),
        ({"request_id": "has space"}, "REQUEST_INVALID"),
        ({"member_ids": [str(number) for number in range(10_000)]}, "REQUEST_INVALID"),
        ({"member_ids": ["10o0001"]}, "MEMBER_ID_INVALID"),
        ({"resource": ""}, "REQUEST_INVALID"),
        ({"purpose": ""}, "REQUEST_INVALID"),
        ({"fields": [""]}, "REQUEST_INVALID"),
        ({"resource": "x" * 300}, "REQUEST_INVALID"),
        ({"intent": 9}, "REQUEST_INVALID"),
        ({"resource": "class:contact", "fields": []}, "MEMBER_IDS_NEED_TABLE"),
    ],
)
def test_malformed_values_are_refused_without_a_decision(daemon: Daemon, stubs: Stubs, changes: dict, reason: str) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        stubs.decision.Check(question(**changes), metadata=daemon.credentials("cs.kim"))
    assert reason_of(refused.value) == (grpc.StatusCode.INVALID_ARGUMENT, reason)
    for value in changes.values():
        if isinstance(value, str) and len(value) > 4:
            assert value not in refused.value.details()


@pytest.mark.parametrize(
    "name",
    [
        "na\0me",
        "n\u202eame",
        "n\u0430me",
        "na\u0308me",
        "' OR 1=1 --",
        "../../etc/passwd",
        "*",
        "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"),
    ],
)
def test_strange_names_are_denied_and_recorded_as_digests(daemon: Daemon, stubs: Stubs, name: str) -> None:
    for changes in ({"fields": [name]}, {"resource": f"crm.{name}"}, {"purpose": name}, {"action": name}):
        answer = stubs.decision.Check(question(**changes), metadata=daemon.credentials("cs.kim"))
        assert answer.decision == pb.DECISION_DENY
        (found,) = records(daemon, stubs, decision_id=answer.decision_id)
        assert name not in str(found)
        assert "d1." in str(found)


def test_p5_a_telephone_number_as_a_name_reaches_neither_disk_nor_log(daemon: Daemon, stubs: Stubs) -> None:
    number = "010-9999-8877"
    stubs.decision.Check(question(fields=[number]), metadata=daemon.credentials("cs.kim"))
    stubs.decision.Check(question(purpose=number, case_id=number), metadata=daemon.credentials("cs.kim"))
    for changes in ({"case_id": number}, {"request_id": number}):
        with pytest.raises(grpc.RpcError):
            stubs.decision.Check(question(**changes), metadata=daemon.credentials("cs.kim"))
    records(daemon, stubs, employee="cs.kim")
    needle = number.encode()
    for path in daemon.state_dir.rglob("*"):
        if path.is_file() and not path.is_socket():
            assert needle not in path.read_bytes(), path
    assert number not in daemon.text


def test_p5_a_serial_reaches_neither_disk_nor_log(daemon: Daemon, stubs: Stubs) -> None:
    serial = "31415926535"
    answer = stubs.decision.Check(question(member_ids=[serial]), metadata=daemon.credentials("cs.kim"))
    stubs.decision.ConfirmRead(
        pb.ConfirmReadRequest(
            items=[pb.ConfirmItem(decision_id=answer.decision_id, member_ids=[serial], row_count=1, outcome=pb.READ_OUTCOME_READ)]
        ),
        metadata=daemon.credentials("cs.kim"),
    )
    records(daemon, stubs, member_id=serial)
    for path in daemon.state_dir.rglob("*"):
        if path.is_file():
            assert serial.encode() not in path.read_bytes(), path
    assert serial not in daemon.text


def test_p4_a_batch_gives_the_verdicts_of_single_checks_and_a_bad_item_harms_no_other(daemon: Daemon, stubs: Stubs) -> None:
    questions = [
        question(),
        question(case_id="bad case"),
        question(fields=["shoe_size"]),
        question(resource=""),
        question(fields=[], allow_partial=True),
        question(request_id="010-1234-5678"),
    ]
    metadata = daemon.credentials("cs.kim")
    batch = stubs.decision.BatchCheck(pb.BatchCheckRequest(items=questions), metadata=metadata)
    assert len(batch.results) == len(questions)
    for asked, result in zip(questions, batch.results, strict=True):
        try:
            single = stubs.decision.Check(asked, metadata=metadata)
        except grpc.RpcError as error:
            code, reason = reason_of(error)
            assert (result.error.code, result.error.reason) == (code.value[0], reason)
        else:
            answer = result.response
            assert (answer.decision, answer.reason, answer.fields, answer.obligations) == (
                single.decision,
                single.reason,
                single.fields,
                single.obligations,
            )
    indexes = [result.response.record.index for result in batch.results if result.HasField("response")]
    assert indexes == list(range(indexes[0], indexes[0] + len(indexes)))


def test_a_batch_has_1_to_1000_items(daemon: Daemon, stubs: Stubs) -> None:
    metadata = daemon.credentials("cs.kim")
    for count in (0, 1001):
        with pytest.raises(grpc.RpcError) as refused:
            stubs.decision.BatchCheck(pb.BatchCheckRequest(items=[question()] * count), metadata=metadata)
        assert reason_of(refused.value) == (grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_INVALID")
    assert len(stubs.decision.BatchCheck(pb.BatchCheckRequest(items=[question()] * 1000), metadata=metadata).results) == 1000


def confirm(stubs: Stubs, metadata: object, decision_id: str) -> pb.ConfirmResult:
    item = pb.ConfirmItem(decision_id=decision_id, row_count=1, member_ids=[SERIAL], outcome=pb.READ_OUTCOME_READ)
    (result,) = stubs.decision.ConfirmRead(pb.ConfirmReadRequest(items=[item]), metadata=metadata).results
    return result


def test_a_confirmation_is_recorded_once_and_only_for_who_asked(daemon: Daemon, stubs: Stubs) -> None:
    kim = daemon.credentials("cs.kim")
    answer = stubs.decision.Check(question(), metadata=kim)
    assert confirm(stubs, daemon.credentials("cs.lee"), answer.decision_id).error.reason == "DECISION_OF_ANOTHER"
    first = confirm(stubs, kim, answer.decision_id)
    assert first.record.log_id == answer.record.log_id
    assert confirm(stubs, kim, answer.decision_id).record == first.record
    found = records(daemon, stubs, decision_id=answer.decision_id)
    assert sorted(each["type"] for each in found) == ["access.confirm", "access.decision"]
    denied = stubs.decision.Check(question(fields=["shoe_size"]), metadata=kim)
    assert confirm(stubs, kim, denied.decision_id).error.reason == "DECISION_UNKNOWN"
    probe = stubs.decision.Check(question(intent=pb.INTENT_PROBE), metadata=kim)
    assert confirm(stubs, kim, probe.decision_id).error.reason == "DECISION_UNKNOWN"
    assert confirm(stubs, kim, "nonsense").error.reason == "DECISION_ID_INVALID"


def test_a_probe_needs_no_member_and_permits_no_read(daemon: Daemon, stubs: Stubs) -> None:
    answer = stubs.decision.Check(question(intent=pb.INTENT_PROBE, member_ids=[]), metadata=daemon.credentials("cs.kim"))
    assert answer.decision == pb.DECISION_ALLOW
    assert answer.valid_until == 0


def test_origin_is_the_tools_word_only_where_the_tool_may_give_it(daemon: Daemon, stubs: Stubs) -> None:
    origin = pb.Origin(ip="203.0.113.9", session_id="s-1")
    asserted = stubs.decision.Check(question(origin=origin), metadata=daemon.credentials("cs.kim"))
    (found,) = records(daemon, stubs, decision_id=asserted.decision_id)
    assert (found["ip"], found["ip_asserted"], found["peer"], found["session_id"]) == ("203.0.113.9", True, "127.0.0.1", "s-1")
    ignored = stubs.decision.Check(question(origin=origin), metadata=daemon.credentials("cs.kim", "munjigi-cli"))
    (found,) = records(daemon, stubs, decision_id=ignored.decision_id)
    assert (found["ip"], found.get("ip_asserted", False)) == ("127.0.0.1", False)


def test_the_trace_is_kept(daemon: Daemon, stubs: Stubs) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    answer = stubs.decision.Check(
        question(), metadata=(*daemon.credentials("cs.kim"), ("traceparent", f"00-{trace}-00f067aa0ba902b7-01"))
    )
    (found,) = records(daemon, stubs, decision_id=answer.decision_id)
    assert (found["trace_id"], found["span_id"]) == (trace, "00f067aa0ba902b7")


def test_what_can_tells_who_asks_and_what_check_then_allows(daemon: Daemon, stubs: Stubs) -> None:
    answer = stubs.decision.WhatCan(reach_pb2.WhatCanRequest(), metadata=daemon.credentials("cs.kim"))
    assert (answer.employee, answer.tool, answer.principal_type) == ("cs.kim", "crm-desk", "employee")
    phone = next(each for each in answer.permissions if each.object == "crm.member.phone" and each.action == "read")
    check = stubs.decision.Check(question(fields=["phone"]), metadata=daemon.credentials("cs.kim"))
    assert (phone.effect, phone.mask) == (check.fields[0].effect, check.fields[0].mask)
    nothing = stubs.decision.WhatCan(reach_pb2.WhatCanRequest(), metadata=daemon.credentials("new.oh"))
    assert not nothing.permissions


def test_grants_are_listed_freely_for_oneself_and_by_decision_for_others(daemon: Daemon, stubs: Stubs) -> None:
    own = stubs.grant.ListGrants(grant_pb2.ListGrantsRequest(), metadata=daemon.credentials("cs.kim"))
    assert [(grant.employee, grant.role, grant.active) for grant in own.grants] == [("cs.kim", "cs_agent", True)]
    with pytest.raises(grpc.RpcError) as refused:
        stubs.grant.ListGrants(grant_pb2.ListGrantsRequest(everyone=True), metadata=daemon.credentials("cs.kim"))
    assert refused.value.code() == grpc.StatusCode.PERMISSION_DENIED
    names, token = [], ""
    while True:
        page = stubs.grant.ListGrants(
            grant_pb2.ListGrantsRequest(everyone=True, page_size=2, page_token=token),
            metadata=daemon.credentials("dpo.yoon", "munjigi-cli"),
        )
        names += [grant.employee for grant in page.grants]
        token = page.next_page_token
        if not token:
            break
    assert names == sorted(names)
    assert {"cs.kim", "cs.lee", "sec.han", "dpo.yoon"} <= set(names)
