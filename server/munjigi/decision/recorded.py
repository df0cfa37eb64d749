"""Put a recorded question again: to the same snapshot, which must answer the same, or to another, to see what would change."""

from __future__ import annotations

from typing import Final

from munjigi.audit.records import AccessRecord
from munjigi.decision.types import Decision, Request
from munjigi.kernel.identity import EmployeeKey, SignIn

_VALIDITY: Final = 60_000_000_000  # nanoseconds from a question to its `valid_until`; for records that lack `asked_at`
ABOUT_ONESELF: Final = "ABOUT_ONESELF"  # the reason of a question that no rule decides


def request_of(record: AccessRecord, *, supposing: bool = False) -> Request:
    """Return the question. A name that was unknown is its digest now, and just as unknown.

    How the employee signed in is recorded where the policy asked for it; `supposing` takes it as right where it is not.
    """
    sign_in = SignIn(record.acr, record.authenticated_at, record.token_issued_at, record.session_pause_ns)
    names = tuple(field.name for field in record.fields)
    return Request(
        employee=EmployeeKey(record.issuer, record.employee),
        tool=record.tool,
        resource=record.resource,
        fields=() if names == (record.resource,) else names,  # a class, or Munjigi's own: asked for as a whole
        action=record.action,
        purpose=record.purpose,
        case_id=record.case_id,
        subjects=record.subject_count,
        ip=record.ip,
        probe=record.probe,
        allow_partial=record.partial,
        sign_in=None if supposing and sign_in == SignIn() else sign_in,
    )


def asked_at(record: AccessRecord) -> int:
    """Return the time that the question was decided for: UTC nanoseconds."""
    return record.asked_at or (record.valid_until - _VALIDITY if record.valid_until else record.time)


def differences(record: AccessRecord, decision: Decision) -> tuple[str, ...]:
    """Name the parts of a record that a decision does not repeat; none when it is the recorded one."""
    fields = tuple((each.name, each.effect, each.mask, each.reason, each.rule, each.grants) for each in record.fields)
    again = tuple((each.name, each.effect.value, each.mask, each.reason, each.rule, each.grants) for each in decision.fields)
    pairs = {
        "decision": (record.decision, "ALLOW" if decision.allow else "DENY"),
        "reason": (record.reason, decision.reason),
        "fields": (fields, again),
        "rule": (record.rule, decision.rule),
        "role_path": (record.role_path, decision.role_path),
        "policy_revision": (record.policy_revision, decision.policy_revision),
        "grant_revision": (record.grant_revision, decision.grant_revision),
    }
    return tuple(name for name, (recorded, repeated) in pairs.items() if recorded != repeated)
