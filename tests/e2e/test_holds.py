"""Legal holds through a running daemon: who may, what is refused, what is recorded, and that a restart changes nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import grpc
import pytest
from running import Daemon, Stubs, serving

from munjigi_client._proto.munjigi.v1 import audit_pb2 as pb

TOOL = "munjigi-cli"


def command(daemon: Daemon, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "MUNJIGI_STATE_DIR": str(daemon.state_dir), "MUNJIGI_GRPC_ADDRESS": daemon.grpc_address}
    return subprocess.run(
        [sys.executable, "-m", "munjigi.cli.main", "audit", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory):
    with serving(tmp_path_factory.mktemp("holds") / "var", "--retention-years", "2") as daemon:
        yield daemon


def test_a_hold_is_placed_listed_found_and_released(daemon: Daemon):
    placed = command(
        daemon, "hold", "--as", "dpo.yoon", "--since", "2026-01-01", "--until", "2026-07-01", "--reason", "case 26-17"
    )
    assert placed.returncode == 0, placed.stderr
    assert "records from 2026-01-01 00:00:00.000+09:00 before 2026-07-02 00:00:00.000+09:00" in placed.stdout
    hold_id = placed.stdout.split()[0]
    listed = json.loads(command(daemon, "holds", "--as", "dpo.yoon", "-o", "json").stdout)
    assert [(each["hold_id"], each["reason"], each["employee"]) for each in listed["holds"]] == [
        (hold_id, "case 26-17", "dpo.yoon")
    ]
    assert hold_id in command(daemon, "holds", "--as", "dpo.yoon").stdout
    found = json.loads(command(daemon, "search", "--as", "dpo.yoon", "--event-type", "retention.hold", "-o", "json").stdout)
    assert [each["id"] for each in found["records"]] == [listed["holds"][0]["record_id"]]
    released = command(daemon, "release", "--as", "dpo.yoon", hold_id, "--reason", "settled")
    assert (released.returncode, "is released" in released.stdout) == (0, True)
    assert "No legal hold stands" in command(daemon, "holds", "--as", "dpo.yoon").stdout
    again = command(daemon, "release", "--as", "dpo.yoon", hold_id, "--reason", "settled")
    assert (again.returncode, "No legal hold of this id" in again.stderr) == (1, True)
    assert "held records" in command(daemon, "search", "--as", "dpo.yoon").stdout


@pytest.mark.parametrize("who", ["cs.kim", "sec.han", "local.operator"])
def test_p3_who_has_no_right_to_operate_places_and_releases_no_hold(daemon: Daemon, who: str):
    for arguments in (("hold", "--everything"), ("release", "hold-1")):
        refused = command(daemon, *arguments, "--as", who, "--reason", "x")
        assert (refused.returncode, "needs `operate` on `munjigi.audit`" in " ".join(refused.stderr.split())) == (3, True)


@pytest.mark.parametrize(
    "reason", ["resident 900101-1234567", "call 010-1234-5678", "kim@example.com", "member 1000007", "card 1234 5678 1234 5678"]
)
def test_p5_a_reason_with_personal_data_is_refused_and_not_repeated(daemon: Daemon, reason: str):
    refused = command(daemon, "hold", "--everything", "--as", "dpo.yoon", "--reason", reason)
    assert refused.returncode == 2
    assert "names" in refused.stderr or "without anybody's data" in refused.stderr
    assert reason not in refused.stderr
    assert reason not in daemon.text


@pytest.mark.parametrize(
    "request_",
    [
        pb.HoldRecordsRequest(reason=""),
        pb.HoldRecordsRequest(reason="x" * 257),
        pb.HoldRecordsRequest(reason="two\nlines"),
        pb.HoldRecordsRequest(reason="x", from_time=9, to_time=9),
        pb.HoldRecordsRequest(reason="x", from_time=-1),
        pb.HoldRecordsRequest(reason="x", request_id="a b"),
    ],
)
def test_what_no_hold_can_be_is_refused(daemon: Daemon, request_: pb.HoldRecordsRequest):
    with daemon.channel() as channel, pytest.raises(grpc.RpcError) as refused:
        Stubs(channel).audit.HoldRecords(request_, metadata=daemon.credentials("dpo.yoon", TOOL))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT  # type: ignore[attr-defined] # every RpcError of a call has it


def test_which_records_must_be_said(daemon: Daemon):
    assert command(daemon, "hold", "--as", "dpo.yoon", "--reason", "x").returncode == 2
    assert command(daemon, "hold", "--as", "dpo.yoon", "--everything", "--since", "1d", "--reason", "x").returncode == 2


def test_a_hold_outlives_kill_9_and_its_folder_being_taken_away_is_said(tmp_path: Path):
    with serving(tmp_path / "var") as daemon:
        placed = command(daemon, "hold", "--as", "dpo.yoon", "--everything", "--reason", "x")
        hold_id = placed.stdout.split()[0]
        daemon.stop(9)
    with serving(tmp_path / "var") as daemon:
        assert hold_id in command(daemon, "holds", "--as", "dpo.yoon").stdout
    for path in (tmp_path / "var" / "holds").iterdir():
        path.unlink()
    (tmp_path / "var" / "holds").rmdir()
    with serving(tmp_path / "var") as daemon:
        said = command(daemon, "holds", "--as", "dpo.yoon")
        assert (said.returncode, "nothing is removed" in " ".join(said.stderr.split())) == (1, True)
        assert "HOLD_MISSING" in daemon.text
