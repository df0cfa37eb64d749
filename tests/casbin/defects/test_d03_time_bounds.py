"""D3: pycasbin allows an expired time-bound grant until code registers a function. Ours checks the bounds itself."""

from __future__ import annotations

import pytest
from casbin.util import time_match_func
from defects.support import model, refusals
from oracle.theirs import Theirs

from munjigi.decision.casbin import Engine
from munjigi.policy.casbin.load import load

TEXT = model(g=("g = _, _, (_, _)",))
POLICY = """p, keeper, safe, open
g, past, keeper, 2001-01-01 00:00:00, 2002-01-01 00:00:00
g, now, keeper, 2001-01-01 00:00:00, 2999-01-01 00:00:00
g, later, keeper, 2999-01-01 00:00:00, _
g, always, keeper, _, _
"""
NOW = 1_800_000_000 * 10**9  # 2027-01-15
EXPECTED = {"past": False, "now": True, "later": False, "always": True, "nobody": False}


def test_d03_pycasbin_allows_what_expired():
    theirs = Theirs(TEXT, POLICY, bounds=False)
    assert theirs.ask(("past", "safe", "open")) == "allow"
    for user in ("past", "now", "later", "always"):
        theirs.enforcer.add_named_link_condition_func("g", user, "keeper", time_match_func)
    # With the function registered by hand for each link it agrees with us, until the next reload.
    assert {user: theirs.ask((user, "safe", "open")) == "allow" for user in EXPECTED} == EXPECTED
    theirs.enforcer.load_policy()
    assert theirs.ask(("past", "safe", "open")) == "allow"


def test_d03_ours_is_closed_without_any_registration():
    program, problems = load(TEXT.encode(), POLICY.encode())
    assert program is not None, problems
    ours = Engine(program, now=NOW)
    assert {user: ours.enforce((user, "safe", "open")) for user in EXPECTED} == EXPECTED
    # The clock is what comes in, not the machine's.
    early = Engine(program, now=990_000_000 * 10**9)  # 2001-05-16
    assert early.enforce(("past", "safe", "open"))


@pytest.mark.parametrize("bound", ["tomorrow", "2001-13-01 00:00:00", "", "2001-02-30 00:00:00"])
def test_d03_a_bound_that_is_no_time_is_refused(bound):
    assert refusals(TEXT, f"p, keeper, safe, open\ng, x, keeper, {bound}, _\n")[0][:2] == ("policy.csv", 2)
