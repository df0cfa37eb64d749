"""Apply or undo a review of a SQLite store in processes of its own, which end themselves at one of their database's statements.

    python runner.py FOLDER make|apply|undo [SHARE]

With a share, so many blows are dealt, evenly over all statements and commits, each to a copy `blow.N` beside the folder, and the work
is then gone on with to its end in a copy `rest.N`. A line each says the blow and how the process ended.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from grants.request_kit import DAY, NOW, PEOPLE, company, held, key
from review.kit import ROW, planned
from sqlalchemy import event

from munjigi.adapters.state.sqlite import SqliteStateStore
from munjigi.app.grant_changes import load_table
from munjigi.grants.book import Book
from munjigi.grants.changes import PersonEdit, grant_added
from munjigi.grants.ports import undecided
from munjigi.kernel.errors import FailedPrecondition
from munjigi.kernel.review import Replay, ReviewPlan
from munjigi.review import apply, campaign
from munjigi.review.campaign import Decision
from munjigi.review.encoding import decode_plan, encode_plan
from munjigi.review.undo import undo

HELD = tuple(held(name, role) for name in ("kim", "oh", "dan", "eve") for role in ("agent", "senior"))
WORDS = ("revoke", "reduce", "suspend", "keep")
LATER = NOW + 8 * DAY
BUNDLE = company()


def book(store: SqliteStateStore, moment: object, now: int) -> Book:
    looks = (moment.request, partial(undecided, moment), "", 0, moment.reviews)  # type: ignore[attr-defined]
    return Book(load_table(store), BUNDLE, now, *looks)


def make(store: SqliteStateStore) -> None:
    store.migrate()
    people = [PersonEdit("person_changed", each) for each in PEOPLE]
    store.apply([*people, *map(grant_added, HELD)], at=NOW, actor="t", request_id="")
    items = [planned(number, grant, ("revoke", "reduce", "ask", "keep")[number % 4]) for number, grant in enumerate(HELD)]  # type: ignore[arg-type]
    plan = ReviewPlan("unused", NOW, NOW, NOW, BUNDLE.revision, 1, "d", (), tuple(items), Replay(0, ()))
    digest = store.keep_plan(encode_plan(plan))
    with store.moment() as moment:
        row = replace(ROW, canary=0.3, canary_hours=0)
        opened = campaign.open_review(book(store, moment, NOW), plan, row, "rv-1", key("lee"), digest=digest)
    store.apply(opened.edits, at=NOW, actor="t", request_id="")
    decisions = [Decision(number, WORDS[number % 4], "as it should", 10**12) for number in range(len(HELD))]  # type: ignore[arg-type]
    with store.moment() as moment:
        decided = campaign.decide(book(store, moment, NOW), opened.review, plan, decisions, key("lee"))
    store.apply(decided.edits, at=NOW, actor="t", request_id="")


def go(store: SqliteStateStore, what: str) -> None:
    more = True
    while more:
        with store.moment() as moment:
            now = book(store, moment, LATER if what == "apply" else LATER + DAY)
            review = moment.reviews.review("rv-1")
            assert review is not None
            plan = decode_plan(moment.reviews.plan(review.plan_digest))
            if what == "apply":
                watch = apply.Watch(lambda _ids, _since: {}, now.now, lambda _items: 0)
                try:
                    step = apply.step(now, review, plan, watch, most=2)
                except FailedPrecondition as error:
                    if error.reason != "REVIEW_STATE":  # it is applied
                        raise
                    return
                edits, more = step.edits, step.more
            else:
                back = undo(now, review, plan, by=key("yoon"), most=2)
                edits, more = back.edits, back.more
        store.apply(edits, at=now.now, actor="t", request_id="", after=now.holdings.revision)


def work(folder: Path, what: str, stop_at: int = 0) -> int:
    """Do it, or end this process at a statement; return how many there were."""
    count = 0

    def happened(*_: object) -> None:
        nonlocal count
        count += 1
        if count == stop_at:
            os.kill(os.getpid(), signal.SIGKILL)

    with closing(SqliteStateStore(folder / "state.sqlite")) as store:
        if what == "make":
            make(store)
            return 0
        for name in ("before_cursor_execute", "after_cursor_execute", "commit"):
            event.listen(store._engine, name, happened)
        go(store, what)
    return count


def apart(folder: Path, what: str, stop_at: int = 0) -> int:
    """Do it in a child; return how it ended."""
    child = os.fork()
    if not child:
        work(folder, what, stop_at)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(folder: str, what: str, share: str = "0") -> None:
    """Do it; or with a share, do it once for each of so many blows (every statement, when that is less) in copies of the folder."""
    path = Path(folder)
    if not int(share):
        work(path, what)
        return
    shutil.copytree(path, path.with_name("whole"))
    whole = work(path.with_name("whole"), what)
    blows = sorted({1 + part * (whole - 1) // (int(share) - 1) for part in range(int(share))})
    for stop_at in blows:
        copy = path.with_name(f"blow.{stop_at}")
        shutil.copytree(path, copy)
        print(stop_at, apart(copy, what, stop_at))
        shutil.copytree(copy, path.with_name(f"rest.{stop_at}"))
        print(stop_at, apart(path.with_name(f"rest.{stop_at}"), what))


if __name__ == "__main__":
    main(*sys.argv[1:])
