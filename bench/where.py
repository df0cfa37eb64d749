"""Where the microseconds of a Check and of a batch's item go: each part alone, in one process, with warm caches; `python -m bench.where`."""

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

from bench.load import BATCH_CHECK, CHECK
from bench.machine import SERVER_CORE, pin
from bench.servers import EMPLOYEE, HUNDRED, QUESTION, ROOT, TOOL
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
from munjigi.rpc.answers import Answer, Answering, message_of
from munjigi.rpc.call import Call
from munjigi.rpc.credentials import credentials_of
from munjigi.rpc.forms import Forms
from munjigi.rpc.pipeline import validate
from munjigi.rpc.recording import access_record, of_call
from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb

_TIMES: Final = 2_000
_ROUNDS: Final = 25
_PEER: Final = "ipv4:127.0.0.1:50000"


def cost(work: Callable[[], object], after: Callable[[], object] = lambda: None, times: int = _TIMES) -> float:
    """Return the microseconds of processor time of one call: the least of several means, since everything else only adds."""
    best = float("inf")
    for _ in range(_ROUNDS):
        began = time.process_time()
        for _ in range(times):
            work()
        best = min(best, time.process_time() - began)
        after()
    return best / times * 1e6


def measure(gateway: Gateway, metadata: tuple[tuple[str, str], ...]) -> list[tuple[str, float]]:
    """Return (part, microseconds)."""
    methods = {each.path: each for each in gateway.methods}
    payload, hundred = QUESTION.SerializeToString(), HUNDRED.SerializeToString()
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
    answering = Answering(Answer.of(message_of(snapshot, request, decision, now, observe=False), gateway.journal.log_id), now)
    forms = Forms()
    forms.keep(forms.read(pb.CheckRequest.FromString(payload))[0])
    record = of_call(described, call, members=members)

    def read() -> object:
        return forms.read(pb.CheckRequest.FromString(payload))

    def started(path: str, message: bytes) -> bytes:
        answered = gateway.pipeline.start(methods[path], message, credentials_of(metadata, _PEER, None, gateway.trust))
        return answered if isinstance(answered, bytes) else _finished(answered)

    take = gateway.journal.take
    started(CHECK, payload)  # and so decided
    parts = [
        ("credentials out of the metadata", cost(lambda: credentials_of(metadata, _PEER, None, gateway.trust))),
        ("the message parsed, its form known", cost(read)),
        ("the member's keyed reference", cost(lambda: references.of("crm.member", QUESTION.member_ids, "integer"))),
        ("record: copied and filled in", cost(lambda: of_call(described, call, members=members))),
        ("record: encoded, CRC, chain", cost(lambda: gateway.journal.append(record), take)),
        ("answer written", cost(lambda: answering.message(123_456))),
    ]
    everything = cost(lambda: started(CHECK, payload), take)
    rest = everything - sum(microseconds for _, microseconds in parts)
    return [
        *parts,
        ("the rest: caller recognized, decision found, confirmation awaited, metrics", rest),
        ("all of a Check whose decision stands", everything),
        ("all of one item of a BatchCheck of 100", cost(lambda: started(BATCH_CHECK, hundred), take, _TIMES // 100) / 100),
        ("its protovalidate rules, when its form is new", cost(lambda: validate(QUESTION))),
        ("decide, when it doesn't stand", cost(lambda: decide(snapshot, request, now))),
        ("until when it stands", cost(lambda: stands_until(snapshot, employee, now))),
        ("what its record has in common", cost(lambda: access_record(request, decision, snapshot, digests))),
    ]


def _finished(answered: Any) -> bytes:
    """Go on with a batch that took more than a slice, which is for the clock to say and not for its work."""
    try:
        while True:
            answered.send(None)
    except StopIteration as done:
        return bytes(done.value)


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
