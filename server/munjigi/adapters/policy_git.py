"""What git has of a policy home: the commit, and the content ids of the files that are in it.

Contents are compared by their blob ids, not by `git status`, whose answer an index flag or an ignore file can change.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_TIMEOUT_SECONDS: Final = 10
_SHA1_HEX: Final = 40


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit, and the blob id of each file under the policy home by path relative to it."""

    revision: str
    blobs: Mapping[str, str]

    def changed(self, files: Mapping[str, bytes], required: Iterable[str]) -> list[str]:
        """Return the paths whose content differs from the commit, or that only one of the two has."""
        relevant = {path for path in self.blobs if path in required or path.startswith("tests/")}
        return sorted(
            path for path in relevant | files.keys() if path not in files or self._blob_id(files[path]) != self.blobs.get(path)
        )

    def _blob_id(self, content: bytes) -> str:
        # git's own content id: SHA-1 in a repository of that format (not a security function here), else SHA-256.
        name = "sha1" if len(self.revision) == _SHA1_HEX else "sha256"
        return hashlib.new(name, b"blob %d\x00" % len(content) + content, usedforsecurity=False).hexdigest()


def git_folder(home: Path) -> Path | None:
    """Return the git folder of the work tree around `home`, or None."""
    for folder in (home, *home.parents):
        marker = folder / ".git"
        try:
            if marker.is_dir():
                return marker
            if marker.is_file():
                # A linked work tree or a submodule: the file names the folder.
                named = marker.read_text("utf-8").removeprefix("gitdir:").strip()
                return (folder / named).resolve()
        except (OSError, ValueError):
            return None
    return None


def commit_of(home: Path) -> Commit | None:
    """Return the commit that the work tree stands on; None without git, a commit, or committed files in `home`."""
    if git_folder(home) is None:
        return None
    revision = run_git(home, "rev-parse", "--verify", "HEAD")
    listing = run_git(home, "ls-tree", "-r", "-z", "HEAD")
    if revision is None or not listing:
        return None
    blobs: dict[str, str] = {}
    for entry in listing.split("\x00"):
        about, _, path = entry.partition("\t")
        if path:
            blobs[path] = about.split(" ")[2]
    return Commit(revision.strip(), blobs)


def last_author(home: Path) -> str:
    """Return the name of who wrote the last commit that changed the policy home, at most 64 characters; empty when not known."""
    found = run_git(home, "log", "-1", "--format=%an", "HEAD", "--", ".") or ""
    return "".join(char for char in found if char.isprintable())[:64].strip()


def run_git(home: Path, *arguments: str) -> str | None:
    """Return what git prints about the repository around `home`; None when it fails."""
    # Variables such as GIT_DIR would make git look at another repository than the one around the home.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", "-C", str(home), *arguments],
            env=environment | {"GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", "surrogateescape") if done.returncode == 0 else None
