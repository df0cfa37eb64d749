"""Find the conjuncts of a matcher that bind a field of the rules to the request, and index the rules on them.

A rule is left out only when a conjunct is certainly false for it and nothing before that conjunct can fail. Whatever is not
certain for a request is decided by looking at every rule, so that verdicts and errors stay Casbin's.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence
from operator import itemgetter
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeGuard

from munjigi.decision.casbin.codegen import Evaluate, generate
from munjigi.decision.casbin.functions import Patterns
from munjigi.decision.casbin.lookup import (
    Any_,
    Fixed,
    Getter,
    Held,
    Judged,
    Lookup,
    Same,
    UndecidedError,
    key_match,
    pattern_match,
)
from munjigi.decision.casbin.roles import Roles
from munjigi.policy.casbin.functions import FUNCTIONS
from munjigi.policy.casbin.nodes import Call, Compare, Constant, Eval, Field, Junction, Link, Node, Unary, mentions_rule

_MOST_KEYS: Final = 256  # combinations that are looked up one by one
_MOST_RULES: Final = 64  # `eval()` rules that are evaluated at once
_REGEX: Final = frozenset({"keyMatch2", "keyMatch3", "keyMatch4", "keyMatch5", "regexMatch", "globMatch", "ipMatch"})


class Tools(NamedTuple):
    """What the parts of an index are made with."""

    bindings: Mapping[str, Any]
    roles: Mapping[str, Roles]
    patterns: Patterns
    rules: Mapping[str, Node] = MappingProxyType({})


class Index:
    """Rules by the values of the fields that a matcher binds.

    `residual` is what is left to evaluate on a candidate, None for nothing; `last`: its value is the matcher's own.
    """

    __slots__ = (
        "_beside",
        "_fields",
        "_filters",
        "_first",
        "_keys",
        "_places",
        "_postings",
        "_rows",
        "_texts",
        "last",
        "residual",
    )

    def __init__(self, rows: Sequence[tuple[str, ...]], plan: _Plan, tools: Tools) -> None:
        self._rows = rows
        self._fields = tuple(plan.filters)
        self._filters = tuple(plan.filters.values())
        self._beside = tuple(generate(node, tools.bindings) for node in plan.beside)
        self._first = tuple(generate(node, tools.bindings) for node in plan.first)
        self._texts = tuple(sorted(plan.texts))
        self.residual: Evaluate | None = None
        if plan.residual:
            node = plan.residual[0] if len(plan.residual) == 1 else Junction("and", tuple(plan.residual), 0)
            self.residual = generate(node, tools.bindings)
        self.last = plan.last
        self._keys = itemgetter(*self._fields)
        places: dict[Any, list[int]] = {}
        for place, row in enumerate(rows):
            places.setdefault(self._keys(row), []).append(place)
        self._places = {key: tuple(found) for key, found in places.items()}
        self._postings: dict[int, dict[str, list[int]]] = {}

    def candidates(self, request: Sequence[Any]) -> Sequence[int]:
        """Return the places of rules that may match. Raises `UndecidedError`."""
        for place in self._texts:
            if type(request[place]) is not str:
                raise UndecidedError
        # Everything is asked for before anything is concluded: a failure that Casbin would meet must not be passed over.
        for test in self._beside:
            if self._value(test, request):
                raise UndecidedError  # every rule matches
        sets = [each.values(request) for each in self._filters]
        if self._first and not self._open(request):
            return ()
        places = self._places
        if len(sets) == 1:
            lists = [found for value in sets[0] if (found := places.get(value))]
        else:
            count = 1
            for each in sets:
                count *= len(each)
            if count > _MOST_KEYS:
                return self._intersected(sets)
            lists = [found for key in itertools.product(*sets) if (found := places.get(key))]
        if not lists:
            return ()
        return lists[0] if len(lists) == 1 else sorted(itertools.chain.from_iterable(lists))

    def _open(self, request: Sequence[Any]) -> bool:
        """Tell whether the conjuncts that no rule has a part in hold. Raises `UndecidedError`."""
        held = True
        for test in self._first:
            held = self._value(test, request) and held
        return held

    @staticmethod
    def _value(test: Evaluate, request: Sequence[Any]) -> bool:
        try:
            value = test(request, ())
        except Exception:  # noqa: BLE001 - the scan meets the same error where Casbin would, and names it
            raise UndecidedError from None
        if value is True or value is False:
            return bool(value)
        raise UndecidedError

    def _intersected(self, sets: Sequence[Collection[Any]]) -> list[int]:
        """Go through the shortest list of rules, where the combinations of values are too many."""
        best: list[list[int]] = []
        fewest = -1
        for number, values in enumerate(sets):
            postings = self._posted(number)
            lists = [found for value in values if (found := postings.get(value))]
            size = sum(map(len, lists))
            if fewest < 0 or size < fewest:
                best, fewest = lists, size
        wanted = list(zip(self._fields, map(frozenset, sets), strict=True))
        rows = self._rows
        return sorted(
            place
            for place in itertools.chain.from_iterable(best)
            if all(rows[place][field] in values for field, values in wanted)
        )

    def _posted(self, number: int) -> dict[str, list[int]]:
        found = self._postings.get(number)
        if found is None:
            found = {}
            field = self._fields[number]
            for place, row in enumerate(self._rows):
                found.setdefault(row[field], []).append(place)
            self._postings[number] = found
        return found


class _Plan:
    """How the conjuncts of a matcher are shared out."""

    def __init__(self) -> None:
        self.filters: dict[int, Lookup] = {}
        self.beside: list[Node] = []
        self.first: list[Node] = []
        self.residual: list[Node] = []
        self.texts: set[int] = set()
        self.last = False


def build(matcher: Node, rows: Sequence[tuple[str, ...]], tools: Tools) -> Index | None:
    """Return an index for a matcher over rules, or None when no conjunct can be indexed."""
    plan = _Plan()
    plan.beside, matcher = _beside(matcher)
    parts = _conjuncts(matcher)
    certain = True
    for part in parts:
        if not certain:
            plan.residual.append(part)
        elif not mentions_rule(part):
            plan.first.append(part)
        elif (found := _lookup(part, rows, tools)) is not None and found[0] not in plan.filters:
            plan.filters[found[0]] = found[1]
        else:
            plan.residual.append(part)
            certain = _certain(part, plan.texts)
    if not plan.filters:
        return None
    plan.last = bool(plan.residual) and plan.residual[-1] is parts[-1]
    if plan.last and plan.beside:
        return None  # the matcher's value may be another alternative's
    return Index(rows, plan, tools)


def _beside(node: Node) -> tuple[list[Node], Node]:
    """Split `A || B` where no rule has a part in A: those alternatives, and the one that rules decide."""
    if isinstance(node, Junction) and node.word == "or":
        free = [each for each in node.items if not mentions_rule(each)]
        if free and len(free) == len(node.items) - 1:
            return free, next(each for each in node.items if mentions_rule(each))
    return [], node


def _conjuncts(node: Node) -> list[Node]:
    if isinstance(node, Junction) and node.word == "and":
        return [part for item in node.items for part in _conjuncts(item)]
    return [node]


def _certain(node: Node, texts: set[int]) -> bool:
    """Tell whether a node is True or False and can't fail while the request's values named in `texts` are texts."""
    if isinstance(node, Junction):
        return all(_certain(each, texts) for each in node.items)
    if isinstance(node, Unary):
        return node.sign == "not" and _certain(node.of, texts)
    if isinstance(node, Compare):
        parts = (node.first, *(each for _, each in node.rest))
        return all(sign in {"==", "!="} for sign, _ in node.rest) and all(_plain(each, texts) for each in parts)
    if isinstance(node, Link) or (isinstance(node, Call) and node.name == "keyMatch"):
        return all(_plain(each, texts) for each in node.args)
    return False


def _plain(node: Node, texts: set[int]) -> bool:
    if isinstance(node, Constant):
        return isinstance(node.value, str)
    if isinstance(node, Field):
        if node.side == "r":
            texts.add(node.place)
        return True
    return False


def _lookup(node: Node, rows: Sequence[tuple[str, ...]], tools: Tools) -> tuple[int, Lookup] | None:
    """Return the field of the rules that a conjunct binds, and how."""
    parts = node.items if isinstance(node, Junction) and node.word == "or" else (node,)
    found = [_simple(part, rows, tools) for part in parts]
    lookups: list[Lookup] = []
    fields: set[int] = set()
    for each in found:
        if each is None:
            return None
        fields.add(each[0])
        lookups.append(each[1])
    if len(fields) != 1:
        return None
    return fields.pop(), lookups[0] if len(lookups) == 1 else Any_(tuple(lookups))


def _simple(node: Node, rows: Sequence[tuple[str, ...]], tools: Tools) -> tuple[int, Lookup] | None:
    if isinstance(node, Compare) and len(node.rest) == 1:
        return _equal(node, tools)
    if isinstance(node, Link):
        target = node.args[1]
        others = (node.args[0], *node.args[2:])
        if not _cell(target) or any(mentions_rule(each) for each in others):
            return None
        domain = _getter(others[1], tools) if len(others) > 1 else None
        named = _values(rows, target.place)
        return target.place, Held(tools.roles[node.role], _getter(others[0], tools), domain, named)
    if isinstance(node, Eval):
        texts = _values(rows, node.place)
        if len(texts) > _MOST_RULES or any(mentions_rule(tools.rules[each]) for each in texts):
            return None
        return node.place, Judged({each: tools.bindings["eval"][each] for each in texts})
    if isinstance(node, Call) and FUNCTIONS[node.name].arguments == 2:
        asked, target = node.args
        if not _cell(target) or mentions_rule(asked):
            return None
        get = _getter(asked, tools)
        if node.name == "keyMatch":
            return target.place, key_match(get, _values(rows, target.place))
        if node.name in _REGEX:
            values = _values(rows, target.place)
            return target.place, pattern_match(get, values, node.name, tools.patterns, tools.bindings[f"f_{node.name}"])
    return None


def _equal(node: Compare, tools: Tools) -> tuple[int, Lookup] | None:
    sign, right = node.rest[0]
    left = node.first
    if sign != "==":
        return None
    if not _cell(left):
        left, right = right, left
    if not _cell(left) or mentions_rule(right):
        return None
    if isinstance(right, Constant):
        return (left.place, Fixed(right.value)) if isinstance(right.value, str) else None
    return left.place, Same(_getter(right, tools))


def _cell(node: Node) -> TypeGuard[Field]:
    return isinstance(node, Field) and node.side == "p"


def _values(rows: Iterable[tuple[str, ...]], field: int) -> dict[str, None]:
    return dict.fromkeys(row[field] for row in rows)


def _getter(node: Node, tools: Tools) -> Getter:
    if isinstance(node, Field):
        return itemgetter(node.place)
    made = generate(node, tools.bindings)

    def get(request: Sequence[Any]) -> Any:
        try:
            return made(request, ())
        except Exception:  # noqa: BLE001 - the scan meets the same error where Casbin would, and names it
            raise UndecidedError from None

    return get
