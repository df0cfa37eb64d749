"""What the functions of the registry compute. Patterns run on RE2; the ones of the policy are compiled before any request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, cast

from munjigi.kernel.errors import InvalidArgument
from munjigi.policy.casbin.moments import OPEN, moment
from munjigi.policy.casbin.patterns import compiled, names_of
from munjigi.policy.casbin.refusal import Refusal


class Patterns:
    """Compiled patterns of the policy by function and text. Of a request's own patterns nothing is kept."""

    __slots__ = ("_fixed",)

    def __init__(self) -> None:
        self._fixed: dict[tuple[str, str], Any] = {}

    def fix(self, function: str, pattern: str) -> Any:
        """Compile a pattern of the policy and keep it. Raises `Refusal`, which loading has ruled out."""
        found = self._fixed.get((function, pattern))
        if found is None:
            found = self._fixed[function, pattern] = compiled(function, pattern)
        return found

    def of(self, function: str, pattern: Any) -> Any:
        """Return a compiled pattern. Raises `InvalidArgument` for one of the request that is none."""
        found = self._fixed.get((function, pattern))
        if found is None:
            try:
                return compiled(function, pattern)
            except Refusal as refusal:
                raise InvalidArgument("PATTERN_INVALID", refusal.message) from None
        return found


def functions(patterns: Patterns, now: Callable[[], int]) -> Mapping[str, Callable[..., object]]:
    """Return the implementation of each function of the registry. `now` returns ns UTC."""

    def matcher(name: str) -> Callable[[Any, Any], bool]:
        return lambda text, pattern: patterns.of(name, pattern).match(text) is not None

    def key_match4(text: Any, pattern: Any) -> bool:
        found = patterns.of("keyMatch4", pattern).match(text)
        if found is None:
            return False
        seen: dict[str, str] = {}
        bound = zip(names_of("keyMatch4", pattern), found.groups(), strict=True)
        return all(seen.setdefault(name, value) == value for name, value in bound)

    def key_match5(text: Any, pattern: Any) -> bool:
        return patterns.of("keyMatch5", pattern).match(text.split("?", 1)[0]) is not None

    def getter(name: str) -> Callable[[Any, Any, Any], str | None]:
        def get(text: Any, pattern: Any, wanted: Any) -> str | None:
            found = patterns.of(name, pattern).match(text)
            if found is not None:
                for key, value in zip(names_of(name, pattern), found.groups(), strict=False):
                    if key == wanted:
                        return cast("str | None", value)  # None: its group took no part, as in pycasbin
            return ""

        return get

    def time_match(start: Any, end: Any) -> bool:
        at = now()
        return (start == OPEN or moment(start) <= at) and (end == OPEN or at < moment(end))

    return {
        "keyMatch": key_match,
        "keyMatch2": matcher("keyMatch2"),
        "keyMatch3": matcher("keyMatch3"),
        "keyMatch4": key_match4,
        "keyMatch5": key_match5,
        "keyGet": key_get,
        "keyGet2": getter("keyGet2"),
        "keyGet3": getter("keyGet3"),
        "regexMatch": matcher("regexMatch"),
        "globMatch": matcher("globMatch"),
        "ipMatch": ip_match,
        "timeMatch": time_match,
    }


def key_match(text: Any, pattern: Any) -> bool:
    """Tell whether a text starts with what stands before the pattern's `*`, or equals a pattern without one."""
    star = pattern.find("*")
    if star < 0:
        return bool(text == pattern)
    # What is shorter is compared whole, as in pycasbin: a request's value need not be a text.
    return bool((text[:star] if len(text) > star else text) == pattern[:star])


def key_get(text: Any, pattern: Any) -> str:
    """Return what the `*` of a keyMatch pattern stands for, or an empty text."""
    star = pattern.find("*")
    return str(text[star:]) if star >= 0 and len(text) > star and text[:star] == pattern[:star] else ""


def ip_match(address: Any, block: Any) -> bool:
    """Tell whether an address is, or lies in, an address or network. Raises ValueError when `address` is none."""
    # Only texts are kept: what else a matcher may pass need not be hashable.
    found = _network(block) if isinstance(block, str) else _network.__wrapped__(block)
    known = _address(address)
    return found is not None and known.version == found.version and known in found


@lru_cache(maxsize=4096, typed=True)
def _address(text: Any) -> IPv4Address | IPv6Address:
    return ip_address(text)


@lru_cache(maxsize=16384, typed=True)
def _network(text: Any) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None
