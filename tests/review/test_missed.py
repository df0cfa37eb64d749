"""A denial counts against a review only when what it took would have allowed it (R17)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from audit.support import access
from review.usage_kit import sample_bundle

from munjigi.audit.records import AccessRecord, FieldRecord
from munjigi.decision.grant_table import GrantTable
from munjigi.decision.snapshot import Snapshot
from munjigi.kernel.clock import SECOND
from munjigi.kernel.grant import Fact, Grant, Person, Scope
from munjigi.kernel.identity import EMBEDDED_ISSUER, EmployeeKey
from munjigi.review.missed import missed

NOW = 1_800_000_000 * SECOND
DAY = 86_400 * SECOND
KIM = EmployeeKey(EMBEDDED_ISSUER, "cs.kim")
FACTS = tuple(Fact(kind, 0, NOW + 400 * DAY, "test") for kind in ("pledge", "training", "device"))
BEFORE = Grant("g.1", KIM, "cs_agent", "inquiry", NOW - 200 * DAY, NOW + 100 * DAY, ("cs.lee",))
GONE = replace(BEFORE, ends_at=NOW - DAY, ended="review")


def snapshot(*grants: Grant) -> Snapshot:
    person = Person("p.cs.kim", "employee", "customer-service", (KIM,), FACTS)
    return Snapshot(sample_bundle(), GrantTable.build(grants, (person,), 7))


def denied(**other: Any) -> AccessRecord:
    values: dict[str, Any] = {
        "issuer": KIM.issuer,
        "employee": KIM.subject,
        "tool": "crm-desk",
        "resource": "crm.member",
        "action": "read",
        "purpose": "inquiry",
        "case_id": "CS-2026-000123",
        "decision": "DENY",
        "reason": "GRANT_EXPIRED",
        "fields": (FieldRecord("name", "denied"),),
        "subject_count": 1,
        "asked_at": NOW,
    }
    return access(**values | other)


def test_what_the_grant_would_have_allowed_is_missed():
    assert missed(denied(), snapshot(GONE), BEFORE)


@pytest.mark.parametrize(
    "other",
    [
        {"decision": "ALLOW"},
        {"probe": True},
        {"observe": True},
        {"own": True},
        {"purpose": "marketing"},
        {"fields": (FieldRecord("resident_number", "denied"),)},
        {"resource": "crm.nothing"},
    ],
)
def test_what_it_would_not_have_allowed_and_what_is_no_work_is_not(other: dict[str, Any]):
    assert not missed(denied(**other), snapshot(GONE), BEFORE)


def test_of_a_narrowed_grant_only_what_was_taken_is_missed():
    narrowed = replace(BEFORE, scope=Scope(("crm.member.phone",), ("read",)))
    assert missed(denied(), snapshot(narrowed), BEFORE)
    assert not missed(denied(), snapshot(narrowed), narrowed)
