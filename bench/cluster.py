"""A real Elasticsearch for benchmarks, started as the tests start theirs, without its security."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from elastic.server import ElasticsearchServer, make_folder

from bench.machine import cpu_seconds
from munjigi.adapters.elasticsearch.access import Access
from munjigi.adapters.elasticsearch.cluster import Cluster
from munjigi.adapters.elasticsearch.documents import Naming
from munjigi.adapters.elasticsearch.template import install


@contextmanager
def started() -> Iterator[tuple[ElasticsearchServer | None, str]]:
    """Run one on this process's cores; give it, or why there is none."""
    folder = make_folder()
    server = None
    try:
        server = ElasticsearchServer(folder, secure=False, tuned=True).start()
        yield server, ""
    except pytest.skip.Exception as reason:
        yield None, str(reason)
    finally:
        if server is not None:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def installed(url: str, naming: Naming) -> None:
    """Install the templates under a prefix, without replicas."""

    async def run() -> None:
        async with Cluster(Access((url,))) as there:
            await install(there, naming, replicas=0)

    asyncio.run(run())


def pids(server: ElasticsearchServer) -> list[int]:
    """Return its processes: its launcher, which waits, and its Java."""
    assert server.process is not None  # it runs
    launcher = psutil.Process(server.process.pid)
    return [each.pid for each in (launcher, *launcher.children(recursive=True))]


def server_cpu(server: ElasticsearchServer) -> float:
    """Return the processor seconds that the server has taken: the system's figures. What it says of itself is up to a second old."""
    return sum(map(cpu_seconds, pids(server)))


def run(measure: Callable[[ElasticsearchServer, Path, int], Any], records: int) -> None:
    """Be the program of a benchmark: `FOLDER [RECORDS]`; print what it measured as JSON, or why there is no server."""
    with started() as (server, missing):
        if server is None:
            print(json.dumps({"missing": missing}))
            return
        print(json.dumps(measure(server, Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else records)))
