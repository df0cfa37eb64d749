"""An employee asks for access: what was asked for, how far it came, and who decided.

Everything of it that is decided on is its content; the digest of the content is what a decider names, so that what was
approved is what was read.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal, NamedTuple

from munjigi.kernel.grant import Scope
from munjigi.kernel.identity import EmployeeKey

RequestKind = Literal["new", "renew", "change", "break_glass"]
RequestState = Literal["requested", "approved", "denied", "withdrawn", "superseded", "lapsed"]


class Vote(NamedTuple):
    """One person's word on one stage, given with the account (issuer, subject). `at` is UTC nanoseconds.

    `on_behalf_of` is the person whose deputy decided, or empty.
    """

    stage: int
    person_id: str
    issuer: str
    subject: str
    on_behalf_of: str
    approve: bool
    reason: str
    at: int


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """A request. Times are UTC nanoseconds.

    `applicant` asked, `employee` would hold the grant. `starts_at` 0: with the last approval. `ends_at` 0: `days` after the start.
    `stages` are those of roles.toml when it was asked, in order; `stage` is the one that is decided next, from 0. Undecided at
    `lapses_at`, it lapses. `grant_id` is the grant that it renews or changes, and afterwards the one that it made. With
    `break_glass` the grant is in force already: what is decided is whether it was right, and at `lapses_at` that is overdue.
    """

    access_request_id: str
    kind: RequestKind
    employee: EmployeeKey
    person_id: str
    applicant: EmployeeKey
    role: str
    purpose: str
    case_id: str
    impact_assessment: str
    scope: Scope | None
    starts_at: int
    ends_at: int
    days: int
    reason: str
    grant_id: str
    supersedes: str
    stages: tuple[str, ...]
    made_at: int
    lapses_at: int
    state: RequestState = "requested"
    stage: int = 0
    votes: tuple[Vote, ...] = ()

    @property
    def digest(self) -> str:
        """Return the SHA-256 of the content, hex: of all that was asked, and nothing of what became of it."""
        scope = ("", "") if self.scope is None else (",".join(self.scope.objects), ",".join(self.scope.actions))
        content = (
            self.access_request_id,
            self.kind,
            *self.employee,
            *self.applicant,
            self.role,
            self.purpose,
            self.case_id,
            self.impact_assessment,
            str(self.scope is not None),
            *scope,
            str(self.starts_at),
            str(self.ends_at),
            str(self.days),
            self.reason,
            self.grant_id if self.kind != "new" else "",
            *self.stages,
        )
        return hashlib.sha256("".join(f"{len(part)}:{part}" for part in content).encode()).hexdigest()
