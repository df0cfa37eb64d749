"""Find what is legal Casbin but wrong or dangerous in a policy home.

What a single cell gets wrong is found where it is read (`rules.py`, `catalog.py`, `registers.py`); here is what
shows only when the files are seen together. Each check is one small function; `CHECKS` is the list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from munjigi.policy.casbin_reader import reads_differently
from munjigi.policy.catalog import CATALOG_FILE
from munjigi.policy.csvfile import Row
from munjigi.policy.findings import Findings, quoted
from munjigi.policy.lint_reach import never_matches
from munjigi.policy.lint_roles import approves_itself, lends_over_departments, nobody_can_hold
from munjigi.policy.lint_subject import Subject, at
from munjigi.policy.registers import PURPOSES_FILE, ROLES_FILE
from munjigi.policy.rules import POLICY_FILE, PlacedRule, PolicyRows
from munjigi.policy.types import ANY, CLASS_PREFIX, CLEAR, OWN_RESOURCES, Rule

_OBJ, _MASK = 2, 7
_WILDCARD: Final = ".*"


def lint(subject: Subject, findings: Findings) -> None:
    """Report everything that the checks find."""
    for check in CHECKS:
        check(subject, findings)


def _empty(subject: Subject, findings: Findings) -> None:
    if not subject.rows.rules and not findings.failed:
        findings.error(POLICY_FILE, 0, 0, "POLICY_EMPTY", "There is no rule, so everything is denied; add rules.")


def _duplicates(subject: Subject, findings: Findings) -> None:
    first: dict[tuple[str, ...], int] = {}
    rows = list(_rows(subject.rows))
    if len({row.cells for row in rows}) == len(rows):
        return
    for row in rows:
        line = first.setdefault(row.cells, row.line)
        if line != row.line:
            findings.warning(POLICY_FILE, *at(row, 0), "DUPLICATE_RULE", f"Line {line} says the same; remove one.")


def _rows(rows: PolicyRows) -> Iterator[Row]:
    yield from (placed.row for placed in rows.rules)
    yield from (link.row for link in rows.hierarchy)
    yield from (link.row for link in rows.classified)


def _shadowed(subject: Subject, findings: Findings) -> None:
    """Warn about an allow rule that an unconditional deny always beats."""
    denies: dict[tuple[str, str], dict[tuple[str, str], int]] = {}
    for placed in subject.rows.rules:
        rule = placed.rule
        if not rule.allow and rule.condition is None:
            denies.setdefault((rule.sub, rule.obj), {}).setdefault((rule.act, rule.purpose), rule.line)
    roles = {role for role, _ in denies}
    # The roles with a deny that a role brings; most bring none.
    denying = {
        role: found for role, reached in subject.closure.items() if (found := [way.role for way in reached if way.role in roles])
    }
    if not denying:
        return
    for placed in subject.rows.rules:
        rule = placed.rule
        line = _deny_over(rule, denying[rule.sub], subject, denies) if rule.allow and rule.sub in denying else 0
        if line:
            message = f"The deny rule of line {line} always wins over this one; remove one of them."
            findings.warning(POLICY_FILE, *at(placed.row, 0), "RULE_SHADOWED", message)


def _deny_over(
    rule: Rule, roles: Iterable[str], subject: Subject, denies: Mapping[tuple[str, str], Mapping[tuple[str, str], int]]
) -> int:
    for role in roles:
        for obj in _covering(rule.obj, subject.objects):
            found = denies.get((role, obj))
            if not found:
                continue
            for act in (rule.act, ANY):
                for purpose in (rule.purpose, ANY):
                    if (act, purpose) in found:
                        return found[act, purpose]
    return 0


def _covering(obj: str, objects: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Return the rule objects that apply wherever `obj` does."""
    if obj in objects:
        return objects[obj]
    return (obj, f"{obj.partition('.')[0]}{_WILDCARD}")


def _columns(subject: Subject) -> Callable[[str], tuple[str, ...]]:
    """Return a look-up of the catalogued columns that a rule object covers."""
    known: dict[str, list[str]] = {}
    for column in subject.classes:
        for obj in subject.objects[column]:
            known.setdefault(obj, []).append(column)
    frozen = {obj: tuple(columns) for obj, columns in known.items()}
    return lambda obj: frozen.get(obj, ())


def _allows(subject: Subject) -> Iterator[tuple[str, str, PlacedRule]]:
    """Yield object, mask and first rule of each distinct pair among the rules that allow member data."""
    seen: set[tuple[str, str]] = set()
    for placed in subject.rows.rules:
        rule = placed.rule
        if rule.allow and rule.obj not in OWN_RESOURCES and (rule.obj, rule.mask) not in seen:
            seen.add((rule.obj, rule.mask))
            yield rule.obj, rule.mask, placed


def _wildcard_over_unique(subject: Subject, findings: Findings) -> None:
    columns = _columns(subject)
    for obj, _, placed in _allows(subject):
        if not obj.endswith(_WILDCARD):
            continue
        for column in columns(obj):
            if any(name in subject.catalog.unique for name in subject.classes[column]):
                message = f"This covers {quoted(column)}, a unique identifier, without naming it; list the columns or classes that are meant."
                findings.error(POLICY_FILE, *at(placed.row, _OBJ), "WILDCARD_OVER_UNIQUE", message)
                break


def _masks_of_classes(subject: Subject, findings: Findings) -> None:
    columns = _columns(subject)
    masks = subject.catalog.catalog.masks
    for obj, mask, placed in _allows(subject):
        if mask == CLEAR:
            continue
        wanted = (
            (obj[len(CLASS_PREFIX) :],)
            if obj.startswith(CLASS_PREFIX)
            else tuple({name: None for each in columns(obj) for name in subject.classes[each]})
        )
        for name in wanted:
            if mask not in masks.get(name, ()):
                message = f"Class {quoted(name)} has no mask {quoted(mask)}; it has: {', '.join(masks.get(name, ()))}."
                findings.error(POLICY_FILE, *at(placed.row, _MASK), "MASK_NOT_OF_CLASS", message)


def _unclassified(subject: Subject, findings: Findings) -> None:
    """Refuse to allow a column without a class: the unclassified is denied to everyone (promise P3)."""
    columns = _columns(subject)
    for obj, _, placed in _allows(subject):
        for column in columns(obj):
            if not subject.classes[column]:
                message = f"This allows {quoted(column)}, which has no class; classify it with a g2 line first."
                findings.error(POLICY_FILE, *at(placed.row, _OBJ), "ALLOW_UNCLASSIFIED", message)
    for column, classes in subject.classes.items():
        if not classes:
            place = subject.place(CATALOG_FILE, ("tables", column.rpartition(".")[0], "columns"))
            message = f"{quoted(column)} has no class, so it is denied to everyone; add a g2 line to policy.csv."
            findings.warning(CATALOG_FILE, *place, "COLUMN_UNCLASSIFIED", message)


def _classes_without_column(subject: Subject, findings: Findings) -> None:
    used = {name for classes in subject.classes.values() for name in classes}
    for name in subject.catalog.catalog.masks:
        if name not in used:
            place = subject.place(CATALOG_FILE, ("classes", name))
            findings.warning(
                CATALOG_FILE,
                *place,
                "CLASS_WITHOUT_COLUMN",
                f"No column is in class {quoted(name)}; classify one or remove the class.",
            )


def _roles_without_rule(subject: Subject, findings: Findings) -> None:
    allowing = {placed.rule.sub for placed in subject.rows.rules if placed.rule.allow}
    for role, reached in subject.closure.items():
        if not any(each.role in allowing for each in reached):
            place = subject.place(ROLES_FILE, ("roles", role))
            findings.warning(
                ROLES_FILE,
                *place,
                "ROLE_WITHOUT_RULE",
                f"No rule allows role {quoted(role)} anything; add one or remove the role.",
            )


def _purposes_without_tool(subject: Subject, findings: Findings) -> None:
    asked = {purpose for tool in subject.tools.values() for purpose in tool.purposes}
    for purpose in subject.purposes:
        if purpose not in asked:
            place = subject.place(PURPOSES_FILE, ("purposes", purpose))
            message = f"No tool may ask for purpose {quoted(purpose)}; add it to a tool or remove it."
            findings.warning(PURPOSES_FILE, *place, "PURPOSE_WITHOUT_TOOL", message)


def _read_by_casbin(subject: Subject, findings: Findings) -> None:
    for row in _rows(subject.rows):
        if reads_differently(row):
            message = (
                "Casbin's own file reader splits this line differently; rewrite it without quotes, commas or brackets in cells."
            )
            findings.warning(POLICY_FILE, *at(row, 0), "CASBIN_READS_DIFFERENTLY", message)


CHECKS: Final[tuple[Callable[[Subject, Findings], None], ...]] = (
    _empty,
    _duplicates,
    _shadowed,
    never_matches,
    _wildcard_over_unique,
    _masks_of_classes,
    _unclassified,
    _classes_without_column,
    _roles_without_rule,
    nobody_can_hold,
    approves_itself,
    lends_over_departments,
    _purposes_without_tool,
    _read_by_casbin,
)
