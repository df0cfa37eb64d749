"""What every state store must do. An adapter's test inherits `StateStoreConformance` and gives an `open_store`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace

import pytest
from grants.conformance_leases import LeaseStoreConformance
from grants.conformance_reviews import ReviewsConformance

from munjigi.audit.segment import GENESIS
from munjigi.grants.changes import (
    BlockEdit,
    Edit,
    GrantEdit,
    Once,
    PersonEdit,
    RequestEdit,
    SessionEdit,
    State,
    grant_added,
    grant_changed,
    grant_ended,
    person_changed,
)
from munjigi.grants.permission_log import PermissionLog, link
from munjigi.grants.ports import LogHead, RequestFilter, StateStore
from munjigi.grants.sample import sample_company, seed_sample
from munjigi.grants.verification import verify_permissions
from munjigi.kernel.access_request import AccessRequest, Vote
from munjigi.kernel.errors import FailedPrecondition, InvalidArgument, MunjigiError, NotFound, Unavailable
from munjigi.kernel.grant import Block, Delegation, Fact, Grant, Person, Scope
from munjigi.kernel.identity import EmployeeKey, SessionEnd

KIM = EmployeeKey("urn:test", "kim")
LEE = EmployeeKey("urn:test", "lee")
ALICE = Person(
    "p.kim",
    "employee",
    "cs",
    (KIM, EmployeeKey("urn:other", "kim")),
    (Fact("pledge", 5, 9, "hr", 4), Fact("device", 1, 2, "mdm")),
)
BOB = Person("p.lee", "contractor", "", (LEE,))
GRANT = Grant("g.1", KIM, "cs_agent", "inquiry", 100, 200, ("lee", "yoon"), Scope(("crm.member.*", "class:contact"), ("read",)))

VOTE = Vote(0, "p.lee", "urn:test", "lee", "", True, "needed", 8)
ASKED = AccessRequest(
    "ar-1", "new", KIM, "p.kim", LEE, "cs_agent", "inquiry", "CS-2026-000001", "PIA-1", Scope(("class:contact",), ()), 0, 0, 30,
    "a new desk", "", "", ("owner", "privacy"), 7, 99,
)  # fmt: skip


class StateStoreConformance(ReviewsConformance):
    @pytest.fixture
    def open_store(self) -> Callable[[], StateStore]:
        raise AssertionError("the adapter's test gives this")

    @pytest.fixture
    def store(self, open_store: Callable[[], StateStore]) -> Iterator[StateStore]:
        store = open_store()
        store.migrate()
        yield store
        store.close()

    def test_fresh_store_is_empty_at_revision_0(self, store: StateStore) -> None:
        assert store.revision() == 0
        assert store.load() == store.load_at(0) == State([], [], 0)
        assert store.changes_since(0) == []
        assert store.apply([], at=1, actor="a", request_id="r") == 0

    def test_migrating_again_changes_nothing(self, store: StateStore) -> None:
        put(store, person_changed(ALICE))
        store.migrate()
        assert store.load().people == [ALICE]

    def test_what_is_written_comes_back_whole(self, store: StateStore) -> None:
        bare = replace(GRANT, grant_id="g.0", approved_by=(), scope=None)
        empty_scope = replace(GRANT, grant_id="g.2", scope=Scope((), ()))
        put(store, person_changed(BOB), person_changed(ALICE), grant_added(GRANT), grant_added(bare), grant_added(empty_scope))
        assert store.load() == State([bare, GRANT, empty_scope], [ALICE, BOB], 5)

    def test_each_change_has_its_own_dense_revision(self, store: StateStore) -> None:
        edits: list[Edit] = [
            person_changed(ALICE),
            grant_added(GRANT),
            grant_changed(replace(GRANT, ends_at=300)),
        ]
        assert store.apply(edits[:2], at=10, actor="lee", request_id="r-1") == 2
        assert store.apply(edits[2:], at=11, actor="yoon", request_id="r-2") == 3
        changes = store.changes_since(0)
        assert [change.grant_revision for change in changes] == [1, 2, 3]
        assert [change.edit for change in changes] == edits
        assert [(change.at, change.actor, change.request_id) for change in changes] == [(10, "lee", "r-1")] * 2 + [
            (11, "yoon", "r-2")
        ]
        assert store.changes_since(2) == changes[2:]
        assert store.changes_since(3) == []

    def test_any_past_revision_can_be_rebuilt(self, store: StateStore) -> None:
        steps: list[Edit] = [
            person_changed(ALICE),
            grant_added(GRANT),
            grant_changed(replace(GRANT, scope=None, ends_at=900)),
            person_changed(replace(ALICE, department="sales", facts=(), accounts=(KIM,))),
            person_changed(replace(BOB, accounts=(EmployeeKey("urn:other", "kim"), LEE))),
            grant_ended(replace(GRANT, scope=None, ends_at=150)),
        ]
        seen = [store.load()]
        for step in steps:
            put(store, step)
            seen.append(store.load())
        assert [store.load_at(revision) for revision in range(len(seen))] == seen
        assert len({repr(state) for state in seen}) == len(seen)

    def test_a_request_goes_through_its_life_and_keeps_what_was_asked(self, store: StateStore) -> None:
        voted = replace(ASKED, stage=1, votes=(VOTE,))
        closed = replace(voted, state="approved", grant_id="g.1", votes=(VOTE, VOTE._replace(stage=1, on_behalf_of="p.lee")))
        later = replace(ASKED, access_request_id="ar-2", made_at=8)
        steps = [RequestEdit("request_made", ASKED), RequestEdit("request_made", later), RequestEdit("request_voted", voted)]
        put(store, person_changed(ALICE), *steps, RequestEdit("request_closed", closed))
        assert store.load().requests == [closed, later]
        assert [store.load_at(revision).requests for revision in (1, 2, 4)] == [[], [ASKED], [voted, later]]
        assert (store.request("ar-1"), store.request("ar-9")) == (closed, None)
        assert [change.edit for change in store.changes_since(1)] == [*steps, RequestEdit("request_closed", closed)]
        assert store.requests(RequestFilter()) == [later, closed]
        assert store.requests(RequestFilter(limit=1)) == [later]
        assert store.requests(RequestFilter(before=(later.made_at, "ar-2"))) == [closed]
        assert store.requests(RequestFilter(state="requested")) == [later]
        assert store.requests(RequestFilter(accounts=(LEE,))) == []
        assert store.requests(RequestFilter(accounts=())) == []
        assert store.requests(RequestFilter(accounts=(LEE, later.employee))) == [later, closed]
        for edit, reason in (
            (RequestEdit("request_made", ASKED), "ACCESS_REQUEST_EXISTS"),
            (RequestEdit("request_closed", replace(closed, state="denied")), "ACCESS_REQUEST_CLOSED"),
            (RequestEdit("request_voted", replace(later, role="cs_manager")), "ACCESS_REQUEST_FIXED"),
            (RequestEdit("request_voted", replace(later, access_request_id="ar-3")), "ACCESS_REQUEST_UNKNOWN"),
        ):
            with pytest.raises(MunjigiError) as caught:
                put(store, edit)
            assert caught.value.reason == reason
        assert store.load().requests == [closed, later]

    def test_grants_are_suspended_resumed_and_ended_and_never_come_back(self, store: StateStore) -> None:
        suspended = replace(GRANT, suspended="leave")
        ended = replace(GRANT, ends_at=150, ended="revoked")
        put(store, person_changed(ALICE), grant_added(GRANT), GrantEdit("grant_suspended", suspended, "on leave", "personnel"))
        assert store.load().grants == [suspended]
        put(store, GrantEdit("grant_resumed", GRANT), grant_ended(ended, "no longer needed", "request"))
        assert store.load().grants == [ended]
        assert store.changes_since(4)[0].edit == GrantEdit("grant_ended", ended, "no longer needed", "request")
        for edit in (GrantEdit("grant_resumed", GRANT), grant_changed(GRANT), grant_ended(ended)):
            with pytest.raises(FailedPrecondition) as caught:
                put(store, edit)
            assert caught.value.reason == "GRANT_STATE"

    def test_people_keep_who_decides_for_them_and_since_when_sessions_count(self, store: StateStore) -> None:
        whole = replace(
            ALICE, status="leave", manager="p.lee", delegations=(Delegation("p.lee", 3, 9),), sessions_from=77, effective_at=78
        )
        put(store, PersonEdit("person_changed", whole, "leave", "hr"))
        assert store.load().people == [whole]
        assert store.changes_since(0)[0].edit == PersonEdit("person_changed", whole, "leave", "hr")

    def test_principals_are_blocked_once_and_unblocked_once(self, store: StateStore) -> None:
        block = BlockEdit("principal_blocked", Block("tool", "crm-desk"), "it leaks")
        free = BlockEdit("principal_unblocked", block.block, "repaired")
        put(store, block, BlockEdit("principal_blocked", Block("person", "p.kim"), "x"))
        assert store.load().blocks == [Block("person", "p.kim"), Block("tool", "crm-desk")]
        with pytest.raises(FailedPrecondition, match="already"):
            put(store, block)
        put(store, free)
        with pytest.raises(FailedPrecondition, match="not"):
            put(store, free)
        assert store.load().blocks == store.load_at(3).blocks == [Block("person", "p.kim")]

    def test_ended_sessions_are_remembered_until_they_run_out(self, store: StateStore) -> None:
        def end(session: str, ended_at: int, until: int) -> SessionEdit:
            return SessionEdit("session_ended", SessionEnd("urn:test", "kim", session, ended_at, until), "signed out")

        first, all_of_them, later = end("s-1", 10, 100), end("", 20, 110), end("", 30, 120)
        put(store, first, all_of_them)
        assert store.load().session_ends == [all_of_them.end, first.end]
        assert [change.edit for change in store.changes_since(0)] == [first, all_of_them]
        put(store, later, all_of_them)  # the later one stays
        assert store.load().session_ends == [later.end, first.end]
        put(store, end("s-2", 100, 200))
        assert store.load().session_ends == store.load_at(5).session_ends == [later.end, end("s-2", 100, 200).end]
        for bad in (end("s-3", 9, 8), SessionEdit("session_ended", SessionEnd("urn:test", "", "", 1, 2), "x")):
            with pytest.raises(InvalidArgument):
                put(store, bad)

    def test_a_mutation_is_remembered_with_its_answer_and_made_for_one_revision(self, store: StateStore) -> None:
        once = Once("d" * 64, b"answer")
        who = {"actor": "lee", "issuer": "urn:test", "request_id": "r-1"}
        assert store.apply([person_changed(ALICE)], at=10, after=0, once=once, **who) == 1
        assert store.remembered("urn:test", "lee", "r-1") == once
        assert store.remembered("urn:other", "lee", "r-1") is store.remembered("urn:test", "lee", "r-2") is None
        assert store.changes_since(0)[0].issuer == "urn:test"
        for after, reason in ((0, "STATE_MOVED"), (2, "STATE_MOVED"), (1, "STATE_CONFLICT")):
            with pytest.raises(FailedPrecondition) as caught:
                store.apply([person_changed(BOB)], at=11, after=after, once=once, **who)
            assert caught.value.reason == reason
        assert store.revision() == 1

    def test_the_revision_of_a_time_is_the_last_one_not_after_it(self, store: StateStore) -> None:
        assert store.revision_at(2**63 - 1) == 0
        store.apply([person_changed(ALICE), grant_added(GRANT)], at=10, actor="lee", request_id="r-1")
        store.apply([grant_changed(replace(GRANT, ends_at=300))], at=20, actor="lee", request_id="r-2")
        assert [store.revision_at(at) for at in (-1, 0, 9, 10, 19, 20, 2**63 - 1, 2**64)] == [0, 0, 0, 2, 2, 3, 3, 3]

    @pytest.mark.parametrize("revision", [-1, 2, 2**62])
    def test_an_unknown_revision_is_not_found(self, store: StateStore, revision: int) -> None:
        put(store, person_changed(ALICE))
        with pytest.raises(NotFound) as caught:
            store.load_at(revision)
        assert caught.value.reason == "REVISION_UNKNOWN"

    def test_a_store_older_than_the_reader_says_so(self, store: StateStore) -> None:
        put(store, person_changed(ALICE))
        with pytest.raises(FailedPrecondition) as caught:
            store.changes_since(2)
        assert caught.value.reason == "STATE_REWOUND"

    def test_an_ended_log_is_followed_by_one_that_counts_from_0_while_revisions_go_on(self, store: StateStore) -> None:
        put(store, person_changed(ALICE), grant_added(GRANT))
        before = store.log_head()
        assert store.begin_log("a" * 20) == before
        assert store.log_heads() == [before, LogHead("a" * 20, 0, GENESIS, 2)]
        assert store.begin_log("b" * 20) == LogHead("a" * 20, 0, GENESIS, 2)  # one without a record may be ended, too
        assert put(store, person_changed(BOB), grant_changed(replace(GRANT, ends_at=300))) == 4
        first, empty, last = store.log_heads()
        assert (first, empty.next_index, last.log_id, last.next_index, last.base) == (before, 0, "b" * 20, 2, 2)
        rows = store.log_rows(0, 10)
        assert [(row.index, row.grant_revision) for row in rows] == [(0, 1), (1, 2), (0, 3), (1, 4)]
        assert rows[1].chain == first.chain
        assert rows[2].chain == link(GENESIS, rows[2].payload)
        assert [PermissionLog(store, 0, head).read(0, 10) for head in store.log_heads()] == [
            [(row.index, row.payload) for row in part] for part in (rows[:2], [], rows[2:])
        ]
        assert PermissionLog(store, 0, first).read(1, 10) == [(1, rows[1].payload)]
        assert PermissionLog(store, 0, first).read(2, 10) == []
        assert [change.grant_revision for change in store.changes_since(1)] == [2, 3, 4]
        assert [store.load_at(revision).grant_revision for revision in range(5)] == [0, 1, 2, 3, 4]
        assert [(each.log_id, each.intact, each.records) for each in verify_permissions(store, {})] == [
            (head.log_id, True, head.next_index) for head in (first, empty, last)
        ]

    def test_time_never_goes_back_along_the_log(self, store: StateStore) -> None:
        store.apply([person_changed(ALICE)], at=100, actor="a", request_id="")
        store.apply([person_changed(BOB)], at=40, actor="a", request_id="")
        store.apply([person_changed(BOB)], at=101, actor="a", request_id="")
        assert [(change.at, change.clock_stepped) for change in store.changes_since(0)] == [
            (100, False),
            (100, True),
            (101, False),
        ]

    @pytest.mark.parametrize(
        ("edit", "error", "reason"),
        [
            (grant_added(GRANT), FailedPrecondition, "GRANT_EXISTS"),
            (grant_added(replace(GRANT, grant_id="g.2", ends_at=100)), InvalidArgument, "GRANT_PERIOD_INVALID"),
            (grant_added(replace(GRANT, grant_id="g 2")), InvalidArgument, "GRANT_ID_INVALID"),
            (
                grant_added(replace(GRANT, grant_id="g.2", employee=EmployeeKey("urn:test", "KIM"))),
                FailedPrecondition,
                "ACCOUNT_UNKNOWN",
            ),
            (grant_added(replace(GRANT, grant_id="g.2", role="a\x00b")), InvalidArgument, "TEXT_INVALID"),
            (grant_added(replace(GRANT, grant_id="g.2", scope=Scope(("\ud800",), ()))), InvalidArgument, "TEXT_INVALID"),
            (grant_added(replace(GRANT, grant_id="g.2", ends_at=2**63)), InvalidArgument, "TIME_INVALID"),
            (grant_changed(replace(GRANT, grant_id="g.9")), NotFound, "GRANT_UNKNOWN"),
            (grant_changed(replace(GRANT, grant_id="G.1")), NotFound, "GRANT_UNKNOWN"),
            (grant_changed(replace(GRANT, role="cs_manager")), FailedPrecondition, "GRANT_FIXED"),
            (grant_changed(replace(GRANT, ends_at=99)), InvalidArgument, "GRANT_PERIOD_INVALID"),
            (grant_ended(replace(GRANT, ends_at=201)), InvalidArgument, "GRANT_PERIOD_INVALID"),
            (grant_ended(replace(GRANT, grant_id="g.9")), NotFound, "GRANT_UNKNOWN"),
            (person_changed(replace(BOB, accounts=(KIM,))), FailedPrecondition, "ACCOUNT_TAKEN"),
            (person_changed(replace(ALICE, accounts=())), FailedPrecondition, "ACCOUNT_GRANTED"),
            (person_changed(replace(BOB, accounts=(LEE, LEE))), InvalidArgument, "ACCOUNT_REPEATED"),
            (person_changed(replace(BOB, person_id="")), InvalidArgument, "PERSON_ID_INVALID"),
            (person_changed(replace(BOB, facts=(Fact("pledge", 2, 1, "hr"),))), InvalidArgument, "FACT_PERIOD_INVALID"),
            (person_changed(replace(BOB, facts=(Fact("pledge", -1, 1, "hr"),))), InvalidArgument, "TIME_INVALID"),
        ],
    )
    def test_a_refused_edit_leaves_no_trace(
        self, store: StateStore, edit: GrantEdit | PersonEdit, error: type[MunjigiError], reason: str
    ) -> None:
        put(store, person_changed(ALICE), person_changed(BOB), grant_added(GRANT))
        before = store.load()
        good = grant_added(replace(GRANT, grant_id="g.3", employee=LEE))
        with pytest.raises(error) as caught:
            put(store, good, edit)
        assert caught.value.reason == reason
        assert store.load() == before
        assert len(store.changes_since(0)) == 3
        assert put(store, good) == 4  # no revision was lost to the refused one

    @pytest.mark.parametrize(
        ("at", "actor", "request_id"), [(-1, "a", "r"), (2**63, "a", "r"), (1, "\ud800", "r"), (1, "a", "r\x00")]
    )
    def test_an_origin_that_can_not_be_kept_is_refused(self, store: StateStore, at: int, actor: str, request_id: str) -> None:
        with pytest.raises(InvalidArgument):
            store.apply([person_changed(ALICE)], at=at, actor=actor, request_id=request_id)
        assert store.revision() == 0

    def test_p3_who_has_left_is_given_nothing(self, store: StateStore) -> None:
        paused = replace(GRANT, grant_id="g.2", suspended="leave")
        put(store, person_changed(ALICE), grant_added(GRANT), grant_added(paused), person_changed(replace(ALICE, status="left")))
        resumed = GrantEdit("grant_resumed", replace(paused, suspended=""))
        for edit in (grant_added(replace(GRANT, grant_id="g.3")), grant_changed(replace(GRANT, ends_at=999)), resumed):
            with pytest.raises(FailedPrecondition) as caught:
                put(store, edit)
            assert caught.value.reason == "PERSON_LEFT"
        put(store, grant_ended(replace(GRANT, ends_at=150, ended="left")))
        put(store, person_changed(ALICE), resumed)

    def test_identifiers_are_case_sensitive_and_ordered_by_code_point(self, store: StateStore) -> None:
        people = [
            Person(f"p.{name}", "employee", "", (EmployeeKey("urn:test", account),))
            for name, account in (("B", "KIM"), ("a", "kim"), ("b", "kím"), ("A", "kí\u006d\u0301"))
        ]
        put(store, *(person_changed(person) for person in people))
        grants = [replace(GRANT, grant_id=name, employee=EmployeeKey("urn:test", "KIM")) for name in ("x", "X", "_", "Y")]
        put(store, *(grant_added(grant) for grant in grants))
        state = store.load()
        assert [person.person_id for person in state.people] == ["p.A", "p.B", "p.a", "p.b"]
        assert [grant.grant_id for grant in state.grants] == ["X", "Y", "_", "x"]

    def test_accounts_and_facts_keep_their_order(self, store: StateStore) -> None:
        put(store, person_changed(ALICE), grant_added(GRANT))
        turned = replace(ALICE, accounts=ALICE.accounts[::-1], facts=ALICE.facts[::-1])
        put(store, person_changed(turned))
        assert store.load().people == [turned]

    def test_after_close_every_call_is_our_error(self, store: StateStore) -> None:
        store.close()
        store.close()
        calls: list[Callable[[], object]] = [
            store.migrate,
            store.revision,
            store.load,
            lambda: store.load_at(0),
            lambda: store.revision_at(0),
            lambda: store.changes_since(0),
            lambda: put(store, person_changed(ALICE)),
        ]
        for call in calls:
            with pytest.raises(Unavailable) as caught:
                call()
            assert caught.value.reason == "STATE_UNREACHABLE"

    def test_sample_company_is_seeded_once(self, store: StateStore) -> None:
        assert seed_sample(store, 1_000)
        state = store.load()
        assert state.grant_revision == len(sample_company(1_000))
        assert not seed_sample(store, 2_000)
        assert store.load() == state

    def test_a_store_with_a_past_is_never_seeded(self, store: StateStore) -> None:
        put(store, person_changed(ALICE))
        assert not seed_sample(store, 1_000)
        assert store.load().people == [ALICE]

    def test_a_commit_returns_the_changes_that_others_read(self, store: StateStore) -> None:
        edits = [person_changed(ALICE), person_changed(BOB), grant_added(GRANT), RequestEdit("request_made", ASKED)]
        made = store.commit(edits, at=1_000, actor="tester", issuer="urn:test", request_id="r", after=0, once=Once("d", b"a"))
        assert made == store.changes_since(0)
        later = store.commit([grant_changed(replace(GRANT, ends_at=300))], at=500, actor="tester", request_id="s")
        assert later == store.changes_since(len(edits))
        assert later[0].at == 1_000
        assert store.commit([], at=2_000, actor="tester", request_id="t") == []
        with store.moment() as moment:
            assert moment.changes_since(0) == [*made, *later]
            assert moment.log_head() == store.log_head()
            assert moment.request("ar-1") == ASKED
            assert moment.requests(RequestFilter("requested", (ASKED.employee,))) == [ASKED]
            assert moment.remembered("urn:test", "tester", "r") == Once("d", b"a")
            with pytest.raises(FailedPrecondition):
                moment.changes_since(9)


class SharedStateStoreConformance(StateStoreConformance, LeaseStoreConformance):
    """For stores that outlive the process and may be opened more than once."""

    def test_two_openings_see_one_another(self, open_store: Callable[[], StateStore], store: StateStore) -> None:
        other = open_store()
        try:
            put(store, person_changed(ALICE))
            assert other.revision() == 1
            put(other, person_changed(BOB))
            assert store.load() == State([], [ALICE, BOB], 2)
        finally:
            other.close()

    def test_a_turn_is_committed_on_what_it_read_and_undone_as_a_whole(
        self, open_store: Callable[[], StateStore], store: StateStore
    ) -> None:
        other = open_store()
        try:
            put(other, person_changed(ALICE))
            with store.turn() as turn:
                assert turn.revision == len(turn.changes_since(0)) == 1
                changes = turn.commit([person_changed(BOB)], at=1_000, actor="tester", request_id="r")
                assert other.revision() == 1  # until it ends nobody sees it
            assert other.changes_since(1) == changes
            with suppress(ZeroDivisionError), store.turn() as turn:
                turn.commit([grant_added(GRANT)], at=1_000, actor="tester", request_id="r")
                raise ZeroDivisionError
            assert other.revision() == 2
            assert put(other, grant_added(GRANT)) == 3
        finally:
            other.close()

    def test_a_moment_does_not_see_what_is_committed_while_it_is_looked_at(
        self, open_store: Callable[[], StateStore], store: StateStore
    ) -> None:
        other = open_store()
        try:
            put(store, person_changed(ALICE))
            with store.moment() as moment:
                assert len(moment.changes_since(0)) == 1
                put(other, person_changed(BOB), RequestEdit("request_made", ASKED))
                assert moment.request("ar-1") is None
                assert moment.log_head().next_index == 1
            assert len(store.changes_since(0)) == 3
        finally:
            other.close()


def put(store: StateStore, *edits: Edit) -> int:
    return store.apply(edits, at=1_000, actor="tester", request_id="r")
