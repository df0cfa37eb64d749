"""The question, the snapshot's answer, and the parts of both."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from munjigi.kernel.identity import EmployeeKey, SignIn


class Effect(StrEnum):
    """What may be seen of one field."""

    CLEAR = "clear"
    MASKED = "masked"
    DENIED = "denied"


class Request(NamedTuple):
    """One question. Everything that the verdict may depend on, besides the snapshot and the time.

    `fields` empty means all catalogued columns; `subjects` is the number of members concerned, 0 if
    not known; `ip` is the employee's address in text; `tool` is a registered tool's id. `sign_in` None: taken as right.
    """

    employee: EmployeeKey
    tool: str
    resource: str
    fields: tuple[str, ...]
    action: str
    purpose: str
    case_id: str = ""
    subjects: int = 0
    ip: str = ""
    probe: bool = False
    allow_partial: bool = False
    sign_in: SignIn | None = SignIn()


class FieldDecision(NamedTuple):
    """The verdict on one field. `grants` are all grants that alone would have allowed it so; `rule` is `file:line`."""

    name: str
    effect: Effect
    mask: str
    reason: str
    rule: str
    grants: tuple[str, ...]
    classes: tuple[str, ...]


class Decision(NamedTuple):
    """The verdict. `role_path` is the deciding grant id, then roles from the held one to the rule's.

    `resource_known` and each field's membership in the catalog decide whether a name may be recorded
    in clear: `unknown_fields` are the asked names that the catalog does not have.
    """

    allow: bool
    reason: str
    fields: tuple[FieldDecision, ...]
    rule: str
    role_path: tuple[str, ...]
    help: str
    resource_known: bool
    purpose_known: bool
    action_known: bool
    unknown_fields: frozenset[str]
    policy_revision: str
    grant_revision: int
