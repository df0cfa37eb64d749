"""D6: a short row loads in pycasbin, and then every decision raises. Ours refuses the load."""

from __future__ import annotations

import pytest
from defects.support import model, refusals
from oracle.theirs import Theirs

GOOD = "p, alice, data1, read\n"


@pytest.mark.parametrize("row", ["p, bob, data1", "p, bob, data1, read, more", "p", "p, bob"])
def test_d06_a_row_of_another_length_is_refused(row):
    assert Theirs(model(), f"{row}\n{GOOD}").ask(("alice", "data1", "read")) == "error"
    assert refusals(model(), f"{GOOD}{row}\n")[0][:2] == ("policy.csv", 2)


def test_d06_a_short_link_is_refused():
    with pytest.raises(RuntimeError):
        Theirs(model(), f"{GOOD}g, bob\n")
    assert refusals(model(), f"{GOOD}g, bob\n")[0][:2] == ("policy.csv", 2)
