from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from grants.postgresql_kit import DATABASE, opened
from postgresql import PostgresqlServer

from munjigi.adapters.state.address import Address
from munjigi.adapters.state.postgresql import PostgresqlStateStore


@pytest.fixture
def server(postgresql_server: PostgresqlServer) -> PostgresqlServer:
    postgresql_server.empty(DATABASE)
    return postgresql_server


@pytest.fixture
def address(server: PostgresqlServer) -> Address:
    return server.address(DATABASE)


@pytest.fixture
def store(address: Address) -> Iterator[PostgresqlStateStore]:
    with closing(opened(address)) as store:
        yield store
