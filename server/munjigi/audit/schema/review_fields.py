"""The fields of review records, as `catalogue.py` has them of all others."""

from __future__ import annotations

from typing import Final

from munjigi.audit.schema.field import Field
from munjigi.audit.schema.permission_fields import ACCOUNT_PARTS, SCOPE_PARTS

_SCHEDULE_PARTS: Final = (
    Field("apply_from", "apply_from", "date_nanos", "nothing is taken before this moment"),
    Field("remind_at", "remind_at", "date_nanos", "when reviewers are reminded"),
    Field("escalate_at", "escalate_at", "date_nanos", "from then on managers of the reviewers may decide, too"),
    Field("office_at", "office_at", "date_nanos", "from then on the privacy office may, too"),
    Field("default_at", "default_at", "date_nanos", "what is undecided then comes to its default; 1970: never"),
)
_LIMITS_PARTS: Final = (
    Field("grants", "grants", "double", "most that may be taken, as a share of all grants in force"),
    Field("team", "team", "double", "most that may be taken in a department, as a share of its grants"),
    Field("canary", "canary", "double", "share of it that is taken first"),
    Field("canary_wait", "canary_wait", "long", "nanoseconds that this is watched before the rest is taken"),
    Field("spike", "spike", "double", "share of its holders who may be denied meanwhile"),
)
_DEFAULT_PARTS: Final = (
    Field("data_class", "data_class", "keyword", "the data class; none: all others"),
    Field("word", "word", "keyword", "what an undecided item comes to"),
)
_OVERRIDE_PARTS: Final = (
    Field("person_id", "person_id", "keyword", "who said so"),
    Field("issuer", "issuer", "keyword", "issuer of the account"),
    Field("subject", "subject", "keyword", "subject of the account"),
    Field("reason", "reason", "keyword", "why, as a person typed it; what looks like personal data is refused"),
    Field("at", "at", "date_nanos", "when"),
)
_RESULT_PARTS: Final = (
    Field("ok", "ok", "long", "accesses that were found right"),
    Field("suspicious", "suspicious", "long", "accesses that were found suspicious"),
    Field("digest", "digest", "keyword", "SHA-256 over each item's number, record, word and who said it, hex"),
)
_VOTE_PARTS: Final = (
    Field("person_id", "person_id", "keyword", "who decided"),
    Field("issuer", "issuer", "keyword", "issuer of the account"),
    Field("subject", "subject", "keyword", "subject of the account"),
    Field("on_behalf_of", "on_behalf_of", "keyword", "the person in whose stead, as a deputy or manager"),
    Field("word", "word", "keyword", "keep, reduce, revoke or suspend; of an access ok or suspicious"),
    Field("reason", "reason", "keyword", "why, as a person typed it; what looks like personal data is refused"),
    Field("at", "at", "date_nanos", "when"),
    Field("spent", "spent", "long", "nanoseconds that the item was looked at, by the tool's word"),
    Field("evidence", "evidence", "boolean", "its evidence was opened, by the tool's word"),
)
_BEFORE_PARTS: Final = (
    Field("grant_id", "grant_id", "keyword", "the grant"),
    Field("employee", "employee", "object", "its holder's account", parts=ACCOUNT_PARTS),
    Field("role", "role", "keyword", "role that was held"),
    Field("purpose", "purpose", "keyword", "for this purpose"),
    Field("starts_at", "starts_at", "date_nanos", "in force from this moment on"),
    Field("ends_at", "ends_at", "date_nanos", "in force before this moment"),
    Field("approved_by", "approved_by", "keyword", "who approved"),
    Field("scope", "scope", "object", "the part of the role that was held; absent means all of it", parts=SCOPE_PARTS),
    Field("access_request_id", "access_request_id", "keyword", "the request that it came of"),
    Field("suspended", "suspended", "keyword", "why it did not count then"),
    Field("ended", "ended", "keyword", "always empty: what is over is not taken"),
    Field("break_glass", "break_glass", "boolean", "taken in an emergency"),
)
_ITEM_PARTS: Final = (
    Field("review_id", "review_id", "keyword", "the review"),
    Field("number", "number", "long", "the item's number in the plan, from 0"),
    Field("grant_id", "grant_id", "keyword", "the grant; empty for an access"),
    Field("state", "state", "keyword", "open, decided, applied, spared, skipped or undone"),
    Field(
        "word",
        "word",
        "keyword",
        "keep, reduce, revoke or suspend; of an access ok or suspicious; empty while nobody has decided",
    ),
    Field("votes", "votes", "object", "whose word it had, the last one counts", parts=_VOTE_PARTS),
    Field("second", "second", "boolean", "somebody else than those who decided has to look again"),
    Field("why", "why", "keyword", "why it came to its default, was spared or skipped, UPPER_SNAKE"),
    Field("before", "before", "object", "the grant as it was when something of it was taken", parts=_BEFORE_PARTS),
    Field("person_id", "person_id", "keyword", "who held what was taken"),
    Field("applied_at", "applied_at", "date_nanos", "when it was applied, spared or skipped; 1970: not yet"),
    Field("undone_at", "undone_at", "date_nanos", "when it was given back; 1970: never"),
    Field("record_id", "record_id", "keyword", "the record of the access that was looked at; empty for a grant"),
)

_REPORT_PARTS: Final = (
    Field("name", "name", "keyword", "name of the file"),
    Field("sha256", "sha256", "keyword", "SHA-256 of its bytes, hex"),
)
REVIEW_FIELDS: Final = (
    Field("review_id", "munjigi.review_id", "keyword", "the review"),
    Field("review_kind", "munjigi.review_kind", "keyword", "which kind of review: its row of reviews.toml"),
    Field("review_state", "munjigi.review_state", "keyword", "open, applying, applied, stopped or undone"),
    Field("plan_digest", "munjigi.plan_digest", "keyword", "SHA-256 of the frozen plan, hex"),
    Field("item_count", "munjigi.item_count", "long", "items of the plan"),
    Field("cutoff", "munjigi.cutoff", "date_nanos", "use was judged up to this moment"),
    Field("opened_at", "munjigi.opened_at", "date_nanos", "when the review was opened"),
    Field("opener_issuer", "munjigi.opener_issuer", "keyword", "issuer of the account that opened it"),
    Field("opener", "munjigi.opener", "keyword", "who opened it; no account where a program did", related="user"),
    Field("schedule", "munjigi.schedule", "object", "when what happens to it", parts=_SCHEDULE_PARTS),
    Field("limits", "munjigi.limits", "object", "how far a run may go", parts=_LIMITS_PARTS),
    Field("defaults", "munjigi.defaults", "object", "what undecided items come to", parts=_DEFAULT_PARTS),
    Field("overrides", "munjigi.overrides", "object", "who said that the run may pass its caps", parts=_OVERRIDE_PARTS),
    Field("stamped", "munjigi.stamped", "keyword", "people whose words came too fast or too much alike"),
    Field("canary_at", "munjigi.canary_at", "date_nanos", "when the share that is taken first was complete"),
    Field(
        "closed_at",
        "munjigi.closed_at",
        "date_nanos",
        "when a review was applied to the end, stopped or undone, or a lost log closed",
    ),
    Field("why", "munjigi.why", "keyword", "why it ended otherwise than by its end, UPPER_SNAKE, or as a person typed it"),
    Field("result", "munjigi.result", "object", "what came of looking at accesses", parts=_RESULT_PARTS),
    Field("items", "munjigi.items", "object", "the items", parts=_ITEM_PARTS),
    Field("report_files", "munjigi.report_files", "object", "the files of a report", parts=_REPORT_PARTS),
    Field("exception_id", "munjigi.exception_id", "keyword", "the exception"),
    Field("item_number", "munjigi.item_number", "long", "the item's number in the plan, from 0"),
    Field("requester", "munjigi.requester", "keyword", "who asked for the exception, a person's id"),
    Field("requester_issuer", "munjigi.requester_issuer", "keyword", "issuer of the account that asked"),
    Field("requester_account", "munjigi.requester_account", "keyword", "the account that asked", related="user"),
    Field("asked_at", "munjigi.exception_asked_at", "date_nanos", "when the exception was asked for"),
    Field("expires_at", "munjigi.expires_at", "date_nanos", "the exception protects the grant before this moment"),
    Field("approver", "munjigi.approver", "keyword", "who approved it, a person's id"),
    Field("approver_issuer", "munjigi.approver_issuer", "keyword", "issuer of the account that approved"),
    Field("approver_account", "munjigi.approver_account", "keyword", "the account that approved", related="user"),
    Field("approved_at", "munjigi.approved_at", "date_nanos", "when it was approved"),
    Field("lost_log", "munjigi.lost_log", "keyword", "id of the log that reviews wait for no longer"),
    Field("words", "munjigi.words", "object", "who said that the log is lost", parts=_OVERRIDE_PARTS),
    Field(
        "unknown_from", "munjigi.unknown_from", "date_nanos", "what was used by the log from then until it was closed is unknown"
    ),
)
