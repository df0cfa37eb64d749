"""An explanation is the core's verdict and accounts for every rule; it is the same bytes each time."""

from __future__ import annotations

import pytest
from decision.builders import DAY, KIM, NOW, P, ask, grant, make_bundle, person, purpose, role, snapshot
from decision.worlds import make_world
from hypothesis import given
from hypothesis import strategies as st

from munjigi.audit.records import AccessRecord, decode, encode
from munjigi.decision.core import decide
from munjigi.decision.explain import explain
from munjigi.decision.recorded import asked_at, differences, request_of
from munjigi.decision.types import Effect
from munjigi.kernel.grant import Scope
from munjigi.kernel.identity import Caller
from munjigi.kernel.references import NameDigests
from munjigi.rpc.call import Call
from munjigi.rpc.recording import access_record, of_call

DIGESTS = NameDigests(b"k" * 32)


def standings(explanation, field=0):
    return [(each.rule.line, each.standing) for each in explanation.fields[field].rules]


@pytest.mark.parametrize("seed", range(80))
def test_the_verdict_is_the_cores_and_one_rule_decides_each_field_that_a_rule_decided(seed):
    world = make_world(seed)
    found_in = snapshot(world.bundle, *world.grants)
    for request in world.requests:
        found = explain(found_in, request, NOW)
        assert found.decision == decide(found_in, request, NOW)
        assert [each.field for each in found.fields] == list(found.decision.fields)
        assert len(found.grants) == len(world.grants)
        for each in found.fields:
            deciding = [rule for rule in each.rules if rule.standing == "DECIDES"]
            assert [rule.rule.ref for rule in deciding] == ([each.field.rule] if each.field.rule else [])
            assert (each.combination == "DENY_OVERRIDES") == (each.field.reason == "RULE_DENIES")
            assert (each.combination == "MOST_REVEALING_ALLOW") == (each.field.effect is not Effect.DENIED)
            agreeing = {rule.role_path[0] for rule in each.rules if rule.standing in ("DECIDES", "AGREES")}
            if each.field.effect is not Effect.DENIED:
                assert agreeing == set(each.field.grants)
                assert not each.nearest
            for rule in each.rules:
                assert rule.role_path[-1] == rule.rule.sub
                assert rule.resource_path[-1] == rule.rule.obj
        if found.decision.role_path:
            first = next(each for each in found.fields if each.field.rule == found.decision.rule)
            assert found.decision.role_path in [rule.role_path for rule in first.rules if rule.standing == "DECIDES"]


@pytest.mark.parametrize("seed", range(20))
def test_an_explanation_is_the_same_bytes_from_equal_bundles_and_tables(seed):
    texts = set()
    for _ in range(2):
        world = make_world(seed)
        found_in = snapshot(world.bundle, *world.grants)
        texts.add(repr([explain(found_in, request, NOW) for request in world.requests]).split(" at 0x")[0])
    assert len(texts) == 1


def test_the_most_revealing_mask_wins_and_each_rule_says_what_became_of_it():
    lines = [P("low", "class:contact", mask="partial"), P("high", "crm.member.phone"), P("low", "crm.member.*", mask="partial")]
    found_in = snapshot(make_bundle(lines, links=[("high", "low")]), grant("g1", "high"), grant("g2", "low"))
    found = explain(found_in, ask("phone"), NOW)
    assert standings(found) == [
        (1, "LESS_REVEALING"),
        (2, "DECIDES"),
        (3, "LESS_REVEALING"),
        (1, "LESS_REVEALING"),
        (3, "LESS_REVEALING"),
    ]
    first = found.fields[0].rules[0]
    assert first.role_path == ("g1", "high", "low")
    assert first.resource_path == ("crm.member.phone", "class:contact")
    assert found.fields[0].summary == "Rule policy.csv:2 shows it `clear`: the most revealing of 5 rules that allow it."


def test_a_deny_wins_and_says_what_it_overrules():
    lines = [P("r0", "crm.member.phone"), P("r0", "class:contact", allow=False), P("r0", "crm.member.name", on=lambda *_: False)]
    found = explain(snapshot(make_bundle(lines), grant("g1", "r0")), ask("phone", "name"), NOW)
    assert standings(found) == [(2, "DECIDES"), (1, "OVERRULED_BY_DENY")]
    assert standings(found, 1) == [(3, "CONDITION_FALSE")]
    assert found.fields[0].combination == "DENY_OVERRIDES"
    assert not found.fields[0].nearest  # no other role would help
    (miss,) = found.fields[1].nearest
    assert (miss.role, miss.reason, miss.grant_id) == ("r0", "CONDITION_FALSE", "g1")


@pytest.mark.parametrize(
    ("held", "facts", "reason"),
    [
        ([], (), "NO_GRANT"),
        ([grant("g1", "r0", "marketing")], ("pledge",), "GRANT_OTHER_PURPOSE"),
        ([grant("g1", "r0", ends_at=NOW)], ("pledge",), "GRANT_EXPIRED"),
        ([grant("g1", "r0", starts_at=NOW + 1)], ("pledge",), "GRANT_NOT_STARTED"),
        ([grant("g1", "r0")], (), "REQUIREMENT_MISSING"),
        ([grant("g1", "r0", scope=Scope(("crm.payment.*",), ()))], ("pledge",), "GRANT_OUT_OF_SCOPE"),
    ],
)
def test_a_default_deny_names_the_nearest_miss_with_owners_and_what_lacks(held, facts, reason):
    bundle = make_bundle([P("r0", "crm.member.phone")], roles=[role("r0", ("cs.lee", "dpo.yoon"), ("pledge",))])
    found = explain(snapshot(bundle, *held, people=[person(*facts)]), ask("phone"), NOW)
    assert not found.decision.allow
    (miss,) = found.fields[0].nearest
    assert miss.reason == reason
    assert (miss.role, miss.purpose, miss.owners, miss.requires) == ("r0", "inquiry", ("cs.lee", "dpo.yoon"), ("pledge",))
    assert miss.lacking == (() if facts else ("pledge",))
    assert [each.standing for each in found.grants] == (
        [reason] if held and reason != "GRANT_OUT_OF_SCOPE" else ["IN_FORCE"] * len(held)
    )


def test_what_the_question_lacks_is_in_the_command():
    bound = purpose(
        "inquiry", case_pattern="CS", case_required=True, case_example="CS-1", matches_case=lambda text: text == "CS-1"
    )
    found_in = snapshot(make_bundle([P("r0", "crm.member.phone")], purposes=[bound]), grant("g1", "r0"))
    found = explain(found_in, ask("phone"), NOW)
    assert found.decision.reason == "CASE_ID_REQUIRED"
    assert standings(found) == [(1, "NOT_REACHED")]
    assert found.command == "munjigi check crm.member --fields phone --action read --purpose inquiry --case CS-1 --member SERIAL"
    assert not found.fields[0].nearest  # it is the case id that lacks, not a role
    assert explain(found_in, ask("phone", case_id="CS-1"), NOW).command == ""


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"subjects": 0}, "SUBJECTS_REQUIRED"), ({"subjects": 101}, "TOO_MANY_SUBJECTS"), ({"case_id": "x"}, "CASE_ID_INVALID")],
)
def test_no_role_is_said_to_help_where_the_question_lacks_something(changes, reason):
    lines = [P("r0", "crm.member.phone"), P("r1", "crm.member.phone"), P("r1", "crm.member.name")]
    found = explain(snapshot(make_bundle(lines), grant("g1", "r0")), ask("phone", **changes), NOW)
    assert found.decision.reason == reason
    assert not found.fields[0].nearest
    other = explain(snapshot(make_bundle(lines), grant("g1", "r0")), ask("name"), NOW)
    assert [each.role for each in other.fields[0].nearest] == ["r1"]


@given(
    seed=st.integers(0, 300),
    odd=st.fixed_dictionaries(
        {},
        optional={
            "resource": st.sampled_from(["crm.nothing", "010-1234-5678", "munjigi.audit", "class:contact", "class:no"]),
            "action": st.sampled_from(["peek", "operate"]),
            "purpose": st.sampled_from(["curiosity"]),
            "tool": st.sampled_from(["no-tool"]),
            "fields": st.lists(st.sampled_from(["name", "phone", "shoe size", "class:contact"]), max_size=3).map(tuple),
            "subjects": st.sampled_from([0, 5_000]),
            "case_id": st.just("CS-1"),
        },
    ),
)
def test_a_recorded_question_is_decided_again_as_it_was(seed, odd):
    world = make_world(seed)
    found_in = snapshot(world.bundle, *world.grants)
    for request in world.requests:
        asked = request._replace(**odd)
        decision = decide(found_in, asked, NOW)
        call = Call(Caller(KIM, asked.tool, "10.0.0.9"), "Check", NOW, "", "")
        taken = of_call(access_record(asked, decision, found_in, DIGESTS, own=True), call, case_id=asked.case_id)
        taken.index, taken.time = 3, NOW + DAY  # taken down late: what counts is when it was asked
        record = decode(encode(taken))
        assert isinstance(record, AccessRecord)
        assert asked_at(record) == NOW
        again = explain(found_in, request_of(record), asked_at(record)).decision
        assert differences(record, again) == ()


def test_a_record_that_says_something_else_is_named_by_its_parts():
    found_in = snapshot(make_bundle([P("r0", "crm.member.phone")]), grant("g1", "r0"))
    decision = decide(found_in, ask("phone"), NOW)
    call = Call(Caller(KIM, "desk", "10.0.0.9"), "Check", NOW, "", "")
    record = of_call(access_record(ask("phone"), decision, found_in, DIGESTS), call)
    record.decision, record.grant_revision = "DENY", 3
    assert differences(record, decision) == ("decision", "grant_revision")
