"""Who inherits which roles: a graph for each domain, closures kept for known names only.

As in Casbin, a chain reaches 9 links far, one of time-bound links 10. Names that no link mentions cost nothing, however
many of them are asked about.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from munjigi.policy.casbin.program import RoleDefinition, RoleLink

_MOST_KEPT: Final = 2_000_000  # names in all kept closures together
_REACH: Final = 9  # links; the role managers of pycasbin stop there, and this is its semantics
_Graph = Mapping[object, tuple[RoleLink, ...]]
_NOBODY: Final[_Graph] = {}


class Roles:
    """One role function, such as `g`. `now` returns ns UTC."""

    __slots__ = ("_conditional", "_domains", "_graphs", "_kept", "_now", "_size")

    def __init__(self, definition: RoleDefinition, now: Callable[[], int]) -> None:
        building: dict[str, dict[str, list[RoleLink]]] = {}
        for link in definition.links:
            building.setdefault(link.domain, {}).setdefault(link.child, []).append(link)
        self._graphs: Mapping[object, _Graph] = {
            domain: {child: tuple(links) for child, links in graph.items()} for domain, graph in building.items()
        }
        self._domains = definition.domains
        self._conditional = definition.conditional
        self._now = now
        self._kept: dict[tuple[object, object], frozenset[object]] = {}
        self._size = 0

    @property
    def lasting(self) -> bool:
        """Tell whether a closure stays the same for ever."""
        return not self._conditional

    def linked(self, name: object, role: object, domain: object = "") -> bool:
        """Tell whether `name` is `role` or inherits it in `domain`. Raises TypeError when a name can't be looked up."""
        if self._conditional and name == role:
            return True  # as in pycasbin, where only the managers of lasting links look names up first
        hash(role)
        found = self.closure(name, domain)
        return name == role if found is None else role in found

    def closure(self, name: object, domain: object = "") -> frozenset[object] | None:
        """Return `name` and all that it inherits; None when it inherits nothing. Raises TypeError as `linked` does."""
        domain = str(domain) if self._domains else ""
        graph = self._graphs.get(domain, _NOBODY)
        if name not in graph:
            return None
        if self._conditional:
            return self._reached(graph, name, self._now())
        key = (domain, name)
        found = self._kept.get(key)
        if found is None:
            found = self._reached(graph, name, 0)
            if self._size + len(found) > _MOST_KEPT:
                self._kept = {}
                self._size = 0
            self._kept[key] = found
            self._size += len(found)
        return found

    def _reached(self, graph: _Graph, name: object, now: int) -> frozenset[object]:
        seen: set[object] = {name}
        level: list[object] = [name]
        conditional = self._conditional
        for _ in range(_REACH + conditional):
            above: list[object] = []
            for each in level:
                for link in graph.get(each, ()):
                    if link.parent in seen or (conditional and not _holds(link, now)):
                        continue
                    seen.add(link.parent)
                    above.append(link.parent)
            level = above
        return frozenset(seen)


def _holds(link: RoleLink, now: int) -> bool:
    return (link.start is None or link.start <= now) and (link.end is None or now < link.end)
