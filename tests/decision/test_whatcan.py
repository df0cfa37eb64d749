"""What an employee is told they can do is what the core allows: no more, no less."""

from __future__ import annotations

from decision.builders import DAY, KIM, NOW, PURPOSES, TABLES, P, ask, grant, make_bundle, person, role, snapshot, tool
from decision.worlds import make_world

from munjigi.decision.core import decide
from munjigi.decision.types import Effect
from munjigi.decision.whatcan import what_can
from munjigi.policy.types import DATA_ACTIONS, OWN_ACTIONS


def every_question(bundle):
    for target in bundle.objects:
        table, _, column = target.rpartition(".")
        for action in (*DATA_ACTIONS, *OWN_ACTIONS[1:]):
            for purpose in PURPOSES:
                shape = {"resource": table} if table in TABLES else {"resource": target}
                yield target, ask(*((column,) if table in TABLES else ()), action=action, purpose=purpose, **shape)


def test_listed_is_exactly_what_is_decided():
    some = 0
    for seed in range(5000, 5080):
        world = make_world(seed)
        shot = snapshot(world.bundle, *world.grants)
        listed = what_can(shot, KIM, "desk", NOW)
        told = {(each.object, each.action, each.purpose): each for each in listed}
        assert len(told) == len(listed)
        assert list(told) == sorted(told)
        for target, request in every_question(world.bundle):
            decision = decide(shot, request, NOW)
            permission = told.pop((target, request.action, request.purpose), None)
            assert decision.allow == (permission is not None), (seed, request)
            if permission is not None:
                field = decision.fields[0]
                assert permission[3:] == (field.effect, field.mask, field.rule, field.grants, False)
                some += 1
        assert told == {}
    assert some > 200


def test_conditions_are_told_as_such_with_what_they_may_give():
    inside = P("agent", "crm.member.phone", mask="clear", on=lambda *asked: asked[4].ip.startswith("10."))
    bundle = make_bundle(
        [
            inside,
            P("agent", "crm.member.phone", mask="partial"),
            P("agent", "crm.member.name"),
            P("agent", "crm.member.serial", on=lambda *_: True),
            P("agent", "crm.member.memo"),
            P("agent", "crm.member.memo", allow=False, on=lambda *asked: asked[4].principal_type == "partner"),
        ]
    )
    shot = snapshot(bundle, grant("g1", "agent"))
    told = {each.object: (each.effect, each.mask, each.conditional) for each in what_can(shot, KIM, "desk", NOW)}
    assert told == {
        "crm.member.phone": (Effect.CLEAR, "", True),
        "crm.member.name": (Effect.CLEAR, "", False),
        "crm.member.serial": (Effect.CLEAR, "", True),
        "crm.member.memo": (Effect.CLEAR, "", True),
    }
    decision = decide(shot, ask("phone", "name", "serial", "memo"), NOW)
    assert {f"crm.member.{each.name}": each.effect for each in decision.fields} == {name: each[0] for name, each in told.items()}


def test_tools_purposes_times_and_requirements_narrow_the_list():
    bundle = make_bundle(
        [
            P("agent", "crm.member.name", act="*", purpose="*"),
            P("fraud", "crm.payment.card"),
            P("overseer", "munjigi.audit", purpose="oversight"),
        ],
        roles=[role("fraud", requires=("pledge",))],
        tools=[tool("narrow", purposes=frozenset(("marketing", "inquiry")), actions=frozenset(("export",)))],
    )
    held = (
        grant("g1", "agent"),
        grant("g2", "agent", "marketing"),
        grant("g3", "fraud"),
        grant("g4", "agent", "retired"),
        grant("g5", "overseer", "oversight"),
        grant("g6", "agent", "oversight", ends_at=NOW),
    )
    shot = snapshot(bundle, *held)

    def listed(*arguments):
        return [each[:3] for each in what_can(shot, KIM, *arguments)]

    assert listed("nobody", NOW) == []
    assert listed("desk", NOW + DAY) == []
    assert listed("narrow", NOW) == [("crm.member.name", "export", why) for why in ("inquiry", "marketing")]
    assert listed("narrow", NOW, "inquiry") == [("crm.member.name", "export", "inquiry")]
    assert ("munjigi.audit", "read", "oversight") in listed("desk", NOW)
    assert ("crm.member.name", "read", "oversight") not in listed("desk", NOW)
    assert not any(each[0] == "crm.payment.card" for each in listed("desk", NOW))
    shot = snapshot(bundle, *held, people=[person("pledge")])
    assert ("crm.payment.card", "read", "inquiry") in listed("desk", NOW)
