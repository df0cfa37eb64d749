"""A right that is taken in an emergency: at once, for some hours, with its review opened in the same commit. A pure plan."""

from __future__ import annotations

from typing import Final

from munjigi.grants.book import Book
from munjigi.grants.changes import GrantEdit, RequestEdit
from munjigi.grants.eligibility import DAY, Wish, behind, check_case, check_holding, check_scope, named, period
from munjigi.grants.requests import Ask, Outcome, drafted, grant_id_of, granted
from munjigi.kernel.clock import SECOND
from munjigi.kernel.errors import FailedPrecondition, InvalidArgument

HOUR: Final = 3600 * SECOND
REVIEW_DAYS: Final = 3  # after its end, the review of what was taken in an emergency is overdue
SHORTEST_REASON: Final = 20  # characters
BREAK_GLASS: Final = "break_glass"


def break_glass(book: Book, wanted: Ask, hours: int, access_request_id: str) -> Outcome:
    """Take a right at once for some hours, and open the review of it.

    Raises `InvalidArgument`, `NotFound`, and `FailedPrecondition`: where the role is not for emergencies, and for who has a review
    that is overdue.
    """
    person = behind(book, wanted.employee)
    role, purpose = named(book, wanted.role, wanted.purpose)
    if not role.break_glass_hours:
        raise FailedPrecondition("NOT_FOR_EMERGENCIES", f"Role `{role.name}` can't be taken in an emergency; ask for it.")
    if len(wanted.reason) < SHORTEST_REASON:
        raise InvalidArgument(
            "REASON_TOO_SHORT", f"Say in at least {SHORTEST_REASON} characters what has happened; it is reviewed."
        )
    overdue = [each for each in book.open_of(person) if each.kind == BREAK_GLASS and book.now >= each.lapses_at]
    if overdue:
        raise FailedPrecondition(
            "BREAK_GLASS_SUSPENDED",
            f"The review of {overdue[0].access_request_id} is overdue; until it is decided, you can't take access in an emergency.",
        )
    check_case(purpose, wanted.case_id, required=purpose.case_for_grant)
    check_scope(book, wanted.scope)
    starts_at, ends_at = period(0, book.now + hours * HOUR, 0, role.break_glass_hours * HOUR, book.now)
    check_holding(book, Wish(person, role, purpose, wanted.scope, starts_at, ends_at), heads=False)
    asked = wanted._replace(starts_at=starts_at, ends_at=ends_at, grant_id=grant_id_of(access_request_id))
    request = drafted(book, asked, person, role, purpose, access_request_id, lapses_at=ends_at + REVIEW_DAYS * DAY)
    grant = granted(request, starts_at, ends_at)
    edits = (RequestEdit("request_made", request), GrantEdit("grant_added", grant, wanted.reason, BREAK_GLASS))
    return Outcome(edits, request, grant)
