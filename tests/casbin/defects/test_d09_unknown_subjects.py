"""D9: each unknown subject costs pycasbin memory for ever. Ours keeps nothing of a request."""

from __future__ import annotations

import tracemalloc

import pytest
from defects.support import engine, model
from oracle.theirs import Theirs

POLICY = "p, staff, data1, read\ng, alice, staff\n"
MANY = 20 * 1_024


def grown(ask):
    """Return how many bytes are kept after `MANY` questions of as many strangers, each of whom is denied."""
    tracemalloc.start()
    try:
        # Patterns that come with requests are kept, at most 1,024 of them: come back to where that stood.
        for stranger in range(2_048):
            ask(f"stranger {MANY + stranger}")
        before = tracemalloc.get_traced_memory()[0]
        for stranger in range(MANY):
            ask(f"stranger {stranger}")
        return tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()


def test_d09_pycasbin_remembers_every_stranger():
    manager = Theirs(model(), POLICY).enforcer.get_role_manager()
    for stranger in range(100):
        manager.has_link(f"stranger {stranger}", "staff")
    assert len(manager.all_roles) >= 100


@pytest.mark.no_cover  # the same lines forty thousand times
def test_d09_ours_remembers_none():
    for text in (model(), model("regexMatch(r.sub, p.sub) && keyMatch2(r.obj, p.obj) && globMatch(r.sub, r.obj)")):
        ours = engine(text, POLICY)
        kept = grown(lambda stranger, ours=ours: ours.enforce((stranger, f"/{stranger}", "read")))
        assert kept < MANY  # below one byte a stranger
