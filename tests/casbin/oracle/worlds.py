"""A world is one model, one policy and 50 requests, drawn from a seed alone: the same seed, the same world, on any machine."""

from __future__ import annotations

from itertools import pairwise
from random import Random
from typing import NamedTuple

from oracle.matchers import Shape, make_matcher
from oracle.vocabulary import (
    ACTIONS,
    ADDRESSES,
    BROKEN_RULES,
    DOMAINS,
    EFFECTS,
    GROUPS,
    MOMENTS,
    NOT_ADDRESSES,
    OBJECTS,
    PATTERNS,
    ROLES,
    RULES,
    SUBJECTS,
    UNUSABLE,
    person,
    thing,
)

REQUESTS = 50


class World(NamedTuple):
    """`requests` are asked of the sections with `suffix`."""

    model: str
    policy: str
    requests: tuple[tuple[object, ...], ...]
    suffix: str = ""


def _shape(rng: Random, suffix: str, role_arity: int, resource_arity: int) -> Shape:
    request = ["sub", "obj", "act"]
    if role_arity == 3 or rng.random() < 0.1:
        request.insert(1, "dom")
    if rng.random() < 0.08:
        request.append("ip")
    if rng.random() < 0.05:
        request.remove(rng.choice(("sub", "obj")))
    policy = [each for each in request if each != "sub" or rng.random() < 0.98]
    objects = rng.random() < 0.2 and "sub" in request
    if rng.random() < (0.5 if objects else 0.05) and "sub" in request and "sub" in policy:
        policy.insert(rng.randrange(1, len(policy) + 1), "rule")
    if rng.random() < 0.04:
        policy += ["since", "until"]
    pattern = rng.choice(("keyMatch", *PATTERNS)) if rng.random() < 0.45 and "obj" in policy else ""
    if pattern == "ipMatch":
        pattern = ""
    return Shape(
        suffix=suffix,
        request=tuple(request),
        policy=tuple(policy),
        role_arity=role_arity,
        resource_arity=resource_arity,
        objects=objects,
        things=rng.random() < 0.08 and "obj" in request and not resource_arity,
        pattern=pattern,
        action_pattern=rng.random() < 0.1,
    )


def _columns(rng: Random, shape: Shape, effect: str) -> tuple[str, ...]:
    """Add `eft` and `priority` to a policy definition: mostly where they belong, sometimes elsewhere, sometimes not at all."""
    columns = list(shape.policy)
    if rng.random() < (0.5 if effect == "allow-override" else 0.9):
        columns.insert(len(columns) if rng.random() < 0.85 else rng.randrange(1, len(columns) + 1), "eft")
    if rng.random() < (0.6 if effect == "priority" else 0.03):
        columns.insert(0 if rng.random() < 0.8 else rng.randrange(len(columns) + 1), "priority")
    return tuple(columns)


def _cell(rng: Random, column: str, shape: Shape, priorities: tuple[str, ...]) -> str:
    if column == "sub":
        return rng.choice(ROLES if shape.role_arity and rng.random() < 0.75 else SUBJECTS)
    if column == "obj":
        if shape.pattern and rng.random() < 0.85:
            return rng.choice(PATTERNS[shape.pattern])
        return rng.choice(GROUPS if shape.resource_arity and rng.random() < 0.7 else OBJECTS).strip()
    if column == "act":
        return rng.choice(("read|write", "^re", "GET", "", ".*")) if shape.action_pattern else rng.choice(ACTIONS)
    if column == "dom":
        return rng.choice(DOMAINS)
    if column == "ip":
        return rng.choice(PATTERNS["ipMatch"])
    if column == "eft":
        return rng.choice(("allow", "allow", "allow", "deny", "deny", "indeterminate" if rng.random() < 0.2 else "allow"))
    if column == "priority":
        return rng.choice(priorities)
    if column in {"since", "until"}:
        return rng.choice(MOMENTS)
    rule = rng.choice(RULES) if rng.random() < 0.97 else rng.choice(BROKEN_RULES)
    if shape.suffix:
        rule = rule.replace("r.", f"r{shape.suffix}.").replace("p.", f"p{shape.suffix}.")
    return rule


def _links(rng: Random, name: str, arity: int, *, bounded: bool = False) -> list[str]:
    """Draw a role graph: any edges, cycles and loops included; sometimes a chain as long as the limit, or longer."""
    if not arity:
        return []
    low, high = (SUBJECTS, ROLES) if name == "g" else (OBJECTS, GROUPS)
    rows = []
    for _ in range(rng.choice((0, 3, 6, 6, 12, 20))):
        one = rng.choice(low if rng.random() < 0.65 else high).strip()
        row = [name, one, rng.choice(high)]
        if arity == 3:
            row.append(rng.choice(DOMAINS))
        if bounded:
            row += [rng.choice(MOMENTS), rng.choice(MOMENTS)]
        elif rng.random() < 0.02:
            row.append("more")
        rows.append(", ".join(row))
    if rng.random() < 0.1:
        chain = [rng.choice(low).strip(), *(f"link{n}" for n in range(rng.randrange(6, 13))), rng.choice(high)]
        domain = (", " + rng.choice(DOMAINS) if arity == 3 else "") + (", _, _" if bounded else "")
        links = [f"{name}, {one}, {other}{domain}" for one, other in pairwise(chain)]
        rng.shuffle(links)
        rows += links
    return rows


def _ask(rng: Random, shape: Shape, rows: list[dict[str, str]]) -> tuple[object, ...]:
    """Draw a request: mostly a row's own words with one or two others, so that rules match and just fail to."""
    near = rng.choice(rows) if rows and rng.random() < 0.85 else {}
    asked: list[object] = []
    for field in shape.request:
        value: object = near.get(field, "")
        if field == "sub" and (not near or rng.random() < (0.6 if shape.role_arity else 0.3)):
            value = rng.choice(SUBJECTS)
        elif field == "obj" and (not near or rng.random() < (0.8 if shape.pattern or shape.resource_arity else 0.3)):
            value = rng.choice(OBJECTS)
        elif field == "act" and (not near or rng.random() < 0.25):
            value = rng.choice(ACTIONS)
        elif field == "dom" and (not near or rng.random() < 0.2):
            value = rng.choice(DOMAINS)
        elif field == "ip":
            value = rng.choice(ADDRESSES if rng.random() < 0.97 else NOT_ADDRESSES)
        if field == "sub" and shape.objects and rng.random() < 0.97:
            value = person(rng) | ({"Name": value} if rng.random() < 0.6 else {})
        if field == "obj" and shape.things and rng.random() < 0.97:
            value = thing(rng) | ({"Name": value} if rng.random() < 0.6 else {})
        if rng.random() < 0.004:
            value = rng.choice((1, 2.5, True, None, {"Name": "alice"}, ["alice"]))
        asked.append(value)
    if rng.random() < 0.004:
        asked = asked[:-1] if rng.random() < 0.5 else [*asked, "more"]
    return tuple(asked)


def _sections(rng: Random, shapes: list[Shape], columns: list[tuple[str, ...]], effects: list[str], *, bounded: bool) -> str:
    lines = ["[request_definition]"]
    lines += [f"r{shape.suffix} = {', '.join(shape.request)}" for shape in shapes]
    lines += ["", "[policy_definition]"]
    lines += [f"p{shape.suffix} = {', '.join(each)}" for shape, each in zip(shapes, columns, strict=True)]
    if shapes[0].role_arity or shapes[0].resource_arity:
        lines += ["", "[role_definition]"]
    if shapes[0].role_arity:
        lines += ["g = " + ", ".join("_" * shapes[0].role_arity) + (", (_, _)" if bounded else "")]
    if shapes[0].resource_arity:
        lines += ["g2 = " + ", ".join("_" * shapes[0].resource_arity)]
    lines += ["", "[policy_effect]"]
    lines += [
        f"e{shape.suffix} = {EFFECTS[effect].replace('p.', 'p' + shape.suffix + '.')}"
        for shape, effect in zip(shapes, effects, strict=True)
    ]
    lines += ["", "[matchers]"]
    lines += [f"m{shape.suffix} = {make_matcher(rng, shape)}" for shape in shapes]
    return "\n".join(lines) + "\n"


def make_world(rng: Random, requests: int = REQUESTS) -> World:
    """Draw one world. Half of the models have roles; one in eight asks its second sections."""
    role_arity = rng.choice((0, 0, 2, 2, 2, 3))
    bounded = role_arity > 0 and rng.random() < 0.08
    # In pycasbin links with time bounds switch off those without (D4), so that the two don't meet here.
    resource_arity = rng.choice((0, 0, 0, 2, 3)) if role_arity and not bounded else 0
    suffixes = ["", "2"] if rng.random() < 0.125 else [""]
    shapes = [_shape(rng, suffix, role_arity, resource_arity) for suffix in suffixes]
    kinds = [each for each in EFFECTS if each != "subject-priority" or role_arity]
    effect = rng.choice(("allow-override", *kinds))
    effects = [effect, rng.choice(kinds) if rng.random() < 0.3 else effect][: len(shapes)]
    columns = [_columns(rng, shape, each) for shape, each in zip(shapes, effects, strict=True)]
    numbers = ("1", "2", "2", "10", "100", "007") if rng.random() < 0.9 else ("high", "low", "-1", "mid")
    lines: list[str] = []
    drawn: list[dict[str, str]] = []
    for shape, each in zip(shapes, columns, strict=True):
        rows = [
            {column: _cell(rng, column, shape, numbers) for column in each}
            for _ in range(rng.choice((0, 1, 2, 4, 8, 8, 12)) if rng.random() < 0.98 else 50)
        ]
        lines += [f"p{shape.suffix}, " + ", ".join(row[column] for column in each) for row in rows]
        drawn = rows
    lines += _links(rng, "g", role_arity, bounded=bounded) if role_arity else []
    lines += _links(rng, "g2", resource_arity) if resource_arity else []
    if rng.random() < 0.5:
        rng.shuffle(lines)
    if rng.random() < 0.1:
        lines.insert(rng.randrange(len(lines) + 1), rng.choice(("# what follows", "", "   # spaces first")))
    if rng.random() < 0.1:
        lines = [line.replace(", ", ",") for line in lines]
    if rng.random() < 0.01:
        # What the defect table says about rows: ignored, short, effects misspelt, quoted.
        odd = rng.choice(("P, alice, data1, read", "p9, alice", "p, alice", 'p, "alice", data1, read', "p, alice), data1, read"))
        lines.insert(rng.randrange(len(lines) + 1), odd)
        lines = [line.removesuffix("deny") + "Deny" if line.endswith("deny") and rng.random() < 0.2 else line for line in lines]
    asked = tuple(_ask(rng, shapes[-1], drawn) for _ in range(requests))
    model = _sections(rng, shapes, columns, effects, bounded=bounded)
    if rng.random() < 0.03:
        model = _odd_model(rng, model, suffixes)
    policy = "\n".join(lines) + "\n" if lines else ""
    return World(model, "\ufeff" + policy if rng.random() < 0.001 else policy, asked, shapes[-1].suffix)


def _odd_model(rng: Random, model: str, suffixes: list[str]) -> str:
    """Add what the table of differences says about models, and matchers that nobody asks by and that are none."""
    last = len(suffixes) + 1
    unasked = [f"m{last} = {each}\n" for each in UNUSABLE]
    second = "" if last > 2 else "r2 = sub\n"
    lines = model.splitlines()
    first = lines.index("[request_definition]") + 1
    return rng.choice(
        (
            *(model + each for each in unasked),
            model + f"m{last + 2} = True\n",
            model + f"m = {rng.choice(('True', 'False'))}\n",
            model + "\n[constraint_definition]\nc = sod(p, p2)\n",
            model.replace(lines[first], lines[first] + ", sub"),
            model.replace(lines[first], lines[first] + rng.choice((" # who asks", " ; who asks"))),
            model.replace("m = ", "m = r9.sub == p.sub && ", 1),
            model.replace("m = ", "m = r2.sub == r2.sub || ", 1),
            # A second request definition, and a matcher that mixes the two.
            model.replace("\n[policy_definition]", f"{second}\n[policy_definition]").replace("m = ", "m = r2.sub == 'x' || ", 1),
        )
    )
