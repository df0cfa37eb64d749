"""Key files: made whole, once, for their owner only; refused otherwise, with the fix."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import parts
import pytest
from identity.kit import reason

from munjigi.adapters.secrets import create_once, member_key, names_key, read_secret
from munjigi.kernel.errors import ConfigurationError


def test_a_key_is_made_once_and_kept(tmp_path):
    path = tmp_path / "keys" / "member.key"
    key = member_key(path)
    assert len(key) == 32
    assert member_key(path) == key
    assert names_key(tmp_path / "keys" / "names.key") != key
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["member.key", "names.key"]


def test_the_mode_does_not_depend_on_the_umask(tmp_path):
    before = os.umask(0)
    try:
        member_key(tmp_path / "keys" / "member.key")
    finally:
        os.umask(before)
    assert (tmp_path / "keys" / "member.key").stat().st_mode & 0o777 == 0o600


def test_many_at_once_agree_on_one_key(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: member_key(tmp_path / "k" / "member.key"), range(32)))) == 1
    assert [entry.name for entry in (tmp_path / "k").iterdir()] == ["member.key"]


def test_a_shared_key_is_not_made(tmp_path):
    assert reason(member_key, tmp_path / "member.key", create=False) == "KEY_FILE_MISSING"
    assert not (tmp_path / "member.key").exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o610, 0o644])
def test_p10_a_key_that_others_can_reach_is_refused_with_the_fix(tmp_path, mode):
    path = tmp_path / "member.key"
    key = member_key(path)
    path.chmod(mode)
    with pytest.raises(ConfigurationError) as caught:
        member_key(path)
    assert caught.value.reason == "KEY_FILE_EXPOSED"
    assert f"chmod 600 {path}" in caught.value.message
    assert key.hex() not in caught.value.message
    assert repr(key) not in caught.value.message


def test_p10_a_folder_that_others_can_write_is_refused(tmp_path):
    tmp_path.chmod(0o777)
    assert reason(member_key, tmp_path / "member.key") == "KEY_FOLDER_EXPOSED"


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 33])
def test_p10_a_key_of_another_size_is_refused(tmp_path, content):
    create_once(tmp_path / "member.key", content)
    assert reason(member_key, tmp_path / "member.key") == "KEY_FILE_INVALID"


def test_p10_links_folders_and_pipes_are_refused(tmp_path):
    member_key(tmp_path / "real.key")
    (tmp_path / "link.key").symlink_to(tmp_path / "real.key")
    (tmp_path / "folder.key").mkdir(mode=0o700)
    os.mkfifo(tmp_path / "pipe.key", 0o600)
    for name in ("link", "folder", "pipe"):
        assert reason(member_key, tmp_path / f"{name}.key") == "KEY_FILE_UNREADABLE"


def test_a_folder_that_cannot_be_made_says_so(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    assert reason(member_key, tmp_path / "file" / "member.key") == "KEY_FILE_UNWRITABLE"


def test_p10_a_key_of_another_user_is_refused(tmp_path):
    parts.need_root("giving a file to another user")
    member_key(tmp_path / "member.key")
    os.chown(tmp_path / "member.key", 65534, 65534)
    assert reason(read_secret, tmp_path / "member.key", 32) == "KEY_FILE_FOREIGN"


def test_a_token_cannot_be_minted_by_another_user(tmp_path):
    parts.need_root("becoming another user")
    from munjigi.adapters.identity.local_issuer import ensure_issuer

    ensure_issuer(tmp_path)
    code = (
        "import os, sys; from pathlib import Path\n"
        "from munjigi.adapters.identity.local_issuer import mint_employee\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "try: mint_employee(Path(sys.argv[1]), 'cs.kim', 'crm-desk')\n"
        "except Exception as error: print(error.reason, error.message)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True, timeout=20)
    assert done.stdout.startswith("KEY_FILE_UNREADABLE")
    assert "run as the user that runs munjigi" in done.stdout
