"""A table of grants against a plain dictionary, and that old versions never change."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from decision.builders import ISSUER, KIM, NOW, grant, person
from hypothesis import given, settings
from hypothesis import strategies as st

from munjigi.decision import persistent
from munjigi.decision.grant_table import GrantPlace, GrantTable
from munjigi.kernel.errors import FailedPrecondition
from munjigi.kernel.grant import Delegation, Grant, Person
from munjigi.kernel.identity import EmployeeKey

EMPLOYEES = [EmployeeKey(issuer, subject) for issuer in ("a", "b") for subject in ("x", "y", "é")]
GRANTS = st.builds(
    Grant,
    grant_id=st.sampled_from([f"g{number}" for number in range(12)]),
    employee=st.sampled_from(EMPLOYEES),
    role=st.sampled_from(["r", "s"]),
    purpose=st.just("inquiry"),
    starts_at=st.just(0),
    ends_at=st.just(NOW),
    approved_by=st.just(()),
)


def ordered(grants):
    return sorted(grants, key=lambda each: (each.employee, each.grant_id))


def check(table, model):
    assert list(table) == ordered(model.values())
    assert len(table) == len(model)
    for employee in EMPLOYEES:
        assert list(table.of(employee)) == ordered(each for each in model.values() if each.employee == employee)
    for role in ("r", "s", "none"):
        holding = sorted({each.employee for each in model.values() if each.role == role})
        assert list(table.holders(role, "inquiry").since(None)) == holding
        assert not list(table.holders(role, "marketing").since(None))
    for grant_id in ("g0", "g1", "none"):
        assert table.grant(grant_id) == model.get(grant_id)


@settings(max_examples=300, deadline=None)
@given(
    start=st.lists(GRANTS, max_size=8),
    steps=st.lists(st.one_of(GRANTS, st.lists(GRANTS, max_size=6), st.sampled_from(["g0", "g1", "g2", "g3"])), max_size=12),
)
def test_changes_one_by_one_or_several_are_a_table_built_at_once_and_p2_old_tables_stay(start, steps):
    model = {each.grant_id: each for each in start}
    table = GrantTable.build(start, (), 1)
    history = [(table, dict(model))]
    for number, step in enumerate(steps, 2):
        if isinstance(step, str):
            model.pop(step, None)
            table = table.without_grant(step, number)
        elif isinstance(step, list):
            model |= {each.grant_id: each for each in step}
            table = table.with_grants(step, number)
        else:
            model[step.grant_id] = step
            table = table.with_grant(step, number)
        assert table.revision == number
        history.append((table, dict(model)))
    for old, then in history:
        check(old, then)


@settings(max_examples=30, deadline=None)
@given(held=st.lists(GRANTS, max_size=12), limit=st.integers(1, 5))
def test_pages_follow_one_another_without_gap_or_repeat(held, limit):
    table = GrantTable.build(held, (), 1)
    seen: list[Grant] = []
    after = None
    while page := table.page(after, limit):
        assert len(page) <= limit
        seen.extend(page)
        after = GrantPlace.of(page[-1])
    assert seen == list(table)
    assert table.page(None, 0) == ()


def test_a_page_goes_on_where_it_was_when_that_grant_is_gone():
    table = GrantTable.build([grant("a", "r"), grant("b", "r"), grant("c", "r")], (), 1)
    place = GrantPlace.of(table.page(None, 2)[-1])
    assert [each.grant_id for each in table.without_grant("b", 2).page(place, 9)] == ["c"]
    alone = GrantTable.build([grant("a", "r")], (), 1)
    assert alone.without_grant("a", 2).page(GrantPlace.of(grant("a", "r")), 9) == ()


@settings(max_examples=30, deadline=None)
@given(keys=st.lists(st.integers(0, 60)), gone=st.lists(st.integers(0, 60)), start=st.integers(-1, 61))
def test_sorted_keys_are_a_sorted_set(keys, gone, start):
    blocks = persistent._BLOCK
    persistent._BLOCK = 4  # so that a few keys make many blocks
    try:
        found = persistent.SortedKeys[int]()
        for key in keys:
            found = found.with_key(key)
        for key in gone:
            found = found.without(key)
        model = sorted(set(keys) - set(gone))
        assert list(found.since(None)) == model
        assert list(found.since(start)) == [key for key in model if key >= start]
        assert len(found) == len(model)
        assert list(persistent.SortedKeys(keys).since(None)) == sorted(set(keys))
        before = list(found.since(None))
        more = found.with_keys(keys).with_keys(gone)
        assert list(more.since(None)) == sorted({*keys, *gone, *model})
        assert list(more.since(start)) == [key for key in sorted({*keys, *gone, *model}) if key >= start]
        assert max(map(len, more._blocks), default=0) <= 4
        assert list(found.since(None)) == before  # P2: the old one never changes
    finally:
        persistent._BLOCK = blocks


def test_people_are_found_by_each_of_their_accounts():
    other = EmployeeKey(ISSUER, "kim.admin")
    both = Person("p1", "employee", "service", (KIM, other))
    table = GrantTable.build((), [both], 1)
    assert table.person(KIM) is table.person(other) is both
    one = Person("p1", "employee", "service", (other,))
    later = table.with_person(one, 2)
    assert (later.person(KIM), later.person(other), later.revision) == (None, one, 2)
    assert table.person(KIM) is both
    assert list(later.people()) == [one]


def test_p9_one_account_is_one_person():
    with pytest.raises(FailedPrecondition, match="Two people"):
        GrantTable.build((), [person(), Person("another", "employee", "", (KIM,))], 1)
    with pytest.raises(FailedPrecondition, match="Two people"):
        GrantTable.build((), [person()], 1).with_person(Person("another", "employee", "", (KIM,)), 2)


@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["p1", "p2", "p3", "p4"]),
            st.lists(st.sampled_from(["a", "b", "c"]), max_size=2, unique=True),
            st.lists(st.sampled_from(["p1", "p2", "p3"]), max_size=2),
        ),
        max_size=8,
    )
)
def test_people_put_in_at_once_are_the_same_as_one_by_one_and_p2_the_old_table_stays(
    steps: list[tuple[str, list[str], list[str]]],
) -> None:
    def made(who: str, department: str, has: Iterable[str], deputies: Iterable[str]) -> Person:
        delegations = tuple(Delegation(each, 0, NOW) for each in deputies)
        accounts = tuple(EmployeeKey(ISSUER, each) for each in has)
        return Person(who, "employee", department, accounts, delegations=delegations)

    people = [made(who, str(number), has, deputies) for number, (who, has, deputies) in enumerate(steps)]
    before = GrantTable.build((), [made("p1", "", "a", ["p2", "p3"])], 1)

    def seen(table: GrantTable) -> object:
        known = sorted(table.people(), key=lambda person: person.person_id)
        for after in ("", "p2", "p2 "):
            assert list(table.people_since(after)) == [each for each in known if each.person_id > after]
        stood_in = {each: table.stood_in_for(each) for each in ("p1", "p2", "p3", "p4")}
        for deputy, named_by in stood_in.items():
            assert named_by == {each.person_id for each in known if deputy in (one.person_id for one in each.delegations)}
        assert all(GrantTable.build((), known, 1).stood_in_for(deputy) == stood_in[deputy] for deputy in stood_in)
        return known, [table.person(EmployeeKey(ISSUER, each)) for each in "abc"], stood_in

    def put(table: GrantTable, *groups: list[Person]) -> object:
        try:
            for number, group in enumerate(groups, 2):
                table = table.with_people(group, number)
        except FailedPrecondition as error:
            return error.reason
        return seen(table)

    untouched = seen(before)
    assert put(before, people) == put(before, *([each] for each in people))
    assert seen(before) == untouched
