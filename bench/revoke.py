"""From the request to block somebody until no worker answers ALLOW any more: `python -m bench.revoke FOLDER`, about two minutes.

With one worker, with two, and with two instances over one PostgreSQL, which `tests/postgresql.py` starts: run with `tests` in
PYTHONPATH. Time of the whole call, which comes back when the block is true at every worker. After each of them every worker is asked, on a
connection of its own; what is allowed then is counted as wrong. Callers keep all workers busy meanwhile. And a storm: a list of people
who have left ends 10,000 grants, until that is true at both workers.
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import grpc
import psutil

from bench.machine import cpu_seconds
from bench.servers import QUESTION, ROOT
from bench.table import Row, number
from munjigi.adapters.identity.local_issuer import mint_employee, mint_tool
from munjigi.adapters.state.sqlite import SqliteStateStore
from munjigi.grants.changes import grant_added, person_changed
from munjigi.kernel.grant import Grant, Person
from munjigi.kernel.identity import EMBEDDED_ISSUER, EmployeeKey
from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb
from munjigi_client._proto.munjigi.v1 import decision_service_pb2_grpc, grant_service_pb2_grpc, people_pb2, revocation_pb2

_TIMES: Final = 150
_TARGET: Final = 1.0  # seconds, p99
_STORM: Final = 10.0  # seconds
_PEOPLE: Final = 2000
_EACH: Final = 5  # grants
_PIECE: Final = 200  # rows of a list that are one commit, as `munjigi people import` has them
_ALONE: Final = (("grpc.use_local_subchannel_pool", 1),)
_Metadata = tuple[tuple[str, str], ...]


def _credentials(state: Path, employee: str, tool: str) -> _Metadata:
    return (
        ("authorization", f"Bearer {mint_employee(state, employee, tool)}"),
        ("munjigi-tool-token", mint_tool(state, tool)),
    )


@contextmanager
def _daemon(state: Path, workers: int, **more: str) -> Iterator[str]:
    with socket.socket() as grpc_port, socket.socket() as http_port:
        for each in (grpc_port, http_port):
            each.bind(("127.0.0.1", 0))
        address, http = (f"127.0.0.1:{each.getsockname()[1]}" for each in (grpc_port, http_port))
    process = subprocess.Popen(
        [sys.executable, "-m", "munjigi.cli.main", "serve", "--no-sample", "--workers", str(workers), "--state-dir", str(state)],
        env={**os.environ, "MUNJIGI_GRPC_ADDRESS": address, "MUNJIGI_HTTP_ADDRESS": http, "MUNJIGI_LOG_LEVEL": "warning", **more},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        while "is serving." not in process.stdout.readline():
            if process.poll() is not None:
                raise RuntimeError("the daemon ended before it served")
        yield address
    finally:
        process.terminate()
        process.wait(30)


def _each_worker(stack: ExitStack, address: str, workers: int, here: _Metadata) -> list[grpc.Channel]:
    """Connect to each worker; the kernel chooses, so connections are made until each has one."""
    found: dict[str, grpc.Channel] = {}
    while len(found) < workers:
        channel = grpc.insecure_channel(address, options=_ALONE)
        stub = decision_service_pb2_grpc.DecisionServiceStub(channel)
        log_id = stub.Check(QUESTION, metadata=here, wait_for_ready=True).record.log_id
        if log_id in found:
            channel.close()
        else:
            found[log_id] = stack.enter_context(channel)
    return list(found.values())


def measure(state: Path, workers: int) -> dict[str, Any]:
    """Measure the workers of one instance."""
    with _daemon(state, workers) as address, ExitStack() as stack:
        channels = _each_worker(stack, address, workers, _credentials(state, "cs.kim", "crm-desk"))
        return _blocked([(state, each) for each in channels])


def measure_instances(folder: Path) -> dict[str, Any]:
    """Measure two instances of one worker each over one PostgreSQL."""
    from postgresql import postgresql  # noqa: PLC0415 - of the tests

    folder.mkdir(mode=0o700, parents=True)
    with postgresql(folder) as server, ExitStack() as stack:
        server.make("bench")
        at = []
        for state in (folder / "one", folder / "other"):
            address = stack.enter_context(_daemon(state, 1, **server.settings("bench")))
            at.append((state, stack.enter_context(grpc.insecure_channel(address, options=_ALONE))))
        return _blocked(at)


def _blocked(at: list[tuple[Path, grpc.Channel]]) -> dict[str, Any]:
    """Block and unblock an employee again and again; return the seconds of each call and what was wrong."""
    here = [_credentials(state, "cs.kim", "crm-desk") for state, _ in at]
    officers = [_credentials(state, "dpo.yoon", "munjigi-cli") for state, _ in at]
    checks = [decision_service_pb2_grpc.DecisionServiceStub(each) for _, each in at]
    grants = [grant_service_pb2_grpc.GrantServiceStub(each) for _, each in at]
    ended = threading.Event()

    def ask(number: int) -> None:
        while not ended.is_set():
            with suppress(grpc.RpcError):
                checks[number].Check(QUESTION, metadata=here[number])

    askers = [threading.Thread(target=ask, args=(number,)) for number in range(len(at))]
    for each in askers:
        each.start()
    seconds, wrong = [], 0
    try:
        for turn in range(_TIMES):
            number = turn % len(at)
            block = revocation_pb2.BlockPrincipalRequest(employee="cs.kim", reason="bench")
            began = time.perf_counter()
            grants[number].BlockPrincipal(block, metadata=officers[number])
            seconds.append(time.perf_counter() - began)
            answers = [each.Check(QUESTION, metadata=mine) for each, mine in zip(checks, here, strict=True)]
            wrong += sum(each.decision == pb.DECISION_ALLOW for each in answers)
            anew = revocation_pb2.UnblockPrincipalRequest(employee="cs.kim", reason="bench")
            grants[number].UnblockPrincipal(anew, metadata=officers[number])
    finally:
        ended.set()
        for each in askers:
            each.join()
    return {"seconds": seconds, "wrong": wrong}


def storm(state: Path) -> dict[str, float]:
    """Let people leave by a list until all their grants have ended at two workers; return the seconds, and how many grants that were."""
    with _daemon(state, 1):
        pass  # makes the store
    now = time.time_ns()
    keys = [EmployeeKey(EMBEDDED_ISSUER, f"e{each}") for each in range(_PEOPLE)]
    people = [person_changed(Person(f"p.{each.subject}", "employee", "customer-service", (each,))) for each in keys]
    given = [
        grant_added(Grant(f"g{number}.{key.subject}", key, "cs_agent", f"p{number}", now, now + 10**17, ("cs.lee",)))
        for key in keys
        for number in range(_EACH)
    ]
    with closing(SqliteStateStore(state / "state.sqlite")) as store:
        store.apply([*people, *given], at=now, actor="bench", request_id="")
    with _daemon(state, 2) as address, grpc.insecure_channel(address) as channel:
        officer = _credentials(state, "dpo.yoon", "munjigi-cli")
        stub, ended = grant_service_pb2_grpc.GrantServiceStub(channel), 0
        workers = [each for each in psutil.Process().children(recursive=True) if "munjigi.app.worker" in each.cmdline()]
        began, worked = time.perf_counter(), sum(cpu_seconds(each.pid) for each in workers)
        for first in range(0, _PEOPLE, _PIECE):
            rows = [
                people_pb2.PersonRow(person_id=f"p.{key.subject}", status=people_pb2.PERSON_STATUS_LEFT)
                for key in keys[first : first + _PIECE]
            ]
            answer = stub.ImportPeople(people_pb2.ImportPeopleRequest(rows=rows, source="hr"), metadata=officer, timeout=120)
            ended += sum(each.ended_grants for each in answer.outcomes)
        took, worked = time.perf_counter() - began, sum(cpu_seconds(each.pid) for each in workers) - worked
        return {"seconds": took, "cpu_seconds": worked, "grants": ended}


def rows(figures: dict[str, Any]) -> list[Row]:
    """Make the lines of the table."""
    named = {"1": "revoke to denied everywhere, one worker", "2": "the same, two workers", "instances": "the same, two instances"}
    found, storm_ = [_row(what, figures[name]) for name, what in named.items() if name in figures], figures["storm"]
    fine = storm_["seconds"] <= _STORM and storm_["grants"] == _PEOPLE * _EACH
    return [
        *found,
        Row(
            f"{number(storm_['grants'])} grants ended by a list of leavers, at both workers",
            f"{storm_['seconds']:.1f} s",
            f"{storm_['cpu_seconds']:.1f} s of both workers' CPU",
            target=f"<= {_STORM:g} s",
            met=fine,
        ),
    ]


def _row(what: str, found: dict[str, Any]) -> Row:
    cuts = statistics.quantiles(found["seconds"], n=100)
    return Row(
        what,
        f"p99 {number(cuts[98] * 1000)} ms, {found['wrong']} wrong",
        target=f"p99 <= {_TARGET:g} s, 0 wrong",
        met=cuts[98] <= _TARGET and not found["wrong"],
        latency=f"{number(cuts[49] * 1000)} / {number(cuts[98] * 1000)}",
    )


def main(folder: Path) -> dict[str, Any]:
    """Measure all of it."""
    found: dict[str, Any] = {str(workers): measure(folder / str(workers), workers) for workers in (1, 2)}
    found["storm"] = storm(folder / "storm")
    try:
        found["instances"] = measure_instances(folder / "instances")
    except Exception as error:  # noqa: BLE001 - the table says what is missing
        found["missing"] = f"Two instances were not measured: {type(error).__name__}"
    return found


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
