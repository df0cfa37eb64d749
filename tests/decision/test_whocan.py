"""Who can is what the core would answer to each employee: no more, no less, page by page."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from decision.builders import DAY, NOW, P, ask, grant, make_bundle, person, role, snapshot
from decision.worlds import OBJECTS, ROLES, make_world

from munjigi.decision import whocan
from munjigi.decision.core import decide
from munjigi.decision.grant_table import GrantTable
from munjigi.decision.snapshot import Snapshot
from munjigi.decision.types import Request
from munjigi.decision.whocan import Question, who_can
from munjigi.kernel.grant import Fact, Person, Scope
from munjigi.kernel.identity import EmployeeKey
from munjigi.policy.compile import compile_bundle
from munjigi.policy.types import DATA_ACTIONS

HOME = Path(__file__).resolve().parents[2] / "policies"
ALL = 1 << 30


def everyone(found_in, question, now=NOW, limit=ALL):
    """Every page, joined."""
    after, found = None, []
    while True:
        page = who_can(found_in, question, now, after, limit)
        assert len(page.holders) <= limit
        found += page.holders
        if page.last is None:
            return found
        assert after is None or page.last > after
        after = page.last


def crowd(rng, count=40):
    """Employees with up to three grants, some over, some narrowed, some to come."""
    employees = [EmployeeKey(rng.choice(("a", "b")), f"e{number}") for number in range(count)]
    grants = []
    for number, employee in enumerate(employees):
        for at in range(rng.randint(0, 3)):
            scope = Scope(tuple(rng.sample(OBJECTS, 2)), rng.choice(((), ("read",)))) if rng.random() < 0.3 else None
            start = NOW + rng.choice((-DAY, -DAY, -DAY, 0, 1))
            why = rng.choice(("inquiry", "inquiry", "marketing"))
            grants.append(
                grant(
                    f"g{number}-{at}",
                    rng.choice(ROLES),
                    why,
                    employee,
                    scope,
                    starts_at=start,
                    ends_at=start + rng.choice((1, DAY, 2 * DAY)),
                )
            )
    return employees, grants


@pytest.mark.parametrize("seed", range(60))
def test_p4_the_employees_who_can_are_those_whom_the_core_allows(seed):
    rng = random.Random(seed)
    world = make_world(seed)
    employees, grants = crowd(rng)
    found_in = snapshot(world.bundle, *grants)
    for asked in world.requests:
        question = Question(asked.tool, asked.resource, asked.fields, asked.action, asked.purpose, asked.allow_partial)
        expected = {}
        for employee in employees:
            decision = decide(found_in, asked._replace(employee=employee), NOW)
            if decision.allow:
                expected[employee] = decision
        found = everyone(found_in, question, limit=rng.choice((1, 3, ALL)))
        assert [each.employee for each in found] == sorted(expected)
        assert {each.employee: each.decision for each in found} == expected
        assert not any(each.conditional for each in found)


CONDITIONS = (
    "r.ctx.device",
    "r.ctx.principal_type == 'employee'",
    "r.ctx.department in ('fraud', 'service')",
    "r.ctx.tool == 'crm-desk'",
    "r.ctx.hour >= 9 and r.ctx.hour < 18",
    "ipMatch(r.ctx.ip, '10.0.0.0/8')",
    "r.ctx.subjects <= 10",
    "r.ctx.subjects > 10 and r.ctx.device",
)


@pytest.mark.parametrize("seed", range(25))
def test_p4_with_conditions_an_answer_is_exact_or_says_that_address_or_members_decide(seed):
    rng = random.Random(seed)
    files = {path.relative_to(HOME).as_posix(): path.read_bytes() for path in HOME.glob("*.*")}
    keep = [line for line in files["policy.csv"].decode().splitlines() if not line.startswith("p,") or "munjigi." in line]
    roles = ("cs_agent", "cs_manager", "marketing_analyst")
    for _ in range(14):
        obj = rng.choice(("class:contact", "class:identity", "crm.member.name", "crm.member.phone"))
        allow = rng.random() < 0.8
        tail = f"allow, {rng.choice(('clear', 'null'))}" if allow else "deny, "
        keep.append(f'p, {rng.choice(roles)}, {obj}, read, inquiry, "{rng.choice(CONDITIONS)}", {tail}')
    files["policy.csv"] = "\n".join(keep).encode()
    bundle, problems = compile_bundle(files, "test")
    assert bundle is not None, problems
    employees, people, grants = [], [], []
    for number in range(25):
        employee = EmployeeKey("a", f"e{number}")
        facts = tuple(Fact(kind, NOW - DAY, NOW + DAY, "hr") for kind in ("pledge", "training", "device") if rng.random() < 0.8)
        kind = rng.choice(("employee", "employee", "contractor"))
        people.append(Person(f"p{number}", kind, rng.choice(("service", "fraud", "sales")), (employee,), facts))
        grants += [grant(f"g{number}-{each}", each, employee=employee) for each in roles if rng.random() < 0.5]
        employees.append(employee)
    found_in = Snapshot(bundle, GrantTable.build(grants, people, 1))
    compared = 0
    for fields in (("name",), ("phone",), ("name", "phone")):
        holders = {
            each.employee: each for each in everyone(found_in, Question("crm-desk", "crm.member", fields, "read", "inquiry"))
        }
        for employee in employees:
            for ip in ("10.1.1.1", "192.0.2.1"):
                for subjects in (1, 500):
                    asked = Request(employee, "crm-desk", "crm.member", fields, "read", "inquiry", "CS-2026-000123", subjects, ip)
                    decision = decide(found_in, asked, NOW)
                    holder = holders.get(employee)
                    assert holder is not None or not decision.allow
                    if holder is not None and not holder.conditional:
                        assert holder.decision == decision
                        compared += 1
    assert compared or not holders


def test_who_misses_a_requirement_cannot_and_a_condition_on_the_place_is_marked():
    ip = P("r0", "crm.member.name", on=lambda *asked: asked[-1].ip == "10.0.0.1")
    bundle = make_bundle([P("r0", "crm.member.phone"), ip], roles=[role("r0", requires=("pledge",))])
    pledged, other = EmployeeKey("a", "one"), EmployeeKey("a", "two")
    grants = [grant("g1", "r0", employee=pledged), grant("g2", "r0", employee=other)]
    found_in = snapshot(bundle, *grants, people=[person("pledge", employee=pledged), person(employee=other)])
    (holder,) = everyone(found_in, Question("desk", "crm.member", ("phone",), "read", "inquiry"))
    assert (holder.employee, holder.conditional, holder.person.department) == (pledged, False, "service")
    assert holder.decision.role_path == ("g1", "r0")
    (holder,) = everyone(found_in, Question("desk", "crm.member", ("name",), "read", "inquiry"))
    assert holder.conditional


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"tool": "no-tool"}, "TOOL_UNKNOWN"),
        ({"resource": "crm.nothing"}, "RESOURCE_UNKNOWN"),
        ({"fields": ("nothing",)}, "FIELD_UNKNOWN"),
        ({"resource": "class:contact", "fields": ("phone",)}, "FIELD_UNKNOWN"),
        ({"action": "peek"}, "ACTION_UNKNOWN"),
        ({"purpose": "curiosity"}, "PURPOSE_UNKNOWN"),
    ],
)
def test_p3_for_an_unknown_name_nobody_can_and_it_says_why(change, reason):
    found_in = snapshot(make_bundle([P("r0", "crm.member.*")]), grant("g", "r0"))
    question = Question("desk", "crm.member", ("phone",), "read", "inquiry")
    assert everyone(found_in, question)
    page = who_can(found_in, question._replace(**change), NOW, None, 10)
    assert (page.holders, page.last, page.reason) == ((), None, reason)
    assert page.help
    asked = ask(*change.get("fields", ("phone",)), **{name: each for name, each in change.items() if name != "fields"})
    assert decide(found_in, asked, NOW).reason == reason


def test_a_page_ends_after_so_many_who_drop_out(monkeypatch):
    monkeypatch.setattr(whocan, "MOST_LOOKED_AT", 5)
    bundle = make_bundle([P("r0", "crm.member.phone")])
    over = [grant(f"g{number:03}", "r0", employee=EmployeeKey("a", f"e{number:03}"), ends_at=NOW) for number in range(20)]
    last = grant("g999", "r0", employee=EmployeeKey("a", "e999"))
    found_in = snapshot(bundle, *over, last)
    question = Question("desk", "crm.member", ("phone",), "read", "inquiry")
    assert who_can(found_in, question, NOW, None, 10) == ((), EmployeeKey("a", "e004"), "", "")
    assert [each.employee.subject for each in everyone(found_in, question, limit=10)] == ["e999"]


def test_the_shipped_policy_names_the_people_of_each_action():
    files = {path.relative_to(HOME).as_posix(): path.read_bytes() for path in HOME.glob("*.*")}
    bundle, _ = compile_bundle(files, "test")
    facts = tuple(Fact(kind, NOW - DAY, NOW + DAY, "hr") for kind in ("pledge", "training", "device"))
    agent, manager = EmployeeKey("a", "agent"), EmployeeKey("a", "manager")
    people = [Person(each.subject, "employee", "service", (each,), facts) for each in (agent, manager)]
    table = GrantTable.build([grant("g1", "cs_agent", employee=agent), grant("g2", "cs_manager", employee=manager)], people, 1)
    reach = {}
    for action in DATA_ACTIONS:
        found = everyone(Snapshot(bundle, table), Question("crm-desk", "crm.member", ("phone",), action, "inquiry"))
        reach[action] = [(each.employee.subject, each.decision.fields[0].effect.value, each.conditional) for each in found]
    assert reach["read"] == [("agent", "masked", False), ("manager", "clear", False)]
    assert reach["reveal"] == [("manager", "clear", False)]
    assert reach["delete"] == []
