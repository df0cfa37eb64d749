"""Every way to change a log that we could think of is reported, and an untouched one never is."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from audit.support import access, filled, open_journal

from munjigi.audit import frames, mark, records, segment
from munjigi.audit.verify import verify_journal
from munjigi.kernel.errors import NotFound


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return filled(tmp_path, 12, segment_bytes=2500)


def rewrite(path: Path, change: Callable[[list[frames.Frame]], list[frames.Frame]]) -> None:
    """Change a segment's frames and give them good CRCs."""
    changed = change(frames.split(path.read_bytes()).frames)
    path.write_bytes(b"".join(frames.frame(each.kind, each.payload) for each in changed))


def reencode(each: frames.Frame, **changes: object) -> frames.Frame:
    record = records.decode(each.payload)
    for name, value in changes.items():
        setattr(record, name, value)
    return each._replace(payload=records.encode(record))


def test_untouched_journal_is_intact_and_nothing_is_repaired(folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    found = verify_journal(folder)
    assert (found.intact, found.records, found.problem, found.log_id) == (True, 12, "", folder.name)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    journal = open_journal(folder.parents[1])
    assert found.chain == journal.chain.hex()
    journal.close()


@pytest.mark.parametrize("which", [0, 1, -1])
@pytest.mark.parametrize(
    ("problem", "change"),
    [
        ("INDEX_NOT_DENSE", lambda all_: [all_[0], *all_[2:]]),
        ("INDEX_NOT_DENSE", lambda all_: [all_[0], all_[1], all_[1], *all_[2:]]),
        ("INDEX_NOT_DENSE", lambda all_: [all_[0], all_[2], all_[1], *all_[3:]]),
        ("", lambda all_: [*all_[:-1], reencode(all_[-1], employee="cs.lee")]),
        ("", lambda all_: [*all_[:-1], reencode(all_[-1], reason="OTHERSSS")]),
        ("", lambda all_: all_[:-1]),
        ("", lambda all_: [*all_, all_[-1]]),
        ("FRAME_TYPE", lambda all_: [all_[0], all_[0], *all_[1:]]),
        ("RECORD_UNREADABLE", lambda all_: [all_[0], all_[1]._replace(payload=b"\x81\xa1a\x01"), *all_[2:]]),
        ("HEADER_DAMAGED", lambda all_: all_[1:]),
        ("TIME_DECREASED", lambda all_: [*all_[:2], reencode(all_[2], time=1), *all_[3:]]),
    ],
)
def test_p7_forged_frames_with_good_checksums_are_found(folder: Path, problem: str, change: object, which: int) -> None:
    path = folder / segment.names(folder)[which]
    rewrite(path, change)  # type: ignore[arg-type] # a lambda of the table above
    found = verify_journal(folder)
    assert not found.intact
    assert found.problem == problem or (not problem and found.problem.isupper())
    assert found.file


def test_bytes_at_any_end_and_files_of_any_name_are_found(folder: Path) -> None:
    for name in segment.names(folder):
        whole = (folder / name).read_bytes()
        for data in (whole + b"\x00", whole[:-1], whole + whole[-50:], b"", whole[: segment.HEADER_SIZE]):
            (folder / name).write_bytes(data)
            assert not verify_journal(folder).intact
        (folder / name).write_bytes(whole)
    for name in ("notes.txt", ".hidden", "mark.json.tmp", segment.name_of(3)[:-4], segment.name_of(5) + ".tmp"):
        (folder / name).write_bytes(b"")
        found = verify_journal(folder)
        assert (found.problem, found.file) == ("STRAY_FILE", name)
        (folder / name).unlink()
    assert verify_journal(folder).intact


def test_torn_tail_is_a_problem_that_names_its_place(tmp_path: Path) -> None:
    folder = filled(tmp_path, 3, clean=False)
    path = folder / segment.name_of(0)
    size = path.stat().st_size
    path.write_bytes(path.read_bytes() + b"\x00\x00\x01\x00")
    found = verify_journal(folder)
    assert (found.problem, found.file, found.offset, found.index, found.records) == ("TORN_TAIL", path.name, size, 3, 3)


def test_exchanged_segments_marks_and_logs_are_found(folder: Path, tmp_path: Path) -> None:
    first, second, *_ = segment.names(folder)
    one, two = (folder / first).read_bytes(), (folder / second).read_bytes()
    (folder / first).write_bytes(two)
    assert verify_journal(folder).problem == "HEADER_OF_ANOTHER_SEGMENT"
    (folder / first).write_bytes(one)
    other = filled(tmp_path, 12, segment_bytes=2500, slot=1)
    (folder / second).write_bytes((other / second).read_bytes())
    assert not verify_journal(folder).intact
    (folder / second).write_bytes(two)
    for name in (mark.NAME, second):
        kept = (folder / name).read_bytes()
        (folder / name).unlink()
        assert verify_journal(folder).problem in {"MARK_DAMAGED", "SEGMENT_MISSING"}
        (folder / name).write_bytes(kept)
    (folder / mark.NAME).write_bytes((other / mark.NAME).read_bytes())
    assert verify_journal(folder).problem == "MARK_DAMAGED"
    shutil.rmtree(other)
    with pytest.raises(NotFound):
        verify_journal(other)


def test_mark_with_another_chain_is_found(folder: Path) -> None:
    known = mark.read(folder)
    assert known is not None
    mark.write(folder, mark.Mark(1, known.log_id, 0, True, known.segment, known.size, known.next_index, "0" * 64))
    assert verify_journal(folder).problem == "MARK_DIFFERS"


def test_live_journal_is_verified_up_to_what_is_durable(tmp_path: Path) -> None:
    journal = open_journal(tmp_path, segment_bytes=2500)
    folder = tmp_path / "journal" / journal.log_id
    for number in range(20):
        journal.append(access(number))
        journal.sync()
    path = folder / segment.names(folder)[-1]
    path.write_bytes(path.read_bytes() + frames.frame(frames.RECORD, bytes(500))[:300])
    live = verify_journal(folder, live_until=20)
    assert (live.intact, live.records, live.chain) == (True, 20, journal.chain.hex())
    assert verify_journal(folder, live_until=7).records == 7
    assert verify_journal(folder).problem == "TORN_TAIL"
    missing = verify_journal(folder, live_until=21)
    assert not missing.intact
    journal.close()


def test_live_empty_journal_is_intact(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    assert verify_journal(tmp_path / "journal" / journal.log_id, live_until=0).intact
    journal.close()
