"""P1: what a start makes of the end of a journal."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest
from audit.support import access, filled, open_journal

from munjigi.audit import frames, mark, records, segment
from munjigi.audit.reader import JournalReader
from munjigi.audit.verify import verify_journal
from munjigi.kernel.errors import Corruption


def boundaries(data: bytes) -> list[int]:
    found = [each.offset for each in frames.split(data).frames]
    return [*found[1:], len(data)]


def payloads(folder: Path) -> list[bytes]:
    with JournalReader(folder) as reader:
        return [payload for _, payload in reader.read(0, 10_000)]


def test_p1_every_prefix_of_a_killed_journal_keeps_each_whole_record(tmp_path: Path) -> None:
    folder = filled(tmp_path, 2, clean=False)
    path = folder / segment.name_of(0)
    whole, known = path.read_bytes(), (folder / "mark.json").read_bytes()
    sent = payloads(folder)
    ends = boundaries(whole)
    cut = 0
    for length in range(len(whole) + 1):
        path.write_bytes(whole[:length])
        (folder / "mark.json").write_bytes(known)
        shutil.rmtree(tmp_path / "quarantine", ignore_errors=True)
        if length < segment.HEADER_SIZE:
            with pytest.raises(Corruption, match="offset"):
                open_journal(tmp_path)
            continue
        complete = sum(end <= length for end in ends) - 1
        clean_cut = length in ends
        assert verify_journal(folder).intact == clean_cut
        open_journal(tmp_path).close()
        found = payloads(folder)
        assert found[:complete] == sent[:complete]
        assert verify_journal(folder).intact
        if clean_cut:
            assert len(found) == complete
            assert not (tmp_path / "quarantine").exists()
            continue
        cut += 1
        torn = whole[max(end for end in ends if end <= length) : length]
        record = records.decode(found[complete])
        assert isinstance(record, records.TailCutRecord)
        assert (record.file, record.offset, record.length) == (path.name, length - len(torn), len(torn))
        assert record.digest == hashlib.sha256(torn).hexdigest()
        assert [each.read_bytes() for each in (tmp_path / "quarantine").iterdir()] == [torn]
        assert len(found) == complete + 1
    assert cut > 500


def test_every_prefix_of_a_clean_journal_is_refused(tmp_path: Path) -> None:
    folder = filled(tmp_path, 3)
    path = folder / segment.name_of(0)
    whole = path.read_bytes()
    for length in range(0, len(whole), 3):
        path.write_bytes(whole[:length])
        with pytest.raises(Corruption, match=path.name):
            open_journal(tmp_path)
        assert not verify_journal(folder).intact
        assert path.read_bytes() == whole[:length]
    path.write_bytes(whole)
    open_journal(tmp_path).close()


@pytest.mark.parametrize("clean", [True, False])
def test_every_flipped_bit_is_refused_or_cut_and_always_reported(tmp_path: Path, clean: bool) -> None:
    folder = filled(tmp_path, 2, clean=clean)
    path = folder / segment.name_of(0)
    whole, known = path.read_bytes(), (folder / "mark.json").read_bytes()
    sent = payloads(folder)
    last = boundaries(whole)[-2]
    for at in range(len(whole)):
        damaged = bytearray(whole)
        damaged[at] ^= 1 << at % 8
        path.write_bytes(damaged)
        (folder / "mark.json").write_bytes(known)
        found = verify_journal(folder)
        assert not found.intact
        assert found.offset <= at
        if clean or at < last:
            with pytest.raises(Corruption, match=path.name):
                open_journal(tmp_path)
            assert path.read_bytes() == damaged
        else:
            # The last frame of a killed process: torn or damaged can't be told apart, and nothing is kept quiet.
            open_journal(tmp_path).close()
            assert payloads(folder)[:-1] == sent[:-1]
            assert isinstance(records.decode(payloads(folder)[-1]), records.TailCutRecord)
        shutil.rmtree(tmp_path / "quarantine", ignore_errors=True)


def test_every_changed_byte_of_the_mark_is_refused(tmp_path: Path) -> None:
    folder = filled(tmp_path, 2)
    path = folder / mark.NAME
    whole = path.read_bytes()
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
        with pytest.raises(Corruption, match=r"mark\.json"):
            open_journal(tmp_path)
        assert verify_journal(folder).problem == "MARK_DAMAGED"


def test_hole_of_zeros_at_the_end_is_cut(tmp_path: Path) -> None:
    folder = filled(tmp_path, 2, clean=False)
    path = folder / segment.name_of(0)
    path.write_bytes(path.read_bytes() + bytes(4096))
    journal = open_journal(tmp_path)
    assert journal.next_index == 3
    journal.close()


def test_below_an_earlier_start_nothing_is_cut(tmp_path: Path) -> None:
    folder = filled(tmp_path, 3)
    open_journal(tmp_path).close()
    journal = open_journal(tmp_path)
    known = (folder / mark.NAME).read_bytes()  # of a running process: not clean, but three records are known
    journal.close()
    (folder / mark.NAME).write_bytes(known)
    path = folder / segment.name_of(0)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(Corruption, match="shorter"):
        open_journal(tmp_path)


def test_death_in_the_middle_of_a_cut_still_leaves_its_record(tmp_path: Path) -> None:
    folder = filled(tmp_path, 3, clean=False)
    path = folder / segment.name_of(0)
    torn = path.read_bytes() + b"\x00\x00\x01"
    path.write_bytes(torn)
    open_journal(tmp_path).close()
    after = path.read_bytes()
    shortened = torn[:-3]
    pending = mark.read(folder)
    assert pending is not None
    cut = mark.Cut(3, path.name, len(shortened), 3, hashlib.sha256(b"\x00\x00\x01").hexdigest())
    chain = segment.GENESIS
    for payload in payloads(folder)[:3]:
        chain = hashlib.sha256(chain + hashlib.sha256(b"\x00" + payload).digest()).digest()
    stopped = mark.Mark(1, folder.name, 0, False, path.name, len(shortened), 3, chain.hex(), (cut,))
    # Died after the mark, after the truncation, in the middle of the record, after the record.
    for left in (torn, shortened, after[: len(shortened) + 20], after):
        path.write_bytes(left)
        mark.write(folder, stopped)
        open_journal(tmp_path).close()
        found = [records.decode(each) for each in payloads(folder)]
        first = found[3]
        assert isinstance(first, records.TailCutRecord)
        assert (first.offset, first.length, first.digest) == (cut.offset, cut.length, cut.digest)
        assert verify_journal(folder).intact


def batched(state: Path) -> tuple[Path, list[int]]:
    """Make a killed journal of two commits of three records each; return its folder and where its frames begin."""
    journal = open_journal(state)
    folder = state / "journal" / journal.log_id
    known = (folder / mark.NAME).read_bytes()
    for _ in range(2):
        for number in range(3):
            journal.append(access(number))
        journal.sync()
    journal.close()
    (folder / mark.NAME).write_bytes(known)
    return folder, [each.offset for each in frames.split((folder / segment.name_of(0)).read_bytes()).frames][1:]


@pytest.mark.parametrize("damaged", range(6))
def test_what_is_left_of_the_last_commit_is_cut_and_an_earlier_one_is_not(tmp_path: Path, damaged: int) -> None:
    """Sectors reach a disk in any order: of a commit that was never synced, the end may be there without the beginning."""
    folder, begins = batched(tmp_path)
    path = folder / segment.name_of(0)
    whole = bytearray(path.read_bytes())
    whole[begins[damaged] + 20 : begins[damaged] + 60] = bytes(40)
    path.write_bytes(whole)
    if damaged < 3:
        with pytest.raises(Corruption, match="followed by a later commit"):
            open_journal(tmp_path)
        assert path.read_bytes() == whole
        return
    open_journal(tmp_path).close()
    found = [records.decode(each) for each in payloads(folder)]
    cut = found[-1]
    assert isinstance(cut, records.TailCutRecord)
    assert (len(found), cut.offset, cut.length) == (damaged + 1, begins[damaged], len(whole) - begins[damaged])
    assert [each.read_bytes() for each in (tmp_path / "quarantine").iterdir()] == [whole[begins[damaged] :]]
    assert verify_journal(folder).intact
