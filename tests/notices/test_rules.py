"""Who is told what: rules over records, state and time, read as tables; each kind in both languages."""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

import pytest
from notices.kit import DAY, asking, bundle, emergency, employee, made

from munjigi.decision.grant_table import GrantTable
from munjigi.grants.book import Book
from munjigi.grants.changes import BlockEdit, Change, Edit, GrantEdit, PersonEdit, RequestEdit
from munjigi.grants.ledger import Ledger
from munjigi.grants.log_edits import LogEdit
from munjigi.grants.notices import words_en, words_ko
from munjigi.grants.notices.due import Pace, State, due
from munjigi.grants.notices.notice import KINDS, SEVERITIES, Notice
from munjigi.grants.notices.told import told, typed
from munjigi.grants.notices.words import say
from munjigi.grants.records import record_of
from munjigi.grants.sample import sample_company
from munjigi.kernel.access_request import AccessRequest, Vote
from munjigi.kernel.clock import SECOND
from munjigi.kernel.grant import Block, Delegation, Fact, Grant, Person
from munjigi.kernel.identity import EMBEDDED_ISSUER
from munjigi.kernel.review import LogClosing, Override

NOW = 1_800_000_000 * SECOND
BUNDLE = bundle()
RECORD = "0123456789abcdefghij-7"


class World:
    """The sample company, changed by edits; everybody's manager is dba.jung."""

    def __init__(self, *edits: Edit) -> None:
        self.ledger = Ledger()
        self.ledger.apply(sample_company(NOW - 100 * DAY))
        for person in self.ledger.state().people:
            if person.person_id != "p.dba.jung":
                self.ledger.apply([PersonEdit("person_changed", replace(person, manager="p.dba.jung"))])
        self.ledger.apply(edits)

    def book(self, now: int = NOW) -> Book:
        state = self.ledger.state()
        table = GrantTable.build(state.grants, state.people, state.grant_revision, state.blocks)
        return Book(table, BUNDLE, now, self.ledger.request, lambda _employee: [], "", 0)

    def told(self, edit: Edit, by: str = "cs.lee") -> Notice | None:
        return told(record_of(Change(1, NOW, False, by, "", edit, EMBEDDED_ISSUER)), RECORD, self.book())

    def due(self, now: int = NOW, pace: Pace = Pace(), said: Iterable[str] = ()) -> list[Notice]:  # noqa: B008 - immutable
        return list(due(State(Everything(self.ledger, set(said)), self.book(now), pace), now))


@dataclass
class Everything:
    """An outlook in memory: gives everything, so that the rules themselves must leave out what is not due."""

    ledger: Ledger
    names: set[str] = field(default_factory=set)

    def ending(self, after: int, until: int) -> Iterator[Grant]:
        return (each for each in self.ledger.state().grants if after < each.ends_at <= until)

    def lapsing(self, after: int, until: int) -> Iterator[Person]:
        return (each for each in self.ledger.state().people if any(after < fact.ends_at <= until for fact in each.facts))

    def undecided(self) -> Iterator[AccessRequest]:
        return (each for each in self.ledger.state().requests if each.state == "requested")

    def said(self, notice_id: str) -> bool:
        return notice_id in self.names


def names(notice: Notice | None) -> list[str]:
    assert notice is not None
    return sorted(each.subject for each in notice.recipients)


def closed(state: str, votes: tuple[Vote, ...] = ()) -> RequestEdit:
    return RequestEdit("request_closed", replace(asking(1, NOW), state=state, votes=votes))


def vote(person: str, stage: int = 0, at: int = NOW, *, approve: bool = True) -> Vote:
    return Vote(stage, f"p.{person}", EMBEDDED_ISSUER, person, "", approve, "it fits", at)


def voted() -> RequestEdit:
    return RequestEdit(
        "request_voted", asking(1, NOW, role="cs_manager", stages=("owner", "privacy"), stage=1, votes=(vote("cs.lee"),))
    )


def grant(ends_at: int = NOW + 30 * DAY, **other: object) -> Grant:
    return replace(Grant("g-9", employee("cs.kim"), "fraud_analyst", "inquiry", NOW - 60 * DAY, ends_at, ("cs.lee",)), **other)


def lost(*people: str) -> LogClosing:
    words = tuple(Override(f"p.{each}", EMBEDDED_ISSUER, each, "its disk is broken", NOW) for each in people)
    return LogClosing("lost0000000000000000", words, NOW - DAY, NOW if len(people) > 1 else 0)


TOLD: list[tuple[Edit, str, str, list[str]]] = [
    (made(asking(1, NOW)), "request.made", "info", ["cs.lee"]),
    (made(asking(1, NOW, role="cs_manager", stages=("owner", "privacy"))), "request.made", "info", ["cs.lee", "dpo.yoon"]),
    (made(asking(1, NOW, kind="break_glass", role="fraud_analyst")), "break_glass.review", "warning", ["cs.lee"]),
    (voted(), "request.made", "info", ["dpo.yoon"]),
    (closed("approved", (vote("cs.lee"),)), "request.approved", "info", ["new.oh"]),
    (closed("denied", (vote("cs.lee", approve=False),)), "request.denied", "info", ["new.oh"]),
    (closed("withdrawn"), "request.withdrawn", "info", ["cs.lee"]),
    (closed("superseded"), "request.superseded", "info", ["new.oh"]),
    (closed("lapsed"), "request.lapsed", "info", ["new.oh"]),
    (GrantEdit("grant_added", grant(), "", "sample"), "grant.given", "info", ["cs.kim"]),
    (GrantEdit("grant_added", grant(access_request_id="ar-1"), "", "request"), "grant.given", "info", []),
    (GrantEdit("grant_changed", grant(access_request_id="ar-1"), "less work", "operator"), "grant.changed", "info", ["cs.kim"]),
    (GrantEdit("grant_suspended", grant(suspended="pledge lapsed")), "grant.suspended", "warning", ["cs.kim"]),
    (GrantEdit("grant_resumed", grant()), "grant.resumed", "info", ["cs.kim"]),
    (GrantEdit("grant_ended", grant(ended="left the desk")), "grant.ended", "warning", ["cs.kim"]),
    (emergency(1, NOW), "break_glass.taken", "critical", ["cs.lee", "dba.jung", "dpo.yoon"]),
    (BlockEdit("principal_blocked", Block("person", "p.cs.kim"), "seen at night"), "principal.blocked", "critical", ["dba.jung", "dpo.yoon"]),
    (BlockEdit("principal_blocked", Block("tool", "crm-desk"), "seen at night"), "principal.blocked", "critical", ["dpo.yoon"]),
    (BlockEdit("principal_unblocked", Block("tool", "crm-desk"), "mended"), "principal.unblocked", "warning", ["dpo.yoon"]),
    (LogEdit("log_close_asked", lost("dpo.yoon")), "review.log_closing", "warning", ["sec.han"]),
    (LogEdit("log_closed", lost("dpo.yoon", "sec.han")), "review.log_closed", "info", ["dpo.yoon"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("edit", "kind", "severity", "people"), TOLD, ids=[f"{number} {row[1]}" for number, row in enumerate(TOLD)]
)
def test_a_record_tells(edit: Edit, kind: str, severity: str, people: list[str]):
    notice = World().told(edit)
    assert notice is not None
    assert (notice.id, notice.kind, notice.severity, names(notice)) == (RECORD, kind, severity, people)
    assert notice == World().told(edit)


def test_personnel_tells_nobody():
    person = World().book().holdings.person_of("p.new.oh")
    assert person is not None
    assert World().told(PersonEdit("person_changed", person, "leaver", "hr")) is None


def test_whoever_asks_for_somebody_else_hears_of_the_end_and_is_not_asked_to_decide():
    world = World()
    asked = asking(1, NOW, applicant=employee("cs.lee"))
    assert names(world.told(made(asked))) == []  # the only owner has asked: nobody decides it
    assert names(world.told(RequestEdit("request_closed", replace(asked, state="denied")))) == ["cs.lee", "new.oh"]


def test_who_has_left_is_told_nothing():
    world = World()
    lee = world.book().holdings.person_of("p.cs.lee")
    assert lee is not None
    world.ledger.apply([PersonEdit("person_changed", replace(lee, status="left"))])
    assert names(world.told(made(asking(1, NOW)))) == ["dba.jung"]  # in the owner's place


def test_a_deputy_is_asked_beside_the_owner_for_as_long_as_that_lasts():
    world = World()
    lee = world.book().holdings.person_of("p.cs.lee")
    assert lee is not None
    deputies = (Delegation("p.fraud.choi", NOW - DAY, NOW + DAY), Delegation("p.mkt.park", NOW - DAY, NOW))
    world.ledger.apply([PersonEdit("person_changed", replace(lee, delegations=deputies))])
    assert names(world.told(made(asking(1, NOW)))) == ["cs.lee", "fraud.choi"]


def test_a_review_of_an_emergency_that_is_overdue_is_an_alarm_and_until_then_no_matter_of_waiting():
    taken = asking(1, NOW, kind="break_glass", role="fraud_analyst", purpose="fraud_investigation", lapses_at=NOW + 3 * DAY)
    world = World(made(taken))
    assert world.due(NOW + 3 * DAY - 1) == []
    (notice,) = world.due(NOW + 3 * DAY)
    assert (notice.kind, notice.severity, names(notice)) == (
        "break_glass.overdue",
        "critical",
        ["cs.lee", "dba.jung", "dpo.yoon"],
    )
    world.ledger.apply([RequestEdit("request_closed", replace(taken, state="approved", votes=(vote("cs.lee"),)))])
    assert world.due(NOW + 3 * DAY) == []


@pytest.mark.parametrize(
    ("ends_in", "said"),
    [(15 * DAY, []), (14 * DAY, ["14"]), (4 * DAY, ["4"]), (3 * DAY, ["3"]), (SECOND, ["1"]), (0, [])],
)
def test_a_grant_that_ends_is_said_in_time(ends_in: int, said: list[str]):
    world = World(GrantEdit("grant_added", grant(NOW + ends_in)))
    found = [each for each in world.due() if each.kind == "grant.ends"]
    assert [each.about["left"] for each in found] == said
    assert all(names(each) == ["cs.kim"] for each in found)
    assert not [each for each in world.due(said=[each.id for each in found]) if each.kind == "grant.ends"]


def test_each_step_before_an_end_is_said_once_and_a_new_end_anew():
    world = World(GrantEdit("grant_added", grant(NOW + 14 * DAY)))
    said: list[str] = []
    for hour in range(14 * 24):
        said += [each.id for each in world.due(NOW + hour * DAY // 24, said=said)]
    assert len(said) == 2
    world.ledger.apply([GrantEdit("grant_changed", grant(NOW + 20 * DAY))])
    assert len(world.due(NOW + 10 * DAY, said=said)) == 1


def test_what_goes_on_anyway_or_is_short_or_was_for_an_emergency_does_not_end():
    after = grant(NOW + 90 * DAY, grant_id="g-10", starts_at=NOW + 5 * DAY)
    assert World(GrantEdit("grant_added", grant(NOW + 5 * DAY)), GrantEdit("grant_added", after)).due() == []
    short = grant(NOW + 10 * DAY, starts_at=NOW - DAY)
    assert World(GrantEdit("grant_added", short)).due() == []
    assert [each.about["left"] for each in World(GrantEdit("grant_added", short)).due(NOW + 8 * DAY)] == ["2"]
    assert World(emergency(1, NOW)).due() == []
    ended = [GrantEdit("grant_added", grant(NOW + 5 * DAY)), GrantEdit("grant_ended", grant(NOW + 4 * DAY, ended="moved"))]
    assert World(*ended).due() == []


def test_a_fact_that_lapses_is_said_to_its_person_unless_it_is_renewed():
    world = World()
    kim = world.book().holdings.person_of("p.cs.kim")
    assert kim is not None
    pledge = Fact("pledge", NOW - 300 * DAY, NOW + 14 * DAY, "hr")
    world.ledger.apply([PersonEdit("person_changed", replace(kim, facts=(pledge,)))])
    (notice,) = world.due()
    assert (notice.kind, notice.about["fact"], names(notice)) == ("fact.lapses", "pledge", ["cs.kim"])
    assert notice.about["roles"] == "cs_agent"
    world.ledger.apply([PersonEdit("person_changed", replace(kim, facts=(pledge, pledge._replace(ends_at=NOW + 400 * DAY))))])
    assert world.due() == []


def test_a_request_that_waits_goes_further_up_step_by_step():
    world = World(made(asking(1, NOW)))
    steps = [world.due(NOW + days * DAY) for days in (1, 2, 3, 4, 9)]
    assert [[(each.kind, names(each)) for each in step] for step in steps] == [
        [],
        [("request.waiting", ["cs.lee", "dba.jung"])],
        [("request.waiting", ["cs.lee", "dba.jung"])],
        [("request.waiting", ["cs.lee", "dba.jung", "dpo.yoon"])],
        [("request.waiting", ["cs.lee", "dba.jung", "dpo.yoon"])],
    ]
    ids = [step[0].id for step in steps[1:]]
    assert ids[0] == ids[1] != ids[2] == ids[3]
    assert world.due(NOW + 9 * DAY, Pace(escalate=0)) == []


def test_a_vote_begins_the_wait_anew():
    asked = asking(1, NOW, role="cs_manager", stages=("owner", "privacy"))
    world = World(made(asked))
    world.ledger.apply([RequestEdit("request_voted", replace(asked, stage=1, votes=(vote("cs.lee", at=NOW + DAY),)))])
    assert world.due(NOW + 2 * DAY) == []
    assert names(world.due(NOW + 3 * DAY)[0]) == ["dba.jung", "dpo.yoon"]


def test_an_undecided_request_lapses_with_a_word_to_whoever_asked_and_an_old_one_without():
    world = World(made(asking(1, NOW)))
    (notice,) = world.due(NOW + 14 * DAY)
    assert (notice.kind, names(notice)) == ("request.lapsed", ["new.oh"])
    assert world.due(NOW + 60 * DAY, Pace((), 2)) == []


def test_p5_what_people_typed_leaves_the_house_only_without_data():
    assert typed("fine,\n\tjust  so") == "fine, just so"
    for text in ("call 010-1234-5678", "resident 900101-1234567", "member 1000001", "a@example.com"):
        assert typed(text) == "…"
    assert len(typed("word " * 200)) == 301
    notice = World().told(made(asking(1, NOW, reason="call 010-1234-5678")))
    assert notice is not None
    assert "5678" not in say(notice, "both").text


FILLED = (
    *("holder", "role", "purpose", "request", "grant", "left", "waited", "fact", "principal", "role_name", "purpose_name"),
    *("review", "title", "items", "exception", "log"),
)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_said_in_both_languages_of_the_same_things(kind: str):
    texts = [vocabulary.VOCABULARY.kinds[kind] for vocabulary in (words_en, words_ko)]
    used = [sorted({name for line in text for _, name, _, _ in string.Formatter().parse(line) if name}) for text in texts]
    assert used[0] == used[1]
    assert set(used[0]) <= set(FILLED)
    commands = [[line for line in text if line.startswith("  munjigi")] for text in texts]
    assert commands[0] == commands[1]
    assert re.search("[가-힣]", "".join(texts[1]))
    assert not re.search("[가-힣]", "".join(texts[0]))


def test_labels_and_marks_are_there_in_both_languages():
    one, other = words_en.VOCABULARY, words_ko.VOCABULARY
    assert one.labels.keys() == other.labels.keys()
    assert one.severities.keys() == other.severities.keys() == set(SEVERITIES)


def test_times_are_said_in_the_policys_zone():
    notice = World().told(GrantEdit("grant_added", grant(NOW)))
    assert notice is not None
    assert "Until: 2027-01-15 08:00 UTC" in say(notice, "en").text
    from msgspec.structs import replace as with_

    assert "Until: 2027-01-15 17:00 KST" in say(with_(notice, zone="Asia/Seoul"), "en").text
