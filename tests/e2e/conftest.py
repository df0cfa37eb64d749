"""The RPC suite runs on both fronts, against one real daemon each."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from at_workers import at_workers
from running import ROOT, Daemon, Stubs, serving


@pytest.fixture(scope="session", params=["native", "grpcio"])
def daemon(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with serving(tmp_path_factory.mktemp(request.param) / "var", MUNJIGI_FRONT=request.param) as running:
        yield running


@pytest.fixture(scope="session")
def stubs(daemon: Daemon) -> Iterator[Stubs]:
    with daemon.channel() as channel:
        yield Stubs(channel)


@pytest.fixture(scope="session", params=["native", "grpcio"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon of two workers, with short leases, that loads its policy only when told to."""
    folder = tmp_path_factory.mktemp(f"pair-{request.param}")
    shutil.copytree(ROOT / "policies", folder / "policies")
    options = ("--workers", "2", "--lease-seconds", "1", "--policy-watch-seconds", "0", "--front", request.param)
    with serving(folder / "var", *options, MUNJIGI_POLICY_HOME=str(folder / "policies")) as running:
        yield running


@pytest.fixture(scope="session")
def both(pair: Daemon) -> Iterator[dict[str, Stubs]]:
    """The services at each of the two, by the id of its log."""
    with at_workers(pair, 2) as found:
        yield found
