"""What the client answers with: immutable values that mirror the wire contract's names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from munjigi_client._masks import MASKS, Mask, null
from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb
from munjigi_client._proto.munjigi.v1 import reach_pb2

Effect = Literal["clear", "masked", "denied"]
Outcome = Literal["read", "failed", "abandoned"]

_EFFECTS: Final[Mapping[int, Effect]] = {pb.FIELD_EFFECT_CLEAR: "clear", pb.FIELD_EFFECT_MASKED: "masked"}
OUTCOMES: Final[Mapping[Outcome, pb.ReadOutcome]] = {
    "read": pb.READ_OUTCOME_READ,
    "failed": pb.READ_OUTCOME_FAILED,
    "abandoned": pb.READ_OUTCOME_ABANDONED,
}


@dataclass(frozen=True, slots=True)
class FieldDecision:
    """What may be seen of one field, by which rule (`file:line`) and which grants."""

    name: str
    effect: Effect
    mask: str
    reason: str
    rule: str
    grant_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StepUp:
    """Another sign-in that a field wants: one of `acr_values` (none: any), at most `max_age_seconds` ago (0: whenever).

    `challenge` is the same for a `WWW-Authenticate` header (RFC 9470).
    """

    field: str
    acr_values: tuple[str, ...]
    max_age_seconds: int
    challenge: str


@dataclass(frozen=True, slots=True)
class AccessOption:
    """A role that would repair a denial. `case_example` shows the case id that asking for it needs; empty where it needs none."""

    role: str
    purpose: str
    days: int
    case_example: str
    owners: tuple[str, ...]

    @property
    def wanted(self) -> dict[str, Any]:
        """What `request_access` takes besides the reason, and the case id where one is needed."""
        return {"role": self.role, "purpose": self.purpose, "days": self.days}


@dataclass(frozen=True)
class Decision:
    """One answer. Never keep an ALLOW: ask again for the next read.

    `valid_until` is UTC in nanoseconds since 1970 (0 on DENY): the read must start, and be confirmed, before it.
    `observed` says that the client is in trial mode, where a denial does not stop anything.
    """

    allowed: bool
    reason: str
    help: str = ""
    decision_id: str = ""
    fields: tuple[FieldDecision, ...] = ()
    valid_until: int = 0
    must_confirm: bool = False
    subject_limit: int | None = None
    policy_revision: str = ""
    grant_revision: int = 0
    role_path: tuple[str, ...] = ()
    observed: bool = False
    step_up: tuple[StepUp, ...] = ()
    access_options: tuple[AccessOption, ...] = ()
    # Kept beside the answer so that `masked` needs no client; the token is what a confirmation is sent with.
    mask_functions: Mapping[str, Mask] = field(default_factory=lambda: MASKS, repr=False, compare=False)
    employee_token: str = field(default="", repr=False, compare=False)

    @property
    def masks(self) -> dict[str, str]:
        """The mask's name for every field that must be masked."""
        return {each.name: each.mask for each in self.fields if each.effect == "masked"}

    @property
    def visible(self) -> tuple[str, ...]:
        """The fields that may be read, clear or masked, in the order asked; in trial mode all that were answered."""
        return tuple(each.name for each in self.fields if each.effect != "denied" or self.observed)

    def masked(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return the row as the employee may see it: clear fields as they are, masked ones masked, all others left out.

        In trial mode the row comes back whole.
        """
        if self.observed:
            return dict(row)
        shown: dict[str, Any] = {}
        if not self.allowed:
            return shown
        for each in self.fields:
            if each.name not in row or each.effect == "denied":
                continue
            value = row[each.name]
            shown[each.name] = value if each.effect == "clear" else self._hide(each.mask, value)
        return shown

    def _hide(self, mask: str, value: Any) -> Any:
        function: Mask = self.mask_functions.get(mask, null)
        return None if value is None else function(value)


@dataclass(frozen=True, slots=True)
class Permission:
    """One thing the employee may do. `conditional` rules may still deny when asked."""

    object: str
    action: str
    purpose: str
    effect: Effect
    mask: str
    rule: str
    grant_ids: tuple[str, ...]
    conditional: bool


@dataclass(frozen=True, slots=True)
class Whoami:
    """Who is asking, through which tool, and what they may do."""

    employee: str
    issuer: str
    tool: str
    principal_type: str
    department: str
    permissions: tuple[Permission, ...]
    policy_revision: str
    grant_revision: int


@dataclass(frozen=True, slots=True)
class Question:
    """One access to ask about; the arguments are those of `Client.check`."""

    resource: str
    fields: tuple[str, ...] = ()
    purpose: str = ""
    case_id: str = ""
    member_ids: tuple[str, ...] = ()
    subject_count: int = 0
    action: str = "read"
    allow_partial: bool = False
    probe: bool = False
    request_id: str = ""
    origin_ip: str = ""
    session_id: str = ""


@dataclass(frozen=True, slots=True)
class Observation:
    """What trial mode would have stopped: a denial (`decision_id` is its record) or an answer that did not come."""

    reason: str
    help: str
    decision_id: str


def effect_of(number: int) -> Effect:
    """Name an effect of the wire. Anything but clear and masked is denied."""
    return _EFFECTS.get(number, "denied")


def permission_from(each: reach_pb2.Permission) -> Permission:
    """Turn the wire's permission into a `Permission`."""
    effect = effect_of(each.effect)
    return Permission(
        each.object, each.action, each.purpose, effect, each.mask, each.rule, tuple(each.grant_ids), each.conditional
    )
