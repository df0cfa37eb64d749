"""Who decides in somebody's stead, for a time. A pure plan."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from munjigi.grants.book import Book
from munjigi.grants.changes import PersonEdit
from munjigi.grants.eligibility import DAY, behind
from munjigi.kernel.errors import InvalidArgument
from munjigi.kernel.grant import Delegation
from munjigi.kernel.identity import EmployeeKey

LONGEST_DAYS: Final = 90


def delegate(book: Book, by: EmployeeKey, to: EmployeeKey, starts_at: int, ends_at: int) -> PersonEdit:
    """Let the person behind `to` decide in [starts_at, ends_at) (UTC nanoseconds; 0 starts now); `ends_at` 0 ends what stands.

    Raises `InvalidArgument` or `FailedPrecondition`.
    """
    person, deputy = behind(book, by), behind(book, to)
    if person.person_id == deputy.person_id:
        raise InvalidArgument("DEPUTY_IS_ONESELF", "A deputy is somebody else, whatever the account.")
    kept = tuple(each for each in person.delegations if each.person_id != deputy.person_id and each.ends_at > book.now)
    if ends_at:
        start = max(starts_at, book.now)
        if not start < ends_at <= start + LONGEST_DAYS * DAY:
            raise InvalidArgument("PERIOD_INVALID", f"A deputy decides until some time later, for at most {LONGEST_DAYS} days.")
        kept = (*kept, Delegation(deputy.person_id, start, ends_at))
    return PersonEdit("person_changed", replace(person, delegations=kept), "delegation", "self")
