"""Answer requests by a program, as Casbin does: verdict, and which rule decided. Immutable; any number of threads may ask."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple

from munjigi.decision.casbin.codegen import Evaluate, generate
from munjigi.decision.casbin.functions import Patterns, functions
from munjigi.decision.casbin.index import Index, Tools, build
from munjigi.decision.casbin.lookup import UndecidedError
from munjigi.decision.casbin.roles import Roles
from munjigi.kernel.errors import InvalidArgument, MunjigiError
from munjigi.policy.casbin.functions import FUNCTIONS
from munjigi.policy.casbin.nodes import Call, Constant, Eval, Field, Node, walk
from munjigi.policy.casbin.program import Effect, PolicySet, Program

_ALLOW, _INDETERMINATE, _DENY = 1, 2, 4
_STOP: Final[dict[Effect, int]] = {
    "allow-override": _ALLOW,
    "deny-override": _DENY,
    "allow-and-deny": _DENY,
    "priority": _ALLOW | _DENY,
}


class Context(NamedTuple):
    """Which definitions a question is about, by the names of the model file."""

    request: str = "r"
    policy: str = "p"
    effect: str = "e"
    matcher: str = "m"


class Engine:
    """A program that answers. `now` is ns UTC, or returns it: time-bound roles and `timeMatch` look at it."""

    __slots__ = ("_judges", "_patterns", "_program", "_tools", "_usual")

    def __init__(self, program: Program, *, now: int | Callable[[], int] = 0) -> None:
        clock = now if callable(now) else lambda: now
        self._program = program
        self._patterns = Patterns()
        roles = {name: Roles(definition, clock) for name, definition in program.roles.items()}
        bindings: dict[str, Any] = {f"f_{name}": each for name, each in functions(self._patterns, clock).items()}
        bindings.update({f"g_{name}": each.linked for name, each in roles.items()})
        self._tools = Tools(bindings, roles, self._patterns)
        self._judges: dict[Context, _Judge] = {}
        try:
            self._usual = self._judge(Context()).decide
        except InvalidArgument:  # `m` is none, or is about other definitions: whoever asks by another matcher need not care
            self._usual = self._late

    def enforce(self, request: Sequence[object]) -> bool:
        """Return the verdict. Raises `InvalidArgument` for a request that can't be evaluated."""
        return self._usual(request)[0]

    def explain(self, request: Sequence[object]) -> tuple[bool, int | None]:
        """Return the verdict and the place, in the program's rows, of the last rule that matched. Raises as `enforce`."""
        return self._usual(request)

    def enforce_ex(self, context: str | Context, request: Sequence[object]) -> tuple[bool, int | None]:
        """Answer as `explain` does, by other definitions: a suffix such as `2` for r2, p2, e2 and m2, or their names.

        An effect that is not defined is `e`. Raises `InvalidArgument` for definitions that don't exist, too.
        """
        if isinstance(context, str):
            effect = f"e{context}" if f"e{context}" in self._program.effects else "e"
            context = Context(f"r{context}", f"p{context}", effect, f"m{context}")
        return self._judge(context).decide(request)

    def _late(self, request: Sequence[object]) -> tuple[bool, int | None]:
        return self._judge(Context()).decide(request)

    def _judge(self, context: Context) -> _Judge:
        found = self._judges.get(context)
        if found is None:
            found = self._judges[context] = self._made(context)
        return found

    def _made(self, context: Context) -> _Judge:
        program = self._program
        why = program.unusable.get(context.matcher)
        if why is not None:
            message = f"`{context.matcher}` is no matcher: {why.file}:{why.line}:{why.column}: {why.code}: {why.message}"
            raise InvalidArgument("MATCHER_UNUSABLE", message)
        matcher = program.matchers.get(context.matcher)
        policy = program.policies.get(context.policy)
        effect = program.effects.get(context.effect)
        fields = program.requests.get(context.request)
        if matcher is None or policy is None or effect is None or fields is None:
            raise InvalidArgument("CONTEXT_UNKNOWN", "The model doesn't have these definitions; name those of its sections.")
        if (matcher.request, matcher.policy) != (context.request, context.policy):
            message = "The matcher is about other request or policy definitions; ask with those that it names."
            raise InvalidArgument("CONTEXT_MIXED", message)
        for node in (matcher.node, *matcher.rules.values()):
            _fix_constants(node, self._patterns)
        cells = tuple(row.cells for row in policy.rows)
        for node in (matcher.node, *matcher.rules.values()):
            _fix_fields(node, cells, self._patterns)
        bindings = dict(self._tools.bindings)
        bindings["eval"] = {text: generate(node, bindings) for text, node in matcher.rules.items()}
        if not cells:
            return _Judge(len(fields), cells, effect, (), _without_rules(matcher.node, len(policy.fields), bindings), None)
        index = build(matcher.node, cells, self._tools._replace(bindings=bindings, rules=matcher.rules))
        return _Judge(len(fields), cells, effect, _kinds(policy), generate(matcher.node, bindings), index)


def _kinds(policy: PolicySet) -> Sequence[int]:
    """Return the effect of each rule; one that is neither allow nor deny decides nothing."""
    if policy.eft < 0:
        return bytes([_ALLOW]) * len(policy.rows)
    kinds = {"allow": _ALLOW, "deny": _DENY}
    return bytes(kinds.get(row.cells[policy.eft], _INDETERMINATE) for row in policy.rows)


def _fix_constants(node: Node, patterns: Patterns) -> None:
    for each in walk(node):
        if isinstance(each, Call) and FUNCTIONS[each.name].pattern:
            pattern = each.args[1]
            if isinstance(pattern, Constant) and isinstance(pattern.value, str):
                patterns.fix(each.name, pattern.value)


def _fix_fields(node: Node, rows: Sequence[tuple[str, ...]], patterns: Patterns) -> None:
    for each in walk(node):
        if isinstance(each, Call) and FUNCTIONS[each.name].pattern:
            pattern = each.args[1]
            if isinstance(pattern, Field) and pattern.side == "p":
                for row in rows:
                    patterns.fix(each.name, row[pattern.place])


def _without_rules(node: Node, fields: int, bindings: dict[str, Any]) -> Evaluate:
    """Return the matcher as it is where there is no rule: each field of a rule is an empty text, as in Casbin."""
    if any(isinstance(each, Eval) for each in walk(node)):

        def refuse(_request: Sequence[Any], _rule: Sequence[Any]) -> Any:
            raise InvalidArgument("POLICY_EMPTY", "The matcher evaluates rules and the policy has none; add a rule.")

        return refuse
    found = generate(node, bindings)
    nothing = ("",) * fields
    return lambda request, _rule: found(request, nothing)


class _Judge:
    """One matcher over one set of rules, with one effect."""

    __slots__ = ("_effect", "_evaluate", "_index", "_kinds", "_rows", "_size", "_stop")

    def __init__(
        self,
        size: int,
        rows: Sequence[tuple[str, ...]],
        effect: Effect,
        kinds: Sequence[int],
        evaluate: Evaluate,
        index: Index | None,
    ) -> None:
        self._size = size
        self._rows = rows
        self._effect = effect
        self._stop = _STOP[effect]
        self._kinds = kinds
        self._evaluate = evaluate
        self._index = index

    def decide(self, request: Sequence[Any]) -> tuple[bool, int | None]:
        """Return verdict and place of the last rule that matched. Raises `InvalidArgument`."""
        if len(request) != self._size:
            raise InvalidArgument("REQUEST_SIZE", f"A request has {self._size} values, as the model defines it.")
        try:
            if not self._rows:
                return self._final(_ALLOW if self._evaluate(request, ()) else _INDETERMINATE), None
            index = self._index
            if index is None:
                return self._scan(request)
            try:
                places = index.candidates(request)
            except UndecidedError:
                return self._scan(request)
            if index.residual is None:
                return self._sure(places)
            return self._tested(request, places, index.residual, exact=index.last)
        except MunjigiError:
            raise
        except Exception:  # noqa: BLE001 - whatever a matcher's calculation raises is the request's fault; its text may quote values
            message = (
                "The matcher can't be calculated for this request; compare its values' types and attributes with the matcher."
            )
            raise InvalidArgument("REQUEST_UNDECIDABLE", message) from None

    def _sure(self, places: Iterable[int]) -> tuple[bool, int | None]:
        seen = 0
        last: int | None = None
        for place in places:
            last = place
            seen |= self._kinds[place]
            if seen & self._stop:
                break
        return self._final(seen), last

    def _scan(self, request: Sequence[Any]) -> tuple[bool, int | None]:
        return self._tested(request, range(len(self._rows)), self._evaluate, exact=True)

    def _tested(self, request: Sequence[Any], places: Iterable[int], test: Evaluate, *, exact: bool) -> tuple[bool, int | None]:
        """Go through candidates in order. `exact`: the test's value is the matcher's, which is true or false, or a fraction."""
        seen = 0
        last: int | None = None
        rows = self._rows
        for place in places:
            value = test(request, rows[place])
            if value is not True:
                if value is False:
                    continue
                if exact and not isinstance(value, float):
                    raise InvalidArgument("MATCHER_RESULT", "The matcher gives neither true nor false; compare its value.")
                if not value:
                    continue
            last = place
            seen |= self._kinds[place]
            if seen & self._stop:
                break
        return self._final(seen), last

    def _final(self, seen: int) -> bool:
        if self._effect == "deny-override":
            return not seen & _DENY
        if self._effect == "allow-and-deny":
            return bool(seen & _ALLOW) and not seen & _DENY
        return bool(seen & _ALLOW)
