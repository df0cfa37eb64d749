"""Models in a line, and engines from them."""

from __future__ import annotations

from munjigi.decision.casbin import Engine
from munjigi.policy.casbin.load import load

ALLOW = "some(where (p.eft == allow))"


def model(matcher, *, r="sub, obj, act", p="sub, obj, act", e=ALLOW, g=("g = _, _",), more=""):
    roles = "[role_definition]\n" + "\n".join(g) + "\n" if g else ""
    return f"[request_definition]\nr = {r}\n[policy_definition]\np = {p}\n{roles}[policy_effect]\ne = {e}\n[matchers]\nm = {matcher}\n{more}"


def engine(text, policy, **options):
    program, problems = load(text.encode(), policy.encode())
    assert program is not None, problems
    return Engine(program, **options)


def refused(text, policy=""):
    program, problems = load(text.encode(), policy.encode())
    assert program is None
    return [(each.file, each.line, each.column, each.code) for each in problems]
