"""Several workers on one store, each with a registrar of its own: what is planned on what was read is committed on that, or planned again."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from grants.request_kit import GRANTS, NOW, PEOPLE, WHY, company, key, role, someone
from postgresql import PostgresqlServer

from munjigi.adapters.state.sqlite import SqliteStateStore
from munjigi.app import grant_changes
from munjigi.app.grant_changes import load_table
from munjigi.app.registrar import Registrar
from munjigi.decision.grant_table import GrantTable
from munjigi.decision.snapshot import Snapshot
from munjigi.grants import requests
from munjigi.grants.book import Book, Plan
from munjigi.grants.changes import Change, Edit, PersonEdit, grant_added
from munjigi.grants.ports import StateStore
from munjigi.grants.requests import Ask, Outcome
from munjigi.kernel.errors import MunjigiError
from munjigi.policy.types import PolicyBundle

OpenStore = Callable[[], StateStore]
BUDGET, WANTED = 30, 50
FEW, SOME = 5, 10  # of processes, which are dearer
BUNDLE = company(role("heads", budget=BUDGET), role("few", budget=FEW))
CROWD = tuple(someone(f"e{number:02}") for number in range(WANTED))
TESTS = Path(__file__).parents[1]


class Now:
    def now(self) -> int:
        return NOW


class Home:
    """The snapshot of one worker."""

    def __init__(self, bundle: PolicyBundle, table: GrantTable) -> None:
        self.snapshot = Snapshot(bundle, table)

    def set_grants(self, table: GrantTable) -> None:
        self.snapshot = Snapshot(self.snapshot.bundle, table)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.servers)])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> OpenStore:
    """Give what opens another connection to a store with the company in it."""
    if request.param == "sqlite":
        opened: OpenStore = lambda: SqliteStateStore(tmp_path / "state.sqlite")  # noqa: E731 - short
    else:
        from munjigi.adapters.state.postgresql import PostgresqlStateStore

        server: PostgresqlServer = request.getfixturevalue("postgresql_server")
        server.empty("contention")
        address = server.address("contention")
        opened = lambda: PostgresqlStateStore(address)  # noqa: E731 - short
    fill(opened)
    return opened


def fill(open_store: OpenStore) -> None:
    with closing(open_store()) as store:
        store.migrate()
        edits: list[Edit] = [PersonEdit("person_changed", each) for each in (*PEOPLE, *CROWD)]
        store.apply([*edits, *map(grant_added, GRANTS)], at=NOW, actor="test", request_id="")


def change(store: StateStore, name: str, plan: Callable[[Book], Outcome], request_id: str = "") -> str:
    """Do it as a worker does that has just started; return what was answered, or why it was refused."""

    def planned(book: Book) -> Plan:
        outcome = plan(book)
        return Plan(outcome.edits, repr((outcome.request.state, outcome.grant)).encode())

    async def once() -> str:
        registrar = Registrar(store, Home(BUNDLE, load_table(store)), Now())  # type: ignore[arg-type]
        try:
            return (await registrar.change(key(name), request_id, request_id.encode(), planned)).answer.decode()
        finally:
            await registrar.close()

    try:
        return asyncio.run(once())
    except MunjigiError as error:
        return error.reason


def test_the_newest_table_has_what_another_worker_committed_and_a_closed_registrar_leaves_no_thread(
    open_store: OpenStore,
) -> None:
    async def look() -> None:
        with closing(open_store()) as store, closing(open_store()) as other:
            home = Home(BUNDLE, load_table(store))
            registrar = Registrar(store, home, Now())  # type: ignore[arg-type]
            revision = other.apply([PersonEdit("person_changed", someone("late"))], at=NOW, actor="test", request_id="")
            assert home.snapshot.grants.revision < revision
            assert (await registrar.newest()).revision == home.snapshot.grants.revision == revision
            await registrar.change(key("ann"), "", b"", lambda _: Plan((PersonEdit("person_changed", someone("later")),), b""))
            threads = [*registrar._reader._threads, *registrar._writer._threads]
            await registrar.close()
            assert [thread.is_alive() for thread in threads] == [False, False]

    asyncio.run(look())


def test_what_a_list_brings_here_or_to_another_worker_is_out_of_the_collectors_sight(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grant_changes, "_FRESH", 3)

    async def bring() -> None:
        with closing(open_store()) as store, closing(open_store()) as other:
            here, there = Home(BUNDLE, load_table(store)), Home(BUNDLE, load_table(other))
            for home, of, step in ((here, store, "change"), (there, other, "newest")):
                registrar = Registrar(of, home, Now())  # type: ignore[arg-type]
                edits = tuple(PersonEdit("person_changed", someone(f"many{number}")) for number in range(3))
                frozen = gc.get_freeze_count()
                if step == "change":
                    await registrar.change(key("ann"), "", b"", lambda _, edits=edits: Plan(edits, b""))  # type: ignore[misc]
                else:
                    await registrar.newest()
                assert gc.get_freeze_count() > frozen
                await registrar.close()

    try:
        asyncio.run(bring())
    finally:
        gc.unfreeze()


def test_who_was_overtaken_plans_again_in_turn_and_is_overtaken_no_more(open_store: OpenStore) -> None:
    async def overtaken() -> None:
        with closing(open_store()) as store, closing(open_store()) as other:
            home = Home(BUNDLE, load_table(store))
            registrar = Registrar(store, home, Now())  # type: ignore[arg-type]
            plans: list[int] = []

            def plan(book: Book) -> Plan:
                plans.append(home.snapshot.grants.revision)
                edits = (PersonEdit("person_changed", someone(f"plan{len(plans)}")),)
                if len(plans) == 1:
                    other.apply([PersonEdit("person_changed", someone("faster"))], at=NOW, actor="test", request_id="")
                    return Plan(edits, b"")
                later = threading.Thread(target=late.append, args=(other.revision(),))  # readers wait for nobody
                later.start()
                later.join()
                assert book.holdings.person(key("faster")) is not None
                return Plan(edits, b"in turn")

            late: list[int] = []
            before = store.revision()
            changed = await registrar.change(key("ann"), "", b"", plan)
            assert (changed.answer, changed.grant_revision) == (b"in turn", before + 2)
            assert late == [before + 1]
            assert len(plans) == 2
            assert home.snapshot.grants.person(key("plan1")) is None
            assert home.snapshot.grants.person(key("plan2")) is not None
            assert home.snapshot.grants.revision == store.revision()
            await registrar.close()

    asyncio.run(overtaken())


def test_what_others_changed_is_taken_over_while_a_change_waits_for_its_turn(open_store: OpenStore) -> None:
    async def wait() -> None:
        with closing(open_store()) as store, closing(open_store()) as other:
            home = Home(BUNDLE, load_table(store))
            registrar = Registrar(store, home, Now())  # type: ignore[arg-type]
            begun, planned = threading.Event(), threading.Event()

            def plan(_: Book) -> Plan:
                begun.set()
                planned.wait(30)
                return Plan((PersonEdit("person_changed", someone("mine")),), b"")

            mine = asyncio.ensure_future(registrar.change(key("ann"), "", b"", plan))
            await asyncio.to_thread(begun.wait, 30)
            revision = other.apply([PersonEdit("person_changed", someone("theirs"))], at=NOW, actor="test", request_id="")
            await asyncio.wait_for(registrar.catch_up(), 30)
            assert home.snapshot.grants.revision == revision
            planned.set()
            assert (await mine).grant_revision == home.snapshot.grants.revision == revision + 1
            await registrar.close()

    asyncio.run(wait())


def asking(name: str, role_name: str, number: str) -> Callable[[Book], Outcome]:
    wanted = Ask("new", key(name), key(name), role_name, "inquiry", WHY, days=30)
    return lambda book: requests.ask(book, wanted, f"ar-{number}")


def voting(name: str, number: str) -> Callable[[Book], Outcome]:
    def plan(book: Book) -> Outcome:
        request = book.request(f"ar-{number}")
        assert request is not None
        return requests.decide(book, request.access_request_id, key(name), request.digest, approve=True, reason="")

    return plan


def withdrawing(name: str, number: str) -> Callable[[Book], Outcome]:
    return lambda book: requests.withdraw(book, f"ar-{number}", key(name))


def race(open_store: OpenStore, *works: tuple[str, Callable[[Book], Outcome]]) -> list[str]:
    """Do all of these at once, each as a worker of its own; return their answers in order.

    Who waits too long for the others on a busy machine is told so, and asks again as clients do: with the same `request_id`.
    """
    barrier = threading.Barrier(len(works))

    def one(number: int, work: tuple[str, Callable[[Book], Outcome]]) -> str:
        with closing(open_store()) as store:
            barrier.wait(60)
            answers = (change(store, *work, f"race-{number}") for _ in range(20))
            return next(each for each in answers if each != "STATE_BUSY")

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(one, range(len(works)), works))


def asked(open_store: OpenStore, *wanted: tuple[str, str, str]) -> None:
    with closing(open_store()) as store:
        for name, role_name, number in wanted:
            assert change(store, name, asking(name, role_name, number)).startswith("('requested'")


def holders(open_store: OpenStore, role_name: str) -> set[str]:
    with closing(open_store()) as store:
        return {each.employee.subject for each in store.load().grants if each.role == role_name}


def test_p9_two_approvers_at_once_give_one_grant(open_store: OpenStore) -> None:
    asked(open_store, *((f"e{number:02}", "agent", f"{number}") for number in range(3)))
    answers = race(open_store, *((name, voting(name, f"{number}")) for number in range(3) for name in ("lee", "ann")))
    for first, second in zip(answers[::2], answers[1::2], strict=True):
        assert sorted((first[:10], second[:10])) == ["('approved", "ACCESS_REQ"]
    assert len(holders(open_store, "agent")) == 3


def test_of_approve_and_withdraw_at_once_one_is_done(open_store: OpenStore) -> None:
    asked(open_store, *((f"e{number:02}", "agent", f"{number}") for number in range(3)))
    works = [
        work
        for number in range(3)
        for work in (("lee", voting("lee", f"{number}")), (f"e{number:02}", withdrawing(f"e{number:02}", f"{number}")))
    ]
    answers = race(open_store, *works)
    for number, (approval, withdrawal) in enumerate(zip(answers[::2], answers[1::2], strict=True)):
        assert (approval == "ACCESS_REQUEST_CLOSED") == withdrawal.startswith("('withdrawn'")
        assert (withdrawal == "ACCESS_REQUEST_CLOSED") == approval.startswith("('approved'")
        assert (f"e{number:02}" in holders(open_store, "agent")) == approval.startswith("('approved'")


def test_p9_votes_at_once_of_a_stage_where_all_decide_all_count(open_store: OpenStore) -> None:
    asked(open_store, ("e00", "board", "1"))
    answers = race(open_store, *((name, voting(name, "1")) for name in ("lee", "ann", "bo")))
    assert Counter(each[:11] for each in answers) == {"('requested": 2, "('approved'": 1}
    with closing(open_store()) as store:
        request = store.request("ar-1")
    assert request is not None
    assert {vote.person_id for vote in request.votes} == {"p.lee", "p.ann", "p.bo"}


def test_a_budget_of_heads_is_never_one_too_many(open_store: OpenStore) -> None:
    asked(open_store, *((f"e{number:02}", "heads", f"{number}") for number in range(WANTED)))
    answers = race(open_store, *(("lee", voting("lee", f"{number}")) for number in range(WANTED)))
    assert Counter(each[:10] for each in answers) == {"('approved": BUDGET, "ROLE_BUDGE": WANTED - BUDGET}
    assert len(holders(open_store, "heads")) == BUDGET


def test_who_asks_on_every_worker_at_once_asks_once(open_store: OpenStore) -> None:
    answers = race(open_store, *(("e00", asking("e00", "heads", f"{number}")) for number in range(10)))
    assert Counter(each[:10] for each in answers) == {"('requeste": 1, "ACCESS_REQ": 9}


def test_p1_the_same_call_on_two_workers_is_done_once(open_store: OpenStore) -> None:
    asked(open_store, ("e00", "agent", "1"))
    barrier = threading.Barrier(2)

    def one(_: int) -> str:
        with closing(open_store()) as store:
            barrier.wait(60)
            return change(store, "lee", voting("lee", "1"), "once-1")

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(one, range(2))
    assert first == second
    assert first.startswith("('approved'")
    assert holders(open_store, "agent") == {"e00"}


class Overtaken(SqliteStateStore):
    """A store on which another worker is faster: between the look at everything and the commit."""

    faster: Callable[[], object] | None = None

    def commit(self, edits: Any, **more: Any) -> list[Change]:
        work, self.faster = self.faster, None
        if work is not None:
            work()
        return super().commit(edits, **more)


def test_p1_a_call_that_is_overtaken_in_the_middle_of_its_plan_gets_the_answer_of_the_faster_one(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    opened: OpenStore = lambda: SqliteStateStore(path)  # noqa: E731 - short
    fill(opened)
    asked(opened, ("e00", "agent", "1"))
    with closing(opened()) as other, closing(Overtaken(path)) as store:
        answers: list[str] = []
        store.faster = lambda: answers.append(change(other, "lee", voting("lee", "1"), "once-1"))
        answers.append(change(store, "lee", voting("lee", "1"), "once-1"))
    assert answers[0] == answers[1] != "ACCESS_REQUEST_CLOSED"
    assert holders(opened, "agent") == {"e00"}


# ---- Processes over one file


class Killed(SqliteStateStore):
    """A store whose process is gone right after the commit."""

    def commit(self, edits: Any, **more: Any) -> list[Change]:
        super().commit(edits, **more)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


def elsewhere(what: str, *arguments: object) -> subprocess.Popen[str]:
    code = f"import sys; sys.path[:0] = [{str(TESTS)!r}]; from grants import test_contention as t; t.{what}(*sys.argv[1:])"
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], stdout=subprocess.PIPE, text=True)


def approve_all(path: str, first: str) -> None:
    with closing(SqliteStateStore(Path(path))) as store:
        for number in range(SOME):
            print(change(store, "lee", voting("lee", f"{(number + int(first)) % SOME}"))[:10])


def approve_and_die(path: str) -> None:
    change(Killed(Path(path)), "lee", voting("lee", "1"), "once-1")


def test_processes_never_give_one_too_many(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    opened: OpenStore = lambda: SqliteStateStore(path)  # noqa: E731 - short
    fill(opened)
    asked(opened, *((f"e{number:02}", "few", f"{number}") for number in range(SOME)))
    workers = [elsewhere("approve_all", path, first) for first in (0, 5)]
    answers = Counter(line for each in workers for line in each.communicate(timeout=120)[0].split("\n") if line)
    assert [each.returncode for each in workers] == [0, 0]
    assert answers.keys() == {"('approved", "ROLE_BUDGE", "ACCESS_REQ"}
    assert answers["('approved"] == len(holders(opened, "few")) == FEW


def test_p1_killed_between_the_commit_and_the_answer_a_replay_returns_the_same_grant(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    opened: OpenStore = lambda: SqliteStateStore(path)  # noqa: E731 - short
    fill(opened)
    asked(opened, ("e00", "agent", "1"))
    worker = elsewhere("approve_and_die", path)
    worker.communicate(timeout=120)
    assert worker.returncode == -signal.SIGKILL
    with closing(opened()) as store:
        before = store.revision()
        (grant,) = (each for each in store.load().grants if each.role == "agent")
        again = change(store, "lee", voting("lee", "1"), "once-1")
        assert again == repr(("approved", grant))
        assert store.revision() == before
        assert change(store, "lee", voting("lee", "1"), "other") == "ACCESS_REQUEST_CLOSED"
