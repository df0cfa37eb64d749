"""How a command ends: exit codes, and one line of what went wrong with one line of what to do."""

from __future__ import annotations

from typing import Final

from munjigi.kernel import errors

DONE: Final = 0
FAILED: Final = 1
USAGE: Final = 2
DENIED: Final = 3
UNCOUNTED: Final = 4
UNVERIFIED: Final = 5
AWAY: Final = 6


class Failure(Exception):
    """The command could not do its work. `what` and `todo` are one line each, for the person at the terminal."""

    def __init__(self, what: str, todo: str, code: int = FAILED) -> None:
        super().__init__(what)
        self.what = what
        self.todo = todo
        self.code = code


def of_our_tree(error: errors.MunjigiError) -> Failure:
    """Turn an error of a room into a failure: its message says what to do already."""
    what, todo = _two_lines(error.message)
    return Failure(what, todo or f"Reason {error.reason}; `munjigi doctor` checks the installation.")


def _two_lines(message: str) -> tuple[str, str]:
    """Split `what; do this` or `What. Do this.` at its first joint; listings keep their lines."""
    if "\n" in message:
        head, _, rest = message.partition("\n")
        return f"{head}\n{rest}", ""
    for joint in ("; ", ": set ", ". "):
        head, found, rest = message.partition(joint)
        if found:
            rest = f"set {rest}" if joint == ": set " else rest
            return head.rstrip(".") + ".", rest[:1].upper() + rest[1:]
    return message, ""
