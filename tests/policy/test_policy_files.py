"""A policy home is read whole or not at all, by nobody's grace but its owner's, and kept by its revision."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from munjigi.adapters.policy_files import fingerprint, load_bundle, read_policy_home, store_bundle
from munjigi.kernel.errors import Corruption, FailedPrecondition, NotFound
from munjigi.policy.compile import compile_bundle

SOURCE = Path(__file__).parents[2] / "policies"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "work" / "policies"
    shutil.copytree(SOURCE, folder)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return folder


def git(home: Path, *arguments: str) -> str:
    who = ["-c", "user.name=t", "-c", "user.email=t@example.test", "-c", "core.hooksPath=/dev/null"]
    return subprocess.run(["git", "-C", str(home), *who, *arguments], check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def committed(home: Path) -> Path:
    git(home.parent, "init", "-q")
    git(home.parent, "add", ".")
    git(home.parent, "commit", "-q", "-m", "policy")
    return home


def refusal(home: Path, mode: str = "files") -> str:
    with pytest.raises(FailedPrecondition) as raised:
        read_policy_home(home, mode)
    return raised.value.reason


def test_a_plain_folder_is_files(home: Path) -> None:
    found = read_policy_home(home)
    assert found.source == "files"
    assert compile_bundle(found.files, found.source)[1] == ()


@pytest.mark.parametrize("name", ["policy.csv", "tests/fraud.yaml", ".", "tests"])
@pytest.mark.parametrize("bit", [0o020, 0o002])
def test_what_others_can_write_is_refused(home: Path, name: str, bit: int) -> None:
    path = home / name
    path.chmod(path.stat().st_mode | bit)
    assert refusal(home) == "POLICY_WRITABLE_BY_OTHERS"


def test_links_stay_inside(home: Path) -> None:
    shutil.move(home / "roles.toml", home / "roles-v2")
    (home / "roles.toml").symlink_to("roles-v2")
    assert "roles.toml" in read_policy_home(home).files
    outside = home.parent / "tools.toml"
    shutil.move(home / "tools.toml", outside)
    (home / "tools.toml").symlink_to(outside)
    assert refusal(home) == "POLICY_LINK_OUTSIDE"


def test_a_pipe_does_not_hang_the_reader(home: Path) -> None:
    (home / "roles.toml").unlink()
    os.mkfifo(home / "roles.toml", 0o644)
    assert refusal(home) == "POLICY_FILE_NOT_REGULAR"


def test_a_missing_home_and_a_missing_file(home: Path) -> None:
    assert refusal(home / "nowhere") == "POLICY_HOME_MISSING"
    (home / "roles.toml").unlink()
    assert "FILE_MISSING" in {each.code for each in compile_bundle(read_policy_home(home).files, "x")[1]}


def test_git_takes_only_what_is_committed(committed: Path) -> None:
    revision = git(committed, "rev-parse", "HEAD")
    assert read_policy_home(committed, "git").source == revision
    (committed / "tests" / "new.yaml").write_text("tests: []\n")
    assert read_policy_home(committed).source == f"{revision}+dirty"
    assert refusal(committed, "git") == "POLICY_DIRTY"
    (committed / "tests" / "new.yaml").unlink()
    git(committed, "update-index", "--assume-unchanged", "policy.csv")
    with (committed / "policy.csv").open("a") as stream:
        stream.write("# changed\n")
    assert refusal(committed, "git") == "POLICY_DIRTY"


def test_git_mode_outside_of_git_is_refused(home: Path) -> None:
    assert refusal(home, "git") == "POLICY_NOT_IN_GIT"


def test_the_fingerprint_sees_edits_and_commits(committed: Path) -> None:
    first = fingerprint(committed)
    assert fingerprint(committed) == first
    (committed / "policy.csv").write_bytes((committed / "policy.csv").read_bytes() + b"# more\n")
    second = fingerprint(committed)
    assert second != first
    git(committed, "commit", "-q", "-a", "-m", "more")
    assert fingerprint(committed) != second


def test_a_checkout_in_progress_is_not_loaded(committed: Path) -> None:
    (committed.parent / ".git" / "index.lock").touch()
    assert refusal(committed) == "POLICY_HOME_CHANGING"


def test_an_edit_between_two_files_is_never_half_loaded(home: Path) -> None:
    edited = b"# edited\n" + (home / "catalog.toml").read_bytes()
    waiting = [True]

    def edit(event: str, arguments: tuple[object, ...]) -> None:
        # Fires inside of the reader, when it has read catalog.toml and opens the file after it.
        if event == "open" and waiting and str(arguments[0]) == str(home / "policy.csv"):
            waiting.clear()
            (home / "catalog.toml").write_bytes(edited)

    sys.addaudithook(edit)
    found = read_policy_home(home)
    assert not waiting
    assert found.files["catalog.toml"] == edited


def test_a_bundle_is_kept_by_its_revision(home: Path, tmp_path: Path) -> None:
    bundle, _ = compile_bundle(read_policy_home(home).files, "files")
    assert bundle is not None
    kept = store_bundle(tmp_path / "kept", bundle)
    assert kept == store_bundle(tmp_path / "kept", bundle)
    assert kept.stat().st_mode & 0o077 == 0
    again = load_bundle(tmp_path / "kept", bundle.revision)
    assert (again.revision, again.files) == (bundle.revision, bundle.files)
    with pytest.raises(NotFound):
        load_bundle(tmp_path / "kept", "0" * 64)
    with pytest.raises(NotFound):
        load_bundle(tmp_path / "kept", "../" * 21 + "x")
    kept.chmod(0o600)
    kept.write_bytes(kept.read_bytes()[:-1])
    with pytest.raises(Corruption):
        load_bundle(tmp_path / "kept", bundle.revision)
