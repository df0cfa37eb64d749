"""A real daemon on a real small disk that fills up."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import parts
import pytest
from e2e_asking import question, reason_of
from grpc_health.v1 import health_pb2, health_pb2_grpc
from running import Daemon, Stubs

from munjigi.app.disk import Level, judge, use_of
from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb

SIZE = 400 << 20
WATERMARKS = (0.70, 0.85, 0.95)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    with parts.small_disk(folder, f"size={SIZE}"):
        yield folder


def fill(disk: Path, share: float) -> Path:
    """Bring the disk's use to a share, with a file that is removed to make room again."""
    ballast = disk / "ballast"
    now = use_of(disk)
    size = ballast.stat().st_size if ballast.exists() else 0
    more = size + int((share - now.used) * now.whole)
    with ballast.open("ab", buffering=0) as file:
        file.truncate(min(size, more))
        file.seek(0, 2)
        while (rest := more - file.tell()) > 0:
            file.write(b"x" * min(rest, 1 << 16))
    return ballast


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def outcome(stubs: Stubs, daemon: Daemon) -> str:
    try:
        answer = stubs.decision.Check(question(), metadata=daemon.credentials("cs.kim"))
    except grpc.RpcError as error:
        code, reason = reason_of(error)
        return f"{code.name} {reason}"
    return pb.Decision.Name(answer.decision)


def health(stubs: Stubs, service: str) -> bool:
    answer = health_pb2_grpc.HealthStub(stubs.channel).Check(health_pb2.HealthCheckRequest(service=service))
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def test_p3_no_access_on_a_full_disk_until_there_is_room(disk: Path) -> None:
    daemon = Daemon(disk / "var")
    daemon.start()
    try:
        with daemon.channel() as channel:
            stubs = Stubs(channel)
            reserve = disk / "var" / "reserve"
            assert reserve.stat().st_blocks * 512 >= 64 << 20
            assert outcome(stubs, daemon) == "DECISION_ALLOW"
            assert health(stubs, "disk")
            fill(disk, 0.88)
            until(lambda: not health(stubs, "disk"))
            assert outcome(stubs, daemon) == "DECISION_ALLOW"
            ballast = fill(disk, 0.96)
            until(lambda: outcome(stubs, daemon) == "UNAVAILABLE DISK_FULL")
            assert health(stubs, "")
            assert reserve.exists()
            # The disk fills to the last byte, and the daemon is killed: the next start takes the reserve.
            with pytest.raises(OSError, match="No space"):
                fill(disk, 1.1)
            daemon.stop(9)
            assert '"disk": "full"' in daemon.text
        daemon = Daemon(disk / "var")
        daemon.start()
        with daemon.channel() as channel:
            stubs = Stubs(channel)
            assert not reserve.exists()
            assert outcome(stubs, daemon) == "UNAVAILABLE DISK_FULL"
            ballast.unlink()
            until(lambda: outcome(stubs, daemon) == "DECISION_ALLOW")
            until(reserve.exists)
            assert health(stubs, "disk")
    finally:
        daemon.stop()


@pytest.mark.parametrize(
    ("used", "before", "expected"),
    [
        (0.10, Level.ROOMY, Level.ROOMY),
        (0.70, Level.ROOMY, Level.WATCH),
        (0.85, Level.ROOMY, Level.DEGRADED),
        (0.95, Level.ROOMY, Level.FULL),
        (1.00, Level.WATCH, Level.FULL),
        (0.945, Level.FULL, Level.FULL),
        (0.945, Level.DEGRADED, Level.DEGRADED),
        (0.939, Level.FULL, Level.DEGRADED),
        (0.695, Level.FULL, Level.WATCH),
        (0.10, Level.FULL, Level.ROOMY),
    ],
)
def test_level_is_left_only_a_hundredth_below_its_watermark(used: float, before: Level, expected: Level) -> None:
    assert judge(used, WATERMARKS, before) is expected
