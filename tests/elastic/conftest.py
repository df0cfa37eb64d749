from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator

import pytest
from elastic.server import ElasticsearchServer, make_folder

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def cluster_server() -> Iterator[ElasticsearchServer]:
    folder = make_folder()
    server = ElasticsearchServer(folder)
    try:
        yield server.start()
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def prefix() -> str:
    """Index names of this test's own; the roles allow `munjigi-*`."""
    return f"munjigi-t{next(_NUMBERS)}"
