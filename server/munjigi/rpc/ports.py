"""What the services need from outside their room."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol, TypeVar

from munjigi.audit.holds import Hold
from munjigi.audit.ports import IndexedRecord
from munjigi.audit.seal.check import SealCheck
from munjigi.audit.verify import Verification
from munjigi.decision.snapshot import Snapshot
from munjigi.grants.book import Book, Plan
from munjigi.grants.ports import StateStore
from munjigi.kernel.errors import Unavailable
from munjigi.kernel.identity import EmployeeKey
from munjigi.monitoring.counted import Counted
from munjigi.monitoring.metric import Slowest
from munjigi.policy.types import Problem
from munjigi.review.apply import Watch
from munjigi.review.closing import LogSeen
from munjigi.review.orders import ReviewMade, ReviewOrder
from munjigi.rpc.verification import Restored

Answer = TypeVar("Answer")


class SnapshotSource(Protocol):
    """Holds the snapshot that decides."""

    @property
    def snapshot(self) -> Snapshot:
        """The current one; take it once a decision."""
        ...


class Durability(Protocol):
    """Wait until everything appended to the journal so far is durable."""

    def when_durable(self, callback: Callable[[Exception | None], None], *, patience: float = 0.0, answers: int = 1) -> None:
        """Call back on the event loop, with the failure if there is one.

        `patience` is how long company is waited for, in seconds, `answers` how many wait for this.
        """
        ...

    async def durable(self, *, patience: float = 0.0) -> None:
        """Return when it is, or raise `AuditUnavailable`."""
        ...


class Lease(Protocol):
    """Tells whether this worker knows every revocation that anybody was told of (promise P8)."""

    def refusal(self) -> Unavailable | None:
        """Return why nothing may be answered now; None while the lease holds."""
        ...


class DecisionMeter(Protocol):
    """Count decisions."""

    def decision(self, door: str, counted: Counted, subjects: int) -> None:
        """Note one decision, which lets so many data subjects be read."""
        ...

    def confirmation(self, outcome: str, purpose: str, rows: int) -> None:
        """Note what became of an allowed read, and how many rows were read."""
        ...


class CallMeter(Protocol):
    """Count calls."""

    def call(self, door: str, reason: str, seconds: float) -> bool:
        """Note the end of a call; `reason` is OK or the error's reason. Tell whether it is the slowest of its method in a while."""
        ...

    def slowest(self, door: str, slowest: Slowest) -> None:
        """Note which call that was."""
        ...


class Trail(Protocol):
    """The logs of this installation: journals, and the log of permission records. `alone`: nobody else writes a journal here."""

    alone: bool

    def durable(self) -> dict[str, int]:
        """Return the number of durable records of the logs that this process writes or follows, by log id."""
        ...

    def ends(self) -> dict[str, int]:
        """Return the number of durable records of every log. Blocks."""
        ...

    def record(self, log_id: str, index: int) -> bytes | None:
        """Return the canonical bytes of one durable record; None when there is none. Blocks."""
        ...

    def after(self, positions: Mapping[str, int], limit: int) -> list[IndexedRecord]:
        """Return the durable records from each log's position on, at most `limit` of a log, ordered by time. Blocks.

        A log without a position is read from its beginning.
        """
        ...

    def verify(self, log_id: str) -> tuple[SealCheck, list[Verification], list[Restored]]:
        """Verify one log, or all with an empty id, up to what is durable, and find the restores that are recorded. Blocks.

        Raises `NotFound` for a log that does not exist.
        """
        ...


class HoldKeeper(Protocol):
    """Legal holds. Every method raises `Unavailable` when the disk refuses."""

    async def place(self, employee: EmployeeKey, reason: str, from_time: int, to_time: int, request_id: str) -> Hold:
        """Place a hold over [from_time, to_time), 0 for open ends; return it once it is in force and recorded.

        Raises `AlreadyExists` when the request id belongs to another hold, `FailedPrecondition` when too many stand.
        """
        ...

    async def release(self, employee: EmployeeKey, hold_id: str, reason: str, request_id: str) -> str:
        """Release a hold, and return the id of the record of it. Raises `NotFound`."""
        ...

    async def standing(self) -> list[Hold]:
        """Return the holds that stand, oldest first. Raises `Corruption` when one is gone."""
        ...


class Changed(NamedTuple):
    """A change that is committed: what was planned as its answer, and the last revision that it made."""

    answer: bytes
    grant_revision: int


class Registrar(Protocol):
    """Whoever changes the grant table goes through here."""

    async def change(self, by: EmployeeKey, request_id: str, body: bytes, plan: Callable[[Book], Plan]) -> Changed:
        """Plan on what the store has now, and commit; the change is durable, recorded and in this worker's snapshot afterwards.

        `plan` may be called several times, in another thread. Asked again with the same `request_id` and body within a week,
        the answer is the first one's. Raises `AlreadyExists` for the same `request_id` with another body, what `plan` raises,
        and `Unavailable` when the store can't be reached.
        """
        ...

    async def look(self, question: Callable[[StateStore], Answer]) -> Answer:
        """Ask the store in another thread. Raises `Unavailable`."""
        ...


class Applied(NamedTuple):
    """A revision is true everywhere: how long that took, in seconds, and how many leases have run out instead of saying so."""

    seconds: float
    run_out: int


class Acknowledger(Protocol):
    """Knows what is true everywhere (promise P8)."""

    async def wait_applied(self, revision: int) -> Applied:
        """Return when no worker of any instance can answer by what was before `revision`. Raises `Unavailable`."""
        ...


class ReviewPlans(Protocol):
    """Plans reviews, away from the decisions: it may take a minute."""

    async def made(self, order: ReviewOrder) -> ReviewMade:
        """Plan what is ordered. Raises what the planner raises, and `Unavailable`."""
        ...


class ReviewWatch(Protocol):
    """What a run of a review looks at beside the book."""

    def watch(self, snapshot: Snapshot) -> Watch:
        """Return it, over the use and the denials that are known now. `snapshot` decides. What it returns blocks."""
        ...

    def seen(self, log_id: str) -> LogSeen:
        """Return what is known of a log. It blocks."""
        ...


class PolicyStatus(NamedTuple):
    """The policy in force, and what became of the last attempt to load another. Times in UTC nanoseconds.

    `casbin_questions` of its decision tables were put to pycasbin, which did not answer `casbin_not_run` of them.
    """

    revision: str
    source: str
    loaded_at: int
    rules: int
    roles: int
    attempted_at: int
    rejected: bool
    problems: tuple[Problem, ...]
    casbin_questions: int = 0
    casbin_not_run: int = 0


class PolicyValidation(NamedTuple):
    """What validation found; `revision` is empty when the files do not compile."""

    problems: tuple[Problem, ...]
    revision: str
    tests_run: int
    tests_failed: int


class PolicyControl(Protocol):
    """Validate and reload the policy home."""

    def status(self) -> PolicyStatus:
        """Tell which policy decides."""
        ...

    async def validate(self, files: Mapping[str, bytes] | None) -> PolicyValidation:
        """Compile and test files (None: the policy home on disk) without using them."""
        ...

    async def reload(self, employee: EmployeeKey | None = None) -> PolicyStatus:
        """Load the policy home and return the status afterwards."""
        ...


class History(Protocol):
    """What decided in the past. Every method blocks."""

    def decided_by(self, policy_revision: str, grant_revision: int) -> Snapshot:
        """Return the snapshot of these two revisions.

        Raises `FailedPrecondition` `HISTORY_NOT_KEPT` when one of them is not here any more.
        """
        ...

    def at(self, at: int) -> Snapshot:
        """Return what was in force at `at` (UTC nanoseconds, not in the future).

        Raises `FailedPrecondition` `HISTORY_NOT_KEPT`, naming since when it is known.
        """
        ...

    def source_of(self, policy_revision: str) -> str:
        """Return where a bundle came from when it first decided here; empty when that is not known."""
        ...
