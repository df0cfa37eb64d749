"""Packed segments: the same records by the same readers, whatever happens on the way."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from audit.support import TickingClock, access, filled, open_journal
from hypothesis import given
from hypothesis import strategies as st

from munjigi.audit import files, frames, packed, packing, segment
from munjigi.audit.blocks import zstd
from munjigi.audit.reader import JournalReader
from munjigi.audit.verify import verify_journal
from munjigi.kernel.errors import Corruption

COUNT = 400


def records(folder: Path, begin: int = 0, limit: int = 1 << 30) -> list[tuple[int, bytes]]:
    with JournalReader(folder) as reader:
        return reader.read(begin, limit)


def pack_all(folder: Path) -> list[str]:
    names = packing.waiting(folder)
    for name in names:
        packing.pack(folder, name)
    return names


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of several segments, of which all but the last are packed, in blocks of about 4 KiB."""
    state = tmp_path_factory.mktemp("packed")
    folder = filled(state, COUNT, segment_bytes=40_000)
    shutil.copytree(state, state.with_name(state.name + "-plain"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packing, "BLOCK", 4096)
        assert len(pack_all(folder)) > 3
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made.parents[1], tmp_path / "state")
    return tmp_path / "state" / "journal" / made.name


def plain_of(made: Path) -> Path:
    state = made.parents[1]
    return state.with_name(state.name + "-plain") / "journal" / made.name


def test_every_reader_reads_both_forms_alike(folder: Path, made: Path) -> None:
    plain = plain_of(made)
    assert [path.name for path in sorted(folder.glob("*.seg"))] == segment.names(folder)[-1:]
    assert records(folder) == records(plain)
    assert verify_journal(folder) == verify_journal(plain)
    assert segment.names(folder) == segment.names(plain)
    journal = open_journal(folder.parents[1], clock=TickingClock(2_000_000_000_000_000_000))
    assert journal.append(access(7)) == COUNT
    journal.close()
    assert verify_journal(folder).records == COUNT + 1


@given(begin=st.integers(0, COUNT), limit=st.integers(1, 60))
def test_reading_begins_anywhere(made: Path, begin: int, limit: int) -> None:
    assert records(made, begin, limit) == records(plain_of(made), begin, limit)


def test_reading_by_index_unpacks_one_block(made: Path) -> None:
    name = segment.names(made)[0]
    source = packed.PackedBytes.open(made / (name + packed.SUFFIX))
    index, offset = source.near(41)
    assert 0 < index <= 41
    assert offset > segment.HEADER_SIZE
    assert len(source.read(1 << 30, offset)) < 6000
    source.close()


def test_packed_segment_is_a_zstandard_file_whose_texts_can_be_read(made: Path) -> None:
    path = made / (segment.names(made)[0] + packed.SUFFIX)
    found = zstd.decompress(path.read_bytes())
    assert b"policy_revision" in found
    if tool := shutil.which("zstd"):
        assert subprocess.run([tool, "-dc", path], capture_output=True, check=True).stdout == found


def test_bytes_of_a_packed_segment_are_those_of_the_plain_one(made: Path) -> None:
    for name in segment.names(made)[:-1]:
        with closing(segment.open_bytes(made, name)) as source:
            whole = (plain_of(made) / name).read_bytes()
            assert source.size == len(whole)
            for at in range(0, len(whole), 333):
                data = source.read(400, at)
                assert data
                assert whole[at:].startswith(data)
                part = source.split(at, 1 << 30, 3)  # from wherever: what is no frame is told
                assert part == frames.split(whole[at : at + part.end] if part.end else source.read(1 << 30, at), 3)


def test_segment_of_another_format_is_refused_by_its_number(folder: Path) -> None:
    path = folder / (segment.names(folder)[1] + packed.SUFFIX)
    data = path.read_bytes()
    assert data[-1] == packed.FORMAT
    path.write_bytes(data[:-1] + bytes([packed.FORMAT + 1]))
    found = verify_journal(folder)
    assert (found.intact, found.problem, found.file, found.offset) == (False, "PACKED_FORMAT", path.name, 0)
    with pytest.raises(
        Corruption, match=f"names format {packed.FORMAT + 1}, and this release of Munjigi reads format {packed.FORMAT}"
    ):
        records(folder)
    with pytest.raises(Corruption, match="names format"):
        open_journal(folder.parents[1])


def test_reader_that_holds_the_plain_file_goes_on(tmp_path: Path) -> None:
    folder = filled(tmp_path, 100, segment_bytes=20_000)
    expected = records(folder)
    with JournalReader(folder) as reader:
        found = reader.read(0, 5)
        pack_all(folder)
        while batch := reader.read(len(found), 7):
            found += batch
    assert found == expected


def test_log_that_is_packed_while_it_is_written(tmp_path: Path) -> None:
    journal = open_journal(tmp_path, segment_bytes=5000)
    folder = tmp_path / "journal" / journal.log_id
    with JournalReader(folder) as reader:
        for number in range(100):
            journal.append(access(number))
            journal.sync()
            if number % 9 == 0:
                pack_all(folder)
            assert reader.read(number, 10)[0][0] == number
    journal.close()
    assert len(list(folder.glob("*.zst"))) > 3
    assert verify_journal(folder).records == 100


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("where", range(1, 9))
def test_packing_that_is_killed_anywhere_leaves_a_good_copy_and_is_finished_later(
    where: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = filled(tmp_path, 100, segment_bytes=20_000)
    expected = records(folder)
    calls = 0

    def die(*_: object) -> None:
        nonlocal calls
        calls += 1
        if calls == where:
            raise Killed

    def before(target: object, name: str) -> None:
        real = getattr(target, name)

        def wrapped(*arguments: object) -> object:
            die()
            return real(*arguments)

        monkeypatch.setattr(target, name, wrapped)

    for target, name in ((packing, "_write"), (packing, "_check"), (packing.files, "write_all"), (Path, "rename")):
        before(target, name)
    before(packing.files, "sync_folder")
    # The scratch file of a killed process stays: nothing of this process may tidy up after it.
    monkeypatch.setattr(packing, "suppress", _never)
    with pytest.raises(Killed):
        packing.pack(folder, packing.waiting(folder)[0])
    monkeypatch.undo()
    assert records(folder) == expected
    assert verify_journal(folder).intact
    packing.tidy(folder.parent)
    assert not list(folder.parent.glob("*.tmp"))
    pack_all(folder)
    assert packing.waiting(folder) == []
    assert records(folder) == expected
    assert verify_journal(folder).intact


class _never:  # noqa: N801  # stands in for contextlib.suppress
    def __init__(self, *_: object) -> None: ...

    def __enter__(self) -> None:
        raise Killed

    def __exit__(self, *_: object) -> None: ...


def test_every_changed_byte_of_a_packed_segment_is_found_and_located(folder: Path) -> None:
    path = folder / (segment.names(folder)[1] + packed.SUFFIX)
    data = path.read_bytes()
    first = segment.first_index_of(segment.names(folder)[1])
    after = segment.first_index_of(segment.names(folder)[2])
    for at in (*range(0, len(data), 31), len(data) - 1):
        path.write_bytes(data[:at] + bytes([data[at] ^ 0x41]) + data[at + 1 :])
        found = verify_journal(folder)
        problem = "PACKED_FORMAT" if at == len(data) - 1 else "PACKED_DAMAGED"
        assert (found.intact, found.problem, found.file) == (False, problem, path.name)
        assert first <= found.index <= after
    for changed in (data[:-1], data + b"\0", data[:-1] + b"Z" * 9, data[: len(data) // 2], b"", data[1:]):
        path.write_bytes(changed)
        assert verify_journal(folder).problem == "PACKED_DAMAGED"
        with pytest.raises(Corruption):
            records(folder)
    path.write_bytes(data)
    assert verify_journal(folder).intact


def test_plain_segment_that_is_damaged_is_left_as_it_is(tmp_path: Path) -> None:
    folder = filled(tmp_path, 100, segment_bytes=20_000)
    name = packing.waiting(folder)[0]
    data = bytearray((folder / name).read_bytes())
    data[5000] ^= 1
    (folder / name).write_bytes(data)
    with pytest.raises(Corruption, match="stays as it is"):
        packing.pack(folder, name)
    assert (folder / name).read_bytes() == data
    assert not list(folder.glob("*.zst"))
    assert not list(folder.parent.glob("*.tmp"))


def test_packed_copy_of_other_records_never_replaces_the_plain_one(tmp_path: Path) -> None:
    for each in ("one", "other"):
        (tmp_path / each).mkdir()
    folder = filled(tmp_path / "one", 100, segment_bytes=20_000)
    other = filled(tmp_path / "other", 100, segment_bytes=20_000, slot=1)
    name = packing.waiting(folder)[0]
    packing.pack(other, name)
    shutil.copy(other / (name + packed.SUFFIX), folder)
    assert verify_journal(folder).problem == "COPIES_DIFFER"
    with pytest.raises(Corruption):
        packing.pack(folder, name)
    assert (folder / name).exists()


def test_start_refuses_a_packed_segment_that_others_can_read_or_that_is_cut(folder: Path) -> None:
    path = folder / (segment.names(folder)[0] + packed.SUFFIX)
    assert path.stat().st_mode & 0o777 == files.FILE_MODE
    data = path.read_bytes()
    path.write_bytes(data[:-30])
    with pytest.raises(Corruption):
        open_journal(folder.parents[1])
    path.write_bytes(data)
    open_journal(folder.parents[1]).close()
