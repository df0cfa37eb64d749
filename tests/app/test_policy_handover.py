"""What comes over from the compiler is the bundle that it made; taking it, and freeing it, holds nobody up."""

from __future__ import annotations

import asyncio
import gc
from dataclasses import fields
from pathlib import Path

import pytest

from munjigi.adapters.policy_files import read_policy_home
from munjigi.app.policy_handover import Assembly, Pace, let_go, shards
from munjigi.decision.frames import Memory
from munjigi.policy.compile import compile_bundle
from munjigi.policy.types import Context, PolicyBundle, Rule

HOME = Path(__file__).resolve().parents[2] / "policies"
CONTEXT = Context("10.1.2.3", 0, "employee", "fraud", device=True, tool="fraud-console")
MANY = 20_000


def compiled(extra: str = "") -> PolicyBundle:
    found = read_policy_home(HOME)
    files = dict(found.files)
    files["policy.csv"] += extra.encode()
    bundle, problems = compile_bundle(files, found.source)
    assert bundle is not None, problems
    return bundle


def handed(bundle: PolicyBundle) -> PolicyBundle:
    assembly = Assembly()
    for shard in shards(bundle):
        for _ in assembly.take(shard):
            pass
    return assembly.finish()


def plain(rule: Rule) -> Rule:
    return rule._replace(condition=None)


def test_p2_what_comes_over_is_the_bundle() -> None:
    sent = compiled("p, cs_agent, crm.member.joined_at, read, inquiry, r.ctx.hour < 18, allow, clear\n")
    got = handed(sent)
    for name in (field.name for field in fields(PolicyBundle)):
        one, other = getattr(sent, name), getattr(got, name)
        if name == "rules":
            assert [plain(rule) for rule in one] == [plain(rule) for rule in other]
            asked = ("x", "crm.payment.card_number", "read", "fraud_investigation", CONTEXT)
            for ours, theirs in zip(one, other, strict=True):
                assert (ours.condition is None) is (theirs.condition is None)
                assert ours.condition is None or ours.condition(*asked) is theirs.condition(*asked)
        elif name == "index":
            assert list(one) == list(other)  # order too
            places = {id(rule): place for place, rule in enumerate(got.rules)}
            for key, by_sub in one.items():
                assert list(by_sub) == list(other[key])
                for sub, rules in by_sub.items():
                    assert [sent.rules.index(rule) for rule in rules] == [places[id(rule)] for rule in other[key][sub]]
        elif name == "purposes":
            assert list(one) == list(other)
            for purpose, known in one.items():
                for case in ("", "CS-2026-000123", "FR-2026-1", "x"):
                    assert known.matches_case(case) is other[purpose].matches_case(case)
        else:
            assert list(one) == list(other) if isinstance(one, dict) else True
            assert one == other or name == "memo", name


def large() -> PolicyBundle:
    columns = ("crm.member.name", "crm.member.phone", "crm.member.status", "crm.inquiry.body")
    lines = (
        f"p, cs_agent, {columns[n % 4]}, read, inquiry, r.ctx.tool != 't{n}', allow, {'clear' if n % 2 else 'null'}\n"
        for n in range(MANY)
    )
    return compiled("".join(lines))


@pytest.mark.no_cover  # the same lines for twenty thousand rules
def test_p2_no_step_does_much_and_nothing_is_left_behind() -> None:
    """A step's work is bounded by count; `make bench` measures how long it holds the loop."""
    bundle = large()
    sent = list(shards(bundle))
    del bundle
    most = 0
    gc.collect()

    def size(assembly: Assembly) -> int:
        return len(assembly._rules) + len(assembly._open) + sum(map(len, assembly._index.values()))

    async def play() -> tuple[int, int]:
        nonlocal most
        assembly, pace = Assembly(), Pace()
        gc.disable()
        try:
            for shard in sent:
                steps = assembly.take(shard)
                while True:
                    before = size(assembly)
                    done = next(steps, False) is False
                    most = max(most, size(assembly) - before)
                    await pace.step()
                    if done:
                        break
            bundle = assembly.finish()
            del assembly
            Memory.of(bundle).ground("crm.member", "read", "inquiry").sheet("cs_agent")  # type: ignore[union-attr]
            alive = sum(isinstance(each, Rule) for each in gc.get_objects())
            going = [bundle]
            del bundle
            await let_go(going)
            return alive, sum(isinstance(each, Rule) for each in gc.get_objects())
        finally:
            gc.enable()

    before = sum(isinstance(each, Rule) for each in gc.get_objects())
    alive, after = asyncio.run(play())
    assert alive - before >= MANY
    assert after == before  # freed without the collector
    assert 0 < most <= 40  # rows and cells
    assert max(map(len, sent)) <= 66_000  # bytes


def test_a_bundle_in_use_is_not_taken_apart() -> None:
    async def play() -> None:
        bundle = compiled()
        rules = len(bundle.rules)
        leaving = asyncio.ensure_future(let_go([bundle]))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(leaving), 0.15)
        assert len(bundle.rules) == rules
        assert sum(len(found) for by_sub in bundle.index.values() for found in by_sub.values()) == rules
        del bundle
        await asyncio.wait_for(leaving, 5)

    asyncio.run(play())
