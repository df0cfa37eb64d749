"""What is held stays, to the nanosecond; a hold survives a kill at any point, and one that was taken away stops every removal."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from app.retiring import copy_of, first_of, make, payloads_of, retire, verified

from doubles.metrics import MemorySink
from munjigi.app.files import StateFolder
from munjigi.app.holds import Holds
from munjigi.app.retention import Retention
from munjigi.audit import files, mark, segment
from munjigi.audit.holds import Hold
from munjigi.audit.journal import Journal
from munjigi.audit.records import HoldRecord, ReleaseRecord, decode
from munjigi.kernel.errors import AlreadyExists, Corruption, NotFound
from munjigi.kernel.identity import EmployeeKey
from munjigi.monitoring.meter import Meter

OFFICER = EmployeeKey("urn:test", "dpo.yoon")
Use = Callable[[Holds], Coroutine[Any, Any, Any]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("made") / "state")


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return copy_of(made, tmp_path / "state")


def using(folder: Path, *uses: Use, remove: bool = False, sink: MemorySink | None = None) -> list[Any]:
    """Let a worker that has just started do something with holds; `remove` what may go afterwards."""
    found: list[Any] = []

    async def use(retention: Retention, journal: Journal) -> None:
        holds = Holds(
            StateFolder(folder.parents[1]),
            journal,
            retention._durability,
            retention,
            retention._clock,
            Meter(sink or MemorySink()),
        )
        await holds.settle()
        found.extend([await each(holds) for each in uses])

    retire(folder.parents[1], use=use, retention_years=2 if remove else 0)
    return found


def placing(begin: int = 0, end: int = 0, request_id: str = "") -> Use:
    return lambda holds: holds.place(OFFICER, "civil case", begin, end, request_id)


def releasing(hold_id: str) -> Use:
    return lambda holds: holds.release(OFFICER, hold_id, "settled", "")


async def standing(holds: Holds) -> list[Hold]:
    return await holds.standing()


def bounds(folder: Path) -> tuple[int, int]:
    """The times of the first and of the last record of the second segment, which is old enough to go."""
    names = segment.names(folder)
    begin, end = segment.first_index_of(names[1]), segment.first_index_of(names[2])
    found = payloads_of(folder)
    return decode(found[begin][1]).time, decode(found[end - 1][1]).time


@pytest.mark.parametrize(
    ("begin", "end", "held"),
    [
        (0, 0, True),
        ("first", "after", True),
        ("before", "first", False),  # ends before the first record: half-open
        ("before", "just after first", True),
        ("last", "after", True),
        ("just after last", "after", False),
        ("last", 0, True),
        (0, "first", False),
        ("between", "just after between", True),
    ],
)
def test_a_hold_covers_its_period_half_open(folder: Path, begin: int | str, end: int | str, held: bool) -> None:
    first, last = bounds(folder)
    moments = {
        "before": first - 1,
        "first": first,
        "just after first": first + 1,
        "between": first + 5,
        "just after between": first + 6,
        "last": last,
        "just after last": last + 1,
        "after": last + 2,
    }
    names = segment.names(folder)
    period = [moments[each] if isinstance(each, str) else each for each in (begin, end)]
    (hold,) = using(folder, placing(*period), remove=True)
    second = segment.first_index_of(names[1])
    if begin == end == 0 or (begin == 0 and end == "first"):
        assert first_of(folder) == 0  # the first segment is held as well
    else:
        assert (first_of(folder) == second) == held
    assert verified(folder).intact or first_of(folder) == 0
    using(folder, releasing(hold.hold_id), remove=True)
    assert first_of(folder) > second


def test_a_hold_is_recorded_listed_and_released_with_its_reason(folder: Path) -> None:
    sink = MemorySink()
    (hold,) = using(folder, placing(7, 9), sink=sink)
    assert (hold.issuer, hold.employee, hold.reason, hold.from_time, hold.to_time) == (*OFFICER, "civil case", 7, 9)
    assert sink.values["munjigi_legal_holds",] == 1
    (listed,) = using(folder, standing)
    assert listed == [hold]
    path = folder.parents[1] / "holds" / f"{hold.hold_id}.json"
    assert path.stat().st_mode & 0o777 == 0o600
    using(folder, releasing(hold.hold_id))
    assert using(folder, standing) == [[]]
    found = [decode(payload) for _, payload in payloads_of(folder)]
    (placed,) = [each for each in found if isinstance(each, HoldRecord)]
    (released,) = [each for each in found if isinstance(each, ReleaseRecord)]
    assert hold.record == f"{folder.name}-{placed.index}"
    assert (placed.hold_id, placed.from_time, placed.to_time, placed.reason) == (hold.hold_id, 7, 9, "civil case")
    assert (released.hold_id, released.reason, released.employee) == (hold.hold_id, "settled", "dpo.yoon")
    with pytest.raises(NotFound):
        using(folder, releasing(hold.hold_id))


def test_the_same_request_is_the_same_hold(folder: Path) -> None:
    one, two = using(folder, placing(7, 9, "r-1"), placing(7, 9, "r-1"))
    assert one == two
    assert len(using(folder, placing(7, 9), standing)[1]) == 2
    with pytest.raises(AlreadyExists, match="used for another hold"):
        using(folder, placing(7, 10, "r-1"))


def _remove_the_folder(state: Path, _hold: str) -> None:
    shutil.rmtree(state / "holds")


def _remove_the_file(state: Path, hold_id: str) -> None:
    (state / "holds" / f"{hold_id}.json").unlink()


def _shorten_its_period(state: Path, hold_id: str) -> None:
    path = state / "holds" / f"{hold_id}.json"
    path.write_bytes(path.read_bytes().replace(b'"to_time":0', b'"to_time":1'))


def _empty_the_file(state: Path, hold_id: str) -> None:
    (state / "holds" / f"{hold_id}.json").write_bytes(b"")


@pytest.mark.parametrize("tamper", [_remove_the_folder, _remove_the_file, _shorten_its_period, _empty_the_file])
def test_a_hold_that_was_taken_away_stops_every_removal(folder: Path, tamper: Callable[[Path, str], None]) -> None:
    state = folder.parents[1]
    (hold,) = using(folder, placing())
    tamper(state, hold.hold_id)
    with pytest.raises(Corruption, match="so nothing is removed"):
        retire(state)
    assert first_of(folder) == 0
    again, _ = using(folder, placing(), releasing(hold.hold_id))  # as the message says
    assert retire(state) == 0
    using(folder, releasing(again.hold_id))
    assert retire(state) > 0


@pytest.mark.parametrize("what", ["place", "release"])
def test_kill_9_before_every_call_of_a_change_leaves_a_hold_or_none_as_it_was_acknowledged(
    made: Path, tmp_path: Path, what: str
) -> None:
    for where in range(1, 60):
        folder = copy_of(made, tmp_path / str(where))
        hold_id = using(folder, placing())[0].hold_id if what == "release" else ""
        child = os.fork()
        if not child:
            _die(folder, releasing(hold_id) if hold_id else placing(), where)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        marked = mark.read(folder)
        assert marked is not None
        (now,) = using(folder, standing)  # the next start
        if not status:
            assert len(now) == (0 if hold_id else 1)
            break
        records = [each for _, payload in payloads_of(folder) if isinstance(each := decode(payload), HoldRecord)]
        assert {each.hold_id for each in now} <= {each.hold_id for each in records}  # recorded by now at the latest
        assert set(marked.holds) <= {each.hold_id for each in now}  # the mark names none that has no file
        if now:
            assert retire(folder.parents[1]) == 0
        shutil.rmtree(folder.parents[1])
    assert not status


def _die(folder: Path, change: Use, where: int) -> None:
    left = where

    def wrap(target: Any, name: str) -> None:
        real = getattr(target, name)

        def wrapped(*arguments: Any, **options: Any) -> Any:
            nonlocal left
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **options)

        setattr(target, name, wrapped)

    async def armed(holds: Holds) -> None:
        for name in ("write_all", "sync_folder"):
            wrap(files, name)
        for name in ("rename", "unlink"):
            wrap(Path, name)
        await change(holds)

    using(folder, armed)


def test_what_is_to_come_is_held_too() -> None:
    assert Hold(hold_id="h", reason="r", issuer="i", employee="e", placed_at=1, from_time=5).covers(1 << 62, 1 << 62)
