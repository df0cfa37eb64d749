"""What came of it all, counted: what the summary says."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Scene:
    """What came of one thing that people do."""

    asked: int = 0
    allowed: int = 0
    denied: int = 0
    confirmed: int = 0
    errors: Counter[str] = field(default_factory=Counter)


@dataclass
class Tally:
    """Counts by scene, reason and kind. `changes` are what was told or asked of rights, `refused` the changes that were refused."""

    scenes: dict[tuple[str, str], Scene] = field(default_factory=dict)  # by tool and what is done
    denied: Counter[str] = field(default_factory=Counter)
    probes: int = 0
    people: int = 0
    personnel: Counter[str] = field(default_factory=Counter)
    changes: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    outages: int = 0

    def scene(self, tool: str, what: str) -> Scene:
        """Return the counts of a scene."""
        found = self.scenes.get((tool, what))
        if found is None:
            found = self.scenes[tool, what] = Scene()
        return found

    def total(self) -> Scene:
        """Return the sum over all scenes."""
        total = Scene()
        for each in self.scenes.values():
            total.asked += each.asked
            total.allowed += each.allowed
            total.denied += each.denied
            total.confirmed += each.confirmed
            total.errors.update(each.errors)
        return total
