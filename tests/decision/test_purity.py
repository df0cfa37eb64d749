"""P2 and P3 of the core: the same answer for the same question, whatever else happens, and an answer to anything."""

from __future__ import annotations

import copy
import gc
import random
import sys
import threading
import tracemalloc

import msgspec
import pytest
from decision.builders import KIM, NOW, P, ask, grant, make_bundle, person, role, snapshot
from decision.worlds import make_world
from hypothesis import example, given, settings
from hypothesis import strategies as st

from munjigi.decision import frames
from munjigi.decision.core import decide
from munjigi.decision.types import Request
from munjigi.kernel.identity import EmployeeKey

WILD = st.one_of(
    st.text(max_size=40),
    st.text(alphabet=st.characters(codec=None), max_size=8),  # surrogates too
    st.sampled_from(
        [
            "",
            "\x00",
            "\ud800",
            "x" * 100_000,
            "*",
            "crm.*",
            "crm.member",
            "class:",
            "class:key",
            "munjigi.",
            "munjigi.audit",
            "crm.member.name",
            "сrm.member",  # noqa: RUF001 - a homoglyph is the point
            "\u202ecrm.member",
            "na\u0308me",
        ]
    ),
)
PLAIN = make_bundle(
    [P("agent", "crm.member.*", act="*", purpose="*"), P("agent", "class:key", allow=True)], roles=[role("agent")]
)
CONDITIONS = make_bundle(
    [P("agent", "crm.member.name", on=lambda *asked: asked[4].ip.startswith("10.")), P("agent", "crm.member.*", mask="partial")],
    roles=[role("agent", requires=("pledge",))],
)


def packed(decision):
    plain = {"unknown_fields": sorted(decision.unknown_fields), "help": str(decision.help)}
    return msgspec.msgpack.encode({**decision._asdict(), **plain})


@settings(max_examples=300, deadline=None)
@given(
    tool=st.one_of(st.just("desk"), WILD),
    resource=st.one_of(st.just("crm.member"), WILD),
    fields=st.lists(st.one_of(st.just("name"), WILD), max_size=4),
    action=st.one_of(st.just("read"), WILD),
    purpose=st.one_of(st.just("inquiry"), WILD),
    case_id=st.one_of(st.just(""), WILD),
    ip=WILD,
    subject=st.one_of(st.just("cs.kim"), WILD),
    subjects=st.integers(-(2**70), 2**70),
    probe=st.booleans(),
    partial=st.booleans(),
    now=st.one_of(st.just(NOW), st.integers(-(2**64), 2**64)),
)
@example("desk", "crm.member", ["\ud800"], "read", "inquiry", "", "", "cs.kim", 1, False, True, NOW)
def test_p3_any_strings_get_an_answer_and_help_repeats_none_of_them(
    tool, resource, fields, action, purpose, case_id, ip, subject, subjects, probe, partial, now
):
    for bundle in (PLAIN, CONDITIONS):
        shot = snapshot(bundle, grant("g1", "agent"), people=[person("pledge")])
        request = Request(
            EmployeeKey(KIM.issuer, subject),
            tool,
            resource,
            tuple(fields),
            action,
            purpose,
            case_id,
            subjects,
            ip,
            probe,
            partial,
        )
        decision = decide(shot, request, now)
        assert decision == decide(shot, request, now)
        assert [field.name for field in decision.fields if fields] == fields
        known = bundle.catalog.tables.get(resource)
        assert decision.unknown_fields == {name for name in fields if known is None or name not in known.columns}
        for text in (case_id, ip, *decision.unknown_fields):
            assert len(text) < 8 or text not in decision.help
        if decision.allow:
            assert (tool, action if bundle is CONDITIONS else "", purpose, subject) == (
                "desk",
                "read" if bundle is CONDITIONS else "",
                "inquiry",
                "cs.kim",
            )
            assert resource in ("crm.member", "class:key")


def test_p2_equal_inputs_give_equal_bytes_in_any_order_and_memory():
    for seed in range(60):
        world = make_world(seed)
        shot = snapshot(world.bundle, *world.grants)
        fresh = snapshot(make_world(seed).bundle, *reversed(world.grants))
        first = [packed(decide(shot, request, NOW)) for request in world.requests]
        again = [packed(decide(fresh, request, NOW)) for request in reversed(world.requests)]
        assert first == again[::-1]
        assert first == [packed(decide(shot, request, NOW)) for request in world.requests]


def test_p2_a_decision_changes_neither_bundle_nor_table():
    world = make_world(3)
    shot = snapshot(world.bundle, *world.grants)
    names = ("rules", "roles", "closure", "classes", "objects", "index", "catalog", "tools")
    before = {name: copy.deepcopy(getattr(world.bundle, name)) for name in names}
    held = list(shot.grants)
    for request in world.requests:
        decide(shot, request, NOW)
    assert {name: getattr(world.bundle, name) for name in names} == before
    assert list(shot.grants) == held


def test_p2_an_old_snapshot_answers_as_before_while_threads_swap():
    bundle = make_bundle([P("agent", "crm.member.name")])
    without = snapshot(bundle)
    holding = without._replace(grants=without.grants.with_grant(grant("g1", "agent"), 8))
    wrong: list[int] = []
    current = [without, holding]

    def ask_often(seed: int) -> None:
        rng = random.Random(seed)
        for _ in range(2000):
            shot = current[rng.randrange(2)]
            decision = decide(shot, ask("name"), NOW)
            if decision.allow != (decision.grant_revision == 8):
                wrong.append(decision.grant_revision)

    threads = [threading.Thread(target=ask_often, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.no_cover  # the same lines for each name
def test_memory_is_flat_for_names_that_nobody_knows():
    shot = snapshot(PLAIN, grant("g1", "agent"))

    def many(start: int) -> None:
        for number in range(start, start + 1500):
            name = f"unknown{number}"
            decide(shot, ask(name), NOW)
            decide(shot, ask(resource=name), NOW)
            decide(shot, ask("name", purpose=name), NOW)
            decide(shot, ask("name", action=name), NOW)
            decide(shot, ask("name", tool=name), NOW)
            decide(shot, ask("name", employee=EmployeeKey("x", name)), NOW)

    many(0)
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    many(10_000)
    gc.collect()
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 20_000, f"{grown} bytes grew over 9,000 questions"
    assert sys.getsizeof(PLAIN.memo) < 1000


def test_the_memo_is_bounded_and_answers_survive_its_emptying(monkeypatch):
    monkeypatch.setattr(frames, "MOST_CELLS", 9)
    for seed in range(200, 260):
        world, other = make_world(seed), make_world(seed)
        shot = snapshot(world.bundle, *world.grants)
        for request in world.requests * 3:
            decision = decide(shot, request, NOW)
            memory = frames.Memory.of(world.bundle)
            kept = sum(len(sheet.cells) for ground in memory.grounds.values() for sheet in ground.sheets.values())
            assert kept <= 9
            monkeypatch.setattr(frames, "MOST_CELLS", 10**6)
            assert decision == decide(snapshot(other.bundle, *world.grants), request, NOW)
            monkeypatch.setattr(frames, "MOST_CELLS", 9)
