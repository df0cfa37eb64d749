"""Who holds what, looked up one by one, is what the whole table says: on SQLite and on PostgreSQL, a page at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from notices.kit import DAY, asking, employee, made

from munjigi.adapters.state import holdings
from munjigi.adapters.state.holdings import StoredHoldings
from munjigi.adapters.state.sqlite import SqliteStateStore
from munjigi.adapters.state.store import SqlStateStore
from munjigi.decision.grant_table import GrantTable
from munjigi.grants.changes import BlockEdit, GrantEdit, person_changed
from munjigi.grants.sample import sample_company
from munjigi.kernel.grant import Block, Delegation, Fact, Grant, Person

NOW = 400 * DAY


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlStateStore]:
    found: SqlStateStore
    if request.param == "sqlite":
        found = SqliteStateStore(tmp_path / "state.sqlite")
    else:
        from munjigi.adapters.state.postgresql import PostgresqlStateStore

        server = request.getfixturevalue("postgresql_server")
        server.empty("notices")
        found = PostgresqlStateStore(server.address("notices"))
    with closing(found):
        found.migrate()
        found.apply(sample_company(NOW), at=NOW, actor="test", request_id="sample")
        found.apply([made(asking(number, NOW)) for number in range(5)], at=NOW, actor="test", request_id="asked")
        found.apply(
            [BlockEdit("principal_blocked", Block("person", "p.mkt.park"), "a trial")], at=NOW, actor="test", request_id="b"
        )
        yield found


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holdings, "_PAGE", 2)


def test_lookups_find_what_the_whole_table_has(store: SqlStateStore):
    state = store.load()
    table = GrantTable.build(state.grants, state.people, state.grant_revision, state.blocks)
    stored = StoredHoldings(store)
    assert (stored.revision, stored.blocks) == (table.revision, table.blocks)
    for grant in state.grants:
        assert stored.grant(grant.grant_id) == grant
        assert stored.of(grant.employee) == table.of(grant.employee)
        held, wanted = stored.holders(grant.role, grant.purpose), table.holders(grant.role, grant.purpose)
        assert list(held.since(None)) == list(wanted.since(None))
        assert len(held) == len(wanted)
        assert next(iter(held.since(grant.employee))) == grant.employee
    for person in state.people:
        assert stored.person_of(person.person_id) == person == stored.person(person.accounts[0])
    assert list(stored.people()) == state.people
    stranger = employee("?")
    assert (stored.grant("?"), stored.person_of("?"), stored.person(stranger), stored.of(stranger)) == (None, None, None, ())
    assert len(stored.holders("?", "?")) == 0


def test_periods_are_half_open_and_everything_in_them_comes_once_in_order(store: SqlStateStore):
    kim = employee("cs.kim")
    ends = [NOW + 2 * DAY, NOW + DAY, NOW + 2 * DAY, NOW + 3 * DAY, NOW + 4 * DAY]
    grants = [Grant(f"g-{number}", kim, "fraud_analyst", "inquiry", NOW, end, ("cs.lee",)) for number, end in enumerate(ends)]
    store.apply([GrantEdit("grant_added", each) for each in grants], at=NOW, actor="test", request_id="grants")
    ended = Grant("g-4", kim, "fraud_analyst", "inquiry", NOW, NOW + 4 * DAY, ("cs.lee",), ended="moved")
    store.apply([GrantEdit("grant_ended", ended)], at=NOW, actor="test", request_id="ended")
    stored = StoredHoldings(store)
    assert [each.grant_id for each in stored.ending(NOW, NOW + 4 * DAY)] == ["g-1", "g-0", "g-2", "g-3"]
    assert [each.grant_id for each in stored.ending(NOW + DAY, NOW + 2 * DAY)] == ["g-0", "g-2"]
    assert list(stored.ending(NOW, NOW + DAY - 1)) == []


def test_people_with_a_fact_that_lapses_and_requests_that_wait(store: SqlStateStore):
    people = [
        Person(f"p.{number}", "employee", "", (employee(f"e.{number}"),), (Fact("pledge", NOW, NOW + number * DAY, "hr"),))
        for number in range(1, 6)
    ]
    people[0] = replace(people[0], delegations=(Delegation("p.2", NOW, NOW + DAY), Delegation("p.3", 0, 1)))
    store.apply([person_changed(each) for each in people], at=NOW, actor="test", request_id="people")
    stored = StoredHoldings(store)
    assert [stored.stood_in_for(f"p.{number}") for number in (1, 2, 3)] == [set(), {"p.1"}, {"p.1"}]
    assert list(stored.lapsing(NOW + DAY, NOW + 4 * DAY)) == people[1:4]
    assert list(stored.lapsing(NOW, NOW + DAY - 1)) == []
    assert [each.access_request_id for each in stored.undecided()] == ["ar-4", "ar-3", "ar-2", "ar-1", "ar-0"]
