"""D8: without any rule, pycasbin evaluates the matcher on empty texts: `regexMatch(r.obj, "")` allows everything."""

from __future__ import annotations

from pathlib import Path

from defects.support import engine, model
from oracle.theirs import Theirs

from munjigi.policy.compile import compile_bundle

HOME = Path(__file__).parents[3] / "policies"
TEXT = model("regexMatch(r.obj, p.obj)", g=())
REQUEST = ("anybody", "anything", "delete")


def test_d08_the_language_allows_everything():
    # `policy eval` speaks Casbin exactly; what is legal and dangerous is the policy home's to refuse.
    assert Theirs(TEXT, "").ask(REQUEST) == "allow"
    assert engine(TEXT, "").enforce(REQUEST)
    assert not engine(model("r.sub == p.sub", g=()), "").enforce(REQUEST)


def test_d08_the_policy_home_refuses_to_have_no_rule():
    files = {str(path.relative_to(HOME)): path.read_bytes() for path in HOME.rglob("*") if path.is_file()}
    files["policy.csv"] = b"# nothing\n"
    bundle, problems = compile_bundle(files, "test")
    assert bundle is None
    assert "POLICY_EMPTY" in {each.code for each in problems}
