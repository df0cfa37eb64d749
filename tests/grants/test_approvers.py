"""An approver who is unknown, away or gone, before a request is made and while it waits: who decides then, and who is told (docs/grants.md)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest
from grants.request_kit import BOARD, DAY, GRANTS, HOUR, OWNER, PEOPLE, PRIVACY, Company, held, refused, role, someone

from munjigi.grants import requests
from munjigi.grants.changes import Change, PersonEdit, RequestEdit, grant_added
from munjigi.grants.deciders import edits_policy
from munjigi.grants.notices.due import Pace, State, due
from munjigi.grants.notices.notice import Notice
from munjigi.grants.notices.told import told
from munjigi.grants.records import record_of
from munjigi.grants.vacancies import vacancies
from munjigi.kernel.access_request import AccessRequest
from munjigi.kernel.identity import EmployeeKey
from munjigi.rpc.grant_messages import request_message, who_decides

Happens = Callable[[Company], None]


def nothing(_: Company) -> None: ...


def left(*names: str) -> Happens:
    return lambda there: [there.event("leaver", each) for each in names] and None


def away(*names: str) -> Happens:
    return lambda there: [there.event("leave", each) for each in names] and None


def blocked(*names: str) -> Happens:
    return lambda there: [there.block(each) for each in names] and None


def editor(name: str) -> Happens:
    """Somebody is given the right to edit policy."""
    return lambda there: there.put(grant_added(held(name, "editor", "oversight", start=0)))


def both(*happens: Happens) -> Happens:
    return lambda there: [each(there) for each in happens] and None


def company(*owners: str) -> Company:
    return Company(role("agent", owners=owners))


def deciding(there: Company, asked: AccessRequest) -> list[str]:
    return [each.removeprefix("p.") for each in who_decides(there.book(), there.found(asked))]


def names(people: Iterable[EmployeeKey]) -> list[str]:
    return [each.subject for each in people]


def told_of(there: Company, asked: AccessRequest) -> list[str]:
    """Return who hears of a request that is made in the world as it is."""
    edit = RequestEdit("request_made", there.found(asked))
    notice = told(
        record_of(Change(1, there.now, False, asked.applicant.subject, "", edit, asked.applicant.issuer)), "x-1", there.book()
    )
    assert notice is not None
    return names(notice.recipients)


class Waiting:
    """An outlook with one open request."""

    def __init__(self, there: Company, asked: AccessRequest) -> None:
        self._open = there.found(asked)

    def undecided(self) -> list[AccessRequest]:
        return [self._open]

    def ending(self, _after: int, _until: int) -> list[Any]:
        return []

    lapsing = ending

    def said(self, _notice_id: str) -> bool:
        return False


def due_of(there: Company, asked: AccessRequest) -> list[Notice]:
    return list(due(State(Waiting(there, asked), there.book(), Pace()), there.now))


# In the sample of request_kit lee has no manager, ann's is top, kim's and oh's is mia, and mia's is top.
# (owners, what has happened, who may decide, or nobody)
STATES: list[tuple[tuple[str, ...], Happens, list[str]]] = [
    (("lee", "ann"), nothing, ["lee", "ann"]),
    (("stranger", "lee"), nothing, ["lee"]),
    (("stranger",), nothing, []),
    (("stranger", "ann"), left("ann"), ["top"]),
    (("ann",), left("ann"), ["top"]),
    (("ann",), away("ann"), ["top"]),
    (("ann",), blocked("ann"), ["top"]),
    (("ann",), both(left("ann"), away("top")), []),
    (("ann",), both(away("ann"), blocked("top")), []),
    (("ann",), both(away("ann"), editor("top")), []),
    (("lee",), left("lee"), []),
    (("lee",), away("lee"), []),
    (("lee", "ann"), left("lee"), ["ann"]),
    (("lee", "ann"), both(left("lee"), away("ann")), ["top"]),
    (("kim", "ann"), away("kim", "ann"), ["mia", "top"]),  # each one's own manager
    (("kim", "mia"), away("kim"), ["mia"]),  # an owner by her own word, not as a manager
    (("ann",), editor("ann"), []),  # who edits policy is there: nobody stands in
    (("lee", "ann"), editor("ann"), ["lee"]),
    (("eve",), nothing, []),  # the only owner, and whoever asks
    (("eve", "lee"), left("lee"), []),
    (("eve", "ann"), away("ann"), ["top"]),
]


@pytest.mark.parametrize(("owners", "happens", "able"), STATES)
def test_before_a_request_is_made_who_is_not_there_is_replaced_or_it_is_refused_at_once(
    owners: tuple[str, ...], happens: Happens, able: list[str]
) -> None:
    there = company(*owners)
    happens(there)
    if not able:
        with refused("NOBODY_DECIDES") as caught:
            there.ask("eve")
        assert "security team" in caught.value.message
        assert not there.store.request("ar-0001")
        return
    asked = there.ask("eve")
    assert (deciding(there, asked), told_of(there, asked)) == (able, able)
    for each in PEOPLE:
        name = each.person_id.removeprefix("p.")
        if name not in able:
            edits = edits_policy(there.book(), each)
            with refused("SELF_APPROVAL" if name == "eve" else "POLICY_EDITOR" if edits else "NOT_A_DECIDER"):
                there.vote(asked, name)
    given = there.vote(asked, able[-1])
    assert given.grant is not None
    assert given.request.votes[0].on_behalf_of == ("" if able[-1] in owners else f"p.{stead(owners, able[-1])}")


def stead(owners: tuple[str, ...], manager: str) -> str:
    return next(each.person_id for each in PEOPLE if each.manager == f"p.{manager}" and each.person_id[2:] in owners)[2:]


@pytest.mark.parametrize(
    ("owners", "happens", "able"), [each for each in STATES if "stranger" not in each[0] and "eve" not in each[0]]
)
def test_while_a_request_waits_the_same_people_decide_and_where_nobody_is_left_it_goes_up(
    owners: tuple[str, ...], happens: Happens, able: list[str]
) -> None:
    there = company(*owners)
    asked = there.ask("eve")
    happens(there)
    assert deciding(there, asked) == able
    assert list(request_message(there.book(), there.found(asked)).deciders) == able
    there.now += 2 * DAY
    (waits,) = due_of(there, asked)
    assert (waits.kind, waits.severity) == ("request.waiting", "warning")
    assert (names(waits.recipients) == ["yoon"]) == (not able)  # nobody's: the privacy office hears of it, the first time already
    if able:
        assert set(able) <= set(names(waits.recipients))
        assert there.vote(asked, able[0]).grant is not None
        return
    there.now = asked.lapses_at
    (lapsed,) = due_of(there, asked)
    assert (lapsed.kind, names(lapsed.recipients)) == ("request.lapsed", ["eve"])
    with refused("ACCESS_REQUEST_CLOSED"):
        there.vote(asked, owners[0])
    assert not there.reads("eve")


def test_whoever_comes_back_decides_again_and_who_stood_in_does_not() -> None:
    there = company("ann")
    there.event("leave", "ann")
    asked = there.ask("eve")
    assert deciding(there, asked) == ["top"]
    there.event("return", "ann")
    assert deciding(there, asked) == ["ann"]
    with refused("NOT_A_DECIDER"):
        there.vote(asked, "top")
    there.event("leaver", "ann")
    there.event("joiner", "ann", department="cs")  # the account is the same person's again
    assert deciding(there, asked) == ["ann"]
    assert there.vote(asked, "ann").grant is not None


def test_an_account_that_nobody_knows_any_more_decides_nothing() -> None:
    """The personnel office has taken the owner's account away from them: it is nobody's."""
    there = company("ann", "lee")
    asked = there.ask("eve")
    there.put(PersonEdit("person_changed", replace(someone("lee"), accounts=(EmployeeKey("urn:test", "lee.new"),))))
    with refused("ACCOUNT_UNKNOWN"):
        there.vote(asked, "lee")
    with refused("NOT_A_DECIDER"):  # an owner is named by account
        there.vote(asked, "lee.new")
    assert deciding(there, asked) == ["ann"]


def test_an_owner_of_another_issuer_is_somebody_else() -> None:
    """`lee` under a partner's issuer owns nothing of ours, and `lee` of ours nothing of theirs."""
    partner = replace(someone("partner"), accounts=(EmployeeKey("urn:partner", "lee"),), principal_type="partner")
    there = Company(role("agent", owners=("lee",)), people=(*PEOPLE, partner))
    asked = there.ask("eve")
    assert deciding(there, asked) == ["lee"]
    with refused("NOT_A_DECIDER"):
        requests.decide(
            there.book(), asked.access_request_id, EmployeeKey("urn:partner", "lee"), asked.digest, approve=True, reason="so"
        )


def test_what_an_approver_who_left_had_given_stays_and_names_them() -> None:
    there = company("ann", "lee")
    grant = there.given("eve", by="ann")
    there.now += HOUR
    there.event("leaver", "ann")
    assert there.reads("eve")
    assert there.grant(grant.grant_id).approved_by == ("ann",)


def test_a_vote_counts_when_its_voter_has_left_before_the_next_stage() -> None:
    there = Company()
    asked = there.ask("eve", "senior")
    there.vote(asked, "lee")
    there.event("leaver", "lee")
    given = there.vote(asked, "yoon").grant
    assert given is not None
    assert given.approved_by == ("lee", "yoon")


def test_of_a_stage_where_all_decide_who_leaves_is_waited_for_no_more_and_the_last_vote_ends_it() -> None:
    there = Company(role("board", BOARD, owners=("lee", "ann", "bo")))
    asked = there.ask("eve", "board")
    there.vote(asked, "lee")
    there.event("leaver", "bo")
    assert there.vote(asked, "ann").request.state == "approved"


def test_a_later_stage_that_has_lost_everybody_refuses_the_vote_before_it_and_says_so() -> None:
    there = Company(role("senior", OWNER, PRIVACY, owners=("ann", "lee")), grants=(*GRANTS, held("mia", "privacy", "oversight")))
    asked = there.ask("eve", "senior")
    there.event("leaver", "yoon")
    there.event("leaver", "mia")  # her grant ended with her, so she is not even named, nor is her manager
    with refused("NOBODY_DECIDES") as caught:
        there.vote(asked, "ann")
    assert "what follows" in caught.value.message
    assert there.state(asked) == "requested"
    assert there.vote(asked, "ann", approve=False).request.state == "denied"  # to deny it nobody is needed


def test_what_nobody_could_decide_is_found_before_anybody_asks() -> None:
    there = Company(
        role("agent", owners=("stranger", "lee")),
        role("blue", owners=("stranger",)),
        role("red", owners=("bo",)),
        role("senior", OWNER, PRIVACY, owners=("ann",)),
    )

    def vacant(issuer: str = "urn:test") -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
        found = {role: (stages, strangers) for role, stages, strangers in vacancies(there.book(), issuer)}
        found.pop("chief")  # not of this company
        return found

    strange = {"agent": ((), ("stranger",)), "blue": (("owner",), ("stranger",))}
    assert vacant() == strange
    there.event("leave", "bo")
    there.event("leaver", "ann")  # top stands in for her
    there.event("leaver", "yoon")
    assert vacant() == strange | {"red": (("owner",), ()), "senior": (("privacy",), ())}
    there.event("return", "bo")
    assert vacant() == strange | {"senior": (("privacy",), ())}
    assert vacant("urn:other")["red"] == (("owner",), ("bo",))
