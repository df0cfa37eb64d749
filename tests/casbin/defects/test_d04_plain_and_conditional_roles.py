"""D4: in pycasbin a conditional grouping disables the plain one beside it. In ours both work."""

from __future__ import annotations

from defects.support import engine, model
from oracle.theirs import Theirs

TEXT = model("g(r.sub, p.sub) && g2(r.obj, p.obj) && r.act == p.act", g=("g = _, _", "g2 = _, _, (_, _)"))
POLICY = """p, keeper, valuables, open
g, alice, keeper
g2, safe, valuables, _, _
g2, chest, valuables, 2001-01-01 00:00:00, 2002-01-01 00:00:00
"""


def test_d04_pycasbin_forgets_the_plain_roles():
    assert Theirs(TEXT, POLICY).ask(("alice", "safe", "open")) == "deny"


def test_d04_ours_knows_both():
    ours = engine(TEXT, POLICY)
    assert ours.enforce(("alice", "safe", "open"))
    assert not ours.enforce(("alice", "chest", "open"))
    assert not ours.enforce(("bob", "safe", "open"))
