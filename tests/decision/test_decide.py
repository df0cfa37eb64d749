"""What each part of a question does to the verdict."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from decision.builders import DAY, KIM, NOW, P, ask, grant, make_bundle, person, purpose, role, snapshot, tool

from munjigi.decision.core import decide
from munjigi.decision.types import Effect
from munjigi.kernel.grant import Scope
from munjigi.kernel.identity import EmployeeKey

LINES = [
    P("agent", "crm.member.name", mask="partial"),
    P("agent", "class:key"),
    P("manager", "class:identity"),
    P("boss", "crm.member.*", act="*", purpose="*"),
    P("agent", "crm.member.memo", act="*", purpose="*", allow=False),
    P("overseer", "munjigi.audit", purpose="oversight"),
    P("agent", "class:contact"),
    P("away", "crm.member.phone", on=lambda *asked: asked[4].ip.startswith("10.")),
    P("away", "crm.member.phone", mask="null"),
    P("broken", "crm.member.name", on=lambda *_: 1 / 0 > 0),
    P("careful", "crm.member.name"),
    P("careful", "crm.member.name", allow=False, on=lambda *_: 1 / 0 > 0),
]
BUNDLE = make_bundle(
    LINES,
    links=[("manager", "agent"), ("head", "manager")],
    roles=[role("agent", owners=("cs.lee", "dpo.yoon")), role("fraud", requires=("pledge", "training"))],
    tools=[
        tool("narrow", purposes=frozenset(("inquiry",)), actions=frozenset(("read",)), max_subjects=2),
        tool("unlimited", max_subjects=0),
    ],
    purposes=[
        purpose(
            "cased",
            case_required=True,
            case_pattern=r"CS-\d{4}",
            case_example="CS-2026",
            matches_case=lambda text: re.fullmatch(r"CS-\d{4}", text) is not None,
        )
    ],
)
AGENT = grant("g1", "agent")


def decided(*grants, question, now=NOW, people=(), bundle=BUNDLE):
    return decide(snapshot(bundle, *grants, people=people), question, now)


def brief(decision):
    return [(field.name, field.mask or field.effect.value, field.reason) for field in decision.fields]


def test_an_allow_says_all_about_itself():
    decision = decided(AGENT, question=ask("name", "serial"))
    assert decision.allow
    assert (decision.reason, decision.rule, decision.role_path) == ("GRANTED", "policy.csv:1", ("g1", "agent"))
    assert brief(decision) == [("name", "partial", "GRANTED"), ("serial", "clear", "GRANTED")]
    assert [field.rule for field in decision.fields] == ["policy.csv:1", "policy.csv:2"]
    assert [field.grants for field in decision.fields] == [("g1",), ("g1",)]
    assert [field.classes for field in decision.fields] == [("identity",), ("key",)]
    assert (decision.policy_revision, decision.grant_revision) == (BUNDLE.revision, 7)
    assert decision.resource_known
    assert decision.purpose_known
    assert decision.action_known
    assert (decision.unknown_fields, decision.help) == (frozenset(), "")


def test_no_fields_means_every_column_in_catalog_order():
    decision = decided(grant("g1", "boss"), question=ask())
    assert [field.name for field in decision.fields] == ["serial", "name", "phone", "memo"]
    assert decision.allow


def test_one_denied_field_denies_unless_partial():
    assert not decided(AGENT, question=ask("name", "memo")).allow
    decision = decided(AGENT, question=ask("memo", "name", allow_partial=True))
    assert decision.allow
    assert (decision.reason, decision.rule) == ("GRANTED", "policy.csv:1")
    assert brief(decision) == [("memo", "denied", "RULE_DENIES"), ("name", "partial", "GRANTED")]
    assert not decided(AGENT, question=ask("memo", allow_partial=True)).allow


def test_deny_wins_over_every_allow_and_names_its_rule():
    decision = decided(AGENT, grant("g2", "boss"), question=ask("memo"))
    assert (decision.allow, decision.reason, decision.rule) == (False, "RULE_DENIES", "policy.csv:5")
    assert decision.role_path == ("g1", "agent")
    assert decision.fields[0].grants == ()


def test_the_most_revealing_mask_wins_and_path_leads_through_the_hierarchy():
    decision = decided(grant("g9", "head"), question=ask("name", "serial"))
    assert brief(decision)[0] == ("name", "clear", "GRANTED")
    assert decision.role_path == ("g9", "head", "manager")
    assert decided(grant("g9", "head"), question=ask("serial")).role_path == ("g9", "head", "manager", "agent")


def test_grants_are_those_that_alone_give_the_same_answer():
    many = [AGENT, grant("g2", "manager"), grant("g3", "head"), grant("g4", "boss"), grant("g5", "boss", "marketing")]
    decision = decided(*many, question=ask("name"))
    assert decision.fields[0].grants == ("g2", "g3", "g4")
    assert decision.role_path[0] == "g2"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"tool": "nobody"}, "TOOL_UNKNOWN"),
        ({"action": "steal"}, "ACTION_UNKNOWN"),
        ({"action": "*"}, "ACTION_UNKNOWN"),
        ({"action": "operate"}, "ACTION_UNKNOWN"),
        ({"purpose": "fun"}, "PURPOSE_UNKNOWN"),
        ({"purpose": "*"}, "PURPOSE_UNKNOWN"),
        ({"resource": "crm.nothing"}, "RESOURCE_UNKNOWN"),
        ({"resource": "crm.member.name"}, "RESOURCE_UNKNOWN"),
        ({"resource": "class:nothing"}, "RESOURCE_UNKNOWN"),
        ({"resource": "munjigi.nothing"}, "RESOURCE_UNKNOWN"),
        ({"tool": "narrow", "purpose": "marketing"}, "TOOL_PURPOSE_NOT_ALLOWED"),
        ({"tool": "narrow", "action": "export"}, "TOOL_ACTION_NOT_ALLOWED"),
        ({"subjects": 0}, "SUBJECTS_REQUIRED"),
        ({"subjects": -1}, "SUBJECTS_REQUIRED"),
        ({"tool": "narrow", "subjects": 3}, "TOO_MANY_SUBJECTS"),
        ({"employee": EmployeeKey("https://elsewhere", "cs.kim")}, "NO_GRANT"),
        ({"employee": EmployeeKey(KIM.issuer, "agent")}, "NO_GRANT"),  # a name that is a role's gives nothing
        ({"purpose": "marketing"}, "GRANT_OTHER_PURPOSE"),
    ],
)
def test_p3_what_is_not_known_or_not_allowed_denies(changes, reason):
    decision = decided(AGENT, question=ask("name", **changes))
    assert not decision.allow
    assert decision.reason == reason
    assert brief(decision) == [("name", "denied", reason)]
    assert decision.help
    for value in changes.values():
        assert (
            not isinstance(value, str)
            or value in ("narrow", "marketing", "export", "operate")
            or value not in decision.help.split()
        )


def test_p3_unknown_fields_are_told_apart():
    decision = decided(AGENT, question=ask("name", "010-1234-5678", "*", "member.name"))
    assert decision.reason == "FIELD_UNKNOWN"
    assert decision.unknown_fields == {"010-1234-5678", "*", "member.name"}
    assert "5678" not in decision.help
    assert [field.effect for field in decision.fields] == [Effect.MASKED, *[Effect.DENIED] * 3]
    assert decided(question=ask("name", "bogus")).unknown_fields == {"bogus"}
    assert decided(question=ask("bogus", resource="crm.nothing")).unknown_fields == {"bogus"}


def test_known_flags_tell_what_may_be_recorded_in_clear():
    decision = decided(AGENT, question=ask(resource="x", action="y", purpose="z", tool="nobody"))
    assert (decision.resource_known, decision.action_known, decision.purpose_known) == (False, False, False)
    decision = decided(AGENT, question=ask("name", tool="nobody"))
    assert (decision.resource_known, decision.action_known, decision.purpose_known) == (True, True, True)


def test_a_class_is_asked_for_as_itself():
    decision = decided(AGENT, question=ask(resource="class:contact"))
    assert decision.allow
    assert brief(decision) == [("class:contact", "clear", "GRANTED")]
    assert decided(AGENT, question=ask("phone", resource="class:contact")).reason == "FIELD_UNKNOWN"
    assert decided(grant("g1", "boss"), question=ask(resource="class:contact")).reason == "NO_RULE"
    assert decided(AGENT, question=ask(resource="class:contact", subjects=0)).reason == "SUBJECTS_REQUIRED"


def test_munjigi_itself_is_decided_by_the_same_core_without_members():
    overseer = grant("g1", "overseer", "oversight")
    decision = decided(overseer, question=ask(resource="munjigi.audit", purpose="oversight", subjects=0))
    assert decision.allow
    assert brief(decision) == [("munjigi.audit", "clear", "GRANTED")]
    for changes in ({"action": "operate"}, {"resource": "munjigi.grant"}):
        question = ask(**{"resource": "munjigi.audit", "purpose": "oversight", "subjects": 0, **changes})
        assert decided(overseer, question=question).reason == "NO_RULE"


@pytest.mark.parametrize(
    ("moment", "reason"),
    [(NOW - DAY - 1, "GRANT_NOT_STARTED"), (NOW - DAY, "GRANTED"), (NOW + DAY - 1, "GRANTED"), (NOW + DAY, "GRANT_EXPIRED")],
)
def test_a_grant_holds_from_its_start_to_just_before_its_end(moment, reason):
    assert decided(AGENT, question=ask("name"), now=moment).reason == reason


def test_the_nearest_miss_is_about_the_same_purpose_first():
    ended = grant("g1", "agent", ends_at=NOW)
    coming = grant("g2", "agent", starts_at=NOW + 1)
    other = grant("g3", "agent", "marketing")
    assert decided(ended, coming, other, question=ask("name")).reason == "GRANT_NOT_STARTED"
    assert decided(ended, other, question=ask("name")).reason == "GRANT_EXPIRED"
    assert decided(grant("g3", "agent", "marketing", ends_at=NOW), question=ask("name")).reason == "NO_GRANT"


def test_case_ids_bind_a_purpose_that_needs_them():
    boss = grant("g1", "boss", "cased")
    assert decided(boss, question=ask("name", purpose="cased")).reason == "CASE_ID_REQUIRED"
    refused = decided(boss, question=ask("name", purpose="cased", case_id="CS-20266"))
    assert refused.reason == "CASE_ID_INVALID"
    assert "CS-2026." in refused.help
    assert "CS-20266" not in refused.help
    assert decided(boss, question=ask("name", purpose="cased", case_id="CS-2026")).allow
    assert decided(AGENT, question=ask("name", case_id="CS-2026")).reason == "CASE_ID_INVALID"


def test_a_menu_may_ask_without_members():
    assert decided(AGENT, question=ask("name", subjects=0, probe=True)).allow
    assert decided(AGENT, question=ask("name", subjects=10**9, tool="unlimited")).allow


def test_requirements_are_the_held_roles_and_must_be_in_force():
    bundle = make_bundle(
        [P("fraud", "crm.member.name"), P("agent", "class:key")], roles=[role("fraud", requires=("pledge", "training"))]
    )
    fraud = grant("g2", "fraud")

    def reason(*people, field="name", now=NOW, grants=(fraud,)):
        return decided(*grants, question=ask(field), now=now, people=people, bundle=bundle).reason

    assert reason(person("pledge", "training")) == "GRANTED"
    assert reason(person("pledge")) == "REQUIREMENT_MISSING"
    assert reason() == "REQUIREMENT_MISSING"
    assert reason(person("pledge"), field="serial") == "NO_RULE"
    assert reason(person("pledge"), grants=(fraud, AGENT)) == "REQUIREMENT_MISSING"
    assert reason(person("pledge"), grants=(fraud, AGENT), field="serial") == "GRANTED"
    late = replace(fraud, ends_at=NOW + 9 * DAY)
    assert reason(person("pledge", "training"), grants=(late,), now=NOW + DAY) == "REQUIREMENT_MISSING"


@pytest.mark.parametrize(
    ("scope", "reason"),
    [
        (Scope((), ()), "GRANTED"),
        (Scope(("crm.member.name",), ("read",)), "GRANTED"),
        (Scope(("crm.member.*",), ()), "GRANTED"),
        (Scope(("class:identity",), ()), "GRANTED"),
        (Scope(("class:contact", "crm.payment.*"), ()), "GRANT_OUT_OF_SCOPE"),
        (Scope((), ("export",)), "GRANT_OUT_OF_SCOPE"),
    ],
)
def test_a_scope_narrows_one_grant(scope, reason):
    narrowed = grant("g1", "agent", scope=scope)
    assert decided(narrowed, question=ask("name")).reason == reason
    assert decided(narrowed, AGENT, question=ask("name")).allow


def test_a_scope_gives_nothing_that_the_role_lacks():
    assert (
        decided(grant("g1", "agent", scope=Scope(("crm.payment.card",), ())), question=ask("card", resource="crm.payment")).reason
        == "NO_RULE"
    )


def test_conditions_see_where_the_employee_sits():
    away = grant("g1", "away")
    inside = decided(away, question=ask("phone"))
    outside = decided(away, question=ask("phone", ip="192.0.2.1"))
    assert (brief(inside), inside.rule) == ([("phone", "clear", "GRANTED")], "policy.csv:8")
    assert (brief(outside), outside.rule) == ([("phone", "null", "GRANTED")], "policy.csv:9")


def test_conditions_see_the_person():
    seen = []

    def look(*arguments):
        seen.append(arguments)
        return True

    bundle = make_bundle([P("agent", "crm.member.name", on=look)])
    decided(AGENT, question=ask("name"), bundle=bundle, people=[person("device", kind="contractor", department="front")])
    decided(AGENT, question=ask("name"), bundle=bundle)
    (known, nobody) = seen
    assert known[:4] == ("cs.kim", "crm.member.name", "read", "inquiry")
    assert known[4][:6] == ("10.1.2.3", NOW, "contractor", "front", True, "desk")
    assert nobody[4][:6] == ("10.1.2.3", NOW, "", "", False, "desk")


def test_p3_a_condition_that_fails_closes():
    assert decided(grant("g1", "broken"), question=ask("name")).reason == "NO_RULE"
    assert decided(grant("g1", "careful"), question=ask("name")).reason == "RULE_DENIES"


def test_p3_a_mask_that_the_catalog_does_not_know_allows_nothing():
    assert (
        decided(AGENT, question=ask("name"), bundle=make_bundle([P("agent", "crm.member.name", mask="fog")])).reason == "NO_RULE"
    )


def test_p3_a_grant_of_a_role_that_left_the_policy_gives_nothing():
    assert decided(grant("g1", "gone"), question=ask("name")).reason == "NO_RULE"


def test_help_names_the_role_and_whom_to_ask():
    text = decided(question=ask("name")).help
    command = "munjigi request agent --purpose inquiry --days 90 --reason WHY"
    line = f"You need role `agent` for purpose `inquiry`; its owners decide: cs.lee, dpo.yoon. Ask: {command}"
    assert text.splitlines()[0] == line
    assert "`boss`" in text
    assert "No role allows this" in decided(question=ask("card", resource="crm.payment")).help
    assert "`agent`" not in decided(question=ask("memo")).help
    assert "at most 2 members" in decided(AGENT, question=ask("name", tool="narrow", subjects=3)).help
    missing = make_bundle([P("fraud", "crm.member.name")], roles=[role("fraud", requires=("pledge",))])
    assert decided(grant("g1", "fraud"), question=ask("name"), bundle=missing).help.startswith("Role `fraud` requires: pledge.")
