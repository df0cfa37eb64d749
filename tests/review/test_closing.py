"""A log that is lost: two people close it, reviews wait for it no longer, and nothing is taken over what is unknown then (R11)."""

from __future__ import annotations

import pytest
from review.kit import DAY as OFFICE_DAY
from review.kit import NOW, WHY, Office, held, key, refused
from review.kit import planned as item
from review.plan_kit import CUTOFF, LOG, NAME, ToldUse, grant, mark, planned, row, said

from munjigi.kernel.clock import SECOND
from munjigi.kernel.errors import FailedPrecondition
from munjigi.kernel.review import LogClosing, Override
from munjigi.review import apply
from munjigi.review.closing import LogSeen, close_log
from munjigi.review.coverage import Lost, counted_to, newest_cutoff
from munjigi.review.days import DAY
from munjigi.review.usage import VALIDITY

OTHER = f"zz{LOG[2:]}"
COUNTED = NOW - 3 * OFFICE_DAY
SEEN = LogSeen(known=True, alive=False, counted_to=COUNTED)


def closing(unknown_from: int, closed_at: int, log_id: str = OTHER) -> LogClosing:
    words = tuple(Override(name, "urn:test", name, WHY, closed_at) for name in ("p.lee", "p.yoon"))
    return LogClosing(log_id, words, unknown_from, closed_at)


def lost(unknown_ago: int, closed_ago: int, *alive: str) -> Lost:
    return Lost((closing(CUTOFF - unknown_ago * DAY, CUTOFF - closed_ago * DAY),), frozenset(alive))


@pytest.fixture
def usage() -> ToldUse:
    return ToldUse(told=[mark(), mark(OTHER, complete_ago=130)])


def gap_in(usage: ToldUse, away: Lost) -> str:
    with pytest.raises(FailedPrecondition) as caught:
        planned([grant("a")], usage, lost=away)
    assert caught.value.reason == "USAGE_GAP"
    return caught.value.message


def test_r11_a_lost_log_holds_up_every_plan_until_it_is_closed(usage: ToldUse) -> None:
    message = gap_in(usage, Lost())
    assert OTHER in message
    assert "munjigi review close-log" in message
    assert gap_in(usage, Lost((LogClosing(OTHER, (Override("p.lee", "urn:test", "lee", WHY, 1),), 0),))) == message  # one word
    assert said(planned([grant("a")], usage, lost=lost(130, 120))) == {"a": ("revoke", "UNUSED")}
    usage.told.pop()
    found = planned([grant("a")], usage, logs=frozenset([LOG, OTHER]), lost=lost(130, 120))  # never counted at all
    assert said(found) == {"a": ("revoke", "UNUSED")}


def test_r11_what_reaches_into_the_unknown_time_is_kept_and_no_plan_is_refused_over_it(usage: ToldUse) -> None:
    grants = [grant("a"), grant("b", "seasonal")]
    kept = ("keep", "NOT_COVERED")
    assert said(planned(grants, usage, lost=lost(130, 101))) == {"a": ("revoke", "UNUSED"), "b": kept}
    assert said(planned(grants, usage, lost=lost(130, 100))) == {"a": ("revoke", "UNUSED"), "b": kept}
    for closed_ago in (99, 10, 0):  # a quarterly threshold is a hundred days
        usage.add("a", NAME, days_ago=[5])  # else it would be narrowed to this
        assert said(planned(grants, usage, lost=lost(130, closed_ago))) == {"a": kept, "b": kept}
    assert said(planned([grant("c")], usage, row("dormant"), lost=lost(130, 10))) == {"c": kept}


def test_r11_a_log_that_is_written_or_counted_again_is_waited_for_and_its_gap_stays(usage: ToldUse) -> None:
    assert OTHER in gap_in(usage, lost(130, 120, OTHER))
    usage.told[1] = mark(OTHER, complete_ago=60)
    assert OTHER in gap_in(usage, lost(130, 120))
    usage.told[1] = mark(OTHER)
    assert said(planned([grant("a")], usage, lost=lost(130, 50))) == {"a": ("keep", "NOT_COVERED")}


def test_r11_the_newest_cutoff_and_what_is_counted_pass_by_a_closed_log(usage: ToldUse) -> None:
    away = lost(130, 120)
    assert newest_cutoff(usage, [OTHER, "never"], away) == 0
    assert newest_cutoff(usage, [OTHER], away) == mark().complete_to - VALIDITY
    assert counted_to(usage, [OTHER], away) == mark().complete_to
    assert counted_to(usage, [OTHER]) == usage.told[1].complete_to
    usage.told.pop()
    assert counted_to(usage, [OTHER]) == 0
    assert counted_to(usage, [OTHER], away) == mark().complete_to


@pytest.fixture
def office() -> Office:
    return Office(grants=(held("oh", "agent"),))


def say(office: Office, name: str, seen: LogSeen = SEEN, reason: str = WHY) -> LogClosing:
    found = close_log(office.book(), OTHER, seen, reason, key(name))
    office.put(*found.edits)
    return found.closing


def test_p9_two_people_close_a_log_and_its_use_is_unknown_from_a_minute_before_it_was_counted_last(office: Office) -> None:
    asked = say(office, "lee")
    assert (len(asked.words), asked.unknown_from, asked.closed_at) == (1, COUNTED - VALIDITY, 0)
    with refused("CLOSING_SAID"):
        say(office, "lee")
    office.now += 5 * SECOND
    closed = say(office, "yoon", SEEN._replace(counted_to=COUNTED + SECOND))
    assert [word.person_id for word in closed.words] == ["p.lee", "p.yoon"]
    assert (closed.unknown_from, closed.closed_at) == (COUNTED - VALIDITY, office.now)
    office.now += OFFICE_DAY
    again = say(office, "yoon", SEEN._replace(counted_to=office.now - OFFICE_DAY // 2))
    assert (again.unknown_from, again.closed_at) == (closed.unknown_from, closed.closed_at)  # nothing changes by one word
    assert say(office, "lee", SEEN._replace(counted_to=0)).unknown_from == 0


def test_a_log_that_is_alive_counted_or_of_nobody_is_not_closed(office: Office) -> None:
    with refused("LOG_NOT_LOST"):
        say(office, "lee", SEEN._replace(alive=True))
    with refused("LOG_NOT_LOST"):
        say(office, "lee", SEEN._replace(counted_to=NOW - apply.USE_KNOWN))
    with refused("LOG_UNKNOWN"):
        say(office, "lee", SEEN._replace(known=False))
    with refused("PERSONAL_DATA_IN_REASON"):
        say(office, "lee", reason="ask 010-1234-5678")
    say(office, "lee", SEEN._replace(counted_to=NOW - apply.USE_KNOWN - 1))


def test_p3_what_was_planned_before_a_log_was_closed_takes_nothing(office: Office) -> None:
    review = office.open(item(0, held("oh", "agent")))
    office.decide("lee", 0)
    office.now += 30 * OFFICE_DAY
    assert office.step().review.state == "applying"
    office.lost_until = review.cutoff + 1
    with refused("LOG_CLOSED_SINCE"):
        office.step()
    office.lost_until = review.cutoff
    office.run()
    assert office.states() == {0: "applied"}
