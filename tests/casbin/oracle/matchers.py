"""Draw a matcher: conjuncts that bind fields, decorated with what else the language has, in any order and spelling."""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from oracle.vocabulary import PATTERNS


class Shape(NamedTuple):
    """What a model has. `suffix` is "" or "2" (r2, p2, e2, m2)."""

    suffix: str
    request: tuple[str, ...]
    policy: tuple[str, ...]
    role_arity: int  # 0: no g
    resource_arity: int  # 0: no g2
    objects: bool  # r.sub has attributes
    things: bool  # r.obj has attributes
    pattern: str  # the function for r.obj, or ""
    action_pattern: bool


def _subject(rng: Random, shape: Shape) -> str:
    domain = ", r.dom" if "dom" in shape.request else ""
    name = "r.sub.Name" if shape.objects else "r.sub"
    forms = [f"{name} == p.sub", f"{name} == p.sub", f"p.sub == {name}"]
    if shape.role_arity:
        where = domain if shape.role_arity == 3 and rng.random() < 0.95 else ""
        held = f"g({name}, p.sub{where})"
        forms = [held] * 6 + [
            f'({held} || {name} == "root")',
            f"({name} == p.sub || {held})",
            f"({held} && {name} != 'bob')",
            f"!{held}",
            f"({held} or g({name}, 'admin'{where}))",
            f"{name} == p.sub",
        ]
    else:
        forms += [
            f"(p.sub == '*' || {name} == p.sub)",
            f"{name} != p.sub",
            f"({name} == p.sub || {name} == 'root')",
            f"{name} in ('alice', p.sub)",
            f"{name} in p.sub",
            f"regexMatch({name}, p.sub)",
            f"!({name} == p.sub)",
        ]
    if "sub" not in shape.policy:
        forms = [f'{name} == "alice"', f"{name} != 'bob'", f"{name} in ['alice', 'bob']", "True"]
    return rng.choice(forms)


def _object(rng: Random, shape: Shape) -> str:
    name = "r.obj.Name" if shape.things else "r.obj"
    forms = [f"{name} == p.obj"] * 3 + [f"p.obj == {name}"]
    if shape.pattern:
        call = f"{shape.pattern}({name}, p.obj)"
        forms = [call] * 6 + [f"({call} || {name} == p.obj)", f"!{call}", f"(p.obj == '*' || {call})"]
        if shape.pattern == "keyMatch":
            forms += [f"keyMatch(p.obj, {name})", f"keyMatch({name}, '/book/*')"]
    if shape.resource_arity:
        where = ", r.dom" if shape.resource_arity == 3 and "dom" in shape.request else ""
        forms += [f"g2({name}, p.obj{where})"] * 8 + [f"({name} == p.obj || g2({name}, p.obj{where}))"] * 2
    if shape.things:
        forms += ["r.obj.Owner == " + ("r.sub.Name" if shape.objects else "r.sub"), "r.obj.Level >= 2"]
    return rng.choice(forms)


def _action(rng: Random, shape: Shape) -> str:
    forms = ["r.act == p.act"] * 5 + [
        "(p.act == '*' || r.act == p.act)",
        'r.act == p.act || p.act == "*"',
        "r.act in ('read', 'GET', p.act)",
        "r.act in p.act",
        "p.act in [r.act, 'write']",
        "r.act <= p.act",
        "not r.act != p.act",
    ]
    return "regexMatch(r.act, p.act)" if shape.action_pattern else rng.choice(forms)


def _extra(rng: Random, shape: Shape) -> str:
    """Something that binds no policy field, or compares numbers, or is constant."""
    forms = [
        "1 == 1",
        "True",
        "r.act != 'delete'",
        "r.act == r.act",
        "2 + 3 * 2 == 8",
        "'a' < 'b'",
        "7 / 2 == 3.5",
        "(1, 2) == (1, 2)",
    ]
    if shape.objects:
        forms += [
            "r.sub.Age >= 18",
            "r.sub.Age - 1 < 59",
            "r.sub.Dept.Name == 'cs'",
            "0 < r.sub.Age < 60",
            "r.sub.Score - 1.5",
            "-r.sub.Age < 0",
        ]
    if {"sub", "obj"} <= set(shape.policy) and not shape.objects and not shape.things:
        forms += ["(r.sub == p.sub || r.obj == p.obj)", "p.sub != 'admin'", "r.sub != r.obj", "p.obj != p.sub"]
    if "act" in shape.policy:
        forms += ["p.act == r.act == 'read'", "(p.act == 'GET' && r.act == 'GET' || p.act != 'GET')"]
    if "obj" in shape.request and not shape.things:
        forms += [
            "keyGet(r.obj, '/book/*') == '1'",
            "keyGet2(r.obj, '/:kind/:id', 'id') != '1'",
            "keyGet3(r.obj, '/book/{n}', 'n') == '2'",
        ]
        forms += ["r.obj != 'data2'", f"{rng.choice(('keyMatch', 'keyMatch2'))}(r.obj, '{rng.choice(PATTERNS['keyMatch'])}')"]
    return rng.choice(forms)


def _value(rng: Random, shape: Shape, depth: int) -> str:
    """Anything that has a value: fields of either side, constants, now and then a calculation or another truth."""
    kind = rng.random()
    if kind < 0.35:
        field = rng.choice(shape.request)
        attribute = {"sub": shape.objects, "obj": shape.things}.get(field, False)
        return f"r.{field}" + (rng.choice((".Name", ".Age", ".Owner", "")) if attribute else "")
    if kind < 0.75 and shape.policy:
        return "p." + rng.choice(shape.policy)
    if kind < 0.9 or not depth:
        return rng.choice(
            ("'alice'", '"read"', "''", "'*'", "0", "1", "2.5", "True", "False", "('read', 'GET')", "[1, 'alice']", "'GET'")
        )
    if kind < 0.95:
        return f"({_value(rng, shape, depth - 1)} {rng.choice('+-*%')} {_value(rng, shape, depth - 1)})"
    return f"({_truth(rng, shape, depth - 1)})"


def _truth(rng: Random, shape: Shape, depth: int) -> str:
    """Any expression of the language, as deep as that: what nobody writes and the language has."""
    kind = rng.random()
    if depth and kind < 0.5:
        parts = [_truth(rng, shape, depth - 1) for _ in range(rng.choice((2, 2, 3)))]
        text = rng.choice((" && ", " || ")).join(parts)
        return f"({text})" if rng.random() < 0.7 else text
    if depth and kind < 0.6:
        return f"!{_truth(rng, shape, depth - 1)}"
    if kind < 0.7 and shape.role_arity:
        return f"g({_value(rng, shape, 0)}, {_value(rng, shape, 0)}" + (
            f", {_value(rng, shape, 0)})" if shape.role_arity == 3 else ")"
        )
    if kind < 0.8:
        return f"{rng.choice(('keyMatch', 'keyMatch2', 'ipMatch'))}({_value(rng, shape, 0)}, {_value(rng, shape, 0)})"
    sign = rng.choice(("==", "==", "==", "==", "!=", "!=", "<", ">=", "in", "not in"))
    more = f" {rng.choice(('==', '!=', '<'))} {_value(rng, shape, 0)}" if rng.random() < 0.05 else ""
    return f"{_value(rng, shape, depth)} {sign} {_value(rng, shape, depth)}{more}"


def _spelling(rng: Random, text: str) -> str:
    """Rewrite without changing the meaning: spaces, the words Python has for the operators, a broken line, a comment."""
    if rng.random() < 0.15:
        text = text.replace(" == ", "==").replace(", ", ",")
    if rng.random() < 0.01:
        text = text.replace(" && ", "&&")
    if rng.random() < 0.1:
        text = text.replace("&&", " and ").replace("||", " or ")
    if rng.random() < 0.08:
        text = text.replace(" && ", " && \\\n    ")
    if rng.random() < 0.05:
        text += " # as agreed"
    return text


def make_matcher(rng: Random, shape: Shape) -> str:
    """Return the text after `m = `, in terms of `r.` and `p.` (of the shape's suffix)."""
    parts = []
    if "sub" in shape.request:
        parts.append(_subject(rng, shape))
    if "dom" in shape.request:
        parts.append("r.dom == p.dom" if rng.random() < 0.8 else "(p.dom == '*' || r.dom == p.dom)")
    if "obj" in shape.request:
        parts.append(_object(rng, shape))
    if "act" in shape.request:
        parts.append(_action(rng, shape))
    if "ip" in shape.request:
        parts.append("ipMatch(r.ip, p.ip)")
    if "rule" in shape.policy:
        parts.append(rng.choice(("eval(p.rule)", "eval(p.rule)", "eval(p.rule)", "!eval(p.rule)", "(eval(p.rule) || 1 == 2)")))
    if "until" in shape.policy:
        parts.append("timeMatch(p.since, p.until)")
    if rng.random() < 0.25:
        parts.append(_extra(rng, shape))
    if rng.random() < 0.2:
        rng.shuffle(parts)
    if rng.random() < 0.06:
        parts.pop(rng.randrange(len(parts)))
    parts = parts or ["True"]
    # An alternative inside of a conjunct that isn't in brackets already says something else than it looks, and is legal.
    text = " && ".join(parts)
    if rng.random() < 0.08:
        text = _truth(rng, shape, rng.choice((1, 2, 3)))
    if rng.random() < 0.08:
        text += " || " + _extra(rng, shape)
    if rng.random() < 0.04:
        text = f"!({text})"
    if rng.random() < 0.04:
        text = f"({text})"
    if shape.suffix:
        text = text.replace("r.", f"r{shape.suffix}.").replace("p.", f"p{shape.suffix}.")
    return _spelling(rng, text)
