"""The seal: a checkpoint over a large log, what sealing costs a record, and verification of logs against their seal.

Run as `python -m bench.seal FOLDER [LEAVES]`; prints JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from bench.journal import sample_record
from bench.machine import SERVER_CORE, pin
from bench.table import Row, number
from munjigi.adapters.seal_keys import installation_key
from munjigi.audit.journal import Journal
from munjigi.audit.reader import JournalReader
from munjigi.audit.seal.check import check_seal, verify_sealed
from munjigi.audit.seal.store import SealStore
from munjigi.audit.verify import verify_journal
from munjigi.kernel.clock import SystemClock

LEAVES: Final = 10_000_000
RECORDS: Final = 200_000
CHECKPOINTS: Final = 20
_GROUP: Final = 500
_SECOND: Final = 15_000  # records that come between two checkpoints at full load


class _Leaves:
    """A log of made-up records, as long as wanted."""

    log_id = "0" * 20

    def __init__(self) -> None:
        self.size = 0

    def epoch(self) -> tuple[int, int]:
        return 1, 1

    def read(self, from_index: int, limit: int) -> list[tuple[int, bytes]]:
        end = min(self.size, from_index + limit)
        return [(index, b"%640d" % index) for index in range(from_index, end)]

    def settle(self) -> None:
        """Nothing to sync."""

    def close(self) -> None:
        """Nothing to close."""


def _large(folder: Path, leaves: int) -> dict[str, float]:
    """Return the milliseconds of a checkpoint over `leaves` records, its 15,000 new ones included."""
    source = _Leaves()
    key = installation_key(folder / "keys")
    with closing(SealStore(folder / "large", key)) as store:
        tree = store.tree_of(source.log_id)
        began = time.perf_counter()
        for first in range(0, leaves, 1 << 16):
            tree.append([sha256(b"%d" % index).digest() for index in range(first, min(leaves, first + (1 << 16)))])
        built = time.perf_counter() - began
        took = []
        for _ in range(CHECKPOINTS):
            source.size = tree.size + _SECOND
            records = source.read(tree.size, _SECOND)
            began = time.perf_counter()
            tree.append([sha256(b"\0" + payload).digest() for _, payload in records])
            if store.checkpoint([source]) is None:
                raise RuntimeError("nothing was sealed")
            took.append((time.perf_counter() - began) * 1e3)
        took.sort()
        return {"leaves": leaves, "build_seconds": built, "checkpoint_ms": took[len(took) // 2], "checkpoint_ms_max": took[-1]}


def _real(folder: Path) -> dict[str, float]:
    """Return records a second: sealed, verified by themselves, and verified against the seal."""
    root = folder / "journal"
    root.mkdir(mode=0o700)
    journal = Journal.open(root, 0, quarantine=folder / "quarantine", clock=SystemClock(), randomness=os.urandom(16))
    for count in range(RECORDS):
        record = sample_record()
        record.request_id = f"{count:032x}"
        journal.append(record)
        if count % _GROUP == _GROUP - 1:
            journal.sync()
    journal.close()
    log = root / journal.log_id
    key = installation_key(folder / "keys")
    with closing(SealStore(folder / "seal", key)) as store, closing(JournalReader(log)) as source:
        began = time.perf_counter()
        while store.grow(source, 10_000):
            pass
        if store.checkpoint([source]) is None:
            raise RuntimeError("nothing was sealed")
        sealed = RECORDS / (time.perf_counter() - began)
    found = {"sealed_per_second": sealed}
    ways = {
        "verified_per_second": lambda: verify_journal(log),
        "verified_with_seal_per_second": lambda: verify_sealed(
            log, check_seal(folder / "seal", lambda _: JournalReader(log), key.verifier)
        ),
    }
    for name, verify in ways.items():
        best = 0.0
        for _ in range(3):
            began = time.perf_counter()
            result = verify()
            if not result.intact or result.records != RECORDS:
                raise RuntimeError(result.problem)
            best = max(best, RECORDS / (time.perf_counter() - began))
        found[name] = best
    return found


def measure(folder: Path, leaves: int) -> dict[str, float]:
    """Measure both."""
    folder.mkdir(mode=0o700)
    return {**_real(folder), **_large(folder, leaves)}


def rows(found: dict[str, Any]) -> list[Row]:
    """Put what `measure` found into lines of the table."""
    late, alone, sealed = found["checkpoint_ms"], found["verified_per_second"], found["verified_with_seal_per_second"]
    return [
        Row(
            f"seal: a checkpoint over {found['leaves']:,} records, {_SECOND:,} new ones hashed",
            f"{number(late)} ms (max {number(found['checkpoint_ms_max'])})",
            f"the whole tree {number(found['build_seconds'])} s",
            "",
            "<= 1 s",
            late <= 1000,
        ),
        Row("seal: records read, hashed and sealed, one core", f"{found['sealed_per_second']:,.0f}/s"),
        Row("verification on files, one core", f"{alone:,.0f}/s", "", "", ">= 100,000/s", alone >= 100_000),
        Row("verification against the seal, one core", f"{sealed:,.0f}/s", f"alone {alone:,.0f}/s", f"{sealed / alone:.2f}x"),
    ]


if __name__ == "__main__":
    pin(SERVER_CORE)
    print(json.dumps(measure(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else LEAVES)))
