"""A Casbin model and its policy rows, read and checked: immutable, without code, ready for an engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from munjigi.policy.casbin.nodes import Node
from munjigi.policy.types import Problem

Effect = Literal["allow-override", "deny-override", "allow-and-deny", "priority"]


class Row(NamedTuple):
    """One rule: its cells without the leading `p`, and the line where it stands (from 1)."""

    cells: tuple[str, ...]
    line: int


class RoleLink(NamedTuple):
    """`child` is, or inherits, `parent` in `domain` (empty without domains), in [start, end) ns UTC; None is open."""

    child: str
    parent: str
    domain: str
    start: int | None
    end: int | None
    line: int


class RoleDefinition(NamedTuple):
    """One role function. `domains`: it has a third argument; `conditional`: its links have time bounds."""

    domains: bool
    conditional: bool
    links: tuple[RoleLink, ...]


class PolicySet(NamedTuple):
    """The rules of one `p`, in the order in which they are evaluated. `eft` is the place of the effect, or -1."""

    fields: tuple[str, ...]
    eft: int
    rows: tuple[Row, ...]


class Matcher(NamedTuple):
    """One matcher over the fields of `request` and `policy` (names such as `r2`). `rules`: what stands in `eval()` cells."""

    request: str
    policy: str
    node: Node
    rules: Mapping[str, Node]


@dataclass(frozen=True, slots=True)
class Program:
    """Everything an engine needs, by the names of the model file (`r`, `p2`, `g`, ...). `unusable`: matchers that are none."""

    requests: Mapping[str, tuple[str, ...]]
    policies: Mapping[str, PolicySet]
    roles: Mapping[str, RoleDefinition]
    effects: Mapping[str, Effect]
    matchers: Mapping[str, Matcher]
    unusable: Mapping[str, Problem]
