"""A real gRPC server on loopback that answers as a test tells it to, and keeps what it was asked."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2

from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb
from munjigi_client._proto.munjigi.v1 import decision_service_pb2_grpc as rpc
from munjigi_client._proto.munjigi.v1 import reach_pb2

MINUTE = 60_000_000_000


def allow(request: pb.CheckRequest, decision_id: str = "log-1", *, confirm: bool = True) -> pb.CheckResponse:
    effects = {"phone": (pb.FIELD_EFFECT_MASKED, "partial"), "resident_number": (pb.FIELD_EFFECT_DENIED, "")}
    fields = [(name, *effects.get(name, (pb.FIELD_EFFECT_CLEAR, ""))) for name in request.fields]
    kinds = [pb.OBLIGATION_KIND_CONFIRM_READ] if confirm and not request.observe else []
    return pb.CheckResponse(
        decision=pb.DECISION_ALLOW,
        decision_id=decision_id,
        reason="ALLOWED",
        fields=[pb.FieldDecision(name=name, effect=effect, mask=mask) for name, effect, mask in fields],
        obligations=[pb.Obligation(kind=kind) for kind in kinds],
        valid_until=0 if request.intent == pb.INTENT_PROBE else time.time_ns() + MINUTE,
    )


def deny(request: pb.CheckRequest) -> pb.CheckResponse:
    return pb.CheckResponse(
        decision=pb.DECISION_DENY,
        decision_id="log-9",
        reason="NO_GRANT",
        help="Ask cs.lee for role cs_agent.",
        fields=[pb.FieldDecision(name=name, effect=pb.FIELD_EFFECT_DENIED, reason="NO_GRANT") for name in request.fields],
    )


def abort(context: grpc.ServicerContext, code: grpc.StatusCode, reason: str, message: str, **more: Any) -> None:
    """Abort as the gateway does: with a `google.rpc.Status` of Google's own classes."""
    status = status_pb2.Status(code=code.value[0], message=message)
    details: list[Any] = [error_details_pb2.ErrorInfo(reason=reason, domain="munjigi", metadata=more.get("metadata", {}))]
    if "retry_after" in more:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(int(more["retry_after"] * 1000))
        details.append(retry)
    for each in details:
        packed = any_pb2.Any()
        packed.Pack(each)
        status.details.append(packed)
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(code, message)


@dataclass
class Wire(rpc.DecisionServiceServicer):
    """`on_check` and `on_confirm` are what a test changes."""

    on_check: Callable[[pb.CheckRequest, grpc.ServicerContext], pb.CheckResponse] = lambda request, _context: allow(request)
    on_confirm: Callable[[pb.ConfirmItem, grpc.ServicerContext], pb.ConfirmResult] = lambda _item, _context: pb.ConfirmResult(
        record=pb.RecordPosition(log_id="log", index=2)
    )
    checks: list[pb.CheckRequest] = field(default_factory=list)
    confirmed: list[tuple[str, pb.ConfirmItem]] = field(default_factory=list)
    confirm_calls: int = 0
    metadata: list[dict[str, str]] = field(default_factory=list)
    target: str = ""

    def Check(self, request, context):  # noqa: N802 - the generated servicer's name
        self.metadata.append(dict(context.invocation_metadata()))
        self.checks.append(request)
        return self.on_check(request, context)

    def BatchCheck(self, request, context):  # noqa: N802 - the generated servicer's name
        response = pb.BatchCheckResponse()
        for item in request.items:
            result = response.results.add()
            if item.resource:
                result.response.CopyFrom(self.on_check(item, context))
            else:
                result.error.code, result.error.reason, result.error.message = 3, "RESOURCE_MISSING", "Name a resource."
        return response

    def ConfirmRead(self, request, context):  # noqa: N802 - the generated servicer's name
        self.confirm_calls += 1
        token = dict(context.invocation_metadata()).get("authorization", "")
        results = [self.on_confirm(item, context) for item in request.items]
        self.confirmed += [(token, item) for item in request.items]
        return pb.ConfirmReadResponse(results=results)

    def WhatCan(self, request, context):  # noqa: N802 - the generated servicer's name
        at = int(request.page_token or 0)
        permission = reach_pb2.Permission(
            object=f"crm.member.c{at}", action="read", purpose="inquiry", effect=pb.FIELD_EFFECT_CLEAR
        )
        return reach_pb2.WhatCanResponse(
            employee="cs.kim", tool="crm-desk", permissions=[permission], next_page_token=str(at + 1) if at < 2 else ""
        )


@contextmanager
def serving(wire: Wire | None = None, address: str = "127.0.0.1:0") -> Iterator[Wire]:
    wire = wire or Wire()
    server = grpc.server(ThreadPoolExecutor(8), options=[("grpc.so_reuseport", 0)])
    rpc.add_DecisionServiceServicer_to_server(wire, server)
    port = server.add_insecure_port(address)
    wire.target = f"127.0.0.1:{port}"
    server.start()
    try:
        yield wire
    finally:
        server.stop(0).wait()
