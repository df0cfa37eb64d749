"""The servers under measurement, each a process of its own on the server's core."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

import grpc
from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector

from bench.load import BATCH_CHECK, CHECK
from bench.machine import LOAD_CORE, SERVER_CORE, pin
from munjigi.adapters.identity.local_issuer import mint_employee, mint_tool
from munjigi.app.config import load_settings, to_json
from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb

ROOT: Final = Path(__file__).resolve().parent.parent
EMPLOYEE: Final = "cs.kim"
TOOL: Final = "crm-desk"
NICENESS: Final = 10  # of what runs beside the load generator
QUESTION: Final = pb.CheckRequest(
    resource="crm.member",
    fields=["name", "phone"],
    action="read",
    purpose="inquiry",
    case_id="CS-2026-000123",
    member_ids=["1000001"],
)
HUNDRED: Final = pb.BatchCheckRequest(items=[QUESTION] * 100)
for number, item in enumerate(HUNDRED.items):
    item.member_ids[0] = str(1_000_001 + number)


class Counted(NamedTuple):
    """What a worker's metrics add up to."""

    allowed: int
    denied: int
    records: int
    bytes: int


class Server:
    """A child process that says in one line of standard output when it serves, and stops at the end of its input."""

    def __init__(self, arguments: list[str], first_line: bytes = b"", environment: dict[str, str] | None = None) -> None:
        self._process = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
        )
        pin(SERVER_CORE, self._process.pid)  # before it has threads
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(first_line)
        self._process.stdin.flush()
        self.said = self._process.stdout.readline().decode()
        if not self.said.strip():
            self._process.wait(10)
            raise RuntimeError(f"{' '.join(arguments)} ended with {self._process.returncode} before it served")
        self.pid = self._process.pid
        self.port = 0

    def stop(self) -> None:
        """End the process and wait for it."""
        with suppress(BrokenPipeError):
            assert self._process.stdin is not None
            self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class Neighbour(Server):
    """A process that uses a share of the load generator's core, and has nothing to do with Munjigi (`bench/neighbour.py`)."""

    def __init__(self, share: float, niceness: int = 0) -> None:
        super().__init__(["-m", "bench.neighbour", f"{share:.3f}"])
        beside(self.pid, niceness)


def beside(pid: int, niceness: int = NICENESS) -> None:
    """Put a process on the load generator's core, which goes before it where it is nice."""
    pin(LOAD_CORE, pid)
    for task in Path(f"/proc/{pid}/task").iterdir():
        pin(LOAD_CORE, int(task.name))
        os.setpriority(os.PRIO_PROCESS, int(task.name), niceness)


class Empty(Server):
    """The empty RPC on one stack: `aio` or `native`."""

    def __init__(self, stack: str) -> None:
        super().__init__(["-m", "bench.empty", stack])
        self.port = int(self.said)
        with grpc.insecure_channel(f"127.0.0.1:{self.port}") as channel:
            check: Callable[..., bytes] = channel.unary_unary(CHECK)
            if check(b"", timeout=10) != b"":
                raise RuntimeError("the empty RPC is not empty")


class Worker(Server):
    """A gateway worker on a state folder of its own, as the supervisor starts it."""

    def __init__(self, front: str, state: Path) -> None:
        from munjigi.app.files import StateFolder  # noqa: PLC0415 - only a worker needs the folder's layout

        self.folder = StateFolder(state)
        self.folder.make()
        for stale in self.folder.metrics.glob("*.db"):
            stale.unlink()
        # A copy: an edit of the files meanwhile would be loaded, recorded, and measured.
        policies = state.with_name(f"{state.name}-policies")
        shutil.copytree(ROOT / "policies", policies)
        settings = load_settings(
            {
                "state_dir": state,
                "policy_home": policies,
                "grpc_address": "127.0.0.1:0",
                "front": front,
                "sample": False,
                "log_level": "warning",
                "denial_records_per_second": 0,  # a load of denials is to have its records, too
            }
        )
        super().__init__(
            ["-m", "munjigi.app.worker"],
            to_json(settings) + b"\n",
            {"PROMETHEUS_MULTIPROC_DIR": str(self.folder.metrics)},
        )
        ready: dict[str, Any] = json.loads(self.said)
        self.port = int(ready["grpc"].rpartition(":")[2])
        self._channel = grpc.insecure_channel(f"127.0.0.1:{self.port}")

    def credentials(self, employee: str = EMPLOYEE) -> dict[str, str]:
        """Return fresh credentials of an employee at the sample tool, valid for 10 minutes."""
        state = self.folder.root
        return {
            "authorization": f"Bearer {mint_employee(state, employee, TOOL)}",
            "munjigi-tool-token": mint_tool(state, TOOL),
        }

    def check(self, metadata: dict[str, str]) -> pb.CheckResponse:
        """Ask the question once, with a real client. Raises `RuntimeError` unless the answer is a recorded ALLOW."""
        call = self._channel.unary_unary(
            CHECK, request_serializer=pb.CheckRequest.SerializeToString, response_deserializer=pb.CheckResponse.FromString
        )
        answer: pb.CheckResponse = call(QUESTION, timeout=10, metadata=tuple(metadata.items()))
        if answer.decision != pb.DECISION_ALLOW or not answer.decision_id or len(answer.fields) != len(QUESTION.fields):
            raise RuntimeError(f"the sample question was answered {answer.reason}, not ALLOW")
        return answer

    def batch(self, request: pb.BatchCheckRequest, metadata: dict[str, str]) -> pb.BatchCheckResponse:
        """Ask many questions at once, with a real client."""
        call = self._channel.unary_unary(
            BATCH_CHECK,
            request_serializer=pb.BatchCheckRequest.SerializeToString,
            response_deserializer=pb.BatchCheckResponse.FromString,
        )
        answer: pb.BatchCheckResponse = call(request, timeout=60, metadata=tuple(metadata.items()))
        return answer

    def counted(self) -> Counted:
        """Add up the worker's metrics, once they stand still (it hands them on once a second)."""
        before, deadline = self._sum(), time.monotonic() + 10
        while time.monotonic() < deadline:
            time.sleep(1.2)
            now = self._sum()
            if now == before:
                break
            before = now
        return before

    def _sum(self) -> Counted:
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=str(self.folder.metrics))  # type: ignore[no-untyped-call]
        sums = {"allow": 0.0, "deny": 0.0, "munjigi_journal_records_total": 0.0, "munjigi_journal_bytes_total": 0.0}
        for family in registry.collect():
            for sample in family.samples:
                name = sample.labels.get("verdict", "") if sample.name == "munjigi_decisions_total" else sample.name
                if name in sums:
                    sums[name] += sample.value
        return Counted(*(int(each) for each in sums.values()))

    def stop(self) -> None:
        """End the process and wait for it."""
        self._channel.close()
        super().stop()
