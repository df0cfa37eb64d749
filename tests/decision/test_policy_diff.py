"""The difference of two policies is exact: every cell that differs and no other, and true of what is decided."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from decision.builders import KIM, NOW, P, ask, grant, make_bundle, person, snapshot
from decision.worlds import ROLES, TARGETS, make_world

from munjigi.decision.core import decide
from munjigi.decision.impact import concerned
from munjigi.decision.turned import turned
from munjigi.decision.types import Effect
from munjigi.kernel.grant import Scope
from munjigi.policy.calendar import Calendar
from munjigi.policy.diff import DENIED, View, Views, compare, settings

PURPOSES = ("inquiry", "marketing", "oversight")
ACTIONS = ("read", "export", "delete")
CLASSES = ("class:key", "class:identity", "class:contact", "class:payment")


def decided(shots, role, target, action, purpose):
    """What the only grant of somebody gives."""
    whole = target.startswith("class:")
    resource, _, column = (target, "", "") if whole else target.rpartition(".")
    request = ask(*(() if whole else (column,)), resource=resource, action=action, purpose=purpose)
    field = decide(shots[role, purpose], request, NOW).fields[0]
    return field.mask if field.effect is Effect.MASKED else field.effect.value


@pytest.mark.parametrize("block", range(4))
def test_exactly_the_cells_that_differ_are_found(block):
    total = 0
    for seed in range(block * 8, block * 8 + 8):
        before, after = make_world(seed).bundle, make_world(seed + 1000).bundle
        if seed % 4 == 0:  # a column moves to another class
            classes = {**after.classes, "crm.member.phone": ("key",)}
            objects = {**after.objects, "crm.member.phone": ("crm.member.phone", "crm.member.*", "crm.*", "class:key")}
            after = replace(after, classes=classes, objects=objects, memo={})
        shots = [
            {(role, why): snapshot(bundle, grant("g1", role, why)) for role in ROLES for why in PURPOSES}
            for bundle in (before, after)
        ]
        found = {(each.role, each.object, each.action, each.purpose): each for each in compare(before, after)}
        was, now = Views(before), Views(after)
        for role in ROLES:
            for target in (*TARGETS, *CLASSES):
                for action in ACTIONS:
                    for purpose in PURPOSES:
                        key = (role, target, action, purpose)
                        old, new = (decided(each, *key) for each in shots)
                        difference = found.get(key)
                        assert (difference is not None) == (was.of(*key) != now.of(*key))
                        if difference is None:
                            assert old == new, (seed, key)
                        else:
                            assert (difference.before.best(), difference.after.best()) == (old, new), (seed, key)
                            total += old != new
    assert total > 40


def lines(*rows):
    return make_bundle(rows, [("r1", "r0")])


def changes(before, after):
    return {(each.change, each.role, str(each.before), str(each.after)) for each in compare(before, after)}


def test_a_holder_of_a_role_above_gains_too():
    before, after = lines(P("r0", "crm.member.name", mask="partial")), lines(P("r0", "crm.member.name"))
    assert changes(before, after) == {("gains", "r0", "partial", "clear"), ("gains", "r1", "partial", "clear")}


def test_order_and_doubles_are_no_difference():
    one = lines(P("r0", "crm.member.name"), P("r0", "class:key"), P("r1", "class:key", allow=False))
    other = lines(P("r1", "class:key", allow=False), P("r0", "class:key"), P("r0", "crm.member.name"), P("r0", "class:key"))
    assert compare(one, other) == []


def test_a_less_revealing_rule_beside_a_better_one_is_no_difference():
    assert compare(lines(P("r0", "class:key")), lines(P("r0", "class:key"), P("r0", "class:key", mask="token"))) == []


def test_a_deny_is_a_loss_even_where_the_role_showed_nothing():
    # Deny wins over what another role allows, so that a holder of both loses.
    found = changes(lines(), lines(P("r0", "crm.member.name", allow=False)))
    assert found == {("loses", "r0", "nothing", "denied"), ("loses", "r1", "nothing", "denied")}


def test_conditions_are_told():
    both = View(("r.ctx.x",), (("clear", ("r.ctx.device",)), ("partial", ("True",))))
    assert str(both) == "clear if r.ctx.device, else partial; denied if r.ctx.x"
    assert (both.best(), both.worst()) == ("clear", DENIED)
    assert View((), (("clear", ("a",)), ("partial", ("True",)))).worst() == "partial"


def test_what_surrounds_the_rules_is_told():
    before = lines(P("r0", "class:key"))
    role = before.roles["r0"]
    after = replace(before, roles={**before.roles, "r0": replace(role, requires=("pledge",))})
    assert [tuple(each) for each in settings(before, after)] == [("role", "r0", "requires", "", "pledge")]


def test_a_changed_calendar_is_told():
    before = lines(P("r0", "class:key"))
    after = replace(before, calendar=Calendar("UTC", frozenset([date(2026, 1, 1)])))
    assert [tuple(each) for each in settings(before, after)] == [
        ("calendar", "zone", "", before.calendar.zone, "UTC"),
        ("calendar", "holidays", "", "", "2026-01-01"),
    ]


def test_who_is_concerned_is_counted_by_role_and_department():
    found = compare(lines(), lines(P("r0", "crm.member.name")))
    bundles = (lines(), lines(P("r0", "crm.member.name")))
    lee, oh = KIM._replace(subject="cs.lee"), KIM._replace(subject="new.oh")
    shot = snapshot(
        bundles[0],
        grant("g1", "r0", "inquiry"),
        grant("g2", "r0", "inquiry", lee),
        grant("g3", "r0", "marketing", oh),  # another purpose
        grant("g4", "r0", "inquiry", oh, Scope(("crm.payment.card",), ())),  # its scope does not reach the column
        grant("g5", "r0", "inquiry", oh, ends_at=NOW),  # over
        grant("g6", "r1", "inquiry", oh),
        people=(person(department="customer-service"),),
    )
    told = {each.role: (each.employees, dict(each.departments)) for each in concerned(found, bundles, shot.grants, NOW)}
    assert told == {"r0": (2, {"customer-service": 1, "-": 1}), "r1": (1, {"-": 1})}


def test_a_question_asked_again_tells_what_turns():
    before, after = lines(P("r0", "crm.member.name")), lines(P("r0", "crm.member.name", mask="partial"))
    shot = snapshot(before, grant("g1", "r0", "inquiry"))
    found = turned(ask("name"), before, after, shot.grants, NOW)
    assert found == ("ALLOW GRANTED", "ALLOW GRANTED", (("name", "clear", "partial"),))
    assert turned(ask("name"), before, before, shot.grants, NOW) is None
