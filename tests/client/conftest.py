from __future__ import annotations

import pytest

from doubles.wire import Wire, serving


@pytest.fixture
def wire():
    with serving() as running:
        yield running


@pytest.fixture
def client(wire: Wire):
    from munjigi_client import Client

    with Client(wire.target, employee_token="employee-token", tool_token="tool-token", timeout=5) as made:
        yield made
