"""Parts of the machine that some tests need. CI has them all, so there a missing one fails; elsewhere the test says why it skips."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

import pytest

IN_CI = os.environ.get("CI", "").lower() not in ("", "0", "false")


def missing(reason: str) -> NoReturn:
    """Fail where everything must be there, skip where something may be missing."""
    if IN_CI:
        pytest.fail(f"CI lacks a part that this test needs: {reason}", pytrace=False)
    pytest.skip(reason)


def need_module(name: str) -> None:
    if find_spec(name) is None:
        missing(f"the module {name} is not installed (has this platform a wheel of it?)")


def need_program(name: str) -> None:
    if shutil.which(name) is None:
        missing(f"the program {name} is not installed")


def need_root(why: str) -> None:
    """Skip for an ordinary user, in CI too: whoever runs the tests chose not to be root."""
    if os.geteuid() != 0:
        pytest.skip(f"{why} needs root")


@contextmanager
def small_disk(folder: Path, options: str) -> Iterator[None]:
    """Mount a tmpfs on a folder for a while."""
    need_root("mounting a file system")
    command = ["mount", "-t", "tmpfs", "-o", options, "munjigi-test", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        missing(f"mounting a file system is not allowed here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def make_ext4(image: Path, mebibytes: int) -> Path:
    """Make a file an ext4 file system that can be mounted and broken."""
    need_root("mounting a file system")
    need_program("mkfs.ext4")
    with image.open("wb") as file:
        file.truncate(mebibytes << 20)
    subprocess.run(["mkfs.ext4", "-q", str(image)], check=True)
    return image


@contextmanager
def mounted(image: Path, folder: Path) -> Iterator[None]:
    """Mount a file system of `make_ext4` for a while."""
    command = ["mount", "-o", "loop,errors=remount-ro", str(image), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        missing(f"a file can't be mounted here: {done.stderr.strip()}")
    try:
        yield
    finally:
        if subprocess.run(["umount", str(folder)], check=False).returncode:
            subprocess.run(["umount", "-l", str(folder)], check=True)
            raise AssertionError(f"a process still has files in {folder}")


def break_ext4(folder: Path) -> None:
    """Let the kernel do what it does on its own when it finds a mounted file system damaged: abort its journal, make it read-only."""
    source = subprocess.run(["findmnt", "-no", "SOURCE", str(folder)], capture_output=True, text=True, check=True).stdout.strip()
    Path("/sys/fs/ext4", Path(source).name, "trigger_fs_error").write_text("1")


def mend_ext4(image: Path) -> None:
    """Check and mend a file system that is not mounted, as a start of the machine would."""
    done = subprocess.run(["fsck.ext4", "-p", "-f", str(image)], check=False, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stdout + done.stderr  # 1: mended
