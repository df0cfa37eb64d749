"""The general Casbin engine beside pycasbin, in one process: median and p99 of a decision, and the time to load.

Run with `python -m bench.casbin`. Prints microseconds and, for loads, seconds. pycasbin is left out where it takes minutes.
"""

from __future__ import annotations

import json
import random
import sys
import time
import tracemalloc
from collections.abc import Callable
from typing import Any, Final

import casbin
from casbin.persist.adapters.string_adapter import StringAdapter

from bench.table import Row, number
from munjigi.decision.casbin import Engine
from munjigi.policy.casbin.load import load

QUESTIONS: Final = 20_000
THEIR_QUESTIONS: Final = 40
LARGEST_OF_PYCASBIN: Final = 1_000  # roles; it takes minutes to load 10,000
_MODEL: Final = """[request_definition]
r = sub, obj, act
[policy_definition]
p = {fields}
[role_definition]
g = _, _
[policy_effect]
e = {effect}
[matchers]
m = g(r.sub, p.sub) && {obj} && r.act == p.act
"""
_ALLOW: Final = "some(where (p.eft == allow))"
# Name -> fields, effect, how objects are matched, a rule's object, the rest of a rule.
_KINDS: Final = {
    "rbac": ("sub, obj, act", _ALLOW, "r.obj == p.obj", "data{}", ""),
    "pattern": ("sub, obj, act", _ALLOW, "keyMatch2(r.obj, p.obj)", "/data{}/:id", ""),
    "priority": ("sub, obj, act, eft, priority", "priority(p.eft) || deny", "r.obj == p.obj", "data{}", ", allow, {}"),
}


def world(kind: str, roles: int) -> tuple[str, str]:
    """Return a model and a policy of `roles` rules, and ten users a role."""
    fields, effect, obj, name, rest = _KINDS[kind]
    rules = [f"p, role{at}, {name.format(at // 10)}, read{rest.format(at)}" for at in range(roles)]
    links = [f"g, user{at}, role{at // 10}" for at in range(10 * roles)]
    return _MODEL.format(fields=fields, effect=effect, obj=obj), "\n".join((*rules, *links)) + "\n"


def asked(kind: str, roles: int, count: int) -> list[tuple[str, str, str]]:
    """Return questions that are allowed, of random users."""
    rng = random.Random(7)
    users = [rng.randrange(10 * roles) for _ in range(count)]
    return [(f"user{at}", _KINDS[kind][3].format(at // 100).replace(":id", "1"), "read") for at in users]


def timed(ask: Callable[..., Any], questions: list[tuple[str, str, str]]) -> tuple[float, float]:
    """Return p50 and p99 in microseconds."""
    clock = time.perf_counter_ns
    took = []
    for each in questions:
        start = clock()
        ask(each)
        took.append(clock() - start)
    took.sort()
    return round(took[len(took) // 2] / 1000, 2), round(took[len(took) * 99 // 100] / 1000, 2)


def measure() -> dict[str, float]:
    """Measure everything."""
    found: dict[str, float] = {}
    for kind in _KINDS:
        for roles in (5, 100, 1_000, 10_000):
            model, policy = world(kind, roles)
            key = f"{kind}_{roles}_roles"
            start = time.perf_counter()
            program, problems = load(model.encode(), policy.encode())
            assert program is not None, problems
            engine = Engine(program)
            found[f"{key}_load_seconds"] = round(time.perf_counter() - start, 3)
            hits = asked(kind, roles, QUESTIONS)
            misses = [(f"nobody{at}", f"unknown{at}", "read") for at in range(QUESTIONS)]
            assert all(map(engine.enforce, hits))
            assert not any(map(engine.enforce, misses))
            found[f"{key}_hit_p50"], found[f"{key}_hit_p99"] = timed(engine.enforce, hits)
            found[f"{key}_miss_p50"], found[f"{key}_miss_p99"] = timed(engine.enforce, misses)
            if kind == "rbac" and roles <= LARGEST_OF_PYCASBIN:
                theirs = casbin.Enforcer(casbin.Enforcer.new_model(text=model), StringAdapter(policy))
                found[f"{key}_pycasbin_hit_p50"] = timed(lambda each, ask=theirs.enforce: ask(*each), hits[:THEIR_QUESTIONS])[0]
                found[f"{key}_pycasbin_miss_p50"] = timed(lambda each, ask=theirs.enforce: ask(*each), misses[:THEIR_QUESTIONS])[
                    0
                ]
    found["peak_mib_of_110000_rows"] = _peak()
    return found


def _peak() -> float:
    model, policy = (each.encode() for each in world("rbac", 10_000))
    tracemalloc.start()
    program, _ = load(model, policy)
    assert program is not None
    engine = Engine(program)
    peak = tracemalloc.get_traced_memory()[1] / 1024 / 1024
    tracemalloc.stop()
    del engine
    return round(peak, 1)


def rows(found: dict[str, float]) -> list[Row]:
    """Return what `make bench` shows of `measure()`."""
    plain, small = found["rbac_10000_roles_hit_p50"], found["rbac_1000_roles_hit_p50"]
    slowest = max(found["pattern_10000_roles_hit_p50"], found["priority_10000_roles_hit_p50"])
    load_seconds, peak = found["rbac_10000_roles_load_seconds"], found["peak_mib_of_110000_rows"]
    shown = [
        Row(
            f"Casbin engine, {roles:,} roles, {10 * roles:,} users: hit, p50",
            f"{number(found[f'rbac_{roles}_roles_hit_p50'])} µs",
            f"pycasbin {number(found[f'rbac_{roles}_roles_pycasbin_hit_p50'])} µs",
            f"{found[f'rbac_{roles}_roles_pycasbin_hit_p50'] / found[f'rbac_{roles}_roles_hit_p50']:.0f}x faster",
        )
        for roles in (5, 100, LARGEST_OF_PYCASBIN)
    ]
    return [
        *shown,
        Row(
            "same, 10,000 roles, 100,000 users: subject and object that nobody knows",
            f"{number(found['rbac_10000_roles_miss_p50'])} µs",
            f"hit {number(plain)} µs; p99 {number(found['rbac_10000_roles_miss_p99'])}, hit {number(found['rbac_10000_roles_hit_p99'])} µs",
            f"{found['rbac_10000_roles_miss_p50'] / plain:.2f}x",
            "<= 1.1x",
            found["rbac_10000_roles_miss_p50"] <= 1.1 * plain,
        ),
        Row(
            "same, 10,000 roles, 100,000 users",
            f"{number(plain)} µs",
            f"1,000 roles {number(small)} µs",
            f"{plain / small:.2f}x",
            "<= 1.6x",
            plain / small <= 1.6,
        ),
        Row(
            "same, patterns or priorities, the slower",
            f"{number(slowest)} µs",
            f"plain {number(plain)} µs",
            f"{slowest / plain:.1f}x",
            "<= 10x",
            slowest <= 10 * plain,
        ),
        Row(
            "Casbin engine, load of 110,000 rows",
            f"{number(load_seconds)} s",
            f"{number(peak)} MiB at most",
            target="<= 2 s, <= 400 MiB",
            met=load_seconds <= 2 and peak <= 400,
        ),
    ]


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(), indent=2) + "\n")
