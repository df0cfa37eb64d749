"""Effects, order, roles, sections: with and without an index."""

from __future__ import annotations

import threading

import pytest
from engine.kit import engine, model, refused

from munjigi.decision.casbin import Context, Engine
from munjigi.kernel.errors import InvalidArgument
from munjigi.policy.casbin.load import load

RBAC = "g(r.sub, p.sub) && r.obj == p.obj && r.act == p.act"
AND_DENY = "some(where (p.eft == allow)) && !some(where (p.eft == deny))"
NO_DENY = "!some(where (p.eft == deny))"
PRIORITY = "priority(p.eft) || deny"
MIXED = "p, a, x, read, allow\np, a, x, read, deny\np, a, y, read, deny\np, a, y, read, allow\np, a, z, read, indeterminate\n"


@pytest.mark.parametrize(
    ("effect", "verdicts"),
    [
        ("some(where (p.eft == allow))", (True, True, False, False)),
        (NO_DENY, (False, False, True, True)),
        (AND_DENY, (False, False, False, False)),
        (PRIORITY, (True, False, False, False)),
    ],
)
# The second matcher can't be indexed: every rule is tried.
@pytest.mark.parametrize("matcher", ["r.sub == p.sub && r.obj == p.obj", "r.sub + r.obj == p.sub + p.obj"])
def test_each_effect_keeps_its_meaning(effect, verdicts, matcher):
    ours = engine(model(matcher, p="sub, obj, act, eft", e=effect), MIXED)
    assert tuple(ours.enforce(("a", each, "read")) for each in ("x", "y", "z", "unknown")) == verdicts


def test_the_deciding_rule_is_named():
    ours = engine(model("r.sub == p.sub && r.obj == p.obj", p="sub, obj, act, eft", e=PRIORITY), MIXED)
    assert ours.explain(("a", "x", "read")) == (True, 0)
    assert ours.explain(("a", "y", "read")) == (False, 2)
    assert ours.explain(("a", "z", "read")) == (False, 4)
    assert ours.explain(("b", "x", "read")) == (False, None)


def test_priorities_order_rules_by_number():
    text = model("r.sub == p.sub", p="priority, sub, obj, act, eft", e=PRIORITY)
    assert engine(text, "p, 10, a, x, read, allow\np, 9, a, x, read, deny\n").explain(("a", "", "")) == (False, 0)
    assert refused(text, "p, 10, a, x, read, allow\np, high, a, x, read, deny\n") == [("policy.csv", 2, 4, "PRIORITY_INVALID")]


def test_subject_priority_prefers_who_is_lower():
    text = model("g(r.sub, p.sub)", p="sub, obj, act, eft", e="subjectPriority(p.eft) || deny")
    rows = "p, root, x, read, deny\np, admin, x, read, deny\np, jane, x, read, allow\n"
    ours = engine(text, rows + "g, admin, root\ng, jane, admin\n")
    assert ours.enforce(("jane", "x", "read"))
    assert not ours.enforce(("admin", "x", "read"))
    assert refused(text, "p, a, x, read, allow\ng, a, b\ng, b, a\n")[0][3] == "ROLE_CYCLE"


TWO_SECTIONS = """[request_definition]
r = sub, dom, obj, act
r2 = sub, obj, act
[policy_definition]
p = sub, dom, obj, act, eft
p2 = sub, obj, act, eft
[role_definition]
g = _, _
[policy_effect]
e = subjectPriority(p.eft) || deny
e2 = priority(p2.eft) || deny
[matchers]
m = g(r.sub, p.sub)
m2 = !g(r2.sub, p2.sub)
"""


def test_subject_priority_finds_a_domain_where_the_section_before_had_one():
    # `reader` is above somebody, but not in the domain `*`, where pycasbin looks for it.
    ours = engine(TWO_SECTIONS, "p2, reader, *, *, deny\np2, alice, *, delete, allow\ng, bob, reader\n")
    assert ours.enforce_ex("2", ("carol", "", "read")) == (False, 0)
    assert refused(TWO_SECTIONS.replace("p2 = sub, obj, act, eft", "p2 = sub"), "p2, reader\n")[0][3] == "RULE_ARITY"


def test_a_list_is_linked_to_itself_only_where_links_have_bounds():
    bounded = engine(model("g([1, 'a'], [1, 'a'])", g=("g = _, _, (_, _)",)), "p, a, b, c\n")
    assert bounded.enforce(("x", "y", "z"))
    with pytest.raises(InvalidArgument):
        engine(model("g([1, 'a'], [1, 'a'])"), "p, a, b, c\n").enforce(("x", "y", "z"))


def test_roles_reach_as_far_as_in_casbin_and_stay_in_their_domain():
    chain = "p, role9, x, read\np, role10, y, read\n" + "".join(f"g, role{n}, role{n + 1}\n" for n in range(10))
    ours = engine(model(RBAC), chain)
    assert ours.enforce(("role0", "x", "read"))
    assert not ours.enforce(("role0", "y", "read"))
    domains = model("g(r.sub, p.sub, r.dom) && r.dom == p.dom", r="sub, dom", p="sub, dom", g=("g = _, _, _",))
    ours = engine(domains, "p, admin, d1\np, admin, d2\ng, alice, admin, d1\n")
    assert ours.enforce(("alice", "d1"))
    assert not ours.enforce(("alice", "d2"))
    assert ours.enforce(("admin", "d2"))


def test_time_bound_roles_are_half_open_and_closed_by_default():
    text = model(RBAC, g=("g = _, _, (_, _)",))
    policy = "p, cs, x, read\ng, alice, cs, 2026-01-01 00:00:00, 2026-01-01T10:00:00+09:00\n"
    start, end = 1_767_225_600 * 10**9, (1_767_225_600 + 3600) * 10**9
    for now, expected in ((start - 1, False), (start, True), (end - 1, True), (end, False)):
        assert engine(text, policy, now=now).enforce(("alice", "x", "read")) is expected


def test_other_sections_answer_by_their_suffix():
    more = "[request_definition]\nr2 = sub\n[policy_definition]\np2 = sub, eft\n[policy_effect]\n"
    more += f"e2 = {NO_DENY}\n[matchers]\nm2 = r2.sub == p2.sub\n"
    ours = engine(model(RBAC, more=more), "p, a, x, read\np2, a, deny\n")
    assert ours.enforce(("a", "x", "read"))
    assert ours.enforce_ex("2", ("a",)) == (False, 0)
    assert ours.enforce_ex("2", ("b",)) == (True, None)
    assert ours.enforce_ex(Context("r2", "p2", "e", "m2"), ("a",)) == (False, 0)
    for context, reason in (("3", "CONTEXT_UNKNOWN"), (Context("r", "p2", "e", "m2"), "CONTEXT_MIXED")):
        with pytest.raises(InvalidArgument) as caught:
            ours.enforce_ex(context, ("a",))
        assert caught.value.reason == reason


def test_a_matcher_about_other_definitions_than_its_own_is_an_error_of_each_request():
    more = "[request_definition]\nr2 = sub\n[policy_effect]\n"
    more += "e2 = some(where (p.eft == allow))\n[matchers]\nm2 = r.sub == p.sub\n"
    ours = engine(model("r2.sub == p.sub", more=more), "p, a, x, read\n")
    with pytest.raises(InvalidArgument) as caught:
        ours.enforce(("a", "x", "read"))
    assert caught.value.reason == "CONTEXT_MIXED"
    assert ours.enforce_ex(Context("r", "p", "e", "m2"), ("a", "x", "read"))[0]


def test_the_index_skips_rules_and_never_an_error():
    ours = engine(model("r.sub.Age > 18 && r.obj == p.obj"), "p, a, x, read\n")
    with pytest.raises(InvalidArgument):
        ours.enforce(({}, "unknown", "read"))
    # The index is asked first here; the attribute is missing in any case.
    ours = engine(model("r.obj == p.obj && r.sub.Age > 18"), "p, a, x, read\n")
    assert not ours.enforce(({}, "unknown", "read"))
    with pytest.raises(InvalidArgument):
        ours.enforce(({}, "x", "read"))


def test_an_alternative_for_root_and_rules_about_the_request_are_indexed_too():
    rows = "".join(f"p, r.sub.Age > {n % 3}, data{n}, read\n" for n in range(300))
    ours = engine(model("eval(p.sub) && r.obj == p.obj || r.act == 'root'"), rows)
    assert ours._judge(Context())._index is not None
    assert ours.explain(({"Age": 2}, "data7", "read")) == (True, 7)
    assert ours.explain(({"Age": 1}, "data7", "read")) == (False, None)
    assert ours.explain(({"Age": 1}, "data7", "root")) == (True, 0)
    with pytest.raises(InvalidArgument):
        ours.enforce(({}, "data7", "read"))


@pytest.mark.parametrize("size", [10, 2000])
def test_many_rules_cost_what_few_do(size, monkeypatch):
    rows = "".join(f"p, role{n}, /data{n}/:id, read\n" for n in range(size)) + "g, alice, role7\n"
    ours = engine(model("g(r.sub, p.sub) && keyMatch2(r.obj, p.obj) && r.act == p.act"), rows)
    looked_at = []
    index = ours._judge(Context())._index
    candidates = type(index).candidates
    monkeypatch.setattr(
        type(index), "candidates", lambda self, request: looked_at.append(candidates(self, request)) or looked_at[-1]
    )
    assert ours.explain(("alice", "/data7/1", "read")) == (True, 7)
    assert [tuple(each) for each in looked_at] == [(7,)]


def test_any_number_of_threads_may_ask():
    ours = engine(model(RBAC), "p, admin, x, read\n" + "".join(f"g, user{n}, admin\n" for n in range(500)))
    wrong = []

    def ask():
        wrong.extend(n for n in range(1000) if ours.enforce((f"user{n}", "x", "read")) is not (n < 500))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert not wrong


def test_a_program_of_other_rows_leaves_the_old_engine_alone():
    old = engine(model(RBAC), "p, a, x, read\n")
    program, _ = load(model(RBAC).encode(), b"p, b, x, read\n")
    new = Engine(program)
    assert old.enforce(("a", "x", "read"))
    assert not new.enforce(("a", "x", "read"))
