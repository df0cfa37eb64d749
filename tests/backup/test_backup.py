"""A backup is one moment, whenever it is taken; it holds no key, is there whole or not at all, and says what is bad in it."""

from __future__ import annotations

import random
import tarfile
from bisect import bisect_right
from contextlib import closing
from pathlib import Path

import parts
import pytest
from audit.support import START
from backup.kit import Installation, backed_up, made, payloads, put_back, verified
from effort import EFFORT

from munjigi.adapters.archive import ArchiveWriter, members
from munjigi.app.backup_contents import DATA, KEYS, read_through
from munjigi.app.files import StateFolder
from munjigi.audit import copying
from munjigi.audit.blocks import zstd
from munjigi.kernel.errors import ConfigurationError, Corruption, FailedPrecondition, Unavailable


@pytest.mark.parametrize("seed", range(12 * EFFORT))
def test_a_backup_of_any_moment_restores_and_verifies(tmp_path: Path, seed: int) -> None:
    """Whatever is written, rotated, packed, sealed or granted between any two files that are copied."""
    rng = random.Random(seed)
    with closing(made(tmp_path)) as installation:
        before = payloads(installation.folder.root)
        if seed % 3 == 0:
            installation.restart()
        manifest = backed_up(installation, tmp_path, lambda _name, _size: installation.anything(rng))
        after = payloads(installation.folder.root)
    put_back(tmp_path, tmp_path / "restored")
    seal, found = verified(tmp_path / "restored")
    assert not seal.problem
    assert all(each.intact for each in found.values())
    for log in manifest.logs:
        held = payloads(tmp_path / "restored")[log.log_id]
        # all that was there before, and nothing that was not written
        assert len(before[log.log_id]) <= len(held) == log.records
        assert held == after[log.log_id][: len(held)]
        assert log.sealed <= log.records == found[log.log_id].records


def test_a_frame_that_is_being_written_is_left_out(tmp_path: Path) -> None:
    with closing(made(tmp_path)) as installation:
        records = installation.count
        installation.torn()
        manifest = backed_up(installation, tmp_path)
        assert {log.log_id: log.records for log in manifest.logs}[installation.journal.log_id] == records
    put_back(tmp_path, tmp_path / "restored")


def test_no_key_is_in_a_backup_and_only_keys_are_with_the_keys(tmp_path: Path) -> None:
    with closing(made(tmp_path)) as installation:
        backed_up(installation, tmp_path)
        secrets = [path.read_bytes() for path in installation.folder.keys.glob("*.key")]
    assert len(secrets) == 3
    with (tmp_path / "backup").open("rb") as file, zstd.ZstdFile(file) as unpacked:
        content = unpacked.read()
    assert not any(secret in content for secret in secrets)
    names = []
    for member in members(tmp_path / "keys"):
        names.append(member.name)
        member.copy(None)
    assert names == [
        "keys/member.key",
        "keys/names.key",
        "keys/seal.key",
        "keys/seal.vkey",
        "manifest.json",
        "manifest.sig",
    ]
    assert all((tmp_path / name).stat().st_mode & 0o777 == 0o600 for name in ("backup", "keys"))


def test_index_metrics_and_what_runs_are_not_in_it(tmp_path: Path) -> None:
    with closing(made(tmp_path)) as installation:
        for name in ("index.sqlite", "reserve", "lock", "metrics/x.db", "run/worker", "sample/big", "tls/ca.pem"):
            (installation.folder.root / name).parent.mkdir(exist_ok=True)
            (installation.folder.root / name).write_text("x")
        manifest = backed_up(installation, tmp_path)
    assert {each.name.partition("/")[0] for each in manifest.files} == {
        "seal",
        "shipping",
        "slots",
        "journal",
        "state.sqlite",
        "policies",
    }


def test_anyone_can_list_it_with_common_tools(tmp_path: Path) -> None:
    with closing(made(tmp_path)) as installation:
        manifest = backed_up(installation, tmp_path)
    with (tmp_path / "backup").open("rb") as file, zstd.ZstdFile(file) as unpacked, tarfile.open(fileobj=unpacked) as tar:
        listed = tar.getmembers()
    assert [each.name for each in listed] == [*(each.name for each in manifest.files), "manifest.json", "manifest.sig"]
    assert {each.mode for each in listed} == {0o600}


def test_what_is_there_is_never_written_over(tmp_path: Path) -> None:
    with closing(made(tmp_path)) as installation:
        (tmp_path / "backup").write_text("an older one")
        with pytest.raises(Unavailable) as caught:
            backed_up(installation, tmp_path)
    assert caught.value.reason == "BACKUP_EXISTS"
    assert (tmp_path / "backup").read_text() == "an older one"


def test_a_full_disk_leaves_no_backup(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    with closing(made(tmp_path)) as installation, parts.small_disk(disk, "size=64k"):
        installation.policy()
        (next(installation.folder.policies.glob("*.bundle"))).write_bytes(random.Random(1).randbytes(200_000))
        with pytest.raises(Unavailable) as caught:
            backed_up(installation, disk)
        assert caught.value.reason in {"BACKUP_UNWRITABLE", "STATE_NOT_COPIED"}
        assert list(disk.iterdir()) == []


def test_damage_below_what_was_whole_is_no_backup(tmp_path: Path) -> None:
    with closing(made(tmp_path)) as installation:
        installation.restart()
        last = max((installation.folder.journal / installation.journal.log_id).glob("*.seg"))
        data = bytearray(last.read_bytes())
        data[-20] ^= 1
        last.write_bytes(data)
        with pytest.raises(Corruption) as caught:
            backed_up(installation, tmp_path)
        assert caught.value.reason == "BACKUP_OF_DAMAGED"
    assert not (tmp_path / "backup").exists()
    assert not (tmp_path / "keys").exists()


def test_what_was_taken_back_is_no_backup(tmp_path: Path) -> None:
    with closing(made(tmp_path)) as installation:
        copying.files.write_file(tmp_path / "old", installation.folder.state.read_bytes())
        installation.store.close()
        for path in installation.folder.root.glob("state.sqlite*"):
            path.unlink()
        Installation(StateFolder(tmp_path / "other")).close()
        (tmp_path / "other" / "state.sqlite").rename(installation.folder.state)
        with pytest.raises(Corruption, match="were sealed"):
            backed_up(installation, tmp_path)


def test_a_folder_without_a_seal_has_nothing_to_back_up(tmp_path: Path) -> None:
    with closing(Installation(StateFolder(tmp_path / "var"))) as installation:
        with pytest.raises(FailedPrecondition) as caught:
            backed_up(installation, tmp_path)
        assert caught.value.reason == "NOTHING_TO_BACK_UP"
        (installation.folder.restoring).touch()
        with pytest.raises(ConfigurationError) as refused:
            backed_up(installation, tmp_path)
        assert refused.value.reason == "RESTORE_UNFINISHED"


def test_each_flipped_byte_is_found_and_the_file_named(tmp_path: Path) -> None:
    with closing(made(tmp_path)) as installation:
        manifest = backed_up(installation, tmp_path)
    good = (tmp_path / "backup").read_bytes()
    names = [*(each.name for each in manifest.files), "manifest.json", "manifest.sig", "its end"]
    begins = frames_of(good)
    assert len(begins) == len(names)
    bad = tmp_path / "bad"
    for at in random.Random(3).sample(range(len(good)), 60 * EFFORT):
        bad.write_bytes(good[:at] + bytes([good[at] ^ 0x41]) + good[at + 1 :])
        with pytest.raises(Corruption) as caught:
            read_through(bad, DATA)
        assert caught.value.reason == "BACKUP_DAMAGED"
        which = bisect_right(begins, at) - 1
        before = f"what follows {names[which - 1]}" if which else "its beginning"
        assert caught.value.message.startswith((f"{bad}, {names[which]}: ", f"{bad}, {before}: ")), caught.value.message
    for size in random.Random(4).sample(range(len(good)), 20):
        bad.write_bytes(good[:size])
        with pytest.raises(Corruption):
            read_through(bad, DATA)
    bad.write_bytes(good + b"x")
    with pytest.raises(Corruption):
        read_through(bad, DATA)
    assert read_through(tmp_path / "keys", KEYS)[0].backup_id == manifest.backup_id


def frames_of(data: bytes) -> list[int]:
    """Where each Zstandard frame begins."""
    found, rest = [], data
    while rest:
        found.append(len(data) - len(rest))
        unpacker = zstd.ZstdDecompressor()
        unpacker.decompress(rest)
        rest = unpacker.unused_data
    return found


def test_decisions_in_a_backup_have_their_grants_in_it(tmp_path: Path) -> None:
    """Grants are copied after the records that speak of them, policies too."""
    with closing(made(tmp_path)) as installation:

        def decide(name: str, _size: int) -> None:
            if name.startswith(("journal/", "shipping/", "slots/", "seal/")):
                installation.grant()
                installation.append()

        manifest = backed_up(installation, tmp_path, decide)
    names = [each.name.partition("/")[0] for each in manifest.files]
    assert names.index("state.sqlite") > max(at for at, name in enumerate(names) if name == "journal")
    assert names.index("policies") > names.index("state.sqlite")
    assert max(at for at, name in enumerate(names) if name == "shipping") < names.index("journal")


def test_the_policy_that_decided_last_is_in_a_backup_though_another_one_came_meanwhile(tmp_path: Path) -> None:
    with closing(made(tmp_path)) as installation:
        manifest = backed_up(installation, tmp_path, lambda name, _: installation.policy() if "policies" in name else None)
    with (tmp_path / "backup").open("rb") as file, zstd.ZstdFile(file) as plain, tarfile.open(fileobj=plain) as tar:
        decided = tar.extractfile("policies/decided")
        assert decided is not None
        last = decided.read().decode().strip()
    assert f"policies/{last}.bundle" in {each.name for each in manifest.files}


def test_a_writer_that_is_left_leaves_nothing(tmp_path: Path) -> None:
    with ArchiveWriter(tmp_path / "a", START) as archive:
        archive.add(copying.whole("slots/0", b"x"))
        assert len(list(tmp_path.iterdir())) == 1
    assert list(tmp_path.iterdir()) == []
