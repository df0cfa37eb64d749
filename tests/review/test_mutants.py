"""Mistakes that somebody could make in the rules of a plan: for each, one of the tests of the rules must fail."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import pytest
from review import plan_kit, test_plan_rules, test_replay
from review.plan_kit import ToldUse

from munjigi.kernel.grant import Scope
from munjigi.review import coverage, held, planner, replay, rules, windows
from munjigi.review.days import DAY
from munjigi.review.ports import LogMark
from munjigi.review.rules import Account, Facts, Rule
from munjigi.review.settings import Thresholds

Patch = Callable[[pytest.MonkeyPatch], None]
_SLOW = {"test_an_empty_company_and_one_person_with_ten_thousand_grants"}


def cases() -> Iterator[Callable[[], None]]:
    """Every test of the rules and of the replay, with each of its parameters."""
    for module in (test_plan_rules, test_replay):
        for name, function in vars(module).items():
            if name.startswith("test_") and name not in _SLOW:
                yield from (lambda function=function, values=values: function(**values) for values in parameters(function))


def parameters(function: Any) -> Iterator[dict[str, Any]]:
    lists: list[list[dict[str, Any]]] = []
    for mark in getattr(function, "pytestmark", ()):
        names = mark.args[0].split(",") if isinstance(mark.args[0], str) else mark.args[0]
        rows = [each if len(names) > 1 else (each,) for each in mark.args[1]]
        lists.append([dict(zip(names, each, strict=True)) for each in rows])
    wants_use = "usage" in inspect.signature(function).parameters
    for chosen in product(*lists):
        values = {key: value for each in chosen for key, value in each.items()}
        yield values | ({"usage": ToldUse()} if wants_use else {})


def survives() -> bool:
    """Tell whether all tests pass; the first that fails is enough."""
    plan_kit.bundle.cache_clear()
    for case in cases():
        try:
            case()
        except (Exception, pytest.fail.Exception):  # noqa: BLE001 - whatever it fails with
            return False
    return True


def without(rule: Rule) -> Patch:
    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(rules, "USE", tuple(each for each in rules.USE if each is not rule))
        monkeypatch.setattr(rules, "HOLDERS", tuple(each for each in rules.HOLDERS if each is not rule))

    return patch


def instead(rule: Rule, applies: Callable[[Facts], bool]) -> Patch:
    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        other = rule._replace(applies=applies)
        monkeypatch.setattr(rules, "USE", tuple(other if each is rule else each for each in rules.USE))

    return patch


def before(rule: Rule, other: Rule) -> Patch:
    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        table = [each for each in rules.USE if each is not rule]
        table.insert(table.index(other), rule)
        monkeypatch.setattr(rules, "USE", tuple(table))

    return patch


def account(name: str, applies: Callable[[Account], bool] | None = None) -> Patch:
    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        table = [each for each in rules.ACCOUNTS if each.name != name or applies is not None]
        changed = [each._replace(applies=applies) if each.name == name and applies else each for each in table]
        judge = rules.judge_account
        monkeypatch.setattr(rules, "judge_account", lambda facts: judge(facts, changed))

    return patch


def put(where: Any, name: str, value: Any) -> Patch:
    return lambda monkeypatch: monkeypatch.setattr(where, name, value)


def _look_at_the_table_when_judging(monkeypatch: pytest.MonkeyPatch) -> None:
    """A default of a parameter is the table as it was; let the changed one count."""
    judge = rules.judge
    monkeypatch.setattr(rules, "judge", lambda facts, table=None: judge(facts, rules.USE if table is None else table))


_back = windows.back
_of = Thresholds.of
_redundant = rules.redundant
_grouped = replay.grouped
_newly = replay.newly_denied
_covered = coverage.covered


def _both_gone(candidates: Any, staying: Any = ()) -> frozenset[str]:
    its = list(candidates)
    return frozenset(one.grant_id for one in its for other in its if one is not other and one.used and one.used <= other.used)


def _closed_is_open(marks: tuple[LogMark, ...], *rest: Any) -> Any:
    return _covered([each._replace(closed=False) for each in marks], *rest)


def _all_closed(marks: tuple[LogMark, ...], *rest: Any) -> Any:
    return _covered([each._replace(closed=True) for each in marks], *rest)


MUTANTS: dict[str, Patch] = {
    **{f"no rule {each.name}": without(each) for each in rules.USE[:-1]},
    "fresh a moment too late": instead(rules.FRESH, lambda facts: facts.starts_at >= facts.aged_from),
    "within its cadence a moment too late": instead(rules.WITHIN_CADENCE, lambda facts: facts.starts_at >= facts.since),
    "covered a moment too late": instead(rules.NOT_COVERED, lambda facts: facts.covered_from >= facts.since),
    "what is young is taken": instead(rules.UNUSED, lambda facts: not facts.used),
    "what is used is taken": instead(rules.UNUSED, lambda facts: not facts.young),
    "emergencies after use": before(rules.UNUSED, rules.NAMED),
    "suspended after use": before(rules.UNUSED, rules.SUSPENDED),
    "exceptions after use": before(rules.UNUSED, rules.EXCEPTED),
    "covered or not, unused goes": before(rules.UNUSED, rules.NOT_COVERED),
    "needed or not, unused goes": before(rules.UNUSED, rules.NEEDED),
    "needed or not, it is reduced": before(rules.PARTLY_USED, rules.NEEDED),
    "reduced instead of needless": before(rules.PARTLY_USED, rules.REDUNDANT),
    "accounts: no exceptions": account("EXCEPTED"),
    "accounts: use does not count": account("ACCOUNT_IN_USE"),
    "accounts: a moment too early": account("ACCOUNT_IN_USE", lambda facts: facts.last_at > facts.lock_from),
    "accounts: covered or not": account("NOT_COVERED"),
    "accounts: never removed": account("DORMANT_REMOVE"),
    "accounts: removed a moment too early": account("DORMANT_REMOVE", lambda facts: facts.last_at <= facts.remove_from),
    "accounts: removed at once": account("DORMANT_REMOVE", lambda _: True),
    "both of two go": put(rules, "redundant", _both_gone),
    "nothing is needless": put(rules, "redundant", lambda *_: frozenset()),
    "the last may end first": put(rules, "_others_last", lambda ends, _: len(ends) > 1),
    "what stays stands in for nothing": put(rules, "redundant", lambda candidates, _: _redundant(candidates)),
    "what may be taken by somebody's word stands in": put(rules, "COVERING", rules.COVERING | {"NAMED_REVIEW"}),
    "a day more": put(planner, "back", lambda days, cutoff, count, pauses=(): _back(days, cutoff, count + 1, pauses)),
    "a day less": put(planner, "back", lambda days, cutoff, count, pauses=(): _back(days, cutoff, count - 1, pauses)),
    "leave counts": put(planner, "back", lambda days, cutoff, count, _pauses=(): _back(days, cutoff, count)),
    "every threshold is the shortest": put(Thresholds, "of", lambda self, _: self.monthly),
    "every threshold is continuous": put(Thresholds, "of", lambda self, _: self.continuous),
    "every threshold is yearly": put(Thresholds, "of", lambda self, _: self.yearly),
    "scopes of objects only": put(planner, "smallest_scope", lambda each: Scope(held.smallest_scope(each).objects, ())),
    "scopes of actions only": put(planner, "smallest_scope", lambda each: Scope((), held.smallest_scope(each).actions)),
    "scopes hold nothing back": put(planner, "within", lambda _bundle, permissions, _scope: permissions),
    "nobody is privileged": put(planner, "privileged_roles", lambda _: frozenset()),
    "confirmations need no time": put(coverage, "VALIDITY", 0),
    "logs that lack are no matter": put(planner, "covered", lambda marks, gaps, _, *rest: _covered(marks, gaps, (), *rest)),
    "gaps are no matter": put(planner, "require", lambda *_: None),
    "gaps are no matter to anyone": put(planner, "covered", lambda marks, _, *rest: _covered(marks, (), *rest)),
    "logs that ended are behind": put(planner, "covered", _closed_is_open),
    "logs that are behind have ended": put(planner, "covered", _all_closed),
    "the replay finds nothing": put(planner, "newly_denied", lambda *_: iter(())),
    "the replay finds everything": put(planner, "newly_denied", lambda _before, _after, groups: iter(groups)),
    "the replay looks at less than a grant's threshold": put(
        planner, "grouped", lambda policy, recorded, begin, *rest: _grouped(policy, recorded, begin + 99 * DAY, *rest)
    ),
    "the replay looks at more": put(planner, "grouped", lambda policy, recorded, _, *rest: _grouped(policy, recorded, 0, *rest)),
    "the replay looks beyond the cutoff": put(
        planner, "grouped", lambda policy, recorded, begin, _, *rest: _grouped(policy, recorded, begin, 1 << 62, *rest)
    ),
    "the replay takes questions for reads": put(
        planner,
        "grouped",
        lambda policy, recorded, begin, end, _, *rest: _grouped(policy, recorded, begin, end, lambda _: True, *rest),
    ),
    "masks are no matter to the replay": put(replay, "_shows", lambda decision: decision.allow or None),
}


def test_without_a_mistake_all_pass():
    assert survives()


@pytest.mark.no_cover  # what passes without a mistake goes over the same lines
@pytest.mark.parametrize("name", MUTANTS)
def test_each_mistake_is_found(name: str, monkeypatch: pytest.MonkeyPatch):
    _look_at_the_table_when_judging(monkeypatch)
    MUTANTS[name](monkeypatch)
    assert not survives()
