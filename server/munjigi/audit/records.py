"""One record is one immutable audit event; its msgpack bytes are what is journaled, chained and proved.

`audit/schema/catalogue.py` says what each field means and what it is called in Elasticsearch.

Names and members that reach a record are already safe (promise P5): members are keyed references,
names that the catalog does not know are keyed digests. An access record without one of the five
legal fields is refused (Notice 2026-9 of the PIPC, art. 2(3): identifier, date-time, source location,
data subject handled, task performed), and so is the read.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from munjigi.audit.permission_records import (
    BlockedRecord,
    GrantAddedRecord,
    GrantChangedRecord,
    GrantEndedRecord,
    GrantRestoredRecord,
    GrantResumedRecord,
    GrantSuspendedRecord,
    PersonRecord,
    RequestClosedRecord,
    RequestMadeRecord,
    RequestVotedRecord,
    SessionEndedRecord,
    UnblockedRecord,
)
from munjigi.audit.record import Record
from munjigi.audit.review_records import (
    ExceptionApprovedRecord,
    ExceptionAskedRecord,
    ItemsAppliedRecord,
    ItemsDecidedRecord,
    ItemsReroutedRecord,
    ItemsUndoneRecord,
    LogCloseAskedRecord,
    LogClosedRecord,
    ReviewChangedRecord,
    ReviewClosedRecord,
    ReviewOpenedRecord,
    ReviewReportRecord,
)
from munjigi.kernel.errors import AuditUnavailable

FORMAT: Final = 1


class FieldRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """One field of a decision, as it was answered."""

    name: str
    effect: Literal["clear", "masked", "denied"]
    mask: str = ""
    reason: str = ""
    rule: str = ""
    grants: tuple[str, ...] = ()


class CallRecord(Record, kw_only=True, omit_defaults=True):
    """What every record of an authenticated call has."""

    issuer: str
    employee: str
    principal_type: str = ""
    tool: str
    peer: str = ""
    ip: str
    ip_asserted: bool = False
    session_id: str = ""
    request_id: str = ""
    trace_id: str = ""
    span_id: str = ""


class AccessRecord(CallRecord, kw_only=True, omit_defaults=True, tag="access.decision"):
    """One decision. `subject_count` is the number of members concerned."""

    door: str
    action: str
    resource: str
    purpose: str
    case_id: str = ""
    decision: Literal["ALLOW", "DENY"]
    reason: str
    fields: tuple[FieldRecord, ...] = ()
    data_classes: tuple[str, ...] = ()
    rule: str = ""
    role_path: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    subject_count: int = 0
    probe: bool = False
    observe: bool = False
    partial: bool = False
    own: bool = False
    policy_revision: str
    grant_revision: int
    valid_until: int = 0
    latency_ns: int = 0
    asked_at: int = 0
    acr: str = ""
    authenticated_at: int = 0
    token_issued_at: int = 0
    session_pause_ns: int = 0


class ConfirmRecord(CallRecord, kw_only=True, omit_defaults=True, tag="access.confirm"):
    """What became of one allowed read."""

    decision_id: str
    outcome: Literal["read", "failed", "abandoned"]
    row_count: int = 0
    members: tuple[str, ...] = ()


class DenialFloodRecord(Record, kw_only=True, omit_defaults=True, tag="denial.flood"):
    """Denials beyond the bound, of one tool for one reason, that have no record of their own.

    One with `count` 0 begins a period and is durable before the first of them is answered; the next one of this tool and
    reason says how many there were. Where that is missing, the gateway was killed within the second.
    """

    tool: str
    reason: str
    count: int = 0
    period_ns: int = 0
    first_at: int
    last_at: int


class SignInRecord(Record, kw_only=True, omit_defaults=True, tag="identity.failure"):
    """Refused credentials: `count` times from one address for one reason within `period_ns`."""

    reason: str
    peer: str
    tool: str = ""
    count: int = 1
    period_ns: int = 0


class LockoutRecord(Record, kw_only=True, omit_defaults=True, tag="identity.lockout"):
    """A door (address, certificate, tool and the account that refused tokens name) is locked until `locked_until`.

    `employee` is empty where no signature proved whose the tokens are. `count` is how many failures led to it.
    """

    reason: str
    peer: str
    tool: str = ""
    issuer: str = ""
    employee: str = ""
    count: int
    locked_until: int


class PolicyRecord(Record, kw_only=True, omit_defaults=True, tag="policy.load"):
    """A policy home was loaded or refused."""

    accepted: bool
    policy_revision: str
    source: str = ""
    errors: int = 0
    first_problem: str = ""
    employee: str = ""
    issuer: str = ""
    author: str = ""
    replaced: str = ""
    rows_added: int = 0
    rows_removed: int = 0
    files_changed: tuple[str, ...] = ()
    casbin_questions: int = 0
    casbin_not_run: int = 0


class ProcessRecord(Record, kw_only=True, omit_defaults=True, tag="process.event"):
    """Start and stop of a gateway worker, and under which settings and keys it worked."""

    event: Literal["start", "stop"]
    version: str
    member_key_id: str = ""
    policy_revision: str = ""
    grant_revision: int = 0
    front: str = ""
    settings_digest: str = ""
    seal_key: str = ""


class ConfigurationRecord(Record, kw_only=True, omit_defaults=True, tag="configuration.change"):
    """This start has other settings than the one before. Names only: a value can tell what is none of the trail's business."""

    settings: tuple[str, ...]
    settings_digest: str
    replaced: str


class SealKeyRecord(Record, kw_only=True, omit_defaults=True, tag="seal.key"):
    """Checkpoints are signed with another key from now on; the seal's own entry has the old key's signature on it."""

    seal_key: str
    replaced: str


class RestoredLog(msgspec.Struct, frozen=True, omit_defaults=True):
    """A log as a backup gave it back: it ends there."""

    log_id: str
    records: int
    sealed: int = 0


class RestoredRecord(Record, kw_only=True, omit_defaults=True, tag="process.restored"):
    """The first start on a restored backup. What was recorded from `backup_time` to this record's time is not here."""

    backup_id: str
    backup_time: int
    restored_at: int
    reason: str
    operator: str
    origin: str
    continued_origin: str
    continued_entries: int
    continued_root: str
    kept_entries: int = 0
    lost_entries: int = 0
    logs: tuple[RestoredLog, ...] = ()


class TailCutRecord(Record, kw_only=True, omit_defaults=True, tag="journal.tail_cut"):
    """An incomplete last frame was moved to quarantine at start. Offset and length in bytes, digest SHA-256 hex."""

    file: str
    offset: int
    length: int
    digest: str


class RemovedRecord(Record, kw_only=True, omit_defaults=True, tag="journal.removed"):
    """Retention removed the records [first_index, next_index) of this log, all older than `cut`. Proofs about them go on to verify."""

    first_index: int
    next_index: int
    root: str
    cut: int
    years: int
    article: str
    archived: bool = False


class HoldRecord(Record, kw_only=True, omit_defaults=True, tag="retention.hold"):
    """A legal hold was placed: no record of [from_time, to_time) is removed while it stands. A time of 0 is an open end."""

    issuer: str
    employee: str
    request_id: str = ""
    hold_id: str
    from_time: int = 0
    to_time: int = 0
    reason: str


class ReleaseRecord(Record, kw_only=True, omit_defaults=True, tag="retention.release"):
    """A legal hold was released."""

    issuer: str
    employee: str
    request_id: str = ""
    hold_id: str
    reason: str


AnyRecord = (
    AccessRecord
    | ConfirmRecord
    | SignInRecord
    | LockoutRecord
    | DenialFloodRecord
    | PolicyRecord
    | ProcessRecord
    | RestoredRecord
    | ConfigurationRecord
    | SealKeyRecord
    | TailCutRecord
    | RemovedRecord
    | HoldRecord
    | ReleaseRecord
    | GrantAddedRecord
    | GrantChangedRecord
    | GrantSuspendedRecord
    | GrantResumedRecord
    | GrantEndedRecord
    | GrantRestoredRecord
    | PersonRecord
    | RequestMadeRecord
    | RequestVotedRecord
    | RequestClosedRecord
    | SessionEndedRecord
    | BlockedRecord
    | UnblockedRecord
    | ReviewOpenedRecord
    | ReviewChangedRecord
    | ReviewClosedRecord
    | ItemsDecidedRecord
    | ItemsReroutedRecord
    | ItemsAppliedRecord
    | ItemsUndoneRecord
    | ExceptionAskedRecord
    | ExceptionApprovedRecord
    | LogCloseAskedRecord
    | LogClosedRecord
    | ReviewReportRecord
)

_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(AnyRecord)


def _lacks(record: CallRecord) -> bool:
    """Tell whether one of the five is missing; a confirmation names the task and the data subjects by its decision."""
    if not (record.employee and record.time and record.ip):
        return True
    if isinstance(record, AccessRecord):
        about = record.members or record.subject_count or record.decision == "DENY" or record.probe or record.own
        return not (about and record.action and record.resource)
    return not getattr(record, "decision_id", "")


def encode(record: Record) -> bytes:
    """Encode a record into its canonical bytes.

    Raises `AuditUnavailable` when an access record lacks one of the five legal fields.
    """
    if isinstance(record, CallRecord) and _lacks(record):
        raise AuditUnavailable("The access record lacks a legal field; nothing was answered.")
    return _encoder.encode(record)


def decode(payload: bytes) -> AnyRecord:
    """Decode canonical bytes.

    Raises `msgspec.ValidationError` or `msgspec.DecodeError` when they are not a record.
    """
    record: AnyRecord = _decoder.decode(payload)
    return record
