"""For one field of the rules: which of its values a request may bind to, found without looking at every rule."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

from munjigi.decision.casbin.functions import Patterns
from munjigi.decision.casbin.roles import Roles
from munjigi.policy.casbin.patterns import literal_prefix, translated

Getter = Callable[[Sequence[Any]], Any]
_MOST_KEPT: Final = 100_000  # names of the role graph whose roles are kept


class UndecidedError(Exception):
    """This request can't use the index: every rule has to be looked at, as Casbin does. Never leaves the room."""


class Lookup(Protocol):
    """One way in which a request binds a field of the rules."""

    def values(self, request: Sequence[Any]) -> Collection[Any]:
        """Return the values that bind. Raises `UndecidedError`."""
        ...


def text(value: Any) -> str:
    """Return `value` when it is a text; raises `UndecidedError` otherwise, for what else equals a text is not known."""
    if type(value) is not str:
        raise UndecidedError
    return value


class Same(NamedTuple):
    """`r.x == p.y`."""

    get: Getter

    def values(self, request: Sequence[Any]) -> Collection[Any]:
        """Return the request's own value."""
        return (text(self.get(request)),)


class Fixed(NamedTuple):
    """`p.y == "*"`: binds whatever is asked."""

    value: str

    def values(self, request: Sequence[Any]) -> Collection[Any]:
        """Return the constant."""
        return (self.value,)


class Held:
    """`g(r.x, p.y)`: the name itself and all that it inherits, as far as rules name it."""

    __slots__ = ("_domain", "_get", "_kept", "_named", "_roles")

    def __init__(self, roles: Roles, get: Getter, domain: Getter | None, named: Iterable[str]) -> None:
        self._roles = roles
        self._get = get
        self._domain = domain
        self._named = frozenset(named)
        self._kept: dict[tuple[str, str], tuple[Any, ...]] = {}

    def values(self, request: Sequence[Any]) -> Collection[Any]:
        """Return the names that rules may give to whoever asks."""
        name = text(self._get(request))
        domain = text(self._domain(request)) if self._domain is not None else ""
        key = (name, domain)
        found = self._kept.get(key)
        if found is not None:
            return found
        closure = self._roles.closure(name, domain)
        if closure is None:
            return (name,)
        small, large = (closure, self._named) if len(closure) < len(self._named) else (self._named, closure)
        found = tuple(each for each in small if each in large)
        if self._roles.lasting:
            if len(self._kept) >= _MOST_KEPT:
                self._kept = {}
            self._kept[key] = found
        return found


class Prefixed:
    """`keyMatch(r.x, p.y)`, and other patterns by what their texts must start with.

    `decide` tells whether a text matches a pattern with a fitting prefix; None: it always does.
    """

    __slots__ = ("_buckets", "_decide", "_get", "_lengths")

    def __init__(self, get: Getter, prefixes: Iterable[tuple[str, str]], decide: Callable[[str, str], bool] | None) -> None:
        self._get = get
        self._decide = decide
        buckets: dict[str, list[str]] = {}
        for prefix, pattern in prefixes:
            buckets.setdefault(prefix, []).append(pattern)
        self._buckets = {prefix: tuple(patterns) for prefix, patterns in buckets.items()}
        self._lengths = tuple(sorted({len(prefix) for prefix in buckets}))

    def values(self, request: Sequence[Any]) -> Collection[Any]:
        """Return the patterns that match the request's text."""
        asked = text(self._get(request))
        size = len(asked)
        buckets = self._buckets
        found: list[str] = []
        for length in self._lengths:
            if length > size:
                break
            patterns = buckets.get(asked[:length])
            if patterns is not None:
                found.extend(patterns)
        decide = self._decide
        if decide is None or not found:
            return found
        try:
            return [pattern for pattern in found if decide(asked, pattern)]
        except Exception:  # noqa: BLE001 - the scan meets the same error where Casbin would, and names it
            raise UndecidedError from None


class Whole:
    """`keyMatch` against values without a `*`: equal or not."""

    __slots__ = ("_get", "_values")

    def __init__(self, get: Getter, values: Iterable[str]) -> None:
        self._get = get
        self._values = frozenset(values)

    def values(self, request: Sequence[Any]) -> Collection[Any]:
        """Return the request's own value where a rule has it."""
        asked = text(self._get(request))
        return (asked,) if asked in self._values else ()


class Judged(NamedTuple):
    """`eval(p.y)` where the rules' texts are few and look at the request only: each is evaluated once, not once a rule."""

    rules: Mapping[str, Callable[[Sequence[Any], Sequence[Any]], Any]]

    def values(self, request: Sequence[Any]) -> Collection[Any]:
        """Return the texts that hold. Raises `UndecidedError` when one fails, or is neither true nor false."""
        found: list[str] = []
        for each, test in self.rules.items():
            try:
                value = test(request, ())
            except Exception:  # noqa: BLE001 - the scan meets the same error where Casbin would, and names it
                raise UndecidedError from None
            if value is True:
                found.append(each)
            elif value is not False:
                raise UndecidedError
        return found


class Any_(NamedTuple):  # noqa: N801 - `Any` is taken
    """Several ways to bind one field, any of which will do."""

    lookups: tuple[Lookup, ...]

    def values(self, request: Sequence[Any]) -> Collection[Any]:
        """Return each value once."""
        found: dict[Any, None] = {}
        for lookup in self.lookups:
            found.update(dict.fromkeys(lookup.values(request)))
        return found


def key_match(get: Getter, values: Iterable[str]) -> Lookup:
    """Return the look-up of `keyMatch(r.x, p.y)` over the values of `p.y`."""
    found = list(values)
    starred = [(each[: each.index("*")], each) for each in found if "*" in each]
    whole = Whole(get, (each for each in found if "*" not in each))
    return Any_((whole, Prefixed(get, starred, None))) if starred else whole


def pattern_match(
    get: Getter, values: Iterable[str], function: str, patterns: Patterns, call: Callable[[Any, Any], object]
) -> Lookup:
    """Return the look-up of a pattern function over the patterns in `p.y`."""
    if function == "ipMatch":
        return Prefixed(get, (("", each) for each in values), lambda asked, each: bool(call(asked, each)))
    prefixes: list[tuple[str, str]] = []
    for each in values:
        patterns.fix(function, each)
        prefixes.append((literal_prefix(translated(function, each)), each))
    return Prefixed(get, prefixes, lambda asked, each: bool(call(asked, each)))
