"""Real processes, really killed; real files, really full."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import parts
import pytest
from audit.support import open_journal

from munjigi.audit import records
from munjigi.audit.reader import JournalReader, list_logs
from munjigi.audit.verify import verify_journal
from munjigi.kernel.errors import AuditUnavailable

TESTS = Path(__file__).parents[1]


class Account:
    """What the writers said over all their lives."""

    def __init__(self) -> None:
        self.sent: set[str] = set()
        self.acknowledged: dict[int, str] = {}

    def note(self, lines: Iterator[str]) -> int:
        kept = 0
        for line in lines:
            if not line.endswith("\n"):
                continue
            kind, *rest = line.split()
            if kind == "a":
                self.sent.add(f"r-{rest[0]}")
            else:
                self.acknowledged[int(rest[0])] = f"r-{rest[1]}"
                kept += 1
        return kept

    def check(self, state: Path) -> list[records.AnyRecord]:
        """Open the journal as the next start would, and compare."""
        journal = open_journal(state)
        journal.close()
        folder = state / "journal" / journal.log_id
        with JournalReader(folder) as reader:
            found = [records.decode(payload) for _, payload in reader.read(0, 1 << 30)]
        assert [each.index for each in found] == list(range(len(found)))
        recovered = {each.index: each.request_id for each in found if isinstance(each, records.AccessRecord)}
        assert self.acknowledged.items() <= recovered.items()
        assert set(recovered.values()) <= self.sent
        assert len(set(recovered.values())) == len(recovered)
        result = verify_journal(folder)
        assert (result.intact, result.records) == (True, len(found))
        return found


def start(state: Path, mode: str, first: int, *, segment_bytes: int = 64 << 20, limit: int = 0) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "audit.writer", str(state), mode, str(first), str(segment_bytes), str(limit)]
    return subprocess.Popen(command, cwd=TESTS, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def kill_under_load(state: Path, account: Account, mode: str, first: int, after: int, segment_bytes: int) -> None:
    writer = start(state, mode, first, segment_bytes=segment_bytes)
    assert writer.stdout is not None
    assert writer.stderr is not None
    lines, acknowledged = [], 0
    while acknowledged < after:
        line = writer.stdout.readline()
        assert line, writer.stderr.read()
        lines.append(line)
        acknowledged += line.startswith("k")
    writer.kill()
    lines.extend(writer.stdout)  # what the dead process still said
    writer.wait(timeout=20)
    writer.stdout.close()
    writer.stderr.close()
    assert account.note(iter(lines)) >= after


def test_p1_kill_9_ten_times_loses_no_acknowledged_record(tmp_path: Path) -> None:
    account = Account()
    for life in range(10):
        mode = ("loop", "thread")[life % 2]
        kill_under_load(tmp_path, account, mode, life * 1_000_000, 40 + 137 * life % 300, 20_000)
        account.check(tmp_path)
    assert len(account.acknowledged) > 1000


@pytest.mark.torture
def test_p1_kill_9_two_hundred_times_loses_no_acknowledged_record(tmp_path: Path) -> None:
    account = Account()
    for life in range(200):
        kill_under_load(tmp_path, account, ("loop", "thread")[life % 2], life * 1_000_000, 1 + 37 * life % 300, 20_000)
    account.check(tmp_path)


@pytest.mark.parametrize("mode", ["loop", "thread"])
@pytest.mark.parametrize("limit", [10_000, 10_001, 10_333, 10_700])
def test_p1_file_that_takes_no_more_bytes_ends_the_writer(tmp_path: Path, mode: str, limit: int) -> None:
    """RLIMIT_FSIZE makes the kernel itself take part of a write, then none: a short write, then an error."""
    account = Account()
    writer = start(tmp_path, mode, 0, limit=limit)
    out, err = writer.communicate(timeout=20)
    assert writer.returncode == 3
    assert err.startswith("AUDIT_UNAVAILABLE The audit journal can't be written (EFBIG)")
    assert account.note(iter(out.splitlines(keepends=True))) >= 10
    (log_id,) = list_logs(tmp_path / "journal")
    assert (tmp_path / "journal" / log_id / f"{0:020d}.seg").stat().st_size == limit
    found = account.check(tmp_path)
    cuts = [each for each in found if isinstance(each, records.TailCutRecord)]
    assert len(cuts) <= 1
    assert sum(each.length for each in cuts) + cuts[0].offset == limit if cuts else True


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    with parts.small_disk(disk, "size=96k"):
        yield disk


@pytest.mark.parametrize("mode", ["loop", "thread"])
def test_p1_full_disk_ends_the_writer_and_loses_nothing(small_disk: Path, mode: str) -> None:
    account = Account()
    writer = start(small_disk, mode, 0, segment_bytes=20_000)
    out, err = writer.communicate(timeout=20)
    assert writer.returncode == 3
    assert "(ENOSPC)" in err
    assert account.note(iter(out.splitlines(keepends=True))) >= 50
    (log_id,) = list_logs(small_disk / "journal")
    before = {path.name: path.read_bytes() for path in (small_disk / "journal" / log_id).glob("*.seg")}
    with pytest.raises(AuditUnavailable, match="free space"):  # still full
        open_journal(small_disk)
    assert {path.name: path.read_bytes() for path in (small_disk / "journal" / log_id).glob("*.seg")} == before
    subprocess.run(["mount", "-o", "remount,size=4m", str(small_disk)], check=True)
    account.check(small_disk)
