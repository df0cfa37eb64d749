"""A plan's bytes: one form of each plan, nothing lost, anything changed found."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from review.plan_kit import NAME, PHONE, ToldUse, grant, planned, row

from munjigi.kernel.errors import Corruption
from munjigi.kernel.grant import Scope
from munjigi.kernel.identity import EmployeeKey
from munjigi.kernel.review import Access, Evidence, Permission, PlannedItem, Replay, ReviewPlan, Sample, Use, Watermark
from munjigi.review.encoding import decode_plan, digest_of, encode_plan, grant_digest, plan_digest
from munjigi.review.rules import rules_digest

NAMES = st.text(min_size=1, max_size=6)
TIMES = st.integers(0, (1 << 63) - 1)
PERMISSIONS = st.builds(Permission, st.sampled_from(["a.b.c", "a.b.d", "class:x"]), st.sampled_from(["read", "export"]))
USES = st.builds(Use, PERMISSIONS, TIMES, TIMES, st.integers(0, 1 << 40), st.integers(0, 5000), st.integers(0, 1 << 40))
EVIDENCE = st.builds(Evidence, st.lists(USES, max_size=3).map(tuple), st.lists(PERMISSIONS, max_size=3).map(tuple))
SCOPES = st.none() | st.builds(Scope, st.lists(NAMES, max_size=2).map(tuple), st.lists(NAMES, max_size=2).map(tuple))
ITEMS = st.builds(
    PlannedItem,
    st.just(0),
    *(NAMES, NAMES),
    st.builds(EmployeeKey, NAMES, NAMES),
    *(NAMES, NAMES, NAMES),
    st.sampled_from(["keep", "reduce", "revoke", "ask"]),
    NAMES,
    EVIDENCE,
    st.integers(0, 5000),
    SCOPES,
    NAMES,
)
COUNTS = st.integers(0, 1 << 40)
ACCESSES = st.builds(
    Access, NAMES, TIMES, NAMES, NAMES, NAMES, st.lists(NAMES, max_size=2).map(tuple), NAMES, COUNTS, st.booleans(), COUNTS
)
LOOKED_AT = st.builds(
    lambda account, person, purpose, rule, data_class, access: PlannedItem(
        0, "", "", account, person, "", purpose, "ask", rule, Evidence((), ()), 0, data_class=data_class, access=access
    ),
    st.builds(EmployeeKey, NAMES, NAMES),
    *(NAMES, NAMES, NAMES, NAMES),
    ACCESSES,
)
PLANS_OF_GRANTS = st.builds(
    ReviewPlan,
    NAMES,
    *(TIMES, TIMES, TIMES),
    NAMES,
    st.integers(0, 1 << 40),
    NAMES,
    st.lists(st.builds(Watermark, NAMES, TIMES, TIMES), max_size=2).map(tuple),
    st.lists(ITEMS, max_size=4).map(lambda items: tuple(replace(each, number=at) for at, each in enumerate(items))),
    st.builds(Replay, st.integers(0, 1 << 40), st.lists(NAMES, max_size=2).map(tuple)),
)
PLANS_OF_ACCESSES = st.builds(
    ReviewPlan,
    NAMES,
    *(TIMES, TIMES, TIMES),
    NAMES,
    COUNTS,
    NAMES,
    st.lists(st.builds(Watermark, NAMES, TIMES, TIMES), max_size=2).map(tuple),
    st.lists(LOOKED_AT, max_size=4).map(lambda items: tuple(replace(each, number=at) for at, each in enumerate(items))),
    st.just(Replay(0, ())),
    st.builds(Sample, NAMES, COUNTS, COUNTS, COUNTS),
)
PLANS = PLANS_OF_GRANTS | PLANS_OF_ACCESSES


@given(PLANS)
def test_what_is_written_is_read_again(plan: ReviewPlan):
    data = encode_plan(plan)
    assert decode_plan(data) == plan
    assert digest_of(data) == plan_digest(plan)


@given(PLANS, st.data())
def test_no_changed_bytes_are_a_plan(plan: ReviewPlan, data: st.DataObject):
    whole = encode_plan(plan)
    at = data.draw(st.integers(0, len(whole) - 1))
    other = bytes([data.draw(st.integers(0, 255).filter(lambda value: value != whole[at]))])
    for wrong in (whole[:at], whole + other):
        with pytest.raises(Corruption):
            decode_plan(wrong)
    try:
        changed = decode_plan(whole[:at] + other + whole[at + 1 :])
    except Corruption:
        return
    assert changed != plan
    assert plan_digest(changed) != plan_digest(plan)


def test_the_bytes_of_a_known_plan_stay_what_they_are():
    usage = ToldUse()
    usage.add("a", NAME, PHONE, days_ago=[3, 12.5])
    plan = planned([grant("a"), grant("b", "narrow")], usage)
    fixed = replace(plan, policy_revision="0" * 64)  # the sample's files may change
    assert plan_digest(fixed) == "c1a15921aeb9fb94bab1605e4b3618ab70003a07edf9ada386e0943c52144b5e"


def test_a_grant_that_is_changed_has_another_digest():
    one = grant("a")
    others = [replace(one, scope=Scope((), ("read",))), replace(one, ends_at=one.ends_at + 1), replace(one, suspended="LEAVE")]
    assert len({grant_digest(each) for each in (one, *others)}) == 4
    assert grant_digest(one) == grant_digest(grant("a"))


def test_the_rules_digest_names_the_row():
    assert rules_digest(row()) == rules_digest(row())
    assert len({rules_digest(each) for each in (row(), row("rights"), row(cap_grants=0.03), row(day=2))}) == 4
