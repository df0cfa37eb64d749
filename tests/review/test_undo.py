"""What a review took is given back exactly, and what changed since is kept (rule R18)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from review.kit import DAY, NOW, PEOPLE, ROW, Office, held, key, planned, refused, role, someone
from review.test_apply import LATER, decided

from munjigi.grants.changes import GrantEdit
from munjigi.grants.rights import resume
from munjigi.grants.verification import verify_permissions
from munjigi.kernel.grant import Scope
from munjigi.policy.types import Role

SCOPED = Scope(("crm.member.*",), ("read",))
OH = held("oh", "agent", scope=SCOPED, access_request_id="ar-7")
KIM, DAN = held("kim", "agent"), held("dan", "senior")
SOON = held("eve", "agent", start=20)
AFTERWARDS = LATER + 5 * DAY


def applied(*roles: Role) -> Office:
    """Revoked, narrowed, suspended, and revoked before it began; five days ago."""
    office = Office(*roles, grants=(OH, KIM, DAN, SOON))
    items = (planned(0, OH), planned(1, KIM, "reduce"), planned(2, DAN), planned(3, SOON))
    decided(office, *items, words=("revoke", "reduce", "suspend", "revoke"))
    office.run()
    office.now = AFTERWARDS
    return office


@pytest.fixture
def office() -> Office:
    return applied()


def test_r18_the_whole_run_is_undone_to_the_same_grants_and_a_second_time_changes_nothing(office: Office) -> None:
    assert not office.reads("oh")
    before = office.store.load_at(office.store.revision_at(NOW)).grants
    back = office.undo()
    assert (len(back.items), back.kept, back.more) == (4, {}, False)
    assert office.store.load().grants == before
    assert (office.review().state, office.review().closed_at) == ("undone", AFTERWARDS)
    assert set(office.states().values()) == {"undone"}
    assert office.store.reviews.marks() == []
    assert office.reads("oh")
    again = office.undo()
    assert (again.edits, again.items, again.kept) == ((), (), {})
    assert [each.intact for each in verify_permissions(office.store, {})] == [True]


def test_r18_chosen_items_are_undone_and_the_others_stay(office: Office) -> None:
    back = office.undo(0, 2)
    assert [item.number for item in back.items] == [0, 2]
    assert (office.grant(OH.grant_id), office.grant(DAN.grant_id)) == (OH, DAN)
    assert office.grant(KIM.grant_id).scope is not None
    assert office.review().state == "applied"
    assert [mark.grant_id for mark in office.store.reviews.marks()] == [SOON.grant_id]
    office.undo(0, 1, 3)
    assert office.review().state == "undone"
    with refused("ITEM_UNKNOWN"):
        office.undo(4)


def test_r18_it_is_undone_in_commits_of_a_bounded_number(office: Office) -> None:
    assert [(len(back.items), back.more) for back in (office.undo(most=3), office.undo(most=3))] == [(3, True), (1, False)]
    assert office.review().state == "undone"


def test_r18_each_restored_grant_is_a_record_that_names_the_item(office: Office) -> None:
    before = office.store.revision()
    office.undo(0)
    restored, undone = (change.edit for change in office.store.changes_since(before))
    assert restored == GrantEdit("grant_restored", OH, "rv-1/0", "review")
    assert undone.items[0].undone_at == AFTERWARDS  # type: ignore[union-attr]


def test_r18_what_changed_since_is_kept_and_told(office: Office) -> None:
    office.put(resume(office.book(), DAN.grant_id, key("ann"), "needed"))
    widened = office.vote(office.ask("kim", kind="change", grant_id=KIM.grant_id, ends_at=KIM.ends_at), "ann").grant
    anew = office.given("oh", days=20)
    back = office.undo()
    assert back.kept == {0: "GRANT_OVERLAPS", 1: "CHANGED_SINCE", 2: "CHANGED_SINCE"}
    assert [item.number for item in back.items] == [3]
    assert office.grant(KIM.grant_id) == widened
    assert office.grant(anew.grant_id) == anew
    assert office.review().state == "applied"
    office.now = anew.ends_at
    assert office.undo(0).kept == {}


def test_r18_who_left_or_is_away_gets_nothing_back_yet(office: Office) -> None:
    office.event("leaver", "oh")
    office.event("leave", "eve")
    assert office.undo(0, 3).kept == {0: "PERSON_LEFT", 3: "PERSON_ON_LEAVE"}
    office.event("return", "eve")
    assert office.undo(0, 3).kept == {0: "PERSON_LEFT"}
    assert office.grant(SOON.grant_id) == SOON


def test_r18_a_department_without_the_duty_and_a_blocked_person_get_nothing_back() -> None:
    office = applied(role("agent", departments=("cs",)))
    office.event("mover", "oh", department="sales")
    office.block("eve")
    assert office.undo(0, 3).kept == {0: "ROLE_NOT_FOR_DEPARTMENT", 3: "PERSON_BLOCKED"}


def test_what_would_have_ended_by_now_is_restored_as_what_it_was(office: Office) -> None:
    office.now = OH.ends_at + DAY
    office.undo(0)
    assert office.grant(OH.grant_id) == OH
    assert not office.reads("oh")


def test_p9_nobody_gives_back_to_themselves_and_no_policy_editor_does(office: Office) -> None:
    with refused("POLICY_EDITOR"):
        office.undo(by="han")
    back = office.undo(by="oh")
    assert back.kept == {0: "SELF_APPROVAL"}
    assert office.grant(OH.grant_id).ended == "review"


def test_a_review_that_runs_is_not_undone_and_one_that_was_stopped_is() -> None:
    office = Office(
        people=(*PEOPLE, *(someone(f"e{each}") for each in range(9))), grants=[held(f"e{each}", "agent") for each in range(9)]
    )
    office.row = replace(ROW, canary=0.3)
    decided(office, *(planned(each, held(f"e{each}", "agent")) for each in range(9)))
    with refused("REVIEW_STATE"):
        office.undo()
    office.run()
    with refused("REVIEW_STATE"):
        office.undo()
    office.stop()
    back = office.undo()
    assert len(back.items) == 3
    assert office.review().state == "undone"
    assert sorted(office.states().values()) == ["decided"] * 6 + ["undone"] * 3
    assert office.undo(*range(9)).kept == dict.fromkeys(
        (number for number, item in office.items().items() if item.state == "decided"), "NOT_APPLIED"
    )


def test_two_reviews_that_took_of_one_grant_are_undone_last_first() -> None:
    office = Office(grants=(KIM,))
    decided(office, planned(0, KIM, "reduce"))
    office.run()
    first, narrowed = office.the_plan, office.grant(KIM.grant_id)
    office.row = replace(ROW, kind="dormant")
    second = office.open(planned(0, narrowed), review_id="rv-2")
    office.now = second.schedule.default_at
    for _ in range(3):
        found = step(office, "rv-2")
    assert found.review.state == "applied"
    from munjigi.review.undo import undo

    one, two = office.review("rv-1"), office.review("rv-2")
    assert undo(office.book(), one, first, by=key("yoon")).kept == {0: "CHANGED_SINCE"}
    office.put(*undo(office.book(), two, office.the_plan, by=key("yoon")).edits)
    assert office.grant(KIM.grant_id) == narrowed
    office.put(*undo(office.book(), one, first, by=key("yoon")).edits)
    assert office.grant(KIM.grant_id) == KIM


def step(office: Office, review_id: str):
    from munjigi.review import apply

    found = apply.step(office.book(), office.review(review_id), office.the_plan, office.watch())
    office.put(*found.edits)
    return found
