"""After a restart the last minute's allowed reads are found again, in little memory however busy it was."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest
from audit.support import START, TickingClock, access, confirm, open_journal

from munjigi.app.recent_reads import recall
from munjigi.audit.reader import JournalReader
from munjigi.kernel.ids import record_id
from munjigi.rpc.pending import VALIDITY, PendingReads


def test_only_the_last_minute_is_recalled_and_what_was_confirmed_of_it(tmp_path: Path) -> None:
    clock = TickingClock()
    journal = open_journal(tmp_path, clock=clock)
    old = [journal.append(access(number, valid_until=START + VALIDITY)) for number in range(6000)]
    clock.at = now = START + 2 * VALIDITY
    fresh = [journal.append(access(number, valid_until=now + VALIDITY)) for number in range(6000)]
    tried = journal.append(access(0, valid_until=now + VALIDITY, observe=True))
    denied = journal.append(access(0, decision="DENY"))
    confirmation = journal.append(confirm(record_id(journal.log_id, fresh[1])))
    journal.append(confirm(record_id(journal.log_id, old[1])))
    journal.append(confirm(record_id(journal.log_id, denied)))
    journal.sync()
    pending = PendingReads()
    with JournalReader(tmp_path / "journal" / journal.log_id) as reader:
        assert recall(reader, journal.next_index, pending, clock.now()) == len(fresh)
    journal.close()
    assert all(pending.get(index) is None for index in (*old, tried, denied))
    reads = [pending.get(index) for index in fresh]
    assert all(read is not None and read.valid_until == now + VALIDITY for read in reads)
    assert [read.confirmed_at for read in reads if read][:3] == [None, confirmation, None]


@pytest.mark.no_cover  # the same lines for each read
def test_a_busy_minute_costs_little_memory(tmp_path: Path) -> None:
    clock = TickingClock()
    journal = open_journal(tmp_path, clock=clock)
    for number in range(30_000):
        journal.append(access(number, valid_until=START + VALIDITY))
    journal.sync()
    with JournalReader(tmp_path / "journal" / journal.log_id) as reader:
        tracemalloc.start()
        try:
            assert recall(reader, journal.next_index, PendingReads(), clock.now()) == 30_000
            assert tracemalloc.get_traced_memory()[1] < 16 << 20
        finally:
            tracemalloc.stop()
    journal.close()
