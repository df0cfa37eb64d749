"""The embedded audit index: how fast it takes records and answers the auditor's questions.

Run as `python -m bench.search FOLDER [RECORDS]`; prints JSON: records/s taken, bytes a record, p50 and p95 in milliseconds.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from bench.journal import sample_record
from bench.machine import SERVER_CORE, pin
from bench.table import Row, number
from munjigi.adapters.audit_index_sqlite import SqliteAuditIndex
from munjigi.audit.ports import RecordQuery
from munjigi.audit.records import encode

RECORDS: Final = 1_000_000
QUESTIONS: Final = 300  # of each kind
PAGE: Final = 100  # records
LOG: Final = "0" * 20
EMPLOYEES: Final = 5_000
MEMBERS: Final = 300_000
DAYS: Final = 90
_BATCH: Final = 2_000
_DAY: Final = 86_400_000_000_000
_BEGIN: Final = 1_800_000_000_000_000_000
_RESOURCES: Final = ("crm.member", "crm.member_order", "crm.payment", "crm.inquiry")


def made(records: int) -> Iterator[bytes]:
    """Make records of 5,000 employees about 300,000 members over 90 days, each twentieth a denial."""
    rng = random.Random(3)
    record = sample_record()
    step = DAYS * _DAY // records
    for index in range(records):
        record.index = index
        record.time = _BEGIN + index * step
        record.employee = f"e{int(EMPLOYEES * rng.random() ** 2)}"  # some ask much more than others
        record.tool = f"desk-{rng.randrange(20)}"
        record.resource = _RESOURCES[rng.randrange(4)]
        record.members = (_member(rng.randrange(MEMBERS)),)
        record.case_id = f"CS-2026-{rng.randrange(1_000_000):06d}"
        record.decision = "DENY" if rng.random() < 0.05 else "ALLOW"
        yield encode(record)


def _member(number: int) -> str:
    return f"m1.01234567.{number:026d}"


def _questions(records: int) -> dict[str, list[RecordQuery]]:
    rng = random.Random(4)
    span = DAYS * _DAY

    def employee() -> str:
        return f"e{rng.randrange(EMPLOYEES)}"

    def within(query: RecordQuery, width: int) -> RecordQuery:
        begin = _BEGIN + rng.randrange(span - width)
        return query._replace(from_time=begin, to_time=begin + width)

    kinds: dict[str, Callable[[], RecordQuery]] = {
        "employee": lambda: RecordQuery(employee=employee()),
        "employee in a week": lambda: within(RecordQuery(employee=employee()), 7 * _DAY),
        "member": lambda: RecordQuery(members=(_member(rng.randrange(MEMBERS)),)),
        "decision id": lambda: RecordQuery(decision_id=f"{LOG}-{rng.randrange(records)}"),
        "an hour": lambda: within(RecordQuery(), _DAY // 24),
        "denials of a day": lambda: within(RecordQuery(decision="DENY"), _DAY),
        "an employee's denials": lambda: RecordQuery(employee=employee(), decision="DENY"),
        "a tool's table in a day": lambda: within(RecordQuery(tool=f"desk-{rng.randrange(20)}", resource="crm.payment"), _DAY),
        "case": lambda: RecordQuery(case_id=f"CS-2026-{rng.randrange(1_000_000):06d}"),
    }
    return {name: [kind() for _ in range(QUESTIONS)] for name, kind in kinds.items()}


def measure(folder: Path, records: int) -> dict[str, float | dict[str, tuple[float, float]]]:
    """Fill an index and ask it. Times are milliseconds, (p50, p95)."""
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / "index.sqlite"
    index = SqliteAuditIndex(path)
    spent = 0.0
    batch: list[bytes] = []
    taken = 0
    for payload in made(records):
        batch.append(payload)
        if len(batch) == _BATCH:
            start = time.perf_counter()
            taken += index.ingest(LOG, taken, batch)
            spent += time.perf_counter() - start
            batch.clear()
    index.close()
    size = path.stat().st_size
    reader = SqliteAuditIndex(path, read_only=True)
    answers: dict[str, tuple[float, float]] = {}
    for name, asked in _questions(taken).items():
        took = []
        for query in asked:
            start = time.perf_counter()
            reader.search(query, PAGE)
            took.append((time.perf_counter() - start) * 1e3)
        took.sort()
        answers[name] = (round(took[len(took) // 2], 3), round(took[len(took) * 95 // 100], 3))
    reader.close()
    return {"records": taken, "taken_per_second": round(taken / spent), "bytes": round(size / taken), "milliseconds": answers}


def rows(found: dict[str, Any]) -> list[Row]:
    """Put what `measure` found into lines of the table."""
    million = f"{found['records'] / 1e6:g} million records"
    taken = Row(
        f"embedded audit index: records taken, up to {million}",
        f"{found['taken_per_second']:,}/s",
        f"{found['bytes']:,} bytes a record on disk",
    )
    return [
        taken,
        *(
            Row(
                f"search over {million}, {name}", f"p95 {number(late)} ms", f"p50 {number(middle)} ms", "", "<= 50 ms", late <= 50
            )
            for name, (middle, late) in found["milliseconds"].items()
        ),
    ]


if __name__ == "__main__":
    pin(SERVER_CORE)
    print(json.dumps(measure(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else RECORDS)))
