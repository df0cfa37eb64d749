"""Plan a review of recorded accesses (Notice 2026-9 of the PIPC, art. 8(2)): all exports of a month, and a sample of the other accesses.

Nobody chooses the sample: its seed is the SHA-256 of all records of the month, so that each of them has a part in it and none is known
to be drawn or spared before the month is over. Anybody who has the records can repeat it.
"""

from __future__ import annotations

import hashlib
import heapq
import math
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Final, NamedTuple

import msgspec

from munjigi.grants.book import Holdings
from munjigi.kernel.clock import SECOND, to_rfc3339
from munjigi.kernel.identity import EmployeeKey
from munjigi.kernel.ids import record_id
from munjigi.kernel.review import Access, Evidence, PlannedItem, Replay, ReviewPlan, Sample, Watermark
from munjigi.policy.calendar import Calendar
from munjigi.review import rules
from munjigi.review.coverage import NOTHING_LOST, Lost, covered, require, usage_gap
from munjigi.review.ports import UsageView
from munjigi.review.replay import RecordedBytes
from munjigi.review.rules import rules_digest
from munjigi.review.settings import ReviewRow
from munjigi.review.terms import zone_in

EXPORT: Final = "EXPORT"
DRAWN: Final = "DRAWN"
_MAGIC: Final = b"munjigi access sample 1\x00"
_NOTHING: Final = Evidence((), ())


class Accesses(NamedTuple):
    """What a plan is made of. Times are UTC nanoseconds: it is made at `now`, of what was recorded in [begin, end).

    `recorded` gives, each time anew, all records of the journals in [begin, end + `VALIDITY`): in the last minute reads of before are
    confirmed. `logs` are those that there should be records of, beside those that use is counted of; `lost` those that nobody waits for.
    """

    holdings: Holdings
    usage: UsageView
    settings: ReviewRow
    policy_revision: str
    now: int
    begin: int
    end: int
    recorded: Callable[[], Iterable[RecordedBytes]]
    logs: frozenset[str] = frozenset()
    lost: Lost = NOTHING_LOST


class _Name(msgspec.Struct):
    name: str
    effect: str


class _Line(msgspec.Struct, gc=False):
    """What of a record says who did what with whose data, whatever type of record it is."""

    type: str
    time: int = 0
    issuer: str = ""
    employee: str = ""
    tool: str = ""
    decision: str = ""
    action: str = ""
    resource: str = ""
    purpose: str = ""
    case_id: str = ""
    subject_count: int = 0
    probe: bool = False
    observe: bool = False
    own: bool = False
    fields: msgspec.Raw = msgspec.Raw(b"\x90")
    data_classes: tuple[str, ...] = ()
    decision_id: str = ""
    outcome: str = ""
    row_count: int = 0


_lines: Final = msgspec.msgpack.Decoder(_Line)
_names: Final = msgspec.msgpack.Decoder(tuple[_Name, ...])


class _Found(NamedTuple):
    record_id: str
    line: _Line


def month_before(calendar: Calendar, now: int) -> tuple[int, int]:
    """Return the last whole month before `now` where the calendar's people are: [begin, end), UTC nanoseconds.

    Raises `Unavailable` where this machine lacks the zone.
    """
    zone = zone_in(calendar)
    local = datetime.fromtimestamp(now // SECOND, zone)
    end = datetime(local.year, local.month, 1, tzinfo=zone)
    begin = datetime(local.year - (local.month == 1), (local.month - 2) % 12 + 1, 1, tzinfo=zone)
    return int(begin.timestamp()) * SECOND, int(end.timestamp()) * SECOND


def plan_accesses(inputs: Accesses) -> ReviewPlan:
    """Return the plan. Raises `FailedPrecondition` `USAGE_GAP` when a log is not known up to the month's end, or lacks records of it."""
    marks, gaps = inputs.usage.marks(), inputs.usage.gaps()
    coverage = covered(marks, gaps, inputs.logs, inputs.end, inputs.now, inputs.lost)
    require(coverage, inputs.begin, inputs.end)
    for gap in coverage.lost:
        if gap.ends_at > inputs.begin and gap.begins_at < inputs.end:
            raise usage_gap(
                f"log {gap.log_id} is lost, and what it recorded from {to_rfc3339(gap.begins_at)} to {to_rfc3339(gap.ends_at)} nobody knows"
            )
    seed = seed_of(inputs.settings.kind, inputs.begin, inputs.end, inputs.recorded())
    exports, drawn, others = _drawn(inputs, seed)
    chosen = {each.record_id: each for each in (*exports, *drawn)}
    confirmed = {
        line.decision_id: line
        for _, line in _decoded(inputs.recorded())
        if line.type == "access.confirm" and line.decision_id in chosen
    }
    ordered = sorted(chosen.values(), key=lambda each: (each.line.time, each.record_id))
    items = [_item(inputs, number, each, confirmed.get(each.record_id)) for number, each in enumerate(ordered)]
    return ReviewPlan(
        kind=inputs.settings.kind,
        made_at=inputs.now,
        window_start=inputs.begin,
        cutoff=inputs.end,
        policy_revision=inputs.policy_revision,
        grant_revision=inputs.holdings.revision,
        rules_digest=rules_digest(inputs.settings),
        watermarks=tuple(Watermark(mark.log_id, mark.next_index, mark.time) for mark in marks),
        items=tuple(items),
        replay=Replay(0, ()),
        sample=Sample(seed, len(exports), others, len(drawn)),
    )


def seed_of(kind: str, begin: int, end: int, recorded: Iterable[RecordedBytes]) -> str:
    """Return the seed: the SHA-256 of the kind, the month and each log's records in order, 64 hex digits."""
    logs: dict[str, tuple[int, hashlib._Hash]] = {}
    for each in recorded:
        if each.log_id not in logs:
            logs[each.log_id] = (each.position, hashlib.sha256())
        logs[each.log_id][1].update(len(each.payload).to_bytes(8, "big") + each.payload)
    parts = [(log_id, first, found.hexdigest()) for log_id, (first, found) in sorted(logs.items())]
    return hashlib.sha256(_MAGIC + msgspec.msgpack.encode((kind, begin, end, parts))).hexdigest()


def rank(seed: str, of: str) -> bytes:
    """Return the place of a record in the draw: of the sample are those with the lowest one."""
    return hashlib.sha256(bytes.fromhex(seed) + of.encode()).digest()


def size_of(row: ReviewRow, others: int) -> int:
    """Return how many of so many accesses are drawn: the share, rounded up, within the row's bounds."""
    wanted = math.ceil(round(row.sample * others, 9))  # a share of 1 % is no exact binary fraction
    return min(others, max(row.sample_least, min(row.sample_most, wanted)))


def _drawn(inputs: Accesses, seed: str) -> tuple[list[_Found], list[_Found], int]:
    """Return the exports, what is drawn of the other accesses, and how many of these there are."""
    row, others, exports = inputs.settings, 0, list[_Found]()
    lowest: list[tuple[int, str, _Line]] = []  # a heap of at most `sample_most`, the highest rank first
    for name, line in _decoded(inputs.recorded()):
        if not _is_access(line) or not inputs.begin <= line.time < inputs.end:
            continue
        if line.action == "export":
            exports.append(_Found(name, line))
            continue
        others += 1
        placed = (-int.from_bytes(rank(seed, name), "big"), name, line)
        if len(lowest) < row.sample_most:
            heapq.heappush(lowest, placed)
        elif placed[:2] > lowest[0][:2]:
            heapq.heapreplace(lowest, placed)
    lowest.sort(key=lambda each: each[:2], reverse=True)
    return exports, [_Found(name, line) for _, name, line in lowest[: size_of(row, others)]], others


def _is_access(line: _Line) -> bool:
    """Tell whether a record is of an access to members' data: what a trial denies is read all the same, what a menu asks is not."""
    if line.type != "access.decision" or line.probe or line.own:
        return False
    return line.decision == "ALLOW" or line.observe


def _decoded(recorded: Iterable[RecordedBytes]) -> Iterator[tuple[str, _Line]]:
    for each in recorded:
        yield record_id(each.log_id, each.position), _lines.decode(each.payload)


def _item(inputs: Accesses, number: int, found: _Found, confirmed: _Line | None) -> PlannedItem:
    line, employee = found.line, EmployeeKey(found.line.issuer, found.line.employee)
    person = inputs.holdings.person(employee)
    return PlannedItem(
        number=number,
        grant_id="",
        grant_digest="",
        employee=employee,
        person_id=person.person_id if person is not None else "",
        role="",
        purpose=line.purpose,
        verdict="ask",
        rule=EXPORT if line.action == "export" else DRAWN,
        evidence=_NOTHING,
        threshold_days=0,
        data_class=rules.sensitive_first(line.data_classes, dict(inputs.settings.defaults)),
        access=Access(
            record_id=found.record_id,
            at=line.time,
            tool=line.tool,
            action=line.action,
            resource=line.resource,
            fields=tuple(each.name for each in _names.decode(line.fields) if line.observe or each.effect != "denied"),
            case_id=line.case_id,
            members=line.subject_count,
            read=confirmed is not None and confirmed.outcome == "read",
            rows=confirmed.row_count if confirmed is not None else 0,
        ),
    )
