"""The catalogue of event types and of their fields: the one place that says what a record's field means.

From it come the documents and the strict mapping of the search index (`ecs.py`), the OCSF form (`ocsf.py`) and the field
reference in the documents. A field of a record that does not stand here fails a test. One name means one thing in every record.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal, NamedTuple

import msgspec

from munjigi.audit import permission_records as permissions
from munjigi.audit import records
from munjigi.audit import review_records as reviews
from munjigi.audit.record import Record
from munjigi.audit.schema.field import Field, Kind
from munjigi.audit.schema.permission_fields import PERMISSION_FIELDS
from munjigi.audit.schema.review_fields import REVIEW_FIELDS

Outcome = Literal["success", "failure", "unknown"]


class Event(NamedTuple):
    """One event type: the record that holds it, its ECS category, and what its outcome and ECS types are.

    `special` are the fields that mean something else here than in `FIELDS`.
    """

    record: type[Record]
    category: str
    judge: Callable[[Any], tuple[Outcome, tuple[str, ...]]]
    special: tuple[Field, ...] = ()

    @property
    def name(self) -> str:
        """The event type, for example `access.decision`."""
        return str(self.record.__struct_config__.tag)

    @property
    def family(self) -> str:
        """What comes before the point: `access`, `permission`, `policy` and so on."""
        return self.name.partition(".")[0]


def _judge_decision(record: records.AccessRecord) -> tuple[Outcome, tuple[str, ...]]:
    return ("success", ("access", "allowed")) if record.decision == "ALLOW" else ("failure", ("access", "denied"))


def _judge_request(record: permissions.RequestClosedRecord) -> tuple[Outcome, tuple[str, ...]]:
    return ("success" if record.request_state == "approved" else "failure"), ("user", "info")


def _judge_review(record: reviews.ReviewRecord) -> tuple[Outcome, tuple[str, ...]]:
    return ("failure" if record.review_state == "stopped" else "success"), ("admin", "info")


_REFUSED_PEER: Final = Field("peer", "source.address source.ip", "address", "address that the transport saw", related="ip")
_GROUNDS: Final = Field(
    "reason", "event.reason", "keyword", "why, as a person typed it; what looks like personal data is refused"
)
_SAID_BY: Final = Field("source", "munjigi.source", "keyword", "who says what is new about the person")
_CONFIRMED: Final[dict[str, Outcome]] = {"read": "success", "failed": "failure", "abandoned": "unknown"}

EVENTS: Final = (
    Event(records.AccessRecord, "database", _judge_decision),
    Event(records.ConfirmRecord, "database", lambda record: (_CONFIRMED[record.outcome], ("access",))),
    Event(records.SignInRecord, "authentication", lambda _: ("failure", ("start", "denied")), (_REFUSED_PEER,)),
    Event(records.LockoutRecord, "authentication", lambda _: ("failure", ("start", "denied")), (_REFUSED_PEER,)),
    Event(records.DenialFloodRecord, "database", lambda _: ("failure", ("access", "denied"))),
    Event(records.PolicyRecord, "configuration", lambda record: ("success" if record.accepted else "failure", ("change",))),
    Event(records.ProcessRecord, "process", lambda record: ("success", ("start" if record.event == "start" else "end",))),
    Event(records.RestoredRecord, "process", lambda _: ("success", ("change",)), (_GROUNDS,)),
    Event(
        records.ConfigurationRecord,
        "configuration",
        lambda _: ("success", ("change",)),
        (Field("replaced", "munjigi.replaced", "keyword", "digest of the settings of the start before"),),
    ),
    Event(
        records.SealKeyRecord,
        "configuration",
        lambda _: ("success", ("change",)),
        (Field("replaced", "munjigi.replaced", "keyword", "verification key of the key that signed before"),),
    ),
    Event(records.TailCutRecord, "file", lambda _: ("failure", ("deletion",))),
    Event(records.RemovedRecord, "file", lambda _: ("success", ("deletion",))),
    Event(records.HoldRecord, "configuration", lambda _: ("success", ("creation",)), (_GROUNDS,)),
    Event(records.ReleaseRecord, "configuration", lambda _: ("success", ("deletion",)), (_GROUNDS,)),
    Event(permissions.GrantAddedRecord, "iam", lambda _: ("success", ("user", "creation")), (_GROUNDS,)),
    Event(permissions.GrantChangedRecord, "iam", lambda _: ("success", ("user", "change")), (_GROUNDS,)),
    Event(permissions.GrantSuspendedRecord, "iam", lambda _: ("success", ("user", "change")), (_GROUNDS,)),
    Event(permissions.GrantResumedRecord, "iam", lambda _: ("success", ("user", "change")), (_GROUNDS,)),
    Event(permissions.GrantEndedRecord, "iam", lambda _: ("success", ("user", "deletion")), (_GROUNDS,)),
    Event(permissions.GrantRestoredRecord, "iam", lambda _: ("success", ("user", "change")), (_GROUNDS,)),
    Event(permissions.PersonRecord, "iam", lambda _: ("success", ("user", "change")), (_SAID_BY,)),
    Event(permissions.RequestMadeRecord, "iam", lambda _: ("success", ("user", "info")), (_GROUNDS,)),
    Event(permissions.RequestVotedRecord, "iam", lambda _: ("success", ("user", "info")), (_GROUNDS,)),
    Event(permissions.RequestClosedRecord, "iam", _judge_request, (_GROUNDS,)),
    Event(permissions.SessionEndedRecord, "authentication", lambda _: ("success", ("end",))),
    Event(permissions.BlockedRecord, "iam", lambda _: ("success", ("user", "change")), (_GROUNDS,)),
    Event(permissions.UnblockedRecord, "iam", lambda _: ("success", ("user", "change")), (_GROUNDS,)),
    Event(reviews.ReviewOpenedRecord, "iam", lambda _: ("success", ("admin", "info"))),
    Event(reviews.ReviewChangedRecord, "iam", lambda _: ("success", ("admin", "info"))),
    Event(reviews.ReviewClosedRecord, "iam", _judge_review),
    Event(reviews.ItemsDecidedRecord, "iam", lambda _: ("success", ("user", "info"))),
    Event(reviews.ItemsReroutedRecord, "iam", lambda _: ("success", ("user", "info"))),
    Event(reviews.ItemsAppliedRecord, "iam", lambda _: ("success", ("user", "change"))),
    Event(reviews.ItemsUndoneRecord, "iam", lambda _: ("success", ("user", "change"))),
    Event(reviews.ExceptionAskedRecord, "iam", lambda _: ("success", ("user", "info")), (_GROUNDS,)),
    Event(reviews.ExceptionApprovedRecord, "iam", lambda _: ("success", ("user", "info")), (_GROUNDS,)),
    Event(reviews.LogCloseAskedRecord, "iam", lambda _: ("success", ("admin", "info"))),
    Event(reviews.LogClosedRecord, "iam", lambda _: ("success", ("admin", "change"))),
    Event(reviews.ReviewReportRecord, "iam", lambda _: ("success", ("admin", "info"))),
)
BY_RECORD: Final = {each.record: each for each in EVENTS}

# What every document has, whatever its record.
COMMON: Final = (
    Field("", "event.id", "keyword", "`<log id>-<index>`, also the document's `_id`"),
    Field("", "event.action", "keyword", "the event type"),
    Field("", "event.kind", "keyword", "`event`"),
    Field("", "event.category", "keyword", "ECS category"),
    Field("", "event.type", "keyword", "ECS types"),
    Field("", "event.outcome", "keyword", "`success`, `failure` or `unknown`"),
    Field("", "event.module", "keyword", "`munjigi`"),
    Field("", "event.dataset", "keyword", "`munjigi.<family>`"),
    Field("", "event.original", "binary", "base64 of the record's canonical bytes; its leaf is SHA-256(0x00 and these bytes)"),
    Field("", "ecs.version", "keyword", "version of the Elastic Common Schema"),
    Field("", "munjigi.log_id", "keyword", "the log that holds the record"),
    Field("", "related.user", "keyword", "everyone who is named in the record"),
    Field("", "related.ip", "address", "every address in the record"),
)

_FIELD_PARTS: Final = (
    Field("name", "name", "keyword", "column, or the keyed digest of a name that is not catalogued"),
    Field("effect", "effect", "keyword", "`clear`, `masked` or `denied`"),
    Field("mask", "mask", "keyword", "mask that was to be put on"),
    Field("reason", "reason", "keyword", "why, UPPER_SNAKE"),
    Field("rule", "rule", "keyword", "`file:line` of the rule that decided"),
    Field("grants", "grants", "keyword", "every grant that alone would have allowed the field"),
)
_RESTORED_PARTS: Final = (
    Field("log_id", "log_id", "keyword", "the log"),
    Field("records", "records", "long", "records of it in the backup"),
    Field("sealed", "sealed", "long", "those of them that were sealed then"),
)
FIELDS: Final = {
    each.name: each
    for each in (
        # every record
        Field("index", "event.sequence munjigi.index", "long", "place in the log, dense from 0"),
        Field("time", "@timestamp", "date_nanos", "when it was taken down; never decreases within a log", "date-time"),
        Field("clock_stepped", "munjigi.clock_stepped", "boolean", "the machine's clock had gone back; `time` is clamped"),
        Field("synthetic", "munjigi.synthetic", "boolean", "made in an installation of made-up people by `munjigi demo --fast`"),
        # who, from where
        Field("issuer", "user.domain", "keyword", "issuer of the employee's account"),
        Field("employee", "user.name", "keyword", "who did it: subject of the account", "identifier", "user"),
        Field("principal_type", "munjigi.principal_type", "keyword", "employee, contractor, partner, seller or service"),
        Field("tool", "munjigi.tool", "keyword", "the calling tool"),
        Field("peer", "munjigi.peer", "keyword", "address that the transport saw: the tool's", related="ip"),
        Field("ip", "source.address source.ip", "address", "source location of the employee", "source location", "ip"),
        Field("ip_asserted", "munjigi.ip_asserted", "boolean", "`ip` is the tool's word"),
        Field("session_id", "munjigi.session_id", "keyword", "the employee's session at the tool"),
        Field("request_id", "munjigi.request_id", "keyword", "the caller's correlation or idempotency id"),
        Field("trace_id", "trace.id", "keyword", "W3C trace id"),
        Field("span_id", "span.id", "keyword", "W3C parent span id"),
        # what, of whom, why
        Field("door", "munjigi.door", "keyword", "which RPC asked"),
        Field("action", "munjigi.action", "keyword", "read, export, reveal, update, delete or operate", "task"),
        Field("resource", "munjigi.resource", "keyword", "`database.table` or `class:NAME`", "task"),
        Field("purpose", "munjigi.purpose", "keyword", "purpose of processing"),
        Field("case_id", "munjigi.case_id", "keyword", "case or ticket"),
        Field("decision", "munjigi.decision", "keyword", "`ALLOW` or `DENY`"),
        Field("reason", "event.reason", "keyword", "why, UPPER_SNAKE"),
        Field("fields", "munjigi.fields", "object", "the columns and what became of each", "task", parts=_FIELD_PARTS),
        Field("data_classes", "munjigi.data_classes", "keyword", "classes of the columns"),
        Field("rule", "munjigi.rule", "keyword", "`file:line` of the rule that decided"),
        Field("role_path", "munjigi.role_path", "keyword", "from the granted role to the rule's"),
        Field("members", "munjigi.members", "keyword", "keyed references of the members concerned", "data subject"),
        Field("subject_count", "munjigi.subject_count", "long", "number of members concerned", "data subject"),
        Field("probe", "munjigi.probe", "boolean", "a menu's question; never a read"),
        Field("observe", "munjigi.observe", "boolean", "a tool's trial mode; nothing was enforced"),
        Field("partial", "munjigi.partial", "boolean", "denied fields did not deny the rest"),
        Field("own", "munjigi.own", "boolean", "an operation on Munjigi itself; no member's data is handled"),
        Field("policy_revision", "munjigi.policy_revision", "keyword", "policy bundle that decided, or is in force afterwards"),
        Field("grant_revision", "munjigi.grant_revision", "long", "grant table that decided, or that the change made"),
        Field("valid_until", "munjigi.valid_until", "date_nanos", "the read may begin before this moment"),
        Field("latency_ns", "event.duration", "long", "nanoseconds from the question to its verdict"),
        Field("asked_at", "munjigi.asked_at", "date_nanos", "when the call came; the moment for which it was decided"),
        Field("acr", "munjigi.acr", "keyword", "level of the sign-in, in the provider's words; where the policy asks for it"),
        Field(
            "authenticated_at",
            "munjigi.authenticated_at",
            "date_nanos",
            "when the employee signed in; where the policy asks for it",
        ),
        Field(
            "token_issued_at", "munjigi.token_issued_at", "date_nanos", "when the token was issued; where the policy asks for it"
        ),
        Field(
            "session_pause_ns",
            "munjigi.session_pause",
            "long",
            "nanoseconds: the longest time without a call in the session so far; where the policy asks for it",
        ),
        # confirmation of a read
        Field("decision_id", "munjigi.decision_id", "keyword", "the decision that this is about"),
        Field("outcome", "munjigi.outcome", "keyword", "`read`, `failed` or `abandoned`"),
        Field("row_count", "munjigi.row_count", "long", "rows that were read"),
        # a flood of denials
        Field("first_at", "event.start", "date_nanos", "when the first of them was asked"),
        Field("last_at", "event.end", "date_nanos", "when the last of them was asked"),
        # refused credentials, and denials that were counted
        Field("count", "munjigi.count", "long", "how many are counted in this record"),
        Field("period_ns", "event.duration", "long", "nanoseconds in which they came"),
        Field("locked_until", "munjigi.locked_until", "date_nanos", "nothing is verified at this door before this moment"),
        # a load of the policy home
        Field("accepted", "munjigi.accepted", "boolean", "loaded; otherwise refused"),
        Field("source", "munjigi.source", "keyword", "folder or commit"),
        Field("errors", "munjigi.errors", "long", "problems found"),
        Field("first_problem", "munjigi.first_problem", "keyword", "`file:line:column CODE`, never file content"),
        Field("author", "munjigi.author", "keyword", "of the last commit of the policy home, as git names them"),
        Field("replaced", "munjigi.replaced", "keyword", "policy revision in force before, when it changed"),
        Field("rows_added", "munjigi.rows_added", "long", "lines of policy.csv that the revision before did not have"),
        Field("rows_removed", "munjigi.rows_removed", "long", "lines of policy.csv that are gone"),
        Field("files_changed", "munjigi.files_changed", "keyword", "files of the policy home that differ"),
        Field(
            "casbin_questions",
            "munjigi.casbin_questions",
            "long",
            "questions of the decision tables that pycasbin was asked, too",
        ),
        Field("casbin_not_run", "munjigi.casbin_not_run", "long", "of these, those that it had no time for or can't evaluate"),
        # start and stop
        Field("event", "munjigi.event", "keyword", "`start` or `stop`"),
        Field("version", "service.version", "keyword", "version of Munjigi"),
        Field("member_key_id", "munjigi.member_key_id", "keyword", "fingerprint of the key behind member references"),
        Field("front", "munjigi.front", "keyword", "`native` or `grpcio`"),
        # a restored backup
        Field("backup_id", "munjigi.backup_id", "keyword", "the backup"),
        Field("backup_time", "munjigi.backup_time", "date_nanos", "when the backup was begun; what came later may be lost"),
        Field("restored_at", "munjigi.restored_at", "date_nanos", "when it was restored"),
        Field("operator", "munjigi.operator", "keyword", "user of the operating system who restored it", related="user"),
        Field("origin", "munjigi.origin", "keyword", "name under which the seal goes on"),
        Field("continued_origin", "munjigi.continued_origin", "keyword", "name of the seal in the backup"),
        Field("continued_entries", "munjigi.continued_entries", "long", "entries under the last checkpoint in the backup"),
        Field("continued_root", "munjigi.continued_root", "keyword", "root in that checkpoint, base64"),
        Field("kept_entries", "munjigi.kept_entries", "long", "entries under the last checkpoint that somebody outside holds"),
        Field("lost_entries", "munjigi.lost_entries", "long", "sealed entries after the backup, which are lost"),
        Field("logs", "munjigi.logs", "object", "the logs in the backup; each ends there", parts=_RESTORED_PARTS),
        Field("settings_digest", "munjigi.settings_digest", "keyword", "SHA-256 over all settings but secrets, hex"),
        Field("settings", "munjigi.settings", "keyword", "names of the settings that differ from those of the start before"),
        Field("seal_key", "munjigi.seal_key", "keyword", "verification key of the key that signs checkpoints"),
        # a torn tail
        Field("file", "file.name", "keyword", "segment of the journal"),
        Field("offset", "munjigi.offset", "long", "bytes before what was cut"),
        Field("length", "file.size", "long", "bytes that were cut"),
        Field("digest", "file.hash.sha256", "keyword", "SHA-256 of what was cut, hex"),
        # the end of retention
        Field("first_index", "munjigi.first_index", "long", "the first record that was removed"),
        Field("next_index", "munjigi.next_index", "long", "the first record that was kept"),
        Field("root", "munjigi.root", "keyword", "root of the log's Merkle tree over all records before the first kept one, hex"),
        Field("cut", "munjigi.cut", "date_nanos", "everything that was removed is older than this"),
        Field(
            "years", "munjigi.years", "long", "calendar years that records are kept here, never less than the article asks for"
        ),
        Field("article", "munjigi.article", "keyword", "article that says how long such records must be kept"),
        Field("archived", "munjigi.archived", "boolean", "each removed segment was found unchanged in the archive first"),
        # legal holds
        Field("hold_id", "munjigi.hold_id", "keyword", "the legal hold"),
        Field("from_time", "munjigi.from_time", "date_nanos", "it covers records from this moment on"),
        Field("to_time", "munjigi.to_time", "date_nanos", "it covers records before this moment"),
        *PERMISSION_FIELDS,
        *REVIEW_FIELDS,
    )
}

# Each condition of a search (`ports.RecordQuery`) and the name in the search index that it asks for.
SEARCHED: Final = {
    "employee": "user.name",
    "tool": "munjigi.tool",
    "members": "munjigi.members",
    "resource": "munjigi.resource",
    "decision_id": "munjigi.decision_id",
    "event_type": "event.action",
    "decision": "munjigi.decision",
    "case_id": "munjigi.case_id",
    "holder": "user.target.name",
}


def fields_of(event: Event) -> list[tuple[Field, object]]:
    """Return the fields of an event's record with their defaults, in the record's order.

    A field without a default has `msgspec.NODEFAULT`. Raises `KeyError` for one that the catalogue lacks.
    """
    meanings = FIELDS | {each.name: each for each in event.special}
    return [(meanings[each.name], each.default) for each in msgspec.structs.fields(event.record)]


def type_of(field: Field, name: str) -> Kind | Literal["ip"]:
    """Return the Elasticsearch type of a field under one of its names."""
    if field.kind != "address":
        return field.kind
    return "ip" if name.rpartition(".")[2] == "ip" else "keyword"
