"""A review takes 50,000 grants, and gives them back, while a worker is asked: how long, and what it costs the callers.

`python -m bench.review_apply FOLDER [GRANTS]` prints JSON. The run steps in a process of its own beside the load generator, as the
follower does: planned and committed by the registrar in pieces of 100 grants, at the follower's pace, on the file that the worker's
snapshot follows. Use that was counted meanwhile is not asked: it is another store's. The callers' p99 is taken in windows before and
during the run, of the same load, and once more beside a neighbour that uses as much of the load generator's core and has nothing to
do with Munjigi (`bench/neighbour.py`): what that one costs, too, is not the run's.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from bench import load
from bench.machine import LOAD_CORE, cpu_seconds, pin, spread
from bench.servers import QUESTION, ROOT, Neighbour, Worker
from bench.table import Row, number
from munjigi.adapters.policy_files import load_bundle
from munjigi.adapters.state.sqlite import SqliteStateStore
from munjigi.app.files import StateFolder
from munjigi.app.grant_changes import load_table
from munjigi.app.policy_in_force import in_force
from munjigi.app.registrar import Registrar
from munjigi.app.review_keeper import PACE
from munjigi.decision.snapshot import Snapshot
from munjigi.grants.book import Book, Plan
from munjigi.grants.changes import Edit, grant_added, person_changed
from munjigi.kernel.clock import SystemClock
from munjigi.kernel.grant import Grant, Person
from munjigi.kernel.identity import EmployeeKey
from munjigi.kernel.review import Evidence, PlannedItem, Replay, ReviewPlan
from munjigi.review.apply import Watch, step
from munjigi.review.campaign import defaults, looks, open_review
from munjigi.review.encoding import decode_plan, encode_plan, grant_digest
from munjigi.review.settings import ReviewRow
from munjigi.review.undo import undo

GRANTS: Final = 50_000
PIECE: Final = 100  # grants of one commit
_TARGET: Final = 60.0  # seconds
_WORSE: Final = 10.0  # milliseconds of p99
_IN_FLIGHT: Final = 20
_WINDOW: Final = 4.0  # seconds
_WINDOWS: Final = 3  # before the run
_YEAR: Final = 365 * 86_400 * 10**9
_BY: Final = EmployeeKey("urn:bench", "program")
_ROW: Final = ReviewRow(
    "bench", "bench", notice_days=0, escalate_days=0, office_days=0, default_days=0, cap_grants=1.0, cap_team=1.0, canary_hours=0
)


class _Home:
    """The snapshot that changes are planned on."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot

    def set_grants(self, grants: Any) -> None:
        self.snapshot = Snapshot(self.snapshot.bundle, grants)


class _Run:
    """Steps of one review, committed by the registrar."""

    def __init__(self, folder: StateFolder, store: SqliteStateStore) -> None:
        self.home = _Home(Snapshot(load_bundle(folder.policies, in_force(folder)), load_table(store)))
        self.registrar = Registrar(store, self.home, SystemClock())  # type: ignore[arg-type]  # of a home it asks no more than this
        with store.moment() as moment:
            review = moment.reviews.review("rv-bench")
            assert review is not None
            self.plan = decode_plan(moment.reviews.plan(review.plan_digest))

    def stepped(self, book: Book) -> tuple[tuple[Edit, ...], bool]:
        """Return the next edits of the run, and whether more follow."""
        review = looks(book).review("rv-bench")
        assert review is not None
        if not review.running:
            return (), False
        watch = Watch(lambda _ids, _since: {}, book.now, lambda _items: 0)
        done = step(book, review, self.plan, watch, PIECE)
        return done.edits, done.review.running

    def undone(self, book: Book) -> tuple[tuple[Edit, ...], bool]:
        """Return the next edits of the undoing, and whether more follow."""
        review = looks(book).review("rv-bench")
        assert review is not None
        done = undo(book, review, self.plan, most=PIECE)
        return done.edits, done.more

    async def go(self, what: str) -> dict[str, float]:
        """Do all of it; return seconds, processor seconds, and commits."""
        began, worked, commits, more = time.perf_counter(), time.process_time(), 0, True

        def plan(book: Book) -> Plan:
            nonlocal more
            edits, more = self.stepped(book) if what == "apply" else self.undone(book)
            return Plan(edits, b"")

        while more:
            piece = time.perf_counter()
            await self.registrar.change(_BY, "", b"", plan)
            commits += 1
            await asyncio.sleep(PACE * (time.perf_counter() - piece))
        return {"seconds": time.perf_counter() - began, "cpu": time.process_time() - worked, "commits": commits}


def work(folder: StateFolder) -> None:
    """Apply, then undo, each when standard input says so; say what it took."""
    with closing(SqliteStateStore(folder.state)) as store:
        run = _Run(folder, store)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        for line in sys.stdin:
            sys.stdout.write(json.dumps(asyncio.run(run.go(line.strip()))) + "\n")
            sys.stdout.flush()


def prepare(folder: StateFolder, grants: int) -> None:
    """Put people with a grant each into the store, and a review of all of them that is decided."""
    now = time.time_ns()
    keys = [EmployeeKey("urn:bench", f"e{each}") for each in range(grants)]
    given = [Grant(f"g.{key.subject}", key, "cs_agent", "inquiry", now, now + _YEAR, ("cs.lee",)) for key in keys]
    with closing(SqliteStateStore(folder.state)) as store:
        for start in range(0, grants, 5000):
            people = [
                person_changed(Person(f"p.{key.subject}", "employee", "customer-service", (key,)))
                for key in keys[start : start + 5000]
            ]
            store.apply([*people, *map(grant_added, given[start : start + 5000])], at=now, actor="bench", request_id="")
        bundle, nothing = load_bundle(folder.policies, in_force(folder)), Evidence((), ())
        items = []
        for each, grant in enumerate(given):
            held = (grant.grant_id, grant_digest(grant), grant.employee, f"p.{grant.employee.subject}", grant.role, grant.purpose)
            items.append(PlannedItem(each, *held, "revoke", "UNUSED", nothing, 90))
        plan = ReviewPlan("bench", now, now, now, bundle.revision, store.revision(), "d" * 64, (), tuple(items), Replay(0, ()))
        digest = store.keep_plan(encode_plan(plan))
        table = load_table(store)
        with store.moment() as moment:
            book = Book(table, bundle, now, reviews=moment.reviews)
            opened = open_review(book, plan, _ROW, "rv-bench", _BY, digest=digest)
        store.apply(opened.edits, at=now, actor="bench", request_id="")
        with store.moment() as moment:
            book = Book(table, bundle, now, reviews=moment.reviews)
            # All of it at once: how items are decided is not what is measured.
            decided = defaults(book, opened.review, plan, most=grants)
        for start in range(0, len(decided.edits), 50):
            store.apply(decided.edits[start : start + 50], at=now, actor="bench", request_id="")


def measure(folder: Path, grants: int = GRANTS) -> dict[str, Any]:
    """Measure both, each while the worker is asked."""
    pin(LOAD_CORE)
    folder.mkdir(mode=0o700, parents=True)
    state = folder / "state"
    with Worker("auto", state) as worker:
        worker.check(worker.credentials())
        prepare(worker.folder, grants)
    (folder / "state-policies").rename(folder / "first-policies")  # the next worker gets a copy of its own
    return _measured(folder, state, grants)


def _measured(folder: Path, state: Path, grants: int) -> dict[str, Any]:
    found: dict[str, Any] = {"grants": grants}
    with Worker("auto", state) as worker:
        metadata = worker.credentials()

        def window() -> float:
            body = QUESTION.SerializeToString()
            return load.run(worker.port, load.CHECK, body, metadata, in_flight=_IN_FLIGHT, seconds=_WINDOW, folder=folder).p99

        command = [sys.executable, "-m", "bench.review_apply", "--work", str(state)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        for what in ("apply", "undo"):
            quiet = [window() for _ in range(_WINDOWS)]
            began, done = cpu_seconds(worker.pid), list[dict[str, float]]()
            process.stdin.write(f"{what}\n")
            process.stdin.flush()
            waiting = threading.Thread(target=lambda done=done: done.append(json.loads(process.stdout.readline())))  # type: ignore[union-attr]
            waiting.start()
            busy = []
            while waiting.is_alive():
                busy.append(window())
            waiting.join()
            found[what] = {**done[0], "worker_cpu": cpu_seconds(worker.pid) - began, "quiet_p99": quiet, "busy_p99": busy}
            with Neighbour(done[0]["cpu"] / done[0]["seconds"]):
                found[what]["beside_p99"] = [window() for _ in range(_WINDOWS)]
        process.stdin.close()
        process.wait(30)
        worker.check(metadata)
    with closing(SqliteStateStore(state / "state.sqlite")) as store:
        found["restored"] = sum(not grant.ended for grant in store.load(whole=False).grants if grant.grant_id.startswith("g.e"))
    return found


def rows(figures: dict[str, Any]) -> list[Row]:
    """Make the table's rows."""
    found = []
    for what in ("apply", "undo"):
        each = figures[what]
        quiet, busy, beside = (spread(each[f"{when}_p99"]).median for when in ("quiet", "busy", "beside"))
        worse = busy - quiet
        found.append(
            Row(
                f"a review's {what} of {number(figures['grants'])} grants, in commits of {PIECE}",
                f"{each['seconds']:.1f} s ({each['cpu']:.1f} s of a processor)",
                f"Check's p99 {worse:+.1f} ms meanwhile",
                target=f"<= {_TARGET:g} s, p99 at most {_WORSE:g} ms worse",
                met=each["seconds"] <= _TARGET and worse <= _WORSE and figures["restored"] == figures["grants"],
            )
        )
        found.append(
            Row(
                f"Check's p99 beside a neighbour that only uses the other core as much ({each['cpu'] / each['seconds']:.0%})",
                f"{beside:.1f} ms",
                f"alone {quiet:.1f} ms",
                f"{beside - quiet:+.1f} ms, the {what}'s own {busy - beside:+.1f} ms",
            )
        )
    return found


if __name__ == "__main__":
    if sys.argv[1] == "--work":
        work(StateFolder(Path(sys.argv[2])))
    else:
        print(json.dumps(measure(Path(sys.argv[1]), *map(int, sys.argv[2:]))))
