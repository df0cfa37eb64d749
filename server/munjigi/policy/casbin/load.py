"""From the bytes of a model and a policy to a `Program`, or to everything that keeps it from being one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import Final

from munjigi.policy.casbin.configfile import text_of
from munjigi.policy.casbin.functions import FUNCTIONS
from munjigi.policy.casbin.model import Formula, Model, RoleShape, Scope, check_patterns, read_model
from munjigi.policy.casbin.moments import bound
from munjigi.policy.casbin.nodes import Call, Eval, Field, Node, walk
from munjigi.policy.casbin.ordering import by_priority, by_subject
from munjigi.policy.casbin.parser import parse
from munjigi.policy.casbin.patterns import compiled
from munjigi.policy.casbin.policyfile import RawRow, column_of, read_policy
from munjigi.policy.casbin.program import Matcher, PolicySet, Program, RoleDefinition, RoleLink, Row
from munjigi.policy.casbin.refusal import MAX_POLICY_BYTES, MAX_ROWS, Refusal
from munjigi.policy.findings import Findings, quoted
from munjigi.policy.types import Problem

_Links = Sequence[tuple[tuple[str, ...], int]]
_Report = Callable[[int, int, str, str], object]  # line, column, code, message
_DOMAIN: Final = "dom"
_EFFECTS: Final = frozenset({"allow", "deny", "indeterminate"})


def load(
    model: bytes, policy: bytes, *, model_name: str = "model.conf", policy_name: str = "policy.csv", asked: str = "m"
) -> tuple[Program | None, tuple[Problem, ...]]:
    """Read a Casbin model and its policy. No program: the problems say why, by file, line and column.

    A matcher other than the `asked` one that can't be used is a warning, and an error of whoever asks by it.
    """
    findings = Findings()
    model_text = text_of(model_name, model, findings)
    policy_text = text_of(policy_name, policy, findings, MAX_POLICY_BYTES)
    read = read_model(model_name, model_text, findings, asked) if model_text is not None else None
    program = None
    if read is not None and policy_text is not None:
        program = _Policy(read, policy_name, findings, asked).program(policy_text)
    return (None if findings.failed else program), findings.all()


class _Policy:
    """Policy rows on their way into a program."""

    def __init__(self, model: Model, name: str, findings: Findings, asked: str) -> None:
        self._model = model
        self._asked = asked
        self._name = name
        self._findings = findings
        self._lines: list[str] = []

    def _cell(self, line: int, cell: int) -> int:
        """Return the column of a cell; 0 is the rule's name."""
        return column_of(self._lines[line - 1], cell) if 0 < line <= len(self._lines) else 0

    def _report(self, line: int, column: int, code: str, message: str) -> None:
        self._findings.error(self._name, line, column, code, message)

    def program(self, text: str) -> Program | None:
        """Return the program; None after an error."""
        model = self._model
        self._lines = text.split("\n")
        policies: dict[str, list[Row]] = {key: [] for key in model.policies}
        links: dict[str, list[tuple[tuple[str, ...], int]]] = {key: [] for key in model.roles}
        for row in read_policy(text, MAX_ROWS, self._report):
            self._sort_in(row, policies, links)
        if self._findings.failed:
            return None
        roles = {key: self._role(shape, links[key]) for key, shape in model.roles.items()}
        sets = {key: self._set(key, rows, links.get("g")) for key, rows in policies.items()}
        unusable = dict(model.unusable)
        matchers = {key: self._matcher(key, formula, sets, unusable) for key, formula in model.formulas.items()}
        return Program(
            MappingProxyType(model.requests),
            MappingProxyType(sets),
            MappingProxyType(roles),
            MappingProxyType(model.effects),
            MappingProxyType({key: matcher for key, matcher in matchers.items() if key not in unusable}),
            MappingProxyType(unusable),
        )

    def _sort_in(self, row: RawRow, policies: dict[str, list[Row]], links: dict[str, list[tuple[tuple[str, ...], int]]]) -> None:
        rules = policies.get(row.key)
        if rules is not None:
            wanted = len(self._model.policies[row.key])
            if len(row.cells) != wanted:
                column = self._cell(row.line, min(len(row.cells), wanted) + 1)
                message = f"`{row.key}` has {wanted} cells after its name; this has {len(row.cells)}."
                self._report(row.line, column, "RULE_ARITY", message)
                return
            rules.append(Row(row.cells, row.line))
            return
        shape = self._model.roles.get(row.key)
        if shape is None:
            known = ", ".join((*self._model.policies, *self._model.roles))
            self._report(row.line, 1, "RULE_UNKNOWN", f"{quoted(row.key)} is not defined in the model; known: {known}.")
        elif len(row.cells) < shape.cells:
            message = f"`{row.key}` has at least {shape.cells} cells after its name; this has {len(row.cells)}."
            self._report(row.line, self._cell(row.line, len(row.cells) + 1), "RULE_ARITY", message)
        else:
            links[row.key].append((row.cells, row.line))

    def _role(self, shape: RoleShape, links: _Links) -> RoleDefinition:
        found: list[RoleLink] = []
        # Cells beyond the definition's don't count, as in pycasbin.
        for cells, line in links:
            start = end = None
            if shape.conditional:
                try:
                    start, end = bound(cells[2 + shape.domains]), bound(cells[3 + shape.domains])
                except (ValueError, OverflowError):
                    message = "A bound is a time such as 2026-01-31 09:00:00 (UTC) or 2026-01-31T09:00:00+09:00, or _ for none."
                    self._report(line, self._cell(line, 3 + shape.domains), "TIME_INVALID", message)
            found.append(RoleLink(cells[0], cells[1], cells[2] if shape.domains else "", start, end, line))
        return RoleDefinition(shape.domains, shape.conditional, tuple(found))

    def _domain_place(self, key: str) -> int:
        """Return where subjectPriority finds a rule's domain; -1 for nowhere.

        As in pycasbin, a section without a domain of its own takes the place that the sections before it had one at.
        """
        place = -1
        for name in sorted(self._model.policies, key=lambda each: (len(each), each)):
            fields = self._model.policies[name]
            place = fields.index(_DOMAIN) if _DOMAIN in fields else place
            if name == key:
                break
        return place

    def _set(self, key: str, rows: list[Row], links: _Links | None) -> PolicySet:
        fields = self._model.policies[key]
        try:
            if self._model.by_subject:
                if links is None:
                    raise Refusal(0, "ROLE_MISSING", "subjectPriority orders rules by `g`, which the model doesn't define.")
                rows = by_subject(rows, self._domain_place(key), links)
            if "priority" in fields:
                rows = by_priority(rows, fields.index("priority"))
        except Refusal as refusal:
            column = self._cell(refusal.at, fields.index("priority") + 1) if refusal.code == "PRIORITY_INVALID" else 0
            self._report(refusal.at, column, refusal.code, refusal.message)
        if "eft" in fields:
            eft = fields.index("eft")
            for row in rows:
                if row.cells[eft] not in _EFFECTS:
                    self._report(
                        row.line, self._cell(row.line, eft + 1), "EFFECT_UNKNOWN", "An effect is allow, deny or indeterminate."
                    )
        return PolicySet(fields, fields.index("eft") if "eft" in fields else -1, tuple(rows))

    def _matcher(self, key: str, formula: Formula, sets: dict[str, PolicySet], unusable: dict[str, Problem]) -> Matcher:
        rows = sets[formula.policy].rows
        if self._findings.failed:
            return Matcher(formula.request, formula.policy, formula.node, {})

        def set_aside(line: int, column: int, code: str, message: str) -> None:
            unusable.setdefault(key, self._findings.warning(self._name, line, column, code, message))

        report = self._report if key == self._asked else set_aside
        rules: dict[str, Node] = {}
        for node in walk(formula.node):
            if isinstance(node, Eval):
                self._evals(formula, rows, node.place, rules, report)
        for node in (formula.node, *rules.values()):
            self._patterns(node, rows, report)
        return Matcher(formula.request, formula.policy, formula.node, rules)

    def _evals(self, formula: Formula, rows: Sequence[Row], place: int, rules: dict[str, Node], report: _Report) -> None:
        for row in rows:
            text = row.cells[place]
            if text in rules:
                continue
            try:
                scope = Scope(self._model, formula.request, formula.policy)
                rules[text] = parse(text, scope.resolve, self._model.roles, evals=False)
                check_patterns(rules[text])
            except Refusal as refusal:
                column = self._cell(row.line, place + 1)
                quoted_cell = self._lines[row.line - 1][column - 1 : column] == '"'
                column += 0 if not column or quoted_cell else refusal.at
                report(row.line, column, refusal.code, refusal.message)

    def _patterns(self, node: Node, rows: Sequence[Row], report: _Report) -> None:
        """Compile each pattern in a cell of the rules, so that a bad one is known now."""
        seen: set[tuple[str, str]] = set()
        for each in walk(node):
            if not isinstance(each, Call) or not FUNCTIONS[each.name].pattern:
                continue
            pattern = each.args[1]
            if not isinstance(pattern, Field) or pattern.side != "p":
                continue
            for row in rows:
                text = row.cells[pattern.place]
                if (each.name, text) in seen:
                    continue
                seen.add((each.name, text))
                try:
                    compiled(each.name, text)
                except Refusal as refusal:
                    column = self._cell(row.line, pattern.place + 1)
                    report(row.line, column, refusal.code, f"`{each.name}`: {refusal.message}")
