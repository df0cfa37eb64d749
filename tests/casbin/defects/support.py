"""What the tests of CASBIN.md's defect table share: models as texts, both engines from them."""

from __future__ import annotations

from munjigi.decision.casbin import Engine
from munjigi.policy.casbin.load import load

_MODEL = """[request_definition]
r = {r}
[policy_definition]
p = {p}
{roles}[policy_effect]
e = {e}
[matchers]
m = {m}
"""
ALLOW = "some(where (p.eft == allow))"
DENY = "!some(where (p.eft == deny))"
PRIORITY = "priority(p.eft) || deny"
ROLES = "g(r.sub, p.sub) && r.obj == p.obj && r.act == p.act"


def model(m=ROLES, *, r="sub, obj, act", p="sub, obj, act", e=ALLOW, g=("g = _, _",)):
    """Return a model file. `g` are the lines of its role definition."""
    roles = "[role_definition]\n" + "".join(f"{line}\n" for line in g) if g else ""
    return _MODEL.format(r=r, p=p, e=e, m=m, roles=roles)


def engine(text, policy):
    """Return our engine, or fail with the problems."""
    program, problems = load(text.encode(), policy.encode())
    assert program is not None, problems
    return Engine(program)


def refusals(text, policy):
    """Return file, line and column of each reason why the two are refused; fail if they aren't."""
    program, problems = load(text.encode(), policy.encode())
    assert program is None
    return [(each.file, each.line, each.column) for each in problems if each.severity == "error"]
