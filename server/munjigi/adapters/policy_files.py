"""Read a policy home from disk, whole or not at all, and keep every bundle that ever decided.

Everything is read once and looked at again: names, sizes, times, inodes and the git revision must be the same
before and after, so that an edit or a checkout in progress is never half-loaded.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from munjigi.adapters.policy_git import Commit, commit_of, git_folder
from munjigi.kernel.errors import Corruption, FailedPrecondition, NotFound
from munjigi.policy.canonical import canonical_bytes, files_of
from munjigi.policy.compile import POLICY_FILES, compile_bundle
from munjigi.policy.findings import MAX_FILE_BYTES
from munjigi.policy.types import PolicyBundle

FILES: Final = "files"
GIT: Final = "git"
_TESTS: Final = "tests"
LAST: Final = "decided"  # beside the kept bundles: the revision that decided last
# A file of these kinds beside the known ones is read too, so that the compiler can say that nothing uses it.
_SUFFIXES: Final = (".csv", ".toml", ".conf")
_ATTEMPTS: Final = 10
_PAUSE_SECONDS: Final = 0.05
_GIT_STATE: Final = ("HEAD", "index", "logs/HEAD")
_WRITABLE_BY_OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH

_Look = tuple[tuple[str, int, int, int, int, int], ...]


@dataclass(frozen=True, slots=True)
class PolicyFiles:
    """Files by path relative to the home, and where they come from: `files`, a git revision, or one with `+dirty`."""

    files: Mapping[str, bytes]
    source: str


def read_policy_home(path: Path, mode: str = FILES) -> PolicyFiles:
    """Read a policy home. `mode` is `files`, or `git`, which takes a clean committed revision only.

    Raises `FailedPrecondition` when the home is missing, can be written by others, leads outside by a link, keeps
    changing while it is read, or, with `git`, is not exactly what is committed.
    """
    home = path.resolve()
    if not home.is_dir():
        raise FailedPrecondition(
            "POLICY_HOME_MISSING", f"There is no policy home at {path}; set policy_home to the folder with policy.csv."
        )
    for attempt in range(_ATTEMPTS):
        if attempt:
            time.sleep(_PAUSE_SECONDS)
        found = _read_once(home, mode)
        if found is not None:
            return found
    raise FailedPrecondition(
        "POLICY_HOME_CHANGING", "The policy home keeps changing while it is read; finish the edit or checkout, then reload."
    )


def fingerprint(path: Path) -> object:
    """Return a value that differs when the home, or the git state around it, may have changed. Reads no content.

    Raises `FailedPrecondition` when the home cannot be looked at.
    """
    home = path.resolve()
    git = git_folder(home)
    state = [_times(git / name) for name in _GIT_STATE] if git is not None else []
    return _look(home, _names(home)), tuple(state)


def store_bundle(folder: Path, bundle: PolicyBundle) -> Path:
    """Keep a bundle's files as `<revision>.bundle`, durable when this returns; a kept one is left alone.

    Raises `OSError` when the folder cannot be written.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    target = folder / f"{bundle.revision}.bundle"
    if target.exists():
        return target
    _put(target, canonical_bytes(bundle.files))
    return target


def keep_last(folder: Path, revision: str) -> None:
    """Note which kept bundle decides from now on, durable when this returns. Raises `OSError` when the folder can't be written."""
    if last_decided(folder) != revision:
        _put(folder / LAST, f"{revision}\n".encode("ascii"))


def last_decided(folder: Path) -> str:
    """Return the revision that decided last; empty where none ever did. Raises `OSError` when the note can't be read."""
    try:
        return (folder / LAST).read_bytes().decode("ascii", "replace").strip()
    except FileNotFoundError:
        return ""


def load_bundle(folder: Path, revision: str) -> PolicyBundle:
    """Return a kept bundle, compiled again.

    Raises `NotFound` when it was never kept, `Corruption` when its bytes are not those of its revision, and
    `FailedPrecondition` when this version no longer compiles it.
    """
    bundle, _ = compile_bundle(kept_files(folder, revision), "kept")
    if bundle is None:
        raise FailedPrecondition(
            "POLICY_REVISION_TOO_OLD",
            f"Kept policy bundle {revision[:12]} does not compile with this version; use the one it was made with.",
        )
    return bundle


def kept_files(folder: Path, revision: str) -> dict[str, bytes]:
    """Return the files of a kept bundle, by path.

    Raises `NotFound` when it was never kept, `Corruption` when its bytes are not those of its revision.
    """
    if len(revision) != hashlib.sha256().digest_size * 2 or not revision.isalnum():
        raise NotFound(
            "POLICY_REVISION_UNKNOWN", "A policy revision has 64 hex digits; copy it from a record or from the policy status."
        )
    try:
        stored = (folder / f"{revision}.bundle").read_bytes()
    except FileNotFoundError:
        raise NotFound("POLICY_REVISION_UNKNOWN", "This policy revision never decided here; look for it in git.") from None
    if hashlib.sha256(stored).hexdigest() != revision:
        raise Corruption(
            "POLICY_BUNDLE_CORRUPT", f"Kept policy bundle {revision[:12]} is damaged; restore it from the backup or from git."
        )
    return files_of(stored)


def _put(target: Path, data: bytes) -> None:
    """Put a whole file in its place at once, beside others that do the same."""
    part = target.with_name(f".{target.stem}.{os.getpid()}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(target)
    directory = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _read_once(home: Path, mode: str) -> PolicyFiles | None:
    """Return the files, or None when something moved meanwhile."""
    commit = commit_of(home)
    names = _names(home)
    before = _look(home, names)
    try:
        files = {name: _read_file(home, name) for name in names}
    except FileNotFoundError:
        return None
    if _look(home, _names(home)) != before or _checkout_runs(home):
        return None
    again = commit_of(home)
    if (commit and commit.revision) != (again and again.revision):
        return None
    return PolicyFiles(files, _source(files, commit, mode))


def _source(files: Mapping[str, bytes], commit: Commit | None, mode: str) -> str:
    if commit is None:
        if mode == GIT:
            message = (
                "policy_source is git, but the policy home is not committed in a git work tree that can be read;"
                " install git, commit the files, and let the work tree belong to this user."
            )
            raise FailedPrecondition("POLICY_NOT_IN_GIT", message)
        return FILES
    changed = commit.changed(files, POLICY_FILES)
    if changed and mode == GIT:
        listed = ", ".join(changed[:10])
        raise FailedPrecondition(
            "POLICY_DIRTY",
            f"policy_source is git, and these policy files are not as committed: {listed}. Commit or restore them.",
        )
    return f"{commit.revision}+dirty" if changed else commit.revision


def _names(home: Path) -> tuple[str, ...]:
    """Return the paths of the files to read, sorted, and refuse folders that others can write."""
    names: list[str] = []
    tests = home / _TESTS
    try:
        _refuse_writable(home.stat(), ".")
        names += [
            entry.name
            for entry in home.iterdir()
            if entry.name in POLICY_FILES or (entry.suffix in _SUFFIXES and entry.name[0] != ".")
        ]
        if tests.is_dir():
            _inside(home, tests)
            _refuse_writable(tests.stat(), _TESTS)
            names += [f"{_TESTS}/{entry.name}" for entry in tests.iterdir() if entry.name[0] != "."]
    except OSError:
        raise FailedPrecondition(
            "POLICY_HOME_UNREADABLE", "The policy home cannot be listed; give this user read access to it."
        ) from None
    return tuple(sorted(names))


def _look(home: Path, names: tuple[str, ...]) -> _Look:
    return tuple((name, *_times(home / name)) for name in names)


def _times(path: Path) -> tuple[int, int, int, int, int]:
    try:
        found = path.stat()
    except OSError:
        return 0, 0, 0, 0, 0
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_mode


def _read_file(home: Path, name: str) -> bytes:
    path = _inside(home, home / name)
    try:
        # Not blocking: a pipe in place of a file must not hang the reload.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        raise
    except OSError:
        raise FailedPrecondition(
            "POLICY_FILE_UNREADABLE", f"Policy file {name} cannot be opened; give this user read access to it."
        ) from None
    with os.fdopen(descriptor, "rb") as stream:
        found = os.fstat(stream.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise FailedPrecondition("POLICY_FILE_NOT_REGULAR", f"{name} in the policy home is not a regular file; remove it.")
        _refuse_writable(found, name)
        return stream.read(MAX_FILE_BYTES + 1)


def _inside(home: Path, path: Path) -> Path:
    found = path.resolve()
    if not found.is_relative_to(home):
        name = path.relative_to(home)
        raise FailedPrecondition(
            "POLICY_LINK_OUTSIDE", f"{name} in the policy home is a link that leads outside of it; copy the file in."
        )
    return found


def _refuse_writable(found: os.stat_result, name: str) -> None:
    if found.st_mode & _WRITABLE_BY_OTHERS:
        message = f"Others than the owner can write `{name}` in the policy home, so anybody could change the policy; run `chmod go-w` on it."
        raise FailedPrecondition("POLICY_WRITABLE_BY_OTHERS", message)


def _checkout_runs(home: Path) -> bool:
    git = git_folder(home)
    return git is not None and (git / "index.lock").exists()
