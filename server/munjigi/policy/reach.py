"""Tell whether a condition can ever hold: it is tried with all that its attributes can be.

An attribute is anything of its list, or of what the condition itself tells apart: numbers at and beside those written,
texts written and one that is not, addresses in and beside each network. That is every case there is, so a condition that
holds in none of them holds never. Where the cases are too many, it is taken for one that can hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_network
from itertools import product
from typing import Any, Final

from munjigi.policy.attributes import CONTEXT, REQUEST
from munjigi.policy.casbin.nodes import Call, Constant, walk
from munjigi.policy.conditions import Expression, UndecidedError
from munjigi.policy.types import Context

MOST_CASES: Final = 20_000
_HOURS: Final = range(24)
_CONTEXT: Final = Context("", 0, "", "", device=False, tool="")


def can_hold(expression: Expression, given: Mapping[str, Sequence[str | bool]], *, allow: bool) -> tuple[bool, int]:
    """Return whether a rule's condition can hold, and how many cases were tried.

    `given` narrows attributes, such as `r.ctx.tool`, to what they can be. `allow`: an undecided condition does not hold.
    """
    names = sorted(expression.reads)
    values = [given.get(name) or _values(name, expression) for name in names]
    size = 1
    for each in values:
        size *= len(each)
    if size > MOST_CASES:
        return True, 0
    for tried, case in enumerate(product(*values), 1):
        if _holds(expression, dict(zip(names, case, strict=True)), allow=allow):
            return True, tried
    return False, size


def _holds(expression: Expression, case: Mapping[str, Any], *, allow: bool) -> bool:
    sub, obj, act, purpose = (case.get(f"r.{name}", "") for name in REQUEST)
    context = _CONTEXT._replace(
        **{name.removeprefix("r.ctx."): value for name, value in case.items() if name.startswith("r.ctx.")}
    )
    try:
        return bool(expression.value(sub, obj, act, purpose, context))
    except UndecidedError:
        return not allow


def _values(name: str, expression: Expression) -> Sequence[str | bool | int]:
    attribute = CONTEXT[name.removeprefix("r.ctx.")] if name.startswith("r.ctx.") else REQUEST[name.removeprefix("r.")]
    if attribute.values:
        return attribute.values
    if attribute.kind == "flag":
        return True, False
    if name == "r.ctx.hour":
        return _HOURS
    constants = [each.value for each in walk(expression.node) if isinstance(each, Constant)]
    if attribute.kind == "number":
        # Compared with the hour, every hour counts.
        around = {value + step for value in constants if type(value) is int for step in (-1, 0, 1)}
        around |= {0, *(range(25) if "r.ctx.hour" in expression.reads else ())}
        return sorted(value for value in around if value >= 0)
    texts = sorted({value for value in constants if isinstance(value, str)})
    if name == "r.ctx.ip":
        return [*texts, *_addresses(expression), f"not {name}"]
    # One that is written nowhere, which another attribute may be as well, and one that only this is.
    return [*texts, "another", f"only {name}"]


def _addresses(expression: Expression) -> Iterator[str]:
    """Yield the ends of each network and what lies beside them."""
    for each in walk(expression.node):
        if isinstance(each, Call) and isinstance(each.args[1], Constant):
            block = ip_network(str(each.args[1].value), strict=False)
            first, last = int(block.network_address), int(block.broadcast_address)
            most = (1 << block.max_prefixlen) - 1
            for number in sorted({max(first - 1, 0), first, last, min(last + 1, most)}):
                yield str(type(block.network_address)(number))
    yield from ("192.0.2.1", "2001:db8::1")
