"""The journal without a server: append and group commit of real records, against raw writes of as many bytes.

What takes turns has one core, as a worker under load; what overlaps has the machine, and so has its baseline.
Run as `python -m bench.journal FOLDER`; prints JSON: per-record microseconds of each round.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections import deque
from pathlib import Path
from typing import Final, Literal

from bench.machine import SERVER_CORE, pin, spread, unpin
from bench.table import Row, within
from munjigi.audit.committer import GroupCommitter
from munjigi.audit.journal import Journal
from munjigi.audit.records import AccessRecord, FieldRecord
from munjigi.kernel.clock import SystemClock

ROUNDS: Final = 7
GROUP: Final = 64
_EFFECTS: Final[tuple[tuple[str, Literal["clear", "masked"], str], ...]] = (("name", "clear", ""), ("phone", "masked", "partial"))
_SYNCS: Final = 150  # a round


def sample_record() -> AccessRecord:
    """Return a record as the sample question leaves it."""
    reference = "m1.0123456789abcdef.abcdefghijklmnopqrstuvwxyz"
    fields = tuple(
        FieldRecord(name, effect, mask, "GRANTED", "policy.csv:12", ("g-0123456789ab",)) for name, effect, mask in _EFFECTS
    )
    return AccessRecord(
        issuer="munjigi-local",
        employee="cs.kim",
        principal_type="employee",
        tool="crm-desk",
        peer="127.0.0.1",
        ip="127.0.0.1",
        door="Check",
        action="read",
        resource="crm.member",
        purpose="inquiry",
        case_id="CS-2026-000123",
        decision="ALLOW",
        reason="GRANTED",
        fields=fields,
        data_classes=("identity.basic", "contact"),
        rule="policy.csv:12",
        role_path=("g-0123456789ab", "cs_agent"),
        members=(reference,),
        subject_count=1,
        policy_revision="0" * 64,
        grant_revision=8,
        valid_until=1,
        latency_ns=1,
    )


def _in_turn(journal: Journal, group: int) -> float:
    """Append and sync by turns: what one thread does where commits run on the event loop."""
    record = sample_record()
    begin = time.perf_counter()
    for _ in range(_SYNCS):
        for _ in range(group):
            journal.append(record)
        journal.sync()
    return (time.perf_counter() - begin) / _SYNCS / group * 1e6


def _overlapping(journal: Journal, group: int) -> float:
    """Append a group while the committer's thread syncs the one before the last."""

    async def run() -> float:
        loop = asyncio.get_running_loop()
        committer = GroupCommitter(journal, "thread", lambda error: sys.exit(str(error)))
        record = sample_record()
        under_way: deque[asyncio.Future[object]] = deque()
        begin = time.perf_counter()
        for _ in range(_SYNCS):
            for _ in range(group):
                journal.append(record)
            under_way.append(loop.create_future())
            committer.when_durable(under_way[-1].set_result)
            await asyncio.sleep(0)
            if len(under_way) > 2:
                await under_way.popleft()
        for each in under_way:
            await each
        seconds = time.perf_counter() - begin
        if committer.commits < 0.9 * _SYNCS:
            raise RuntimeError(f"{_SYNCS} groups shared {committer.commits} syncs")
        await committer.close()
        return seconds / _SYNCS / group * 1e6

    return asyncio.run(run())


def _raw(path: Path, size: int, group: int) -> float:
    data = os.urandom(size * group)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    begin = time.perf_counter()
    for _ in range(_SYNCS):
        os.write(fd, data)
        os.fdatasync(fd)
    seconds = time.perf_counter() - begin
    os.close(fd)
    return seconds / _SYNCS / group * 1e6


def measure(folder: Path) -> dict[str, list[float]]:
    """Return microseconds a record: ours and raw, alone and in groups, round by round."""
    folder.mkdir(mode=0o700)
    root = folder / "journal"
    root.mkdir(mode=0o700)
    journal = Journal.open(root, 0, quarantine=folder / "quarantine", clock=SystemClock(), randomness=os.urandom(16))
    journal.append(sample_record())
    batch = journal.take()
    assert batch is not None
    size = journal.commit(batch)
    journal.settle(batch)
    found: dict[str, list[float]] = {"bytes": [size]}
    for _ in range(ROUNDS):
        pin(SERVER_CORE)
        for group in (1, GROUP):
            found.setdefault(f"ours {group}", []).append(_in_turn(journal, group))
            found.setdefault(f"raw {group}", []).append(_raw(folder / "raw", size, group))
        unpin()
        found.setdefault("overlapping", []).append(_overlapping(journal, GROUP))
        found.setdefault("raw beside", []).append(_raw(folder / "raw", size, GROUP))
    journal.close()
    return found


def rows(found: dict[str, list[float]]) -> list[Row]:
    """Return the lines of the table."""
    made = []
    for key, baseline, group, what in (
        ("ours 1", "raw 1", 1, "journal, a record alone"),
        (f"ours {GROUP}", f"raw {GROUP}", GROUP, f"journal, a record in groups of {GROUP}, append and sync by turns"),
        ("overlapping", "raw beside", GROUP, "same, appended while the thread syncs, as on slow disks"),
    ):
        ours, raw = spread(found[key]), spread(found[baseline])
        target = key == "overlapping"
        made.append(
            Row(
                what,
                within(ours, " µs"),
                f"raw write + fdatasync of {found['bytes'][0] * group:,.0f} bytes {within(raw, ' µs')}",
                f"{raw.median / ours.median:.0%} of its throughput",
                ">= 70 %" if target else "",
                raw.median / ours.median >= 0.7 if target else None,
            )
        )
    return made


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[1]))))
