"""A denial names people who can act today: owners who are here, who stands in for them, or that nobody is."""

from __future__ import annotations

from dataclasses import replace

import pytest
from decision.builders import ask
from grants.request_kit import BOARD, DAY, MANAGER, OWNER, PEOPLE, PRIVACY, Company, held, key, refused, role, someone

from munjigi.decision.core import decide
from munjigi.decision.snapshot import Snapshot
from munjigi.grants import deciders as deciders_module
from munjigi.grants.changes import PersonEdit
from munjigi.kernel.clock import SECOND
from munjigi.kernel.grant import Delegation
from munjigi.policy.calendar import MINUTE
from munjigi.policy.types import Stage
from munjigi.rpc.answers import message_of
from munjigi.rpc.grant_messages import who_decides
from munjigi.rpc.whom import WhomToAsk
from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb

COMMAND = " Ask: munjigi request agent --purpose inquiry --days 90 --reason WHY"


def answered(there: Company, name: str = "eve") -> pb.CheckResponse:
    snapshot = Snapshot(there.bundle, there.table)
    question = ask("name", employee=key(name))
    return message_of(snapshot, question, decide(snapshot, question, there.now), there.now, observe=False)


def line(there: Company, name: str = "eve") -> str:
    head = "You need role `agent` for purpose `inquiry`; "
    return next(each.removeprefix(head) for each in answered(there, name).help.splitlines() if each.startswith(head))


def owners(there: Company, name: str = "eve") -> list[str]:
    return next(list(each.owners) for each in answered(there, name).access_options if each.role == "agent")


def test_owners_who_are_here_are_named_and_no_others():
    there = Company()
    assert line(there) == f"its owners decide: lee, ann.{COMMAND}"
    there.event("leave", "ann")
    assert line(there) == f"its owners decide: lee.{COMMAND}"
    assert owners(there) == ["lee"]
    there.event("leaver", "lee")
    assert line(there) == f"its owners decide: top for ann.{COMMAND}"  # her manager, as a request would have it
    there.event("leave", "top")
    assert line(there) == "nobody of its owners is here to decide (lee, ann); ask the privacy office."
    assert owners(there) == []
    with refused("NOBODY_DECIDES"):
        there.ask("eve")
    there.event("return", "ann")
    assert line(there) == f"its owners decide: ann.{COMMAND}"


def test_whoever_is_named_may_decide_what_this_employee_asks_for():
    there = Company(role("agent", owners=("ann", "kim", "han", "bo")))
    there.block("bo")  # and han edits policy
    assert owners(there) == ["ann", "kim"]
    assert owners(there, "kim2") == ["ann"]  # nobody decides for themselves, with whatever account
    for name in ("eve", "kim2"):
        named = owners(there, name)
        assert named == [each.removeprefix("p.") for each in who_decides(there.book(), there.ask(name))]


def test_a_deputy_is_named_from_the_moment_on_at_which_they_stand_in():
    there = Company(role("agent", owners=("ann",)), people=(), grants=())
    away = someone("ann", status="leave", delegations=(Delegation("p.bo", there.now + MINUTE, there.now + DAY),))
    there.put(*(PersonEdit("person_changed", each) for each in (away, someone("bo"), someone("eve"))))
    assert line(there).startswith("nobody of its owners")
    there.now += MINUTE
    assert line(there) == f"its owners decide: bo for ann.{COMMAND}"


def test_an_owner_with_several_accounts_is_named_by_the_one_that_owns_the_role():
    there = Company(role("agent", owners=("kim2",)))
    assert owners(there) == ["kim2"]


@pytest.mark.parametrize(
    ("stages", "name", "words"),
    [
        ((MANAGER,), "oh", f"your manager decides: mia.{COMMAND}"),
        ((MANAGER,), "eve", "no manager of yours is here; ask the privacy office."),
        ((PRIVACY,), "eve", f"office `privacy` decides.{COMMAND}"),
        ((OWNER, PRIVACY), "eve", f"its owners decide: lee, ann.{COMMAND}"),
    ],
)
def test_the_first_stage_is_whom_to_ask(stages: tuple[Stage, ...], name: str, words: str):
    assert line(Company(role("agent", *stages)), name) == words


@pytest.mark.parametrize(
    ("gone", "words"),
    [
        (
            ("yoon",),
            "its owners decide: lee, ann, but nobody is here to decide its later stage `privacy`; tell the security team.",
        ),
        (("lee", "ann", "top", "yoon"), "nobody of its owners is here to decide (lee, ann); ask the privacy office."),
    ],
)
def test_a_later_stage_that_nobody_could_decide_is_said_instead_of_how_to_ask(gone: tuple[str, ...], words: str):
    there = Company(role("agent", OWNER, PRIVACY))
    assert line(there) == f"its owners decide: lee, ann.{COMMAND}"
    for name in gone:
        there.event("leaver", name)
    assert line(there) == words
    assert owners(there) == []
    with refused("NOBODY_DECIDES"):  # as it would be
        there.ask("eve")


def test_a_later_managers_stage_is_that_of_who_asks():
    there = Company(role("agent", OWNER, MANAGER))
    assert line(there, "oh") == f"its owners decide: lee, ann.{COMMAND}"
    assert (
        line(there)
        == "its owners decide: lee, ann, but nobody is here to decide its later stage `manager`; tell the security team."
    )
    with refused("NOBODY_DECIDES"):
        there.ask("eve")


def test_an_office_that_decides_first_and_has_nobody_here_is_said():
    there = Company(role("agent", PRIVACY))
    assert owners(there) == ["lee", "ann"]
    there.event("leaver", "yoon")
    assert line(there) == "nobody of office `privacy`, which decides, is here; tell the security team."
    assert owners(there) == []


def test_whose_vote_is_needed_later_is_not_named_first():
    there = Company(role("agent", OWNER, PRIVACY, owners=("yoon", "lee")))
    assert line(there) == f"its owners decide: lee.{COMMAND}"
    assert owners(there) == ["lee"]
    there.event("leaver", "lee")
    assert line(there) == "its stages need different people, and too few of them are here; tell the security team."
    with refused("NOBODY_DECIDES"):
        there.ask("eve")


@pytest.mark.parametrize("first", [BOARD, OWNER], ids=str)
def test_of_a_large_office_one_more_is_enough_whoever_is_needed_before(first: Stage):
    """The three owners are the first of the office, too: where all of them decide, it takes somebody else of it."""
    office = tuple(held(name, "privacy", "oversight") for name in ("ann", "bo", "dan", "mia"))
    there = Company(role("agent", first, PRIVACY, owners=("ann", "bo", "dan")), grants=office)
    assert line(there) == f"its owners decide: ann, bo, dan.{COMMAND}"
    there.ask("eve")
    there.event("leaver", "mia")
    if first is BOARD:
        assert line(there) == "its stages need different people, and too few of them are here; tell the security team."
    else:
        assert line(there) == f"its owners decide: ann, bo, dan.{COMMAND}"


def test_of_an_office_of_hundreds_no_more_are_looked_at_than_it_takes(monkeypatch: pytest.MonkeyPatch):
    looked = 0
    before = deciders_module.may_decide

    def counted(*what: object) -> bool:
        nonlocal looked
        looked += 1
        return before(*what)  # type: ignore[arg-type]

    many = [f"p{number:03}" for number in range(300)]
    there = Company(
        role("agent", OWNER, PRIVACY),
        people=(*PEOPLE, *map(someone, many)),
        grants=tuple(held(name, "privacy", "oversight") for name in many),
    )
    monkeypatch.setattr(deciders_module, "may_decide", counted)
    assert line(there) == f"its owners decide: lee, ann.{COMMAND}"
    assert 0 < looked < 20


def test_help_that_names_no_role_and_roles_that_are_gone_stay_as_they_are():
    there = Company()
    snapshot = Snapshot(there.bundle, there.table)
    told = decide(snapshot, ask("name", employee=key("eve")), there.now).help
    gone = Snapshot(replace(there.bundle, roles={}), there.table)
    assert WhomToAsk(gone, key("eve"), there.now).told(told) == told
    assert WhomToAsk(gone, key("eve"), there.now).subjects("agent", ("lee",)) == ("lee",)
    assert WhomToAsk(snapshot, key("eve"), there.now + SECOND).told("Sign in again.") == "Sign in again."


def test_what_was_found_serves_the_same_employee_for_a_minute_of_one_snapshot():
    there = Company()
    start = there.now // MINUTE * MINUTE
    snapshot = Snapshot(there.bundle, there.table)
    whom = WhomToAsk(snapshot, key("eve"), start)
    assert whom.serves(snapshot, key("eve"), start + MINUTE - 1)
    assert not whom.serves(snapshot, key("eve"), start + MINUTE)
    assert not whom.serves(snapshot, key("kim"), start)
    assert not whom.serves(Snapshot(there.bundle, there.table), key("eve"), start)
