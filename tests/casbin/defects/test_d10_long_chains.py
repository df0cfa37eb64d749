"""D10: pycasbin silently denies beyond nine links. `policy eval` says the same as Casbin; the policy home refuses the chain."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from defects.support import engine, model
from oracle.theirs import Theirs

from munjigi.policy.compile import compile_bundle

HOME = Path(__file__).parents[3] / "policies"
POLICY = "p, n9, data9, read\np, n10, data10, read\n" + "".join(f"g, n{n}, n{n + 1}\n" for n in range(12))


def test_d10_the_limit_of_the_language_is_casbins():
    theirs, ours = Theirs(model(), POLICY), engine(model(), POLICY)
    for start in range(12):
        for data in ("data9", "data10"):
            request = (f"n{start}", data, "read")
            assert ours.enforce(request) == (theirs.ask(request) == "allow")
    assert ours.enforce(("n0", "data9", "read"))
    assert not ours.enforce(("n0", "data10", "read"))


def test_d10_the_policy_home_refuses_a_chain_that_would_be_denied_silently():
    files = {str(path.relative_to(HOME)): path.read_bytes() for path in HOME.rglob("*") if path.is_file()}
    assert compile_bundle(files, "test")[0] is not None
    roles = [f"chain_{n}" for n in range(12)]
    text = files["roles.toml"].decode()
    section = text[text.index("[roles.cs_agent]") :].partition("\n[roles.")[0] if "[roles.cs_agent]" in text else ""
    files["roles.toml"] = (text + "".join("\n" + section.replace("cs_agent", role) + "\n" for role in roles)).encode()
    files["policy.csv"] += "".join(f"g, {one}, {other}\n" for one, other in pairwise(roles)).encode()
    bundle, problems = compile_bundle(files, "test")
    assert bundle is None
    assert "ROLE_CHAIN_TOO_LONG" in {each.code for each in problems}
