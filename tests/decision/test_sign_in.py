"""Classes may want a stronger or fresher sign-in, roles a session that is not too long or idle: part of the one decision (P2, P4)."""

from __future__ import annotations

from pathlib import Path

import pytest
from decision.builders import DAY, KIM, NOW, P, ask, grant, make_bundle, person, role, snapshot
from hypothesis import given
from hypothesis import strategies as st

from munjigi.adapters.casbin_process import ask_casbin
from munjigi.decision.core import decide
from munjigi.decision.explain import explain
from munjigi.decision.second_opinion import disagreements, questions_of, transcribed
from munjigi.decision.standing import stands_until
from munjigi.decision.tables import evaluate_case
from munjigi.decision.types import Effect
from munjigi.decision.whatcan import what_can
from munjigi.decision.whocan import Question, who_can
from munjigi.kernel.clock import SECOND
from munjigi.kernel.identity import SignIn
from munjigi.policy.compile import compile_bundle
from munjigi.policy.diff import settings
from munjigi.policy.findings import Findings
from munjigi.policy.signin import AHEAD, SessionLimit, SignInDemand
from munjigi.policy.tables import cases_of, run_tables

MINUTE = 60 * SECOND
RULES = [
    P("agent", "crm.member.name"),
    P("agent", "crm.member.phone", mask="partial"),
    P("agent", "class:payment"),
    P("clerk", "crm.member.name", mask="partial"),
    P("barred", "crm.member.name", allow=False),
]
STRONG = SignInDemand(("strong", "stronger"), 15 * MINUTE)
BUNDLE = make_bundle(RULES, roles=[role("agent")], sign_in={"identity": STRONG, "payment": SignInDemand((), 15 * MINUTE)})
FRESH = SignIn("strong", NOW - MINUTE, NOW)


def shot(*roles: str, bundle=BUNDLE):
    return snapshot(bundle, *(grant(f"g{number}", name, employee=KIM) for number, name in enumerate(roles)), people=[person()])


def answer(sign_in, *fields, roles=("agent",), bundle=BUNDLE, **changes):
    return decide(shot(*roles, bundle=bundle), ask(*fields, sign_in=sign_in, **changes), NOW)


@pytest.mark.parametrize("age", [0, 1, 15 * MINUTE - 1, -AHEAD])
@pytest.mark.parametrize("acr", ["strong", "stronger"])
def test_a_sign_in_that_is_strong_and_fresh_enough_sees_the_class(acr, age):
    assert answer(SignIn(acr, NOW - age, NOW), "name").allow


@pytest.mark.parametrize(
    "sign_in",
    [
        SignIn("plain", NOW, NOW),
        SignIn("", NOW, NOW),
        SignIn("STRONG", NOW, NOW),
        SignIn("strong", NOW - 15 * MINUTE, NOW),
        SignIn("strong", NOW + AHEAD + 1, NOW),
        SignIn("strong", 0, NOW),
        SignIn(),
    ],
)
@pytest.mark.parametrize("roles", [("agent",), ("agent", "clerk")])
def test_p3_anything_else_is_denied_with_the_way_out(sign_in, roles):
    decision = answer(sign_in, "name", roles=roles)
    assert not decision.allow
    assert decision.reason == "STEP_UP_REQUIRED"
    assert (decision.fields[0].effect, decision.fields[0].grants, decision.fields[0].rule) == (Effect.DENIED, (), "")
    assert "`strong` or `stronger` and not older than 900 s" in decision.help


def test_a_mask_makes_no_difference_and_every_class_of_a_column_counts():
    both = make_bundle(RULES, sign_in={"identity": SignInDemand(("strong",), 0), "contact": SignInDemand((), 5 * MINUTE)})
    assert answer(SignIn("strong", NOW - 4 * MINUTE, NOW), "phone", bundle=both).allow
    for sign_in in (SignIn("strong", NOW - 5 * MINUTE, NOW), SignIn("plain", NOW, NOW)):
        assert answer(sign_in, "phone", bundle=both).reason == "STEP_UP_REQUIRED"


def test_a_class_asked_for_itself_wants_the_same():
    assert answer(SignIn("", NOW, NOW), resource="class:payment").allow
    assert answer(SignIn("", NOW - DAY, NOW), resource="class:payment").reason == "STEP_UP_REQUIRED"


def test_other_columns_are_as_before_and_a_part_may_be_allowed():
    lines = [*RULES, P("agent", "crm.member.memo")]
    bundle = make_bundle(lines, sign_in={"identity": STRONG})
    assert answer(SignIn(), "memo", bundle=bundle).allow
    assert answer(SignIn(), "memo", "name", bundle=bundle).reason == "STEP_UP_REQUIRED"
    partial = answer(SignIn(), "memo", "name", bundle=bundle, allow_partial=True)
    assert partial.allow
    assert [field.effect for field in partial.fields] == [Effect.CLEAR, Effect.DENIED]


def test_a_step_up_is_asked_for_only_where_it_helps():
    assert answer(SignIn(), "name", roles=("agent", "barred")).reason == "RULE_DENIES"
    assert answer(SignIn(), "name", roles=("nobody",)).reason == "NO_RULE"
    assert answer(SignIn(), "serial").reason == "NO_RULE"
    assert answer(SignIn(), "name", probe=True).reason == "STEP_UP_REQUIRED"  # a menu may already say so


def test_the_explanation_names_the_rule_that_waits_for_it():
    found = explain(shot("agent", "clerk"), ask("name", sign_in=SignIn("plain", NOW, NOW)), NOW)
    (field,) = found.fields
    assert field.combination == "STEP_UP_REQUIRED"
    assert {rule.standing for rule in field.rules} == {"STEP_UP_REQUIRED"}
    assert field.nearest == ()  # no role helps
    assert {each.standing for each in found.grants} == {"IN_FORCE"}


HOURS = 60 * MINUTE
SESSIONS = make_bundle(
    RULES,
    roles=[role("agent", session=SessionLimit(8 * HOURS, 30 * MINUTE)), role("clerk", session=SessionLimit(0, 10 * MINUTE))],
)


@pytest.mark.parametrize(
    ("sign_in", "reason"),
    [
        (SignIn("", NOW - 8 * HOURS + 1, NOW - 30 * MINUTE + 1), "GRANTED"),
        (SignIn("", NOW - 8 * HOURS, NOW), "SESSION_TOO_OLD"),
        (SignIn("", NOW - MINUTE, NOW - 30 * MINUTE), "SESSION_IDLE"),
        (SignIn("", 0, NOW), "SESSION_TOO_OLD"),
        (SignIn("", NOW, 0), "SESSION_IDLE"),
    ],
)
def test_a_role_counts_for_as_long_as_its_session(sign_in, reason):
    decision = answer(sign_in, "name", bundle=SESSIONS)
    assert decision.reason == reason
    if reason != "GRANTED":
        assert "Role `agent` counts for 8 h after a sign-in and 30 min without a call." in decision.help
        found = explain(shot("agent", bundle=SESSIONS), ask("name", sign_in=sign_in), NOW)
        assert found.grants[0].standing == reason
        assert found.fields[0].rules[0].standing == reason
        assert (found.fields[0].nearest[0].role, found.fields[0].nearest[0].reason) == ("agent", reason)


def test_where_calls_are_counted_the_pause_counts_and_not_the_tokens_age():
    old = SignIn("", NOW - MINUTE, NOW - 20 * HOURS, 30 * MINUTE - 1)
    assert answer(old, "name", bundle=SESSIONS).allow
    assert answer(old._replace(pause=30 * MINUTE), "name", bundle=SESSIONS).reason == "SESSION_IDLE"
    assert answer(old._replace(pause=30 * MINUTE, issued_at=NOW), "name", bundle=SESSIONS).reason == "SESSION_IDLE"


def test_each_role_has_limits_of_its_own_and_the_others_go_on():
    both, idle = ("agent", "clerk"), SignIn("", NOW - MINUTE, NOW - 20 * MINUTE)
    assert answer(SignIn("", NOW, NOW), "name", roles=both, bundle=SESSIONS).fields[0].effect is Effect.CLEAR
    assert answer(idle, "name", roles=both, bundle=SESSIONS).fields[0].grants == ("g0",)
    old = SignIn("", NOW - 9 * HOURS, NOW)
    assert answer(old, "name", roles=both, bundle=SESSIONS).fields[0].mask == "partial"


def test_a_requirement_that_is_missing_is_told_first():
    bundle = make_bundle(RULES, roles=[role("agent", requires=("pledge",), session=SessionLimit(HOURS, 0))])
    assert answer(SignIn(), "name", bundle=bundle).reason == "REQUIREMENT_MISSING"


MOMENTS = st.sampled_from(
    [0, *(NOW - back for back in (0, 5, 15 * MINUTE, 15 * MINUTE - 7, 30 * MINUTE - 9, 8 * HOURS - 3, DAY))]
)


@given(acr=st.sampled_from(["", "strong"]), signed_in=MOMENTS, issued=MOMENTS, after=st.integers(0, 90 * SECOND))
def test_p2_a_decision_stands_no_longer_than_the_sign_in(acr, signed_in, issued, after):
    limited = make_bundle(
        RULES, roles=[role("agent", session=SessionLimit(8 * HOURS, 30 * MINUTE))], sign_in={"identity": STRONG}
    )
    found, sign_in = shot("agent", bundle=limited), SignIn(acr, signed_in, issued)
    question = ask("name", "phone", sign_in=sign_in)
    until = stands_until(found, KIM, NOW, sign_in)
    assert NOW < until <= NOW + MINUTE
    for at in {min(NOW + after, until - 1), until - 1}:
        assert decide(found, question, at) == decide(found, question, NOW)


def test_who_can_and_what_can_list_it_as_conditional():
    for bundle in (BUNDLE, SESSIONS):
        found = shot("agent", bundle=bundle)
        (name,) = [
            each for each in what_can(found, KIM, "desk", NOW) if each.object == "crm.member.name" and each.action == "read"
        ]
        assert (name.effect, name.conditional) == (Effect.CLEAR, True)
        (holder,) = who_can(found, Question("desk", "crm.member", ("name",), "read", "inquiry"), NOW, None, 10).holders
        assert holder.conditional
    plain = shot("agent", bundle=make_bundle(RULES))
    assert not any(each.conditional for each in what_can(plain, KIM, "desk", NOW))


HOME = Path(__file__).parents[2] / "policies"
SAMPLE = {str(path.relative_to(HOME)): path.read_bytes() for path in HOME.rglob("*") if path.is_file()}
TABLE = """
tests:
  - name: {name}
    employee: cs.kim
    facts: [pledge, training]
    grants: [{{role: cs_agent, purpose: inquiry}}]
    when: {{resource: crm.member, fields: [{field}], purpose: inquiry, case_id: CS-2026-000123, tool: crm-desk,
           at: 2026-06-01T09:00:00Z, {how}}}
    then: {{decision: {verdict}, reason: {reason}}}
"""


def compiled(*tables: str, session: str = "", demand: str = 'sign_in = {acr = ["strong"], max_age_seconds = 900}\n'):
    catalog = SAMPLE["catalog.toml"].decode().replace("[classes.contact]\n", f"[classes.contact]\n{demand}")
    roles = SAMPLE["roles.toml"].decode().replace("[roles.cs_agent]\n", f"[roles.cs_agent]\n{session}")
    kept = {name: content for name, content in SAMPLE.items() if not name.startswith("tests/")}
    files = kept | {"catalog.toml": catalog.encode(), "roles.toml": roles.encode()}
    return compile_bundle(files | {f"tests/t{number}.yaml": text.encode() for number, text in enumerate(tables)}, "test")


CASES = [
    ("phone", "acr: strong", "ALLOW", "GRANTED"),
    ("phone", "acr: plain", "DENY", "STEP_UP_REQUIRED"),
    ("phone", "acr: strong, signed_in: 2026-06-01T08:45:01Z", "ALLOW", "GRANTED"),
    ("phone", "acr: strong, signed_in: 2026-06-01T08:45:00Z", "DENY", "STEP_UP_REQUIRED"),
    ("name", "acr: plain", "ALLOW", "GRANTED"),
    ("resident_number", "acr: plain", "DENY", "RULE_DENIES"),
    ("name", "token_issued: 2026-06-01T08:20:00Z", "DENY", "SESSION_IDLE"),
    ("name", "signed_in: 2026-05-31T20:00:00Z", "DENY", "SESSION_TOO_OLD"),
]


def test_decision_tables_say_how_the_employee_signed_in_and_all_engines_agree():
    tables = [
        TABLE.format(name=f"case {number}", field=field, how=how, verdict=verdict, reason=reason)
        for number, (field, how, verdict, reason) in enumerate(CASES)
    ]
    bundle, problems = compiled(*tables, session="session_hours = 12\nsession_idle_minutes = 30\n")
    assert bundle is not None, problems
    assert run_tables(bundle, evaluate_case) == ((), len(CASES))
    questions = questions_of(bundle, cases_of(bundle, Findings()))
    assert sum(each.step_up for each in questions) == 2
    answers, _ = transcribed(bundle, questions)
    assert disagreements("the transcription", questions, answers) == ()
    assert disagreements("pycasbin", questions, ask_casbin(bundle, questions, 60).answers) == ()
    forgetful = [each._replace(step_up=not each.step_up) for each in questions]
    answers, _ = transcribed(bundle, forgetful)
    assert len(disagreements("the transcription", forgetful, answers)) == len(CASES)


@pytest.mark.parametrize(
    ("demand", "session", "code"),
    [
        ("sign_in = {}\n", "", "VALUE_MISSING"),
        ("sign_in = {acr = []}\n", "", "VALUE_MISSING"),
        ('sign_in = "strong"\n', "", "VALUE_WRONG_TYPE"),
        ("sign_in = {max_age_seconds = 5}\n", "", "VALUE_INVALID"),
        ("sign_in = {max_age = 900}\n", "", "KEY_UNKNOWN"),
        ('sign_in = {acr = ["a b"]}\n', "", "NAME_INVALID"),
        ("", "session_hours = 0\n", "VALUE_INVALID"),
        ("", "session_hours = 1\nsession_idle_minutes = 60\n", "VALUE_INVALID"),
        ("", "session_minutes = 1\n", "KEY_UNKNOWN"),
    ],
)
def test_what_makes_no_sense_is_a_finding_at_its_line(demand, session, code):
    bundle, problems = compiled(demand=demand, session=session)
    assert bundle is None
    assert code in {each.code for each in problems}
    assert all(each.line for each in problems)


def test_a_changed_demand_is_in_the_diff():
    before, _ = compiled(demand="")
    after, _ = compiled(session="session_hours = 8\n")
    assert before is not None
    assert after is not None
    found = {(each.kind, each.name, each.key, each.before, each.after) for each in settings(before, after)}
    assert ("class", "contact", "sign_in", "whichever", "of level `strong` and not older than 900 s") in found
    assert ("role", "cs_agent", "session", "none", "8 h after a sign-in") in found
