"""A change and its permission record: each is made of the other, and nothing is lost on the way."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from munjigi.audit.permission_records import (
    BlockedRecord,
    BlockRecord,
    GrantAddedRecord,
    GrantChangedRecord,
    GrantEndedRecord,
    GrantRecord,
    GrantRestoredRecord,
    GrantResumedRecord,
    GrantSuspendedRecord,
    PermissionRecord,
    PersonRecord,
    RequestClosedRecord,
    RequestMadeRecord,
    RequestRecord,
    RequestVotedRecord,
    SessionEndedRecord,
    UnblockedRecord,
)
from munjigi.audit.records import decode
from munjigi.audit.review_records import ExceptionRecord, ItemsRecord, LogClosingRecord, ReviewRecord
from munjigi.grants.changes import BlockEdit, Change, Edit, GrantEdit, PersonEdit, RequestEdit, SessionEdit
from munjigi.grants.log_edits import LogEdit
from munjigi.grants.ports import LogRow
from munjigi.grants.review_edits import ExceptionEdit, ItemsEdit, ReviewEdit
from munjigi.grants.review_records import REVIEW_RECORDS, content_of, edit_of
from munjigi.kernel.access_request import AccessRequest
from munjigi.kernel.errors import Corruption
from munjigi.kernel.grant import Block, Grant, Person
from munjigi.kernel.identity import EmployeeKey, SessionEnd

_RECORDS: Final[dict[str, type[PermissionRecord]]] = {
    "grant_added": GrantAddedRecord,
    "grant_changed": GrantChangedRecord,
    "grant_suspended": GrantSuspendedRecord,
    "grant_resumed": GrantResumedRecord,
    "grant_ended": GrantEndedRecord,
    "grant_restored": GrantRestoredRecord,
    "person_changed": PersonRecord,
    "request_made": RequestMadeRecord,
    "request_voted": RequestVotedRecord,
    "request_closed": RequestClosedRecord,
    "principal_blocked": BlockedRecord,
    "principal_unblocked": UnblockedRecord,
    "session_ended": SessionEndedRecord,
    **REVIEW_RECORDS,
}
_KINDS: Final[dict[type[PermissionRecord], Any]] = {record: kind for kind, record in _RECORDS.items()}
# What has the same name and meaning on both sides.
_OF_GRANT: Final = (
    "grant_id",
    "role",
    "purpose",
    "starts_at",
    "ends_at",
    "approved_by",
    "scope",
    "access_request_id",
    "suspended",
    "ended",
    "break_glass",
)
_OF_PERSON: Final = (
    "person_id",
    "principal_type",
    "department",
    "accounts",
    "facts",
    "status",
    "manager",
    "delegations",
    "sessions_from",
    "effective_at",
)
_OF_REQUEST: Final = (
    "access_request_id",
    "person_id",
    "role",
    "purpose",
    "case_id",
    "impact_assessment",
    "scope",
    "starts_at",
    "ends_at",
    "days",
    "reason",
    "grant_id",
    "supersedes",
    "stages",
    "stage",
    "votes",
    "made_at",
    "lapses_at",
)


def record_of(change: Change, base: int = 0, *, synthetic: bool = False) -> PermissionRecord:
    """Describe a change. `base` is the grant revision before its log's first record; `synthetic` as in `Record`."""
    edit = change.edit
    return _RECORDS[edit.kind](
        index=change.grant_revision - 1 - base,
        time=change.at,
        clock_stepped=change.clock_stepped,
        synthetic=synthetic,
        issuer=change.issuer,
        employee=change.actor,
        request_id=change.request_id,
        grant_revision=change.grant_revision,
        **_content(edit),
    )


def _content(edit: Edit) -> dict[str, Any]:
    if isinstance(edit, PersonEdit):
        return _taken(edit.person, _OF_PERSON) | {"personnel_event": edit.event, "source": edit.source}
    if isinstance(edit, BlockEdit):
        return {"principal_kind": edit.block.kind, "principal": edit.block.principal, "reason": edit.reason}
    if isinstance(edit, SessionEdit):
        return _of_session(edit)
    if isinstance(edit, (ReviewEdit, ItemsEdit, ExceptionEdit, LogEdit)):
        return content_of(edit)
    if isinstance(edit, RequestEdit):
        request = edit.request
        return _taken(request, _OF_REQUEST) | {
            "request_kind": request.kind,
            "request_state": request.state,
            "request_digest": request.digest,
            "holder_issuer": request.employee.issuer,
            "holder": request.employee.subject,
            "applicant_issuer": request.applicant.issuer,
            "applicant": request.applicant.subject,
        }
    holder = {"holder_issuer": edit.grant.employee.issuer, "holder": edit.grant.employee.subject}
    return _taken(edit.grant, _OF_GRANT) | holder | {"reason": edit.reason, "method": edit.method}


def _of_session(edit: SessionEdit) -> dict[str, Any]:
    issuer, subject, session, ended_at, until = edit.end
    names = {"holder_issuer": issuer, "holder": subject, "provider_session": session}
    return {**names, "ended_at": ended_at, "remembered_until": until, "reason": edit.reason}


def _taken(source: object, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(source, name) for name in names}


def change_of(row: LogRow) -> Change:
    """Return the change that a row records.

    Raises `Corruption` when the row is not the record of its place and time.
    """
    try:
        record = decode(row.payload)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise corrupt(row.index, "can't be read") from None
    if not isinstance(record, PermissionRecord) or (record.index, record.grant_revision, record.time) != (
        row.index,
        row.grant_revision,
        row.at,
    ):
        raise corrupt(row.index, "is not the record of its row")
    made = (record.grant_revision, record.time, record.clock_stepped, record.employee, record.request_id)
    return Change(*made, _edit(record), record.issuer)


def request_of(record: RequestRecord) -> AccessRequest:
    """Return the request that a record holds; whether it is the one that the record's digest names is not looked at."""
    return AccessRequest(
        kind=record.request_kind,
        state=record.request_state,
        employee=EmployeeKey(record.holder_issuer, record.holder),
        applicant=EmployeeKey(record.applicant_issuer, record.applicant),
        **_taken(record, _OF_REQUEST),
    )


def _edit(record: PermissionRecord) -> Edit:
    kind = _KINDS[type(record)]
    if isinstance(record, PersonRecord):
        person: Any = Person(**_taken(record, _OF_PERSON))
        event: Any = record.personnel_event
        return PersonEdit(kind, person, event, record.source)
    if isinstance(record, BlockRecord):
        return BlockEdit(kind, Block(record.principal_kind, record.principal), record.reason)
    if isinstance(record, SessionEndedRecord):
        account = (record.holder_issuer, record.holder, record.provider_session)
        return SessionEdit(kind, SessionEnd(*account, record.ended_at, record.remembered_until), record.reason)
    if isinstance(record, (ReviewRecord, ItemsRecord, ExceptionRecord, LogClosingRecord)):
        return edit_of(kind, record)
    if isinstance(record, RequestRecord):
        request = request_of(record)
        if request.digest != record.request_digest:
            raise corrupt(record.index, "is not of the request that it names")
        return RequestEdit(kind, request)
    assert isinstance(record, GrantRecord)
    holder = EmployeeKey(record.holder_issuer, record.holder)
    return GrantEdit(kind, Grant(employee=holder, **_taken(record, _OF_GRANT)), record.reason, record.method)


def corrupt(index: int, what: str) -> Corruption:
    """Return the error about one permission record."""
    return Corruption("STATE_CORRUPT", f"Permission record {index} of the state store {what}; run `munjigi audit verify`.")
