"""What the deciding process and the one that compiles policies say to each other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from munjigi.policy.types import Problem

LENGTH: Final = 4  # bytes before each frame, big-endian
OUTCOME: Final = b"\xff"  # the first byte of a frame that ends an answer


class Order(NamedTuple):
    """What to do. `files` None: those of the policy home. `before` is the revision in force; empty only checks."""

    home: str
    mode: str
    files: dict[str, bytes] | None = None
    kept: str = ""
    before: str = ""


class Difference(NamedTuple):
    """How policy.csv differs from the revision in force, in lines, and which files differ at all."""

    added: int = 0
    removed: int = 0
    files: tuple[str, ...] = ()


class Outcome(NamedTuple):
    """What became of an order. `revision` is empty when there is an error. `asked` and `not_run` are of pycasbin.

    Files of the revision in force are not compiled again, so they have no problems here.
    """

    problems: tuple[Problem, ...]
    revision: str = ""
    source: str = ""
    author: str = ""
    tests_run: int = 0
    difference: Difference = Difference()
    asked: int = 0
    not_run: int = 0


class Errors(NamedTuple):
    """How many errors there are, the place and code of the first, and all that it says."""

    number: int
    place: str
    first: str


def errors_of(problems: Iterable[Problem]) -> Errors:
    """Return what a log and a record say of the errors among problems."""
    errors = [problem for problem in problems if problem.severity == "error"]
    if not errors:
        return Errors(0, "", "")
    first = errors[0]
    return Errors(len(errors), f"{first.file}:{first.line}:{first.column} {first.code}", str(first))


def not_kept() -> Problem:
    """Return what is said when the state folder does not take what has to be kept of a policy before it decides."""
    message = "The bundle can't be kept in the state folder; free disk space and reload."
    return Problem("", 0, 0, "error", "POLICY_NOT_KEPT", message)


def internal() -> Problem:
    """Return what is said when compiling fails by a defect of ours."""
    message = "The policy home could not be compiled; undo the last edit, and report this as a bug of Munjigi."
    return Problem("", 0, 0, "error", "POLICY_INTERNAL", message)
