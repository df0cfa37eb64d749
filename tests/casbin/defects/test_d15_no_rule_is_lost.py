"""D15: pycasbin's FileAdapter says True to a rule that it doesn't keep. Ours has no such door: a program can't be changed."""

from __future__ import annotations

import casbin
import pytest
from defects.support import engine, model

from munjigi.policy.casbin.load import load

POLICY = "p, alice, data1, read\n"


def test_d15_pycasbin_says_true_and_keeps_nothing(tmp_path):
    (tmp_path / "model.conf").write_text(model(), encoding="utf-8")
    (tmp_path / "policy.csv").write_text(POLICY, encoding="utf-8")
    theirs = casbin.Enforcer(str(tmp_path / "model.conf"), str(tmp_path / "policy.csv"))
    assert theirs.add_policy("bob", "data1", "read")
    assert (tmp_path / "policy.csv").read_text(encoding="utf-8") == POLICY


def test_d15_a_loaded_policy_is_immutable_here():
    program, _ = load(model().encode(), POLICY.encode())
    with pytest.raises(AttributeError):
        program.policies = {}
    ours = engine(model(), POLICY)
    assert not [name for name in dir(ours) if name.startswith(("add", "remove", "set", "update", "save", "clear"))]
