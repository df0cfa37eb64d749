"""Reviews: records counted a second, a plan for a large company, and its proof by past decisions.

Run as `python -m bench.review FOLDER`; prints JSON. Seconds are processor time of this process, beside the time that it took. The large
company: 100,000 people with one role of 200 permissions, of which each used 20 on many of 400 days. The decisions of the proof come as
bytes out of memory, each confirmed: a million of them, ten times over.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any, Final

import msgspec
from sqlalchemy import insert

from bench.machine import spread
from bench.recorded import CUTOFF, EMPLOYEES, FORMS, LOG, bundle, confirmation, decision, drawn, repeated
from bench.table import Row as TableRow
from bench.table import number, within
from munjigi.adapters.policy_files import store_bundle
from munjigi.adapters.usage.rows import Row
from munjigi.adapters.usage.store import SqlUsageStore, UsageFile
from munjigi.adapters.usage.tables import USAGE_GRANT, USAGE_LOG
from munjigi.app.files import StateFolder
from munjigi.app.log_sources import LogSources
from munjigi.app.usage_counter import UsageCounter
from munjigi.audit.journal import Journal
from munjigi.audit.reader import JournalReader, list_logs
from munjigi.decision.grant_table import GrantTable
from munjigi.kernel.grant import Grant, Person, Scope
from munjigi.kernel.identity import EmployeeKey
from munjigi.monitoring.meter import Meter
from munjigi.review.days import DAY
from munjigi.review.encoding import digest_of, encode_plan
from munjigi.review.held import held_by
from munjigi.review.planner import Inputs, plan
from munjigi.review.replay import grouped, newly_denied, timeless
from munjigi.review.settings import SHIPPED

ROUNDS: Final = 3
_RECORDS: Final = 400_000
_PEOPLE: Final = 100_000
_HELD: Final = 200
_USED: Final = 20
_DAYS: Final = 400
_LEAST_RECORDS: Final = 100_000  # a second
_MOST_SECONDS: Final = 60.0
_MOST_MIB: Final = 2048.0


class _Silent:
    """Takes metrics and keeps none."""

    def add(self, *_: object) -> None: ...

    def set(self, *_: object) -> None: ...

    def observe_many(self, *_: object) -> None: ...

    def point_at(self, *_: object) -> None: ...


class _At:
    def __init__(self, at: int) -> None:
        self.at = at

    def now(self) -> int:
        return self.at


def main() -> int:
    folder = Path(sys.argv[1])
    folder.mkdir(mode=0o700, parents=True)
    found: dict[str, Any] = {"ingest": _ingest(folder / "state"), "plan": _plan(folder), "replay": _replay()}
    print(json.dumps(found))
    return 0


# ---- counting


def written(root: Path, pairs: int, *, shared: bool = False) -> StateFolder:
    """Write a journal of so many decisions of 2,000 employees over 25 days, each confirmed.

    `shared`: two grants would have allowed each column.
    """
    made = bundle()
    folder = StateFolder(root)
    folder.make()
    store_bundle(folder.policies, made)
    clock = _At(CUTOFF - 30 * DAY)
    journal = Journal.open(
        folder.journal, 0, quarantine=folder.quarantine, clock=clock, randomness=bytes(16), segment_bytes=64 << 20
    )
    draw = Random(1)
    for _ in range(pairs):
        clock.at += 25 * DAY // pairs
        index = journal.append(decision(draw, made.revision, clock.at, shared=shared))
        clock.at += 1000
        journal.append(confirmation(f"{journal.log_id}-{index}"))
        if index % 20_000 < 2:
            journal.sync()
    journal.close()
    return folder


def counter_of(folder: StateFolder, path: Path) -> UsageCounter:
    """Return what counts a folder's use into a file."""
    return UsageCounter(
        LogSources(folder),
        folder,
        lambda: True,
        lambda: SqlUsageStore(UsageFile(path), zone="Asia/Seoul"),
        _At(CUTOFF),
        Meter(_Silent()),  # type: ignore[arg-type]
    )


def _ingest(root: Path) -> dict[str, Any]:
    folder = written(root, _RECORDS // 2)
    rates, bare = [], []
    for turn in range(ROUNDS):
        began = time.process_time()
        with closing(JournalReader(folder.journal / list_logs(folder.journal)[0])) as source:
            at = 0
            while found := source.read(at, 10_000):
                at += len(found)
        bare.append(at / (time.process_time() - began))
        with closing(counter_of(folder, root / f"usage.{turn}")) as counter:
            began = time.process_time()
            while counter.count()[0]:
                pass
            rates.append(_RECORDS / (time.process_time() - began))
    return {"records": rates, "reading": bare}


def _plan(folder: Path) -> dict[str, Any]:
    made = bundle(columns=_HELD - 1)  # and the class itself
    held = held_by(made, "desk", "inquiry")
    people = [
        Person(f"p{number:06}", "employee", "care", (EmployeeKey("urn:bench", f"a{number:06}"),)) for number in range(_PEOPLE)
    ]
    starts, ends = CUTOFF - 500 * DAY, CUTOFF + 500 * DAY
    grants = [
        Grant(f"g{number:06}", each.accounts[0], "desk", "inquiry", starts, ends, ("x",)) for number, each in enumerate(people)
    ]
    table = GrantTable.build(grants, people, 1)
    path = folder / "usage.sqlite"
    draw = Random(2)
    base = (CUTOFF - _DAYS * DAY + 9 * 3600 * 10**9) // DAY
    encoder = msgspec.msgpack.Encoder()
    with closing(SqlUsageStore(UsageFile(path), zone="Asia/Seoul")):
        pass
    writing = UsageFile(path)
    with closing(writing), writing.writing() as connection:
        connection.execute(insert(USAGE_LOG), _mark())
        rows = []
        for grant in grants:
            chosen = sorted(draw.sample(held, _USED))
            found = []
            for permission in chosen:
                days = draw.getrandbits(_DAYS) | 1
                last = base + days.bit_length() - 1
                first_at, last_at = base * DAY, last * DAY + 3600 * 10**9
                content = days.to_bytes((days.bit_length() + 7) // 8, "little")
                found.append(Row(*permission, first_at, last_at, days.bit_count() * 3, 40, base, content, 0))
            rows.append({"grant_id": grant.grant_id, "last_at": last_at, "used": encoder.encode(found), "sketches": b"\x90"})
            if len(rows) == 5000:
                connection.execute(insert(USAGE_GRANT), rows)
                rows = []
        if rows:
            connection.execute(insert(USAGE_GRANT), rows)
    before = _rss_mib()
    row = SHIPPED[0]
    with closing(SqlUsageStore(UsageFile(path, read_only=True))) as usage:
        inputs = Inputs(made, table, usage, row, CUTOFF + 120 * 10**9, CUTOFF, row.kind)
        began, cpu = time.monotonic(), time.process_time()
        planned = plan(inputs)
        middle = time.process_time()
        data = encode_plan(planned)
        digest = digest_of(data)
        took, spent = time.monotonic() - began, time.process_time() - cpu
    verdicts: dict[str, int] = {}
    for item in planned.items:
        verdicts[item.verdict] = verdicts.get(item.verdict, 0) + 1
    return {
        "seconds": spent,
        "planning": middle - cpu,
        "wall": took,
        "mib": _peak_mib(),
        "mib_before": before,
        "bytes": len(data),
        "digest": digest,
        "verdicts": verdicts,
        "usage_bytes": path.stat().st_size,
    }


def _mark() -> dict[str, Any]:
    times = {"begins_at": CUTOFF - 600 * DAY, "time": CUTOFF + DAY, "complete_to": CUTOFF + DAY}
    return {"log_id": LOG, "next_index": 10, "resume": 10, "closed": False} | times


# ---- the proof


def _replay() -> dict[str, Any]:
    made = bundle()
    draw = Random(3)
    people = [
        Person(f"p{number:05}", "employee", "care", (EmployeeKey("urn:bench", f"cs.{number:05}"),)) for number in range(EMPLOYEES)
    ]
    people = [Person(each.person_id, "employee", "care", each.accounts, _facts()) for each in people]
    grants = [
        Grant(f"grant-{number:06}", each.accounts[0], "cs_agent", "inquiry", 0, CUTOFF + DAY, ("x",))
        for number, each in enumerate(people)
    ]
    pool = list(drawn(draw, made, grants, people))
    before = timeless(made, grants, people)
    used = sorted({f"crm.member.{name}" for names in FORMS for name in names})
    narrow = [Grant(*_parts(each), scope=Scope(tuple(used), ("read",))) for each in grants]
    after = timeless(made, narrow, people)
    began, cpu = time.monotonic(), time.process_time()
    groups = grouped(made, repeated(pool), 0, CUTOFF, lambda _: False)
    middle = time.process_time()
    denied = list(newly_denied(before, after, groups))
    took, spent = time.monotonic() - began, time.process_time() - cpu
    return {
        "decisions": sum(each.uses for each in groups),
        "groups": len(groups),
        "denied": len(denied),
        "seconds": spent,
        "grouping": middle - cpu,
        "wall": took,
    }


def _facts() -> tuple[Any, ...]:
    from munjigi.kernel.grant import Fact  # noqa: PLC0415

    return tuple(Fact(kind, 0, 1 << 62, "bench") for kind in ("pledge", "training"))


def _parts(grant: Grant) -> tuple[Any, ...]:
    return (grant.grant_id, grant.employee, grant.role, grant.purpose, grant.starts_at, grant.ends_at, grant.approved_by)


def _rss_mib() -> float:
    text = Path("/proc/self/statm").read_text("ascii")
    return int(text.split()[1]) * resource.getpagesize() / 2**20


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def rows(figures: dict[str, Any]) -> list[TableRow]:
    """The rows of the table."""
    ingest, planned, replay = figures["ingest"], figures["plan"], figures["replay"]
    rate, reading = spread(ingest["records"]), spread(ingest["reading"])
    return [
        TableRow(
            "use counted out of a journal, records a second of processor time",
            within(rate, "/s"),
            f"reading them {number(reading.median)}/s",
            f"{rate.median / reading.median:.2f}x",
            ">= 100,000/s",
            rate.median >= _LEAST_RECORDS,
        ),
        TableRow(
            f"plan for {number(_PEOPLE)} people x {_HELD} permissions, {_USED} of them used, {_DAYS} days",
            f"{number(planned['wall'])} s",
            f"processor {number(planned['seconds'])} s, peak {number(planned['mib'])} MiB",
            "",
            "<= 60 s, <= 2 GiB",
            planned["wall"] <= _MOST_SECONDS and planned["mib"] <= _MOST_MIB,
        ),
        TableRow(
            f"proof by {number(replay['decisions'])} past decisions, each confirmed",
            f"{number(replay['wall'])} s",
            f"processor {number(replay['seconds'])} s, {number(replay['groups'])} groups",
            "",
            "<= 60 s",
            replay["wall"] <= _MOST_SECONDS and not replay["denied"],
        ),
    ]


if __name__ == "__main__":
    sys.exit(main())
