"""What happens in the company, one value each. Times are UTC nanoseconds; people are named by the subject of their account."""

from __future__ import annotations

from typing import Literal, NamedTuple

Outcome = Literal["read", "failed", "abandoned"]
PersonnelKind = Literal["joiner", "mover", "leaver", "leave", "return"]


class Question(NamedTuple):
    """One question about member data, as a tool puts it. `subjects` is the number of members where they are not named."""

    resource: str
    fields: tuple[str, ...]
    purpose: str
    case_id: str = ""
    members: tuple[str, ...] = ()
    subjects: int = 0
    action: str = "read"
    probe: bool = False


class Asked(NamedTuple):
    """An employee asks through a tool, one question or a list of them at once; `ip` is where the employee sits.

    Where the answer is ALLOW, the read is confirmed `takes` nanoseconds later with `rows`, unless `rows` is None.
    """

    at: int
    employee: str
    tool: str
    what: str
    questions: tuple[Question, ...]
    ip: str = ""
    rows: int | None = None
    outcome: Outcome = "read"
    takes: int = 0


class Hire(NamedTuple):
    """One of those with whom the company begins. `role` may be empty; its grant is in force for `days`."""

    employee: str
    department: str
    manager: str
    role: str = ""
    purpose: str = ""
    case_id: str = ""
    days: int = 0
    approvers: tuple[str, ...] = ()


class Founded(NamedTuple):
    """Some of those with whom the company begins."""

    at: int
    hires: tuple[Hire, ...]


class Staffed(NamedTuple):
    """A personnel event. `department` and `manager` are those of joiners and movers."""

    at: int
    kind: PersonnelKind
    employee: str
    department: str = ""
    manager: str = ""


class Wanted(NamedTuple):
    """Somebody asks for a role, or with `renews` for more time: the handle of the request or hire that gave it.

    `handle` names this request for what follows.
    """

    at: int
    handle: str
    employee: str
    role: str
    purpose: str
    case_id: str
    days: int
    reason: str
    renews: str = ""


class Voted(NamedTuple):
    """Somebody decides on a request."""

    at: int
    handle: str
    by: str
    approve: bool
    reason: str


class Withdrawn(NamedTuple):
    """Whoever asked does not want it any more."""

    at: int
    handle: str
    employee: str


class Revoked(NamedTuple):
    """An owner ends what a request or hire gave."""

    at: int
    handle: str
    by: str
    reason: str


class Resumed(NamedTuple):
    """An owner lets count again what a leave suspended."""

    at: int
    handle: str
    by: str
    reason: str


class Outage(NamedTuple):
    """A tool is away until then: nobody can ask through it."""

    at: int
    tool: str
    until: int


Event = Asked | Founded | Staffed | Wanted | Voted | Withdrawn | Revoked | Resumed | Outage
