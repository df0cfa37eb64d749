"""policy.csv: `p` rules, `g` role links, `g2` classification. Every cell is checked against the other files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Final, NamedTuple

from munjigi.policy.catalog import MASKS
from munjigi.policy.conditions import ConditionError, translate
from munjigi.policy.csvfile import Row
from munjigi.policy.findings import Findings, quoted
from munjigi.policy.registers import ACTIONS
from munjigi.policy.types import (
    ANY,
    CLASS_PREFIX,
    CLEAR,
    DATA_ACTIONS,
    OWN_ACTIONS,
    OWN_RESOURCES,
    Catalog,
    Condition,
    Rule,
)

POLICY_FILE: Final = "policy.csv"
# Cells of a line, its type included.
_ARITY: Final = {"p": 8, "g": 3, "g2": 3}
_SUB, _OBJ, _ACT, _PURPOSE, COND_CELL, _EFT, _MASK = range(1, 8)
_JUDGED: Final = (_SUB, _OBJ, _ACT, _PURPOSE, _EFT, _MASK)
_ALL_RIGHT: Final = (None,) * len(_JUDGED)


class Link(NamedTuple):
    """A `g` or `g2` line: the first has (or is in) the second."""

    one: str
    other: str
    row: Row


class PlacedRule(NamedTuple):
    """A rule and the line that it came from."""

    rule: Rule
    row: Row


@dataclass(slots=True)
class Known:
    """Names that the other files define. None: that file could not be read, so its names are not checked."""

    roles: frozenset[str] | None
    purposes: frozenset[str] | None
    catalog: Catalog | None


@dataclass(slots=True)
class PolicyRows:
    """What policy.csv says, as far as it is right."""

    rules: list[PlacedRule] = field(default_factory=list)
    hierarchy: list[Link] = field(default_factory=list)
    classified: list[Link] = field(default_factory=list)


def read_policy(file: str, rows: list[Row], known: Known, findings: Findings) -> PolicyRows:
    """Return rules and links as far as they are right; the rest is reported with line and column."""
    found = PolicyRows()
    cells = _Cells(known)
    for row in rows:
        ptype = row.cells[0]
        arity = _ARITY.get(ptype)
        if arity is None:
            message = f"{quoted(ptype)} is no line type of the model; lines start with p, g or g2."
            findings.error(file, row.line, row.column(0), "PTYPE_UNKNOWN", message)
        elif len(row.cells) != arity:
            message = (
                f"A `{ptype}` line has {arity} cells, this one has {len(row.cells)}; put a cell that contains a comma in quotes."
            )
            findings.error(file, row.line, row.column(min(len(row.cells), arity)), "WRONG_ARITY", message)
        elif ptype == "p":
            rule = _read_rule(file, row, cells, findings)
            if rule is not None:
                found.rules.append(PlacedRule(rule, row))
        elif ptype == "g":
            if _check_hierarchy(file, row, known, findings):
                found.hierarchy.append(Link(row.cells[1], row.cells[2], row))
        elif _check_class(file, row, known, findings):
            found.classified.append(Link(row.cells[1], row.cells[2], row))
    return found


def _read_rule(file: str, row: Row, cells: _Cells, findings: Findings) -> Rule | None:
    _, sub, obj, act, purpose, cond, eft, mask = row.cells
    verdicts = (
        cells.role(sub),
        cells.object(obj),
        cells.action(obj, act),
        cells.purpose(obj, eft, purpose),
        cells.effect(eft),
        cells.mask(obj, eft, mask),
    )
    wrong = verdicts != _ALL_RIGHT
    if wrong:
        for cell, problem in zip(_JUDGED, verdicts, strict=True):
            if problem is not None:
                findings.error(file, row.line, row.column(cell), *problem)
    try:
        condition = cells.translated(cond, eft == "allow")
    except ConditionError as error:
        column = row.column(COND_CELL)
        # Doubled quotes move later characters; the cell's start is exact, the character inside is for plain cells.
        inside = error.character - 1 if not row.quoted and column else 0
        findings.error(file, row.line, column + inside, "CONDITION_INVALID", error.message)
        return None
    if wrong:
        return None
    return Rule(sub, obj, act, purpose, cond, condition, eft == "allow", mask, file, row.line)


def _check_hierarchy(file: str, row: Row, known: Known, findings: Findings) -> bool:
    if known.roles is None:
        return True
    good = True
    for cell in (1, 2):
        if row.cells[cell] not in known.roles:
            message = f"Role {quoted(row.cells[cell])} is not in roles.toml; add it there."
            findings.error(file, row.line, row.column(cell), "ROLE_UNKNOWN", message)
            good = False
    return good


def _check_class(file: str, row: Row, known: Known, findings: Findings) -> bool:
    if known.catalog is None:
        return True
    good = True
    table, _, column = row.cells[1].rpartition(".")
    found = known.catalog.tables.get(table)
    if found is None or column not in found.columns:
        message = f"{quoted(row.cells[1])} is no column of catalog.toml; write database.table.column."
        findings.error(file, row.line, row.column(1), "RESOURCE_UNKNOWN", message)
        good = False
    name = row.cells[2]
    if not name.startswith(CLASS_PREFIX) or name[len(CLASS_PREFIX) :] not in known.catalog.masks:
        message = f"{quoted(name)} is no class of catalog.toml; write class:NAME."
        findings.error(file, row.line, row.column(2), "CLASS_UNKNOWN", message)
        good = False
    return good


_Verdict = tuple[str, str] | None


class _Cells:
    """Checks of single cells. Each distinct value is judged once: 100,000 rules share few values."""

    __slots__ = ("_known", "action", "effect", "mask", "object", "purpose", "role", "translated")

    def __init__(self, known: Known) -> None:
        self._known = known
        self.role: Callable[[str], _Verdict] = cache(self._role)
        self.object: Callable[[str], _Verdict] = cache(self._object)
        self.action: Callable[[str, str], _Verdict] = cache(self._action)
        self.purpose: Callable[[str, str, str], _Verdict] = cache(self._purpose)
        self.effect: Callable[[str], _Verdict] = cache(_effect)
        self.mask: Callable[[str, str, str], _Verdict] = cache(self._mask)
        self.translated: Callable[[str, bool], Condition | None] = cache(_translated)

    def _role(self, name: str) -> _Verdict:
        if self._known.roles is None or name in self._known.roles:
            return None
        return "ROLE_UNKNOWN", f"Role {quoted(name)} is not in roles.toml; rules name roles, never employees."

    def _object(self, obj: str) -> _Verdict:
        if obj in OWN_RESOURCES or self._known.catalog is None:
            return None
        tables = self._known.catalog.tables
        if obj.startswith(CLASS_PREFIX):
            if obj[len(CLASS_PREFIX) :] in self._known.catalog.masks:
                return None
            return "CLASS_UNKNOWN", f"{quoted(obj)} is no class of catalog.toml; add it there or correct the name."
        before, dot, last = obj.rpartition(".")
        if dot and last == ANY and (before in tables or any(name.startswith(f"{before}.") for name in tables)):
            return None
        if before in tables and last in tables[before].columns:
            return None
        own = ", ".join(OWN_RESOURCES)
        forms = f"write database.table.column, database.table.*, database.*, class:NAME, or one of {own}"
        return "RESOURCE_UNKNOWN", f"{quoted(obj)} is not in catalog.toml; {forms}."

    def _action(self, obj: str, act: str) -> _Verdict:
        own = obj in OWN_RESOURCES
        allowed = OWN_ACTIONS if own else DATA_ACTIONS
        if act == ANY or act in allowed:
            return None
        if act in ACTIONS:
            where = "Munjigi's own resources" if own else "member data"
            return "ACTION_NOT_APPLICABLE", f"{quoted(act)} does not apply to {where}; write one of: {', '.join(allowed)}."
        return "ACTION_UNKNOWN", f"{quoted(act)} is no action; actions are: {', '.join(allowed)}, or * for all."

    def _purpose(self, obj: str, eft: str, purpose: str) -> _Verdict:
        if purpose == ANY:
            if eft != "allow" or obj in OWN_RESOURCES:
                return None
            return (
                "ALLOW_WITHOUT_PURPOSE",
                "Member data is allowed for a purpose, never for all of them; write one line per purpose.",
            )
        if self._known.purposes is None or purpose in self._known.purposes:
            return None
        return "PURPOSE_UNKNOWN", f"Purpose {quoted(purpose)} is not in purposes.toml; add it there."

    def _mask(self, obj: str, eft: str, mask: str) -> _Verdict:
        if eft == "deny":
            return ("MASK_ON_DENY", "A deny rule shows nothing, so it has no mask; leave the last cell empty.") if mask else None
        if eft != "allow":
            return None
        if not mask:
            return "MASK_MISSING", "An allow rule says how it shows the data; write a mask of the class, or clear."
        if mask == CLEAR:
            return None
        if obj in OWN_RESOURCES:
            return "MASK_NOT_APPLICABLE", "Munjigi's own resources have no masks; write clear."
        if mask in MASKS:
            return None  # whether the class has it is lint's to see, once all columns have their classes
        return "MASK_UNKNOWN", f"{quoted(mask)} is no mask; masks are: {', '.join((*MASKS, CLEAR))}."


def _effect(eft: str) -> _Verdict:
    if eft in ("allow", "deny"):
        return None
    return "EFFECT_UNKNOWN", f"{quoted(eft)} is no effect; write allow or deny, in lower case."


def _translated(text: str, allow: bool) -> Condition | None:
    return translate(text, allow=allow)
