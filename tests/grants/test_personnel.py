"""Personnel events as plans: what ends with whom, that a return gives nothing back by itself, and that order and repetition harm nobody."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from grants.personnel_kit import DAY, ISSUER, NOW, ROLES, Office, asked, event, fact, held, someone
from hypothesis import given, settings
from hypothesis import strategies as st

from munjigi.grants.changes import GrantEdit, PersonEdit, RequestEdit, grant_added
from munjigi.grants.lapsing import Lapsing, lapsing
from munjigi.grants.lifecycle import PERSON, state_of
from munjigi.grants.staffing import Wanted, events_for
from munjigi.kernel.errors import FailedPrecondition, InvalidArgument, MunjigiError, NotFound
from munjigi.kernel.grant import Delegation, Fact
from munjigi.kernel.identity import EmployeeKey

LATER = NOW + 20 * DAY


@pytest.fixture
def office() -> Office:
    office = Office()
    office.put(someone("kim", accounts=2, manager="p.lee"), someone("lee"), someone("park", "fraud"))
    office.put(
        *map(
            grant_added,
            (
                held("g.now", "kim"),
                held("g.second", "kim1", "analyst"),
                held("g.soon", "kim", "anyone", start=3),
                held("g.over", "kim", end=-1),
                held("g.held", "kim", "analyst", suspended="review"),
                held("g.lee", "lee"),
            ),
        )
    )
    return office


def reason_of(office: Office, *events: Any) -> str:
    before = office.store.revision()
    with pytest.raises(MunjigiError) as caught:
        office.apply(*events)
    assert office.store.revision() == before
    return caught.value.reason


def test_a_leaver_ends_all_that_hangs_on_the_person_in_one_commit(office: Office):
    deputy = (
        Delegation("p.kim", NOW - DAY, NOW + DAY),
        Delegation("p.kim", NOW + DAY, NOW + 2 * DAY),
        Delegation("p.park", 1, NOW * 2),
    )
    office.put(someone("lee", delegations=deputy), someone("kim", accounts=2, delegations=(Delegation("p.lee", 1, NOW * 2),)))
    office.put(RequestEdit("request_made", asked("ar-1", "kim")), RequestEdit("request_made", asked("ar-2", "lee")))
    edits = office.apply(event("leaver", "p.kim"))
    kim, lee = office.person("p.kim"), office.person("p.lee")
    assert (kim.status, kim.sessions_from, kim.delegations) == ("left", NOW, (Delegation("p.lee", 1, NOW),))
    assert lee.delegations == (Delegation("p.kim", NOW - DAY, NOW), Delegation("p.park", 1, NOW * 2))
    assert [(each.event, each.person.person_id) for each in edits if isinstance(each, PersonEdit)] == [
        ("delegation", "p.lee"),
        ("leaver", "p.kim"),
    ]
    ended = {each.grant.grant_id: each for each in edits if isinstance(each, GrantEdit)}
    assert set(ended) == {"g.now", "g.second", "g.soon", "g.held"}
    assert {(each.kind, each.grant.ended, each.method) for each in ended.values()} == {("grant_ended", "left", "personnel")}
    for at in (NOW, LATER):
        assert office.in_force("p.kim", at) == set()
    assert office.in_force("p.lee", NOW) == {"g.lee"}
    assert [office.store.request(each).state for each in ("ar-1", "ar-2")] == ["withdrawn", "requested"]
    with pytest.raises(FailedPrecondition):
        office.put(grant_added(held("g.new", "kim")))


def test_r7_a_leave_suspends_at_once_and_after_the_return_each_grant_waits_for_an_owner(office: Office):
    before = {at: office.in_force("p.kim", at) for at in (NOW, LATER)}
    office.apply(event("leave", "p.kim"))
    assert [office.in_force("p.kim", at) for at in (NOW, LATER)] == [set(), set()]
    assert office.book().holdings.grant("g.held").suspended == "review"
    with pytest.raises(FailedPrecondition):
        office.put(grant_added(held("g.new", "kim")))
    edits = office.apply(event("return", "p.kim"))
    assert [edit.kind for edit in edits] == ["person_changed"]
    assert [office.in_force("p.kim", at) for at in before] == [set(), set()]
    suspended = {each.grant_id: each for each in office.book().grants_of(office.person("p.kim")) if each.suspended == "leave"}
    assert set(suspended) == set().union(*before.values())
    office.put(*(GrantEdit("grant_resumed", replace(each, suspended="")) for each in suspended.values()))
    assert {at: office.in_force("p.kim", at) for at in before} == before
    assert office.book().holdings.grant("g.held").suspended == "review"


def test_a_mover_loses_what_the_new_duty_does_not_need_at_once(office: Office):
    office.put(*(RequestEdit("request_made", asked(f"ar-{role}", "kim", role)) for role in ("agent", "analyst")))
    office.apply(event("mover", "p.kim", department="fraud"))
    assert office.in_force("p.kim", LATER) == {"g.second", "g.soon"}
    assert office.book().holdings.grant("g.now").ended == "moved"
    assert [office.store.request(f"ar-{role}").state for role in ("agent", "analyst")] == ["withdrawn", "requested"]
    assert (office.person("p.kim").department, office.person("p.kim").manager) == ("fraud", "p.lee")
    office.apply(event("mover", "p.kim", manager="p.park"))
    assert office.in_force("p.kim", LATER) == {"g.second", "g.soon"}
    office.apply(event("mover", "p.kim", department=""))
    assert office.in_force("p.kim", LATER) == {"g.soon"}  # no department needs only what every one does


def test_who_joins_again_holds_nothing(office: Office):
    office.apply(event("leaver", "p.kim"))
    office.apply(event("joiner", "p.kim", department="cs", accounts=(EmployeeKey(ISSUER, "kim.new"),)))
    kim = office.person("p.kim")
    assert (kim.status, len(kim.accounts), kim.sessions_from) == ("active", 3, NOW)
    assert office.in_force("p.kim", NOW) == set()
    office.put(grant_added(held("g.new", "kim.new")))
    assert office.in_force("p.kim", NOW) == {"g.new"}


def test_a_repeated_event_changes_nothing(office: Office):
    for kind, more in (
        ("leave", {}),
        ("return", {}),
        ("mover", {"department": "fraud"}),
        ("facts", {"facts": (fact("pledge", 0, 9),)}),
        ("account", {"accounts": (EmployeeKey(ISSUER, "kim.admin"),)}),
        ("leaver", {}),
        ("joiner", {"department": "cs"}),
    ):
        assert office.apply(event(kind, "p.kim", NOW, **more)) != []
        assert office.apply(event(kind, "p.kim", NOW, **more)) == [], kind
        assert office.apply(event(kind, "p.kim", **more)) == [], kind


def test_an_event_that_comes_late_is_refused(office: Office):
    office.apply(event("mover", "p.kim", NOW - 2 * DAY, department="fraud"))
    assert reason_of(office, event("mover", "p.kim", NOW - 3 * DAY, department="cs")) == "EVENT_OUT_OF_ORDER"
    assert reason_of(office, event("leaver", "p.kim", NOW - 3 * DAY)) == "EVENT_OUT_OF_ORDER"
    office.apply(event("return", "p.kim", NOW - DAY))  # overtook its leave: nothing to do, but known
    assert reason_of(office, event("leave", "p.kim", NOW - 2 * DAY)) == "EVENT_OUT_OF_ORDER"
    assert office.person("p.kim").status == "active"
    office.apply(event("leaver", "p.kim", NOW - DAY))  # the same moment may hold several
    assert reason_of(office, event("joiner", "p.kim", NOW - 2 * DAY)) == "EVENT_OUT_OF_ORDER"
    office.apply(event("facts", "p.kim", NOW - 5 * DAY, facts=(fact("pledge", 0, 9),)))  # facts are their source's own
    assert reason_of(office, event("facts", "p.kim", NOW - 6 * DAY, facts=(fact("pledge", 0, 99),))) == "EVENT_OUT_OF_ORDER"
    assert office.person("p.kim").facts == (Fact("pledge", NOW, NOW + 9 * DAY, "hr", NOW - 5 * DAY),)


@pytest.mark.parametrize(
    ("bad", "error", "reason"),
    [
        (event("leaver", "p.nobody"), NotFound, "PERSON_UNKNOWN"),
        (event("joiner", "p.lee", department="fraud"), FailedPrecondition, "PERSON_STATE"),
        (event("joiner", "p.new", accounts=(EmployeeKey(ISSUER, "kim"),)), FailedPrecondition, "ACCOUNT_TAKEN"),
        (event("account", "p.lee", accounts=(EmployeeKey(ISSUER, "kim1"),)), FailedPrecondition, "ACCOUNT_TAKEN"),
        (event("leave", "p.kim", by="p.kim"), FailedPrecondition, "OWN_PERSON"),
        (event("leaver", "p.kim", NOW + DAY), InvalidArgument, "EVENT_IN_FUTURE"),
        (event("joiner", "900101-1234567"), InvalidArgument, "PERSON_FIELD_INVALID"),
        (event("joiner", "kim@example.com"), InvalidArgument, "PERSON_FIELD_INVALID"),
        (event("joiner", "p kim"), InvalidArgument, "PERSON_FIELD_INVALID"),
        (event("joiner", ""), InvalidArgument, "PERSON_ID_INVALID"),
        (event("mover", "p.kim", department="a\nb"), InvalidArgument, "PERSON_FIELD_INVALID"),
        (event("mover", "p.kim", department="call 010-1234-5678"), InvalidArgument, "PERSON_FIELD_INVALID"),
        (event("mover", "p.kim", manager="p.kim"), InvalidArgument, "MANAGER_SELF"),
        (event("joiner", "p.new", accounts=(EmployeeKey(ISSUER, ""),)), InvalidArgument, "ACCOUNT_INVALID"),
        (event("facts", "p.kim", facts=(fact("health", 0, 1),)), InvalidArgument, "FACT_UNKNOWN"),
        (event("facts", "p.kim", facts=(fact("pledge", 1, 0),)), InvalidArgument, "FACT_PERIOD_INVALID"),
    ],
)
def test_what_does_not_fit_is_refused(office: Office, bad: Any, error: type[MunjigiError], reason: str):
    with pytest.raises(error):
        office.apply(bad)
    assert reason_of(office, bad) == reason


def test_one_plan_of_many_events_sees_what_came_before(office: Office):
    office.put(someone("lee", delegations=(Delegation("p.kim", 1, NOW * 2), Delegation("p.park", 1, NOW * 2))))
    office.apply(event("leaver", "p.kim"), event("leaver", "p.park"), event("joiner", "p.kim"))
    assert [each.ends_at for each in office.person("p.lee").delegations] == [NOW, NOW]
    assert office.person("p.kim").status == "active"
    key = EmployeeKey(ISSUER, "new")
    assert reason_of(office, event("joiner", "p.a", accounts=(key,)), event("joiner", "p.b", accounts=(key,))) == "ACCOUNT_TAKEN"


def test_a_list_of_states_becomes_events(office: Office):
    def kinds(wanted: Wanted) -> list[str]:
        events = events_for(office.book().holdings.person_of(wanted.person_id), wanted, "csv", 0, NOW)
        office.apply(*events)
        assert events_for(office.book().holdings.person_of(wanted.person_id), wanted, "csv", 0, NOW) == []
        return [each.kind for each in events]

    kim = Wanted("p.kim", department="cs", manager="p.lee")
    assert kinds(kim) == []
    assert kinds(kim._replace(status="leave")) == ["leave"]
    assert kinds(kim._replace(department="fraud")) == ["mover", "return"]
    assert office.in_force("p.kim", NOW) == set()
    assert office.book().holdings.grant("g.second").suspended == "leave"
    assert kinds(Wanted("p.kim", accounts=(EmployeeKey(ISSUER, "k"),), facts=(("pledge", LATER),))) == ["account", "facts"]
    assert kinds(Wanted("p.kim", "left")) == ["leaver"]
    assert kinds(Wanted("p.gone", "left")) == []
    assert kinds(Wanted("p.new", "leave", "contractor", "cs", facts=(("training", LATER),))) == ["joiner", "leave", "facts"]
    assert kinds(Wanted("p.kim")) == ["joiner"]


def test_what_lapses_is_said_days_before(office: Office):
    assert lapsing(office.book(), 30) == []  # no pledge at all is nothing that lapses
    said = (fact("pledge", -5, 5), fact("pledge", 4, 10), fact("pledge", 11, 50), fact("training", -1, 1))
    office.put(someone("kim", accounts=2, facts=said), someone("lee", facts=(fact("pledge", -5, 500),)))
    assert lapsing(office.book(), 10) == []
    assert lapsing(office.book(), 11) == [Lapsing("p.kim", "pledge", NOW + 10 * DAY, ("agent",))]
    office.apply(event("leave", "p.kim"))
    assert lapsing(office.book(), 11) == []


KINDS = st.sampled_from(["joiner", "mover", "leaver", "leave", "return", "facts", "account", "grant"])
STEPS = st.lists(
    st.tuples(
        KINDS,
        st.sampled_from(["kim", "lee"]),
        st.sampled_from(["", "cs", "fraud"]),
        st.integers(-3, 3),
        st.sampled_from(sorted(ROLES)),
    ),
    min_size=1,
    max_size=25,
)


@settings(max_examples=60)
@given(steps=STEPS)
def test_p3_nothing_counts_of_who_is_away_whatever_happens_in_which_order(steps: list[tuple[Any, str, str, int, str]]):
    office = Office()
    refused: set[str] = set()
    for number, (kind, name, department, hours, role) in enumerate(steps):
        office.now += DAY // 24
        person_id = f"p.{name}"
        before = office.book().holdings.person_of(person_id)
        try:
            if kind == "grant":
                office.put(grant_added(held(f"g.{number}", name, role)))
                continue
            at = office.now + min(hours, 0) * DAY // 24
            more: dict[str, Any] = {"accounts": (EmployeeKey(ISSUER, name),)} if kind in ("joiner", "account") else {}
            more |= {"department": department} if kind in ("joiner", "mover") else {}
            more |= {"facts": (fact("pledge", hours, 9),)} if kind == "facts" else {}
            edits = office.apply(event(kind, person_id, at, **more))
        except MunjigiError as error:
            refused.add(error.reason)
            continue
        after = office.person(person_id)
        assert ((before.status if before else ""), kind) in PERSON or after == replace(before, effective_at=after.effective_at)
        assert after.effective_at >= (before.effective_at if before else 0)
        if kind == "return" and before.status == "leave":
            assert office.in_force(person_id, office.now) == set()  # rule R7: an owner resumes
        if after.status != "active":
            assert all(office.in_force(person_id, office.now + days * DAY) == set() for days in (0, 5, 50))
        if kind == "mover" and before.department != after.department:
            open_roles = {
                g.role for g in office.book().grants_of(after) if state_of(g, office.now) in ("active", "pending", "suspended")
            }
            assert all(not ROLES[r].departments or after.department in ROLES[r].departments for r in open_roles)
        assert office.apply(event(kind, person_id, at, **more)) == [] or not edits
    assert refused <= {
        "ACCOUNT_UNKNOWN",
        "PERSON_UNKNOWN",
        "PERSON_STATE",
        "EVENT_OUT_OF_ORDER",
        "PERSON_LEFT",
        "PERSON_ON_LEAVE",
    }
