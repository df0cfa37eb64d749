"""Looking at recorded accesses: which month, which accesses, who looks at them, and what comes of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from audit.support import access, confirm
from review.kit import ISSUER, PEOPLE, Office, held, key, planned, refused, someone
from review.plan_kit import ToldUse, mark
from review.usage_kit import Installation

from munjigi.app.log_sources import LogSources
from munjigi.app.review_accesses import records_within
from munjigi.audit.reader import JournalReader
from munjigi.audit.record import Record
from munjigi.audit.records import decode, encode
from munjigi.decision.grant_table import GrantTable
from munjigi.kernel.clock import SECOND
from munjigi.kernel.review import LOOKED_AT, LogClosing, PlannedItem, ReviewPlan
from munjigi.policy.calendar import Calendar
from munjigi.review.coverage import NOTHING_LOST, Lost
from munjigi.review.replay import RecordedBytes
from munjigi.review.sampling import Accesses, month_before, plan_accesses, rank, seed_of, size_of
from munjigi.review.settings import SHIPPED
from munjigi.review.usage import VALIDITY

SEOUL = ZoneInfo("Asia/Seoul")
ROW = replace(next(each for each in SHIPPED if each.judges == "records"), sample=0.1, sample_least=3, sample_most=8)
LOGS = ("aaaaaaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbbbbbb")


def at(*moment: int) -> int:
    return int(datetime(*moment, tzinfo=SEOUL).timestamp()) * SECOND  # type: ignore[misc,arg-type]  # year, month, day and so on


BEGIN, END = at(2026, 2, 1), at(2026, 3, 1)
LATER = at(2026, 3, 3, 9)


def recorded(*records: Record, log_id: str = LOGS[0], first: int = 5) -> list[RecordedBytes]:
    return [RecordedBytes(log_id, first + number, encode(each)) for number, each in enumerate(records)]


def reads(count: int, **changes: Any) -> list[Record]:
    return [access(number, **({"issuer": ISSUER, "time": BEGIN + number * SECOND} | changes)) for number in range(count)]


def told(**changes: Any) -> ToldUse:
    marks = [mark(each, begins_at=BEGIN, complete_to=LATER, time=LATER) for each in LOGS]
    return replace(ToldUse(told=marks), **changes)


def plan_of(records: Iterable[RecordedBytes], usage: ToldUse | None = None, lost: Lost = NOTHING_LOST, **row: Any) -> ReviewPlan:
    kept = list(records)
    table = GrantTable.build([], PEOPLE, 7)
    inputs = Accesses(table, usage or told(), replace(ROW, **row), "a" * 64, LATER, BEGIN, END, lambda: kept, frozenset(LOGS))
    return plan_accesses(inputs._replace(lost=lost))


def ids(plan: ReviewPlan) -> list[str]:
    return [each.access.record_id for each in plan.items if each.access is not None]


@pytest.mark.parametrize(
    ("now", "begin", "end"),
    [
        (at(2026, 3, 1), at(2026, 2, 1), at(2026, 3, 1)),
        (at(2026, 3, 1) - 1, at(2026, 1, 1), at(2026, 2, 1)),
        (at(2028, 3, 3, 9), at(2028, 2, 1), at(2028, 2, 29) + 86_400 * SECOND),  # a leap year: 29 days
        (at(2028, 2, 29, 23, 59), at(2028, 1, 1), at(2028, 2, 1)),
        (at(2027, 1, 4, 9), at(2026, 12, 1), at(2027, 1, 1)),
    ],
)
def test_the_month_is_the_last_whole_one_where_people_are(now: int, begin: int, end: int):
    assert month_before(Calendar(), now) == (begin, end)


def test_what_lies_at_the_months_edges_is_in_by_its_time_in_seoul():
    edges = [BEGIN - 1, BEGIN, END - 1, END]
    found = plan_of(recorded(*(access(number, time=time, action="export") for number, time in enumerate(edges))))
    assert [each.access.at for each in found.items if each.access is not None] == [BEGIN, END - 1]
    assert (found.window_start, found.cutoff) == (BEGIN, END)


def test_all_exports_are_in_and_of_the_others_those_with_the_lowest_rank():
    exports = recorded(*reads(30, action="export"), log_id=LOGS[1])
    others = recorded(*reads(61))
    found = plan_of([*others, *exports])
    assert found.sample is not None
    assert found.sample == (found.sample.seed, 30, 61, 7)
    names = [f"{each.log_id}-{each.position}" for each in others]
    lowest = sorted(names, key=lambda name: hashlib.sha256(bytes.fromhex(found.sample.seed) + name.encode()).hexdigest())[:7]  # type: ignore[union-attr]
    assert {each for each in ids(found) if each.startswith(LOGS[0])} == set(lowest)
    assert {each for each in ids(found) if each.startswith(LOGS[1])} == {f"{LOGS[1]}-{each.position}" for each in exports}
    assert {each.rule for each in found.items} == {"EXPORT", "DRAWN"}
    assert plan_of([*others, *exports]) == plan_of([*exports, *others]) == found  # whichever log is read first


def test_each_record_has_a_part_in_the_seed_and_the_row_has_none():
    records = recorded(*reads(40))
    seeds = {seed_of(ROW.kind, BEGIN, END, records[:number]) for number in range(41)}
    other = recorded(*reads(40, case_id="CS-2026-000124"))
    seeds.add(seed_of(ROW.kind, BEGIN, END, other))
    seeds.add(seed_of(ROW.kind, BEGIN + 1, END, records))
    assert len(seeds) == 43
    small, large = plan_of(records, sample_most=4), plan_of(records, sample_least=8)
    assert small.sample is not None
    assert large.sample is not None
    assert small.sample.seed == large.sample.seed == seed_of(ROW.kind, BEGIN, END, records)
    assert set(ids(small)) < set(ids(large))


@pytest.mark.parametrize(("others", "drawn"), [(0, 0), (2, 2), (3, 3), (30, 3), (31, 4), (80, 8), (5000, 8)])
def test_the_share_is_rounded_up_within_its_bounds(others: int, drawn: int):
    assert size_of(ROW, others) == drawn


def test_a_draw_spares_nobody():
    """Over many months each place in the log is drawn about as often as any other."""
    counts = [0] * 50
    for month in range(400):
        seed = hashlib.sha256(str(month).encode()).hexdigest()
        for number in sorted(range(50), key=lambda each: rank(seed, f"{LOGS[0]}-{each}"))[:5]:
            counts[number] += 1
    assert min(counts) > 15
    assert max(counts) < 75  # 40 are expected, with a deviation of 6


def test_only_accesses_to_members_data_are_looked_at():
    shown = access(1, time=BEGIN, decision="DENY", observe=True)  # a trial's tool reads all the same
    left = [access(2, time=BEGIN, **change) for change in ({"decision": "DENY"}, {"probe": True}, {"own": True})]
    found = plan_of(recorded(shown, *left))
    assert ids(found) == [f"{LOGS[0]}-5"]


def test_what_its_record_and_its_confirmation_say_is_shown_and_no_member():
    read = access(time=BEGIN, issuer=ISSUER, employee="kim2", subject_count=3)
    found = plan_of([*recorded(read), *recorded(confirm(f"{LOGS[0]}-5", row_count=2, time=END + 9), log_id=LOGS[1])])
    (item,) = found.items
    facts = (f"{LOGS[0]}-5", BEGIN, "crm-desk", "read", "crm.member", ("name",), "CS-2026-000123", 3, True, 2)
    assert item.access == facts
    assert (item.employee, item.person_id, item.purpose, item.verdict, item.grant_id) == (
        key("kim2"),
        "p.kim",
        "inquiry",
        "ask",
        "",
    )
    assert "m1." not in repr(found)


def test_a_log_that_is_not_known_up_to_the_months_end_refuses_the_plan():
    late = mark(LOGS[1], begins_at=BEGIN, complete_to=END + VALIDITY - 1, time=END)
    with refused("USAGE_GAP") as caught:
        plan_of([], told(told=[told().told[0], late]))
    assert LOGS[1] in caught.value.message
    with refused("USAGE_GAP"):
        plan_of([], told(told=[told().told[0]]))
    assert plan_of([]).items == ()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Installation]:
    made = Installation(tmp_path)
    yield made
    made.close()


def _within(place: Installation, *more: Any, lost: Lost = NOTHING_LOST) -> Callable[[], Iterator[RecordedBytes]]:
    sources = LogSources(place.folder)
    journals = [each for each in sources.look() if isinstance(each, JournalReader)]
    marks = [*(mark(each.log_id) for each in journals), *more]
    return records_within(journals, marks, BEGIN, END, lost.over(marks, BEGIN))


def test_records_of_the_time_are_read_of_every_journal_and_a_log_elsewhere_refuses(place: Installation):
    for number in range(5):
        place.write(access(number), slot=number % 2, at=BEGIN - 1 + number)
    place.write(access(9), slot=0, at=END)
    read = _within(place)
    assert sorted(decode(each.payload).time - BEGIN for each in read()) == [0, 1, 2, 3]
    assert list(read()) == list(read())
    with refused("USAGE_GAP") as caught:
        _within(place, mark("c" * 20))
    assert "c" * 20 in caught.value.message
    assert len(list(_within(place, mark("c" * 20, closed=True, time=BEGIN - 1))())) == 4  # it ended before


def closed(log_id: str, unknown_from: int, closed_at: int, *alive: str) -> Lost:
    return Lost((LogClosing(log_id, (), unknown_from, closed_at),), frozenset(alive))


def test_r11_a_log_that_people_closed_as_lost_holds_up_no_month_after_that(place: Installation):
    place.write(access(1), slot=0, at=BEGIN)
    gone = mark("c" * 20, complete_to=BEGIN - 9, time=BEGIN - 9)
    assert len(list(_within(place, gone, lost=closed(gone.log_id, BEGIN - 9, BEGIN))())) == 1
    later = mark(gone.log_id, complete_to=BEGIN + 1)  # it came back
    for mark_, lost in (
        (gone, closed(gone.log_id, BEGIN - 9, BEGIN + 1)),  # part of the month, or all, may be in it
        (gone, closed(gone.log_id, END, END + 1)),
        (gone, closed(gone.log_id, BEGIN - 9, 0)),  # one word
        (gone, closed(gone.log_id, BEGIN - 9, BEGIN, gone.log_id)),
        (later, closed(gone.log_id, BEGIN - 9, BEGIN)),
    ):
        with refused("USAGE_GAP"):
            _within(place, mark_, lost=lost)
    usage = told(told=[told().told[0], mark(LOGS[1], complete_to=BEGIN - 9)])
    with refused("USAGE_GAP"):
        plan_of(recorded(*reads(2)), usage)
    assert len(plan_of(recorded(*reads(2)), usage, closed(LOGS[1], BEGIN - 9, BEGIN)).items) == 2
    for unknown_from, closed_at in ((BEGIN - 9, BEGIN + 1), (END - 1, END + 1), (0, LATER)):
        with refused("USAGE_GAP") as caught:
            plan_of(recorded(*reads(2)), usage, closed(LOGS[1], unknown_from, closed_at))
        assert LOGS[1] in caught.value.message
    assert (
        len(plan_of(recorded(*reads(2)), usage, closed(LOGS[1], END, LATER)).items) == 2
    )  # whether it can be read is asked before


# ---- people's word

KIM, OH = held("kim", "agent"), held("oh", "agent")


def looked_at(number: int, who: str = "kim") -> PlannedItem:
    (item,) = plan_of(recorded(access(number, time=BEGIN, issuer=ISSUER, employee=who, action="export"), first=number)).items
    return replace(item, number=number)


def opened(office: Office, *items: PlannedItem) -> None:
    office.row = ROW
    office.open(*items, sample=plan_of([]).sample)


@pytest.fixture
def office() -> Office:
    return Office(people=(*PEOPLE, someone("ida")), grants=(KIM, OH, held("ida", "privacy", "oversight")))


def test_the_privacy_office_says_ok_or_suspicious_and_why_and_the_end_has_the_result(office: Office):
    opened(office, looked_at(0), looked_at(1, "oh"), looked_at(2))
    for word, reason, code in (("keep", "x", "WORD_INVALID"), ("ok", "", "REASON_REQUIRED")):
        with refused(code):
            office.decide("yoon", 0, word=word, reason=reason)  # type: ignore[arg-type]
    for name in ("lee", "kim", "mia", "han"):  # owner, oneself, manager, who edits policy
        with refused("SELF_REVIEW" if name == "kim" else "POLICY_EDITOR" if name == "han" else "NOT_A_REVIEWER"):
            office.decide(name, 0, word="ok")
    office.decide("yoon", 0, 2, word="ok", reason="the case is theirs")
    with refused("ITEMS_UNDECIDED"):
        office.step()
    office.decide("ida", 1, word="suspicious", reason="no such case")
    office.bundle = replace(office.bundle, revision="0" * 64)  # a policy that moved takes nothing back
    (last,) = office.run()
    lines = [
        f"{number} {LOGS[0]}-{number} {word} {who}\n"
        for number, word, who in ((0, "ok", "p.yoon"), (1, "suspicious", "p.ida"), (2, "ok", "p.yoon"))
    ]
    assert last.review.state == office.review().state == "applied"
    assert office.review().result == (2, 1, hashlib.sha256("".join(lines).encode()).hexdigest())
    assert [each.state for each in office.items().values()] == ["decided"] * 3


def test_nobody_looks_at_their_own_accesses_and_who_stands_above_does_where_nobody_else_is(office: Office):
    opened(office, looked_at(0, "yoon"))
    with refused("SELF_REVIEW"):
        office.decide("yoon", 0, word="ok")
    office.decide("ida", 0, word="ok")
    alone = Office(people=tuple(replace(each, manager="p.top") if each.person_id == "p.yoon" else each for each in PEOPLE))
    opened(alone, looked_at(0, "yoon"))
    with refused("SELF_REVIEW"):
        alone.decide("yoon", 0, word="ok")
    alone.decide("top", 0, word="suspicious")


def test_words_about_accesses_are_not_said_of_grants_and_a_month_without_any_is_a_result(office: Office):
    office.open(planned(0, OH))
    for word in LOOKED_AT:
        with refused("WORD_INVALID"):
            office.decide("lee", 0, word=word)
    office.stop()
    office.current = "rv-2"
    office.row = ROW
    office.open(sample=plan_of([]).sample, review_id="rv-2")
    office.run()
    assert office.review("rv-2").result == (0, 0, hashlib.sha256(b"").hexdigest())


def test_there_is_no_exception_for_an_access(office: Office):
    opened(office, looked_at(0))
    with refused("EXCEPTION_OF_GRANTS"):
        office.except_item("yoon", 0)
