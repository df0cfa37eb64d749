"""A batch that is lost for a reason that is not the disk's must not let the next one be written after it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Literal

import pytest
from audit.support import access, open_journal

from munjigi.audit.committer import GroupCommitter
from munjigi.audit.files import SystemDevice
from munjigi.audit.verify import verify_journal
from munjigi.kernel.errors import AuditUnavailable


class NoMemory(SystemDevice):
    """A disk that is fine, on a machine that is not."""

    def __init__(self) -> None:
        self.gone = False

    def append(self, fd: int, data: memoryview) -> int:
        if self.gone:
            self.gone = False
            raise MemoryError
        return super().append(fd, data)


@pytest.mark.parametrize("mode", ["loop", "thread"])
def test_p1_whatever_stops_a_commit_stops_the_journal(tmp_path: Path, mode: Literal["loop", "thread"]) -> None:
    failures: list[AuditUnavailable] = []

    async def run() -> str:
        device = NoMemory()
        journal = open_journal(tmp_path, device=device)
        committer = GroupCommitter(journal, mode, failures.append)
        journal.append(access(0))
        await committer.durable()
        device.gone = True
        journal.append(access(1))
        with pytest.raises(AuditUnavailable):
            await asyncio.wait_for(committer.durable(), 5)
        with pytest.raises(AuditUnavailable):
            journal.append(access(2))
        with pytest.raises(AuditUnavailable):
            await committer.close()
        journal.close()
        return journal.log_id

    log_id = asyncio.run(run())
    assert len(failures) == 1
    assert verify_journal(tmp_path / "journal" / log_id).records == 1
