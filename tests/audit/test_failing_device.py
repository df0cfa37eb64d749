from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from audit.support import access, open_journal

from munjigi.audit.files import SystemDevice
from munjigi.audit.verify import verify_journal
from munjigi.kernel.errors import AuditUnavailable


class Device(SystemDevice):
    """A disk that takes at most `most` bytes a call and fails when told to."""

    def __init__(self) -> None:
        self.most = 1 << 30
        self.write_error = 0
        self.sync_error = 0
        self.calls = 0

    def append(self, fd: int, data: memoryview) -> int:
        self.calls += 1
        if self.write_error:
            raise OSError(self.write_error, os.strerror(self.write_error))
        taken = super().append(fd, data[: self.most])
        if self.sync_error:
            raise OSError(self.sync_error, os.strerror(self.sync_error))
        return taken


def test_short_writes_are_continued(tmp_path: Path) -> None:
    device = Device()
    device.most = 7
    journal = open_journal(tmp_path, device=device)
    for number in range(3):
        journal.append(access(number))
    journal.sync()
    assert device.calls > 3 * 300 // 7
    journal.close()
    assert verify_journal(tmp_path / "journal" / journal.log_id).records == 3


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("where", ["write_error", "sync_error", "nothing taken"])
def test_p1_failed_disk_is_never_tried_again(tmp_path: Path, code: int, where: str) -> None:
    device = Device()
    journal = open_journal(tmp_path, device=device)
    journal.append(access(0))
    journal.sync()
    journal.append(access(1))
    if where == "nothing taken":
        device.most = 0
    else:
        setattr(device, where, code)
    with pytest.raises(AuditUnavailable, match="MUNJIGI_STATE_DIR"):
        journal.sync()
    assert journal.failed
    assert journal.durable_index == 1
    device.most, device.write_error, device.sync_error, device.calls = 1 << 30, 0, 0, 0  # the disk recovers: too late
    for attempt in (lambda: journal.append(access(2)), journal.sync):
        with pytest.raises(AuditUnavailable):
            attempt()
    journal.close()
    assert device.calls == 0
    again = open_journal(tmp_path)
    assert again.next_index in {1, 2}  # written before the sync failed: it may be there, it was not acknowledged
    again.close()
    assert verify_journal(tmp_path / "journal" / journal.log_id).intact


def test_final_sync_that_fails_lets_the_log_go(tmp_path: Path) -> None:
    device = Device()
    journal = open_journal(tmp_path, device=device)
    journal.append(access())
    device.sync_error = errno.EIO
    with pytest.raises(AuditUnavailable):
        journal.close()
    open_journal(tmp_path).close()
