"""From the request to block somebody until no worker answers ALLOW any more: `python -m bench.revoke FOLDER`, about a minute.

Time of the whole call, which comes back when the block is true at every worker. After each of them every worker is asked, on a
connection of its own; what is allowed then is counted as wrong. Callers keep all workers busy meanwhile.
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
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import grpc

from bench.servers import QUESTION, ROOT
from bench.table import Row, number
from munjigi.adapters.identity.local_issuer import mint_employee, mint_tool
from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb
from munjigi_client._proto.munjigi.v1 import decision_service_pb2_grpc, grant_service_pb2_grpc, revocation_pb2

_TIMES: Final = 150
_TARGET: Final = 1.0  # seconds, p99
_ALONE: Final = (("grpc.use_local_subchannel_pool", 1),)
_Metadata = tuple[tuple[str, str], ...]


def _credentials(state: Path, employee: str, tool: str) -> _Metadata:
    return (
        ("authorization", f"Bearer {mint_employee(state, employee, tool)}"),
        ("munjigi-tool-token", mint_tool(state, tool)),
    )


@contextmanager
def _daemon(state: Path, workers: int) -> Iterator[str]:
    with socket.socket() as grpc_port, socket.socket() as http_port:
        for each in (grpc_port, http_port):
            each.bind(("127.0.0.1", 0))
        address, http = (f"127.0.0.1:{each.getsockname()[1]}" for each in (grpc_port, http_port))
    process = subprocess.Popen(
        [sys.executable, "-m", "munjigi.cli.main", "serve", "--no-sample", "--workers", str(workers), "--state-dir", str(state)],
        env={**os.environ, "MUNJIGI_GRPC_ADDRESS": address, "MUNJIGI_HTTP_ADDRESS": http, "MUNJIGI_LOG_LEVEL": "warning"},
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
    """Block and unblock an employee again and again; return the seconds of each call and what was wrong."""
    with _daemon(state, workers) as address, ExitStack() as stack:
        here, officer = _credentials(state, "cs.kim", "crm-desk"), _credentials(state, "dpo.yoon", "munjigi-cli")
        channels = _each_worker(stack, address, workers, here)
        checks = [decision_service_pb2_grpc.DecisionServiceStub(each) for each in channels]
        grants = [grant_service_pb2_grpc.GrantServiceStub(each) for each in channels]
        ended = threading.Event()

        def ask(stub: Any) -> None:
            while not ended.is_set():
                with suppress(grpc.RpcError):
                    stub.Check(QUESTION, metadata=here)

        askers = [threading.Thread(target=ask, args=(each,)) for each in checks]
        for each in askers:
            each.start()
        seconds, wrong = [], 0
        try:
            for turn in range(_TIMES):
                stub = grants[turn % workers]
                block = revocation_pb2.BlockPrincipalRequest(employee="cs.kim", reason="bench")
                began = time.perf_counter()
                stub.BlockPrincipal(block, metadata=officer)
                seconds.append(time.perf_counter() - began)
                wrong += sum(each.Check(QUESTION, metadata=here).decision == pb.DECISION_ALLOW for each in checks)
                stub.UnblockPrincipal(revocation_pb2.UnblockPrincipalRequest(employee="cs.kim", reason="bench"), metadata=officer)
        finally:
            ended.set()
            for each in askers:
                each.join()
    return {"seconds": seconds, "wrong": wrong}


def rows(figures: dict[str, Any]) -> list[Row]:
    """Make the lines of the table."""
    return [_row("revoke to denied everywhere, one worker", figures["1"]), _row("the same, two workers", figures["2"])]


def _row(what: str, found: dict[str, Any]) -> Row:
    cuts = statistics.quantiles(found["seconds"], n=100)
    return Row(
        what,
        f"p99 {number(cuts[98] * 1000)} ms, {found['wrong']} wrong",
        target=f"p99 <= {_TARGET:g} s, 0 wrong",
        met=cuts[98] <= _TARGET and not found["wrong"],
        latency=f"{number(cuts[49] * 1000)} / {number(cuts[98] * 1000)}",
    )


if __name__ == "__main__":
    print(json.dumps({str(workers): measure(Path(sys.argv[1]) / str(workers), workers) for workers in (1, 2)}))
