"""The sample company, as data: who is there, what is known about them, what they hold.

Demo, documents and tests share it. Everyone exists under the embedded issuer only.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final, NamedTuple

from munjigi.grants.book import Holdings
from munjigi.grants.changes import Edit, grant_added, grant_changed, person_changed
from munjigi.grants.ports import StateStore
from munjigi.kernel.clock import SECOND
from munjigi.kernel.grant import Fact, Grant, Person, PrincipalType
from munjigi.kernel.identity import EMBEDDED_ISSUER, EmployeeKey

DAY: Final = 86_400 * SECOND
GRANT_DAYS: Final = 365
SOURCE: Final = "sample"
ACTOR: Final = "munjigi.sample"

_ALL_FACTS: Final = ("pledge", "training", "device")


class _Row(NamedTuple):
    subject: str
    department: str
    role: str  # empty: no grant
    purpose: str
    approved_by: tuple[str, ...]
    facts: tuple[str, ...] = _ALL_FACTS
    principal_type: PrincipalType = "employee"


# Nobody approves for themselves (promise P9): the owner's own grant has another approver.
_COMPANY: Final = (
    _Row("cs.kim", "customer-service", "cs_agent", "inquiry", ("cs.lee",)),
    _Row("cs.lee", "customer-service", "cs_manager", "inquiry", ("dpo.yoon",)),
    _Row("mkt.park", "marketing", "marketing_analyst", "marketing", ("cs.lee",)),
    _Row("fraud.choi", "fraud", "fraud_analyst", "fraud_investigation", ("cs.lee",)),
    _Row("dba.jung", "database", "", "", ()),
    _Row("sec.han", "security", "policy_editor", "oversight", ("dpo.yoon",)),
    _Row("dpo.yoon", "privacy", "privacy_officer", "oversight", ("cs.lee",)),
    _Row("local.operator", "operations", "local_operator", "oversight", ("dpo.yoon",), principal_type="service"),
    _Row("new.oh", "customer-service", "", "", (), facts=("pledge", "training")),
)


def sample_company(now: int) -> tuple[Edit, ...]:
    """Return the edits that bring the sample company into an empty store at `now` (UTC nanoseconds)."""
    ends_at = now + GRANT_DAYS * DAY
    people = [
        person_changed(
            Person(
                person_id=f"p.{row.subject}",
                principal_type=row.principal_type,
                department=row.department,
                accounts=(EmployeeKey(EMBEDDED_ISSUER, row.subject),),
                facts=tuple(Fact(kind, now, ends_at, SOURCE) for kind in row.facts),
            )
        )
        for row in _COMPANY
    ]
    grants = [
        grant_added(
            Grant(
                grant_id=f"g.{row.subject}.{row.role}",
                employee=EmployeeKey(EMBEDDED_ISSUER, row.subject),
                role=row.role,
                purpose=row.purpose,
                starts_at=now,
                ends_at=ends_at,
                approved_by=row.approved_by,
            )
        )
        for row in _COMPANY
        if row.role
    ]
    return (*people, *grants)


def renewed_sample(holdings: Holdings, now: int) -> tuple[Edit, ...]:
    """Return the edits by which what the sample company holds, and what is known about it, goes on from `now` (UTC nanoseconds).

    For a store whose time goes by quicker than a year does: nobody there would decide any more.
    """
    ends_at = now + GRANT_DAYS * DAY
    edits: list[Edit] = []
    for row in _COMPANY:
        account = EmployeeKey(EMBEDDED_ISSUER, row.subject)
        if (person := holdings.person(account)) is not None:
            edits.append(person_changed(replace(person, facts=tuple(each._replace(ends_at=ends_at) for each in person.facts))))
        edits += [grant_changed(replace(grant, ends_at=ends_at)) for grant in holdings.of(account) if not grant.ended]
    return tuple(edits)


def seed_sample(store: StateStore, now: int) -> bool:
    """Load the sample company into a fresh store; a store that has a revision is left alone.

    Returns whether it was loaded.
    """
    if store.revision() != 0:
        return False
    store.apply(sample_company(now), at=now, actor=ACTOR, request_id="sample-company")
    return True
