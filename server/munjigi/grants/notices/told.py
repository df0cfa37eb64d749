"""From a permission record to what people are told of it, and whom: one row a record, and no record is told twice.

Personnel records tell nobody: they come from where people are told already.
"""

from __future__ import annotations

import re
from typing import Final

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
    RequestClosedRecord,
    RequestRecord,
)
from munjigi.audit.review_records import ExceptionAskedRecord, LogClosedRecord, LogClosingRecord, ReviewClosedRecord
from munjigi.grants.book import Book
from munjigi.grants.break_glass import BREAK_GLASS
from munjigi.grants.notices import circle
from munjigi.grants.notices.notice import Kind, Notice, Severity
from munjigi.grants.records import request_of
from munjigi.grants.requests import METHOD
from munjigi.kernel.access_request import AccessRequest, RequestState
from munjigi.kernel.identity import EmployeeKey
from munjigi.kernel.personal import looks_personal
from munjigi.kernel.review import ReviewState
from munjigi.policy.types import PolicyBundle

_GRANT: Final[dict[type[GrantRecord], tuple[Kind, Severity]]] = {
    GrantAddedRecord: ("grant.given", "info"),
    GrantChangedRecord: ("grant.changed", "info"),
    GrantSuspendedRecord: ("grant.suspended", "warning"),
    GrantResumedRecord: ("grant.resumed", "info"),
    GrantEndedRecord: ("grant.ended", "warning"),
    GrantRestoredRecord: ("grant.resumed", "info"),
}
_CLOSED: Final[dict[RequestState, Kind]] = {
    "approved": "request.approved",
    "denied": "request.denied",
    "withdrawn": "request.withdrawn",
    "superseded": "request.superseded",
    "lapsed": "request.lapsed",
}
_REVIEW: Final[dict[ReviewState, tuple[Kind, Severity]]] = {
    "applied": ("review.applied", "info"),
    "stopped": ("review.stopped", "warning"),
    "undone": ("review.undone", "info"),
}
_SPIKE: Final = "SPIKE"  # why a review stops itself: holders were denied what it had taken
_LONGEST: Final = 300  # characters of a typed text
_SERIAL: Final = re.compile(r"\d{7}")  # a member's serial, or part of a number that is somebody's


def told(record: PermissionRecord, record_id: str, book: Book) -> Notice | None:
    """Return what a record makes people be told; None when nobody is."""
    if isinstance(record, RequestRecord):
        return _of_request(record, record_id, book)
    if isinstance(record, GrantRecord):
        return _of_grant(record, record_id, book)
    if isinstance(record, BlockRecord):
        return _of_block(record, record_id, book)
    if isinstance(record, ReviewClosedRecord):
        return _of_review(record, record_id, book)
    if isinstance(record, ExceptionAskedRecord):
        return _of_exception(record, record_id, book)
    if isinstance(record, LogClosingRecord):
        return _of_closing(record, record_id, book)
    return None


def _of_request(record: RequestRecord, record_id: str, book: Book) -> Notice:
    request = request_of(record)
    about, times = asked(request, book.bundle)
    emergency = is_emergency(request)
    if not isinstance(record, RequestClosedRecord):
        kind: Kind = "break_glass.review" if emergency else "request.made"
        people = circle.accounts(circle.deciding(book, request), request.employee.issuer)
        return Notice(record_id, kind, "warning" if emergency else "info", record.time, people, about, times)
    about["by"] = record.employee
    last = request.votes[-1] if request.votes else None
    if last is not None:
        about |= {"by": last.subject, "answer": typed(last.reason)}
    if record.request_state == "withdrawn":
        people = circle.accounts(circle.deciding(book, request), request.employee.issuer)
    else:
        people = circle.concerned(book, request.applicant, request.employee)
    kind = "break_glass.reviewed" if emergency else _CLOSED[record.request_state]
    return Notice(record_id, kind, "info", record.time, people, _filled(about), times)


def _of_grant(record: GrantRecord, record_id: str, book: Book) -> Notice:
    kind, severity = _GRANT[type(record)]
    holder = EmployeeKey(record.holder_issuer, record.holder)
    about = {
        "grant": record.grant_id,
        "request": record.access_request_id,
        "holder": record.holder,
        "by": record.employee,
        "reason": typed(record.reason or record.suspended or record.ended),
        **named(record.role, record.purpose, book.bundle),
    }
    times = {"starts": record.starts_at, "ends": record.ends_at}
    people = circle.concerned(book, holder)
    if record.break_glass and isinstance(record, GrantAddedRecord):
        return Notice(
            record_id, "break_glass.taken", "critical", record.time, alarmed(book, holder, record.role), _filled(about), times
        )
    if record.method == METHOD:
        people = ()  # the request's own notice says so, to the same people
    return Notice(record_id, kind, severity, record.time, people, _filled(about), times)


def _of_block(record: BlockRecord, record_id: str, book: Book) -> Notice:
    stopped = isinstance(record, BlockedRecord)
    kind: Kind = "principal.blocked" if stopped else "principal.unblocked"
    about = {"principal": record.principal, "by": record.employee, "reason": typed(record.reason)}
    person = book.holdings.person_of(record.principal) if record.principal_kind == "person" else None
    people = [*circle.managers(book, [person] if person is not None else []), *circle.office(book, circle.PRIVACY)]
    if person is not None and person.accounts:
        about["holder"] = person.accounts[0].subject
    told_to = circle.accounts(people, record.issuer)
    return Notice(record_id, kind, "critical" if stopped else "warning", record.time, told_to, _filled(about), {})


def _of_review(record: ReviewClosedRecord, record_id: str, book: Book) -> Notice:
    kind, severity = _REVIEW[record.review_state]
    if record.why == _SPIKE:
        severity = "critical"
    about = {"review": record.review_id, "title": record.review_kind, "by": record.employee, "reason": record.why}
    opener = EmployeeKey(record.opener_issuer, record.opener)
    office = circle.accounts(circle.office(book, circle.PRIVACY), record.opener_issuer or record.issuer)
    people = (*office, *(circle.concerned(book, opener) if record.opener and opener not in office else ()))
    return Notice(record_id, kind, severity, record.time, people, _filled(about), {})


def _of_exception(record: ExceptionAskedRecord, record_id: str, book: Book) -> Notice:
    about = {
        "review": record.review_id,
        "exception": record.exception_id,
        "grant": record.grant_id,
        "by": record.requester_account,
        "reason": typed(record.reason),
    }
    people = circle.accounts(circle.office(book, circle.PRIVACY), record.requester_issuer)
    return Notice(record_id, "review.exception", "info", record.time, people, _filled(about), {"ends": record.expires_at})


def _of_closing(record: LogClosingRecord, record_id: str, book: Book) -> Notice:
    """Tell whoever may say the second word, and afterwards that it was said: all but whose word the record is of."""
    last = record.words[-1]
    about = {"log": record.lost_log, "by": record.employee, "reason": typed(last.reason)}
    others = (each for each in circle.operating(book, circle.REVIEWS) if each.person_id != last.person_id)
    closed = isinstance(record, LogClosedRecord)
    kind: Kind = "review.log_closed" if closed else "review.log_closing"
    times = {"unknown": record.unknown_from} if record.unknown_from else {}
    people = circle.accounts(others, record.issuer)
    return Notice(record_id, kind, "info" if closed else "warning", record.time, people, _filled(about), times)


def alarmed(book: Book, holder: EmployeeKey, role: str) -> tuple[EmployeeKey, ...]:
    """Return who hears at once of a right that was taken in an emergency: owners, the holder's manager, the privacy office."""
    person = book.holdings.person(holder)
    above = circle.managers(book, [person] if person is not None else [])
    people = [*circle.owners(book, holder.issuer, role), *above, *circle.office(book, circle.PRIVACY)]
    return circle.accounts(people, holder.issuer)


def is_emergency(request: AccessRequest) -> bool:
    """Tell whether the right was taken already, and the request is its review."""
    return request.kind == BREAK_GLASS


def asked(request: AccessRequest, bundle: PolicyBundle) -> tuple[dict[str, str], dict[str, int]]:
    """Return what templates say of a request: texts, and times."""
    about = {
        "request": request.access_request_id,
        "holder": request.employee.subject,
        "applicant": request.applicant.subject if request.applicant != request.employee else "",
        "case": "" if looks_personal(request.case_id) else request.case_id,
        "reason": typed(request.reason),
        "days": str(request.days) if request.days and not request.ends_at else "",
        "grant": request.grant_id,
        **named(request.role, request.purpose, bundle),
    }
    times = {"starts": request.starts_at, "ends": request.ends_at, "lapses": request.lapses_at}
    return _filled(about), {name: time for name, time in times.items() if time}


def named(role: str, purpose: str, bundle: PolicyBundle) -> dict[str, str]:
    """Return role and purpose with their titles."""
    known, reason = bundle.roles.get(role), bundle.purposes.get(purpose)
    titles = {"role_title": known.title if known is not None else "", "purpose_title": reason.title if reason is not None else ""}
    return _filled({"role": role, "purpose": purpose, **titles})


def typed(text: str) -> str:
    """Return what somebody typed, fit to leave the house: one line, not endless, and nothing of it that looks personal (P5)."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    if looks_personal(line) or _SERIAL.search(line):
        return "…"
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"


def _filled(about: dict[str, str]) -> dict[str, str]:
    return {name: text for name, text in about.items() if text}
