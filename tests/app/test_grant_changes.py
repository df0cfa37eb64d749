"""A long list costs those who decide meanwhile nothing: it is put in part by part, the collector does not walk it, what it shares is there once."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from munjigi.adapters.state.sqlite import SqliteStateStore
from munjigi.app.grant_changes import Settling, apply_changes, load_table
from munjigi.decision.grant_table import GrantTable
from munjigi.grants.book import Book
from munjigi.grants.changes import PersonEdit, grant_added, grant_ended, person_changed
from munjigi.grants.personnel import Personnel
from munjigi.grants.staffing import Wanted, events_for
from munjigi.kernel.grant import Fact, Grant, Person
from munjigi.kernel.identity import EmployeeKey

DAY = 86_400_000_000_000
NOW = 400 * DAY
MANY = 1000


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    yield
    gc.unfreeze()


def watched(what: object) -> bool:
    return any(each is what for each in gc.get_objects())


def test_what_many_changes_bring_is_out_of_the_collectors_sight():
    settling, person = Settling(), Person("p.1", "employee", "cs", (EmployeeKey("urn:test", "one"),))
    settling.note(4_999)
    assert watched(person)
    settling.note(1)
    assert not watched(person)
    later = Person("p.2", "employee", "cs", ())
    settling.note(4_999)  # counted anew
    assert watched(later)


def planned(table: GrantTable) -> list[PersonEdit]:
    """Bring three people of one department and manager, who state the same, as a commit of a list does."""
    planner = Personnel(Book(table, None, NOW))  # type: ignore[arg-type]  # no policy is asked about who joins
    for number in range(3):
        facts = (("pledge", NOW + DAY), ("training", NOW + 2 * DAY + number // 2))
        wanted = Wanted(f"p.{number}", "active", None, "cs", "p.top", (EmployeeKey("urn:test", f"a{number}"),), facts)
        for event in events_for(None, wanted, "hr", 0, NOW):
            planner.apply(event)
    return [each for each in planner.edits if isinstance(each, PersonEdit)]


def shared(facts: list[tuple[Fact, ...]]) -> list[bool]:
    """Tell whether first and second, and first and third, have the same pledge and training in memory."""
    return [one is other for person in facts[1:] for one, other in zip(facts[0], person, strict=True)]


def test_people_share_what_they_have_in_common_when_they_come_and_after_a_start(tmp_path: Path):
    with closing(SqliteStateStore(tmp_path / "state.sqlite")) as store:
        store.migrate()
        edits = planned(load_table(store))
        last = {each.person.person_id: each.person for each in edits}
        assert shared([each.facts for each in last.values()]) == [True, True, True, False]
        store.apply(edits, at=NOW, actor="test", request_id="list")
        table = load_table(store, stays=True)
    people = [table.person_of(f"p.{number}") for number in range(3)]
    assert people == list(last.values())
    assert shared([each.facts for each in people if each]) == [True, True, True, False]
    assert len({id(each.department) for each in people if each}) == len({id(each.manager) for each in people if each}) == 1
    assert not any(map(watched, people))


def test_many_changes_leave_others_time_and_come_to_the_table_that_is_loaded(tmp_path: Path):
    keys = [EmployeeKey("i", f"e{number}") for number in range(MANY)]
    grants = [Grant(f"g{key.subject}", key, "cs_agent", "inquiry", 0, 9, ()) for key in keys]
    rests: list[None] = []
    with closing(SqliteStateStore(tmp_path / "state.sqlite")) as store:
        store.migrate()
        people = [person_changed(Person(f"p{key.subject}", "employee", "d", (key,))) for key in keys]
        store.apply([*people, *map(grant_added, grants)], at=5, actor="", request_id="")
        before = load_table(store)
        ended = [replace(grant, ends_at=5, ended="review") for grant in grants]
        last = store.apply([*map(grant_ended, ended)], at=6, actor="", request_id="")
        changes = store.changes_since(before.revision, lambda: rests.append(None))
        assert len(rests) > MANY // 100 - 1, "no thread decodes more than a hundred changes on end"
        rests.clear()
        table = apply_changes(before, changes, lambda: rests.append(None))
        assert len(rests) > MANY // 300 - 1
        assert table.revision == last
        assert list(table) == list(load_table(store)) == sorted(ended, key=lambda grant: grant.employee)
        assert all(not grant.ended for grant in before), "who decides by the table of before sees nothing of it (P2)"
        rests.clear()
        store.apply([person_changed(Person("p1", "employee", "d", ()))], at=7, actor="", request_id="")
        apply_changes(table, store.changes_since(last, lambda: rests.append(None)), lambda: rests.append(None))
        assert not rests, "one change waits for nothing"
