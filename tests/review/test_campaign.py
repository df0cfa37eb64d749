"""Opening a review, people's word on its items, defaults, exceptions: rules R13 to R16."""

from __future__ import annotations

from dataclasses import replace

import pytest
from review.kit import DAY, NARROW, NOW, Office, held, planned, refused, role, someone

from munjigi.kernel.review import Replay
from munjigi.policy.calendar import Calendar
from munjigi.review import campaign
from munjigi.review.campaign import due, waiting
from munjigi.review.settings import ReviewRow
from munjigi.review.terms import days_later

OH, KIM, DAN = held("oh", "agent"), held("kim", "agent"), held("dan", "senior")


@pytest.fixture
def office() -> Office:
    return Office(grants=(OH, KIM, DAN))


def numbers(office: Office) -> list[int]:
    return [each.number for each in waiting(office.the_plan, office.items())]


def test_a_review_is_opened_on_the_policy_that_it_was_planned_on_and_one_of_a_kind_runs(office: Office) -> None:
    with refused("POLICY_MOVED"):
        office.open(planned(0, OH), policy_revision="0" * 64)
    with refused("REVIEW_EMPTY"):
        office.open()
    review = office.open(planned(0, OH))
    assert (review.state, review.items, review.cutoff) == ("open", 1, NOW)
    with refused("REVIEW_RUNNING") as caught:
        office.open(planned(0, KIM), review_id="rv-2")
    assert "rv-1" in caught.value.message
    office.stop()
    office.open(planned(0, KIM), review_id="rv-2")


def test_a_plan_is_named_by_its_digest(office: Office) -> None:
    review = office.open(planned(0, OH))
    assert campaign.the_review(office.book(), "rv-1", review.plan_digest) == review
    with refused("REVIEW_PLAN_OTHER"):
        campaign.the_review(office.book(), "rv-1", "0" * 64)
    with refused("REVIEW_UNKNOWN"):
        campaign.the_review(office.book(), "rv-9", review.plan_digest)


def test_whoever_owns_the_role_decides_and_their_word_is_kept_with_its_circumstances(office: Office) -> None:
    office.open(planned(0, OH), planned(1, KIM, "reduce"), planned(2, DAN, "keep"))
    assert numbers(office) == [0, 1]
    (item,) = office.decide("lee", 0, spent=7)
    vote = item.votes[0]
    assert (item.state, item.word) == ("decided", "revoke")
    assert (vote.person_id, vote.subject, vote.on_behalf_of, vote.at, vote.spent, vote.evidence) == (
        "p.lee",
        "lee",
        "",
        NOW,
        7,
        True,
    )
    office.decide("ann", 1, word="reduce", reason="")  # the plan's own word needs no reason
    assert numbers(office) == []
    office.decide("ann", 2, word="revoke")  # what nobody had to decide may be decided otherwise
    assert {number: each.word for number, each in office.items().items()} == {0: "revoke", 1: "reduce", 2: "revoke"}


def test_a_reviewer_changes_their_mind_and_nobody_decides_over_another(office: Office) -> None:
    office.open(planned(0, OH))
    office.decide("lee", 0)
    (item,) = office.decide("lee", 0, word="keep")
    assert [vote.word for vote in item.votes] == ["revoke", "keep"]
    with refused("ITEM_DECIDED"):
        office.decide("ann", 0)


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("", "REASON_REQUIRED"),
        ("   ", "REASON_REQUIRED"),
        ("call 010-0000-0000 first", "PERSONAL_DATA_IN_REASON"),
        ("member 1000001 asked", "PERSONAL_DATA_IN_REASON"),
        ("two\nlines", "REASON_INVALID"),
        ("x" * 257, "REASON_INVALID"),
    ],
)
def test_p5_a_word_against_the_plan_has_a_reason_without_personal_data(office: Office, reason: str, code: str) -> None:
    office.open(planned(0, OH))
    with refused(code):
        office.decide("lee", 0, word="keep", reason=reason)
    assert office.items() == {}


def test_what_can_not_be_decided_is_refused_whole(office: Office) -> None:
    office.open(planned(0, OH), planned(1, KIM))
    with refused("ITEM_UNKNOWN"):
        office.decide("lee", 0, 2)
    with refused("ITEMS_INVALID"):
        office.decide("lee", 0, 0)
    with refused("NOTHING_TO_REDUCE_TO"):
        office.decide("lee", 0, word="reduce")
    assert office.items() == {}
    office.stop()
    with refused("REVIEW_STATE"):
        office.decide("lee", 0)


def test_r14_nobody_reviews_themselves_and_no_policy_editor_reviews() -> None:
    office = Office(role("agent", owners=("lee", "han", "oh")), grants=(OH, held("lee", "agent")))
    office.open(planned(0, OH), planned(1, held("lee", "agent")))
    for name, number, reason in (
        ("oh", 0, "SELF_REVIEW"),
        ("lee", 1, "SELF_REVIEW"),
        ("han", 0, "POLICY_EDITOR"),
        ("eve", 0, "NOT_A_REVIEWER"),
    ):
        with refused(reason):
            office.decide(name, number)
    office.decide("lee", 0)
    office.decide("oh", 1)


def test_r14_another_account_of_the_holder_is_the_holder() -> None:
    office = Office(role("agent", owners=("kim2", "lee")), grants=(KIM,))
    office.open(planned(0, KIM))
    with refused("SELF_REVIEW"):
        office.decide("kim2", 0)


def test_r14_a_deputy_decides_and_it_is_recorded_in_whose_stead(office: Office) -> None:
    office.open(planned(0, OH), planned(1, KIM))
    with refused("NOT_A_REVIEWER"):
        office.decide("eve", 0)
    office.delegate("lee", "eve")
    assert office.decide("eve", 0)[0].votes[0].on_behalf_of == "p.lee"
    office.delegate("ann", "oh")
    with refused("SELF_REVIEW"):
        office.decide("oh", 0)
    listed = list(campaign.to_decide(office.book(), office.review(), office.the_plan, "p.oh", {}))
    assert [each.number for each in listed] == [1]  # as ann's deputy, and nothing of their own


def test_r13_where_no_owner_is_there_the_holder_s_manager_decides_and_then_the_privacy_office() -> None:
    alone = role("agent", owners=("bo",))
    office = Office(alone, grants=(OH, DAN, held("dan", "agent")))
    office.open(planned(0, OH), planned(1, held("dan", "agent")))
    office.event("leaver", "bo")
    office.decide("mia", 0)
    with refused("NOT_A_REVIEWER"):
        office.decide("mia", 1)
    office.decide("yoon", 1)  # nobody manages dan


def test_r13_as_time_goes_by_managers_and_then_the_privacy_office_may_decide_too(office: Office) -> None:
    review = office.open(planned(0, OH), planned(1, OH), planned(2, OH), planned(3, OH))
    assert due(review, NOW + 3 * DAY - 1) == []
    office.now = review.schedule.escalate_at - 1
    with refused("NOT_A_REVIEWER"):
        office.decide("top", 0)
    office.now += 1
    assert office.decide("top", 0)[0].votes[0].on_behalf_of == "p.ann"  # ann's manager
    office.decide("mia", 1)  # the holder's
    with refused("NOT_A_REVIEWER"):
        office.decide("yoon", 2)
    office.now = review.schedule.office_at
    office.decide("yoon", 2)
    office.decide("lee", 3)  # late is not too late
    steps = due(review, review.schedule.default_at)
    assert [(each.kind, (each.at - NOW) // DAY) for each in steps] == [
        ("remind", 3), ("remind", 6), ("escalate", 7), ("office", 10), ("default", 14),
    ]  # fmt: skip
    assert due(replace(review, state="stopped"), review.schedule.default_at) == []


def test_r13_what_nobody_decides_comes_to_its_default_by_data_class_and_nothing_is_kept_in_silence(office: Office) -> None:
    review = office.open(
        planned(0, OH),
        planned(1, KIM, "ask", data_class="contact"),
        planned(2, DAN, "ask", data_class="key"),
        planned(3, held("yoon", "privacy", "oversight"), "ask"),
        planned(4, held("han", "editor", "oversight"), "reduce"),
        planned(5, OH, "keep"),
    )
    office.decide("ann", 2, word="keep")
    office.now = review.schedule.default_at - 1
    assert campaign.defaults(office.book(), review, office.the_plan).edits == ()
    office.now += 1
    first = campaign.defaults(office.book(), review, office.the_plan, most=3)
    office.reviewed(first)
    assert len(first.items) == 3
    office.decide("lee", 0, word="keep")  # somebody's word counts more than a default
    office.reviewed(campaign.defaults(office.book(), review, office.the_plan))
    assert {number: f"{each.word} {each.why}".strip() for number, each in office.items().items()} == {
        0: "keep", 1: "revoke DEFAULT", 2: "keep", 3: "suspend DEFAULT", 4: "reduce DEFAULT",
    }  # fmt: skip
    assert numbers(office) == []


def test_r10_a_review_without_defaults_waits_for_people(office: Office) -> None:
    office.row = ReviewRow("privileged", "by name", "holders", "privileged", auto_revoke=False)
    review = office.open(planned(0, OH, "ask"))
    office.now = NOW + 3650 * DAY
    assert (review.schedule.default_at, review.defaults) == (0, ())
    assert campaign.defaults(office.book(), review, office.the_plan).edits == ()
    with refused("ITEMS_UNDECIDED"):
        office.step()


def many(count: int) -> tuple[Office, list[int]]:
    people = tuple(someone(f"e{each}") for each in range(count))
    names = ("lee", "ann", "top", "yoon", "han")
    grants = tuple(held(f"e{each}", "agent") for each in range(count))
    office = Office(people=(*people, *map(someone, names)), grants=grants)
    office.open(*(planned(number, grant, "ask") for number, grant in enumerate(grants)))
    return office, list(range(count))


def test_r15_more_than_30_items_a_minute_are_flagged_and_a_tenth_goes_to_somebody_else() -> None:
    office, every = many(40)
    office.decide("lee", *every[:30], spent=1)
    assert office.review().stamped == ()
    office.decide("lee", *every[30:], spent=1)
    assert office.review().stamped == ("p.lee",)
    again = [number for number, item in office.items().items() if item.second]
    assert len(again) == 4
    assert numbers(office) == again
    with refused("SECOND_LOOK"):
        office.decide("lee", again[0])
    (item,) = office.decide("ann", again[0], word="keep", spent=60 * 10**9)
    assert (item.state, item.word, [vote.person_id for vote in item.votes]) == ("decided", "keep", ["p.lee", "p.ann"])
    office.decide("yoon", again[1])  # a second look is not left to the owners alone
    listed = campaign.to_decide(office.book(), office.review(), office.the_plan, "p.lee", office.items())
    assert [each.number for each in listed] == []


def test_r15_whoever_takes_their_time_and_differs_is_not_flagged() -> None:
    office, every = many(60)
    office.decide("lee", *every[:50], word="keep", spent=2 * 10**9)
    office.decide("lee", *every[50:], word="revoke", spent=2 * 10**9)
    assert (office.review().stamped, numbers(office)) == ((), [])


def test_r15_keeping_everything_over_50_items_is_flagged_however_long_it_took() -> None:
    office, every = many(52)
    office.decide("lee", *every[:50], word="keep")
    assert office.review().stamped == ()
    office.decide("lee", every[50], word="keep")
    assert office.review().stamped == ("p.lee",)
    assert len(numbers(office)) == 6 + 1  # a tenth of 51, rounded up, and the one that nobody has decided


def test_r15_where_nobody_else_may_decide_the_words_stand_and_the_flag_too() -> None:
    people = (*(someone(f"e{each}") for each in range(60)), someone("lee"))
    office = Office(
        role("agent", owners=("lee",)),
        people=(*people, someone("yoon"), someone("han")),
        grants=tuple(held(f"e{each}", "agent") for each in range(60)),
    )
    office.open(*(planned(number, held(f"e{number}", "agent"), "ask") for number in range(60)))
    office.event("leaver", "yoon")
    office.decide("lee", *range(60), word="keep")
    assert (office.review().stamped, numbers(office)) == (("p.lee",), [])


def test_r16_an_exception_is_asked_for_by_one_and_approved_by_another_who_may_decide(office: Office) -> None:
    office.open(planned(0, OH), planned(1, KIM))
    for name in ("eve", "han", "ann2"):
        with refused("ACCOUNT_UNKNOWN" if name == "ann2" else "NOT_YOURS_TO_ASK"):
            office.except_item(name, 0)
    with refused("EXCEPTION_TOO_LONG"):
        office.except_item("oh", 0, days=91)
    with refused("EXCEPTION_TOO_LONG"):
        office.except_item("oh", 0, days=0)
    office.except_item("oh", 0)
    assert (numbers(office), campaign.looks(office.book()).exceptions()[0].holds(NOW)) == ([0, 1], False)
    for name, reason in (("oh", "SELF_APPROVAL"), ("eve", "NOT_A_REVIEWER"), ("han", "POLICY_EDITOR")):
        with refused(reason):
            office.approve(name)
    office.approve("lee")
    assert office.states() == {0: "decided EXCEPTED"}
    office.except_item("lee", 1, exception_id="ex-2")
    with refused("SELF_APPROVAL"):
        office.approve("lee", "ex-2")
    with refused("SELF_REVIEW"):
        office.approve("kim", "ex-2")
    office.approve("ann", "ex-2")


def test_r16_exceptions_end_and_do_not_follow_each_other(office: Office) -> None:
    from munjigi.review.exceptions import excepted

    office.open(planned(0, OH))
    office.except_item("oh", 0, days=2)
    office.now += DAY
    office.approve("lee")
    assert [excepted(replace_now(office, at)) for at in (NOW + DAY, NOW + 2 * DAY - 1, NOW + 2 * DAY)] == [
        frozenset((OH.grant_id,)), frozenset((OH.grant_id,)), frozenset(),
    ]  # fmt: skip
    office.stop()
    office.now += 30 * DAY
    office.open(planned(0, OH), review_id="rv-1b")
    plan = office.the_plan
    with refused("EXCEPTION_CHAINED"):
        from munjigi.review.exceptions import except_item

        except_item(office.book(), office.review("rv-1b"), plan, 0, "once more", office.now + DAY, OH.employee, "ex-9")


def replace_now(office: Office, now: int):
    return office.book()._replace(now=now)


def test_r16_what_was_asked_for_too_late_is_not_approved(office: Office) -> None:
    office.open(planned(0, OH))
    office.except_item("oh", 0, days=1)
    office.now += DAY
    with refused("EXCEPTION_OVER"):
        office.approve("lee")
    with refused("EXCEPTION_UNKNOWN"):
        office.approve("lee", "ex-7")


def test_r21_days_are_counted_where_people_are_also_over_a_29th_of_february_and_a_change_of_clocks() -> None:
    second = 10**9
    seoul, berlin = Calendar("Asia/Seoul"), Calendar("Europe/Berlin")
    late_february = 1_835_362_800 * second  # 2028-02-29 00:00 in Seoul, 15:00 UTC the day before
    assert days_later(seoul, late_february, 1) == late_february + DAY
    assert days_later(seoul, late_february - 1, 1) == late_february + DAY - 1  # the nanosecond before midnight
    march = 1_805_990_400 * second  # 2027-03-25 00:00 UTC; clocks go forward there on the 28th
    assert days_later(berlin, march, 7) == march + 7 * DAY - 3600 * second
    assert days_later(seoul, march, 7) == march + 7 * DAY


def test_an_item_of_a_plan_with_a_replay_that_would_break_something_can_be_decided_and_not_applied(office: Office) -> None:
    office.open(planned(0, OH, scope=NARROW), replay=Replay(3, ("d-1",)))
    office.decide("lee", 0)
    office.now += 8 * DAY
    with refused("USED_WOULD_BE_DENIED"):
        office.step()
