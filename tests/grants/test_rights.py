"""Rights that are held are narrowed, suspended, resumed, revoked; and taken in an emergency (docs/grants.md, "Break-glass")."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from decision.builders import TABLES, P, make_bundle, purpose
from decision.builders import ask as question
from grants.request_kit import DAY, HOUR, MANAGER, NOW, OWNER, PRIVACY, WHY, Company, held, key, refused, role
from hypothesis import given
from hypothesis import strategies as st

from munjigi.decision.core import decide
from munjigi.decision.snapshot import Snapshot
from munjigi.decision.types import Effect
from munjigi.grants.changes import GrantEdit, RequestEdit
from munjigi.grants.lifecycle import state_of
from munjigi.grants.rights import narrow, resume, revoke, suspend
from munjigi.kernel.errors import MunjigiError
from munjigi.kernel.grant import Grant, Scope


@pytest.fixture
def there() -> Company:
    return Company()


# ---- Narrowing


OBJECTS = (
    *(f"crm.member.{column}" for column in ("name", "phone", "memo", "*")),
    "crm.payment.*",
    "crm.payment.card",
    "class:contact",
    "class:identity",
)
SCOPES = st.builds(
    Scope,
    st.lists(st.sampled_from(OBJECTS), max_size=3, unique=True).map(tuple),
    st.lists(st.sampled_from(("read", "export", "reveal")), max_size=2, unique=True).map(tuple),
)
WIDE = Company(grants=())


def allowed(grant: Grant) -> set[tuple[str, str, str]]:
    """What the one core allows a holder of this grant alone, of everything that can be asked for."""
    table = WIDE.table.with_grant(grant, WIDE.table.revision)
    found = set()
    for resource, columns in TABLES.items():
        for column in columns:
            for action in ("read", "export", "reveal"):
                asked = question(column, resource=resource, employee=grant.employee, action=action)
                fields = decide(Snapshot(WIDER, table), asked, NOW).fields
                if any(field.effect is not Effect.DENIED for field in fields):
                    found.add((resource, column, action))
    return found


WIDER = make_bundle(
    [P("agent", f"{table}.*", action) for table in TABLES for action in ("read", "export", "reveal")],
    roles=[role("agent")],
    purposes=[purpose("inquiry", impact_stage="approved")],
)


@given(st.none() | SCOPES, st.none() | SCOPES, st.sampled_from((0, NOW - 1, NOW, NOW + 1, NOW + 300 * DAY, NOW + 300 * DAY + 1)))
def test_p3_what_a_narrowed_grant_allows_it_allowed_before(whole: Scope | None, scope: Scope | None, ends_at: int) -> None:
    before = held("oh", "agent", scope=whole)
    book = WIDE.book()._replace(holdings=WIDE.table.with_grant(before, 99), bundle=WIDER)
    try:
        after = narrow(book, before.grant_id, WHY, ends_at=ends_at, scope=scope).grant
    except MunjigiError as error:
        assert error.reason in ("CHANGE_WIDENS", "CHANGE_EMPTY")  # noqa: PT017 - whatever is refused widens nothing
        return
    assert allowed(after) <= allowed(before)
    assert NOW < after.ends_at <= before.ends_at
    assert replace(after, scope=before.scope, ends_at=before.ends_at) == before


def test_a_narrowing_that_says_nothing_or_more_is_refused(there: Company) -> None:
    grant = there.given("oh", days=10, scope=Scope(("crm.member.*",), ("read",)))
    attempts: tuple[tuple[dict[str, Any], str], ...] = (
        ({}, "CHANGE_EMPTY"),
        ({"ends_at": grant.ends_at + 1}, "CHANGE_WIDENS"),
        ({"ends_at": NOW}, "CHANGE_WIDENS"),
        ({"scope": Scope((), ("read",))}, "CHANGE_WIDENS"),
        ({"scope": Scope(("crm.member.name",), ())}, "CHANGE_WIDENS"),
        ({"scope": Scope(("crm.payment.card",), ("read",))}, "CHANGE_WIDENS"),
        ({"scope": Scope(("crm.member.name",), ("read", "export"))}, "CHANGE_WIDENS"),
        ({"scope": Scope(("crm.member.none",), ("read",))}, "SCOPE_UNKNOWN"),
    )
    for change, reason in attempts:
        with refused(reason):
            narrow(there.book(), grant.grant_id, WHY, **change)
    there.put(narrow(there.book(), grant.grant_id, WHY, ends_at=NOW + DAY, scope=Scope(("crm.member.phone",), ("read",))))
    assert not there.reads("oh")
    assert there.grant(grant.grant_id).ends_at == NOW + DAY


def test_a_narrowed_grant_is_not_widened_back_without_a_request(there: Company) -> None:
    grant = there.given("oh", days=10)
    there.put(narrow(there.book(), grant.grant_id, WHY, ends_at=NOW + DAY, scope=Scope(("crm.member.name",), ())))
    for change in ({"ends_at": grant.ends_at}, {"scope": Scope(("crm.member.*",), ())}, {"scope": Scope((), ())}):
        with refused("CHANGE_WIDENS"):
            narrow(there.book(), grant.grant_id, WHY, **change)  # type: ignore[arg-type]


# ---- Suspending, resuming, revoking


def test_a_suspended_grant_does_not_count_and_goes_on_as_far_as_its_period_goes(there: Company) -> None:
    grant = there.given("oh", days=10)
    there.put(suspend(there.book(), grant.grant_id, WHY, why="training"))
    assert not there.reads("oh")
    there.now += DAY
    there.put(resume(there.book(), grant.grant_id, key("ann"), WHY))
    assert there.grant(grant.grant_id) == grant
    assert there.reads("oh")
    there.put(suspend(there.book(), grant.grant_id, WHY, why="training"))
    there.now = grant.ends_at
    with refused("GRANT_STATE"):
        resume(there.book(), grant.grant_id, key("ann"), WHY)
    with refused("GRANT_STATE"):
        revoke(there.book(), grant.grant_id, WHY)


def test_p9_nobody_resumes_what_they_hold_or_asked_for_and_nobody_who_may_not_hold_it_gets_it_back() -> None:
    there = Company(role("agent", departments=("cs",)))
    mine, hers = there.given("kim", days=10), there.given("oh", days=10, by="lee")
    asked = there.vote(there.ask("oh", "senior", by="mia"), "lee").request
    given_by_manager = there.vote(asked, "yoon").grant
    assert given_by_manager is not None
    for grant in (mine, hers, given_by_manager):
        there.put(suspend(there.book(), grant.grant_id, WHY, why="owner"))
    for grant, who, reason in (
        (mine, "kim2", "SELF_APPROVAL"),
        (given_by_manager, "mia", "SELF_APPROVAL"),
        (given_by_manager, "oh", "SELF_APPROVAL"),
        (hers, "han", "POLICY_EDITOR"),
        (hers, "nobody", "ACCOUNT_UNKNOWN"),
    ):
        with refused(reason):
            resume(there.book(), grant.grant_id, key(who), WHY, concern="owner")
    there.event("leave", "kim")
    with refused("PERSON_NOT_ACTIVE"):
        resume(there.book(), mine.grant_id, key("lee"), WHY, concern="owner")
    there.event("return", "kim")
    assert not there.reads("kim")
    there.block("oh")
    with refused("PERSON_BLOCKED"):
        resume(there.book(), hers.grant_id, key("lee"), WHY, concern="owner")
    there.bundle = Company(role("agent", departments=("night",))).bundle
    with refused("ROLE_NOT_FOR_DEPARTMENT"):
        resume(there.book(), mine.grant_id, key("lee"), WHY, concern="owner")


def test_what_was_suspended_with_the_right_to_operate_is_resumed_with_it(there: Company) -> None:
    grant = there.given("oh", days=10)
    there.put(suspend(there.book(), grant.grant_id, WHY, why="operator"))
    with refused("SUSPENDED_BY_OPERATOR"):
        resume(there.book(), grant.grant_id, key("lee"), WHY, concern="owner")
    there.put(resume(there.book(), grant.grant_id, key("ann"), WHY))
    assert there.reads("oh")
    there.put(suspend(there.book(), grant.grant_id, WHY, why="holder"))
    there.put(resume(there.book(), grant.grant_id, key("lee"), WHY, concern="owner"))
    assert there.reads("oh")


@pytest.mark.parametrize("starts", [0, NOW + 5 * DAY])
def test_p8_a_revoked_grant_is_over_and_never_comes_back(there: Company, starts: int) -> None:
    grant = there.given("oh", starts_at=starts, days=10)
    there.now += HOUR
    edit = revoke(there.book(), grant.grant_id, "it is not needed any more")
    there.put(edit)
    over = there.grant(grant.grant_id)
    assert (over.ends_at, over.ended, over.suspended) == (there.now, "revoked", "")
    steps: tuple[Callable[[], object], ...] = (
        lambda: revoke(there.book(), grant.grant_id, WHY),
        lambda: resume(there.book(), grant.grant_id, key("ann"), WHY),
        lambda: suspend(there.book(), grant.grant_id, WHY, why="x"),
        lambda: narrow(there.book(), grant.grant_id, WHY, ends_at=NOW + 2 * DAY),
        lambda: there.ask("oh", grant_id=grant.grant_id),
    )
    for now in (there.now, NOW + 6 * DAY, NOW + 20 * DAY):
        there.now = now
        assert state_of(over, now) == "revoked"
        assert not there.reads("oh")
        for step in steps:
            with refused("GRANT_STATE"):
                step()
    for each in (grant, replace(grant, ends_at=NOW + 90 * DAY)):
        with refused("GRANT_STATE"):
            there.put(GrantEdit("grant_changed", each))
    with refused("GRANT_UNKNOWN"):
        revoke(there.book(), "g-none", WHY)


def test_a_suspended_grant_is_revoked_as_well(there: Company) -> None:
    grant = there.given("oh")
    there.event("leave", "oh")
    there.put(revoke(there.book(), grant.grant_id, WHY))
    there.event("return", "oh")
    assert not there.reads("oh")


# ---- Break-glass


def test_a_right_is_taken_at_once_and_its_review_opens_in_the_same_moment(there: Company) -> None:
    taken = there.break_glass("oh", hours=2)
    assert [type(edit) for edit in taken.edits] == [RequestEdit, GrantEdit]
    grant = taken.grant
    assert grant is not None
    assert (grant.starts_at, grant.ends_at, grant.break_glass, grant.approved_by) == (NOW, NOW + 2 * HOUR, True, ())
    assert (taken.request.kind, taken.request.state, taken.request.grant_id) == ("break_glass", "requested", grant.grant_id)
    assert taken.request.lapses_at == grant.ends_at + 3 * DAY
    assert there.reads("oh")
    there.now += 2 * HOUR
    assert not there.reads("oh")


def test_an_emergency_is_short_and_for_roles_that_are_meant_for_it(there: Company) -> None:
    with refused("NOT_FOR_EMERGENCIES"):
        there.break_glass("oh", role="agent")
    with refused("PERIOD_TOO_LONG"):
        there.break_glass("oh", hours=5)
    with refused("PERIOD_INVALID"):
        there.break_glass("oh", hours=0)
    with refused("REASON_TOO_SHORT"):
        there.break_glass("oh", reason="nineteen characters")
    with refused("CASE_ID_REQUIRED"):
        there.break_glass("oh", purpose="fraud")
    with refused("SCOPE_UNKNOWN"):
        there.break_glass("oh", scope=Scope(("crm.none",), ()))
    with refused("PURPOSE_NOT_ASSESSED"):
        there.break_glass("oh", purpose="sketched")
    with refused("ACCOUNT_UNKNOWN"):
        there.break_glass("nobody")
    assert there.break_glass("oh", reason="twenty characters it").grant is not None


def test_an_emergency_is_nothing_for_who_is_away_or_blocked_or_holds_what_excludes_it(there: Company) -> None:
    there.bundle = Company(role("urgent", break_glass_hours=4, excludes=("blue",))).bundle
    there.event("leave", "oh")
    there.block("eve")
    there.given("bo", "blue")
    for name, reason in (("oh", "PERSON_NOT_ACTIVE"), ("eve", "PERSON_BLOCKED"), ("bo", "ROLES_EXCLUDE_EACH_OTHER")):
        with refused(reason):
            there.break_glass(name)


def test_an_emergency_asks_no_budget_but_is_a_head_for_others() -> None:
    there = Company(role("urgent", break_glass_hours=4, budget=1))
    there.given("oh", "urgent", days=10)
    there.break_glass("eve")
    there.put(revoke(there.book(), there.table.of(key("oh"))[0].grant_id, WHY))
    with refused("ROLE_BUDGET_SPENT"):
        there.ask("bo", "urgent")


@pytest.mark.parametrize("approve", [True, False])
def test_p9_nobody_reviews_their_own_emergency(approve: bool) -> None:
    there = Company(role("urgent", break_glass_hours=4, owners=("kim", "kim2", "ann")))
    taken = there.break_glass("kim").request
    for name in ("kim", "kim2"):
        with refused("SELF_APPROVAL"):
            there.vote(taken, name, approve=approve)
    there.delegate("kim", "dan")
    with refused("NOT_A_DECIDER"):
        there.vote(taken, "dan", approve=approve)


def test_a_review_that_finds_it_right_leaves_the_grant_as_it_is(there: Company) -> None:
    taken = there.break_glass("oh")
    done = there.vote(taken.request, "lee")
    assert (done.request.state, done.grant) == ("approved", taken.grant)
    assert there.reads("oh")


def test_a_denial_ends_what_is_left_of_it(there: Company) -> None:
    taken = there.break_glass("oh")
    there.now += HOUR
    there.vote(taken.request, "lee", approve=False)
    assert not there.reads("oh")
    grant = there.grant(taken.request.grant_id)
    assert (grant.ends_at, grant.ended) == (NOW + HOUR, "not_justified")


def test_a_denial_ends_what_a_leave_suspended(there: Company) -> None:
    taken = there.break_glass("oh")
    there.event("leave", "oh")
    there.vote(taken.request, "lee", approve=False)
    there.event("return", "oh")
    assert not there.reads("oh")


def test_a_denial_after_the_end_changes_the_request_alone(there: Company) -> None:
    taken = there.break_glass("oh")
    there.now += DAY
    assert [type(edit) for edit in there.vote(taken.request, "lee", approve=False).edits] == [RequestEdit]


def test_a_review_goes_on_whatever_its_person_does(there: Company) -> None:
    taken = there.break_glass("oh").request
    with refused("REVIEW_STANDS"):
        there.withdraw(taken, "oh")
    with refused("REVIEW_STANDS"):
        there.ask("oh", supersedes=taken.access_request_id)
    there.now += 90 * DAY
    there.event("leaver", "oh")
    assert there.state(taken) == "requested"
    assert there.vote(taken, "lee", approve=False).request.state == "denied"


def test_what_was_taken_in_an_emergency_is_not_made_longer(there: Company) -> None:
    taken = there.break_glass("oh").request
    for kind in ("renew", "change"):
        with refused("GRANT_FIXED"):
            there.ask("oh", "urgent", kind=kind, grant_id=taken.grant_id, scope=Scope((), ()))
    assert there.given("oh", "urgent").break_glass is False  # it is asked for by itself


def test_an_overdue_review_ends_the_right_to_break_glass_until_it_is_decided(there: Company) -> None:
    taken = there.break_glass("kim")
    assert taken.grant is not None
    there.now = taken.grant.ends_at + 3 * DAY - 1
    second = there.break_glass("kim2")
    there.now += 1
    for name in ("kim", "kim2"):  # people count, not accounts
        with refused("BREAK_GLASS_SUSPENDED"):
            there.break_glass(name)
    there.break_glass("oh")
    there.vote(taken.request, "lee", approve=False)
    assert there.break_glass("kim").grant is not None
    assert there.state(second.request) == "requested"


def test_a_review_goes_on_when_the_roles_stages_change(there: Company) -> None:
    """It can't be asked for anew, and its person would be without emergencies for ever."""
    taken = there.break_glass("oh").request
    there.bundle = Company(role("urgent", OWNER, PRIVACY, break_glass_hours=4)).bundle
    assert there.vote(taken, "lee").request.state == "requested"
    there.bundle = Company(role("urgent", PRIVACY, break_glass_hours=4)).bundle
    assert there.vote(taken, "yoon").request.state == "approved"


def test_a_review_goes_on_when_the_stages_change_there_and_back() -> None:
    there = Company(role("urgent", MANAGER, break_glass_hours=4))
    taken = there.break_glass("oh").request
    short, there.bundle = there.bundle, Company(role("urgent", OWNER, PRIVACY, break_glass_hours=4)).bundle
    there.vote(taken, "lee")
    there.bundle = short
    assert there.vote(taken, "mia").request.state == "approved"
