"""The life of a request, of a grant and of a person as tables: total and closed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from grants.request_kit import DAY, NOW, Company, held, refused

from munjigi.grants.changes import RequestEdit
from munjigi.grants.lifecycle import GRANT, PERSON, REQUEST, request_state_of, require, require_open, state_of
from munjigi.kernel.errors import FailedPrecondition


@pytest.fixture
def there() -> Company:
    return Company()


def test_the_tables_are_closed_and_every_state_is_reached() -> None:
    requests = {"requested", "approved", "denied", "withdrawn", "superseded", "lapsed"}
    grants = {"pending", "active", "suspended", "expired", "revoked"}
    people = {"", "active", "leave", "left"}
    for table, states, begin, by_time in (
        (REQUEST, requests, {"requested"}, {"lapsed"}),
        (GRANT, grants, {"pending", "active"}, {"expired"}),
        ({step: (after,) for step, after in PERSON.items()}, people, {""}, set()),
    ):
        reached = set(begin)
        for _ in states:
            reached |= {after for (before, _), follow in table.items() if before in reached for after in follow}  # type: ignore[attr-defined]
        assert reached | by_time == states
    over = {"approved", "denied", "withdrawn", "superseded", "lapsed", "expired", "revoked"}
    assert {step for step in (*REQUEST, *GRANT) if step[0] in over} == {("revoked", "restore")}  # a review is undone


def test_every_event_in_every_state_is_allowed_by_the_table_or_refused(there: Company) -> None:
    grant = held("oh", "agent", start=1, end=9)
    lives = {
        "pending": (grant, NOW),
        "active": (grant, NOW + DAY),
        "suspended": (replace(grant, suspended="leave"), NOW + DAY),
        "expired": (grant, NOW + 9 * DAY),
        "revoked": (replace(grant, ends_at=NOW + 2 * DAY, ended="revoked"), NOW + DAY),
    }
    for state, (each, now) in lives.items():
        assert state_of(each, now) == state
        for event in ("change", "suspend", "resume", "revoke", "restore"):
            if (state, event) in GRANT:
                require(each, event, now)  # type: ignore[arg-type]
            else:
                with refused("GRANT_STATE"):
                    require(each, event, now)  # type: ignore[arg-type]
    asked = there.ask("oh")
    for state in ("requested", "approved", "denied", "withdrawn", "superseded"):
        for event in ("approve", "deny", "withdraw", "supersede"):
            each = replace(asked, state=state)  # type: ignore[arg-type]
            if (state, event) in REQUEST:
                require_open(each, event, NOW)  # type: ignore[arg-type]
                assert request_state_of(each, NOW + 14 * DAY) == "lapsed"
            else:
                with refused("ACCESS_REQUEST_CLOSED"):
                    require_open(each, event, NOW)  # type: ignore[arg-type]


def test_a_grant_at_its_bounds_is_what_its_half_open_period_says() -> None:
    grant = held("oh", "agent", start=1, end=2)
    assert [state_of(grant, NOW + at) for at in (DAY - 1, DAY, 2 * DAY - 1, 2 * DAY)] == [
        "pending",
        "active",
        "active",
        "expired",
    ]


def test_no_store_takes_a_step_that_the_tables_do_not_have(there: Company) -> None:
    asked = there.ask("oh")
    there.withdraw(asked, "oh")
    with pytest.raises(FailedPrecondition):
        there.put(RequestEdit("request_closed", replace(asked, state="approved")))
