"""What is no whole backup of ours, and what can't be finished, is refused: nothing of it is left, and nothing of it is used."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tarfile
from contextlib import closing
from pathlib import Path

import pytest
from backup.kit import Installation, backed_up, made, put_back
from backup.restore_kit import files_of, forged, refused

from munjigi.app.backup_contents import Keys
from munjigi.app.files import StateFolder
from munjigi.audit.blocks import zstd
from munjigi.kernel.errors import ConfigurationError, FailedPrecondition, Unavailable


def test_only_an_empty_folder_is_restored_into(installation: Installation, tmp_path: Path) -> None:
    backed_up(installation, tmp_path)
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "file").write_text("mine")
    for target in (tmp_path / "there", tmp_path / "there" / "file", installation.folder.root):
        with pytest.raises(FailedPrecondition) as caught:
            put_back(tmp_path, target)
        assert caught.value.reason == "STATE_NOT_EMPTY"
    assert (tmp_path / "there" / "file").read_text() == "mine"
    (tmp_path / "empty").mkdir(mode=0o755)
    put_back(tmp_path, tmp_path / "empty")
    assert (tmp_path / "empty").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("reason", ["", "  ", "x" * 501, "two\nlines", "for 010-1234-5678", "ask kim@example.com"])
def test_a_reason_is_one_line_without_personal_data(installation: Installation, tmp_path: Path, reason: str) -> None:
    backed_up(installation, tmp_path)
    refused(tmp_path, ("REASON_INVALID", "REASON_PERSONAL"), reason=reason)


def unpacked(path: Path) -> bytes | None:
    """The tar of an archive; None where it can't be unpacked."""
    try:
        return zstd.decompress(path.read_bytes())
    except zstd.ZstdError:
        return None


def test_each_flipped_byte_is_refused(installation: Installation, tmp_path: Path) -> None:
    """Zstandard has bits that mean nothing (RFC 8878, 3.1.1.1.1.3): where one is flipped, what is read is what was written."""
    backed_up(installation, tmp_path)
    harmless = 0
    for name in ("backup", "keys"):
        good = (tmp_path / name).read_bytes()
        for at in random.Random(7).sample(range(len(good)), 15):
            (tmp_path / "bad").write_bytes(good[:at] + bytes([good[at] ^ 0x12]) + good[at + 1 :])
            if unpacked(tmp_path / "bad") == unpacked(tmp_path / name):
                harmless += 1
                continue
            said = refused(tmp_path, "BACKUP_DAMAGED", **{"archive" if name == "backup" else "keys": "bad"})
            assert f"{tmp_path / 'bad'}, " in said
    assert harmless < 3


def test_a_missing_or_added_file_is_refused_though_all_fits(installation: Installation, tmp_path: Path) -> None:
    """A manifest that was made to fit is not signed; one that a thief of the key signs does not verify."""
    manifest = backed_up(installation, tmp_path)
    files, own = files_of(tmp_path / "backup"), Keys.of(installation.folder)
    other = Keys({"keys/seal.key": bytes(32), "keys/seal.vkey": f"{manifest.origin}+x".encode()})
    last = max(name for name in files if name.endswith((".seg", ".zst")))
    first = min(name for name in files if name.endswith((".seg", ".zst")))
    for name in (last, first, "state.sqlite", "seal/entries", "seal/checkpoint", f"seal/logs/{last.split('/')[1]}/0"):
        less = {each: data for each, data in files.items() if each != name}
        forged(tmp_path / "less", less, manifest, other)
        refused(tmp_path, "KEYS_OF_ANOTHER_BACKUP", archive="less")
        forged(tmp_path / "less", less, manifest, own)
        if not name.startswith("seal/logs"):  # a tree can be made again from its log
            refused(tmp_path, ("RESTORE_UNVERIFIED", "SEAL_ROLLBACK", "NOT_SEALED"), archive="less")
    forged(tmp_path / "more", files | {last + ".bak": b"x"}, manifest, own)
    assert "STRAY_FILE" in refused(tmp_path, "RESTORE_UNVERIFIED", archive="more")


def test_a_changed_record_in_a_well_signed_backup_is_named(installation: Installation, tmp_path: Path) -> None:
    manifest = backed_up(installation, tmp_path)
    files = files_of(tmp_path / "backup")
    name = min(each for each in files if each.endswith(".seg"))
    data = bytearray(files[name])
    data[len(data) // 2] ^= 1
    forged(tmp_path / "bad", files | {name: bytes(data)}, manifest, Keys.of(installation.folder))
    said = refused(tmp_path, "RESTORE_UNVERIFIED", archive="bad")
    assert name.rpartition("/")[2] in said
    assert "FRAME_DAMAGED" in said


def archive_of(path: Path, *infos: tuple[tarfile.TarInfo, bytes]) -> None:
    """An archive as somebody else's tar would write it."""
    options = {zstd.CompressionParameter.checksum_flag: 1}
    with path.open("wb") as file:
        for info, data in infos:
            block = info.tobuf(tarfile.GNU_FORMAT) + data + bytes(-len(data) % 512)
            file.write(zstd.compress(block, options=options))
        file.write(zstd.compress(bytes(10240), options=options))


def member(name: str, data: bytes = b"x", kind: bytes = tarfile.REGTYPE, link: str = "") -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, len(data)
    return info, data


@pytest.mark.parametrize(
    "bad",
    [
        member("../evil"),
        member("/tmp/evil"),
        member("journal/../../evil"),
        member("journal/./evil"),
        member("journal//evil"),
        member("keys/member.key", bytes(32)),
        member("restoring"),
        member("restored.json"),
        member("var/evil"),
        member("journal/.evil"),
        member("journal/a", b"", tarfile.SYMTYPE, "/etc"),
        member("journal/a", b"", tarfile.LNKTYPE, "/etc/passwd"),
        member("journal/a", b"", tarfile.DIRTYPE),
        member("journal/a", b"", tarfile.FIFOTYPE),
        member("journal/a", b"", tarfile.CHRTYPE),
        member("journal/" + "a" * 90 + "/" + "b" * 90),
    ],
    ids=lambda bad: f"{bad[0].name[:24]}-{bad[0].type.decode()}",
)
def test_no_member_escapes(installation: Installation, tmp_path: Path, bad: tuple[tarfile.TarInfo, bytes]) -> None:
    backed_up(installation, tmp_path)
    outside = sorted(path for path in tmp_path.rglob("*"))
    archive_of(tmp_path / "bad", member("slots/0"), bad)
    refused(tmp_path, ("BACKUP_DAMAGED", "BACKUP_OTHER_KIND"), archive="bad")
    archive_of(tmp_path / "bad", bad)
    refused(tmp_path, ("BACKUP_DAMAGED", "BACKUP_OTHER_KIND"), archive="bad")
    assert sorted(path for path in tmp_path.rglob("*") if path != tmp_path / "bad") == outside


def test_wrong_files_are_told_apart(installation: Installation, tmp_path: Path) -> None:
    backed_up(installation, tmp_path)
    (tmp_path / "other").mkdir()
    with closing(made(tmp_path / "other")) as other:
        backed_up(other, tmp_path / "other")
    assert "has not signed" in refused(tmp_path, "KEYS_OF_ANOTHER_BACKUP", keys="other/keys")
    refused(tmp_path, "BACKUP_OTHER_KIND", archive="keys")
    refused(tmp_path, "BACKUP_OTHER_KIND", keys="backup")
    (tmp_path / "text").write_text("no archive")
    refused(tmp_path, "BACKUP_DAMAGED", archive="text")
    refused(tmp_path, "BACKUP_DAMAGED", keys="text")
    refused(tmp_path, "BACKUP_UNREADABLE", archive="none")
    installation.rotate()
    installation.append()
    installation.seal()
    (tmp_path / "later").mkdir()
    backed_up(installation, tmp_path / "later")
    refused(tmp_path, "KEYS_OF_ANOTHER_BACKUP", archive="later/backup")  # the keys of before the rotation


def test_a_full_disk_leaves_nothing(installation: Installation, tmp_path: Path) -> None:
    import parts

    backed_up(installation, tmp_path)
    disk = tmp_path / "disk"
    disk.mkdir()
    with parts.small_disk(disk, "size=64k"):
        with pytest.raises(Unavailable) as caught:
            put_back(tmp_path, disk / "restored")
        assert caught.value.reason in {"RESTORE_UNWRITABLE", "STATE_UNREACHABLE"}
        assert list(disk.iterdir()) == []


KILLED = """
import os, signal, sys
from pathlib import Path
from backup.kit import put_back
put_back(Path(sys.argv[1]), Path(sys.argv[2]), progress=lambda what, _: os.kill(os.getpid(), signal.SIGKILL) if what == sys.argv[3] else None)
"""


@pytest.mark.parametrize("moment", ["unpacked", "verified"])
def test_a_killed_restore_refuses_to_be_used_and_says_to_begin_again(
    installation: Installation, tmp_path: Path, moment: str
) -> None:
    backed_up(installation, tmp_path)
    target = tmp_path / "restored"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", KILLED, str(tmp_path), str(target), moment]
    assert subprocess.run(command, env=environment, check=False).returncode == -signal.SIGKILL
    assert (target / "restoring").exists()
    with pytest.raises(ConfigurationError, match="Remove the folder") as caught:
        StateFolder(target).make()
    assert caught.value.reason == "RESTORE_UNFINISHED"
    with pytest.raises(FailedPrecondition):
        put_back(tmp_path, target)
