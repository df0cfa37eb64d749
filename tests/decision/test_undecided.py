"""What a condition can't be decided without is named: in the reason, in the help, and in the explanation of the record."""

from __future__ import annotations

import pytest
from decision.builders import KIM, NOW, P, ask, grant, make_bundle, snapshot

from munjigi.audit.records import AccessRecord, decode, encode
from munjigi.decision.core import decide
from munjigi.decision.explain import explain
from munjigi.decision.recorded import asked_at, differences, request_of
from munjigi.decision.types import Effect
from munjigi.kernel.identity import Caller
from munjigi.kernel.references import NameDigests
from munjigi.rpc.call import Call
from munjigi.rpc.recording import access_record, of_call

WORKDAY = "!r.ctx.holiday"  # the calendar of these bundles has no holidays, so that no year is covered
OFFICE = "ipMatch(r.ctx.ip, '10.0.0.0/8')"
HELD = grant("g1", "agent")


def found(*lines, question=None, held=(HELD,), links=()):
    shot = snapshot(make_bundle(lines, links), *held)
    question = question or ask("name")
    decision = decide(shot, question, NOW)
    assert explain(shot, question, NOW).decision == decision
    return decision, explain(shot, question, NOW)


@pytest.mark.parametrize(
    ("cond", "changes", "reason", "names"),
    [
        (WORKDAY, {}, "HOLIDAY_UNDECIDED", "`r.ctx.holiday`"),
        (OFFICE, {"ip": "nowhere"}, "IP_UNDECIDED", "`r.ctx.ip`"),
        (f"r.ctx.device || {OFFICE}", {"ip": ""}, "IP_UNDECIDED", "`r.ctx.ip`"),
        (OFFICE, {"ip": "192.0.2.1"}, "NO_RULE", "policy.csv:1"),
        (f"r.ctx.device && {WORKDAY}", {}, "NO_RULE", "policy.csv:1"),  # decided by the device alone
    ],
)
def test_p3_an_allow_that_can_not_be_decided_denies_with_the_attributes_name(cond, changes, reason, names):
    decision, explanation = found(P("agent", "crm.member.name", cond=cond), question=ask("name", **changes))
    assert (decision.allow, decision.reason, decision.rule) == (False, reason, "")
    assert names in decision.help
    assert cond in decision.help
    assert "You need role `agent`" not in decision.help
    standing = "CONDITION_FALSE" if reason == "NO_RULE" else reason
    assert [each.standing for each in explanation.fields[0].rules] == [standing]
    assert [each.reason for each in explanation.fields[0].nearest] == [standing]


def test_p3_a_deny_that_can_not_be_decided_holds_and_says_so():
    lines = [P("agent", "crm.member.name"), P("agent", "crm.member.name", allow=False, cond="r.ctx.holiday")]
    decision, explanation = found(*lines)
    assert (decision.allow, decision.reason, decision.rule) == (False, "HOLIDAY_UNDECIDED", "policy.csv:2")
    assert "`r.ctx.holiday`" in decision.help
    assert "You need role" not in decision.help
    field = explanation.fields[0]
    assert field.combination == "DENY_OVERRIDES"
    assert "HOLIDAY_UNDECIDED" in field.summary
    assert {each.rule.line: each.standing for each in field.rules} == {1: "OVERRULED_BY_DENY", 2: "DECIDES"}
    assert not field.nearest


def test_a_rule_that_is_decided_leaves_nothing_undecided():
    both = [P("agent", "crm.member.name", cond=WORKDAY), P("agent", "crm.member.name", mask="partial")]
    decision, _ = found(*both)
    assert (decision.reason, decision.fields[0].effect) == ("GRANTED", Effect.MASKED)
    denied, _ = found(P("agent", "crm.member.name", cond=WORKDAY), P("agent", "crm.member.name", allow=False))
    assert (denied.reason, denied.rule) == ("RULE_DENIES", "policy.csv:2")


def test_the_record_carries_the_name_and_explains_it_again():
    shot = snapshot(make_bundle([P("agent", "crm.member.name", cond=WORKDAY), P("agent", "crm.member.phone")]), HELD)
    question = ask("phone", "name", allow_partial=False)
    decision = decide(shot, question, NOW)
    call = Call(Caller(KIM, "desk", "10.0.0.9"), "Check", NOW, "", "")
    taken = of_call(access_record(question, decision, shot, NameDigests(b"k" * 32), own=True), call)
    taken.index, taken.time = 3, NOW
    record = decode(encode(taken))
    assert isinstance(record, AccessRecord)
    assert record.reason == "HOLIDAY_UNDECIDED"
    assert [field.reason for field in record.fields] == ["GRANTED", "HOLIDAY_UNDECIDED"]
    again = explain(shot, request_of(record), asked_at(record))
    assert differences(record, again.decision) == ()


def test_help_leaves_out_roles_held_and_names_the_rule_in_the_way():
    lines = [
        P("agent", "crm.member.name", cond="r.ctx.subjects > 9"),
        P("boss", "crm.member.name"),
        P("chief", "crm.member.phone"),
        P("other", "crm.member.name"),
    ]
    links = [("chief", "boss")]
    decision, _ = found(*lines, links=links)
    assert decision.help.splitlines() == [
        "Rule policy.csv:1 would allow this to your role `agent`, but its condition does not hold: r.ctx.subjects > 9",
        "You need role `boss` for purpose `inquiry`; its owners decide: cs.lee. Ask: munjigi request boss --purpose inquiry --days 90 --reason WHY",
        "You need role `other` for purpose `inquiry`; its owners decide: cs.lee. Ask: munjigi request other --purpose inquiry --days 90 --reason WHY",
    ]
    # A role that a held one brings is held, too.
    below = [P("low", "crm.member.name", cond="r.ctx.subjects > 9")]
    decision, _ = found(*below, links=[("agent", "low")])
    assert (
        decision.help
        == "Rule policy.csv:1 would allow this to your role `low`, but its condition does not hold: r.ctx.subjects > 9"
    )
    # The same question of someone who holds nothing is answered with the roles, whoever asked before.
    shot = snapshot(make_bundle(lines, links), HELD)
    decide(shot, ask("name"), NOW)
    nobody = decide(shot, ask("name", employee=KIM._replace(subject="new.oh")), NOW)
    assert "You need role `agent`" in nobody.help
    assert "policy.csv" not in nobody.help
