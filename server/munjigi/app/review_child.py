"""The process that plans reviews: it reads a year's use of everybody, which no process that decides or follows has time for.

It takes one order on standard input, a pickle, answers on standard output with another, and ends.
"""

from __future__ import annotations

import logging
import os
import pickle
import sys
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Final, Literal, cast

from munjigi.app import logs
from munjigi.app.child import step_aside
from munjigi.app.files import StateFolder
from munjigi.app.log_sources import LogSources
from munjigi.app.policy_in_force import PolicyInForce
from munjigi.app.review_accesses import records_within
from munjigi.app.review_inputs import DAY, added_lately, decoded, records_since
from munjigi.app.state import read_state
from munjigi.app.usage import expected_logs, lost_logs, read_usage
from munjigi.audit.reader import JournalReader
from munjigi.decision.grant_table import GrantTable
from munjigi.grants.changes import State
from munjigi.grants.permission_log import PermissionLog
from munjigi.kernel.errors import MunjigiError, Unavailable, frames_of
from munjigi.kernel.review import ReviewPlan
from munjigi.policy.types import PolicyBundle
from munjigi.review.apply import USE_KNOWN
from munjigi.review.coverage import Lost, newest_cutoff
from munjigi.review.encoding import encode_plan
from munjigi.review.orders import Excess, ReviewMade, ReviewOrder
from munjigi.review.planner import Inputs, plan
from munjigi.review.ports import UsageView
from munjigi.review.sampling import Accesses, month_before, plan_accesses
from munjigi.review.settings import ReviewRow, Thresholds, row_of
from munjigi.review.usage import VALIDITY
from munjigi.review.windows import pauses_of

_LOGGER: Final = logging.getLogger("munjigi.review")
_MONTH: Final = 30 * DAY
_LONGEST_PAUSE: Final = 3660 * DAY
_PATIENCE: Final = 15.0  # seconds until a follower that has just begun has counted


def main() -> int:
    """Obey one order."""
    os.umask(0o077)
    step_aside()
    level, style = sys.argv[1:]
    logs.set_up("review", level, cast("Literal['text', 'json']", style))
    order: ReviewOrder = pickle.load(sys.stdin.buffer)  # noqa: S301 - the process that started us wrote it
    sys.stdout.buffer.write(pickle.dumps(obey(order)))
    sys.stdout.buffer.flush()
    return 0


def obey(order: ReviewOrder) -> ReviewMade:
    """Return what was ordered, or why not."""
    try:
        return _made(order)
    except MunjigiError as error:
        return ReviewMade(refusal=type(error).__name__, reason=error.reason, message=error.message)
    except Exception as error:  # noqa: BLE001 - its text may hold somebody's values (P5)
        _LOGGER.error("a review could not be planned", extra={"error": type(error).__name__, "frames": frames_of(error)})  # noqa: TRY400
        message = "A review could not be planned; the server's log says where."
        return ReviewMade(refusal="MunjigiError", reason="INTERNAL", message=message)


def _made(order: ReviewOrder) -> ReviewMade:
    folder = StateFolder(Path(order.state_dir))
    bundle = PolicyInForce(folder).bundle()
    if bundle is None:
        raise Unavailable("POLICY_UNKNOWN", "No worker has said yet by which policy it decides; try again in a moment.")
    row = _row(bundle, order)
    if row.judges == "records":
        return _accesses(folder, bundle, row, order)
    with closing(read_usage(folder)) as usage, closing(LogSources(folder)) as sources, closing(read_state(folder)) as store:
        expected, lost = expected_logs(folder), lost_logs(folder)
        cutoff = order.cutoff or _newest(usage, expected, lost, order.now)
        found = sources.look()
        journals = [each for each in found if isinstance(each, JournalReader)]
        permissions = [each for each in found if isinstance(each, PermissionLog)]
        pauses = pauses_of(decoded(records_since(permissions, cutoff - _LONGEST_PAUSE)))
        with store.moment() as moment:
            exceptions = [] if order.dry_run else moment.reviews.exceptions()
        excepted = frozenset(each.grant_id for each in exceptions if each.holds(order.now))

        def planned(until: int, state: State, *, replayed: bool) -> ReviewPlan:
            recorded = records_since(journals, until - max(row.thresholds) * DAY - pauses_longest) if replayed else ()
            added = added_lately(folder, bundle, state.grants, until, row.min_age_permission_days)
            now = order.now if until == cutoff and not order.cutoff else until
            table = _table(state)
            return plan(
                Inputs(bundle, table, usage, row, now, until, order.kind, excepted, recorded, expected, pauses, added, lost)
            )

        def at(moment: int) -> State:
            return store.load_at(store.revision_at(moment))

        pauses_longest = max((end - begin for each in pauses.values() for begin, end in each), default=0)
        made = planned(cutoff, at(cutoff) if order.cutoff else store.load(whole=False), replayed=True)
        moments = [cutoff - months * _MONTH for months in range(order.months, 0, -1)]
        points = [_excess(planned(each, at(each), replayed=False)) for each in moments if each > 0]
        return ReviewMade(encode_plan(made), (*points, _excess(made)) if order.dry_run else ())


def _accesses(folder: StateFolder, bundle: PolicyBundle, row: ReviewRow, order: ReviewOrder) -> ReviewMade:
    """Plan a look at the accesses of the month before the cutoff, or before now."""
    begin, end = month_before(bundle.calendar, order.cutoff or order.now)
    with closing(read_usage(folder)) as usage, closing(LogSources(folder)) as sources, closing(read_state(folder)) as store:
        expected, lost = expected_logs(folder), lost_logs(folder)
        _newest(usage, expected, lost, end + USE_KNOWN)
        journals = [each for each in sources.look() if isinstance(each, JournalReader)]
        marks = usage.marks()
        recorded = records_within(journals, marks, begin, end + VALIDITY, lost.over(marks, begin))
        table = _table(store.load(whole=False))
        made = plan_accesses(Accesses(table, usage, row, bundle.revision, order.now, begin, end, recorded, expected, lost))
    return ReviewMade(encode_plan(made))


def _newest(usage: UsageView, expected: frozenset[str], lost: Lost, now: int) -> int:
    """Return the newest moment up to which use is known. Where that lies too far back, what the planner refuses, naming the log."""
    deadline = time.monotonic() + _PATIENCE
    while (newest := newest_cutoff(usage, expected, lost)) < now - USE_KNOWN and time.monotonic() < deadline:
        time.sleep(0.2)
    return max(newest, now - USE_KNOWN)


def _row(bundle: PolicyBundle, order: ReviewOrder) -> ReviewRow:
    row = row_of(bundle, order.kind)
    if not order.unused_days:
        return row
    return replace(row, thresholds=Thresholds(*([order.unused_days] * len(row.thresholds))))


def _table(state: State) -> GrantTable:
    return GrantTable.build(state.grants, state.people, state.grant_revision, state.blocks, state.session_ends)


def _excess(made: ReviewPlan) -> Excess:
    verdicts = [item.verdict for item in made.items]
    held = sum(len(item.evidence.used) + len(item.evidence.unused) for item in made.items)
    unused = sum(len(item.evidence.unused) for item in made.items if item.verdict != "keep")
    return Excess(made.cutoff, len(made.items), verdicts.count("revoke"), verdicts.count("reduce"), held, unused)


if __name__ == "__main__":
    sys.exit(main())
