"""Decide a case of the security team's decision tables with the core that decides in service."""

from __future__ import annotations

from munjigi.decision.core import decide
from munjigi.decision.grant_table import GrantTable
from munjigi.decision.snapshot import Snapshot
from munjigi.decision.types import Effect, Request
from munjigi.kernel.grant import Fact, Grant, Person
from munjigi.kernel.identity import EmployeeKey
from munjigi.policy.tables import TableCase, TableOutcome
from munjigi.policy.types import PolicyBundle

_ISSUER = "urn:munjigi:decision-table"
_FOREVER = 1 << 62


def evaluate_case(bundle: PolicyBundle, case: TableCase) -> TableOutcome:
    """Give the case's employee its grants and facts, decide its request at its time, and return the outcome."""
    employee = EmployeeKey(_ISSUER, case.employee)
    grants = [
        Grant(f"case.{number}", employee, grant.role, grant.purpose, grant.starts_at, grant.ends_at, (), grant.scope)
        for number, grant in enumerate(case.grants)
    ]
    facts = tuple(Fact(kind, 0, _FOREVER, "decision table") for kind in case.facts)
    person = Person("case", case.principal_type, case.department, (employee,), facts)
    asked = case.request
    request = Request(
        employee,
        asked.tool,
        asked.resource,
        asked.fields,
        asked.action,
        asked.purpose,
        asked.case_id,
        asked.subjects,
        asked.ip,
        asked.probe,
        asked.allow_partial,
    )
    decision = decide(Snapshot(bundle, GrantTable.build(grants, [person], 1)), request, asked.at)
    return TableOutcome(
        "ALLOW" if decision.allow else "DENY",
        decision.reason,
        {field.name: field.mask if field.effect is Effect.MASKED else field.effect.value for field in decision.fields},
    )
