"""P1: a file system that breaks under load, a real one of its own: nothing is allowed without its record, and nothing lost."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import grpc
import parts
import pytest
from e2e_asking import question, reason_of
from e2e_load import Load, gone, journaled
from running import Daemon, Stubs, serving

from munjigi.audit.reader import list_logs
from munjigi.audit.verify import verify_journal
from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb

SHUTDOWN = 0x8004587D  # EXT4_IOC_SHUTDOWN
SMALL = {"MUNJIGI_DISK_RESERVE_MEBIBYTES": "0"}


def shut_down(disk: Path) -> None:
    """From now on every call on the file system fails with EIO, as when its device is gone; what was not synced is lost."""
    fd = os.open(disk, os.O_RDONLY)
    try:
        fcntl.ioctl(fd, SHUTDOWN, (2).to_bytes(4, "little"))  # without writing its journal out
    finally:
        os.close(fd)


@pytest.mark.parametrize(("front", "breaking"), [("native", parts.break_ext4), ("grpcio", shut_down)])
def test_p1_a_disk_that_breaks_under_load(tmp_path: Path, front: str, breaking: Callable[[Path], None]) -> None:
    image, disk = parts.make_ext4(tmp_path / "image", 256), tmp_path / "disk"
    disk.mkdir()
    state = disk / "var"
    with parts.mounted(image, disk):
        load = broken_under_load(state, front, partial(breaking, disk))
    parts.mend_ext4(image)
    with parts.mounted(image, disk):
        with serving(state, **SMALL) as again, again.channel() as channel:
            answer = Stubs(channel).decision.Check(question(), metadata=again.credentials("cs.kim"))
            assert answer.decision == pb.DECISION_ALLOW
        assert {*load.answered, answer.decision_id} <= set(journaled(state))
        for log_id in list_logs(state / "journal"):
            assert verify_journal(state / "journal" / log_id).intact


def broken_under_load(state: Path, front: str, breaking: Callable[[], None]) -> Load:
    """Break the disk of a daemon that is asked without a pause; it ends, and says why."""
    daemon = Daemon(state, MUNJIGI_FRONT=front, **SMALL).start()
    children = daemon.children()
    try:
        with Load(daemon) as load:
            load.until(200)
            breaking()
            assert daemon.process is not None
            assert daemon.process.wait(60) != 0
        gone(list(children.values()), 30)
    finally:
        daemon.stop(9)
    assert "The audit journal can't be written (E" in daemon.text
    assert "Traceback" not in daemon.text
    assert {reason_of(error)[0] for error in load.refused} <= {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
    return load
