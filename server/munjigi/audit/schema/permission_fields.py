"""The fields of permission records, as `catalogue.py` has them of all others."""

from __future__ import annotations

from typing import Final

from munjigi.audit.schema.field import Field

SCOPE_PARTS: Final = (
    Field(
        "objects",
        "objects",
        "keyword",
        "`database.table.column`, `database.table.*` or `class:NAME`; none means all of the role's",
    ),
    Field("actions", "actions", "keyword", "actions; none means all of the role's"),
)
ACCOUNT_PARTS: Final = (
    Field("issuer", "issuer", "keyword", "issuer"),
    Field("subject", "subject", "keyword", "subject"),
)
_FACT_PARTS: Final = (
    Field("kind", "kind", "keyword", "pledge, training, device, screening"),
    Field("starts_at", "starts_at", "date_nanos", "from this moment on"),
    Field("ends_at", "ends_at", "date_nanos", "before this moment"),
    Field("source", "source", "keyword", "who says so"),
    Field("stated_at", "stated_at", "date_nanos", "when it was said, by the source's clock"),
)
_DELEGATION_PARTS: Final = (
    Field("person_id", "person_id", "keyword", "who decides in one's stead"),
    Field("starts_at", "starts_at", "date_nanos", "from this moment on"),
    Field("ends_at", "ends_at", "date_nanos", "before this moment"),
)
_VOTE_PARTS: Final = (
    Field("stage", "stage", "long", "the stage that was decided, from 0"),
    Field("person_id", "person_id", "keyword", "who decided"),
    Field("issuer", "issuer", "keyword", "issuer of the account"),
    Field("subject", "subject", "keyword", "subject of the account"),
    Field("on_behalf_of", "on_behalf_of", "keyword", "the person whose deputy decided"),
    Field("approve", "approve", "boolean", "approved; otherwise denied"),
    Field("reason", "reason", "keyword", "why, as a person typed it; what looks like personal data is refused"),
    Field("at", "at", "date_nanos", "when"),
)

PERMISSION_FIELDS: Final = (
    Field("grant_id", "munjigi.grant_id", "keyword", "the grant"),
    Field("holder_issuer", "user.target.domain", "keyword", "issuer of the holder's account"),
    Field("holder", "user.target.name", "keyword", "who holds the grant: subject of the account", related="user"),
    Field("role", "user.target.roles", "keyword", "role that is held"),
    Field("starts_at", "munjigi.starts_at", "date_nanos", "in force from this moment on"),
    Field("ends_at", "munjigi.ends_at", "date_nanos", "in force before this moment"),
    Field("approved_by", "munjigi.approved_by", "keyword", "who approved", related="user"),
    Field("scope", "munjigi.scope", "object", "the part of the role that is held; absent means all of it", parts=SCOPE_PARTS),
    Field("person_id", "munjigi.person_id", "keyword", "the person whose accounts and facts these are"),
    Field("department", "munjigi.department", "keyword", "the person's department"),
    Field("accounts", "munjigi.accounts", "object", "accounts that are the person's", parts=ACCOUNT_PARTS),
    Field("facts", "munjigi.facts", "object", "what is known about the person", parts=_FACT_PARTS),
    Field("access_request_id", "munjigi.access_request_id", "keyword", "the request that was made, or that the grant came of"),
    Field("suspended", "munjigi.suspended", "keyword", "why the grant does not count for now"),
    Field("ended", "munjigi.ended", "keyword", "why the grant ended before its time"),
    Field("break_glass", "munjigi.break_glass", "boolean", "taken in an emergency, reviewed afterwards"),
    Field(
        "method",
        "munjigi.method",
        "keyword",
        "how the right came about or went: request, break_glass, personnel, review, sample, or as whom it was taken: holder, owner, operator",
    ),
    Field("status", "munjigi.status", "keyword", "`active`, `leave` or `left`"),
    Field("manager", "munjigi.manager", "keyword", "the person's manager, a person's id"),
    Field("delegations", "munjigi.delegations", "object", "who decides in the person's stead", parts=_DELEGATION_PARTS),
    Field("sessions_from", "munjigi.sessions_from", "date_nanos", "what was signed in before this moment counts no more"),
    Field(
        "provider_session",
        "munjigi.provider_session",
        "keyword",
        "the provider's session (`sid`) that ended; absent: all of the account",
    ),
    Field("ended_at", "munjigi.ended_at", "date_nanos", "tokens that were issued before count no more"),
    Field("remembered_until", "munjigi.remembered_until", "date_nanos", "no token of before is alive from this moment on"),
    Field(
        "effective_at",
        "munjigi.effective_at",
        "date_nanos",
        "when the last joiner, mover, leaver, leave or return took effect, by its source's clock",
    ),
    Field("personnel_event", "munjigi.personnel_event", "keyword", "joiner, mover, leaver, leave, return, facts or delegation"),
    Field("request_kind", "munjigi.request_kind", "keyword", "`new`, `renew` or `change`"),
    Field("request_state", "munjigi.request_state", "keyword", "requested, approved, denied, withdrawn, superseded or lapsed"),
    Field("applicant_issuer", "munjigi.applicant_issuer", "keyword", "issuer of the applicant's account"),
    Field("applicant", "munjigi.applicant", "keyword", "who asked: subject of the account", related="user"),
    Field("impact_assessment", "munjigi.impact_assessment", "keyword", "impact assessment of the purpose"),
    Field("days", "munjigi.days", "long", "days asked for, where no end was named"),
    Field("supersedes", "munjigi.supersedes", "keyword", "the request that this one replaces"),
    Field("stages", "munjigi.stages", "keyword", "who has to approve, in order"),
    Field("stage", "munjigi.stage", "long", "the stage that is decided next, from 0"),
    Field("votes", "munjigi.votes", "object", "who decided what, when and why", parts=_VOTE_PARTS),
    Field("made_at", "munjigi.made_at", "date_nanos", "when access was asked for"),
    Field("lapses_at", "munjigi.lapses_at", "date_nanos", "undecided at this moment, the request lapses"),
    Field("request_digest", "munjigi.request_digest", "keyword", "SHA-256 of what was asked for, hex: deciders name it"),
    Field("principal_kind", "munjigi.principal_kind", "keyword", "`person` or `tool`"),
    Field("principal", "munjigi.principal", "keyword", "who is blocked: a person's id or a tool's name"),
)
