"""D7: pycasbin doesn't read CSV: quotes stay, commas inside of them split, `)` raises IndexError. Ours reads CSV or refuses."""

from __future__ import annotations

import pytest
from defects.support import engine, model, refusals
from oracle.theirs import Theirs


def test_d07_quotes_are_read():
    policy = 'p, "alice", "data, one", read\n'
    assert Theirs(model(), policy).ask(("alice", "data, one", "read")) != "allow"
    ours = engine(model(), policy)
    assert ours.enforce(("alice", "data, one", "read"))
    assert not ours.enforce(('"alice"', "data, one", "read"))


def test_d07_a_doubled_quote_is_one():
    assert engine(model(), 'p, "al""ice", data1, read\n').enforce(('al"ice', "data1", "read"))


def test_d07_a_bracket_alone_is_a_character_or_a_refusal():
    with pytest.raises(IndexError):
        Theirs(model(), "p, alice), data1, read\n")
    assert engine(model(), 'p, "alice)", data1, read\n').enforce(("alice)", "data1", "read"))


@pytest.mark.parametrize("row", ['p, "alice, data1, read', 'p, "alice"x, data1, read'])
def test_d07_what_is_no_csv_is_refused(row):
    assert refusals(model(), f"p, alice, data1, read\n{row}\n")[0][:2] == ("policy.csv", 2)
