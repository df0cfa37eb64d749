"""By which policy the workers decide, for the other processes of the daemon: its revision, in a file that is replaced whole."""

from __future__ import annotations

import contextlib
import os

from munjigi.app.files import StateFolder
from munjigi.policy.types import PolicyBundle


def note_in_force(folder: StateFolder, revision: str) -> None:
    """Say which bundle decides from now on. A full disk must not stop the worker: the one before is said then."""
    path = folder.policy_in_force
    scratch = path.with_name(f"{path.name}.{os.getpid()}")
    with contextlib.suppress(OSError):
        scratch.write_text(revision, "ascii")
        scratch.replace(path)


def in_force(folder: StateFolder) -> str:
    """Return the revision by which workers of this daemon decide; empty before the first one said which."""
    try:
        return folder.policy_in_force.read_text("ascii")
    except (OSError, ValueError):
        return ""


def forget_in_force(folder: StateFolder) -> None:
    """Forget what an earlier daemon decided by: a start with a policy home that has errors is refused. Raises `OSError`."""
    folder.policy_in_force.unlink(missing_ok=True)


class PolicyInForce:
    """The bundle by which the workers decide, compiled again when it is another. One thread at a time."""

    def __init__(self, folder: StateFolder) -> None:
        self._folder = folder
        self._bundle: PolicyBundle | None = None

    def bundle(self) -> PolicyBundle | None:
        """Return the bundle; None before the first worker said which. Raises what `load_bundle` raises."""
        from munjigi.adapters.policy_files import load_bundle  # noqa: PLC0415 - the supervisor compiles nothing, and starts sooner

        revision = in_force(self._folder)
        if revision and (self._bundle is None or self._bundle.revision != revision):
            self._bundle = load_bundle(self._folder.policies, revision)
        return self._bundle
