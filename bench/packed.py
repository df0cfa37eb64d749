"""The disk that ordinary traffic takes once its segments are packed, what packing costs, and how long one old record takes to read.

Run as `python -m bench.packed FOLDER [RECORDS]`; prints JSON. Records are those of `bench/ordinary.py`, measured from packed files.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from random import Random
from typing import Any, Final

from bench.machine import SERVER_CORE, Spread, pin, spread
from bench.ordinary import EMPLOYEES, MEMBERS, records
from bench.table import Row, number, within
from munjigi.audit import packing, segment
from munjigi.audit.journal import Journal
from munjigi.audit.reader import JournalReader
from munjigi.audit.verify import verify_journal

RECORDS: Final = 200_000
_SEGMENT: Final = 16 << 20  # bytes: smaller than usual, so that there are several
_LOOKS: Final = 200
_WALKS: Final = 5
_GROUP: Final = 1_000  # records of one sync


class _Clock:
    """A clock that is told the time: how far apart records are is part of what they take."""

    time = 0

    def now(self) -> int:
        return self.time


def measure(folder: Path, count: int = RECORDS) -> dict[str, Any]:
    """Write a journal, pack what is closed, and read records here and there."""
    folder.mkdir(mode=0o700, exist_ok=True)
    clock = _Clock()
    journal = Journal.open(
        folder / "journal",
        0,
        quarantine=folder / "quarantine",
        clock=clock,
        randomness=os.urandom(16),
        segment_bytes=_SEGMENT,
    )
    for index, record in enumerate(records(count, journal.log_id)):
        clock.time = record.time
        journal.append(record)
        if index % _GROUP == 0:
            journal.sync()
    journal.sync()
    log = folder / "journal" / journal.log_id
    found: dict[str, Any] = {"pack_us": [], "packed": 0, "plain": 0}
    for name in packing.waiting(log):
        found["plain"] += (log / name).stat().st_size
        following = segment.names(log)[segment.names(log).index(name) + 1]
        held = segment.first_index_of(following) - segment.first_index_of(name)
        before = time.process_time()
        packing.pack(log, name)
        found["pack_us"].append((time.process_time() - before) / held * 1e6)
        found["packed"] += (log / (name + ".zst")).stat().st_size
    found["records"] = segment.first_index_of(segment.names(log)[-1])
    journal.close()
    found["verify_us"] = []
    for _ in range(_WALKS):
        before = time.process_time()
        walked = verify_journal(log)
        assert walked.intact
        found["verify_us"].append((time.process_time() - before) / walked.records * 1e6)
    random = Random(1)
    found["look_ms"] = []
    for _ in range(_LOOKS):
        index = random.randrange(found["records"])
        begin = time.perf_counter()
        with JournalReader(log) as reader:
            assert reader.read(index, 1)[0][0] == index
        found["look_ms"].append((time.perf_counter() - begin) * 1e3)
    return found


def rows(found: dict[str, Any]) -> list[Row]:
    """Put what `measure` found into lines of the table."""
    size, plain = found["packed"] / found["records"], found["plain"] / found["records"]
    pack: Spread = spread(found["pack_us"])
    return [
        Row(
            f"disk a record, packed: {EMPLOYEES} employees, {number(MEMBERS)} members, random request, trace and span ids",
            f"{size:.1f} bytes",
            f"as written {plain:.0f} bytes",
            f"{plain / size:.1f}x",
            "<= 100 bytes",
            size <= 100,
        ),
        Row("packing and checking it, processor time a record of the follower", within(pack, " µs")),
        Row("verifying packed segments, processor time a record", within(spread(found["verify_us"]), " µs")),
        Row("one record read from a packed segment, the log just opened", within(spread(found["look_ms"]), " ms")),
    ]


if __name__ == "__main__":
    pin(SERVER_CORE)
    print(json.dumps(measure(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else RECORDS)))
