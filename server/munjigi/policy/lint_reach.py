"""Rules that can never match, and roles that give nobody anything: what the catalog, the tools and the conditions leave open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from munjigi.policy.conditions import ConditionError, read
from munjigi.policy.findings import Findings
from munjigi.policy.lint_subject import Subject, at
from munjigi.policy.reach import MOST_CASES, can_hold
from munjigi.policy.rules import COND_CELL, POLICY_FILE
from munjigi.policy.types import ANY, Rule

_ACT: Final = 3
# Cases tried for one home, so that a hundred thousand conditions don't hold a load up; the rest is not looked at.
_MOST_TRIED: Final = 20 * MOST_CASES


class Reach:
    """Which rules can match, found once for each distinct question."""

    def __init__(self, subject: Subject) -> None:
        self._tools = subject.tools
        self._left = _MOST_TRIED
        self._found: dict[tuple[str, bool, str, str, tuple[str, ...]], bool] = {}
        self._asking: dict[tuple[str, str], tuple[str, ...]] = {}
        asked = {(action, purpose) for tool in subject.tools.values() for action in tool.actions for purpose in tool.purposes}
        self._asked = asked
        self._actions = {action for action, _ in asked}
        self._purposes = {purpose for _, purpose in asked}

    def asked(self, rule: Rule) -> bool:
        """Tell whether some tool may ask for a rule's action and purpose."""
        if rule.act == ANY:
            return rule.purpose == ANY or rule.purpose in self._purposes
        if rule.purpose == ANY:
            return rule.act in self._actions
        return (rule.act, rule.purpose) in self._asked

    def holds(self, rule: Rule, facts: tuple[str, ...] = ()) -> bool:
        """Tell whether a rule's condition can hold for someone of whom these facts are on file."""
        if rule.condition is None:
            return True
        key = (rule.cond, rule.allow, rule.act, rule.purpose, facts)
        found = self._found.get(key)
        if found is None:
            found = self._found[key] = self._try(rule, facts)
        return found

    def _try(self, rule: Rule, facts: tuple[str, ...]) -> bool:
        if self._left <= 0:
            return True
        try:
            expression = read(rule.cond)
        except ConditionError:
            return True
        found, tried = can_hold(expression, self._given(rule, facts), allow=rule.allow)
        self._left -= tried
        return found

    def _given(self, rule: Rule, facts: tuple[str, ...]) -> Mapping[str, tuple[str | bool, ...]]:
        given: dict[str, tuple[str | bool, ...]] = {f"r.ctx.{fact}": (True,) for fact in facts}
        pair = (rule.act, rule.purpose)
        tools = self._asking.get(pair)
        if tools is None:
            tools = self._asking[pair] = tuple(
                sorted(
                    tool.name
                    for tool in self._tools.values()
                    if (rule.act == ANY or rule.act in tool.actions) and (rule.purpose == ANY or rule.purpose in tool.purposes)
                )
            )
        given["r.ctx.tool"] = tools
        if rule.act != ANY:
            given["r.act"] = (rule.act,)
        if rule.purpose != ANY:
            given["r.purpose"] = (rule.purpose,)
        return given


def never_matches(subject: Subject, findings: Findings) -> None:
    """Warn about rules that can never match."""
    reach = Reach(subject)
    for placed in subject.rows.rules:
        if not reach.holds(placed.rule):
            message = "This condition never holds, whatever is asked; correct it or remove the rule."
            findings.warning(POLICY_FILE, *at(placed.row, COND_CELL), "RULE_NEVER_MATCHES", message)
        elif not reach.asked(placed.rule):
            message = "No tool in tools.toml may ask for this action and purpose, so this rule can never match; add it to a tool or remove the rule."
            findings.warning(POLICY_FILE, *at(placed.row, _ACT), "RULE_NEVER_MATCHES", message)
