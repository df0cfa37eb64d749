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
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any, Final

import msgspec
from sqlalchemy import insert

from bench.machine import spread
from bench.table import Row as TableRow
from bench.table import number, within
from munjigi.adapters.policy_files import read_policy_home, store_bundle
from munjigi.adapters.usage.rows import Row
from munjigi.adapters.usage.store import SqlUsageStore, UsageFile
from munjigi.adapters.usage.tables import USAGE_GRANT, USAGE_LOG
from munjigi.app.files import StateFolder
from munjigi.app.log_sources import LogSources
from munjigi.app.usage_counter import UsageCounter
from munjigi.audit.journal import Journal
from munjigi.audit.reader import JournalReader, list_logs
from munjigi.audit.records import AccessRecord, ConfirmRecord, FieldRecord, encode
from munjigi.decision.core import decide
from munjigi.decision.grant_table import GrantTable
from munjigi.decision.snapshot import Snapshot
from munjigi.decision.types import Request
from munjigi.kernel.grant import Grant, Person, Scope
from munjigi.kernel.identity import EmployeeKey
from munjigi.monitoring.meter import Meter
from munjigi.policy.compile import compile_bundle
from munjigi.policy.types import PolicyBundle
from munjigi.review.days import DAY
from munjigi.review.encoding import digest_of, encode_plan
from munjigi.review.held import held_by
from munjigi.review.planner import Inputs, plan
from munjigi.review.replay import RecordedBytes, grouped, newly_denied, timeless
from munjigi.review.settings import SHIPPED

ROUNDS: Final = 3
_POLICIES: Final = Path(__file__).resolve().parent.parent / "policies"
_CUTOFF: Final = 1_790_089_200 * 10**9  # a midnight in Seoul
_LOG: Final = "bench000000000000000"
_RECORDS: Final = 400_000
_EMPLOYEES: Final = 2_000
_PEOPLE: Final = 100_000
_HELD: Final = 200
_USED: Final = 20
_DAYS: Final = 400
_DECISIONS: Final = 10_000_000
_POOL: Final = 1_000_000
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


def bundle(*, columns: int = 0) -> PolicyBundle:
    """The sample policy; with a table of so many columns more, and a role that reads them."""
    files = {path: text for path, text in read_policy_home(_POLICIES).files.items() if not path.startswith("tests/")}
    files["roles.toml"] = files["roles.toml"].replace(b"budget = ", b"budget = 0 # ")
    if columns:
        names = [f"c{number:03}" for number in range(columns)]
        table = f"""
[tables."crm.wide"]
title = "Wide"
key = "c000"
key_type = "integer"
columns = {json.dumps(names)}
subjects_of = "crm.member"
"""
        files["catalog.toml"] += table.encode()
        rules = "p, desk, crm.wide.*, read, inquiry, True, allow, clear\n"
        files["policy.csv"] += (rules + "".join(f"g2, crm.wide.{name}, class:activity\n" for name in names)).encode()
        files["roles.toml"] += b"""
[roles.desk]
title = "Desk"
owners = ["cs.lee", "dpo.yoon"]
stages = ["owner"]
longest_days = 2000
review = "quarterly"
requires = []
budget = 0
"""
    made, problems = compile_bundle(files, "bench")
    assert made is not None, [str(each) for each in problems if each.severity == "error"]
    return made


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
    clock = _At(_CUTOFF - 30 * DAY)
    journal = Journal.open(
        folder.journal, 0, quarantine=folder.quarantine, clock=clock, randomness=bytes(16), segment_bytes=64 << 20
    )
    draw = Random(1)
    for _ in range(pairs):
        clock.at += 25 * DAY // pairs
        index = journal.append(_decision(draw, made.revision, clock.at, shared=shared))
        clock.at += 1000
        journal.append(_confirmation(f"{journal.log_id}-{index}"))
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
        _At(_CUTOFF),
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


def _decision(draw: Random, revision: str, at: int, *, shared: bool) -> AccessRecord:
    who = draw.randrange(_EMPLOYEES)
    names = _FORMS[draw.randrange(len(_FORMS))]
    grants = (f"grant-{who:06}", *([f"other-{who:06}"] if shared else []))
    return AccessRecord(
        issuer="urn:bench",
        employee=f"cs.{who:05}",
        principal_type="employee",
        tool="crm-desk",
        peer="127.0.0.1",
        ip="10.1.2.3",
        request_id="r-1",
        door="Check",
        action="read",
        resource="crm.member",
        purpose="inquiry",
        case_id="CS-2026-000123",
        decision="ALLOW",
        reason="GRANTED",
        fields=tuple(FieldRecord(name, "clear", "", "GRANTED", "policy.csv:12", grants) for name in names),
        data_classes=("identity", "contact"),
        rule="policy.csv:12",
        role_path=(grants[0], "cs_agent"),
        members=(f"m1.01234567.{draw.randrange(50_000):026}",),
        subject_count=1,
        policy_revision=revision,
        grant_revision=12,
        valid_until=at + 60 * 10**9,
        latency_ns=5000,
        asked_at=at,
    )


_FORMS: Final = (
    ("name", "phone"),
    ("name", "address"),
    ("name", "birth_date", "status"),
    ("serial", "name", "phone", "email", "joined_at", "status"),
)


def _confirmation(decision_id: str) -> ConfirmRecord:
    return ConfirmRecord(
        issuer="urn:bench",
        employee="cs.00001",
        tool="crm-desk",
        peer="127.0.0.1",
        ip="127.0.0.1",
        decision_id=decision_id,
        outcome="read",
        row_count=1,
    )


# ---- planning


def _plan(folder: Path) -> dict[str, Any]:
    made = bundle(columns=_HELD - 1)  # and the class itself
    held = held_by(made, "desk", "inquiry")
    people = [
        Person(f"p{number:06}", "employee", "care", (EmployeeKey("urn:bench", f"a{number:06}"),)) for number in range(_PEOPLE)
    ]
    starts, ends = _CUTOFF - 500 * DAY, _CUTOFF + 500 * DAY
    grants = [
        Grant(f"g{number:06}", each.accounts[0], "desk", "inquiry", starts, ends, ("x",)) for number, each in enumerate(people)
    ]
    table = GrantTable.build(grants, people, 1)
    path = folder / "usage.sqlite"
    draw = Random(2)
    base = (_CUTOFF - _DAYS * DAY + 9 * 3600 * 10**9) // DAY
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
        inputs = Inputs(made, table, usage, row, _CUTOFF + 120 * 10**9, _CUTOFF, row.kind)
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
    times = {"begins_at": _CUTOFF - 600 * DAY, "time": _CUTOFF + DAY, "complete_to": _CUTOFF + DAY}
    return {"log_id": _LOG, "next_index": 10, "resume": 10, "closed": False} | times


# ---- the proof


def _replay() -> dict[str, Any]:
    made = bundle()
    draw = Random(3)
    people = [
        Person(f"p{number:05}", "employee", "care", (EmployeeKey("urn:bench", f"cs.{number:05}"),))
        for number in range(_EMPLOYEES)
    ]
    people = [Person(each.person_id, "employee", "care", each.accounts, _facts()) for each in people]
    grants = [
        Grant(f"grant-{number:06}", each.accounts[0], "cs_agent", "inquiry", 0, _CUTOFF + DAY, ("x",))
        for number, each in enumerate(people)
    ]
    pool = list(_pool(draw, made, grants, people))
    before = timeless(made, grants, people)
    used = sorted({f"crm.member.{name}" for names in _FORMS for name in names})
    narrow = [Grant(*_parts(each), scope=Scope(tuple(used), ("read",))) for each in grants]
    after = timeless(made, narrow, people)
    began, cpu = time.monotonic(), time.process_time()
    groups = grouped(made, _stream(pool), 0, _CUTOFF, lambda _: False)
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


def _pool(draw: Random, made: PolicyBundle, grants: list[Grant], people: list[Person]) -> Iterator[bytes]:
    """Decisions as the core really makes them, each followed by its confirmation."""
    table = Snapshot(made, GrantTable.build(grants, people, 1))
    known: dict[tuple[int, int], tuple[FieldRecord, ...]] = {}
    for number_ in range(_POOL // 10):
        who, form = draw.randrange(_EMPLOYEES), draw.randrange(len(_FORMS))
        if (who, form) not in known:
            key = grants[who].employee
            request = Request(key, "crm-desk", "crm.member", _FORMS[form], "read", "inquiry", "CS-2026-000123", 1, "10.1.2.3")
            answer = decide(table, request, _CUTOFF - DAY)
            known[who, form] = tuple(
                FieldRecord(each.name, each.effect.value, each.mask, each.reason, each.rule, each.grants)
                for each in answer.fields
            )
        record = _decision(draw, made.revision, _CUTOFF - DAY)
        record.employee, record.fields, record.index, record.time = f"cs.{who:05}", known[who, form], 2 * number_, _CUTOFF - DAY
        yield encode(record)
        confirmed = _confirmation(f"{_LOG}-{2 * number_}")
        confirmed.index, confirmed.time = 2 * number_ + 1, _CUTOFF - DAY
        yield encode(confirmed)


def _stream(pool: list[bytes]) -> Iterator[RecordedBytes]:
    for _ in range(2 * _DECISIONS // len(pool)):
        for position, payload in enumerate(pool):
            yield RecordedBytes(_LOG, position, payload)


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
