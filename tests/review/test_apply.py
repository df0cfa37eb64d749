"""A run: notice, caps, canary, spike, spared, moved (rules R12, R17), in commits of a bounded number of grants."""

from __future__ import annotations

from dataclasses import replace

import pytest
from review.kit import DAY, GRANTS, HOUR, NAME, NARROW, NOW, PEOPLE, PHONE, ROW, Office, held, planned, refused, role, someone

from munjigi.grants.lifecycle import over
from munjigi.kernel.access_request import AccessRequest
from munjigi.kernel.review import Permission
from munjigi.review import apply, campaign

OH, KIM, DAN = held("oh", "agent"), held("kim", "agent"), held("dan", "senior")
LATER = NOW + 8 * DAY  # after the notice


@pytest.fixture
def office() -> Office:
    return Office(grants=(OH, KIM, DAN))


def decided(office: Office, *items: object, words: tuple[str, ...] = ()) -> None:
    """Open a review, have each item decided as planned or by these words, and let the notice run out."""
    office.open(*items)  # type: ignore[arg-type]
    for number, item in enumerate(office.the_plan.items):
        word = words[number] if words else item.verdict
        office.decide("lee" if item.employee.subject != "lee" else "ann", number, word=word)  # type: ignore[arg-type]
    office.now = LATER


def test_each_word_does_what_it_says_and_is_recorded_in_the_same_commit(office: Office) -> None:
    decided(office, planned(0, OH), planned(1, KIM, "reduce"), planned(2, DAN), words=("revoke", "reduce", "suspend"))
    before = office.store.revision()
    assert office.reads("oh")
    steps = office.run()
    assert [step.review.state for step in steps] == ["applying", "applied"]
    assert office.grant(OH.grant_id) == over(OH, LATER, "review")
    assert office.grant(KIM.grant_id) == replace(KIM, scope=NARROW)
    assert office.grant(DAN.grant_id) == replace(DAN, suspended="review")
    assert not office.reads("oh")
    edits = [change.edit for change in office.store.changes_since(before)]
    assert [edit.kind for edit in edits] == [
        "review_changed", "grant_ended", "grant_changed", "grant_suspended", "items_applied", "review_closed",
    ]  # fmt: skip
    assert [(edit.method, edit.reason) for edit in edits[1:4]] == [("review", f"rv-1/{number}") for number in range(3)]  # type: ignore[union-attr]
    item = office.items()[0]
    assert (item.state, item.before, item.person_id, item.applied_at) == ("applied", OH, "p.oh", LATER)
    with refused("REVIEW_STATE"):
        office.step()


def test_what_is_kept_is_not_touched(office: Office) -> None:
    decided(office, planned(0, OH), planned(1, KIM, "keep"), words=("keep", "keep"))
    (step,) = office.run()
    assert (step.review.state, office.grant(OH.grant_id), office.grant(KIM.grant_id)) == ("applied", OH, KIM)


def test_r12_nothing_is_taken_before_the_notice_has_run_out(office: Office) -> None:
    review = office.open(planned(0, OH))
    office.decide("lee", 0)
    office.now = review.schedule.apply_from - 1
    assert review.schedule.apply_from == NOW + 7 * DAY
    with refused("NOTICE_RUNNING"):
        office.step()
    office.now += 1
    office.run()
    assert office.grant(OH.grant_id).ended == "review"


def test_r12_a_policy_that_moved_refuses_to_begin_and_stops_a_run(office: Office) -> None:
    office.row = replace(ROW, canary=0.5, canary_hours=1)
    decided(office, planned(0, OH), planned(1, KIM))
    policy = office.bundle
    office.bundle = replace(policy, revision="0" * 64)
    with refused("POLICY_MOVED"):
        office.step()
    office.bundle = policy
    office.run()
    assert len([each for each in (OH, KIM) if office.grant(each.grant_id).ended]) == 1
    office.now += HOUR
    office.bundle = replace(policy, revision="0" * 64)
    (step,) = office.run()
    assert (step.review.state, step.review.why) == ("stopped", "POLICY_MOVED")
    assert len([each for each in (OH, KIM) if office.grant(each.grant_id).ended]) == 1


def test_r12_what_was_used_since_the_plan_is_spared(office: Office) -> None:
    decided(office, planned(0, OH), planned(1, KIM), planned(2, DAN, "reduce", used=(NAME,)))
    office.used = {KIM.grant_id: {PHONE}, DAN.grant_id: {PHONE}}
    office.run()
    assert office.states() == {0: "applied", 1: "spared SPARED_BY_USE", 2: "spared SPARED_BY_USE"}
    assert (office.grant(KIM.grant_id), office.grant(DAN.grant_id)) == (KIM, DAN)


@pytest.mark.parametrize(
    ("scope", "used", "state"),
    [
        (NARROW, {NAME}, "applied"),
        (NARROW, {NAME, PHONE}, "spared"),
        (NARROW._replace(objects=("crm.member.*",)), {PHONE}, "applied"),
        (NARROW._replace(objects=("class:contact",)), {PHONE}, "applied"),
        (NARROW._replace(objects=("class:contact",)), {NAME}, "spared"),
        (NARROW._replace(objects=()), {NAME, PHONE}, "applied"),
        (NARROW, {Permission("crm.member.name", "export")}, "spared"),
        (NARROW._replace(actions=()), {Permission("crm.member.name", "export")}, "applied"),
        (NARROW._replace(objects=("class:payment",)), {Permission("class:payment", "read")}, "applied"),
    ],
)
def test_r12_a_narrowed_grant_is_spared_where_what_is_left_would_not_cover_the_use(
    office: Office, scope: object, used: set[Permission], state: str
) -> None:
    decided(office, planned(0, DAN, "reduce", scope=scope, used=(NAME,)))
    office.used = {DAN.grant_id: used}
    office.run()
    assert office.items()[0].state == state


def test_a_person_who_saw_the_use_and_took_it_all_the_same_is_heard(office: Office) -> None:
    decided(office, planned(0, OH, "keep", used=(NAME,)), planned(1, KIM, "ask"), words=("revoke", "revoke"))
    office.used = {OH.grant_id: {NAME}, KIM.grant_id: {NAME}}
    office.run()
    assert office.states() == {0: "applied", 1: "spared SPARED_BY_USE"}


def test_a_default_never_takes_what_is_used(office: Office) -> None:
    review = office.open(planned(0, OH, "ask", used=(NAME,)))
    office.now = review.schedule.default_at
    office.used = {OH.grant_id: {NAME}}
    office.run()
    assert office.states() == {0: "spared SPARED_BY_USE"}


def test_r12_a_grant_that_changed_since_the_plan_is_left_alone(office: Office) -> None:
    decided(office, planned(0, OH), planned(1, KIM), planned(2, DAN))
    office.given("oh", grant_id=OH.grant_id, days=40)  # renewed
    office.put(apply.GrantEdit("grant_ended", over(KIM, office.now, "revoked")))
    office.now = DAN.ends_at
    office.run()
    assert office.states() == {0: "skipped GRANT_OVER", 1: "skipped GRANT_OVER", 2: "skipped GRANT_OVER"}


def test_r12_a_renewed_grant_is_left_alone(office: Office) -> None:
    decided(office, planned(0, OH))
    renewed = office.given("oh", grant_id=OH.grant_id, days=40)
    office.run()
    assert office.states() == {0: "skipped GRANT_MOVED"}
    assert office.grant(OH.grant_id) == renewed


def test_what_is_suspended_is_not_suspended_twice(office: Office) -> None:
    office.put(apply.GrantEdit("grant_suspended", replace(OH, suspended="leave")))
    decided(office, planned(0, replace(OH, suspended="leave")), words=("suspend",))
    office.run()
    assert office.states() == {0: "skipped SUSPENDED_ALREADY"}


def test_r16_a_grant_under_an_exception_is_left_alone_also_when_somebody_decided_otherwise_before(office: Office) -> None:
    office.open(planned(0, OH), planned(1, KIM))
    office.decide("lee", 0, 1)
    office.except_item("oh", 0)
    office.approve("lee")
    office.decide("lee", 0)  # and takes it back
    office.now = LATER
    office.run()
    assert office.states() == {0: "skipped EXCEPTED", 1: "applied"}


def test_p3_nothing_is_taken_while_use_is_not_counted_up_to_now(office: Office) -> None:
    decided(office, planned(0, OH))
    assert office.step().review.state == "applying"
    office.counted_to = LATER - apply.USE_KNOWN - 1
    with refused("USAGE_GAP"):
        office.step()
    office.counted_to += 1
    office.run()
    assert office.states() == {0: "applied"}


def team(size: int, others: int, **row: float) -> Office:
    """A department `a` of some people with a grant each, and `others` in `b`."""
    people = [someone(f"a{each}", department="a") for each in range(size)] + [
        someone(f"b{each}", department="b") for each in range(others)
    ]
    grants = [held(each.accounts[0].subject, "agent") for each in people]
    return Office(people=(*PEOPLE, *people), grants=grants, row=replace(ROW, **row))


def planned_all(office: Office, count: int, prefix: str = "a") -> None:
    decided(office, *(planned(number, held(f"{prefix}{number}", "agent")) for number in range(count)))


def test_r17_a_run_beyond_the_share_of_all_grants_takes_two_people() -> None:
    office = team(50, 48, cap_grants=0.02)  # with two of the office: 100
    planned_all(office, 3)
    with refused("CAP_EXCEEDED"):
        office.step()
    office.override("yoon")
    with refused("CAP_EXCEEDED"):
        office.step()
    with refused("OVERRIDE_SAID"):
        office.override("yoon")
    office.override("han")
    office.run()
    assert [item.state for item in office.items().values()] == ["applied"] * 3
    with refused("REVIEW_STATE"):
        office.override("lee")


def test_r17_a_run_within_both_caps_begins() -> None:
    office = team(50, 48, cap_grants=0.02, cap_team=0.04)
    planned_all(office, 2)
    assert office.step().review.state == "applying"


def test_r17_a_department_does_not_lose_more_than_its_share() -> None:
    office = team(10, 90, cap_grants=0.5, cap_team=0.2)
    planned_all(office, 3)
    with refused("CAP_EXCEEDED"):
        office.step()
    office.stop()
    office = team(10, 90, cap_grants=0.5, cap_team=0.2)
    planned_all(office, 3, prefix="b")
    assert office.step().review.state == "applying"


def test_r17_one_grant_may_go_however_small_the_department() -> None:
    office = team(1, 0, cap_grants=0.02, cap_team=0.2)
    planned_all(office, 1)
    assert office.step().review.state == "applying"


def canary(count: int = 40, **row: float) -> Office:
    office = team(count, 0, **{"canary": 0.1, "canary_hours": 24, "spike": 0.25} | row)
    planned_all(office, count)
    return office


def test_r17_a_share_goes_first_and_is_watched_before_the_rest_goes() -> None:
    office = canary()
    steps = office.run(most=3)
    assert [len(step.items) for step in steps] == [0, 3, 1]
    assert steps[-1].wait_until == LATER + DAY
    assert office.review().canary_at == LATER
    first = {number for number, item in office.items().items() if item.state == "applied"}
    assert first != set(range(4))  # not those that come first by number
    office.now = LATER + DAY - 1
    (step,) = office.run()
    assert (step.edits, step.wait_until) == ((), LATER + DAY)
    office.now += 1
    office.denied = {office.items()[min(first)].person_id}  # one of four is no spike
    steps = office.run(most=20)
    assert [len(step.items) for step in steps] == [20, 16]
    assert (office.review().state, set(office.states().values())) == ("applied", {"applied"})


def test_r17_a_spike_of_denials_stops_the_run_and_gives_the_canary_back() -> None:
    office = canary()
    office.run()
    first = [item for item in office.items().values() if item.state == "applied"]
    office.now += HOUR
    office.denied = {item.person_id for item in first[:2]}
    (step,) = office.run()
    assert [edit.kind for edit in step.edits] == ["review_closed", *["grant_restored"] * 4, "items_undone", "review_closed"]
    assert (office.review().state, office.review().why) == ("undone", "SPIKE")
    assert all(office.grant(item.grant_id) == item.before for item in first)
    assert sorted(office.states().values()) == ["decided"] * 36 + ["undone"] * 4


def test_r17_a_large_canary_is_given_back_in_several_commits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apply, "_UNDO_PIECE", 2)
    office = canary(canary=0.2)
    office.run()
    office.now += HOUR
    office.denied = {item.person_id for item in office.items().values()}
    steps = office.run()
    assert [len(step.items) for step in steps] == [2, 2, 2, 2]
    assert office.review().state == "undone"


def test_r17_one_holder_who_asks_again_and_again_is_no_spike() -> None:
    office = canary(spike=0.3)
    office.run()
    office.denied = {next(item.person_id for item in office.items().values() if item.state == "applied")}
    office.now += DAY
    office.run()
    assert office.review().state == "applied"


def test_undecided_items_come_to_their_defaults_in_the_run_itself(office: Office) -> None:
    review = office.open(planned(0, OH), planned(1, KIM, "ask"))
    office.now = LATER
    with refused("ITEMS_UNDECIDED"):
        office.step()
    office.now = review.schedule.default_at
    office.run()
    assert office.states() == {0: "applied DEFAULT", 1: "applied DEFAULT"}
    assert office.grant(KIM.grant_id).suspended == "review"


def test_two_who_step_at_once_don_t_both(office: Office) -> None:
    decided(office, planned(0, OH))
    office.step()
    book = office.book()
    first = apply.step(book, office.review(), office.the_plan, office.watch())
    second = apply.step(book, office.review(), office.the_plan, office.watch())
    office.store.apply(first.edits, at=office.now, actor="a", request_id="", after=book.holdings.revision)
    with refused("STATE_MOVED"):
        office.store.apply(second.edits, at=office.now, actor="b", request_id="", after=book.holdings.revision)
    with refused("GRANT_STATE"):
        office.put(*second.edits)


def test_r19_what_was_taken_is_asked_for_anew_and_the_mark_tells_when_it_came_back(office: Office) -> None:
    decided(office, planned(0, OH))
    asked = _waiting_request(office)
    office.run()
    (mark,) = office.store.reviews.marks("p.oh")
    assert (mark.role, mark.at, mark.lifted_at) == ("agent", LATER, 0)
    office.now += DAY
    with refused("REGRANT_WITHOUT_APPROVAL"):
        office.vote(asked, "ann")  # asked for before it was taken
    office.withdraw(asked, "oh")
    office.given("oh")
    assert office.store.reviews.marks("p.oh")[0].lifted_at == LATER + DAY
    assert office.reads("oh")


def _waiting_request(office: Office) -> AccessRequest:
    """A request for the time after the grant's end, which is made while it holds."""
    return office.ask("oh", starts_at=OH.ends_at, days=10)


def test_an_empty_run_of_somebody_with_many_grants_and_of_an_owner_of_nothing() -> None:
    many = tuple(replace(held("eve", "agent", start=-1, end=300), grant_id=f"many.{number}") for number in range(300))
    office = Office(role("agent", owners=("lee", "dan")), grants=many)
    office.open(*(planned(number, grant) for number, grant in enumerate(many)))
    listed = list(campaign.to_decide(office.book(), office.review(), office.the_plan, "p.dan", {}))
    assert len(listed) == 300
    assert list(campaign.to_decide(office.book(), office.review(), office.the_plan, "p.eve", {})) == []
    office.now = office.review().schedule.default_at
    steps = office.run()
    assert [len(step.items) for step in steps] == [300, 0, 100, 100, 100]
    assert GRANTS[0] in office.store.load().grants
