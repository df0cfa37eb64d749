"""What is counted of rights, in SQLite and in PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from munjigi.adapters.state.counts import count_holdings, records_after
from munjigi.adapters.state.sqlite import SqliteStateStore
from munjigi.adapters.state.store import SqlStateStore
from munjigi.audit.permission_records import GrantAddedRecord, PersonRecord
from munjigi.audit.records import decode
from munjigi.grants.changes import grant_added
from munjigi.grants.sample import seed_sample
from munjigi.kernel.clock import SECOND
from munjigi.kernel.grant import Grant
from munjigi.kernel.identity import EMBEDDED_ISSUER, EmployeeKey

DAY = 86_400 * SECOND
NOW = 1_795_000_000 * SECOND


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.servers)])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlStateStore]:
    if request.param == "postgresql":
        yield request.getfixturevalue("store")
        return
    with closing(SqliteStateStore(tmp_path / "state.sqlite")) as store:
        store.migrate()
        yield store


def given(grant_id: str, starts: int, ends: int, **more: object) -> Grant:
    who = EmployeeKey(EMBEDDED_ISSUER, "new.oh")
    return Grant(grant_id, who, "cs_agent", "inquiry", NOW + starts, NOW + ends, ("cs.lee",), **more)  # type: ignore[arg-type]


def test_grants_count_by_what_they_are_now(either: SqlStateStore) -> None:
    assert seed_sample(either, NOW - DAY)
    grants = [
        given("g.soon", -DAY, DAY // 2),
        given("g.week", -DAY, 5 * DAY),
        given("g.month", -DAY, 30 * DAY),
        given("g.later", DAY, 9 * DAY),
        given("g.away", -DAY, 9 * DAY, suspended="leave"),
        given("g.emergency", -SECOND, SECOND, break_glass=True),
        given("g.over", -9 * DAY, -2 * SECOND),
        given("g.long_over", -9 * DAY, -8 * DAY),
        given("g.ended", -9 * DAY, -SECOND, ended="revoked"),
        given("g.at_its_end", -DAY, 0),  # half-open: over now
    ]
    either.apply([grant_added(grant) for grant in grants], at=NOW, actor="test", request_id="counts")
    found = count_holdings(either, NOW - DAY, NOW)
    assert found.grants == {"active": 7 + 4, "upcoming": 1, "suspended": 1}
    assert found.ending == {"1d": 2, "7d": 3, "30d": 4}
    assert (found.break_glass, found.expired, found.people) == (1, 2, {"active": 9})
    later = count_holdings(either, NOW - DAY, NOW + SECOND)
    assert (later.break_glass, later.expired, later.grants["active"]) == (0, 3, 10)


def test_records_are_read_on_from_a_revision(either: SqlStateStore) -> None:
    seed_sample(either, NOW)
    kinds = [type(decode(payload)) for payload in records_after(either, 0, 100)]
    assert kinds == [PersonRecord] * 9 + [GrantAddedRecord] * 7
    assert records_after(either, 0, 100)[10:12] == records_after(either, 10, 2)
    assert records_after(either, either.revision(), 100) == []
