"""D5: pycasbin silently ignores `P`, a `p2` that isn't defined, the effect `Deny`. Ours refuses the load, at the place."""

from __future__ import annotations

import pytest
from defects.support import model, refusals
from oracle.theirs import Theirs

TEXT = model(p="sub, obj, act, eft", e="some(where (p.eft == allow)) && !some(where (p.eft == deny))")
GOOD = "p, alice, data1, read, allow\n"


@pytest.mark.parametrize(
    ("row", "column"),
    [
        ("P, alice, data1, read, deny", 1),
        ("p2, alice, data1, read, deny", 1),
        ("g2, alice, staff", 1),
        ("q, alice", 1),
        ("p, alice, data1, read, Deny", 24),
        ("p, alice, data1, read, DENY", 24),
    ],
)
def test_d05_a_row_that_pycasbin_ignores_is_refused_here(row, column):
    assert Theirs(TEXT, f"{GOOD}{row}\n").ask(("alice", "data1", "read")) == "allow"
    assert ("policy.csv", 2, column) in refusals(TEXT, f"{GOOD}{row}\n")
