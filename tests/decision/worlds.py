"""Random small worlds: policies, role graphs, grants and questions. One seed is one world."""

from __future__ import annotations

import random
from typing import NamedTuple

from decision.builders import CLASSES, DAY, KIM, NOW, TABLES, P, ask, grant, make_bundle

from munjigi.decision.types import Request
from munjigi.kernel.grant import Grant, Scope
from munjigi.policy.types import PolicyBundle

ROLES = ("r0", "r1", "r2", "r3", "r4")
TARGETS = tuple(f"{table}.{column}" for table, columns in TABLES.items() for column in columns)
OBJECTS = (*TARGETS, "crm.member.*", "crm.payment.*", "class:key", "class:identity", "class:contact", "class:payment")


class World(NamedTuple):
    """Lines and links in the order of the file, the bundle of them, and who holds what."""

    lines: list[P]
    links: list[tuple[str, str]]
    bundle: PolicyBundle
    grants: list[Grant]
    requests: list[Request]


def make_world(seed: int) -> World:
    rng = random.Random(seed)
    lines = [
        P(
            rng.choice(ROLES),
            rng.choice(OBJECTS),
            rng.choice(("read", "read", "export", "*")),
            rng.choice(("inquiry", "inquiry", "marketing", "*")),
            rng.choice(("null", "token", "partial", "clear")),
            rng.random() < 0.88,
        )
        for _ in range(rng.randint(0, 14))
    ]
    links = sorted({tuple(sorted(rng.sample(ROLES, 2))) for _ in range(rng.randint(0, 4))})
    grants = [_grant(rng, f"g{number}") for number in range(rng.randint(0, 4))]
    requests = [_request(rng) for _ in range(6)]
    return World(lines, links, make_bundle(lines, links), grants, requests)  # type: ignore[arg-type]


def _grant(rng: random.Random, grant_id: str) -> Grant:
    scope = None
    if rng.random() < 0.3:
        objects = tuple(rng.sample(OBJECTS, rng.randint(0, 3)))
        scope = Scope(objects, rng.choice(((), ("read",), ("export", "read"))))
    ends = NOW + rng.choice((0, DAY, DAY))
    return grant(grant_id, rng.choice(ROLES), rng.choice(("inquiry", "inquiry", "marketing")), KIM, scope, ends_at=ends)


def _request(rng: random.Random) -> Request:
    table = rng.choice(tuple(TABLES))
    fields = tuple(rng.sample(TABLES[table], rng.randint(0, 2)))
    resource = table if rng.random() < 0.85 else f"class:{rng.choice(('key', 'contact'))}"
    return ask(
        *(fields if resource == table else ()),
        resource=resource,
        action=rng.choice(("read", "read", "export", "delete")),
        purpose=rng.choice(("inquiry", "inquiry", "marketing")),
        allow_partial=rng.random() < 0.3,
    )


def targets_of(request: Request) -> tuple[str, ...]:
    if request.resource.startswith("class:"):
        return (request.resource,)
    return tuple(f"{request.resource}.{field}" for field in request.fields or TABLES[request.resource])


__all__ = ["CLASSES", "World", "make_world", "targets_of"]
