from __future__ import annotations

from pathlib import Path

import pytest
from audit.conformance_index import ids
from audit.support import access, filled, open_journal

from doubles.index_memory import MemoryAuditIndex
from munjigi.audit import records, segment
from munjigi.audit.follow import Epochs, follow_once, reconcile
from munjigi.audit.ports import RecordQuery
from munjigi.audit.reader import JournalReader, list_logs
from munjigi.kernel.errors import Corruption, Unavailable


def test_reader_follows_a_journal_that_is_being_written_over_segments(tmp_path: Path) -> None:
    journal = open_journal(tmp_path, segment_bytes=1500)
    with JournalReader(tmp_path / "journal" / journal.log_id) as reader:
        assert reader.read(0, 10) == []
        found: list[tuple[int, bytes]] = []
        for number in range(40):
            journal.append(access(number))
            assert reader.read(len(found), 10) == []
            if number % 3 == 0:
                journal.sync()
                while new := reader.read(len(found), 2):
                    assert len(new) <= 2
                    found.extend(new)
                assert len(found) == number + 1
        journal.close()
        found.extend(reader.read(len(found), 10))
        assert [index for index, _ in found] == list(range(40))
        assert [records.decode(payload).index for _, payload in found] == list(range(40))
        assert reader.read(7, 2) == found[7:9]  # back, at will
        assert reader.read(39, 5) == found[39:]
        assert reader.read(40, 5) == reader.read(1000, 5) == []


def test_torn_tail_is_not_yet_a_record(tmp_path: Path) -> None:
    folder = filled(tmp_path, 3, clean=False)
    path = folder / segment.name_of(0)
    whole = path.read_bytes()
    with JournalReader(folder) as reader:
        second = reader.read(0, 2)
        for length in range(len(whole) - 200, len(whole)):
            path.write_bytes(whole[:length])
            assert reader.read(2, 5) == []
        path.write_bytes(whole)
        assert reader.read(2, 5)[0][0] == 2
        assert reader.read(0, 2) == second


def test_damaged_frame_stops_the_reader(tmp_path: Path) -> None:
    folder = filled(tmp_path, 3)
    path = folder / segment.name_of(0)
    damaged = bytearray(path.read_bytes())
    damaged[segment.HEADER_SIZE + 30] ^= 1
    path.write_bytes(damaged)
    with JournalReader(folder) as reader, pytest.raises(Corruption, match="audit verify"):
        reader.read(0, 5)
    damaged[5] ^= 1
    path.write_bytes(damaged)
    with JournalReader(folder) as reader, pytest.raises(Corruption, match="header"):
        reader.read(0, 5)
    with JournalReader(tmp_path / "missing") as reader, pytest.raises(Unavailable):
        reader.read(0, 5)


def test_each_record_is_moved_once(tmp_path: Path) -> None:
    index, seen = MemoryAuditIndex(), Epochs()
    journals = [open_journal(tmp_path, slot) for slot in range(2)]
    sources = [JournalReader(tmp_path / "journal" / log_id) for log_id in list_logs(tmp_path / "journal")]
    for journal in journals:
        for number in range(5):
            journal.append(access(number))
        journal.sync()
    assert [follow_once(sources, index, 3, seen) for _ in range(3)] == [6, 4, 0]
    journals[0].append(access(5))
    journals[0].close()
    journals[0] = open_journal(tmp_path)
    journals[0].append(access(6))
    journals[0].sync()
    assert [follow_once(sources, index, 3, seen) for _ in range(2)] == [2, 0]
    assert [index.cursor(journal.log_id) for journal in journals] == [7, 5]
    # A follower that starts anew goes on from the cursor in the index.
    assert follow_once(sources, index, 100, Epochs()) == 0
    assert len(ids(index)) == 12
    for each in (*journals, *sources):
        each.close()


@pytest.mark.parametrize("lost", [1, 2, 3, 7, 12])
@pytest.mark.parametrize("rewritten", [0, 1, 3, 20])
def test_records_that_a_crash_took_back_leave_the_index(tmp_path: Path, lost: int, rewritten: int) -> None:
    """Written, read and indexed before the sync; then the machine lost power, and others got their indexes."""
    index, seen = MemoryAuditIndex(), Epochs()
    folder = filled(tmp_path, 12, clean=False)
    reader = JournalReader(folder)
    assert follow_once([reader], index, 100, seen) == 12
    path = folder / segment.name_of(0)
    kept = 12 - lost
    data = path.read_bytes()
    with JournalReader(folder) as other:
        size = segment.HEADER_SIZE + sum(9 + len(payload) for _, payload in other.read(0, kept)) if kept else segment.HEADER_SIZE
    path.write_bytes(data[:size])
    journal = open_journal(tmp_path)
    assert journal.next_index == kept
    for number in range(rewritten):
        journal.append(access(1000 + number))
        journal.sync()
    for follower in (seen, Epochs()):
        follow_once([reader], index, 100, follower)
        assert index.cursor(folder.name) == kept + rewritten
        held = [each.payload for each in reversed(index.search(RecordQuery(), 1000).records)]
        assert held == [payload for _, payload in reader.read(0, 1000)]
    assert reconcile(reader, index) == 0
    journal.close()
    reader.close()
