"""D11: pycasbin's FastEnforcer loses the order of rules and has two key fields. Our index keeps the order, and any fields."""

from __future__ import annotations

from random import Random

from defects.support import PRIORITY, engine, model
from oracle.theirs import Theirs


def test_d11_the_first_match_wins_at_any_size():
    rng = Random(11)
    text = model(
        "g(r.sub, p.sub) && (r.obj == p.obj || keyMatch(r.obj, p.obj)) && r.act == p.act", p="sub, obj, act, eft", e=PRIORITY
    )
    rows = [
        f"p, role{rng.randrange(20)}, {rng.choice(('/a/*', '/a/1', '/b/*', '/b/2', '/*'))}, {rng.choice(('read', 'write'))}, "
        f"{rng.choice(('allow', 'deny', 'indeterminate'))}"
        for _ in range(300)
    ]
    rows += [f"g, user{n}, role{rng.randrange(20)}" for n in range(40)]
    policy = "\n".join(rows) + "\n"
    theirs, ours = Theirs(text, policy), engine(text, policy)
    requests = [
        (f"user{rng.randrange(20)}", rng.choice(("/a/1", "/a/2", "/b/2", "/c")), rng.choice(("read", "write")))
        for _ in range(300)
    ]
    verdicts = [theirs.ask(request) == "allow" for request in requests]
    assert [ours.enforce(request) for request in requests] == verdicts
    assert {True, False} == set(verdicts)


def test_d11_the_rule_that_decided_is_the_first_one():
    text = model("r.sub == p.sub && r.obj == p.obj && r.act == p.act", p="sub, obj, act, eft", e=PRIORITY, g=())
    ours = engine(text, "p, bob, x, read, allow\np, alice, x, read, deny\np, alice, x, read, allow\n")
    assert ours.explain(("alice", "x", "read")) == (False, 1)
