from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Iterator

import pytest
from elastic.server import ElasticsearchServer, elasticsearch, make_folder

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def cluster_server() -> Iterator[ElasticsearchServer]:
    folder = make_folder()
    server = elasticsearch(folder)
    try:
        yield server.start()
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def secured(cluster_server: ElasticsearchServer) -> ElasticsearchServer:
    """The cluster, where it has accounts."""
    if not cluster_server.secure:
        pytest.skip("this Elasticsearch has no accounts")
    return cluster_server


@pytest.fixture
def owned(cluster_server: ElasticsearchServer) -> ElasticsearchServer:
    """The cluster, where it is ours to stop."""
    if not cluster_server.own:
        pytest.skip("this Elasticsearch was given to us and is not stopped")
    return cluster_server


@pytest.fixture
def prefix() -> str:
    """Index names of this test's own; the roles allow `munjigi-*`."""
    return f"munjigi-t{next(_NUMBERS)}-{os.getpid()}"
