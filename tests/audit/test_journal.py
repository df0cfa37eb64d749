from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from audit.support import START, TickingClock, access, filled, open_journal

from munjigi.audit import records, segment
from munjigi.audit.reader import JournalReader, list_logs
from munjigi.audit.verify import verify_journal
from munjigi.kernel.errors import AuditUnavailable, ConfigurationError, Corruption, FailedPrecondition, InvalidArgument


def read_all(folder: Path) -> list[records.AnyRecord]:
    with JournalReader(folder) as reader:
        return [records.decode(payload) for _, payload in reader.read(0, 100_000)]


def test_append_numbers_densely_and_does_no_io(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    folder = tmp_path / "journal" / journal.log_id
    size = (folder / segment.name_of(0)).stat().st_size
    assert [journal.append(access(number)) for number in range(5)] == [0, 1, 2, 3, 4]
    assert (journal.next_index, journal.durable_index) == (5, 0)
    assert (folder / segment.name_of(0)).stat().st_size == size
    journal.sync()
    assert journal.durable_index == 5
    assert [(each.index, each.request_id) for each in read_all(folder) if isinstance(each, records.AccessRecord)] == [
        (number, f"r-{number}") for number in range(5)
    ]
    journal.close()


def test_log_id_index_and_chain_go_on_after_a_restart(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    journal.append(access())
    journal.close()
    again = open_journal(tmp_path)
    assert (again.log_id, again.next_index, again.durable_index, again.chain) == (journal.log_id, 1, 1, journal.chain)
    assert again.append(access(1)) == 1
    again.close()
    found = verify_journal(tmp_path / "journal" / journal.log_id)
    assert (found.intact, found.records, found.chain) == (True, 2, again.chain.hex())


def test_each_slot_has_a_log_of_its_own(tmp_path: Path) -> None:
    first, second = open_journal(tmp_path, 0), open_journal(tmp_path, 1)
    assert list_logs(tmp_path / "journal") == sorted([first.log_id, second.log_id])
    first.close()
    second.close()


def test_second_process_is_refused(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    script = (
        "import sys; from pathlib import Path; from audit.support import open_journal\n"
        "from munjigi.kernel.errors import FailedPrecondition\n"
        "try: open_journal(Path(sys.argv[1]))\n"
        "except FailedPrecondition as error: print(error.reason, error)\n"
    )
    tests = str(Path(__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], env={"PYTHONPATH": tests}, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("JOURNAL_LOCKED Another process writes the journal")
    assert "MUNJIGI_STATE_DIR" in done.stdout
    journal.close()
    open_journal(tmp_path).close()


def test_clock_that_goes_back_is_clamped_and_marked(tmp_path: Path) -> None:
    clock = TickingClock()
    journal = open_journal(tmp_path, clock=clock)
    before, stepped, after = access(), access(), access()
    journal.append(before)
    clock.at -= 3_600_000_000_000
    journal.append(stepped)
    clock.at = START + 7_200_000_000_000
    journal.append(after)
    assert stepped.time == before.time
    assert after.time > before.time
    assert [each.clock_stepped for each in (before, stepped, after)] == [False, True, False]
    journal.close()
    late = open_journal(tmp_path, clock=TickingClock(START))
    record = access()
    late.append(record)
    assert (record.time, record.clock_stepped) == (after.time, True)
    late.close()


def test_p1_record_without_a_legal_field_takes_no_index(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    for lacking in ({"employee": ""}, {"ip": ""}, {"action": ""}, {"resource": ""}, {"members": (), "subject_count": 0}):
        with pytest.raises(AuditUnavailable):
            journal.append(access(**lacking))
    with pytest.raises(InvalidArgument, match="1 MiB"):
        journal.append(access(members=("m" * 1024,) * 1025))
    assert journal.append(access()) == 0
    journal.close()
    assert verify_journal(tmp_path / "journal" / journal.log_id).records == 1


def test_segments_follow_each_other(tmp_path: Path) -> None:
    folder = filled(tmp_path, 40, segment_bytes=2000)
    names = segment.names(folder)
    assert len(names) > 5
    assert all((folder / name).stat().st_size <= 2000 for name in names)
    assert [each.index for each in read_all(folder)] == list(range(40))
    assert verify_journal(folder).intact
    journal = open_journal(tmp_path, segment_bytes=2000)
    assert journal.next_index == 40
    journal.close()


def test_crash_between_rotation_and_mark_is_no_corruption(tmp_path: Path) -> None:
    folder = filled(tmp_path, 3, clean=False)
    old = (folder / "mark.json").read_bytes()
    journal = open_journal(tmp_path, segment_bytes=1500)
    for number in range(3, 9):
        journal.append(access(number))
        journal.sync()
    journal.close()
    assert len(segment.names(folder)) > 1
    (folder / "mark.json").write_bytes(old)
    (folder / f"{segment.name_of(99)}.tmp").write_bytes(b"begun")
    again = open_journal(tmp_path)
    assert again.next_index == 9
    again.close()
    assert verify_journal(folder).intact


def test_missing_segment_refuses_to_start(tmp_path: Path) -> None:
    folder = filled(tmp_path, 20, segment_bytes=2000)
    for name in segment.names(folder):
        kept = (folder / name).rename(tmp_path / "kept")
        with pytest.raises(Corruption, match=r"\.seg"):
            open_journal(tmp_path)
        assert not verify_journal(folder).intact
        kept.rename(folder / name)
    open_journal(tmp_path).close()


@pytest.mark.parametrize("whole", [True, False])
def test_missing_journal_folder_refuses_to_start(tmp_path: Path, whole: bool) -> None:
    folder = filled(tmp_path, 2)
    shutil.rmtree(tmp_path / "journal" if whole else folder)
    with pytest.raises(Corruption, match="restore a backup") as refused:
        open_journal(tmp_path)
    assert refused.value.reason == "JOURNAL_MISSING"


def test_lost_slot_file_is_made_again_from_the_log(tmp_path: Path) -> None:
    folder = filled(tmp_path, 2)
    (tmp_path / "slots" / "0").unlink()
    journal = open_journal(tmp_path)
    assert (journal.log_id, journal.next_index) == (folder.name, 2)
    journal.close()
    copy = "z" * 20
    shutil.copytree(folder, tmp_path / "journal" / copy)
    (tmp_path / "slots" / "0").unlink()
    open_journal(tmp_path).close()  # the copy's header names another log, so it isn't one of this slot


def test_slot_file_that_names_no_log_refuses_to_start(tmp_path: Path) -> None:
    filled(tmp_path, 1)
    (tmp_path / "slots" / "0").write_bytes(b"../../etc\xff")
    with pytest.raises(Corruption, match="does not name a log"):
        open_journal(tmp_path)


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o702])
@pytest.mark.parametrize("part", ["journal", "log", "segment"])
def test_p10_journal_that_others_can_reach_is_refused(tmp_path: Path, mode: int, part: str) -> None:
    folder = filled(tmp_path, 1)
    path = {"journal": folder.parent, "log": folder, "segment": folder / segment.name_of(0)}[part]
    path.chmod(mode)
    with pytest.raises(ConfigurationError, match="chmod"):
        open_journal(tmp_path)
    path.chmod(0o700)
    open_journal(tmp_path).close()


def test_everything_is_private(tmp_path: Path) -> None:
    filled(tmp_path, 1)
    for path in [tmp_path / "journal", *(tmp_path / "journal").rglob("*"), *(tmp_path / "slots").rglob("*")]:
        assert path.stat().st_mode & 0o077 == 0


def test_closed_journal_takes_nothing(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    journal.close()
    journal.close()
    assert not journal.failed
    with pytest.raises(AuditUnavailable):
        journal.append(access())
    with pytest.raises(AuditUnavailable):
        journal.sync()


def test_bytes_after_a_clean_stop_refuse_to_start(tmp_path: Path) -> None:
    folder = filled(tmp_path, 2)
    path = folder / segment.name_of(0)
    path.write_bytes(path.read_bytes() + path.read_bytes()[segment.HEADER_SIZE :])
    with pytest.raises(Corruption):
        open_journal(tmp_path)
    assert verify_journal(folder).problem


def test_lock_is_let_go_when_opening_fails(tmp_path: Path) -> None:
    folder = filled(tmp_path, 1)
    mark = (folder / "mark.json").read_bytes()
    (folder / "mark.json").unlink()
    with pytest.raises(Corruption, match=r"mark\.json"):
        open_journal(tmp_path)
    (folder / "mark.json").write_bytes(mark)
    journal = open_journal(tmp_path)
    with pytest.raises(FailedPrecondition):
        open_journal(tmp_path)
    journal.close()
