"""What is counted of a decision: names of code, policy and configuration only, whatever was asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from munjigi.decision.types import Decision, Request

UNKNOWN: Final = "unknown"  # stands for every name that nobody registered
NO_CLASS: Final = ("none",)
DOWNLOAD_SUBJECTS: Final = 1_000  # from so many on any access is a download, which ISMS-P 2.9.5 gives as an example


@dataclass(frozen=True, slots=True, eq=False)
class Counted:
    """The labels of one decision, made once a ruling: told apart by identity, which costs a decision least.

    `download` is one by Notice 8(2).
    """

    allow: bool
    reason: str
    tool: str
    purpose: str
    classes: tuple[str, ...]
    download: bool


def counted(request: Request, decision: Decision, classes: tuple[str, ...]) -> Counted:
    """Return what is counted of a decision. `classes` are the distinct data classes among its fields."""
    large = request.subjects >= DOWNLOAD_SUBJECTS
    return Counted(
        decision.allow,
        decision.reason,
        request.tool,
        request.purpose if decision.purpose_known else UNKNOWN,
        classes or NO_CLASS,
        not request.probe and (request.action == "export" or large),
    )
