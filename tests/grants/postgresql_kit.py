"""What the tests of the PostgreSQL store share."""

from __future__ import annotations

import time
from collections.abc import Callable

from munjigi.adapters.state.address import Address
from munjigi.adapters.state.postgresql import PostgresqlStateStore

DATABASE = "state"


def opened(address: Address) -> PostgresqlStateStore:
    store = PostgresqlStateStore(address)
    store.migrate()
    return store


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)
