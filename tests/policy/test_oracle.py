"""pycasbin, fed our parsed rows and the shipped model, agrees with the plain reading of the matcher."""

from __future__ import annotations

import random
from pathlib import Path

import casbin
import pytest
from effort import EFFORT

from munjigi.policy.compile import compile_bundle
from munjigi.policy.csvfile import Row, read_rows
from munjigi.policy.findings import Findings
from munjigi.policy.hierarchy import MAX_CHAIN
from munjigi.policy.types import PolicyBundle

HOME = Path(__file__).parents[2] / "policies"
SAMPLE = {str(path.relative_to(HOME)): path.read_bytes() for path in HOME.rglob("*") if path.is_file()}
ROLES = ("cs_agent", "cs_manager", "marketing_analyst", "fraud_analyst")
OBJECTS = (
    "crm.member.name",
    "crm.member.phone",
    "crm.inquiry.body",
    "crm.inquiry.*",
    "crm.payment.*",
    "class:contact",
    "class:identity",
)
TARGETS = (*OBJECTS, "crm.dormant_member.phone", "crm.payment.amount", "munjigi.audit")
ACTS, PURPOSES = ("read", "export"), ("inquiry", "marketing")


def parsed(lines: list[str]) -> tuple[PolicyBundle, list[Row]]:
    kept = [line for line in SAMPLE["policy.csv"].decode().split("\n") if line.startswith("g2")]
    text = "\n".join((*kept, *lines))
    bundle, problems = compile_bundle(SAMPLE | {"policy.csv": text.encode()}, "oracle")
    assert bundle is not None, problems
    return bundle, read_rows("policy.csv", text, Findings())


def enforcer(rows: list[Row]) -> casbin.Enforcer:
    found = casbin.Enforcer(str(HOME / "model.conf"))
    for row in rows:
        ptype, *rest = row.cells
        if ptype == "p":
            found.add_named_policy(ptype, rest)
        else:
            found.add_named_grouping_policy(ptype, rest)
    return found


def plain(bundle: PolicyBundle, held: str, obj: str, act: str, purpose: str) -> bool:
    """Walk the closure, the objects of the target, and the rules; any deny wins."""
    roles = {each.role for each in bundle.closure[held]}
    objects = bundle.objects.get(obj, (obj,))
    effects = [
        rule.allow
        for where in objects
        for action in (act, "*")
        for reason in (purpose, "*")
        for sub, rules in bundle.index.get((where, action, reason), {}).items()
        if sub in roles
        for rule in rules
    ]
    return bool(effects) and all(effects)


def random_lines(rnd: random.Random) -> list[str]:
    lines = {
        f"g, {ROLES[one]}, {ROLES[other]}"
        for one, other in rnd.sample([(0, 1), (0, 2), (1, 2), (1, 3), (2, 3)], rnd.randint(0, 3))
    }
    for _ in range(rnd.randint(1, 12)):
        sub, obj, act = rnd.choice(ROLES), rnd.choice(OBJECTS), rnd.choice((*ACTS, "*"))
        deny = rnd.random() < 0.25
        purpose = rnd.choice((*PURPOSES, "*") if deny else PURPOSES)
        lines.add(f"p, {sub}, {obj}, {act}, {purpose}, True, {'deny,' if deny else 'allow, clear'}")
    lines.add("p, cs_agent, munjigi.audit, read, inquiry, True, allow, clear")
    return sorted(lines, key=lambda _: rnd.random())


@pytest.mark.parametrize("seed", range(20 * EFFORT))
def test_pycasbin_agrees_on_random_policies(seed: int) -> None:
    rnd = random.Random(seed)
    bundle, rows = parsed(random_lines(rnd))
    oracle = enforcer(rows)
    for _ in range(120):
        held, obj, act, purpose = rnd.choice(ROLES), rnd.choice(TARGETS), rnd.choice(ACTS), rnd.choice(PURPOSES)
        oracle.add_named_grouping_policy("g", "somebody", held)
        expected = oracle.enforce("somebody", obj, act, purpose, {})
        oracle.remove_named_grouping_policy("g", "somebody", held)
        if obj in bundle.objects:  # `database.table.*` is no target here; Casbin would take it as a plain object
            assert plain(bundle, held, obj, act, purpose) is expected, (seed, held, obj, act, purpose)


def test_casbins_own_file_reader_reads_the_shipped_policy_as_we_do() -> None:
    oracle = casbin.Enforcer(str(HOME / "model.conf"), str(HOME / "policy.csv"))
    rows = read_rows("policy.csv", SAMPLE["policy.csv"].decode(), Findings())
    for ptype in ("p", "g", "g2"):
        read = oracle.get_model().get_policy(ptype[0], ptype)
        assert read == [list(row.cells[1:]) for row in rows if row.cells[0] == ptype]


@pytest.mark.parametrize(("links", "expected"), [(MAX_CHAIN, True), (MAX_CHAIN + 1, False)])
def test_casbin_follows_as_many_role_links_as_we_accept(links: int, expected: bool) -> None:
    oracle = casbin.Enforcer(str(HOME / "model.conf"))
    oracle.add_named_policy("p", [f"r{links}", "x", "read", "why", "True", "allow", "clear"])
    oracle.add_named_grouping_policies("g", [["somebody", "r0"], *([f"r{number}", f"r{number + 1}"] for number in range(links))])
    assert oracle.enforce("somebody", "x", "read", "why", {}) is expected
