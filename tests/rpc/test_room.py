from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import parts
import pytest
from audit.support import access, open_journal

from munjigi.app.disk import Disk, Level
from munjigi.app.files import StateFolder
from munjigi.audit.verify import verify_journal
from munjigi.kernel.errors import AuditUnavailable, Unavailable
from munjigi.rpc.room import Room


def fill(disk: Path) -> None:
    """Write until not a byte is left."""
    with (disk / "ballast").open("ab", buffering=0) as file, suppress(OSError):
        while file.write(b"x" * 4096):
            pass
    assert os.statvfs(disk).f_bavail == 0


def test_p3_the_reserve_is_for_what_takes_access_away(tmp_path: Path) -> None:
    """The disk is full to the last byte: a record finds no room, and after the reserve is released it does."""
    with parts.small_disk(tmp_path, "size=200m"):
        folder = StateFolder(tmp_path / "var")
        folder.make()
        disk = Disk(folder, (0.7, 0.85, 0.95), 64 << 20)
        disk.start()
        room = Room(disk)
        journal = open_journal(folder.root)
        fill(tmp_path)
        room.full = disk.look() is Level.FULL
        with pytest.raises(Unavailable, match="revocations still work"):
            room.require()
        assert folder.reserve.exists()
        room.require_urgent()
        assert not folder.reserve.exists()
        for number in range(1000):
            journal.append(access(number))
        journal.sync()
        journal.close()
        assert verify_journal(folder.journal / journal.log_id).records == 1000
        assert disk.look() is Level.FULL  # the reserve is not made again where there is no room


def test_p1_without_the_reserve_a_full_disk_takes_no_record(tmp_path: Path) -> None:
    with parts.small_disk(tmp_path, "size=20m"):
        journal = open_journal(tmp_path)
        fill(tmp_path)
        for number in range(100):
            journal.append(access(number))
        with pytest.raises(AuditUnavailable):
            journal.sync()
        journal.close()
