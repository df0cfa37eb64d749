"""How long a decision stands (promise P2): until then equal questions have equal answers, and not a nanosecond longer."""

from __future__ import annotations

from dataclasses import replace

from decision.builders import DAY, KIM, NOW, P, ask, grant, make_bundle, person, snapshot
from hypothesis import given
from hypothesis import strategies as st

from munjigi.decision.core import decide
from munjigi.decision.standing import asks_calendar, stands_until
from munjigi.kernel.clock import SECOND
from munjigi.kernel.grant import Fact

MINUTE = 60 * SECOND
# Some moments fall into the minute of NOW, some on its edge, some far away.
MOMENTS = st.sampled_from([NOW + each for each in (-DAY, -1, 0, 1, 7 * SECOND, 7 * SECOND + 1, 30 * SECOND, MINUTE, DAY)])
PERIODS = st.tuples(MOMENTS, MOMENTS).map(sorted)


def by_the_clock(sub, obj, act, purpose, context):
    return context.hour is not None and context.hour % 2 == 0 and context.training


RULES = [P("agent", "crm.member.name"), P("agent", "crm.member.phone", on=by_the_clock), P("clerk", "crm.member.memo")]
BUNDLE = make_bundle(RULES, [])


@given(
    periods=st.lists(st.tuples(st.sampled_from(["agent", "clerk"]), PERIODS), max_size=3),
    training=PERIODS,
    fields=st.sets(st.sampled_from(["name", "phone", "memo", "unheard_of"])).map(lambda names: tuple(sorted(names))),
    after=st.integers(0, 90 * SECOND),
)
def test_p2_until_then_nothing_changes(periods, training, fields, after):
    grants = [
        grant(f"g{number}", role, "inquiry", KIM, starts_at=starts, ends_at=ends)
        for number, (role, (starts, ends)) in enumerate(periods)
    ]
    facts = (Fact("training", training[0], training[1], "test"),)
    shot = snapshot(BUNDLE, *grants, people=[replace(person(), facts=facts)])
    question = ask(*fields)
    until = stands_until(shot, KIM, NOW)
    assert NOW < until <= NOW + MINUTE
    for at in {min(NOW + after, until - 1), until - 1}:
        assert decide(shot, question, at) == decide(shot, question, NOW)


def test_p2_a_grant_that_ends_within_the_minute_ends_the_answer_at_that_nanosecond():
    ends = NOW + 7 * SECOND
    shot = snapshot(BUNDLE, grant("g", "agent", "inquiry", KIM, ends_at=ends))
    assert stands_until(shot, KIM, NOW) == ends
    assert decide(shot, ask("name"), ends - 1).allow
    assert not decide(shot, ask("name"), ends).allow


def test_p2_the_calendar_may_turn_with_each_minute():
    shot = snapshot(BUNDLE, grant("g", "agent", "inquiry", KIM))
    assert stands_until(shot, KIM, NOW + 59 * SECOND) - NOW <= 2 * MINUTE
    assert stands_until(shot, KIM, NOW) % MINUTE == 0


# Far more than a minute, on the edges of what begins and ends, and between.
LATER = st.sampled_from([NOW + each for each in (-DAY, -1, 0, 1, 3 * DAY, 3 * DAY + 1, 40 * DAY)])


@given(
    periods=st.lists(st.tuples(st.sampled_from(["agent", "clerk"]), st.tuples(LATER, LATER).map(sorted)), max_size=3),
    training=st.tuples(LATER, LATER).map(sorted),
    fields=st.sets(st.sampled_from(["name", "phone", "memo", "unheard_of"])).map(lambda names: tuple(sorted(names))),
    after=st.integers(0, 50 * DAY),
)
def test_p2_where_no_condition_asks_for_the_calendar_a_decision_stands_until_a_period_begins_or_ends(
    periods, training, fields, after
):
    rules = [P("agent", "crm.member.name"), P("agent", "crm.member.phone", cond="r.ctx.training"), P("clerk", "crm.member.memo")]
    bundle = make_bundle(rules, [])
    assert not asks_calendar(bundle)
    grants = [
        grant(f"g{number}", role, "inquiry", KIM, starts_at=starts, ends_at=ends)
        for number, (role, (starts, ends)) in enumerate(periods)
    ]
    facts = (Fact("training", training[0], training[1], "test"),)
    shot = snapshot(bundle, *grants, people=[replace(person(), facts=facts)])
    question = ask(*fields)
    until = stands_until(shot, KIM, NOW, calendar=False)
    edges = {moment for _, period in periods for moment in period} | set(training)
    assert until == min((each for each in edges if each > NOW), default=until)
    for at in {min(NOW + after, until - 1), min(until - 1, NOW + 60 * DAY)}:
        assert decide(shot, question, at) == decide(shot, question, NOW)


def test_which_conditions_ask_for_the_calendar():
    for cond, asks in (
        ("True", False),
        ("r.ctx.training", False),
        ("r.ctx.subjects <= 10", False),
        ("9 <= r.ctx.hour < 18", True),
        ("r.ctx.training && r.ctx.weekday != 'sun'", True),
        ("!r.ctx.holiday", True),
    ):
        assert asks_calendar(make_bundle([P("agent", "crm.member.name"), P("agent", "crm.member.phone", cond=cond)], [])) is asks
