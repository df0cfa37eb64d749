"""Answer the decision tables of a policy home with the one core (promise P4)."""

from __future__ import annotations

from typing import Final

from munjigi.decision.core import decide
from munjigi.decision.grant_table import GrantTable
from munjigi.decision.snapshot import Snapshot
from munjigi.decision.types import Effect, Request
from munjigi.kernel.grant import Fact, Grant, Person
from munjigi.kernel.identity import EmployeeKey
from munjigi.policy.tables import TableCase, TableOutcome
from munjigi.policy.types import PolicyBundle

_ISSUER: Final = "policy-test"
_ALWAYS: Final = (-(1 << 63), (1 << 63) - 1)


def evaluate_case(bundle: PolicyBundle, case: TableCase) -> TableOutcome:
    """Decide one case against its own grants and facts."""
    snapshot, request = asked_of(bundle, case)
    decision = decide(snapshot, request, case.request.at)
    return TableOutcome(
        decision="ALLOW" if decision.allow else "DENY",
        reason=decision.reason,
        fields={field.name: field.mask if field.effect is Effect.MASKED else field.effect.value for field in decision.fields},
    )


def asked_of(bundle: PolicyBundle, case: TableCase) -> tuple[Snapshot, Request]:
    """Return a case as a question and what it is asked of. The facts are in force at every time."""
    employee = EmployeeKey(_ISSUER, case.employee)
    facts = tuple(Fact(kind, *_ALWAYS, source="test") for kind in case.facts)
    person = Person(case.employee, case.principal_type, case.department, (employee,), facts)
    grants = [
        Grant(f"grant-{number:04}", employee, held.role, held.purpose, held.starts_at, held.ends_at, (), held.scope)
        for number, held in enumerate(case.grants, 1)
    ]
    asked = case.request
    request = Request(
        employee=employee,
        tool=asked.tool,
        resource=asked.resource,
        fields=asked.fields,
        action=asked.action,
        purpose=asked.purpose,
        case_id=asked.case_id,
        subjects=asked.subjects,
        ip=asked.ip,
        probe=asked.probe,
        allow_partial=asked.allow_partial,
        sign_in=asked.sign_in,
    )
    return Snapshot(bundle, GrantTable.build(grants, (person,), 0)), request
