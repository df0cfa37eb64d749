from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from running import free_port
from signin.company import Company
from signin.keycloak import Keycloak


@pytest.fixture(scope="session")
def logout_port() -> int:
    """Where the company's daemon takes logouts: the provider is told before either is up."""
    return free_port()


@pytest.fixture(scope="session")
def keycloak(logout_port: int) -> Iterator[Keycloak]:
    folder = Path(tempfile.mkdtemp(prefix="munjigi-keycloak-"))  # its own user can't reach pytest's folders
    folder.chmod(0o755)
    server = Keycloak(folder, f"http://127.0.0.1:{logout_port}/oidc/backchannel-logout")
    try:
        yield server.start()
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def company(keycloak: Keycloak, logout_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    """A daemon whose employees sign in at Keycloak; a test that changes something of it changes it back."""
    folder = tmp_path_factory.mktemp("company")
    company = Company(folder, keycloak, logout_port, now=time.time_ns())
    company.daemon.start()
    try:
        yield company
    finally:
        assert company.daemon.stop() == 0
