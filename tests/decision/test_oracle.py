"""The compiled core against the matcher written down, and against pycasbin: zero differences."""

from __future__ import annotations

import pytest
from decision.builders import NOW, snapshot
from decision.oracle import Answer, Casbin, links, naive
from decision.worlds import make_world, targets_of
from effort import EFFORT

from munjigi.decision.core import decide
from munjigi.decision.types import Effect


def answer_of(field):
    return Answer(field.effect is not Effect.DENIED, "clear" if field.effect is Effect.CLEAR else field.mask)


@pytest.mark.parametrize("block", range(8 * EFFORT))
def test_p4_the_core_is_the_matcher_written_down(block):
    allowed = asked = 0
    for seed in range(block * 250, block * 250 + 250):
        world = make_world(seed)
        rules, below = list(world.bundle.rules), set(world.links)
        shot = snapshot(world.bundle, *world.grants)
        for request in world.requests:
            decision = decide(shot, request, NOW)
            fields = {field.name: field for field in decision.fields}
            assert len(fields) == len(targets_of(request))
            verdicts = []
            for target, field in zip(targets_of(request), decision.fields, strict=True):
                expected = naive(
                    rules, below, world.bundle, links(world.bundle, world.grants, target, request, NOW), target, request
                )
                assert answer_of(field) == expected, (seed, request, field)
                alone = [
                    each.grant_id
                    for each in world.grants
                    if expected.allow
                    and naive(rules, below, world.bundle, links(world.bundle, [each], target, request, NOW), target, request)
                    == expected
                ]
                assert list(field.grants) == alone, (seed, request, field)
                verdicts.append(expected.allow)
                allowed += expected.allow
                asked += 1
            assert decision.allow == (any(verdicts) if request.allow_partial else all(verdicts))
    assert asked > 2500
    assert 0.05 < allowed / asked < 0.6


def test_the_core_is_pycasbin_on_the_same_rows():
    allowed = asked = 0
    for seed in range(10_000, 10_000 + 250 * EFFORT):
        world = make_world(seed)
        shot = snapshot(world.bundle, *world.grants)
        engines: dict[frozenset[str], Casbin] = {}
        for request in world.requests[:3]:
            decision = decide(shot, request, NOW)
            for target, field in zip(targets_of(request), decision.fields, strict=True):
                roles = frozenset(links(world.bundle, world.grants, target, request, NOW))
                if roles not in engines:
                    engines[roles] = Casbin(list(world.bundle.rules), set(world.links), world.bundle, set(roles))
                assert answer_of(field) == engines[roles].answer(target, request), (seed, request, field)
                allowed += field.effect is not Effect.DENIED
                asked += 1
    assert asked > 1000
    assert allowed > 50
