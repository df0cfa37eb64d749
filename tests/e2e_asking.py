"""Questions that the sample company asks, commands that it types, and how an error is taken apart."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import grpc
from google.rpc import error_details_pb2, status_pb2
from running import Daemon

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


def munjigi(daemon: Daemon, command: str, who: str) -> Any:
    """Run a command as it is printed, as somebody; return its JSON."""
    first, *rest = shlex.split(command)
    done = subprocess.run(
        [Path(sys.executable).parent / first, *rest, "--as", who, "-o", "json"],
        env=os.environ | {"MUNJIGI_STATE_DIR": str(daemon.state_dir), "MUNJIGI_GRPC_ADDRESS": daemon.grpc_address},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    return json.loads(done.stdout)
