"""Who decides: one human, one vote, and never on what benefits oneself (docs/grants.md, "Who decides"; promise P9)."""

from __future__ import annotations

import pytest
from grants.request_kit import BOARD, DAY, GRANTS, OWNER, PRIVACY, Company, held, refused, role

from munjigi.grants.deciders import deciders


@pytest.fixture
def there() -> Company:
    return Company()


def who(there: Company, request_id: str, stage: int = 0) -> dict[str, str]:
    request = there.store.request(request_id)
    assert request is not None
    found = deciders(there.book(), request, there.bundle.roles[request.role].stages[stage])
    return {person.removeprefix("p."): stead.removeprefix("p.") for person, stead in found.items()}


# ---- Nobody for themselves


def test_p9_nobody_approves_what_they_would_hold(there: Company) -> None:
    asked = there.ask("lee")
    with refused("SELF_APPROVAL"):
        there.vote(asked, "lee")
    assert who(there, asked.access_request_id) == {"ann": ""}


def test_p9_nobody_denies_what_they_would_hold_either(there: Company) -> None:
    with refused("SELF_APPROVAL"):
        there.vote(there.ask("lee"), "lee", approve=False)


def test_p9_nobody_approves_what_they_asked_for_somebody_else() -> None:
    there = Company(role("agent", owners=("mia", "ann")))
    asked = there.ask("kim", by="mia")
    with refused("SELF_APPROVAL"):
        there.vote(asked, "mia")
    with refused("SELF_APPROVAL"):
        there.vote(asked, "kim")
    assert who(there, asked.access_request_id) == {"ann": ""}


@pytest.mark.parametrize(("asking", "deciding"), [("kim", "kim2"), ("kim2", "kim"), ("kim", "kim")])
def test_p9_two_accounts_are_one_person(asking: str, deciding: str) -> None:
    there = Company(role("agent", owners=("kim", "kim2", "ann")))
    with refused("SELF_APPROVAL"):
        there.vote(there.ask(asking), deciding)


def test_p9_an_owner_with_two_accounts_has_one_vote() -> None:
    there = Company(role("agent", BOARD, owners=("kim", "kim2", "ann")))
    asked = there.ask("oh")
    assert there.vote(asked, "kim").request.state == "requested"
    with refused("ALREADY_VOTED"):
        there.vote(asked, "kim2")
    assert there.vote(asked, "ann").request.state == "approved"


def test_p9_the_deputy_of_whom_it_benefits_decides_nothing(there: Company) -> None:
    there.delegate("lee", "dan")
    asked = there.ask("lee")
    with refused("NOT_A_DECIDER"):
        there.vote(asked, "dan")


def test_p9_whom_it_benefits_is_nobodys_deputy_for_it(there: Company) -> None:
    there.delegate("lee", "oh")
    asked = there.ask("oh")
    with refused("SELF_APPROVAL"):
        there.vote(asked, "oh")
    assert who(there, asked.access_request_id) == {"lee": "", "ann": ""}


def test_p9_no_office_decides_for_its_own_holder() -> None:
    there = Company(grants=(*GRANTS, held("eve", "privacy", "oversight")))
    asked = there.ask("yoon", "senior")
    there.vote(asked, "lee")
    with refused("SELF_APPROVAL"):
        there.vote(asked, "yoon")
    assert there.vote(asked, "eve").request.state == "approved"


def test_p9_the_manager_of_an_owner_who_is_away_does_not_decide_for_themselves() -> None:
    there = Company(role("agent", owners=("ann",)))
    there.event("leave", "ann")
    with refused("NOBODY_DECIDES"):
        there.ask("top")  # ann's manager, who is the only one left
    assert who(there, there.ask("oh").access_request_id) == {"top": "ann"}


def test_p9_a_sole_owner_who_asks_is_not_replaced_by_their_manager() -> None:
    with refused("NOBODY_DECIDES"):
        Company(role("agent", owners=("ann",))).ask("ann")


def test_p9_a_manager_who_asks_for_others_does_not_decide_as_their_manager(there: Company) -> None:
    assert who(there, there.ask("kim", "managed").access_request_id) == {"mia": ""}
    with refused("NOBODY_DECIDES"):
        there.ask("oh", "managed", by="mia")


# ---- One vote


def test_p9_one_person_decides_one_stage_of_a_request() -> None:
    there = Company(role("senior", OWNER, PRIVACY, owners=("yoon", "lee")), grants=(*GRANTS, held("eve", "privacy", "oversight")))
    asked = there.ask("oh", "senior")
    there.vote(asked, "yoon")
    with refused("ALREADY_VOTED"):
        there.vote(asked, "yoon")
    assert there.vote(asked, "eve").grant is not None


def test_p9_who_is_needed_later_leaves_the_earlier_stage_to_others() -> None:
    there = Company(role("senior", OWNER, PRIVACY, owners=("yoon", "lee")))
    asked = there.ask("oh", "senior")
    with refused("VOTE_NEEDED_LATER"):
        there.vote(asked, "yoon")
    there.vote(asked, "lee")
    assert there.vote(asked, "yoon").request.state == "approved"


def test_p9_stages_that_only_one_person_could_decide_are_refused() -> None:
    there = Company(role("senior", OWNER, PRIVACY, owners=("yoon",)))
    with refused("NOBODY_DECIDES"):
        there.ask("oh", "senior")


def test_p9_a_deputy_is_no_second_vote_for_who_decides_already() -> None:
    there = Company(role("senior", OWNER, PRIVACY, owners=("lee",)))
    there.delegate("yoon", "lee")
    asked = there.ask("oh", "senior")
    there.vote(asked, "lee")
    with refused("ALREADY_VOTED"):
        there.vote(asked, "lee")
    assert there.vote(asked, "yoon").grant is not None


def test_nobody_is_left_for_what_follows() -> None:
    there = Company()
    asked = there.ask("oh", "senior")
    there.event("leaver", "yoon")
    with refused("NOBODY_DECIDES"):
        there.vote(asked, "lee")


# ---- Policy editors


def test_p9_who_edits_policy_decides_on_no_request() -> None:
    there = Company(role("agent", owners=("han", "ann")))
    asked = there.ask("oh")
    with refused("POLICY_EDITOR"):
        there.vote(asked, "han")
    assert who(there, asked.access_request_id) == {"ann": ""}


def test_p9_who_edits_policy_with_another_account_or_through_the_hierarchy_decides_nothing() -> None:
    there = Company(
        role("agent", owners=("kim", "bo", "ann")),
        grants=(*GRANTS, held("kim2", "editor", "oversight"), held("bo", "chief", "oversight")),
    )
    assert who(there, there.ask("oh").access_request_id) == {"ann": ""}


def test_p9_an_editor_of_policy_is_no_deputy_and_has_none() -> None:
    there = Company(role("agent", owners=("han", "ann")))
    there.delegate("ann", "han")
    there.delegate("han", "dan")
    assert who(there, there.ask("oh").access_request_id) == {"ann": ""}


def test_who_edited_policy_decides_again_when_that_grant_is_over() -> None:
    there = Company(role("agent", owners=("bo",)), grants=(*GRANTS, held("bo", "editor", "oversight", end=3)))
    with refused("NOBODY_DECIDES"):
        there.ask("oh")
    there.now += 3 * DAY
    assert who(there, there.ask("oh").access_request_id) == {"bo": ""}
