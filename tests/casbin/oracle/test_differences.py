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
    ("E6", model("r.sub.items == 'x'", g=()), GOOD, ({"items": "x"}, "data1", "read"), "deny", "allow", ""),
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


def test_the_document_names_each_difference_and_each_is_tested():
    section = DOCUMENT.read_text(encoding="utf-8").partition("## Differences from pycasbin")[2].partition("\n## ")[0]
    documented = set(re.findall(r"^\| ([A-Z]\d+) \|", section, re.MULTILINE))
    defects = {f"D{path.name[6:8].lstrip('0')}" for path in (Path(__file__).parents[1] / "defects").glob("test_d*.py")}
    assert {each.id for each in DIFFERENCES} <= documented
    assert documented <= {case[0] for case in CASES} | defects | {"E4"}
    assert defects == {f"D{number}" for number in range(1, 18)}


def test_a_disagreement_without_a_reason_stays_unexplained():
    plain = World(model(EQUAL, g=()), GOOD, (ASK,))
    for theirs, ours in (("allow", "deny"), ("deny", "allow"), ("error", "allow"), ("error", "deny"), ("deny", "error")):
        assert explain(Meeting(plain, ASK, theirs, ours, frozenset(), "", "")) is None
    for code in sorted(frozenset().union(*(each.codes for each in DIFFERENCES))):
        assert explain(Meeting(plain, None, "loaded", "refused", frozenset({code}), "", "")) is None
    assert explain(Meeting(plain, None, "refused", "loaded", frozenset(), "", "")) is None
