"""Changes that must not change a verdict, and changes that may only take away."""

from __future__ import annotations

import random

import pytest
from decision.builders import CLASSES, DAY, MASKS, NOW, TABLES, P, grant, make_bundle, snapshot
from decision.worlds import make_world

from munjigi.decision.core import decide
from munjigi.decision.types import Effect

SEEDS = range(3000, 3150)


def shown(decision):
    return decision.allow, [(field.effect, field.mask, field.grants) for field in decision.fields]


def answers(bundle, grants, requests, now=NOW):
    shot = snapshot(bundle, *grants)
    return [decide(shot, request, now) for request in requests]


def test_order_of_rules_and_grants_does_not_matter():
    for seed in SEEDS:
        world = make_world(seed)
        lines = random.Random(seed).sample(world.lines, len(world.lines))
        moved = answers(make_bundle(lines, world.links[::-1]), world.grants[::-1], world.requests)
        assert [shown(each) for each in moved] == [shown(each) for each in answers(world.bundle, world.grants, world.requests)]


def test_an_unrelated_role_and_others_grants_do_not_matter():
    for seed in SEEDS:
        world = make_world(seed)
        more = [*world.lines, P("stranger", "crm.member.*", act="*", purpose="*", allow=False), P("stranger", "class:key")]
        bundle = make_bundle(more, [*world.links, ("stranger", "r0")])
        others = [grant("x1", "stranger", employee=world.grants[0].employee._replace(subject="other"))] if world.grants else []
        after = answers(bundle, [*world.grants, *others], world.requests)
        assert [shown(each) for each in after] == [shown(each) for each in answers(world.bundle, world.grants, world.requests)]


def test_names_do_not_matter():
    def new(name: str) -> str:
        return ".".join(part if part == "*" else f"n_{part}" for part in name.split("."))

    def new_object(obj: str) -> str:
        return f"class:n_{obj[6:]}" if obj.startswith("class:") else new(obj)

    tables = {new(table): tuple(f"n_{column}" for column in columns) for table, columns in TABLES.items()}
    classes = {new(column): tuple(f"n_{each}" for each in of) for column, of in CLASSES.items()}
    for seed in SEEDS:
        world = make_world(seed)
        lines = [line._replace(sub=f"n_{line.sub}", obj=new_object(line.obj)) for line in world.lines]
        links = [(f"n_{one}", f"n_{other}") for one, other in world.links]
        renamed = make_bundle(
            lines, links, tables=tables, classes=classes, masks={f"n_{each}": masks for each, masks in MASKS.items()}
        )
        grants = []
        for each in world.grants:
            scope = each.scope and each.scope._replace(objects=tuple(map(new_object, each.scope.objects)))
            grants.append(grant(each.grant_id, f"n_{each.role}", each.purpose, each.employee, scope, ends_at=each.ends_at))
        requests = [
            each._replace(resource=new_object(each.resource), fields=tuple(f"n_{name}" for name in each.fields))
            for each in world.requests
        ]
        after = answers(renamed, grants, requests)
        assert [shown(each) for each in after] == [shown(each) for each in answers(world.bundle, world.grants, world.requests)]


@pytest.mark.parametrize("kind", ["deny line", "fewer grants", "after the end"])
def test_p3_taking_away_never_gives(kind):
    for seed in SEEDS:
        world = make_world(seed)
        bundle, grants, now = world.bundle, world.grants, NOW
        if kind == "deny line":
            bundle = make_bundle([*world.lines, P("r1", "class:key", act="*", purpose="*", allow=False)], world.links)
        elif kind == "fewer grants":
            # Without a denying rule a grant only adds.
            bundle = make_bundle([line._replace(allow=True) for line in world.lines], world.links)
            grants = grants[1:]
        else:
            now = NOW + DAY
        base = answers(bundle if kind == "fewer grants" else world.bundle, world.grants, world.requests)
        after = answers(bundle, grants, world.requests, now)
        rank = bundle.catalog.mask_rank
        for less, more in zip(after, base, strict=True):
            assert more.allow or not less.allow
            for one, other in zip(less.fields, more.fields, strict=True):
                if one.effect is not Effect.DENIED:
                    assert rank[one.mask or "clear"] <= rank[other.mask or "clear"]
                    assert other.effect is not Effect.DENIED
        if kind == "after the end":
            assert not any(each.allow for each in after)
