"""Two oracles of the shipped model: its matcher written down plainly, and pycasbin fed with our rows."""

from __future__ import annotations

from typing import NamedTuple

import casbin
from casbin import model as casbin_model
from casbin.util import key_match

from munjigi.decision.types import Request
from munjigi.kernel.grant import Grant
from munjigi.policy.types import PolicyBundle, Rule

MODEL = """
[request_definition]
r = sub, obj, act, purpose, ctx
[policy_definition]
p = sub, obj, act, purpose, cond, eft, mask
[role_definition]
g = _, _
g2 = _, _
[policy_effect]
e = some(where (p.eft == allow)) && !some(where (p.eft == deny))
[matchers]
m = g(r.sub, p.sub) && (g2(r.obj, p.obj) || keyMatch(r.obj, p.obj)) && (p.act == "*" || r.act == p.act) && \
(p.purpose == "*" || r.purpose == p.purpose) && eval(p.cond)
"""


class Answer(NamedTuple):
    """What rules say on one target. `mask` is empty for a denial."""

    allow: bool
    mask: str


def links(bundle: PolicyBundle, grants: list[Grant], target: str, request: Request, now: int) -> set[str]:
    """The roles that the employee is linked to before Casbin sees anything."""
    roles = set()
    for grant in grants:
        about = {target, target.rpartition(".")[0] + ".*", *(f"class:{each}" for each in bundle.classes.get(target, ()))}
        scope = grant.scope
        covered = scope is None or (
            (not scope.objects or about & set(scope.objects)) and (not scope.actions or request.action in scope.actions)
        )
        if (
            grant.employee == request.employee
            and grant.purpose == request.purpose
            and grant.starts_at <= now < grant.ends_at
            and covered
        ):
            roles.add(grant.role)
    return roles


def naive(
    rules: list[Rule], below: set[tuple[str, str]], bundle: PolicyBundle, roles: set[str], target: str, request: Request
) -> Answer:
    """The matcher, word for word, over every rule."""
    held = set(roles)
    while more := {other for one, other in below if one in held} - held:
        held |= more
    ranks = bundle.catalog.mask_rank
    best = ""
    for rule in rules:
        of_class = rule.obj.removeprefix("class:") in bundle.classes.get(target, ()) if rule.obj.startswith("class:") else False
        matches = (
            rule.sub in held
            and (of_class or key_match(target, rule.obj))
            and rule.act in ("*", request.action)
            and rule.purpose in ("*", request.purpose)
        )
        if matches and not rule.allow:
            return Answer(allow=False, mask="")
        if matches and (not best or ranks[rule.mask] > ranks[best]):
            best = rule.mask
    return Answer(bool(best), best)


class Casbin:
    """pycasbin with one set of rows. It has no masks: whether one rule alone allows is asked mask by mask."""

    def __init__(self, rules: list[Rule], below: set[tuple[str, str]], bundle: PolicyBundle, roles: set[str]) -> None:
        self._bundle = bundle
        masks = sorted({rule.mask for rule in rules if rule.allow}, key=lambda mask: -bundle.catalog.mask_rank[mask])
        self._all = self._enforcer(rules, below, roles)
        self._by_mask = {
            mask: self._enforcer([rule for rule in rules if not rule.allow or rule.mask == mask], below, roles) for mask in masks
        }

    def _enforcer(self, rules: list[Rule], below: set[tuple[str, str]], roles: set[str]) -> casbin.Enforcer:
        model = casbin_model.Model()
        model.load_model_from_text(MODEL)
        enforcer = casbin.Enforcer(model)
        for rule in rules:
            enforcer.add_policy(rule.sub, rule.obj, rule.act, rule.purpose, "True", "allow" if rule.allow else "deny", rule.mask)
        for one, other in sorted(below):
            enforcer.add_grouping_policy(one, other)
        for role in sorted(roles):
            enforcer.add_grouping_policy("the employee", role)
        for target, classes in self._bundle.classes.items():
            for each in classes:
                enforcer.add_named_grouping_policy("g2", target, f"class:{each}")
        return enforcer

    def answer(self, target: str, request: Request) -> Answer:
        question = ("the employee", target, request.action, request.purpose, {})
        # Without any row pycasbin raises on a matcher with eval(); we deny.
        if not self._all.get_policy() or not self._all.enforce(*question):
            return Answer(allow=False, mask="")
        return Answer(allow=True, mask=next(mask for mask, one in self._by_mask.items() if one.enforce(*question)))
