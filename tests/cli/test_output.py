"""What a person and a program see, rendered from the wire's real messages."""

from __future__ import annotations

import json

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from munjigi.audit.schema.catalogue import EVENTS, Event
from munjigi.cli import output
from munjigi.cli.audit_table import records_table
from munjigi.cli.check import show
from munjigi.cli.grants_table import grants_table
from munjigi_client._proto.munjigi.v1 import audit_pb2, decision_pb2, grant_pb2

NOW = 1_795_386_575_123_456_789
LOG = "abcdefghij0123456789"
RIGHT = {"role": "r", "purpose": "p", "holder": "new.oh"}


def allowed() -> decision_pb2.CheckResponse:
    answer = decision_pb2.CheckResponse(
        decision=decision_pb2.DECISION_ALLOW,
        decision_id=f"{LOG}-7",
        reason="GRANTED",
        policy_revision="ab" * 32,
        grant_revision=9,
        valid_until=NOW,
        role_path=["g.cs.kim.cs_agent", "cs_agent"],
    )
    answer.record.log_id = LOG
    answer.record.index = 7
    answer.fields.add(
        name="phone",
        effect=decision_pb2.FIELD_EFFECT_MASKED,
        mask="partial",
        reason="GRANTED",
        rule="policy.csv:14",
        grant_ids=["g.cs.kim.cs_agent"],
    )
    answer.obligations.add(kind=decision_pb2.OBLIGATION_KIND_MASK, field="phone", mask="partial")
    answer.obligations.add(kind=decision_pb2.OBLIGATION_KIND_LIMIT_SUBJECTS, limit=1)
    answer.obligations.add(kind=decision_pb2.OBLIGATION_KIND_CONFIRM_READ)
    return answer


def test_json_has_the_wire_names_and_every_field(capsys):
    output.print_json(allowed())
    printed = capsys.readouterr().out
    shape = json.loads(printed)
    assert shape["decision"] == "DECISION_ALLOW"
    assert shape["fields"][0]["effect"] == "FIELD_EFFECT_MASKED"
    assert shape["fields"][0]["grant_ids"] == ["g.cs.kim.cs_agent"]
    assert shape["policy_revision"] == "ab" * 32
    assert shape["help"] == ""
    assert json_format.Parse(printed, decision_pb2.CheckResponse()) == allowed()


def test_ndjson_is_one_object_a_line(capsys):
    output.print_lines([allowed(), allowed()])
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["decision_id"] for line in lines] == [f"{LOG}-7"] * 2


@given(st.text())
def test_json_survives_any_text_and_carries_no_harmful_character(text: str):
    line = output.safe(json.dumps({"help": text}, ensure_ascii=False))
    assert json.loads(line) == {"help": text}
    assert not any(ord(char) < 32 or 127 <= ord(char) < 160 or char in "\u202e\u2066\u200f\ufeff" for char in line)


@given(st.text())
def test_safe_text_stays_on_its_line(text: str):
    assert len(output.safe(text).splitlines()) <= 1
    assert "\x1b" not in output.safe(text)


def test_an_allow_says_what_to_do_and_where_it_is_recorded(capsys):
    request = decision_pb2.CheckRequest(resource="crm.member", purpose="inquiry", case_id="CS-2026-000123")
    show(request, allowed())
    printed = capsys.readouterr().out
    assert printed.startswith("ALLOW  GRANTED  read crm.member for inquiry, case CS-2026-000123\n")
    for told in (
        "masked",
        "policy.csv:14",
        "mask phone with partial",
        "read 1 member at most",
        "confirm the read before 07:29:35",
        f"{LOG}-7",
        "g.cs.kim.cs_agent > cs_agent",
        "policy abababababab, grants 9",
    ):
        assert told in printed


def test_a_deny_says_what_the_employee_can_do(capsys):
    answer = decision_pb2.CheckResponse(
        decision=decision_pb2.DECISION_DENY, reason="NO_GRANT", decision_id=f"{LOG}-8", help="You need cs_agent.\nAsk cs.lee."
    )
    show(decision_pb2.CheckRequest(resource="crm.member\x1b[2J", purpose="inquiry", intent=decision_pb2.INTENT_PROBE), answer)
    printed = capsys.readouterr().out
    assert printed.startswith("DENY  NO_GRANT  read crm.member\\u001b[2J for inquiry (probe: permits no read)")
    assert "help        You need cs_agent.\n            Ask cs.lee.\n" in printed
    assert "\x1b" not in printed
    assert "valid until" not in printed


def test_an_obligation_from_the_future_stops_the_reader(capsys):
    answer = decision_pb2.CheckResponse(decision=decision_pb2.DECISION_ALLOW, reason="GRANTED")
    answer.obligations.add(kind=99)  # type: ignore[arg-type]
    show(decision_pb2.CheckRequest(resource="crm.member", purpose="inquiry"), answer)
    assert "upgrade munjigi before you read" in capsys.readouterr().out


def record(event_type: str, index: int = 1, **content: object) -> audit_pb2.AuditRecord:
    made = audit_pb2.AuditRecord(id=f"{LOG}-{index}", time=NOW, event_type=event_type)
    made.content.update(content)
    return made


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (
            record(
                "access.decision", employee="cs.kim", tool="crm-desk", action="read", resource="crm.member", purpose="inquiry",
                fields=[{"name": "name"}, {"name": "phone"}], members=["m1.x"], case_id="CS-2026-000123", decision="ALLOW",
                reason="GRANTED", observe=True,
            ),
            ["cs.kim", "via crm-desk", "read crm.member (name,phone) for inquiry, CS-2026-000123, 1 member [observed]", "ALLOW", "GRANTED"],
        ),
        (
            record("access.decision", employee="dpo.yoon", action="read", resource="munjigi.audit", own=True, door="SearchRecords", decision="DENY"),
            ["dpo.yoon", "read munjigi.audit by SearchRecords", "DENY"],
        ),
        (record("access.confirm", employee="cs.kim", outcome="read", row_count=1, decision_id=f"{LOG}-1"), [f"read 1 row(s) of {LOG}-1"]),
        (record("policy.load", accepted=False, policy_revision="ab" * 32, first_problem="policy.csv:3:1 X"), ["refused", "policy.csv:3:1 X"]),
        (record("process.event", event="start", version="1", front="native"), ["gateway start, version 1, front native"]),
        (record("identity.failure", reason="TOKEN_EXPIRED", peer="127.0.0.1", count=3), ["3 refused sign-in(s) from 127.0.0.1", "TOKEN_EXPIRED"]),
        (record("of.tomorrow"), ["of.tomorrow"]),
        (record("permission.request", **RIGHT, access_request_id="ar-1", reason="desk"), ["asked for r for p of new.oh (ar-1)", "desk"]),
        (record("permission.close", **RIGHT, grant_id="g-1", request_state="approved"), ["decided on r for p of new.oh (g-1): approved"]),
        (record("permission.block", principal_kind="tool", principal="crm-desk", reason="leaks"), ["blocked tool crm-desk: leaks"]),
    ],
)  # fmt: skip
def test_records_as_a_table(made: audit_pb2.AuditRecord, told: list[str], capsys):
    output.console().print(records_table([made]))
    printed = capsys.readouterr().out
    assert made.id in printed
    for each in told:
        assert each in printed


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.name)
def test_every_kind_of_record_is_shown(event: Event, capsys):
    output.console().print(records_table([record(event.name)]))
    assert LOG in capsys.readouterr().out


def test_grants_as_a_table(capsys):
    grant = grant_pb2.Grant(
        grant_id="g.1",
        employee="cs.kim",
        role="cs_agent",
        purpose="inquiry",
        starts_at=NOW,
        ends_at=NOW,
        scope_actions=["read"],
        state="suspended",
        suspended="leave",
    )
    output.console().print(grants_table([grant], employees=True))
    printed = capsys.readouterr().out
    for told in ("cs.kim", "for inquiry", "only read", "to   2026-11-23", "not in force: suspended, leave", "g.1"):
        assert told in printed
