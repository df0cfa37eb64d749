"""D2: pycasbin answers wrongly while it reloads. Ours is immutable: a reload makes another one and swaps one reference."""

from __future__ import annotations

import threading

import pytest
from defects.support import engine, model

RELOADS = 1_000
CALLERS = 8
TEXT = model(
    "g(r.sub, p.sub) && r.obj == p.obj", p="sub, obj, act, eft", e="some(where (p.eft == allow)) && !some(where (p.eft == deny))"
)
# Revision 0 allows data0 and denies data1, revision 1 the other way round: half of one and half of another would show.
POLICIES = [
    f"p, staff, data0, read, {a}\np, staff, data1, read, {b}\np, staff, data2, read, allow\ng, alice, staff\n"
    for a, b in (("allow", "deny"), ("deny", "allow"))
]
EXPECTED = [(True, False, True), (False, True, True)]


@pytest.mark.no_cover  # the same lines a thousand times
def test_d02_a_thousand_reloads_under_eight_callers_and_not_one_wrong_answer():
    current = [(0, engine(TEXT, POLICIES[0]))]
    over = threading.Event()
    wrong = []
    asked = [0] * CALLERS

    def call(caller):
        while not over.is_set():
            revision, ours = current[0]
            found = tuple(ours.enforce(("alice", data, "read")) for data in ("data0", "data1", "data2"))
            if found != EXPECTED[revision]:
                wrong.append((revision, found))
            asked[caller] += 1

    callers = [threading.Thread(target=call, args=(caller,)) for caller in range(CALLERS)]
    for each in callers:
        each.start()
    try:
        for reload in range(RELOADS):
            current[0] = (reload % 2, engine(TEXT, POLICIES[reload % 2]))
    finally:
        over.set()
        for each in callers:
            each.join()
    assert wrong == []
    assert min(asked) > 10
