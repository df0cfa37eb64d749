"""What every state store must do with reviews. `StateStoreConformance` inherits it."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from munjigi.grants.changes import Edit, GrantEdit, PersonEdit, RequestEdit, grant_added, person_changed
from munjigi.grants.log_edits import LogEdit
from munjigi.grants.ports import StateStore
from munjigi.grants.review_edits import LONGEST_EXCEPTION, ExceptionEdit, ItemsEdit, ReviewEdit, ReviewsState
from munjigi.grants.review_ports import ItemCount, ItemFilter, ReviewFilter
from munjigi.grants.verification import verify_permissions
from munjigi.kernel.access_request import AccessRequest, Vote
from munjigi.kernel.errors import MunjigiError, NotFound
from munjigi.kernel.grant import Grant, Person, Scope
from munjigi.kernel.identity import EmployeeKey
from munjigi.kernel.review import (
    Default,
    ItemVote,
    Limits,
    LogClosing,
    Mark,
    Override,
    Result,
    Review,
    ReviewException,
    ReviewItem,
    Schedule,
)

KIM = EmployeeKey("urn:test", "kim")
LEE = EmployeeKey("urn:test", "lee")
HOLDER = Person("p.kim", "employee", "cs", (KIM,))
OWNER = Person("p.lee", "employee", "cs", (LEE,))
PLAN = bytes(range(256)) * 600  # of several pieces
DIGEST = hashlib.sha256(PLAN).hexdigest()
SCHEDULE = Schedule(20, (21, 22), 23, 24, 25)
LIMITS = Limits(0.02, 0.2, 0.05, 7, 0.25)
REVIEW = Review(
    "rv-1",
    "quarterly",
    DIGEST,
    9,
    "a" * 64,
    5,
    10,
    LEE,
    SCHEDULE,
    LIMITS,
    (Default("sensitive", "revoke"), Default("", "suspend")),
)
GRANT = Grant("g.1", KIM, "agent", "inquiry", 100, 900, ("lee",), Scope(("crm.member.*",), ("read",)), "ar-0")
OTHER = replace(GRANT, grant_id="g.2", role="senior")
TAKEN = replace(GRANT, ends_at=300, ended="review")
VOTE = ItemVote("p.lee", "urn:test", "lee", "", "revoke", "not used", 50, 3_000, evidence=True)
ITEM = ReviewItem("rv-1", 4, "g.1")
DECIDED = replace(ITEM, state="decided", word="revoke", votes=(VOTE,))
LOOKED_AT = ReviewItem("rv-1", 5, "", "decided", "ok", (VOTE._replace(word="ok"),), record_id="abcdefghij0123456789-7")
APPLIED = replace(DECIDED, state="applied", before=GRANT, person_id="p.kim", applied_at=300)
UNDONE = replace(APPLIED, state="undone", undone_at=400)
MARK = Mark("p.kim", "agent", "inquiry", "rv-1", 4, "g.1", 300)
ASKED = ReviewException("ex-1", "rv-1", 2, "g.2", "p.lee", LEE, "the audit needs it", 50, 60 + LONGEST_EXCEPTION // 2)
APPROVED = replace(ASKED, approver="p.yoon", approved_by=EmployeeKey("urn:test", "yoon"), approved_at=70)
APPLYING = replace(REVIEW, state="applying")
OPENED = ReviewEdit("review_opened", REVIEW)
DECIDE = ItemsEdit("items_decided", "rv-1", (DECIDED,))
APPLY: tuple[Edit, ...] = (
    ReviewEdit("review_changed", APPLYING),
    GrantEdit("grant_ended", TAKEN, "rv-1/4", "review"),
    ItemsEdit("items_applied", "rv-1", (APPLIED,)),
    ReviewEdit("review_closed", replace(REVIEW, state="applied", closed_at=300)),
)
UNDO: tuple[Edit, ...] = (GrantEdit("grant_restored", GRANT, "rv-1/4", "review"), ItemsEdit("items_undone", "rv-1", (UNDONE,)))


def approval(made_at: int) -> AccessRequest:
    votes = (Vote(0, "p.lee", "urn:test", "lee", "", True, "needed again", made_at + 1),)
    asked = (KIM, "p.kim", KIM, "agent", "inquiry", "", "", None, 0, 0, 30, "a new desk", "", "", ("owner",), made_at, 10**9)
    return AccessRequest(f"ar-{made_at}", "new", *asked, votes=votes)


class ReviewsConformance:
    @pytest.fixture
    def reviewed(self, store: StateStore) -> StateStore:
        assert store.keep_plan(PLAN) == DIGEST
        put(store, person_changed(HOLDER), person_changed(OWNER), grant_added(GRANT), grant_added(OTHER), OPENED)
        return store

    def test_a_plan_is_kept_under_its_digest_once(self, store: StateStore) -> None:
        assert store.keep_plan(PLAN) == store.keep_plan(PLAN) == DIGEST
        with store.moment() as moment:
            assert moment.reviews.plan(DIGEST) == PLAN
            with pytest.raises(NotFound):
                moment.reviews.plan("0" * 64)
        assert store.revision() == 0

    def test_a_review_goes_through_its_life_and_every_step_comes_back_whole(self, reviewed: StateStore) -> None:
        noted = replace(REVIEW, stamped=("p.lee",), overrides=(Override("p.lee", "urn:test", "lee", "a new team", 30),))
        steps = [
            DECIDE,
            ReviewEdit("review_changed", noted),
            ReviewEdit("review_changed", replace(noted, state="applying")),
            *APPLY[1:3],
            ReviewEdit("review_changed", replace(noted, state="applying", canary_at=300)),
            ReviewEdit("review_closed", replace(noted, state="stopped", canary_at=300, closed_at=310, why="SPIKE")),
            *UNDO,
            ReviewEdit("review_closed", replace(noted, state="undone", canary_at=300, closed_at=400)),
        ]
        put(reviewed, *steps)
        state = reviewed.load()
        assert state.reviews == ReviewsState([steps[-1].review], [UNDONE], [], [], [])
        assert state.grants[0] == GRANT
        assert [change.edit for change in reviewed.changes_since(5)] == steps
        assert reviewed.load_at(state.grant_revision) == state
        assert reviewed.load_at(6).reviews == ReviewsState([REVIEW], [DECIDED], [], [], [])
        assert reviewed.load(whole=False) == state._replace(reviews=ReviewsState([], [], [], [], []))
        assert [each.intact for each in verify_permissions(reviewed, {})] == [True]

    def test_a_look_at_accesses_comes_back_whole_with_its_result(self, reviewed: StateStore) -> None:
        suspicious = replace(LOOKED_AT, number=6, word="suspicious", record_id="abcdefghij0123456789-8")
        closed = replace(REVIEW, state="applied", closed_at=300, result=Result(1, 1, "c" * 64))
        steps = [ItemsEdit("items_decided", "rv-1", (LOOKED_AT, suspicious)), ReviewEdit("review_closed", closed)]
        put(reviewed, *steps)
        state = reviewed.load()
        assert state.reviews == ReviewsState([closed], [LOOKED_AT, suspicious], [], [], [])
        assert [change.edit for change in reviewed.changes_since(5)] == steps
        assert reviewed.load_at(state.grant_revision) == state
        with reviewed.moment() as moment:
            assert moment.reviews.items(ItemFilter("rv-1", word="suspicious")) == [suspicious]
            assert moment.reviews.counts("rv-1") == [ItemCount("decided", "ok", 1), ItemCount("decided", "suspicious", 1)]
        assert [each.intact for each in verify_permissions(reviewed, {})] == [True]

    def test_one_review_of_a_kind_runs_at_a_time(self, reviewed: StateStore) -> None:
        second = replace(REVIEW, review_id="rv-2", opened_at=11)
        with refused("REVIEW_RUNNING") as caught:
            put(reviewed, ReviewEdit("review_opened", second))
        assert "rv-1" in str(caught.value)
        put(reviewed, ReviewEdit("review_opened", replace(second, kind="dormant")), *APPLY[:1])
        with refused("REVIEW_RUNNING"):
            put(reviewed, ReviewEdit("review_opened", replace(second, review_id="rv-3")))
        put(reviewed, ReviewEdit("review_closed", replace(REVIEW, state="stopped", closed_at=60)))
        put(reviewed, ReviewEdit("review_opened", replace(second, review_id="rv-3")))
        with reviewed.moment() as moment:
            found = moment.reviews
            assert [each.review_id for each in found.reviews(ReviewFilter())] == ["rv-3", "rv-2", "rv-1"]
            assert [each.review_id for each in found.reviews(ReviewFilter("quarterly", "open"))] == ["rv-3"]
            assert [each.review_id for each in found.reviews(ReviewFilter(before=(11, "rv-3"), limit=1))] == ["rv-2"]
            assert (found.review("rv-9"), found.review("rv-3")) == (None, replace(second, review_id="rv-3"))

    def test_items_are_found_by_what_became_of_them(self, reviewed: StateStore) -> None:
        kept = replace(ITEM, number=7, grant_id="g.2", state="decided", word="keep", why="DEFAULT")
        others = tuple(replace(kept, number=number, grant_id=f"g.{number}", word="revoke") for number in (0, 8))
        put(reviewed, ItemsEdit("items_decided", "rv-1", (kept, DECIDED)), ItemsEdit("items_decided", "rv-1", others))
        with reviewed.moment() as moment:
            found = moment.reviews
            assert [each.number for each in found.items(ItemFilter("rv-1"))] == [0, 4, 7, 8]
            assert found.items(ItemFilter("rv-1", "decided", "keep")) == [kept]
            assert found.items(ItemFilter("rv-1", decided_by="p.lee")) == [DECIDED]
            assert [each.number for each in found.items(ItemFilter("rv-1", after=4, limit=1))] == [7]
            assert [each.number for each in found.items(ItemFilter("rv-1", numbers=(8, 4, 5)))] == [4, 8]
            assert found.numbers(ItemFilter("rv-1")) == [0, 4, 7, 8]
            assert found.numbers(ItemFilter("rv-1", "decided", "revoke", numbers=(0, 4, 7), after=0, limit=1)) == [4]
            assert found.items(ItemFilter("rv-1", numbers=())) == found.items(ItemFilter("rv-9")) == []
            assert found.counts("rv-1") == [ItemCount("decided", "keep", 1), ItemCount("decided", "revoke", 3)]

    def test_r16_an_exception_takes_two_people_and_does_not_follow_another(self, reviewed: StateStore) -> None:
        put(reviewed, ExceptionEdit("exception_asked", ASKED), ExceptionEdit("exception_approved", APPROVED))
        with reviewed.moment() as moment:
            found = moment.reviews
            assert found.exceptions() == found.exceptions(review_id="rv-1") == found.exceptions(grant_id="g.2") == [APPROVED]
            assert found.exceptions(grant_id="g.1") == []
        assert [APPROVED.holds(at) for at in (69, 70, APPROVED.expires_at - 1, APPROVED.expires_at)] == [False, True, True, False]
        late = replace(ASKED, exception_id="ex-2", asked_at=APPROVED.expires_at, expires_at=APPROVED.expires_at + 1)
        other = replace(late, grant_id="g.1")
        for edit, reason in (
            (ExceptionEdit("exception_asked", late), "EXCEPTION_CHAINED"),
            (ExceptionEdit("exception_approved", APPROVED), "EXCEPTION_APPROVED"),
            (
                ExceptionEdit("exception_asked", replace(other, expires_at=late.asked_at + LONGEST_EXCEPTION + 1)),
                "EXCEPTION_TOO_LONG",
            ),
            (ExceptionEdit("exception_asked", replace(other, expires_at=late.asked_at)), "EXCEPTION_TOO_LONG"),
            (ExceptionEdit("exception_asked", replace(other, approver="p.yoon")), "EXCEPTION_STATE"),
            (ExceptionEdit("exception_asked", replace(other, exception_id="ex-1")), "EXCEPTION_EXISTS"),
            (ExceptionEdit("exception_asked", replace(other, review_id="rv-9")), "REVIEW_UNKNOWN"),
            (ExceptionEdit("exception_approved", replace(other, approver="p.yoon")), "EXCEPTION_UNKNOWN"),
        ):
            with refused(reason):
                put(reviewed, edit)
        put(reviewed, ExceptionEdit("exception_asked", other))
        for changed, reason in (
            ({"approver": "p.lee"}, "EXCEPTION_STATE"),
            ({"approver": "p.yoon", "reason": "another"}, "EXCEPTION_FIXED"),
            ({"approver": "p.yoon", "approved_at": other.expires_at}, "EXCEPTION_STATE"),
        ):
            with refused(reason):
                put(reviewed, ExceptionEdit("exception_approved", replace(other, **changed)))

    def test_r11_a_log_is_closed_by_two_people_and_what_is_unknown_only_grows(self, reviewed: StateStore) -> None:
        lee, yoon = Override("p.lee", "i", "lee", "its disk broke", 50), Override("p.yoon", "i", "yoon", "so it did", 60)
        asked = LogClosing("lost", (lee,), 20)
        closed = LogClosing("lost", (lee, yoon), 20, 60)
        with refused("CLOSING_NOT_ASKED"):
            put(reviewed, LogEdit("log_closed", closed))
        for odd in (replace(asked, words=(lee, yoon)), replace(asked, closed_at=50), replace(asked, words=())):
            with refused("CLOSING_INVALID"):
                put(reviewed, LogEdit("log_close_asked", odd))
        with refused("LOG_ID_INVALID"):
            put(reviewed, LogEdit("log_close_asked", replace(asked, log_id="not an id")))
        put(reviewed, LogEdit("log_close_asked", asked))
        for edit, reason in (
            (LogEdit("log_close_asked", asked), "CLOSING_ASKED"),
            (LogEdit("log_closed", replace(closed, words=(lee, lee._replace(at=60)))), "CLOSING_SAID"),
            (LogEdit("log_closed", replace(closed, words=(yoon, yoon))), "CLOSING_SAID"),
            (LogEdit("log_closed", replace(closed, unknown_from=21)), "CLOSING_INVALID"),
            (LogEdit("log_closed", replace(closed, closed_at=61)), "CLOSING_INVALID"),
        ):
            with refused(reason):
                put(reviewed, edit)
        put(reviewed, LogEdit("log_closed", closed))
        with reviewed.moment() as moment:
            assert moment.reviews.closings() == [closed]
        assert reviewed.load().reviews.closings == [closed]
        again = LogClosing("lost", (yoon._replace(at=90),), 20, 60)
        with refused("CLOSING_INVALID"):
            put(reviewed, LogEdit("log_close_asked", replace(again, closed_at=0)))
        put(reviewed, LogEdit("log_close_asked", again))
        put(reviewed, LogEdit("log_closed", LogClosing("lost", (*again.words, lee._replace(at=95)), 20, 95)))
        assert [each.closed_at for each in reviewed.load().reviews.closings] == [95]
        assert reviewed.load_at(reviewed.revision() - 2).reviews.closings == [closed]

    def test_r19_what_a_review_took_comes_back_by_a_new_approval_only(self, reviewed: StateStore) -> None:
        put(reviewed, DECIDE, *APPLY)
        assert reviewed.load().reviews.marks == [MARK]
        anew = replace(GRANT, grant_id="g.3", starts_at=300, access_request_id="")
        for asked in ("", "ar-0", "ar-299"):
            edits: tuple[Edit, ...] = (
                (RequestEdit("request_made", replace(approval(299), votes=())),) if asked == "ar-299" else ()
            )
            with refused("REGRANT_WITHOUT_APPROVAL"):
                put(reviewed, *edits, grant_added(replace(anew, access_request_id=asked)))
        put(reviewed, grant_added(replace(anew, grant_id="g.4", purpose="fraud")))  # another purpose is another right
        made = approval(301)
        begun = RequestEdit("request_made", replace(made, votes=()))
        closed = RequestEdit("request_closed", replace(made, state="approved"))
        emergency = replace(anew, grant_id="g.5", access_request_id="ar-301", break_glass=True)
        put(reviewed, begun, grant_added(emergency))
        assert reviewed.load().reviews.marks == [MARK]  # an emergency is reviewed, and lifts nothing
        put(reviewed, closed, grant_added(replace(anew, access_request_id="ar-301")))
        assert reviewed.load().reviews.marks == [MARK._replace(lifted_at=302)]
        put(reviewed, grant_added(replace(anew, grant_id="g.6")))
        with reviewed.moment() as moment:
            assert moment.reviews.marks("p.kim") == moment.reviews.marks() == [MARK._replace(lifted_at=302)]
            assert moment.reviews.marks("p.lee") == []
        assert [each.intact for each in verify_permissions(reviewed, {})] == [True]

    def test_r18_only_what_a_review_took_is_restored_and_exactly(self, reviewed: StateStore) -> None:
        put(reviewed, DECIDE)
        with refused("NOTHING_TO_RESTORE"):
            put(reviewed, UNDO[0])
        put(reviewed, *APPLY)
        for wrong in (replace(GRANT, ends_at=901), replace(GRANT, scope=None), replace(GRANT, approved_by=("kim",)), TAKEN):
            with refused("NOTHING_TO_RESTORE"):
                put(reviewed, GrantEdit("grant_restored", wrong, "", "review"))
        put(reviewed, *UNDO)
        state = reviewed.load()
        assert (state.grants[0], state.reviews.marks, state.reviews.items) == (GRANT, [], [UNDONE])
        with refused("ITEM_STATE"):
            put(reviewed, UNDO[1])
        put(reviewed, GrantEdit("grant_ended", TAKEN, "", "operator"))
        with refused("NOTHING_TO_RESTORE"):
            put(reviewed, UNDO[0])

    @pytest.mark.parametrize(
        ("edit", "reason"),
        [
            (OPENED, "REVIEW_EXISTS"),
            (ReviewEdit("review_opened", replace(REVIEW, review_id="rv 2", kind="x")), "REVIEW_ID_INVALID"),
            (ReviewEdit("review_opened", replace(REVIEW, review_id="rv-2", kind="x", state="applied")), "REVIEW_STATE"),
            (ReviewEdit("review_opened", replace(REVIEW, review_id="rv-2", kind="x", plan_digest="0" * 64)), "PLAN_NOT_KEPT"),
            (ReviewEdit("review_opened", replace(REVIEW, review_id="rv-2", kind="x\x00")), "TEXT_INVALID"),
            (ReviewEdit("review_changed", replace(REVIEW, review_id="rv-2")), "REVIEW_UNKNOWN"),
            (ReviewEdit("review_changed", replace(REVIEW, cutoff=6)), "REVIEW_FIXED"),
            (ReviewEdit("review_changed", replace(REVIEW, limits=LIMITS._replace(grants=1.0))), "REVIEW_FIXED"),
            (ReviewEdit("review_closed", replace(REVIEW, state="undone")), "REVIEW_STATE"),
            (ReviewEdit("review_changed", replace(REVIEW, state="stopped")), "REVIEW_STATE"),
            (ReviewEdit("review_closed", replace(REVIEW, state="applying")), "REVIEW_STATE"),
            (ItemsEdit("items_decided", "rv-9", (replace(DECIDED, review_id="rv-9"),)), "REVIEW_UNKNOWN"),
            (ItemsEdit("items_decided", "rv-1", ()), "ITEMS_INVALID"),
            (ItemsEdit("items_decided", "rv-1", (DECIDED, DECIDED)), "ITEMS_INVALID"),
            (ItemsEdit("items_decided", "rv-1", tuple(replace(DECIDED, number=each) for each in range(101))), "ITEMS_INVALID"),
            (ItemsEdit("items_decided", "rv-1", (replace(DECIDED, number=9),)), "ITEM_UNKNOWN"),
            (ItemsEdit("items_decided", "rv-1", (replace(DECIDED, review_id="rv-2"),)), "ITEM_UNKNOWN"),
            (ItemsEdit("items_decided", "rv-1", (replace(DECIDED, word=""),)), "ITEM_INCOMPLETE"),
            (ItemsEdit("items_decided", "rv-1", (APPLIED,)), "ITEM_STATE"),
            (ItemsEdit("items_decided", "rv-1", (replace(LOOKED_AT, grant_id="g.1"),)), "ITEM_UNKNOWN"),
            (ItemsEdit("items_decided", "rv-1", (replace(LOOKED_AT, record_id=""),)), "ITEM_UNKNOWN"),
            (ItemsEdit("items_decided", "rv-1", (replace(LOOKED_AT, word="keep"),)), "WORD_INVALID"),
            (ItemsEdit("items_decided", "rv-1", (replace(DECIDED, word="ok"),)), "WORD_INVALID"),
            (ItemsEdit("items_applied", "rv-1", (APPLIED,)), "REVIEW_STATE"),
            (ItemsEdit("items_undone", "rv-1", (UNDONE,)), "REVIEW_STATE"),
        ],
    )
    def test_a_step_that_the_tables_do_not_have_is_refused(self, reviewed: StateStore, edit: Edit, reason: str) -> None:
        before = reviewed.load()
        with refused(reason):
            put(reviewed, edit)
        assert reviewed.load() == before

    def test_an_item_keeps_its_grant_and_whose_word_it_had(self, reviewed: StateStore) -> None:
        put(reviewed, DECIDE)
        again = replace(DECIDED, votes=(VOTE, VOTE._replace(word="keep", at=60)), word="keep")
        for wrong in (replace(again, votes=again.votes[1:]), replace(again, grant_id="g.2")):
            with refused("ITEM_FIXED"):
                put(reviewed, ItemsEdit("items_decided", "rv-1", (wrong,)))
        reopened = replace(again, state="open", word="", second=True)
        put(reviewed, ItemsEdit("items_decided", "rv-1", (again,)), ItemsEdit("items_rerouted", "rv-1", (reopened,)))
        assert reviewed.load().reviews.items == [reopened]
        put(reviewed, APPLY[0])
        for wrong in (replace(APPLIED, votes=again.votes), replace(again, state="skipped", why="GRANT_MOVED")):
            with refused("ITEM_STATE"):
                put(reviewed, ItemsEdit("items_applied", "rv-1", (wrong,)))

    def test_who_left_gets_nothing_back(self, reviewed: StateStore) -> None:
        put(reviewed, DECIDE, *APPLY, PersonEdit("person_changed", replace(HOLDER, status="left"), "leaver", "hr"))
        with refused("PERSON_LEFT"):
            put(reviewed, *UNDO)


def put(store: StateStore, *edits: Edit) -> int:
    return store.apply(edits, at=1, actor="test", request_id="")


class refused:  # noqa: N801 - reads as a word in a `with`
    """The block is refused with this reason."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        self.raises = pytest.raises(MunjigiError)

    def __enter__(self) -> pytest.ExceptionInfo[MunjigiError]:
        self.caught = self.raises.__enter__()
        return self.caught

    def __exit__(self, *error: object) -> bool:
        done = self.raises.__exit__(*error)  # type: ignore[arg-type]
        assert self.caught.value.reason == self.reason
        return done
