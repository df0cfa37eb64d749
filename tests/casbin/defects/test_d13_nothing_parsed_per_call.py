"""D13: pycasbin parses the matcher again on every call. Ours reads nothing at request time."""

from __future__ import annotations

import sys

from defects.support import engine, model
from oracle.theirs import Theirs

TEXT = model("g(r.sub.Name, p.sub) && regexMatch(r.obj, p.obj) && eval(p.rule) && r.act == p.act", p="sub, rule, obj, act")
POLICY = "p, staff, r.sub.Age > 18 && r.sub.Age < 60, ^data[0-9]$, read\ng, alice, staff\n"
REQUEST = ({"Name": "alice", "Age": 30}, "data1", "read")
COMPILED: list[str] = []
WATCHING: list[bool] = []


def _watch(event, arguments):
    if WATCHING and event in {"compile", "exec", "import"}:
        COMPILED.append(event)


def test_d13_nothing_is_compiled_while_deciding():
    ours = engine(TEXT, POLICY)
    theirs = Theirs(TEXT, POLICY)
    sys.addaudithook(_watch)
    WATCHING.append(True)
    try:
        assert theirs.ask(REQUEST) == "allow"
        assert COMPILED  # the watch sees what it should
        COMPILED.clear()
        assert ours.enforce(REQUEST)
        assert not ours.enforce(({"Name": "alice", "Age": 60}, "data1", "read"))
        assert not ours.enforce(({"Name": "nobody", "Age": 30}, "data2", "read"))
        found = list(COMPILED)
    finally:
        WATCHING.clear()
    assert found == []
