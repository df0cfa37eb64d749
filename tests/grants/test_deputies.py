"""Stages where all decide, deputies, managers in the stead of who is gone, offices (docs/grants.md, "Who decides")."""

from __future__ import annotations

import itertools

import pytest
from grants.request_kit import BOARD, DAY, GRANTS, HOUR, NOW, PRIVACY, Company, held, refused, role, someone
from hypothesis import given
from hypothesis import strategies as st

from munjigi.grants.changes import PersonEdit, grant_added
from munjigi.grants.deciders import complete, deciders, feasible


@pytest.fixture
def there() -> Company:
    return Company()


def who(there: Company, request_id: str, stage: int = 0) -> dict[str, str]:
    request = there.store.request(request_id)
    assert request is not None
    found = deciders(there.book(), request, there.bundle.roles[request.role].stages[stage])
    return {person.removeprefix("p."): stead.removeprefix("p.") for person, stead in found.items()}


# ---- All of a stage


def test_all_of_a_stage_have_to_approve_and_one_denies(there: Company) -> None:
    asked, other = there.ask("oh", "board"), there.ask("eve", "board")
    for name in ("lee", "ann"):
        waiting = there.vote(asked, name)
        assert (waiting.request.state, waiting.request.stage, waiting.grant) == ("requested", 0, None)
    assert there.vote(asked, "bo").grant is not None
    there.vote(other, "lee")
    assert there.vote(other, "bo", approve=False).request.state == "denied"


def test_of_a_stage_where_all_decide_who_is_away_is_not_waited_for(there: Company) -> None:
    there.event("leave", "bo")
    asked = there.ask("oh", "board")
    there.vote(asked, "lee")
    assert there.vote(asked, "ann").request.state == "approved"


def test_of_a_stage_where_all_decide_a_deputy_fills_one_seat(there: Company) -> None:
    there.delegate("bo", "dan")
    asked = there.ask("oh", "board")
    there.vote(asked, "lee")
    assert there.vote(asked, "dan").request.votes[-1].on_behalf_of == "p.bo"
    assert there.vote(asked, "ann").request.state == "approved"  # and bo himself is not needed any more


def test_p9_a_deputy_of_two_is_one_vote(there: Company) -> None:
    there.delegate("bo", "dan")
    there.delegate("lee", "dan")
    asked = there.ask("oh", "board")
    there.vote(asked, "dan")
    assert there.vote(asked, "ann").request.state == "requested"
    assert there.vote(asked, "lee").request.state == "approved"


def test_a_deputy_decides_for_who_is_away_before_who_is_there(there: Company) -> None:
    there.delegate("lee", "dan")
    there.delegate("bo", "dan")
    there.event("leave", "bo")
    asked = there.ask("oh", "board")
    assert who(there, asked.access_request_id) == {"lee": "", "ann": "", "dan": "bo"}


def test_all_of_an_earlier_stage_leave_nobody_for_a_later_one() -> None:
    there = Company(role("senior", BOARD, PRIVACY, owners=("lee", "yoon")))
    with refused("NOBODY_DECIDES"):
        there.ask("oh", "senior")


def test_a_deputy_who_is_needed_later_leaves_an_earlier_seat_to_its_owner() -> None:
    there = Company(role("senior", BOARD, PRIVACY))
    there.delegate("lee", "yoon")
    asked = there.ask("oh", "senior")
    with refused("VOTE_NEEDED_LATER"):
        there.vote(asked, "yoon")
    there.vote(asked, "ann")
    there.vote(asked, "lee")
    assert there.vote(asked, "yoon").grant is not None


ABLE = st.lists(st.sampled_from("ABCDxyz"), min_size=1, max_size=3, unique=True).map(tuple)
SEATS = st.dictionaries(st.sampled_from("ABCD"), ABLE, max_size=4)


@given(SEATS, st.frozensets(st.sampled_from("ABCDxyz")))
def test_a_stage_is_complete_when_no_other_voter_would_fill_one_more_seat(
    filled_by: dict[str, tuple[str, ...]], voted: frozenset[str]
) -> None:
    def most(people: frozenset[str]) -> int:
        tries = itertools.product(*((None, *people.intersection(able)) for able in filled_by.values()))
        placed = ([person for person in each if person] for each in tries)
        return max(len(each) for each in placed if len(set(each)) == len(each))

    everybody = frozenset(person for able in filled_by.values() for person in able)
    assert complete(filled_by, voted) == (most(voted) == most(everybody))


def test_feasible_finds_people_of_their_own() -> None:
    any_of = lambda *people: ({each: (each,) for each in people}, False)  # noqa: E731 - short
    assert feasible([any_of("a", "b"), any_of("a")], frozenset())
    assert not feasible([any_of("a"), any_of("a")], frozenset())
    assert not feasible([any_of("a", "b"), any_of("a", "b"), any_of("a", "b")], frozenset())
    assert not feasible([any_of("a")], frozenset("a"))
    assert not feasible([any_of()], frozenset())


# ---- Deputies and managers


def test_a_deputy_decides_in_its_time_and_the_vote_says_in_whose_stead(there: Company) -> None:
    there.delegate("lee", "dan", starts_at=NOW + DAY, ends_at=NOW + 2 * DAY)
    asked = there.ask("oh")
    for now, able in ((NOW + DAY - 1, False), (NOW + DAY, True), (NOW + 2 * DAY - 1, True), (NOW + 2 * DAY, False)):
        there.now = now
        assert ("dan" in who(there, asked.access_request_id)) == able
    there.now = NOW + DAY
    vote = there.vote(asked, "dan").request.votes[0]
    assert (vote.person_id, vote.on_behalf_of, vote.subject, vote.at) == ("p.dan", "p.lee", "dan", NOW + DAY)


def test_a_deputy_has_no_deputy(there: Company) -> None:
    there.delegate("lee", "dan")
    there.delegate("dan", "eve")
    with refused("NOT_A_DECIDER"):
        there.vote(there.ask("oh"), "eve")


def test_a_deputys_time_is_ended_by_whoever_gave_it(there: Company) -> None:
    there.delegate("lee", "dan")
    there.delegate("lee", "dan", ends_at=0)
    assert "dan" not in who(there, there.ask("oh").access_request_id)


def test_a_deputy_is_somebody_else_who_is_known_and_for_a_while(there: Company) -> None:
    with refused("DEPUTY_IS_ONESELF"):
        there.delegate("kim", "kim2")
    with refused("ACCOUNT_UNKNOWN"):
        there.delegate("kim", "nobody")
    for end in (NOW, NOW - 1, NOW + 90 * DAY + 1):
        with refused("PERIOD_INVALID"):
            there.delegate("kim", "dan", ends_at=end)
    there.delegate("kim", "dan", ends_at=NOW + 90 * DAY)


def test_who_is_blocked_decides_nothing_and_has_no_deputy(there: Company) -> None:
    there.delegate("lee", "dan")
    asked = there.ask("oh")
    there.block("lee")
    assert who(there, asked.access_request_id) == {"ann": ""}
    with refused("NOT_A_DECIDER"):
        there.vote(asked, "lee")


@pytest.mark.parametrize("how", ["leave", "leaver", "block"])
def test_managers_decide_where_all_who_should_are_gone_and_the_vote_says_so(how: str) -> None:
    there = Company(role("agent", owners=("ann", "lee")))
    asked = there.ask("oh")
    there.event("leaver", "lee")
    assert who(there, asked.access_request_id) == {"ann": ""}
    there.block("ann") if how == "block" else there.event(how, "ann")
    assert who(there, asked.access_request_id) == {"top": "ann"}
    assert there.vote(asked, "top").request.votes[0].on_behalf_of == "p.ann"


def test_a_deputy_of_who_is_away_comes_before_managers() -> None:
    there = Company(role("agent", owners=("ann",)))
    there.delegate("ann", "dan")
    there.event("leave", "ann")
    assert who(there, there.ask("oh").access_request_id) == {"dan": "ann"}


def test_a_manager_decides_for_who_they_manage_now(there: Company) -> None:
    asked = there.ask("kim", "managed")
    there.put(PersonEdit("person_changed", someone("kim", "kim2", manager="p.dan")))
    assert who(there, asked.access_request_id) == {"dan": ""}
    with refused("NOBODY_DECIDES"):
        there.ask("lee", "managed")  # without a manager


def test_an_office_is_whoever_holds_one_of_its_roles_now() -> None:
    suspended = held("dan", "privacy", "oversight", suspended="leave")
    there = Company(
        grants=(
            *GRANTS,
            suspended,
            held("eve", "privacy", "oversight", start=-9, end=-1),
            held("bo", "privacy", "oversight", start=2),
        )
    )
    asked = there.ask("oh", "senior")
    assert who(there, asked.access_request_id, 1) == {"yoon": ""}
    there.now += 2 * DAY
    assert who(there, asked.access_request_id, 1) == {"yoon": "", "bo": ""}


def test_who_comes_into_an_office_decides_from_then_on(there: Company) -> None:
    asked = there.ask("oh", "senior")
    there.vote(asked, "lee")
    there.put(grant_added(held("eve", "privacy", "oversight", start=0)))
    there.event("leave", "yoon")
    assert there.vote(asked, "eve").grant is not None


def test_others_do_not_decide(there: Company) -> None:
    for name in ("dan", "mia", "yoon"):
        with refused("NOT_A_DECIDER"):
            there.vote(there.ask("oh", "senior") if name == "dan" else "ar-0001", name)
    with refused("ACCOUNT_UNKNOWN"):
        there.vote("ar-0001", "nobody")
    with refused("ACCESS_REQUEST_UNKNOWN"):
        there.vote("ar-9999", "lee")


def test_p3_an_approver_who_left_decides_nothing_with_what_is_left_of_the_account(there: Company) -> None:
    asked = there.ask("oh")
    there.now += HOUR
    there.event("leaver", "lee")
    with refused("NOT_A_DECIDER"):
        there.vote(asked, "lee")
