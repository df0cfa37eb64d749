"""Questions that the sample company asks, and how an error is taken apart."""

from __future__ import annotations

from typing import Any

import grpc
from google.rpc import error_details_pb2, status_pb2

from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb

CASE = "CS-2026-000123"
SERIAL = "1000001"


def question(**changes: Any) -> pb.CheckRequest:
    """A question that cs.kim may ask at crm-desk."""
    return pb.CheckRequest(
        **{
            "resource": "crm.member",
            "fields": ["name", "phone"],
            "purpose": "inquiry",
            "case_id": CASE,
            "member_ids": [SERIAL],
            **changes,
        }
    )


def reason_of(error: grpc.RpcError) -> tuple[grpc.StatusCode, str]:
    """Return the status code and the `ErrorInfo` reason."""
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            for detail in status_pb2.Status.FromString(value).details:
                info = error_details_pb2.ErrorInfo()
                if detail.Unpack(info):
                    return error.code(), info.reason
    return error.code(), ""
