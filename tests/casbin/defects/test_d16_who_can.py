"""D16: who-can takes pycasbin 2.4 s for 200 rules and 2,000 users. Ours asks the indexes that decide, and its cost is a page's."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from decision.builders import NOW, grant, person, snapshot

from munjigi.decision.core import decide
from munjigi.decision.types import Request
from munjigi.decision.whocan import Question, who_can
from munjigi.kernel.identity import EmployeeKey
from munjigi.policy.compile import compile_bundle

HOME = Path(__file__).parents[3] / "policies"
QUESTION = Question("crm-desk", "crm.member", ("name",), "read", "inquiry")
PAGE = 100


def company(people):
    """Return a snapshot of that many employees, one in three of them an agent."""
    files = {str(path.relative_to(HOME)): path.read_bytes() for path in HOME.rglob("*") if path.is_file()}
    bundle, _ = compile_bundle(files, "test")
    roles = ("cs_agent", "marketing_analyst", "fraud_analyst")
    employees = [EmployeeKey("https://issuer.test", f"e{number:06}") for number in range(people)]
    grants = [grant(f"g{number}", roles[number % 3], "inquiry", employee) for number, employee in enumerate(employees)]
    return snapshot(bundle, *grants, people=[person("pledge", "training", employee=employee) for employee in employees])


def cost(found_in):
    """Return how many functions a first page calls: the same on any machine; bench/ has the time."""
    called = 0

    def count(*_):
        nonlocal called
        called += 1

    sys.setprofile(count)
    try:
        page = who_can(found_in, QUESTION, NOW, None, PAGE)
    finally:
        sys.setprofile(None)
    assert len(page.holders) == PAGE
    return called


@pytest.mark.no_cover  # the tracer's time is not ours
def test_d16_the_first_page_costs_the_same_at_a_hundred_times_the_people():
    small, large = company(500), company(50_000)
    assert cost(large) < 2 * cost(small)


def test_d16_who_can_is_what_decide_says():
    found_in = company(60)
    can = {each.employee.subject for each in who_can(found_in, QUESTION, NOW, None, 1_000).holders}
    asked = {
        f"e{number:06}"
        for number in range(60)
        if decide(
            found_in,
            Request(
                EmployeeKey("https://issuer.test", f"e{number:06}"),
                "crm-desk",
                "crm.member",
                ("name",),
                "read",
                "inquiry",
                case_id="CS-2026-000123",
                subjects=1,
            ),
            NOW,
        ).allow
    }
    assert can == asked
    assert can
