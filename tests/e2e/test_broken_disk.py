"""P1: a file system that breaks under load, a real one of its own: nothing is allowed without its record, and nothing lost."""

from __future__ import annotations

import fcntl
import os
import subprocess
from collections.abc import Callable, Iterator
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


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    with parts.ext4_disk(tmp_path / "image", folder, 256):
        yield folder


def remount_read_only(disk: Path) -> None:
    """What the kernel does on its own when it finds the file system damaged."""
    source = subprocess.run(["findmnt", "-no", "SOURCE", str(disk)], capture_output=True, text=True, check=True).stdout.strip()
    Path("/sys/fs/ext4", Path(source).name, "trigger_fs_error").write_text("1")


def shut_down(disk: Path) -> None:
    """From now on every call on the file system fails with EIO, as when its device is gone; what was not synced is lost."""
    fd = os.open(disk, os.O_RDONLY)
    try:
        fcntl.ioctl(fd, SHUTDOWN, (2).to_bytes(4, "little"))  # without writing its journal out
    finally:
        os.close(fd)


@pytest.mark.parametrize(("front", "breaking"), [("native", remount_read_only), ("grpcio", shut_down)])
def test_p1_a_disk_that_breaks_under_load(disk: Path, front: str, breaking: Callable[[Path], None]) -> None:
    state = disk / "var"
    daemon = Daemon(state, MUNJIGI_FRONT=front, **SMALL).start()
    children = daemon.children()
    try:
        with Load(daemon) as load:
            load.until(200)
            breaking(disk)
            assert daemon.process is not None
            assert daemon.process.wait(60) != 0
        gone(list(children.values()), 30)
    finally:
        daemon.stop(9)
    assert "The audit journal can't be written (E" in daemon.text
    assert "Traceback" not in daemon.text
    assert {reason_of(error)[0] for error in load.refused} <= {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
    image = disk.parent / "image"
    subprocess.run(["umount", str(disk)], check=True)
    subprocess.run(["fsck.ext4", "-p", "-f", str(image)], check=False, capture_output=True)
    subprocess.run(["mount", "-o", "loop,errors=remount-ro", str(image), str(disk)], check=True)
    with serving(state, **SMALL) as again, again.channel() as channel:
        answer = Stubs(channel).decision.Check(question(), metadata=again.credentials("cs.kim"))
        assert answer.decision == pb.DECISION_ALLOW
    assert {*load.answered, answer.decision_id} <= set(journaled(state))
    for log_id in list_logs(state / "journal"):
        assert verify_journal(state / "journal" / log_id).intact
