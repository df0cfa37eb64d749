"""The RPC suite runs on both fronts, against one real daemon each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from running import Daemon, Stubs, serving


@pytest.fixture(scope="session", params=["native", "grpcio"])
def daemon(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with serving(tmp_path_factory.mktemp(request.param) / "var", MUNJIGI_FRONT=request.param) as running:
        yield running


@pytest.fixture(scope="session")
def stubs(daemon: Daemon) -> Iterator[Stubs]:
    with daemon.channel() as channel:
        yield Stubs(channel)
