"""D1: pycasbin's second load of a graph copies it recursively and fails. Ours loads any graph, any number of times."""

from __future__ import annotations

import time

import pytest
from defects.support import engine, model
from oracle.theirs import Theirs


def graph(roles, users):
    """Every user has two roles, so that the whole company hangs together."""
    rows = [f"p, role{n}, data{n}, read\n" for n in range(roles)]
    rows += [f"g, user{n}, role{(n * 7 + each * 13) % roles}\n" for n in range(users) for each in (0, 1)]
    return "".join(rows)


def test_d01_pycasbin_fails_on_its_second_load():
    theirs = Theirs(model(), graph(60, 600))
    assert theirs.ask(("user7", "data49", "read")) == "allow"
    with pytest.raises(RecursionError):
        theirs.enforcer.load_policy()


@pytest.mark.no_cover  # the same lines for each row
def test_d01_ours_loads_ten_thousand_roles_and_a_hundred_thousand_users_twice():
    policy = graph(10_000, 100_000)
    for _ in range(2):
        started = time.monotonic()
        ours = engine(model(), policy)
        assert ours.enforce(("user99999", "data9993", "read"))
        assert not ours.enforce(("user99999", "data1", "read"))
        assert time.monotonic() - started < 30  # bench/ has the number; this only says that it ends
