"""Decision tables that the security team writes: tests/*.yaml. Read here; decided by whoever is handed to `run_tables`.

    tests:
      - name: an agent sees masked contacts
        employee: cs.kim
        department: customer-service        # optional, as are principal_type (employee) and facts
        facts: [pledge, training]
        grants:                             # from and until optional; default: in force at `at`
          - {role: cs_agent, purpose: inquiry, from: 2026-01-01T00:00:00Z, until: 2026-12-31T00:00:00Z}
        when: {resource: crm.member, fields: [name], action: read, purpose: inquiry, case_id: CS-2026-000123,
               tool: crm-desk, subjects: 1, ip: 10.1.2.3, at: 2026-06-01T09:00:00Z}
        then: {decision: ALLOW, reason: GRANTED, fields: {name: partial}}

`when` may also say how the employee signed in: `acr`, `signed_in` and `token_issued` (times; default: at `at`).
`then.reason` and `then.fields` are compared where given; `fields` maps a name to clear, denied or a mask.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, NamedTuple, get_args

from munjigi.kernel.clock import SECOND
from munjigi.kernel.errors import MunjigiError
from munjigi.kernel.grant import PrincipalType, Scope
from munjigi.kernel.identity import SignIn
from munjigi.policy.findings import Findings, decode
from munjigi.policy.types import PolicyBundle, Problem
from munjigi.policy.yaml_file import Fields, Node, read_yaml

Verdict = Literal["ALLOW", "DENY"]
DEFAULT_AT: Final = "2026-06-01T00:00:00Z"
_DAY: Final = 86_400 * SECOND
_MAX_CASES: Final = 10_000
_MAX_SUBJECTS: Final = 1_000_000_000
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z\Z")


class TableGrant(NamedTuple):
    """A grant that a case gives; times are UTC nanoseconds, half-open."""

    role: str
    purpose: str
    starts_at: int
    ends_at: int
    scope: Scope | None


class TableRequest(NamedTuple):
    """What is asked in a case. `at` is UTC nanoseconds; `subjects` counts members, 0 if not known."""

    resource: str
    fields: tuple[str, ...]
    action: str
    purpose: str
    case_id: str
    tool: str
    subjects: int
    ip: str
    probe: bool
    allow_partial: bool
    at: int
    sign_in: SignIn


@dataclass(frozen=True, slots=True)
class TableCase:
    """One case: who asks with which grants and facts, what is asked, what must be answered, and where it stands."""

    name: str
    employee: str
    principal_type: PrincipalType
    department: str
    facts: tuple[str, ...]
    grants: tuple[TableGrant, ...]
    request: TableRequest
    decision: Verdict
    reason: str
    fields: Mapping[str, str]
    file: str
    line: int


class TableOutcome(NamedTuple):
    """What the core answered to a case: per field `clear`, `denied` or the mask's name."""

    decision: Verdict
    reason: str
    fields: Mapping[str, str]


Evaluate = Callable[[PolicyBundle, TableCase], TableOutcome]


def run_tables(bundle: PolicyBundle, evaluate: Evaluate) -> tuple[tuple[Problem, ...], int]:
    """Decide every case of a bundle's tests/*.yaml; return a problem for each that fails, and how many ran."""
    findings = Findings()
    cases = cases_of(bundle, findings)
    for case in cases:
        difference = _difference(bundle, case, evaluate)
        if difference:
            findings.error(case.file, case.line, 0, "TEST_FAILED", f"{case.name}: {difference}")
    return findings.all(), len(cases)


def cases_of(bundle: PolicyBundle, findings: Findings) -> tuple[TableCase, ...]:
    """Return every case of a bundle's tests/*.yaml, by file and place in it."""
    cases: list[TableCase] = []
    for path in sorted(bundle.files):
        text = decode(path, bundle.files[path], findings) if path.startswith("tests/") else None
        if text is not None:
            cases += read_tables(path, text, findings)
    return tuple(cases)


def _difference(bundle: PolicyBundle, case: TableCase, evaluate: Evaluate) -> str:
    try:
        outcome = evaluate(bundle, case)
    except MunjigiError as error:
        return f"could not be decided ({error.reason})."
    if outcome.decision != case.decision or (case.reason and outcome.reason != case.reason):
        wanted = f"{case.decision} {case.reason}".strip()
        return f"expected {wanted}, got {outcome.decision} {outcome.reason}."
    for name, effect in case.fields.items():
        got = outcome.fields.get(name, "not answered")
        if got != effect:
            return f"expected field {name} {effect}, got {got}."
    return ""


def read_tables(file: str, text: str, findings: Findings) -> tuple[TableCase, ...]:
    """Return the cases of one file as far as they are right; the rest is reported."""
    root = read_yaml(file, text, findings)
    if root is None:
        return ()
    top = Fields(file, root, findings)
    cases = [_read_case(file, node, findings) for node in top.sequence("tests", required=True, most=_MAX_CASES)]
    top.finish()
    names: dict[str, int] = {}
    for case in cases:
        if case.name in names:
            findings.error(
                file,
                case.line,
                0,
                "TEST_NAME_TWICE",
                f"The test at line {names[case.name]} has this name too; give each its own.",
            )
        names.setdefault(case.name, case.line)
    return tuple(cases)


def _read_case(file: str, node: Node, findings: Findings) -> TableCase:
    case = Fields(file, node, findings)
    request = _read_request(Fields(file, case.mapping("when"), findings))
    grants = tuple(_read_grant(Fields(file, each, findings), request.at) for each in case.sequence("grants"))
    then = Fields(file, case.mapping("then"), findings)
    effects = Fields(file, then.mapping("fields", required=False), findings)
    found = TableCase(
        name=case.text("name"),
        employee=case.text("employee"),
        principal_type=_principal_type(case.choice("principal_type", get_args(PrincipalType), default="employee")),
        department=case.text("department", default=""),
        facts=case.texts("facts"),
        grants=grants,
        request=request,
        decision="ALLOW" if then.choice("decision", ("DENY", "ALLOW")) == "ALLOW" else "DENY",
        reason=then.text("reason", default=""),
        fields={name: effects.text(name) for name in effects.names()},
        file=file,
        line=node.line,
    )
    case.finish()
    then.finish()
    return found


def _principal_type(text: str) -> PrincipalType:
    for known in get_args(PrincipalType):
        if known == text:
            found: PrincipalType = known
            return found
    return "employee"


def _read_request(when: Fields) -> TableRequest:
    at = _time(when, "at", _nanoseconds(DEFAULT_AT))
    found = TableRequest(
        resource=when.text("resource"),
        fields=when.texts("fields"),
        action=when.text("action", default="read"),
        purpose=when.text("purpose"),
        case_id=when.text("case_id", default=""),
        tool=when.text("tool"),
        subjects=when.number("subjects", _MAX_SUBJECTS, default=1),
        ip=when.text("ip", default="127.0.0.1"),
        probe=when.flag("probe"),
        allow_partial=when.flag("allow_partial"),
        at=at,
        sign_in=SignIn(when.text("acr", default=""), _time(when, "signed_in", at), _time(when, "token_issued", at)),
    )
    when.finish()
    return found


def _read_grant(grant: Fields, at: int) -> TableGrant:
    objects, actions = grant.texts("objects"), grant.texts("actions")
    found = TableGrant(
        role=grant.text("role"),
        purpose=grant.text("purpose"),
        starts_at=_time(grant, "from", at - _DAY),
        ends_at=_time(grant, "until", at + _DAY),
        scope=Scope(objects, actions) if objects or actions else None,
    )
    grant.finish()
    return found


def _time(fields: Fields, key: str, default: int) -> int:
    text = fields.text(key, default="")
    if not text:
        return default
    if _TIME.match(text):
        try:
            return _nanoseconds(text)
        except ValueError:
            pass
    fields.error(key, "TIME_INVALID", f"`{key}` must be a time in UTC like {DEFAULT_AT}.")
    return default


def _nanoseconds(text: str) -> int:
    whole, _, fraction = text.removesuffix("Z").partition(".")
    return int(datetime.fromisoformat(f"{whole}+00:00").timestamp()) * SECOND + int(fraction.ljust(9, "0") or 0)
