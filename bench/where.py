"""Where the microseconds of one Check go: each part alone, in one process, with warm caches; `python -m bench.where`."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import uvloop

from bench.machine import SERVER_CORE, pin
from bench.servers import EMPLOYEE, QUESTION, ROOT, TOOL
from munjigi.adapters.identity.local_issuer import mint_employee, mint_tool
from munjigi.app.bootstrap import open_gateway
from munjigi.app.config import load_settings
from munjigi.app.files import StateFolder
from munjigi.app.gateway import Gateway
from munjigi.decision.core import decide
from munjigi.decision.standing import stands_until
from munjigi.decision.types import Request
from munjigi.kernel.identity import EMBEDDED_ISSUER, Caller, EmployeeKey
from munjigi.kernel.references import MemberReferences, NameDigests
from munjigi.rpc.call import Call
from munjigi.rpc.credentials import credentials_of
from munjigi.rpc.pipeline import validate
from munjigi.rpc.recording import access_record, of_call
from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb

_TIMES: Final = 2_000
_ROUNDS: Final = 25
_PEER: Final = "ipv4:127.0.0.1:50000"


def cost(work: Callable[[], object], after: Callable[[], object] = lambda: None) -> float:
    """Return the microseconds of one call: the least of several means, since everything else only adds."""
    best = float("inf")
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        for _ in range(_TIMES):
            work()
        best = min(best, time.perf_counter() - began)
        after()
    return best / _TIMES * 1e6


def measure(gateway: Gateway, metadata: tuple[tuple[str, str], ...]) -> list[tuple[str, float]]:
    """Return (part, microseconds)."""
    method = next(each for each in gateway.methods if each.path == "/munjigi.v1.DecisionService/Check")
    payload = QUESTION.SerializeToString()
    snapshot = gateway.home.snapshot
    employee = EmployeeKey(EMBEDDED_ISSUER, EMPLOYEE)
    now = gateway.clock.now()
    call = Call(Caller(employee, TOOL, "127.0.0.1"), "Check", now, "", "")
    request = Request(
        employee, TOOL, QUESTION.resource, tuple(QUESTION.fields), "read", QUESTION.purpose, QUESTION.case_id, 1, "127.0.0.1"
    )
    references, digests = MemberReferences(bytes(32)), NameDigests(bytes(32))
    decision = decide(snapshot, request, now)
    if not decision.allow:
        raise RuntimeError(f"the question is not allowed: {decision.reason}")
    described = access_record(request, decision, snapshot, digests)
    members = references.of("crm.member", QUESTION.member_ids, "integer")
    answer = pb.CheckResponse.FromString(_answered(gateway, metadata))

    def answered() -> bytes:
        made = pb.CheckResponse()
        made.CopyFrom(answer)
        made.decision_id = answer.decision_id
        made.valid_until = now
        made.record.index = 1
        return made.SerializeToString()

    def whole() -> object:
        return gateway.pipeline.start(method, payload, credentials_of(metadata, _PEER, None, gateway.trust))

    take = gateway.journal.take
    parts = [
        ("credentials out of the metadata", cost(lambda: credentials_of(metadata, _PEER, None, gateway.trust))),
        ("the message parsed", cost(lambda: pb.CheckRequest.FromString(payload))),
        ("its protovalidate rules", cost(lambda: validate(QUESTION))),
        ("the member's keyed reference", cost(lambda: references.of("crm.member", QUESTION.member_ids, "integer"))),
        (
            "record: copied, encoded, CRC, chain",
            cost(lambda: gateway.journal.append(of_call(described, call, members=members)), take),
        ),
        ("answer: copied, filled in, serialized", cost(answered)),
    ]
    everything = cost(whole, take)
    rest = everything - sum(microseconds for _, microseconds in parts)
    return [
        *parts,
        ("the rest: caller recognized, fields read, decision found, confirmation awaited, metrics", rest),
        ("all of a Check whose decision stands", everything),
        ("decide, when it doesn't stand", cost(lambda: decide(snapshot, request, now))),
        ("until when it stands", cost(lambda: stands_until(snapshot, employee, now))),
        ("what its record has in common", cost(lambda: access_record(request, decision, snapshot, digests))),
    ]


def _answered(gateway: Gateway, metadata: tuple[tuple[str, str], ...]) -> bytes:
    method = next(each for each in gateway.methods if each.path == "/munjigi.v1.DecisionService/Check")
    answer: Any = gateway.pipeline.start(
        method, QUESTION.SerializeToString(), credentials_of(metadata, _PEER, None, gateway.trust)
    )
    return bytes(answer)


async def _run(state: Path) -> None:
    folder = StateFolder(state)
    folder.make()
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder.metrics)
    settings = load_settings({"state_dir": state, "policy_home": ROOT / "policies", "sample": False})
    gateway = open_gateway(settings, lambda error: sys.exit(str(error)))
    metadata = (
        ("authorization", f"Bearer {mint_employee(state, EMPLOYEE, TOOL)}"),
        ("munjigi-tool-token", mint_tool(state, TOOL)),
    )
    parts = measure(gateway, metadata)
    print("| part | µs |\n|---|---|")
    for name, microseconds in parts:
        print(f"| {name} | {microseconds:.2f} |")
    print(json.dumps(dict(parts)), file=sys.stderr)
    await gateway.committer.close()
    gateway.journal.close()
    gateway.index.close()
    gateway.store.close()


def main() -> None:
    """Print the table."""
    pin(SERVER_CORE)
    scratch = tempfile.mkdtemp(prefix="munjigi-where-")
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_run(Path(scratch) / "state"))
    finally:
        shutil.rmtree(scratch)


if __name__ == "__main__":
    main()
