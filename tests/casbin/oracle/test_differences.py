"""Each intended difference, by its id: what pycasbin does, what we do. docs/casbin.md lists the same ids."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from defects.support import ALLOW, DENY, model
from differences import DIFFERENCES, Meeting, explain
from oracle.compare import silent
from oracle.ours import Ours, Refused
from oracle.theirs import Theirs
from oracle.worlds import World

from munjigi.decision.casbin import Engine
from munjigi.decision.casbin.engine import Context
from munjigi.kernel.errors import InvalidArgument
from munjigi.policy.casbin.load import load

DOCUMENT = Path(__file__).parents[3] / "docs" / "casbin.md"
GOOD = "p, alice, data1, read\n"
ASK = ("alice", "data1", "read")
EQUAL = "r.sub == p.sub && r.obj == p.obj && r.act == p.act"
BOUNDED = model(g=("g = _, _, (_, _)",))
MIXED = model("g(r.sub, p.sub) && g2(r.obj, p.obj)", g=("g = _, _", "g2 = _, _, (_, _)"))
SECOND = f"""[request_definition]
r = sub, obj, act
r2 = sub, obj, act
[policy_definition]
p = sub, obj, act
p2 = sub, obj, act
[policy_effect]
e = {ALLOW}
e2 = {DENY}
[matchers]
m = {EQUAL}
m2 = {EQUAL.replace("r.", "r2.").replace("p.", "p2.")}
"""
# `{}`: the matcher that names both; the other one is about `r` and `p`.
MIXING = f"""[request_definition]
r = sub, obj, act
r2 = sub
[policy_definition]
p = sub, obj, act
[policy_effect]
e = {ALLOW}
[matchers]
{{}} = {EQUAL} || r2.sub == p.sub
"""
PAST = "2001-01-01 00:00:00, 2002-01-01 00:00:00"
# id, model, policy, request, their verdict, ours, suffix
CASES = [
    ("D3", BOUNDED, f"p, staff, data1, read\ng, alice, staff, {PAST}\n", ASK, "allow", "deny", ""),
    ("D3", BOUNDED, f"p, staff, data1, read\ng, alice, staff, _, _\ng, alice, staff, {PAST}\n", ASK, "allow", "allow", ""),
    ("D4", MIXED, "p, staff, books, read\ng, alice, staff\ng2, data1, books, _, _\n", ASK, "deny", "allow", ""),
    ("D5", model(), f"{GOOD}P, alice, data1, read\n", ASK, "allow", "refused", ""),
    (
        "D5",
        model(p="sub, obj, act, eft"),
        "p, alice, data1, read, allow\np, bob, data1, read, Allow\n",
        ASK,
        "allow",
        "refused",
        "",
    ),
    ("D6", model(), f"p, bob\n{GOOD}", ASK, "error", "refused", ""),
    ("D7", model(), 'p, "alice", data1, read\n', ASK, "deny", "allow", ""),
    ("D7", model(), f"{GOOD}p, bob), data1, read\n", ASK, "refused", "refused", ""),
    ("D7", model(), f"{GOOD}p, (bob, data1, read\n", ASK, "allow", "refused", ""),
    ("D12", model("regexMatch(r.sub, p.sub)"), "p, (?=a)alice, x, y\n", ASK, "allow", "refused", ""),
    ("D12", model("regexMatch(r.sub, p.sub)"), "p, *, x, y\n", ASK, "error", "refused", ""),
    ("E1", model("r.sub == p.sub || r.nobody == 'x'"), GOOD, ASK, "allow", "refused", ""),
    ("E1", model("r.sub == p.sub || nope(r.sub)"), GOOD, ASK, "allow", "refused", ""),
    ("E1", model("eval(p.sub)"), "p, True || nope(r.sub), x, y\n", ASK, "allow", "refused", ""),
    ("E2", model("r.sub==p.sub&&r.obj==p.obj", g=()), GOOD, ASK, "error", "allow", ""),
    ("E3", model("r.sub == 'a!b'", g=()), GOOD, ("a!b", "x", "y"), "deny", "allow", ""),
    ("E3", model("r.sub == 'p.x'", g=()), GOOD, ("p.x", "x", "y"), "deny", "allow", ""),
    ("E5", model("r.sub.upper() == 'ALICE'", g=()), GOOD, ASK, "allow", "refused", ""),
    ("E5", model("r.sub[0] == 'a'", g=()), GOOD, ASK, "allow", "refused", ""),
    ("E5", model("2 ** 3 == 8", g=()), GOOD, ASK, "allow", "refused", ""),
    ("E5", model("r.sub is not None", g=()), GOOD, ASK, "allow", "refused", ""),
    ("E5", model("[x for x in (1, 2)] == [1, 2]", g=()), GOOD, ASK, "allow", "refused", ""),
    ("E5", model("r.sub == 'bob' if False else True", g=()), GOOD, ASK, "allow", "refused", ""),
    ("D12", model("regexMatch(r.sub, r.obj)", g=()), GOOD, ("alice", "\\balice", "x"), "allow", "error", ""),
    ("E7", model("'*' % r.sub == '*'", g=()), GOOD, ({"Name": "alice"}, "data1", "read"), "allow", "error", ""),
    ("E7", model("r.obj % r.sub == r.obj", g=()), GOOD, (["alice"], "data1", "read"), "allow", "error", ""),
    ("E6", model("r.sub.items == 'x'", g=()), GOOD, ({"items": "x"}, "data1", "read"), "deny", "allow", ""),
    ("D5", model() + "[constraint_definition]\nc = sod(p, p2)\n", GOOD, ASK, "allow", "refused", ""),
    ("D12", model("regexMatch(r.sub, p.sub)"), "p, (?P<x>a)(?P<x>b), x, y\n", ASK, "error", "refused", ""),
    ("D12", model("regexMatch(r.sub, p.sub)"), "p, [\\d-x], x, y\n", ASK, "error", "refused", ""),
    ("M2", model(g=()) + "m = False\n", GOOD, ASK, "deny", "refused", ""),
    ("M2", model("r.sub == p.sub", p="sub, obj, sub", g=()), "p, bob, data1, alice\n", ASK, "allow", "refused", ""),
    ("M3", model(EQUAL, g=()) + "m3 = True\n", GOOD, ASK, "allow", "refused", ""),
    ("M3", model(EQUAL, g=()) + "m2 =\n", GOOD, ASK, "allow", "refused", ""),
    ("M4", MIXING.format("m"), GOOD, ASK, "allow", "refused", ""),
    ("M4", MIXING.format("m").replace(" || r2", " || \\\n  r2"), GOOD, ASK, "allow", "refused", ""),
    ("M5", model(EQUAL, r="sub, obj, act # who asks", g=()), GOOD, ASK, "error", "refused", ""),
    ("M5", model("r.sub == p.sub", p="sub, obj, act ; a rule", g=()), GOOD, ASK, "allow", "refused", ""),
    ("M6", model(EQUAL, g=()), "\ufeff" + GOOD, ASK, "deny", "refused", ""),
    ("M6", "\ufeff" + model(EQUAL, g=()), GOOD, ASK, "refused", "refused", ""),
    ("M1", SECOND, "p2, bob, data1, read\n", ASK, "deny", "allow", "2"),
]


def ask_both(case):
    _, text, policy, request, _, _, suffix = case
    try:
        with silent():
            theirs = Theirs(text, policy, suffix, bounds=False).ask(request)
    except Exception:  # noqa: BLE001 - pycasbin raises anything
        theirs = "refused"
    try:
        ours = Ours(text, policy, suffix).ask(request)
    except Refused:
        ours = "refused"
    return theirs, ours


@pytest.mark.parametrize("case", CASES, ids=[f"{case[0]}-{number}" for number, case in enumerate(CASES)])
def test_the_difference_is_as_it_is_written(case):
    assert ask_both(case) == (case[4], case[5])


def test_e4_the_getters_are_there_without_registration():
    text = model("keyGet(r.obj, p.obj) == 'b/c' && keyGet2(r.obj, '/:x/*', 'x') == 'a'", g=())
    assert Ours(text, "p, x, /a/*, z\n").ask(("x", "/a/b/c", "z")) == "allow"
    theirs = Theirs(text, "p, x, /a/*, z\n")
    assert theirs.ask(("x", "/a/b/c", "z")) == "allow"
    for name in ("keyGet", "keyGet2", "keyGet3"):
        del theirs.enforcer.fm.fm[name]
    assert theirs.ask(("x", "/a/b/c", "z")) == "error"


@pytest.mark.parametrize(
    "other",
    ["r.sub.x()", "r2.sub == 'x' && r.sub == p.sub", "nope(", "r.nope == 1", "regexMatch(r.act, '(')", "eval(p.sub)"],
)
def test_a_matcher_that_nobody_asks_by_may_be_none(other):
    """pycasbin fails where it is asked by it, and so do we; `m` answers."""
    text = MIXING.format("m2").replace(f"m2 = {EQUAL} || r2.sub == p.sub", f"m = {EQUAL}\nm2 = {other}")
    program, problems = load(text.encode(), GOOD.encode())
    assert program is not None
    assert [each.severity for each in problems] == ["warning"]
    engine = Engine(program)
    assert engine.enforce(ASK)
    assert not engine.enforce(("bob", "data1", "read"))
    with pytest.raises(InvalidArgument) as caught:
        engine.enforce_ex(Context("r", "p", "e", "m2"), ASK)
    assert caught.value.reason == "MATCHER_UNUSABLE"
    assert f"{problems[0].line}:{problems[0].column}: {problems[0].code}" in caught.value.message
    refused, found = load(text.encode(), GOOD.encode(), asked="m2")
    assert refused is None
    assert [each.severity for each in found] == ["error"]


@pytest.mark.no_cover  # the same lines two million times
def test_m7_a_policy_of_a_million_rows_is_read_and_one_row_more_is_refused():
    text = model("r.sub == p.sub", p="sub", r="sub", g=())
    row = b"p, a\n"
    program, problems = load(text.encode(), row * 1_000_000)
    assert program is not None
    assert not problems
    refused, found = load(text.encode(), row * 1_000_001)
    assert refused is None
    assert [(each.line, each.code) for each in found] == [(1_000_001, "POLICY_TOO_LONG")]


def test_the_document_names_each_difference_and_each_is_tested():
    section = DOCUMENT.read_text(encoding="utf-8").partition("## Differences from pycasbin")[2].partition("\n## ")[0]
    documented = set(re.findall(r"^\| ([A-Z]\d+) \|", section, re.MULTILINE))
    tested = {case[0] for case in CASES} | {"E4", "M7"}
    defects = {f"D{path.name[6:8].lstrip('0')}" for path in (Path(__file__).parents[1] / "defects").glob("test_d*.py")}
    assert {each.id for each in DIFFERENCES} <= documented
    assert documented <= tested | defects
    assert defects == {f"D{number}" for number in range(1, 18)}


def test_a_disagreement_without_a_reason_stays_unexplained():
    plain = World(model(EQUAL, g=()), GOOD, (ASK,))
    for theirs, ours in (("allow", "deny"), ("deny", "allow"), ("error", "allow"), ("error", "deny"), ("deny", "error")):
        assert explain(Meeting(plain, ASK, theirs, ours, frozenset(), "", "")) is None
    for code in sorted(frozenset().union(*(each.codes for each in DIFFERENCES))):
        assert explain(Meeting(plain, None, "loaded", "refused", frozenset({code}), "", "")) is None
    assert explain(Meeting(plain, None, "refused", "loaded", frozenset(), "", "")) is None
