"""A review of grants, or of recorded accesses: what was planned of each, who decides, what was decided, and what became of it.

A plan is frozen: its items never change, and its digest names them. What people decide and what is applied stands beside them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from munjigi.kernel.grant import Grant, Scope
from munjigi.kernel.identity import EmployeeKey

Verdict = Literal["keep", "reduce", "revoke", "ask"]
Word = Literal["keep", "reduce", "revoke", "suspend", "ok", "suspicious"]
ReviewState = Literal["open", "applying", "applied", "stopped", "undone"]
ItemState = Literal["open", "decided", "applied", "spared", "skipped", "undone"]

LOOKED_AT: Final[tuple[Word, ...]] = ("ok", "suspicious")  # what is said of an access; the other words are about grants
_NOBODY: Final = EmployeeKey("", "")


class Permission(NamedTuple):
    """One thing that a grant allows: an object (`database.table.column` or `class:NAME`) and an action. The purpose is the grant's."""

    object: str
    action: str


class Use(NamedTuple):
    """How one permission of a grant was used. Times are UTC nanoseconds; `uses` counts reads, `days` and `members` distinct ones."""

    permission: Permission
    first_at: int
    last_at: int
    uses: int
    days: int
    members: int


class Evidence(NamedTuple):
    """On what a verdict rests: each permission of the grant that was used, and those that were not."""

    used: tuple[Use, ...]
    unused: tuple[Permission, ...]

    @property
    def last_at(self) -> int:
        """When any of it was last used, UTC nanoseconds; 0: never."""
        return max((use.last_at for use in self.used), default=0)


class Access(NamedTuple):
    """What its record says of one access, without whose data it was. `at` is UTC nanoseconds.

    `record_id` is the record's, `fields` are those that were answered (clear or masked; in a trial, all), `members` how many people's
    data was asked for. `read`: it was confirmed that something was read, `rows` how much.
    """

    record_id: str
    at: int
    tool: str
    action: str
    resource: str
    fields: tuple[str, ...]
    case_id: str
    members: int
    read: bool
    rows: int


@dataclass(frozen=True, slots=True)
class PlannedItem:
    """What a plan says of one grant, or, with `access`, of one recorded access: what is a grant's own is empty then.

    `number` counts from 0 in the plan. `grant_digest` is that of the grant as it was planned on. `rule` names the rule that decided,
    `scope` is what `reduce` leaves, `data_class` the most sensitive of what would be taken away (empty: nothing of members).
    `threshold_days` is how long the grant may lie unused.
    """

    number: int
    grant_id: str
    grant_digest: str
    employee: EmployeeKey
    person_id: str
    role: str
    purpose: str
    verdict: Verdict
    rule: str
    evidence: Evidence
    threshold_days: int
    scope: Scope | None = None
    data_class: str = ""
    access: Access | None = None


class Watermark(NamedTuple):
    """Use was counted in a log up to this index (dense), of which the last record is of this time (UTC nanoseconds)."""

    log_id: str
    next_index: int
    time: int


class Replay(NamedTuple):
    """The window's real decisions put to the proposed state: how many, and the ids of those that were used and would be denied."""

    decisions: int
    newly_denied_used: tuple[str, ...]


class Sample(NamedTuple):
    """Which accesses of the window are looked at: all `exports`, and `drawn` of the `others`.

    Those are drawn of which SHA-256 (the seed's bytes, then the record's id) is lowest. `seed` is hexadecimal.
    """

    seed: str
    exports: int
    others: int
    drawn: int


@dataclass(frozen=True, slots=True)
class ReviewPlan:
    """A frozen plan. `kind` is its row of reviews.toml, [window_start, cutoff) the time that was judged (UTC nanoseconds).

    `rules_digest` is the SHA-256 of that row and of the code's version of the rules. `digest` of a plan names all of it.
    `sample` is that of a plan whose items are recorded accesses; without one they are grants.
    """

    kind: str
    made_at: int
    window_start: int
    cutoff: int
    policy_revision: str
    grant_revision: int
    rules_digest: str
    watermarks: tuple[Watermark, ...]
    items: tuple[PlannedItem, ...]
    replay: Replay
    sample: Sample | None = None


class Schedule(NamedTuple):
    """When what happens to a review, UTC nanoseconds, fixed when it is opened.

    Nothing is taken before `apply_from`. Reviewers are reminded at each of `remind_at`; from `escalate_at` on their managers may
    decide, too, from `office_at` on the privacy office. What is undecided at `default_at` gets its data class's default; 0: never.
    """

    apply_from: int
    remind_at: tuple[int, ...]
    escalate_at: int
    office_at: int
    default_at: int


class Limits(NamedTuple):
    """How far a run may go: shares (0 to 1) of all grants in force, and of those of a department.

    `canary` is the share of what is taken that is taken first, `canary_wait` how long it is watched then (nanoseconds), `spike`
    the share of its holders who may be denied meanwhile for want of what was taken.
    """

    grants: float
    team: float
    canary: float
    canary_wait: int
    spike: float


class Default(NamedTuple):
    """What an undecided item comes to at last, by its data class. An empty class: that of all other items."""

    data_class: str
    word: Word


class Override(NamedTuple):
    """One person's word, given with the account (issuer, subject), that a run may go beyond its caps. Two people are needed."""

    person_id: str
    issuer: str
    subject: str
    reason: str
    at: int


class Result(NamedTuple):
    """What came of looking at accesses: how many were found right and how many suspicious.

    `digest` is the SHA-256 (64 hex digits) of a line an item, by number: its number, record id, word, and the person who said it.
    """

    ok: int
    suspicious: int
    digest: str


@dataclass(frozen=True, slots=True)
class Review:
    """A plan that is decided and applied. Times are UTC nanoseconds.

    `kind`, `items` (how many), `policy_revision` and `cutoff` are the plan's, which `plan_digest` names. Without `defaults` people
    have to decide each item. `opened_by` is no account where a program opened it. `stamped` are people
    (ids) whose words came so fast or so alike that others look at a sample of them again. `canary_at` is when the canary was
    complete; `closed_at` and `why` (a code, empty for what went its way) are of the last change of state. `result` is that of a
    review of accesses that was gone through.
    """

    review_id: str
    kind: str
    plan_digest: str
    items: int
    policy_revision: str
    cutoff: int
    opened_at: int
    opened_by: EmployeeKey
    schedule: Schedule
    limits: Limits
    defaults: tuple[Default, ...] = ()
    state: ReviewState = "open"
    overrides: tuple[Override, ...] = ()
    stamped: tuple[str, ...] = ()
    canary_at: int = 0
    closed_at: int = 0
    why: str = ""
    result: Result | None = None

    @property
    def running(self) -> bool:
        """Tell whether it is not over yet: of a kind only one is, at a time."""
        return self.state in ("open", "applying")


class ItemVote(NamedTuple):
    """One person's word on one item, given with the account (issuer, subject).

    `on_behalf_of` is the person whose deputy or manager decided, or empty. `at` is UTC nanoseconds, `spent` how long the item was
    looked at (nanoseconds) and `evidence` whether its evidence was opened, by the word of the tool.
    """

    person_id: str
    issuer: str
    subject: str
    on_behalf_of: str
    word: Word
    reason: str
    at: int
    spent: int = 0
    evidence: bool = False


@dataclass(frozen=True, slots=True)
class ReviewItem:
    """What became of a planned item; one that nobody has touched is as a new value of this.

    `word` is what counts now: the last vote's, or a default. With `second`, somebody else than those who voted decides it (again).
    `why` is the code of a default, of an exception, or of what kept an item from being applied. `before` is the grant as it was
    when something of it was taken, and its holder `person_id`. Times are UTC nanoseconds. Of an access the item has the `record_id`
    instead of a grant.
    """

    review_id: str
    number: int
    grant_id: str
    state: ItemState = "open"
    word: Word | Literal[""] = ""
    votes: tuple[ItemVote, ...] = ()
    second: bool = False
    why: str = ""
    before: Grant | None = None
    person_id: str = ""
    applied_at: int = 0
    undone_at: int = 0
    record_id: str = ""


@dataclass(frozen=True, slots=True)
class ReviewException:
    """A grant stays although a review would take it, in [approved_at, expires_at) (UTC nanoseconds); unapproved, it does nothing.

    `requester` and `approver` are two people (ids), `requested_by` and `approved_by` the accounts they did it with.
    """

    exception_id: str
    review_id: str
    number: int
    grant_id: str
    requester: str
    requested_by: EmployeeKey
    reason: str
    asked_at: int
    expires_at: int
    approver: str = ""
    approved_by: EmployeeKey = _NOBODY
    approved_at: int = 0

    def holds(self, now: int) -> bool:
        """Tell whether it protects the grant at `now`."""
        return bool(self.approver) and self.approved_at <= now < self.expires_at


class Mark(NamedTuple):
    """A review took this role for this purpose from a person at `at`: it comes back by a new approval only, which `lifted_at` notes.

    Times are UTC nanoseconds; 0: it stands.
    """

    person_id: str
    role: str
    purpose: str
    review_id: str
    number: int
    grant_id: str
    at: int
    lifted_at: int = 0


@dataclass(frozen=True, slots=True)
class LogClosing:
    """A log is lost for good, so reviews wait for it no longer: what was used by it in [unknown_from, closed_at) nobody will know.

    `words` are of who asked for it, and of the second person, with whom it is so; until then only what an earlier closing of the
    same log said holds, and `closed_at` is 0 where there was none. Times are UTC nanoseconds.
    """

    log_id: str
    words: tuple[Override, ...]
    unknown_from: int
    closed_at: int = 0
