"""Closed segments go to the archive once and unchanged; nothing is removed that is not there; what is there proves what is gone."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import parts
import pytest
from app.retiring import COUNT, copy_of, first_of, make, payloads_of, ready, removals, retire, verified, write
from seal.installation import KEY

from doubles.metrics import MemorySink
from munjigi.app.archiver import Archiver
from munjigi.app.config import load_settings
from munjigi.app.files import StateFolder
from munjigi.app.packer import Packer
from munjigi.audit import packed, segment
from munjigi.audit.archive import MARKER, Archive
from munjigi.cli import munjigi_verify
from munjigi.cli.main import run
from munjigi.kernel.errors import ConfigurationError, Corruption, MunjigiError, Unavailable
from munjigi.monitoring.meter import Meter


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("made") / "state")


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return copy_of(made, tmp_path / "state")


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    (tmp_path / "archive").mkdir()
    return tmp_path / "archive"


def opened_below(folder: Path) -> list[str]:
    """Return the files below a folder that this process holds open."""
    found = []
    for fd in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # the listing's own
            found.append(str(fd.readlink()))
    return sorted(path for path in found if path.startswith(str(folder)))


def archiver(folder: Path, archive: Path, sink: MemorySink | None = None) -> Archiver:
    state = StateFolder(folder.parents[1])
    return Archiver(state.journal, Archive(archive, state.archive_id), Meter(sink or MemorySink()))


def copy(job: Archiver | Packer) -> int:
    """Step until nothing is left; return how many steps had something to do."""

    async def steps() -> int:
        count = 0
        while await job.step():
            count += 1
        return count

    count = asyncio.run(steps())
    job._meter.flush()
    return count


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name.endswith(packed.SUFFIX)}


def remove(folder: Path, archive: Path) -> int:
    return retire(folder.parents[1], archive_dir=archive)


@pytest.fixture
def short(folder: Path, archive: Path) -> Path:
    """Archived, and then shortened and sealed again."""
    copy(archiver(folder, archive))
    assert remove(folder, archive) == 5
    ready(folder.parents[1])
    return folder


def test_each_closed_segment_is_copied_once_and_only_then_it_may_go(folder: Path, archive: Path) -> None:
    sink = MemorySink()
    before = files_of(folder)
    copied = copy(archiver(folder, archive, sink))
    assert files_of(archive / folder.name) == before
    assert copied == len(before) == sink.values["munjigi_archived_segments_total",]
    assert sink.values["munjigi_archive_waiting_segments",] == 0
    assert copy(archiver(folder, archive)) == 0  # another process begins
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in (archive / folder.name).iterdir())
    assert remove(folder, archive) > 0
    assert [record.archived for record in removals(folder)] == [True]
    assert copy(archiver(folder, archive)) == 0
    assert files_of(archive / folder.name) == before


def test_each_segment_that_is_packed_is_counted(tmp_path: Path) -> None:
    state = StateFolder(tmp_path / "state")
    state.make()
    log = write(state.root)
    sink = MemorySink()
    meter = Meter(sink)
    assert copy(Packer(state.journal, meter)) == len(files_of(log)) > 0
    meter.flush()
    assert sink.values["munjigi_journal_packed_segments_total",] == len(files_of(log))


def test_what_is_not_in_the_archive_stays(folder: Path, archive: Path) -> None:
    job = archiver(folder, archive)
    with pytest.raises(Unavailable) as away:
        remove(folder, archive)  # no archive yet
    assert away.value.reason == "ARCHIVE_AWAY"
    asyncio.run(job.step())
    asyncio.run(job.step())
    assert remove(folder, archive) == 2
    assert first_of(folder) == segment.first_index_of(segment.names(folder)[0])


def _shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _flip(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:50] + bytes([data[50] ^ 1]) + data[51:])


@pytest.mark.parametrize("change", [_shorten, _flip])
def test_a_changed_file_in_the_archive_is_an_alarm_and_never_overwritten(
    folder: Path, archive: Path, change: Callable[[Path], None]
) -> None:
    copy(archiver(folder, archive))
    path = archive / folder.name / (segment.names(folder)[0] + packed.SUFFIX)
    change(path)
    changed = path.read_bytes()
    with pytest.raises(Corruption) as refused:
        remove(folder, archive)
    assert refused.value.reason == "ARCHIVE_DIFFERS"
    if change is _shorten:
        with pytest.raises(Corruption, match="left as it is"):
            copy(archiver(folder, archive))
    assert path.read_bytes() == changed
    assert first_of(folder) == 0


def test_an_archive_that_is_not_mounted_gets_nothing_and_nothing_goes(folder: Path, archive: Path) -> None:
    job = archiver(folder, archive)
    asyncio.run(job.step())
    archive.rename(archive.with_name("elsewhere"))
    archive.mkdir()
    for attempt in (lambda: remove(folder, archive), lambda: copy(job), lambda: copy(archiver(folder, archive))):
        with pytest.raises(Unavailable) as away:
            attempt()
        assert away.value.reason == "ARCHIVE_AWAY"
    assert list(archive.iterdir()) == []
    archive.rmdir()
    archive.with_name("elsewhere").rename(archive)
    assert copy(job) > 0
    assert remove(folder, archive) > 0
    (archive / MARKER).write_text("z" * 20)
    with pytest.raises(Unavailable, match="To begin another one"):
        copy(archiver(folder, archive))


def test_a_full_archive_is_said_and_gone_on_with_when_there_is_room(folder: Path, archive: Path) -> None:
    with parts.small_disk(archive, "size=24k"):
        with pytest.raises(Unavailable) as full:
            copy(archiver(folder, archive))
        assert full.value.reason == "ARCHIVE_UNWRITABLE"
        assert not list(archive.rglob("*.tmp"))
        there = files_of(archive / folder.name)
        assert all(files_of(folder)[name] == data for name, data in there.items())
        subprocess.run(["mount", "-o", "remount,size=4m", str(archive)], check=True)
        copy(archiver(folder, archive))
        assert files_of(archive / folder.name) == files_of(folder)


def test_a_copy_that_was_interrupted_is_tidied_up(folder: Path, archive: Path) -> None:
    asyncio.run(archiver(folder, archive).step())
    (archive / folder.name / ".00000000000000000000.seg.zst.1.tmp").write_bytes(b"x")
    copy(archiver(folder, archive))
    assert not list(archive.rglob("*.tmp"))


def test_a_damaged_segment_is_not_archived(folder: Path, archive: Path) -> None:
    path = folder / (segment.names(folder)[1] + packed.SUFFIX)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(MunjigiError) as refused:
        copy(archiver(folder, archive))
    assert refused.value.reason == "JOURNAL_CORRUPT"
    assert list(files_of(archive / folder.name)) == [segment.names(folder)[0] + packed.SUFFIX]


@pytest.mark.parametrize("where", ["missing", "inside"])
def test_p10_an_archive_that_is_not_there_or_in_the_state_folder_is_refused(where: str, tmp_path: Path) -> None:
    state = tmp_path / "state"
    archive = tmp_path / "gone" if where == "missing" else state / "archive"
    if where == "inside":
        archive.mkdir(parents=True)
    with pytest.raises(ConfigurationError, match="MUNJIGI_ARCHIVE_DIR"):
        load_settings({"state_dir": state, "archive_dir": archive})


# ---- What is there proves what is gone -------------------------------------------------------------------------------


def test_p7_the_archive_is_verified_with_the_rest_from_the_first_record_on(short: Path, archive: Path) -> None:
    alone, whole = verified(short), verified(short, archive / short.name)
    assert (alone.intact, alone.first) == (True, first_of(short))
    assert (whole.intact, whole.first, whole.records) == (True, 0, COUNT + 1)
    assert whole.chain == alone.chain


def _flip_first(archive: Path) -> str:
    path = min(archive.glob("*.zst"))
    _flip(path)
    return path.name


def _drop_first(archive: Path) -> str:
    path = min(archive.glob("*.zst"))
    path.unlink()
    return path.name


def _drop_all(archive: Path) -> str:
    name = min(archive.glob("*.zst")).name
    shutil.rmtree(archive)
    return name


def _drop_second(archive: Path) -> str:
    _, path, after, *_ = sorted(archive.glob("*.zst"))
    path.unlink()
    return after.name


def _exchange(archive: Path) -> str:
    one, two, *_ = sorted(archive.glob("*.zst"))
    data = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(data)
    return one.name


def _change_one_that_is_in_both(archive: Path) -> str:
    *_, one, two = sorted(archive.glob("*.zst"))
    two.write_bytes(one.read_bytes())
    return two.name


CHANGES: tuple[tuple[Callable[[Path], str], str], ...] = (
    (_flip_first, "PACKED_DAMAGED"),
    (_drop_first, "REMOVAL_NOT_RECORDED"),
    (_drop_all, "ARCHIVE_MISSING"),
    (_drop_second, "SEGMENT_MISSING"),
    (_exchange, "HEADER_OF_ANOTHER_SEGMENT"),
    (_change_one_that_is_in_both, "ARCHIVE_DIFFERS"),
)


@pytest.mark.parametrize(("change", "problem"), CHANGES, ids=[each[0].__name__ for each in CHANGES])
def test_p7_what_is_done_to_the_archive_is_found_and_named(
    short: Path, archive: Path, change: Callable[[Path], str], problem: str
) -> None:
    name = change(archive / short.name)
    found = verified(short, archive / short.name)
    assert (found.intact, found.problem) == (False, problem)
    assert problem == "REMOVAL_NOT_RECORDED" or found.file.removesuffix(packed.SUFFIX) == name.removesuffix(packed.SUFFIX)
    assert verified(short).intact  # what is here is as it was


def test_the_commands_take_the_archive(short: Path, archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = ("--state-dir", str(short.parents[1]))
    assert run(["audit", "verify", *state, "--archive", str(archive), "-o", "json"]) == 0
    answer: Any = json.loads(capsys.readouterr().out)
    assert [int(each.get("first", 0)) for each in answer["journals"]] == [0]
    gone, kept = f"{short.name}-3", f"{short.name}-{COUNT - 1}"
    assert run(["audit", "prove", *state, gone]) == 1
    said = " ".join(capsys.readouterr().err.split())
    assert f"{gone} was removed" in said
    assert f"Record {short.name}-{COUNT} says when and why" in said
    assert "--archive" in said
    pack = tmp_path / "pack.jsonl"
    assert run(["audit", "prove", *state, "--archive", str(archive), "--out", str(pack), gone, kept]) == 0
    assert munjigi_verify.main([str(pack), "--key", str(KEY.verifier)]) == 0
    capsys.readouterr()
    first, second, *_ = sorted((archive / short.name).glob("*.zst"))
    second.rename(first)
    for arguments in (["verify"], ["prove", gone]):
        assert run(["audit", arguments[0], *state, "--archive", str(archive), *arguments[1:]]) in (1, 5)


def test_proving_lets_go_of_every_file(short: Path, archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gone, kept = f"{short.name}-3", f"{short.name}-{COUNT - 1}"
    state = ("--state-dir", str(short.parents[1]), "--out", str(tmp_path / "pack.jsonl"))
    before = opened_below(tmp_path)
    assert run(["audit", "prove", *state, "--archive", str(archive), gone, kept]) == 0
    assert run(["audit", "prove", *state, gone]) == 1
    capsys.readouterr()
    assert opened_below(tmp_path) == before


def test_a_forged_record_in_the_archive_is_not_proved(
    short: Path, archive: Path, made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from munjigi.audit import frames, packing

    path = min((archive / short.name).glob("*.zst"))
    plain = archive / short.name / path.name.removesuffix(packed.SUFFIX)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packing, "_check", lambda *_: None)
        source = packed.PackedBytes.open(path)
        data = b""
        while len(data) < source.size:
            data += source.read(1 << 20, len(data))
        source.close()
        content = frames.split(data).frames
        other = payloads_of(made)[4][1]
        changed = [each._replace(payload=other) if number == 4 else each for number, each in enumerate(content)]
        plain.write_bytes(b"".join(frames.frame(each.kind, each.payload) for each in changed))
        path.unlink()
        packing.pack(plain.parent, plain.name)
    assert run(["audit", "prove", "--state-dir", str(short.parents[1]), "--archive", str(archive), f"{short.name}-3"]) == 1
    assert "is not the one that was sealed" in " ".join(capsys.readouterr().err.split())
    found = verified(short, archive / short.name)
    assert (found.problem, found.index) == ("INDEX_NOT_DENSE", 3)
