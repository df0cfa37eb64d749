"""D17: with deny-override, what no rule mentions is allowed. So says Casbin, and `policy eval`; the policy home refuses the model."""

from __future__ import annotations

from pathlib import Path

from defects.support import DENY, engine, model
from oracle.theirs import Theirs

from munjigi.policy.compile import compile_bundle

HOME = Path(__file__).parents[3] / "policies"
TEXT = model(p="sub, obj, act, eft", e=DENY)
POLICY = "p, blocked, lab, enter, deny\n"


def test_d17_the_language_allows_it():
    assert Theirs(TEXT, POLICY).ask(("stranger", "roof", "enter")) == "allow"
    ours = engine(TEXT, POLICY)
    assert ours.enforce(("stranger", "roof", "enter"))
    assert not ours.enforce(("blocked", "lab", "enter"))


def test_d17_the_policy_home_refuses_it():
    files = {str(path.relative_to(HOME)): path.read_bytes() for path in HOME.rglob("*") if path.is_file()}
    found = b"e = some(where (p.eft == allow)) && !some(where (p.eft == deny))"
    assert found in files["model.conf"]
    files["model.conf"] = files["model.conf"].replace(found, b"e = !some(where (p.eft == deny))")
    bundle, problems = compile_bundle(files, "test")
    assert bundle is None
    assert {each.code for each in problems} == {"MODEL_NOT_SUPPORTED"}
