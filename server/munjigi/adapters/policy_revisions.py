"""A policy home as it is in one git revision."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from munjigi.adapters.policy_files import PolicyFiles
from munjigi.adapters.policy_git import run_git
from munjigi.kernel.errors import NotFound
from munjigi.policy.compile import known_file

_TEXT: Final = "surrogateescape"  # what `run_git` decodes with: bytes come back as they were


def read_policy_revision(home: Path, revision: str) -> PolicyFiles:
    """Read the policy files that `revision` has where `home` is in its work tree.

    Raises `NotFound` when git knows no such revision, or it has no policy there.
    """
    commit = run_git(home, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if commit is None:
        raise NotFound(
            "GIT_REVISION_UNKNOWN", f"git knows no such revision around {home}; name a commit, branch or tag of that repository."
        )
    commit = commit.strip()
    files: dict[str, bytes] = {}
    for path in (run_git(home, "ls-tree", "-r", "-z", "--name-only", commit) or "").split("\x00"):
        if known_file(path):
            content = run_git(home, "cat-file", "blob", f"{commit}:./{path}")
            if content is not None:
                files[path] = content.encode("utf-8", _TEXT)
    if not files:
        raise NotFound(
            "POLICY_NOT_IN_GIT", f"That revision has no policy files at {home}; name the policy home with --policy-home."
        )
    return PolicyFiles(files, commit)
