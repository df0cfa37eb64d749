"""Hypothesis profiles, chosen by HYPOTHESIS_PROFILE: `default`, `quick` (other Pythons), `oracle` (`make oracle`).

And the PostgreSQL that tests share.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from postgresql import PostgresqlServer
    from xdist.remote import Producer
    from xdist.scheduler.protocol import Scheduling
    from xdist.workermanage import WorkerController

# Half of a daemon's start is to compile what it imports, and the tests start hundreds: keep what was compiled, whatever the shell says.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# No deadline: the machine is shared with servers that the suite starts, and a slow example isn't a wrong one.
settings.register_profile("default", deadline=None)
settings.register_profile("quick", deadline=None, max_examples=25)
settings.register_profile("oracle", deadline=None, max_examples=5_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    """Undo what a command that ran in this process did to the umask: the next test makes folders that others may read."""
    before = os.umask(0o077)
    os.umask(before)
    yield
    os.umask(before)


@pytest.fixture(scope="session")
def postgresql_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresqlServer]:
    """One server for all tests that need a PostgreSQL; each makes itself a database."""
    from postgresql import postgresql

    with postgresql(tmp_path_factory.mktemp("postgresql")) as server:
        yield server


@pytest.fixture(scope="session", autouse=True)
def state_in_postgresql(request: pytest.FixtureRequest) -> Iterator[None]:
    """Give every daemon a database of its own where MUNJIGI_TEST_STATE=postgresql (`make test-matrix`)."""
    if os.environ.get("MUNJIGI_TEST_STATE", "") != "postgresql":
        yield
        return
    import running

    server: PostgresqlServer = request.getfixturevalue("postgresql_server")
    databases: dict[Path, str] = {}

    def settings(folder: Path) -> dict[str, str]:
        if folder not in databases:
            databases[folder] = f"daemon_{len(databases)}"
            server.make(databases[folder])
        return server.settings(databases[folder])

    before, running.state_settings = running.state_settings, settings
    yield
    running.state_settings = before


def _settrace(install: Callable[[object], None]) -> Callable[[object], None]:
    """Coverage traces each thread from its start on. Under CPython 3.11 one that starts while another is about to be traced dies of it."""

    def again(function: object) -> None:
        while True:
            try:
                return install(function)
            except RuntimeError as error:
                if "another trace function" not in str(error):
                    raise

    return again


if sys.version_info < (3, 12):
    sys.settrace = _settrace(sys.settrace)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Stop what pytest-cov starts in an xdist worker that it takes for the master: it would trace on in tests marked `no_cover`."""
    plugin = session.config.pluginmanager.get_plugin("_cov")
    if hasattr(session.config, "workerinput") and plugin is not None and plugin.cov_controller is not None:
        plugin.cov_controller.cov.stop()


# Several run side by side: whole files, and whole folders whose tests share a server that is dear to start.
_TOGETHER = frozenset(("elastic", "sample", "example", "signin"))

# Folders whose files take long go first, lest one of them runs alone at the end: those that start daemons and servers, then those
# that do much in few tests. The rest goes by number of tests.
_FIRST = (
    *("elastic", "signin", "e2e", "monitoring", "alerts", "notices", "sample", "packaging", "example", "docs"),
    *("faults", "casbin", "review", "app", "company"),
)


def _place(scope: str) -> int:
    folder = scope.removeprefix("tests/").partition("/")[0]
    return _FIRST.index(folder) if folder in _FIRST else len(_FIRST)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling:
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            folder = file.split("/")[1]
            return folder if folder in _TOGETHER else file

        def _assign_work_unit(self, node: WorkerController) -> None:
            self.workqueue.move_to_end(min(self.workqueue, key=_place), last=False)  # of equals the first, which has most tests
            super()._assign_work_unit(node)

    return ByFile(config, log)
