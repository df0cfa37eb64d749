"""A notice: something that people are to be told, under an id that is the same however often it is worked out or sent.

It holds names of employees, roles, purposes, ids and times, and a typed reason: never a member's data (promise P5).
"""

from __future__ import annotations

import base64
import hashlib
from typing import Final, Literal, get_args

import msgspec

from munjigi.kernel.identity import EmployeeKey

Kind = Literal[
    "request.made",
    "request.waiting",
    "request.lapsed",
    "request.approved",
    "request.denied",
    "request.withdrawn",
    "request.superseded",
    "grant.given",
    "grant.changed",
    "grant.suspended",
    "grant.resumed",
    "grant.ended",
    "grant.ends",
    "break_glass.taken",
    "break_glass.review",
    "break_glass.overdue",
    "break_glass.reviewed",
    "fact.lapses",
    "principal.blocked",
    "principal.unblocked",
    "review.opened",
    "review.concerns",
    "review.reminder",
    "review.escalated",
    "review.exception",
    "review.applied",
    "review.stopped",
    "review.undone",
    "review.log_closing",
    "review.log_closed",
    "trial",
]
Severity = Literal["info", "warning", "critical"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
SEVERITIES: Final[tuple[Severity, ...]] = get_args(Severity)


class Notice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing to tell. `at` (UTC nanoseconds) is when it happened; `recipients` are told by mail, each of them once.

    `about` and `times` (UTC nanoseconds) are what templates fill in. What time brought about is due until `until`; 0 otherwise.
    Times are shown in `zone` (IANA name).
    """

    id: str
    kind: Kind
    severity: Severity
    at: int
    recipients: tuple[EmployeeKey, ...]
    about: dict[str, str]
    times: dict[str, int]
    until: int = 0
    zone: str = "UTC"


def due_id(*parts: str | int) -> str:
    """Name what time brought about by what it is about: letters, digits and `-`, so that it can stand in a signed header."""
    return f"due-{_digest(*parts)[:26]}"


def letter_id(notice_id: str, recipient: EmployeeKey) -> str:
    """Name one recipient's copy of a notice."""
    return f"{notice_id}-{_digest(*recipient)[:16]}"


def _digest(*parts: str | int) -> str:
    text = "".join(f"{len(str(part))}:{part}" for part in parts)
    return base64.b32encode(hashlib.sha256(text.encode()).digest()).decode("ascii").lower()
