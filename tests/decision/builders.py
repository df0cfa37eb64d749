"""Small bundles, built from the documented meaning of `PolicyBundle` and not with the compiler."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from munjigi.decision.grant_table import GrantTable
from munjigi.decision.snapshot import Snapshot
from munjigi.decision.types import Request
from munjigi.kernel.grant import Fact, Grant, Person, Scope
from munjigi.kernel.identity import EmployeeKey
from munjigi.policy.conditions import translate
from munjigi.policy.signin import SessionLimit, SignInDemand
from munjigi.policy.types import (
    OWN_RESOURCES,
    Catalog,
    Condition,
    PolicyBundle,
    Purpose,
    Role,
    RolePath,
    Rule,
    Stage,
    Table,
    Tool,
)

ISSUER = "https://issuer.test"
KIM = EmployeeKey(ISSUER, "cs.kim")
NOW = 1_800_000_000_000_000_000
DAY = 86_400_000_000_000
TABLES = {"crm.member": ("serial", "name", "phone", "memo"), "crm.payment": ("amount", "card")}
CLASSES = {
    "crm.member.serial": ("key",),
    "crm.member.name": ("identity",),
    "crm.member.phone": ("contact", "identity"),
    "crm.payment.amount": ("key",),
    "crm.payment.card": ("payment",),
}
MASKS = {
    "key": ("token", "clear"),
    "identity": ("null", "partial", "clear"),
    "contact": ("null", "partial", "clear"),
    "payment": ("null", "clear"),
}
RANKS = {"null": 0, "token": 1, "partial": 2, "clear": 3}
PURPOSES = ("inquiry", "marketing", "oversight")


class P(NamedTuple):
    """A `p` line. `on` is its condition; None is `True`. `cond` is one in the policy's own words."""

    sub: str
    obj: str
    act: str = "read"
    purpose: str = "inquiry"
    mask: str = "clear"
    allow: bool = True
    on: Condition | None = None
    cond: str = "True"


def purpose(name: str, **changes: Any) -> Purpose:
    values: dict[str, Any] = {
        "name": name,
        "title": name,
        "legal_basis": "consent",
        "impact_assessment": "",
        "impact_stage": "",
        "case_pattern": "",
        "case_required": False,
        "case_example": "",
        "retention_days": 30,
        "matches_case": lambda _: False,
    }
    return Purpose(**{**values, **changes})


def tool(name: str, **changes: Any) -> Tool:
    values: dict[str, Any] = {
        "name": name,
        "title": name,
        "certificate_uri": "",
        "token_subject": name,
        "purposes": frozenset(("*",)),
        "actions": frozenset(("*",)),
        "sign_in_clients": frozenset(),
        "asserts_origin": True,
        "confirm": "exempt",
        "checks_per_second": 0,
        "max_subjects": 100,
    }
    return Tool(**{**values, **changes})


def role(
    name: str,
    owners: tuple[str, ...] = ("cs.lee",),
    requires: tuple[str, ...] = (),
    session: SessionLimit | None = None,
) -> Role:
    return Role(name, name, owners, (Stage("owner"),), 365, "quarterly", requires, 0, session=session)


def close(roles: Iterable[str], links: Iterable[tuple[str, str]]) -> dict[str, tuple[RolePath, ...]]:
    """Every role reachable over `links`, nearest first."""
    below: dict[str, list[str]] = {}
    for one, other in links:
        below.setdefault(one, []).append(other)
    closure = {}
    for start in roles:
        found = {start: RolePath(start, (start,))}
        queue = [start]
        for at in queue:
            for other in below.get(at, ()):
                if other not in found:
                    found[other] = RolePath(other, (*found[at].path, other))
                    queue.append(other)
        closure[start] = tuple(found[each] for each in queue)
    return closure


def make_bundle(
    lines: Iterable[P],
    links: Iterable[tuple[str, str]] = (),
    roles: Iterable[Role] = (),
    tools: Iterable[Tool] = (),
    purposes: Iterable[Purpose] = (),
    tables: Mapping[str, tuple[str, ...]] = TABLES,
    classes: Mapping[str, tuple[str, ...]] = CLASSES,
    masks: Mapping[str, tuple[str, ...]] = MASKS,
    ranks: Mapping[str, int] = RANKS,
    sign_in: Mapping[str, SignInDemand] | None = None,
) -> PolicyBundle:
    lines, links = list(lines), list(links)
    rules = tuple(
        Rule(
            line.sub,
            line.obj,
            line.act,
            line.purpose,
            line.cond if line.on is None else "cond",
            line.on or translate(line.cond, allow=line.allow),
            line.allow,
            line.mask if line.allow else "",
            "policy.csv",
            number,
        )
        for number, line in enumerate(lines, 1)
    )
    named = {each.name: each for each in roles}
    for name in [rule.sub for rule in rules] + [each for link in links for each in link]:
        named.setdefault(name, role(name))
    index: dict[tuple[str, str, str], dict[str, tuple[Rule, ...]]] = {}
    for rule in rules:
        bucket = index.setdefault((rule.obj, rule.act, rule.purpose), {})
        bucket[rule.sub] = (*bucket.get(rule.sub, ()), rule)
    objects: dict[str, tuple[str, ...]] = {name: (name,) for name in (*OWN_RESOURCES, *(f"class:{each}" for each in masks))}
    for table, columns in tables.items():
        for column in columns:
            target = f"{table}.{column}"
            of = tuple(f"class:{each}" for each in classes.get(target, ()))
            objects[target] = (target, f"{table}.*", f"{table.split('.')[0]}.*", *of)
    catalog = Catalog(
        {name: Table(name, "public", name, columns[0], "integer", columns, name) for name, columns in tables.items()},
        masks,
        ranks,
        sign_in or {},
    )
    return PolicyBundle(
        revision=hashlib.sha256(repr([rule[:5] + rule[6:] for rule in rules]).encode()).hexdigest(),
        source="test",
        files={},
        catalog=catalog,
        roles=named,
        purposes={each.name: each for each in (*(purpose(name) for name in PURPOSES), *purposes)},
        tools={each.name: each for each in (tool("desk"), *tools)},
        rules=rules,
        closure=close(named, links),
        classes=dict(classes),
        objects=objects,
        index=index,
        problems=(),
        memo={},
    )


def grant(
    grant_id: str, role: str, purpose: str = "inquiry", employee: EmployeeKey = KIM, scope: Scope | None = None, **times: int
) -> Grant:
    return Grant(
        grant_id, employee, role, purpose, times.get("starts_at", NOW - DAY), times.get("ends_at", NOW + DAY), ("cs.lee",), scope
    )


def person(*facts: str, kind: Any = "employee", employee: EmployeeKey = KIM, department: str = "service") -> Person:
    held = tuple(Fact(fact, NOW - DAY, NOW + DAY, "hr") for fact in facts)
    return Person(f"person-{employee.subject}", kind, department, (employee,), held)


def snapshot(bundle: PolicyBundle, *grants: Grant, people: Iterable[Person] = (), revision: int = 7) -> Snapshot:
    return Snapshot(bundle, GrantTable.build(grants, people, revision))


def ask(*fields: str, resource: str = "crm.member", **changes: Any) -> Request:
    values: dict[str, Any] = {
        "employee": KIM,
        "tool": "desk",
        "action": "read",
        "purpose": "inquiry",
        "subjects": 1,
        "ip": "10.1.2.3",
    }
    return Request(resource=resource, fields=fields, **{**values, **changes})
