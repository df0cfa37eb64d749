from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
from audit.support import access, open_journal

from munjigi.audit.committer import FULL_GROUP, GroupCommitter, Mode, choose_mode, measure_sync
from munjigi.audit.files import SystemDevice
from munjigi.audit.journal import Journal
from munjigi.audit.verify import verify_journal
from munjigi.kernel.errors import AuditUnavailable

MODES = pytest.mark.parametrize("mode", ["loop", "mixed", "thread"])


class HeldDevice(SystemDevice):
    """A disk whose sync waits until it is let go, and then fails if told to. `twice` is set at the second one."""

    def __init__(self) -> None:
        self.syncing = threading.Event()
        self.go = threading.Event()
        self.twice = threading.Event()
        self.fail = False
        self.syncs = 0

    def append(self, fd: int, data: memoryview) -> int:
        self.syncing.set()
        assert self.go.wait(10)
        self.syncs += 1
        if self.fail:
            raise OSError(5, "Input/output error")
        taken = super().append(fd, data)
        if self.syncs == 2:
            self.twice.set()
        return taken


@MODES
def test_p1_waiter_is_called_after_its_record_is_durable(tmp_path: Path, mode: Mode) -> None:
    async def main() -> None:
        journal = open_journal(tmp_path)
        committer = GroupCommitter(journal, mode, pytest.fail)
        seen: list[tuple[int, int]] = []

        async def user(number: int) -> None:
            for each in range(20):
                index = journal.append(access(number * 100 + each))
                await committer.durable()
                assert journal.durable_index > index
                seen.append((index, journal.durable_index))

        await asyncio.gather(*(user(number) for number in range(10)))
        assert len({index for index, _ in seen}) == 200
        assert (committer.records, committer.commits <= 200) == (200, True)
        assert committer.total_sync_seconds >= committer.last_sync_seconds > 0
        folder = tmp_path / "journal" / journal.log_id
        assert committer.bytes == sum(path.stat().st_size for path in folder.glob("*.seg")) - 105
        await committer.close()
        journal.close()
        assert verify_journal(folder).records == 200

    asyncio.run(main())


@MODES
def test_one_iteration_of_the_loop_shares_one_sync(tmp_path: Path, mode: Mode) -> None:
    async def main() -> None:
        journal = open_journal(tmp_path)
        committer = GroupCommitter(journal, mode, pytest.fail)

        async def one() -> None:
            journal.append(access())
            await committer.durable()

        await asyncio.gather(*(one() for _ in range(50)))
        assert (committer.commits, committer.records) == (1, 50)
        await one()
        assert (committer.commits, committer.records) == (2, 51)
        await committer.durable()  # nothing new: no sync is needed
        assert committer.commits == 2
        await committer.close()
        journal.close()

    asyncio.run(main())


def test_thread_syncs_while_the_loop_goes_on_and_batches_what_arrives(tmp_path: Path) -> None:
    async def main() -> None:
        device = HeldDevice()
        journal = open_journal(tmp_path, device=device)
        committer = GroupCommitter(journal, "thread", pytest.fail)
        answers: list[int] = []
        journal.append(access(0))
        committer.when_durable(lambda _: answers.append(0))
        assert await asyncio.to_thread(device.syncing.wait, 10)
        for number in range(1, 30):
            journal.append(access(number))
            committer.when_durable(lambda _, number=number: answers.append(number))
        assert (answers, journal.durable_index, journal.next_index) == ([], 0, 30)
        device.go.set()
        await committer.durable()
        assert answers == list(range(30))
        assert committer.commits == 2
        await committer.close()
        journal.close()

    asyncio.run(main())


def give(journal: Journal, committer: GroupCommitter, count: int, answers: list[Any], answer: int) -> None:
    """Append so many records, and note an answer once they are durable, or the error."""
    for number in range(count):
        journal.append(access(number))
    committer.when_durable(lambda error: answers.append(error or (answer, journal.durable_index)))


def test_p1_a_full_group_is_written_behind_another_without_the_loop(tmp_path: Path) -> None:
    async def main() -> None:
        device = HeldDevice()
        journal = open_journal(tmp_path, device=device)
        committer = GroupCommitter(journal, "thread", pytest.fail)
        answers: list[Any] = []
        give(journal, committer, 1, answers, 0)
        assert await asyncio.to_thread(device.syncing.wait, 10)
        give(journal, committer, FULL_GROUP, answers, 1)
        await asyncio.sleep(0.01)
        give(journal, committer, FULL_GROUP, answers, 2)  # one waits behind another: this waits for the loop
        committer.when_durable(lambda _: answers.append(3))
        await asyncio.sleep(0.01)
        device.go.set()
        assert device.twice.wait(10), "the thread did not go on while the loop was held up, here"
        assert answers == []
        await committer.close()
        assert answers == [(0, 1), (1, FULL_GROUP + 1), (2, 2 * FULL_GROUP + 1), 3]
        assert committer.commits == 3
        journal.close()

    asyncio.run(main())


def test_p1_what_lies_behind_a_failed_sync_fails_with_it(tmp_path: Path) -> None:
    async def main() -> None:
        device = HeldDevice()
        device.fail = True
        journal = open_journal(tmp_path, device=device)
        failures: list[AuditUnavailable] = []
        committer = GroupCommitter(journal, "thread", failures.append)
        answers: list[Any] = []
        give(journal, committer, 1, answers, 0)
        assert await asyncio.to_thread(device.syncing.wait, 10)
        give(journal, committer, FULL_GROUP, answers, 1)
        await asyncio.sleep(0.01)
        give(journal, committer, 1, answers, 2)
        device.go.set()
        with pytest.raises(AuditUnavailable):
            await committer.close()
        assert [type(each) for each in answers] == [AuditUnavailable] * 3
        assert (len(failures), device.syncs, journal.durable_index) == (1, 1, 0)
        journal.close()

    asyncio.run(main())


@MODES
def test_p1_failed_sync_reaches_every_waiter_and_the_process(tmp_path: Path, mode: Mode) -> None:
    async def main() -> None:
        device = HeldDevice()
        device.go.set()
        device.fail = True
        journal = open_journal(tmp_path, device=device)
        failures: list[AuditUnavailable] = []
        committer = GroupCommitter(journal, mode, failures.append)
        answers: list[Any] = []
        for number in range(3):
            journal.append(access(number))
            committer.when_durable(answers.append)
        with pytest.raises(AuditUnavailable):
            await committer.durable()
        device.fail = False
        with pytest.raises(AuditUnavailable):
            journal.append(access(9))
        with pytest.raises(AuditUnavailable):
            await committer.durable()
        assert [type(each) for each in answers] == [AuditUnavailable] * 3
        assert (len(failures), device.syncs, journal.durable_index) == (1, 1, 0)
        with pytest.raises(AuditUnavailable):
            await committer.close()
        journal.close()

    asyncio.run(main())


@MODES
def test_waiter_that_raises_harms_no_other(tmp_path: Path, mode: Mode) -> None:
    async def main() -> None:
        journal = open_journal(tmp_path)
        committer = GroupCommitter(journal, mode, pytest.fail)
        reported: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
        answers: list[Any] = []

        def bad(_: Exception | None) -> None:
            raise ValueError

        journal.append(access())
        committer.when_durable(bad)
        committer.when_durable(answers.append)
        await committer.durable()
        assert answers == [None]
        assert isinstance(reported[0]["exception"], ValueError)
        await committer.close()
        journal.close()

    asyncio.run(main())


@MODES
def test_cancelled_waiter_harms_no_other(tmp_path: Path, mode: Mode) -> None:
    async def main() -> None:
        journal = open_journal(tmp_path)
        committer = GroupCommitter(journal, mode, pytest.fail)
        journal.append(access())
        gone = asyncio.ensure_future(committer.durable())
        stays = asyncio.ensure_future(committer.durable())
        await asyncio.sleep(0)
        gone.cancel()
        await stays
        assert gone.cancelled() or gone.done()
        await committer.close()
        journal.close()

    asyncio.run(main())


def test_mode_follows_the_measured_sync(tmp_path: Path) -> None:
    assert 0 < measure_sync(tmp_path) < 10
    assert list(tmp_path.iterdir()) == []
    assert choose_mode(0.0002) == "mixed"
    assert choose_mode(0.01) == "thread"
    with pytest.raises(AuditUnavailable):
        measure_sync(tmp_path / "missing")


@MODES
def test_who_has_patience_waits_for_company_and_nobody_else_does(tmp_path: Path, mode: Mode) -> None:
    ages = 3_600.0

    async def main() -> None:
        journal = open_journal(tmp_path)
        committer = GroupCommitter(journal, mode, pytest.fail)

        async def one(patience: float) -> None:
            journal.append(access())
            await committer.durable(patience=patience)

        await asyncio.wait_for(one(ages), 30)  # who is alone does not wait
        await asyncio.wait_for(asyncio.gather(one(ages), one(ages)), 30)  # the one before was alone
        commits = committer.commits
        patient = asyncio.ensure_future(one(ages))
        done, _ = await asyncio.wait((patient,), timeout=0.2)
        assert (done, committer.commits) == (set(), commits)
        await asyncio.wait_for(asyncio.gather(one(0.0), patient), 30)  # whoever is in a hurry takes the patient along
        assert committer.commits == commits + 1
        patient = asyncio.ensure_future(one(ages))
        await asyncio.sleep(0)
        await asyncio.wait_for(committer.close(), 30)  # and so does the end
        await patient
        journal.close()

    asyncio.run(main())


def test_mixed_holds_the_loop_up_for_nobody_but_who_is_alone(tmp_path: Path) -> None:
    class Device(SystemDevice):
        threads: list[str] = []  # noqa: RUF012 -- of one test

        def append(self, fd: int, data: memoryview) -> int:
            self.threads.append(threading.current_thread().name)
            return super().append(fd, data)

    async def main() -> None:
        journal = open_journal(tmp_path, device=Device())
        committer = GroupCommitter(journal, "mixed", pytest.fail)
        Device.threads.clear()

        async def one(answers: int = 1) -> None:
            journal.append(access())
            durable = asyncio.get_running_loop().create_future()
            committer.when_durable(durable.set_result, answers=answers)
            assert await durable is None

        await one()
        await one()
        await asyncio.gather(one(), one())
        await one()  # others were there just now
        await one()
        await one(answers=2)
        await committer.close()
        journal.close()
        loop, thread = threading.current_thread().name, "munjigi-journal"
        assert Device.threads[:6] == [loop, loop, thread, thread, loop, thread]

    asyncio.run(main())
