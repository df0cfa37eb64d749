"""However journals come and whatever is killed, what is counted in the end is what a slow look at all records says, byte by byte."""

from __future__ import annotations

import random
import shutil
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from audit.support import START
from grants.postgresql_kit import DATABASE
from msgspec.structs import replace
from postgresql import PostgresqlServer
from review.usage_kit import MINUTE, Installation, allowed, read

from munjigi.adapters.state.postgresql import PostgresqlStateStore
from munjigi.adapters.usage.store import SqlUsageStore, UsageFile
from munjigi.app import usage_counter
from munjigi.app.usage_counter import count_all
from munjigi.audit import mark, segment
from munjigi.audit.reader import JournalReader, list_logs
from munjigi.audit.records import AccessRecord, ConfirmRecord, decode
from munjigi.kernel.clock import SECOND
from munjigi.kernel.errors import ConfigurationError, Corruption, Unavailable
from munjigi.kernel.review import Permission
from munjigi.review.days import DAY, Days
from munjigi.review.ports import Gap, Taken

GRANTS = [f"g-{number}" for number in range(6)]
NAMES = ("name", "phone", "email", "address")


@pytest.fixture(params=["sqlite", "postgresql"])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Installation]:
    made = Installation(tmp_path / "state")
    if request.param == "postgresql":
        server: PostgresqlServer = request.getfixturevalue("postgresql_server")
        server.empty(DATABASE)
        address = server.address(DATABASE)
        with closing(PostgresqlStateStore(address)) as state:
            state.migrate()
        made.database = lambda: PostgresqlStateStore(address)
    with closing(made):
        yield made


def work(made: Installation, seed: int, count: int, slots: int = 3) -> None:
    """Write decisions of some weeks, of which most are confirmed, some by another worker, some twice."""
    draw = random.Random(seed)
    at = made.clock.at
    waiting: list[tuple[int, int, str]] = []
    for _ in range(count):
        at += draw.choice((SECOND, 40 * SECOND, 3 * MINUTE, DAY // 3))
        slot = draw.randrange(slots)
        names = tuple(draw.sample(NAMES, draw.randint(1, 3)))
        tool = draw.choice(("crm-desk", "crm-desk", "crm-desk", "munjigi-cli"))
        member = f"m1.01234567.{draw.randrange(300):026d}"
        record = allowed(
            at, *draw.sample(GRANTS, draw.randint(1, 2)), names=names, tool=tool, members=(member,), probe=draw.random() < 0.1
        )
        (decision,) = made.write(record, slot=slot, at=at)
        waiting = [each for each in waiting if at - each[0] < MINUTE] + [(at, slot, decision)]
        draw.shuffle(waiting)
        while waiting and draw.random() < 0.6:
            _, own, confirmed = waiting.pop()
            times = 2 if draw.random() < 0.1 else 1
            for _ in range(times):
                other = draw.randrange(slots) if draw.random() < 0.15 or times == 2 else own
                made.write(read(confirmed, outcome=draw.choice(("read", "read", "read", "failed"))), slot=other)


def slow(made: Installation) -> dict[str, dict[Permission, tuple[int, int, int, int, int]]]:
    """Count by looking at every record, without any cleverness."""
    decisions: dict[str, AccessRecord] = {}
    confirmed: set[str] = set()
    for log_id in list_logs(made.folder.journal):
        with closing(JournalReader(made.folder.journal / log_id)) as source:
            for index, payload in source.read(source.first(), 1 << 30):
                record = decode(payload)
                if isinstance(record, AccessRecord):
                    decisions[f"{log_id}-{index}"] = record
                elif isinstance(record, ConfirmRecord) and record.outcome == "read":
                    confirmed.add(record.decision_id)
    found: dict[str, dict[Permission, list[AccessRecord]]] = defaultdict(lambda: defaultdict(list))
    for decision_id, record in decisions.items():
        if record.decision == "ALLOW" and not record.probe and (decision_id in confirmed or record.tool == "munjigi-cli"):
            for field in record.fields:
                for grant in field.grants:
                    found[grant][Permission(f"{record.resource}.{field.name}", record.action)].append(record)
    days = Days("Asia/Seoul")
    return {
        grant: {
            permission: (
                min(each.time for each in records),
                max(each.time for each in records),
                len(records),
                len({member for each in records for member in each.members}),
                len({days.of(each.time) for each in records}),
            )
            for permission, records in of.items()
        }
        for grant, of in found.items()
    }


def counted(store: SqlUsageStore) -> dict[str, dict[Permission, tuple[int, int, int, int, int]]]:
    return {
        grant: {use.permission: (use.first_at, use.last_at, use.uses, use.members, use.days.bit_count()) for use in uses}
        for grant, uses in store.of(GRANTS).items()
    }


@pytest.mark.parametrize("seed", range(4))
def test_what_is_counted_is_what_is_there(made: Installation, seed: int):
    work(made, seed, 150)
    with closing(made.counter()) as counter:
        count_all(counter)
    with closing(made.store()) as store:
        assert counted(store) == slow(made)


@pytest.mark.parametrize("seed", range(3))
def test_restarts_replays_and_late_journals_change_no_byte(
    made: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
):
    draw = random.Random(1000 + seed)
    for part in range(5):
        work(made, 10 * seed + part, 40)
        for _ in range(draw.randint(1, 3)):
            monkeypatch.setattr(usage_counter, "BATCH", draw.randint(1, 30))
            away = draw.choice(list_logs(made.folder.journal))
            hidden = tmp_path / "hidden"
            (made.folder.journal / away).rename(hidden)  # a journal that comes late
            with closing(made.counter()) as counter:
                for _ in range(draw.randint(1, 4)):
                    counter.count()
            hidden.rename(made.folder.journal / away)
    with closing(made.counter()) as counter:
        count_all(counter)
        count_all(counter)  # once more: nothing is new
    anew = made.counter(lambda: SqlUsageStore(UsageFile(tmp_path / "anew.sqlite"), zone="Asia/Seoul"))
    monkeypatch.setattr(usage_counter, "BATCH", 10_000)
    with closing(anew):
        count_all(anew)
    with closing(made.store()) as store, closing(SqlUsageStore(UsageFile(tmp_path / "anew.sqlite", read_only=True))) as rebuilt:
        assert counted(store) == slow(made)
        assert list(store.export()) == list(rebuilt.export())
        assert store.digest() == rebuilt.digest()


class Killed(BaseException):
    pass


@pytest.mark.parametrize("after", [False, True])
def test_a_kill_around_the_commit_counts_nothing_twice(made: Installation, after: bool):
    work(made, 7, 60)
    kills = 0

    class Dying(SqlUsageStore):
        def take(self, taken: Taken) -> bool:
            nonlocal kills
            if kills < 6 and taken.counted:
                kills += 1
                if after:
                    super().take(taken)
                raise Killed
            return super().take(taken)

    def dying() -> SqlUsageStore:
        return Dying(made.database() if made.database else UsageFile(made.folder.usage), zone="Asia/Seoul")

    while True:
        counter = made.counter(dying)
        try:
            with closing(counter):
                count_all(counter)
            break
        except Killed:
            continue
    assert kills == (3 if after else 6)
    with closing(made.store()) as store:
        assert counted(store) == slow(made)


def test_two_who_count_the_same_journal_count_it_once(made: Installation):
    work(made, 3, 60)
    with closing(made.counter()) as one, closing(made.counter()) as other:
        one.count()
        other.count()
        work(made, 4, 30)
        one.count()
        other.count()
        for _ in range(3):
            count_all(one)
            count_all(other)
    with closing(made.store()) as store:
        assert counted(store) == slow(made)


def test_what_retention_removed_before_it_was_counted_is_a_gap_and_after_it_is_none(tmp_path: Path):
    with closing(Installation(tmp_path / "state")) as made:
        journal = made.journal(segment_bytes=3000)
        for number in range(40):
            (decision,) = made.write(allowed(START, "g-1"), at=START + number * DAY)
            made.write(read(decision))
        folder = made.folder.journal / journal.log_id
        copy = Installation(tmp_path / "copy")
        shutil.copytree(folder, copy.folder.journal / journal.log_id)
        with closing(made.counter()) as counter:
            count_all(counter)
        for each in (made, copy):
            cut(each.folder.journal / journal.log_id, 20)
            with closing(each.counter()) as counter:
                count_all(counter)
        with closing(made.store()) as store:
            assert store.gaps() == ()
            assert store.of(["g-1"])["g-1"][0].uses == 40
        with closing(copy.store()) as store:
            (gap,) = store.gaps()
            first = JournalReader(folder).first()
            began = decode(JournalReader(folder).read(first, 1)[0][1]).time
            assert gap == Gap(journal.log_id, 0, first, 0, began)


def cut(folder: Path, below: int) -> None:
    """Remove segments as retention does: the mark first, then the files."""
    names = segment.names(folder)
    first = max(segment.first_index_of(each) for each in names if segment.first_index_of(each) <= below)
    assert first > 0
    known = mark.read(folder)
    assert known is not None
    mark.write(folder, replace(known, first=first))
    for name in names:
        if segment.first_index_of(name) < first:
            (folder / name).unlink()


def test_a_journal_with_nothing_new_is_complete_up_to_a_minute_ago_and_one_that_got_shorter_is_not(made: Installation):
    work(made, 5, 20, slots=1)
    now = made.clock.at
    with closing(made.counter()) as counter:
        count_all(counter)
        made.clock.at = now + DAY
        count_all(counter)
    with closing(made.store()) as store:
        (mark,) = store.marks()
        assert (mark.time, mark.complete_to) == (now, now + DAY - MINUTE)
    # The same log, copied before its last records were written.
    made.close()
    (log_id,) = list_logs(made.folder.journal)
    shutil.rmtree(made.folder.journal / log_id)
    (made.folder.root / "slots" / "0").unlink()
    made.journals.clear()
    made.clock.at = START
    work(made, 5, 3, slots=1)
    assert list_logs(made.folder.journal) == [log_id]
    made.clock.at = now + 2 * DAY
    with closing(made.counter()) as counter:
        _, away = counter.count()
        assert away is not None
        assert away.reason == "JOURNAL_SHORTER"
    with closing(made.store()) as store:
        assert store.marks()[0].complete_to == now + DAY - MINUTE


def test_a_reader_waits_for_the_first_count(tmp_path: Path):
    with pytest.raises(Unavailable) as refused:
        SqlUsageStore(UsageFile(tmp_path / "usage.sqlite", read_only=True))
    assert refused.value.reason == "USAGE_NOT_READY"


def test_another_version_and_damage_are_said(tmp_path: Path):
    with closing(SqlUsageStore(UsageFile(tmp_path / "usage.sqlite"), zone="Asia/Seoul")):
        pass
    database = UsageFile(tmp_path / "usage.sqlite")
    with closing(database), database.writing() as connection:
        connection.exec_driver_sql("UPDATE usage SET version = 99")
        connection.exec_driver_sql("INSERT INTO usage_grant VALUES ('g-1', 1, x'c1', x'')")
    with pytest.raises(ConfigurationError) as refused:
        SqlUsageStore(UsageFile(tmp_path / "usage.sqlite", read_only=True))
    assert refused.value.reason == "USAGE_OTHER_VERSION"
    database = UsageFile(tmp_path / "usage.sqlite")
    with closing(database), database.writing() as connection:
        connection.exec_driver_sql("UPDATE usage SET version = 1")
    with closing(SqlUsageStore(UsageFile(tmp_path / "usage.sqlite", read_only=True))) as store, pytest.raises(Corruption):
        store.of(["g-1"])


def test_the_zone_stays_what_it_was_when_counting_began(tmp_path: Path):
    with closing(SqlUsageStore(UsageFile(tmp_path / "usage.sqlite"), zone="America/New_York")):
        pass
    with closing(SqlUsageStore(UsageFile(tmp_path / "usage.sqlite"), zone="Asia/Seoul")) as store:
        assert store.zone == "America/New_York"


def test_a_failing_log_holds_up_no_other(made: Installation):
    for slot in range(3):
        made.write(*(allowed(START, "g-1", tool="munjigi-cli") for _ in range(5)), slot=slot)
    away = list_logs(made.folder.journal)[1]
    segments = sorted((made.folder.journal / away).glob("*.seg"))
    kept = segments[0].read_bytes()
    segments[0].write_bytes(kept[:10] + b"\x00" * 95 + kept[105:])
    with closing(made.counter()) as counter, pytest.raises(Corruption):
        counter.count()
    with closing(made.store()) as store:
        assert {mark.log_id for mark in store.marks()} >= set(list_logs(made.folder.journal)) - {away}
