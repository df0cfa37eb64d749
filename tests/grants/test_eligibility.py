"""Periods, renewal, and what nobody may hold beside what is held: what docs/grants.md says is refused, and when."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from grants.request_kit import DAY, NOW, SECOND, Company, held, key, refused, role

from munjigi.grants.changes import GrantEdit
from munjigi.kernel.grant import Scope

YEAR = 365 * DAY


@pytest.fixture
def there() -> Company:
    return Company()


# ---- Periods


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        ({"ends_at": 0, "days": 0}, "PERIOD_ENDLESS"),
        ({"ends_at": NOW + DAY, "days": 1}, "PERIOD_ENDLESS"),
        ({"starts_at": NOW - 301 * SECOND}, "PERIOD_BACKDATED"),
        ({"starts_at": 1, "ends_at": 2}, "PERIOD_BACKDATED"),
        ({"ends_at": NOW}, "PERIOD_INVALID"),
        ({"ends_at": NOW - DAY}, "PERIOD_INVALID"),
        ({"starts_at": NOW + 9 * DAY, "ends_at": NOW + 9 * DAY}, "PERIOD_INVALID"),
        ({"starts_at": NOW + 9 * DAY, "ends_at": NOW + 8 * DAY}, "PERIOD_INVALID"),
        ({"days": -1}, "PERIOD_INVALID"),
        ({"days": 366}, "PERIOD_TOO_LONG"),
        ({"ends_at": NOW + YEAR + 1}, "PERIOD_TOO_LONG"),
        ({"days": 10**9}, "PERIOD_TOO_LONG"),
        ({"starts_at": NOW + 366 * DAY + 1}, "PERIOD_TOO_FAR"),
    ],
)
def test_periods_that_nobody_gets(there: Company, wanted: dict[str, int], reason: str) -> None:
    with refused(reason):
        there.ask("oh", **wanted)


@pytest.mark.parametrize(
    "wanted",
    [
        {"days": 365},
        {"ends_at": NOW + 1},
        {"ends_at": NOW + YEAR},
        {"starts_at": NOW - 300 * SECOND},
        {"starts_at": NOW + 366 * DAY},
    ],
)
def test_periods_at_their_bounds(there: Company, wanted: dict[str, int]) -> None:
    grant = there.given("oh", **wanted)
    assert NOW <= grant.starts_at < grant.ends_at <= grant.starts_at + YEAR


def test_29_february_is_a_day_like_others() -> None:
    at = lambda *day: int(datetime(*day, tzinfo=UTC).timestamp()) * SECOND  # noqa: E731 - short
    there = Company(grants=())
    there.now = at(2028, 2, 28)
    assert there.given("oh", days=1).ends_at == at(2028, 2, 29)
    assert there.given("eve", days=2).ends_at == at(2028, 3, 1)
    assert there.given("bo", ends_at=at(2029, 2, 27)).ends_at == at(2029, 2, 27)  # 365 days: that year has 366
    with refused("PERIOD_TOO_LONG"):
        there.ask("dan", ends_at=at(2029, 2, 28))


def test_a_grant_that_starts_later_is_of_no_use_before(there: Company) -> None:
    grant = there.given("oh", starts_at=NOW + DAY, days=2)
    assert (grant.starts_at, grant.ends_at) == (NOW + DAY, NOW + 3 * DAY)
    for now, allowed in (
        (NOW, False),
        (NOW + DAY - 1, False),
        (NOW + DAY, True),
        (NOW + 3 * DAY - 1, True),
        (NOW + 3 * DAY, False),
    ):
        there.now = now
        assert there.reads("oh") == allowed


def test_a_start_that_passes_while_people_decide_is_the_approval(there: Company) -> None:
    asked = there.ask("oh", starts_at=NOW + DAY, ends_at=NOW + 9 * DAY)
    there.now += 2 * DAY
    grant = there.vote(asked, "lee").grant
    assert grant is not None
    assert (grant.starts_at, grant.ends_at) == (NOW + 2 * DAY, NOW + 9 * DAY)


def test_an_end_that_passes_while_people_decide_gives_nothing(there: Company) -> None:
    asked = there.ask("oh", ends_at=NOW + DAY)
    there.now += DAY
    with refused("PERIOD_INVALID"):
        there.vote(asked, "lee")


def test_a_longest_period_that_became_shorter_counts_when_it_is_approved(there: Company) -> None:
    asked = there.ask("oh", days=30)
    there.bundle = Company(role("agent", longest_days=29)).bundle
    with refused("PERIOD_TOO_LONG"):
        there.vote(asked, "lee")


# ---- Renewal and change


def test_a_grant_is_renewed_before_its_end_and_keeps_its_start_and_scope(there: Company) -> None:
    grant = there.given("oh", days=10, scope=Scope(("crm.member.name",), ()))
    there.now += 9 * DAY
    renewed = there.given("oh", grant_id=grant.grant_id, days=90, by="lee")
    assert renewed == replace(
        grant, ends_at=there.now + 90 * DAY, approved_by=("lee",), access_request_id=renewed.access_request_id
    )
    assert renewed.access_request_id != grant.access_request_id


def test_a_grant_that_is_over_is_not_renewed(there: Company) -> None:
    grant = there.given("oh", days=10)
    asked = there.ask("oh", grant_id=grant.grant_id, days=20)
    there.now = grant.ends_at
    with refused("GRANT_STATE"):
        there.vote(asked, "lee")
    with refused("GRANT_STATE"):
        there.ask("oh", grant_id=grant.grant_id)
    assert there.given("oh", supersedes="").grant_id != grant.grant_id


def test_a_renewal_lengthens_by_no_more_than_the_longest_period_from_now(there: Company) -> None:
    grant = there.given("oh", days=10)
    with refused("PERIOD_INVALID"):  # a start far ahead would carry the end along
        there.ask("oh", grant_id=grant.grant_id, starts_at=NOW + 300 * DAY, days=365)
    with refused("PERIOD_TOO_LONG"):
        there.ask("oh", grant_id=grant.grant_id, days=366)
    assert there.given("oh", grant_id=grant.grant_id, days=365).ends_at == NOW + YEAR


def test_a_grant_that_starts_later_is_renewed_from_its_start(there: Company) -> None:
    grant = there.given("oh", starts_at=NOW + 100 * DAY, days=10)
    assert there.given("oh", grant_id=grant.grant_id, days=30).ends_at == NOW + 130 * DAY


def test_a_renewal_is_of_ones_own_grant_as_it_is(there: Company) -> None:
    grant = there.given("kim")
    with refused("GRANT_UNKNOWN"):
        there.ask("kim", grant_id="g-none")
    with refused("NOT_YOURS_TO_ASK"):
        there.ask("oh", grant_id=grant.grant_id)
    with refused("GRANT_FIXED"):
        there.ask("kim", "senior", grant_id=grant.grant_id)
    renewed = there.given("kim2", grant_id=grant.grant_id, days=50)
    assert renewed.employee == key("kim")  # the account that holds it goes on holding it


def test_a_scope_is_widened_by_a_request_only(there: Company) -> None:
    grant = there.given("oh", scope=Scope(("crm.member.phone",), ("read",)))
    assert not there.reads("oh")
    asked = there.ask("oh", kind="change", grant_id=grant.grant_id, scope=Scope(("crm.member.*",), ("read",)))
    assert not there.reads("oh")
    there.vote(asked, "lee")
    assert there.reads("oh")


@pytest.mark.parametrize(
    "scope", [Scope(("crm.member.nothing",), ()), Scope(("*",), ()), Scope((), ("fly",)), Scope(("class:none",), ())]
)
def test_a_scope_names_what_is_catalogued(there: Company, scope: Scope) -> None:
    with refused("SCOPE_UNKNOWN"):
        there.ask("oh", scope=scope)


# ---- What somebody holds already


def test_the_same_role_for_the_same_purpose_is_held_once_at_a_time(there: Company) -> None:
    grant = there.given("kim", days=10)
    for name in ("kim", "kim2"):
        with refused("GRANT_OVERLAPS"):
            there.ask(name, days=5)
        with refused("GRANT_OVERLAPS"):
            there.ask(name, starts_at=grant.ends_at - 1)
    asked = there.ask("kim", starts_at=grant.ends_at, days=5)  # half-open: no overlap
    assert there.vote(asked, "lee").grant is not None


def test_two_requests_for_the_same_are_not_both_approved(there: Company) -> None:
    asked = there.ask("oh", starts_at=NOW + 20 * DAY, days=30)
    with refused("ACCESS_REQUEST_OPEN"):
        there.ask("oh")
    there.ask("oh", "senior")
    there.put(GrantEdit("grant_added", held("oh", "agent", start=0, end=21)))
    with refused("GRANT_OVERLAPS"):
        there.vote(asked, "lee")


def test_one_request_of_a_person_is_open_for_the_same_whatever_the_account(there: Company) -> None:
    there.ask("kim")
    with refused("ACCESS_REQUEST_OPEN"):
        there.ask("kim2")


@pytest.mark.parametrize(("first", "second"), [("red", "blue"), ("blue", "red")])
def test_roles_that_exclude_each_other_are_not_held_together(there: Company, first: str, second: str) -> None:
    grant = there.given("kim", first, days=10)
    with refused("ROLES_EXCLUDE_EACH_OTHER"):
        there.ask("kim2", second)
    with refused("ROLES_EXCLUDE_EACH_OTHER"):
        there.ask("kim", second, starts_at=grant.ends_at - 1)
    there.ask("kim", second, starts_at=grant.ends_at)


def test_exclusion_is_looked_at_again_when_it_is_approved(there: Company) -> None:
    first, second = there.ask("oh", "red"), there.ask("oh", "blue")
    there.vote(first, "lee")
    with refused("ROLES_EXCLUDE_EACH_OTHER"):
        there.vote(second, "ann")


def test_a_budget_counts_people_over_the_whole_period_and_again_at_the_approval(there: Company) -> None:
    there.given("oh", "heads", days=10)
    late = there.ask("eve", "heads", days=20)
    there.given("kim", "heads", days=5)
    there.given("kim2", "heads", starts_at=NOW + 5 * DAY, days=5)  # the same person
    for wanted in ({"days": 1}, {"starts_at": NOW + 9 * DAY}):
        with refused("ROLE_BUDGET_SPENT"):
            there.ask("bo", "heads", **wanted)
    with refused("ROLE_BUDGET_SPENT"):
        there.vote(late, "lee")
    there.ask("bo", "heads", starts_at=NOW + 10 * DAY)


def test_a_renewal_takes_no_further_head(there: Company) -> None:
    grant = there.given("oh", "heads", days=10)
    there.given("eve", "heads", days=10)
    assert there.given("oh", "heads", grant_id=grant.grant_id, days=20).ends_at == NOW + 20 * DAY


def test_a_head_is_free_when_a_grant_was_ended(there: Company) -> None:
    there.given("oh", "heads")
    there.given("eve", "heads")
    there.event("leaver", "eve")
    assert there.given("bo", "heads").role == "heads"


def test_who_is_on_leave_keeps_the_head(there: Company) -> None:
    there.given("oh", "heads")
    there.given("eve", "heads")
    there.event("leave", "eve")
    with refused("ROLE_BUDGET_SPENT"):
        there.ask("bo", "heads")


def test_who_is_away_gone_or_blocked_gets_nothing_not_even_what_was_asked_before(there: Company) -> None:
    asked = {name: there.ask(name) for name in ("oh", "eve", "bo")}
    there.event("leave", "oh")
    there.block("bo")
    with refused("PERSON_NOT_ACTIVE"):
        there.ask("oh", "senior")
    with refused("PERSON_NOT_ACTIVE"):
        there.vote(asked["oh"], "lee")
    with refused("PERSON_BLOCKED"):
        there.ask("bo", "senior")
    with refused("PERSON_BLOCKED"):
        there.vote(asked["bo"], "lee")
    there.event("leaver", "eve")
    assert there.state(asked["eve"]) == "withdrawn"
    with refused("PERSON_NOT_ACTIVE"):
        there.ask("eve")


# ---- Roles, purposes, cases


def test_roles_and_purposes_are_registered_assessed_and_fit_each_other(there: Company) -> None:
    for role_name, purpose, reason in (
        ("none", "inquiry", "ROLE_UNKNOWN"),
        ("agent", "none", "PURPOSE_UNKNOWN"),
        ("agent", "sketched", "PURPOSE_NOT_ASSESSED"),
        ("agent", "marketing", "ROLE_NOT_FOR_PURPOSE"),
        ("idle", "inquiry", "ROLE_NOT_FOR_PURPOSE"),
        ("chief", "inquiry", "ROLE_NOT_FOR_PURPOSE"),
    ):
        with refused(reason):
            there.ask("oh", role_name, purpose)


def test_a_purpose_that_is_not_assessed_any_more_gives_nothing(there: Company) -> None:
    asked = there.ask("oh")
    purposes = {**there.bundle.purposes, "inquiry": replace(there.bundle.purposes["inquiry"], impact_stage="draft")}
    there.bundle = replace(there.bundle, purposes=purposes, memo={})
    with refused("PURPOSE_NOT_ASSESSED"):
        there.vote(asked, "lee")


def test_a_purpose_may_want_a_case(there: Company) -> None:
    with refused("CASE_ID_REQUIRED"):
        there.ask("oh", "urgent", "fraud")
    for case, purpose in (("FR-1", "fraud"), ("CS-0001", "fraud"), ("FR-0001", "inquiry")):
        with refused("CASE_ID_INVALID"):
            there.ask("oh", "urgent", purpose, case_id=case)
    assert there.ask("oh", "urgent", "fraud", case_id="FR-0001").case_id == "FR-0001"


# ---- Departments


def test_a_role_is_held_in_the_departments_that_roles_toml_names_and_looked_at_again_when_it_is_approved() -> None:
    there = Company(role("agent", departments=("cs", "night")), role("urgent", break_glass_hours=4, departments=("fraud",)))
    with refused("ROLE_NOT_FOR_DEPARTMENT") as caught:
        there.ask("oh", "urgent")
    assert "fraud" in caught.value.message
    assert "personnel" in caught.value.message
    with refused("ROLE_NOT_FOR_DEPARTMENT"):
        there.break_glass("oh")
    asked, late = there.ask("oh"), there.ask("kim")
    there.vote(asked, "lee")
    there.event("mover", "kim", department="night")
    assert there.state(late) == "requested"  # the new department needs it too
    there.bundle = Company(role("agent", departments=("cs",))).bundle
    with refused("ROLE_NOT_FOR_DEPARTMENT"):
        there.vote(late, "lee")
    there.bundle = Company(role("agent", departments=("fraud",))).bundle
    (grant,) = there.table.of(key("oh"))
    with refused("ROLE_NOT_FOR_DEPARTMENT"):  # nor is it renewed
        there.ask("oh", grant_id=grant.grant_id, days=60)
    there.event("mover", "eve", department="fraud")
    assert there.ask("eve").state == "requested"
