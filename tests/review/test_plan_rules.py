"""The rules of a plan, each by its number in REVIEW."""

from __future__ import annotations

from dataclasses import replace

import pytest
from review.plan_kit import (
    CUTOFF,
    EMAIL,
    LOG,
    NAME,
    PHONE,
    REVEAL,
    STATUS,
    ToldUse,
    grant,
    mark,
    one,
    person,
    planned,
    row,
    said,
    scope,
)

from munjigi.kernel.errors import FailedPrecondition
from munjigi.kernel.grant import Scope
from munjigi.kernel.identity import EmployeeKey
from munjigi.kernel.review import Permission, Use
from munjigi.review.days import DAY
from munjigi.review.encoding import grant_digest
from munjigi.review.ports import Gap
from munjigi.review.settings import Thresholds

ALL = (NAME, PHONE, EMAIL, STATUS, REVEAL)


@pytest.fixture
def usage() -> ToldUse:
    return ToldUse()


def test_r2_of_two_grants_that_allow_the_same_one_goes_and_never_both(usage: ToldUse):
    usage.add("a", NAME, PHONE, days_ago=[5])
    usage.add("b", NAME, PHONE, days_ago=[5])
    found = said(planned([grant("a", "narrow"), grant("b", "narrow")], usage))
    assert sorted(found.values()) == [("keep", "IN_USE"), ("revoke", "REDUNDANT")]


def test_r2_the_one_that_ends_first_goes_whichever_allows_more(usage: ToldUse):
    usage.add("long", NAME, PHONE, days_ago=[5])
    usage.add("short", NAME, PHONE, days_ago=[5])
    found = said(planned([grant("long", "narrow", left=300), grant("short", "narrow", left=20)], usage))
    assert found == {"long": ("keep", "IN_USE"), "short": ("revoke", "REDUNDANT")}


def test_r2_what_lasts_longer_is_not_needless_because_of_what_ends_sooner(usage: ToldUse):
    usage.add("more", NAME, PHONE, EMAIL, days_ago=[5])
    usage.add("less", NAME, PHONE, days_ago=[5])
    found = said(planned([grant("more", left=20), grant("less", "narrow", left=300)], usage))
    assert found == {"more": ("reduce", "PARTLY_USED"), "less": ("keep", "IN_USE")}


def test_r2_another_account_or_purpose_covers_nothing(usage: ToldUse):
    usage.add("a", NAME, PHONE, days_ago=[5])
    usage.add("b", NAME, PHONE, days_ago=[5])
    found = said(planned([grant("a", "narrow"), grant("b", "narrow", who="bo.b")], usage))
    assert found == {"a": ("keep", "IN_USE"), "b": ("keep", "IN_USE")}


def test_r2_a_fresh_grant_stands_in_for_an_old_one_but_a_suspended_one_does_not(usage: ToldUse):
    for each in ("old", "new"):
        usage.add(each, NAME, PHONE, days_ago=[5])
    fresh = grant("new", "narrow", age=10)
    assert said(planned([grant("old", "narrow"), fresh], usage))["old"] == ("revoke", "REDUNDANT")
    away = replace(fresh, suspended="LEAVE")
    assert said(planned([grant("old", "narrow"), away], usage))["old"] == ("keep", "IN_USE")


def test_r2_an_emergency_and_an_exception_that_is_suspended_stand_in_for_nothing(usage: ToldUse):
    for each in ("old", "other"):
        usage.add(each, NAME, PHONE, days_ago=[5])
    everyone = row(who="all", auto_revoke=False)
    emergency = grant("other", "narrow", break_glass=True)
    assert said(planned([grant("old", "narrow"), emergency], usage, everyone))["old"] == ("keep", "IN_USE")
    away = grant("other", "narrow", suspended="LEAVE")
    found = said(planned([grant("old", "narrow"), away], usage, exceptions=frozenset(["other"])))
    assert found == {"old": ("keep", "IN_USE"), "other": ("keep", "EXCEPTED")}


def test_r3_what_is_partly_used_is_reduced_to_exactly_that(usage: ToldUse):
    usage.add("a", NAME, STATUS, days_ago=[3, 40])
    item = one(planned([grant("a")], usage))
    assert (item.verdict, item.rule, item.scope) == ("reduce", "PARTLY_USED", scope(NAME, STATUS))
    assert item.data_class == "contact"
    assert [use.permission for use in item.evidence.used] == [NAME, STATUS]
    assert set(item.evidence.unused) == {PHONE, EMAIL, REVEAL}


def test_r3_a_scope_is_objects_by_actions_and_what_it_can_not_tell_apart_stays(usage: ToldUse):
    usage.add("a", NAME, REVEAL, days_ago=[3])
    item = one(planned([grant("a")], usage))
    assert item.scope == scope(NAME, REVEAL)
    assert (item.verdict, item.data_class) == ("reduce", "activity")  # EMAIL and STATUS go; PHONE can be read as before


def test_r3_where_the_smallest_scope_takes_nothing_away_all_stays(usage: ToldUse):
    usage.add("a", NAME, EMAIL, STATUS, REVEAL, days_ago=[3])
    assert said(planned([grant("a")], usage)) == {"a": ("keep", "IN_USE")}


def test_r3_a_scope_that_is_there_is_only_made_smaller(usage: ToldUse):
    usage.add("a", NAME, days_ago=[3])
    held = replace(grant("a"), scope=Scope(("class:identity", "class:contact"), ("read",)))
    item = one(planned([held], usage))
    assert (item.verdict, item.scope) == ("reduce", scope(NAME))
    assert set(item.evidence.unused) == {PHONE, EMAIL}
    assert item.grant_digest == grant_digest(held) != grant_digest(grant("a"))


def test_r3_nothing_used_is_revoked_and_the_class_is_the_strictest_of_its_defaults(usage: ToldUse):
    assert one(planned([grant("a")], usage)).data_class == "activity"
    strict = row(defaults=(("", "suspend"), ("identity", "revoke")))
    item = one(planned([grant("a")], usage, strict))
    assert (item.verdict, item.rule, item.data_class) == ("revoke", "UNUSED", "identity")
    assert item.evidence == ((), tuple(sorted(ALL)))


def test_r3_a_role_that_allows_nothing_any_more_goes(usage: ToldUse):
    assert said(planned([grant("a", "removed")], usage)) == {"a": ("revoke", "UNUSED")}


@pytest.mark.parametrize(("age", "verdict"), [(89, "FRESH"), (90, "FRESH"), (91, "WITHIN_CADENCE"), (100, "UNUSED")])
def test_r5_and_r6_by_the_age_of_the_grant(usage: ToldUse, age: int, verdict: str):
    # At midnight of the cutoff's day: a grant that starts at the very beginning of the 90th day is old enough.
    found = one(planned([grant("a", age=age - (0.001 if age == 90 else 0))], usage))
    assert found.rule == verdict


def test_r5_the_very_moment(usage: ToldUse):
    assert one(planned([grant("a", age=90)], usage, row(thresholds=Thresholds(quarterly=90)))).rule == "UNUSED"
    late = replace(grant("a", age=90), starts_at=CUTOFF - 90 * DAY + 1)
    assert one(planned([late], usage, row(thresholds=Thresholds(quarterly=90)))).rule == "FRESH"


def test_r5_what_a_role_got_lately_is_not_taken_away_for_want_of_use(usage: ToldUse):
    usage.add("a", NAME, days_ago=[3])
    for ago, left in ((13, scope(NAME, EMAIL)), (14, scope(NAME))):
        added = {("wide", "inquiry", EMAIL): CUTOFF - ago * DAY}
        assert one(planned([grant("a")], usage, added=added)).scope == left
        assert one(planned([grant("a")], usage, added={("narrow", "inquiry", EMAIL): CUTOFF - DAY})).scope == scope(NAME)
    added = {("wide", "inquiry", each): CUTOFF - DAY for each in ALL}
    assert one(planned([grant("b")], ToldUse(), added=added)).verdict == "keep"


@pytest.mark.parametrize(("days_ago", "rule"), [(99, "IN_USE"), (100, "IN_USE"), (101, "UNUSED"), (400, "UNUSED")])
def test_r6_a_quarterly_role_may_lie_unused_for_a_hundred_days(usage: ToldUse, days_ago: int, rule: str):
    usage.add("a", NAME, PHONE, days_ago=[days_ago])
    assert one(planned([grant("a", "narrow")], usage)).rule == rule


@pytest.mark.parametrize(("days_ago", "rule"), [(101, "IN_USE"), (400, "IN_USE"), (401, "UNUSED")])
def test_r6_a_yearly_one_for_four_hundred(usage: ToldUse, days_ago: int, rule: str):
    usage.add("a", STATUS, days_ago=[days_ago])
    item = one(planned([grant("a", "seasonal")], usage))
    assert (item.rule, item.threshold_days) == (rule, 400)


def test_r7_time_on_leave_does_not_count(usage: ToldUse):
    usage.add("a", NAME, PHONE, days_ago=[150])
    away = (CUTOFF - 120 * DAY, CUTOFF - 60 * DAY)
    assert one(planned([grant("a", "narrow")], usage)).rule == "UNUSED"
    assert one(planned([grant("a", "narrow")], usage, pauses={"a": (away,)})).rule == "IN_USE"
    assert one(planned([grant("a", "narrow")], usage, pauses={"a": ((away[0], away[0] + 49 * DAY),)})).rule == "UNUSED"
    assert one(planned([grant("b", age=150)], usage, pauses={"b": (away,)})).rule == "WITHIN_CADENCE"
    suspended = grant("a", "narrow", suspended="LEAVE")
    assert said(planned([suspended], usage)) == {"a": ("keep", "SUSPENDED")}


@pytest.mark.parametrize(
    ("days_ago", "found"),
    [
        (89, ("keep", "ACCOUNT_IN_USE")),
        (90, ("keep", "ACCOUNT_IN_USE")),
        (91, ("ask", "DORMANT_LOCK")),
        (180, ("ask", "DORMANT_LOCK")),
        (181, ("revoke", "DORMANT_REMOVE")),
    ],
)
def test_r9_accounts_that_nobody_uses_are_locked_then_removed(usage: ToldUse, days_ago: int, found: tuple[str, str]):
    usage.add("a", NAME, days_ago=[days_ago])
    assert said(planned([grant("a"), grant("b", "narrow")], usage, row("dormant"))) == {"a": found, "b": found}


def test_r9_one_used_or_new_grant_keeps_the_account(usage: ToldUse):
    usage.add("b", NAME, days_ago=[300])
    assert set(said(planned([grant("a"), grant("b", "narrow", age=20)], usage, row("dormant"))).values()) == {
        ("keep", "ACCOUNT_IN_USE")
    }
    admin = grant("c", "admin")
    usage.add("c", NAME, days_ago=[3])
    assert said(planned([grant("a"), admin], usage, row("dormant"))) == {"a": ("keep", "ACCOUNT_IN_USE")}


def test_r10_emergency_and_administrators_grants_are_only_asked_for(usage: ToldUse):
    grants = [grant("a", "admin"), grant("b", break_glass=True), grant("c")]
    assert said(planned(grants, usage)) == {"c": ("revoke", "UNUSED")}
    assert said(planned(grants, usage, row("privileged"))) == {"a": ("ask", "NAMED_REVIEW"), "b": ("ask", "NAMED_REVIEW")}
    both = planned(grants, usage, row(who="all", auto_revoke=False))
    assert said(both) == {"a": ("ask", "NAMED_REVIEW"), "b": ("ask", "NAMED_REVIEW"), "c": ("revoke", "UNUSED")}


def test_r16_what_is_excepted_stays(usage: ToldUse):
    assert said(planned([grant("a")], usage, exceptions=frozenset(["a"]))) == {"a": ("keep", "EXCEPTED")}
    for kind in ("rights", "dormant"):
        assert said(planned([grant("a")], usage, row(kind), exceptions=frozenset(["a"]))) == {"a": ("keep", "EXCEPTED")}


def refused(usage: ToldUse, **changes: object) -> str:
    with pytest.raises(FailedPrecondition) as caught:
        planned([grant("a")], usage, **changes)  # type: ignore[arg-type]
    assert caught.value.reason == "USAGE_GAP"
    return caught.value.message


def test_r11_no_plan_before_use_is_counted_a_minute_beyond_the_cutoff(usage: ToldUse):
    second = 1 / 86400
    usage.told = [mark(complete_ago=-60 * second)]
    assert planned([grant("a")], usage).items
    usage.told = [mark(complete_ago=-59 * second)]
    assert LOG in refused(usage)
    usage.told = [mark(), mark("zz" + LOG[2:], complete_ago=30)]
    assert f"zz{LOG[2:]}" in refused(usage)
    usage.told[1] = usage.told[1]._replace(closed=True)
    assert planned([grant("a")], usage).items


def test_r11_a_log_that_was_never_counted_is_named(usage: ToldUse):
    assert "lost0000000000000000" in refused(usage, logs=frozenset(["lost0000000000000000", LOG]))


def test_r11_a_gap_that_concerns_every_grant_refuses_the_plan(usage: ToldUse):
    at = CUTOFF - 50 * DAY
    usage.lacking = (Gap(LOG, 10, 20, at - DAY, at),)
    message = refused(usage)
    assert LOG in message
    assert "[10, 20)" in message
    usage.lacking = (Gap(LOG, 10, 20, at - DAY, CUTOFF - 100 * DAY),)
    assert said(planned([grant("a")], usage)) == {"a": ("revoke", "UNUSED")}  # it ended just before


def test_r11_a_gap_or_a_short_history_that_only_long_thresholds_reach_leaves_those_grants_alone(usage: ToldUse):
    grants = [grant("a"), grant("b", "seasonal")]
    found = {"a": ("revoke", "UNUSED"), "b": ("keep", "NOT_COVERED")}
    usage.lacking = (Gap(LOG, 10, 20, CUTOFF - 300 * DAY, CUTOFF - 200 * DAY),)
    assert said(planned(grants, usage)) == found
    short = ToldUse(told=[mark(begins_ago=399)])
    assert said(planned(grants, short)) == found
    assert said(planned(grants, ToldUse(told=[mark(begins_ago=400)]))) == {**found, "b": ("revoke", "UNUSED")}
    assert said(planned(grants, ToldUse(told=[mark(begins_ago=50)])))["a"] == ("keep", "NOT_COVERED")
    assert said(planned(grants, ToldUse(told=[mark(begins_ago=50)]), row("dormant")))["a"] == ("keep", "NOT_COVERED")


def test_r11_the_use_of_a_later_log_begins_later_and_is_no_gap(usage: ToldUse):
    usage.told = [mark(), mark("zz" + LOG[2:], begins_ago=3)]
    assert said(planned([grant("a")], usage)) == {"a": ("revoke", "UNUSED")}


def test_as_of_a_past_date_only_what_was_known_then_counts(usage: ToldUse):
    usage.add("a", NAME, PHONE, days_ago=[3, 170, 300])
    then = CUTOFF - 150 * DAY
    item = one(planned([grant("a", "narrow")], usage, now=then + 120 * 10**9, cutoff=then))
    assert item.rule == "IN_USE"
    use = item.evidence.used[0]
    assert (use.days, use.first_at) == (2, CUTOFF - 300 * DAY)
    assert use.last_at == CUTOFF - 170 * DAY + DAY - 1  # the end of that day: its hour is not kept
    earlier = CUTOFF - 301 * DAY
    assert one(planned([grant("a", "narrow")], usage, now=earlier + DAY // 2, cutoff=earlier)).evidence.used == ()
    between = CUTOFF - 160 * DAY + 250 * DAY
    usage.told = [mark(complete_ago=-200)]
    assert one(planned([grant("a", "narrow")], usage, now=between + 120 * 10**9, cutoff=between)).rule == "IN_USE"


def test_evidence_says_when_and_how_often_even_of_what_is_too_long_ago(usage: ToldUse):
    usage.add("a", NAME, days_ago=[200, 150.5, 150.25])
    item = one(planned([grant("a", "narrow")], usage))
    times = (int(CUTOFF - 200 * DAY), int(CUTOFF - 150.25 * DAY))
    assert item.rule == "UNUSED"
    assert item.evidence.used == (Use(NAME, *times, 3, 2, 1),)
    assert item.evidence.last_at == times[1]


def test_grants_that_are_over_or_yet_to_come_are_no_items(usage: ToldUse):
    grants = [grant("past", left=-1), grant("next", age=-5), grant("ended", ended="REVOKED", left=-3)]
    assert planned(grants, usage).items == ()


def test_roles_of_a_row_choose(usage: ToldUse):
    grants = [grant("a"), grant("b", "narrow")]
    assert set(said(planned(grants, usage, row(roles=("narrow",))))) == {"b"}


@pytest.mark.no_cover  # the same lines for each grant
def test_an_empty_company_and_one_person_with_ten_thousand_grants(usage: ToldUse):
    empty = planned([], usage)
    assert (empty.items, empty.cutoff, empty.window_start) == ((), CUTOFF, CUTOFF - 90 * DAY)
    many = [grant(f"g{number:05}", "narrow") for number in range(10_000)]
    usage.add("g00007", NAME, PHONE, days_ago=[1])
    found = planned(many, usage)
    assert sum(item.verdict == "revoke" for item in found.items) == 9_999
    for number in range(10_000):
        usage.uses[f"g{number:05}"] = usage.uses["g00007"]
    assert sum(item.verdict == "revoke" for item in planned(many, usage).items) == 9_999  # one stands in for all


def test_items_come_by_person_and_account_and_equal_inputs_give_equal_plans(usage: ToldUse):
    two = person("an.a", accounts=(EmployeeKey("urn:test", "an.a"), EmployeeKey("urn:other", "an.x")))
    grants = [grant("z", who="bo.b"), grant("m"), replace(grant("k"), employee=EmployeeKey("urn:other", "an.x")), grant("c")]
    people = [person("bo.b"), two]
    found = planned(grants, usage, people=people)
    assert [item.grant_id for item in found.items] == ["c", "m", "k", "z"]
    assert [item.number for item in found.items] == [0, 1, 2, 3]
    assert planned(reversed(grants), usage, people=list(reversed(people))) == found


def test_a_permission_that_the_role_lost_is_no_evidence(usage: ToldUse):
    usage.add("a", Permission("crm.member.address", "read"), NAME, days_ago=[2])
    item = one(planned([grant("a", "narrow")], usage))
    assert [use.permission for use in item.evidence.used] == [NAME]
