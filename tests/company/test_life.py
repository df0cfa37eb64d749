"""The made-up company's life, by itself: what it promises whoever feeds on it."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date, timedelta
from pathlib import Path

import pytest

from munjigi.adapters.policy_files import read_policy_home
from munjigi.company.burst import SCENES, burst
from munjigi.company.days import HOUR, Day, days, uncovered
from munjigi.company.events import Asked, Event, Founded, Outage, Revoked, Staffed, Voted, Wanted, Withdrawn
from munjigi.company.life import Company, live
from munjigi.company.people import LARGEST, SMALLEST, Staff
from munjigi.kernel.ids import ID
from munjigi.kernel.personal import looks_personal
from munjigi.policy.compile import compile_bundle
from munjigi.policy.types import PolicyBundle

FIRST = date(2026, 8, 3)  # a Monday; Liberation Day and Chuseok follow, and the end of a quarter
DAYS = 75
A_DAY = 24 * HOUR
MEMBERS = 2_000


@pytest.fixture(scope="module")
def bundle() -> PolicyBundle:
    found = read_policy_home(Path(__file__).parents[2] / "policies")
    bundle, _ = compile_bundle(found.files, found.source)
    assert bundle is not None
    return bundle


@pytest.fixture(scope="module")
def company(bundle: PolicyBundle) -> Company:
    return Company(3, 100, FIRST, DAYS, bundle.calendar, MEMBERS)


@pytest.fixture(scope="module")
def life(company: Company) -> list[Event]:
    return list(live(company))


@pytest.fixture(scope="module")
def calendar(company: Company) -> list[Day]:
    return list(days(FIRST, DAYS, company.calendar))


def asked(life: list[Event]) -> list[Asked]:
    return [each for each in life if isinstance(each, Asked)]


def test_the_same_seed_lives_the_same_life_and_another_one_another(company: Company, life: list[Event]) -> None:
    short = company._replace(days=6)
    assert list(live(short)) == list(live(short))
    assert list(live(short._replace(seed=8))) != list(live(short))
    end = next(iter(days(FIRST + timedelta(days=6), 1, company.calendar))).begins
    assert list(live(short)) == [each for each in life if each.at < end]  # a longer life begins as a shorter one


def test_events_come_in_order_and_within_the_days(life: list[Event], calendar: list[Day]) -> None:
    times = [each.at for each in life]
    assert times == sorted(times)
    assert times[0] == calendar[0].begins
    assert times[-1] < calendar[-1].begins + A_DAY


def test_days_off_are_quieter_and_the_end_of_a_quarter_is_not(life: list[Event], calendar: list[Day]) -> None:
    by_day = Counter((each.at - calendar[0].begins) // A_DAY for each in asked(life))
    by_kind: dict[str, list[int]] = defaultdict(list)
    for number, day in enumerate(calendar):
        by_kind[day.kind].append(by_day[number])
    mean = {kind: sum(counts) / len(counts) for kind, counts in by_kind.items()}
    assert date(2026, 9, 25) in {day.date for day in calendar if day.kind == "holiday"}
    assert mean["holiday"] < mean["saturday"] < mean["workday"] / 2
    assert mean["sunday"] < mean["workday"] / 2
    campaigns = Counter((each.at - calendar[0].begins) // A_DAY for each in asked(life) if each.tool == "campaign-tool")
    closing = [campaigns[number] for number, day in enumerate(calendar) if day.closing]
    ordinary = [campaigns[number] for number, day in enumerate(calendar) if day.kind == "workday" and not day.closing]
    assert len(closing) == 5
    assert sum(closing) / 5 > 1.3 * sum(ordinary) / len(ordinary)


def test_nobody_works_between_night_and_the_first_shift(life: list[Event], calendar: list[Day]) -> None:
    hours = Counter((each.at - calendar[0].begins) % A_DAY // HOUR for each in asked(life))
    assert not any(hours[hour] for hour in (4, 5, 6))
    assert hours[12] < hours[11] * 0.7  # lunch
    assert 0 < hours[23] < hours[15] / 50  # who is on call


def test_leavers_never_act_again_and_people_on_leave_not_before_they_return(life: list[Event]) -> None:
    state: dict[str, str] = {}
    seen: Counter[str] = Counter()
    for each in life:
        if isinstance(each, Founded):
            state |= {hire.employee: "here" for hire in each.hires}
        elif isinstance(each, Staffed):
            seen[each.kind] += 1
            before, after = {
                "joiner": (None, "here"),
                "mover": ("here", "here"),
                "leave": ("here", "leave"),
                "return": ("leave", "here"),
                "leaver": ("here", "gone"),
            }[each.kind]
            assert state.get(each.employee) == before, each
            state[each.employee] = after
        elif isinstance(each, (Asked, Wanted, Withdrawn)):
            assert state[each.employee] == "here", each
    assert min(seen[kind] for kind in ("joiner", "mover", "leave", "return", "leaver")) > 0


def test_probes_are_never_confirmed_and_mistakes_neither(life: list[Event]) -> None:
    kinds = Counter(each.what for each in asked(life))
    assert kinds["opens the menu"] > len(asked(life)) / 8
    for each in asked(life):
        if any(question.probe for question in each.questions):
            assert each.rows is None
    for mistake in ("forgets the case", "tries a resident number", "misspells a column", "picks another tool's purpose"):
        assert 0 < kinds[mistake] < len(asked(life)) / 50
        assert all(each.rows is None for each in asked(life) if each.what == mistake)


def test_reads_end_in_every_way(life: list[Event]) -> None:
    reads = [each for each in asked(life) if each.rows is not None]
    outcomes = Counter(each.outcome for each in reads)
    assert outcomes["read"] > 50 * outcomes["failed"] > 0
    assert outcomes["abandoned"] > 0
    assert all((each.rows == 0) == (each.outcome != "read") for each in reads)
    assert all(0 < each.takes < 2 * 10**9 for each in reads)
    assert any(each.rows is None and each.what == "reads a caller's contact data" for each in asked(life))


def test_cases_live_for_days_through_several_hands(life: list[Event]) -> None:
    hands: dict[str, set[str]] = defaultdict(set)
    times: dict[str, list[int]] = defaultdict(list)
    members: dict[str, set[tuple[str, ...]]] = defaultdict(set)
    for each in asked(life):
        for question in each.questions:
            if question.purpose == "inquiry" and question.case_id:
                hands[question.case_id].add(each.employee)
                times[question.case_id].append(each.at)
                members[question.case_id].add(question.members)
    assert sum(len(each) > 1 for each in hands.values()) > len(hands) / 4
    assert sum(max(each) - min(each) > A_DAY for each in times.values()) > len(times) / 20
    assert all(len(each) == 1 for each in members.values())  # a case is about one member


def test_during_an_outage_nobody_asks_through_the_tool(life: list[Event]) -> None:
    outages = [each for each in life if isinstance(each, Outage)]
    assert outages
    for outage in outages:
        assert not any(outage.at <= each.at < outage.until and each.tool == outage.tool for each in asked(life))


def test_rights_are_asked_for_decided_renewed_and_taken(life: list[Event]) -> None:
    wanted = {each.handle: each for each in life if isinstance(each, Wanted)}
    given = {f"{hire.employee}.{hire.role}" for each in life if isinstance(each, Founded) for hire in each.hires if hire.role}
    assert any(each.renews for each in wanted.values())
    assert all(each.renews in wanted or each.renews in given for each in wanted.values() if each.renews)
    votes = [each for each in life if isinstance(each, Voted)]
    assert {each.approve for each in votes} == {True, False}
    for each in votes:
        assert each.at > wanted[each.handle].at
        assert each.by != wanted[each.handle].employee
    assert all(each.handle in wanted or each.handle in given for each in life if isinstance(each, Revoked))


def test_the_words_are_the_sample_policy_s(life: list[Event], bundle: PolicyBundle) -> None:
    for each in asked(life):
        tool = bundle.tools[each.tool]
        for question in each.questions:
            table = bundle.catalog.tables[question.resource]
            purpose = bundle.purposes[question.purpose]
            assert not question.case_id or purpose.matches_case(question.case_id)
            assert max(len(question.members), question.subjects) <= tool.max_subjects
            if each.what != "misspells a column":
                assert set(question.fields) <= set(table.columns)
            assert all(1_000_001 <= int(member) <= 1_000_000 + MEMBERS for member in question.members)
    for each in life:
        if isinstance(each, Founded):
            departments = {department for role in bundle.roles.values() for department in role.departments}
            assert {hire.department for hire in each.hires if hire.role == "cs_manager"} <= departments


def test_names_are_made_of_a_duty_and_a_number(life: list[Event]) -> None:
    names = [hire.employee for each in life if isinstance(each, Founded) for hire in each.hires]
    names += [each.employee for each in life if isinstance(each, Staffed) and each.kind == "joiner"]
    assert len(set(names)) == len(names) > 100
    for name in names:
        prefix, _, number = name.partition(".")
        assert prefix in {"cs", "mkt", "fraud", "dba", "sec", "ops"}
        assert number.isdigit()
        assert ID.match(name)
        assert not looks_personal(name)


@pytest.mark.parametrize("count", [SMALLEST, 199, LARGEST])
def test_a_company_has_exactly_as_many_people_as_it_is_asked_to(count: int) -> None:
    staff = Staff(count)
    assert len(staff.everyone) == count
    assert all(1 <= len(team.people) <= 12 for teams in staff.teams.values() for team in teams)
    assert len({each.ip for each in staff.everyone}) == count


def test_a_year_without_holidays_is_told(company: Company) -> None:
    assert uncovered(date(2025, 12, 30), 4, company.calendar) == [2025]
    assert uncovered(date(2026, 12, 30), 4, company.calendar) == []


@pytest.mark.parametrize("count", [1, 30, 31, 500])
def test_a_burst_asks_as_often_as_it_is_told_and_the_same_for_a_seed(count: int) -> None:
    first = list(burst(count, 3))
    assert sum(len(each.questions) for each in first) == count
    assert first == list(burst(count, 3))
    assert count < 31 or {each.what for each in first} == {scene.what for scene in SCENES}
    assert count < 500 or first != list(burst(count, 4))
