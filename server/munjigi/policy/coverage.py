"""Which rules the decision tables reach: a rule is reached when it matched in a case, whether or not it decided it."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from munjigi.policy.types import PolicyBundle, Rule


class Coverage(NamedTuple):
    """Of `rules` rules these are matched in no case, in file order."""

    rules: int
    missed: tuple[Rule, ...]

    @property
    def reached(self) -> int:
        """Return how many rules matched in a case."""
        return self.rules - len(self.missed)


def coverage_of(bundle: PolicyBundle, lines: Collection[int]) -> Coverage:
    """Return the coverage; `lines` are the lines of policy.csv whose rules matched."""
    return Coverage(len(bundle.rules), tuple(rule for rule in bundle.rules if rule.line not in lines))


def shown(rule: Rule) -> str:
    """Return a rule as it stands in its file, as near as its cells tell."""
    effect = "allow" if rule.allow else "deny"
    return f"p, {rule.sub}, {rule.obj}, {rule.act}, {rule.purpose}, {rule.cond}, {effect}, {rule.mask}".rstrip()
