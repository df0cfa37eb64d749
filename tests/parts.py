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


@contextmanager
def ext4_disk(image: Path, folder: Path, mebibytes: int) -> Iterator[None]:
    """Mount a file as an ext4 file system of its own that can be broken."""
    need_root("mounting a file system")
    with image.open("wb") as file:
        file.truncate(mebibytes << 20)
    for command in (["mkfs.ext4", "-q", str(image)], ["mount", "-o", "loop,errors=remount-ro", str(image), str(folder)]):
        need_program(command[0])
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            missing(f"a file can't be mounted here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
