"""Permission records: who was given, refused or lost which right, by whose word (ISMS-P 2.5.6, Notice 2026-9 of the PIPC art. 5)."""

from __future__ import annotations

from typing import Literal

from munjigi.audit.record import Record
from munjigi.kernel.access_request import RequestKind, RequestState, Vote
from munjigi.kernel.grant import Delegation, Fact, PrincipalType, Scope, Status
from munjigi.kernel.identity import EmployeeKey


class PermissionRecord(Record, kw_only=True, omit_defaults=True):
    """What every permission record has. `employee` made the change; it is not a person's account where a program did."""

    issuer: str = ""
    employee: str
    request_id: str = ""
    grant_revision: int


class GrantRecord(PermissionRecord, kw_only=True, omit_defaults=True):
    """A whole grant, as it is after the change."""

    grant_id: str
    holder_issuer: str
    holder: str
    role: str
    purpose: str
    starts_at: int
    ends_at: int
    approved_by: tuple[str, ...] = ()
    scope: Scope | None = None
    access_request_id: str = ""
    suspended: str = ""
    ended: str = ""
    break_glass: bool = False
    reason: str = ""
    method: str = ""


class GrantAddedRecord(GrantRecord, kw_only=True, omit_defaults=True, tag="permission.grant"):
    """A grant was given."""


class GrantChangedRecord(GrantRecord, kw_only=True, omit_defaults=True, tag="permission.change"):
    """The period, scope or approvers of a grant were changed."""


class GrantSuspendedRecord(GrantRecord, kw_only=True, omit_defaults=True, tag="permission.suspend"):
    """A grant does not count for now."""


class GrantResumedRecord(GrantRecord, kw_only=True, omit_defaults=True, tag="permission.resume"):
    """A grant counts again."""


class GrantEndedRecord(GrantRecord, kw_only=True, omit_defaults=True, tag="permission.revoke"):
    """A grant was ended."""


class GrantRestoredRecord(GrantRecord, kw_only=True, omit_defaults=True, tag="permission.restore"):
    """A review was undone: the grant is again what it was before."""


class PersonRecord(PermissionRecord, kw_only=True, omit_defaults=True, tag="permission.person"):
    """A person was added, or everything known about one was replaced."""

    person_id: str
    principal_type: PrincipalType
    department: str = ""
    accounts: tuple[EmployeeKey, ...] = ()
    facts: tuple[Fact, ...] = ()
    status: Status = "active"
    manager: str = ""
    delegations: tuple[Delegation, ...] = ()
    sessions_from: int = 0
    effective_at: int = 0
    personnel_event: str = ""
    source: str = ""


class RequestRecord(PermissionRecord, kw_only=True, omit_defaults=True):
    """A whole request for access, as it is after the change (ISMS-P 2.5.6: applicant, time, purpose, period; deciders, decision, reason, time)."""

    access_request_id: str
    request_kind: RequestKind
    request_state: RequestState = "requested"
    holder_issuer: str
    holder: str
    person_id: str
    applicant_issuer: str
    applicant: str
    role: str
    purpose: str
    case_id: str = ""
    impact_assessment: str = ""
    scope: Scope | None = None
    starts_at: int = 0
    ends_at: int = 0
    days: int = 0
    reason: str
    grant_id: str = ""
    supersedes: str = ""
    stages: tuple[str, ...] = ()
    stage: int = 0
    votes: tuple[Vote, ...] = ()
    made_at: int
    lapses_at: int
    request_digest: str


class RequestMadeRecord(RequestRecord, kw_only=True, omit_defaults=True, tag="permission.request"):
    """Access was asked for."""


class RequestVotedRecord(RequestRecord, kw_only=True, omit_defaults=True, tag="permission.vote"):
    """Somebody approved, and others have to decide yet."""


class RequestClosedRecord(RequestRecord, kw_only=True, omit_defaults=True, tag="permission.close"):
    """A request was approved, denied, withdrawn or superseded, or has lapsed."""


class SessionEndedRecord(PermissionRecord, kw_only=True, omit_defaults=True, tag="identity.session_ended"):
    """A session, or with an empty `provider_session` every session of an account, was ended: tokens of before count no more."""

    holder_issuer: str
    holder: str = ""
    provider_session: str = ""
    ended_at: int
    remembered_until: int
    reason: str


class BlockRecord(PermissionRecord, kw_only=True, omit_defaults=True):
    """Who is blocked: a person with all accounts, or a tool."""

    principal_kind: Literal["person", "tool"]
    principal: str
    reason: str


class BlockedRecord(BlockRecord, kw_only=True, omit_defaults=True, tag="permission.block"):
    """A principal was blocked."""


class UnblockedRecord(BlockRecord, kw_only=True, omit_defaults=True, tag="permission.unblock"):
    """A principal is not blocked any more."""
