"""What must not change a verdict: the order of rules that only allow, roles that nobody meets, other names for everything."""

from __future__ import annotations

import re
from random import Random

import pytest
from oracle.ours import Ours, Refused
from oracle.vocabulary import MOMENTS
from oracle.worlds import World, make_world

SEEDS = range(1_000_000, 1_000_300)


def answers(world: World) -> list[str]:
    ours = Ours(world.model, world.policy, world.suffix)
    return [ours.ask(request) for request in world.requests]


@pytest.fixture(scope="module")
def worlds() -> list[tuple[World, list[str], Random]]:
    """Worlds that load, with what we answer there."""
    found = []
    for seed in SEEDS:
        rng = Random(seed)
        world = make_world(rng)
        try:
            found.append((world, answers(world), rng))
        except Refused:
            continue
    assert len(found) > 0.85 * len(SEEDS)
    return found


def rows_of(world: World) -> list[str]:
    return [line for line in world.policy.splitlines() if line.strip() and not line.strip().startswith("#")]


def test_permuting_rules_that_only_allow_changes_nothing(worlds):
    tried = 0
    for world, before, rng in worlds:
        if "!some" in world.model or "riority(" in world.model or "error" in before:
            continue
        lines = rows_of(world)
        rng.shuffle(lines)
        assert answers(world._replace(policy="\n".join(lines))) == before, world
        tried += 1
    assert tried > 40


def test_permuting_links_changes_nothing(worlds):
    tried = 0
    for world, before, rng in worlds:
        lines = rows_of(world)
        links = [line for line in lines if line.startswith("g")]
        rng.shuffle(links)
        assert answers(world._replace(policy="\n".join([line for line in lines if line not in links] + links))) == before, world
        tried += len(links) > 1
    assert tried > 80


def test_an_unrelated_role_changes_nothing(worlds):
    tried = 0
    for world, before, _ in worlds:
        roles = re.findall(r"^(g2?) = (_(?:, _)+)$", world.model, re.MULTILINE)
        more = [f"{name}, some stranger, strange role" + ", strange place" * (arity.count("_") == 3) for name, arity in roles]
        more += [f"{name}, strange role, stranger role" + ", strange place" * (arity.count("_") == 3) for name, arity in roles]
        assert answers(world._replace(policy="\n".join([*rows_of(world), *more]))) == before, world
        tried += len(more) > 0
    assert tried > 100


def test_saying_everything_twice_changes_nothing(worlds):
    for world, before, _ in worlds:
        lines = rows_of(world)
        assert answers(world._replace(policy="\n".join(lines + lines))) == before, world


def renamed(word: str) -> str:
    """Another name, the same for the same word, and no two words the same. Times stay."""
    return "이름 " + "".join(f"{ord(char):x}-" for char in word) if word and word not in MOMENTS else word


def test_renaming_everything_changes_nothing(worlds):
    tried = 0
    for world, before, _ in worlds:
        matcher = world.model.partition("[matchers]")[2]
        # Only where words are compared with nothing but each other.
        if re.search(r"Match|['\"<>]| in |eval|\.Age|\.Score|\.Level", matcher):
            continue
        columns = re.findall(r"^(p2?) = (.*)$", world.model, re.MULTILINE)
        keep = {
            name: [place for place, column in enumerate(line.split(", "), 1) if column in {"eft", "priority"}]
            for name, line in columns
        }
        lines = []
        for line in rows_of(world):
            cells = [cell.strip() for cell in line.split(",")]
            lines.append(
                ", ".join(
                    cell if place == 0 or place in keep.get(cells[0], ()) else renamed(cell) for place, cell in enumerate(cells)
                )
            )

        def other(value: object) -> object:
            if isinstance(value, dict):
                return {key: other(each) for key, each in value.items()}
            return renamed(value) if isinstance(value, str) else value

        requests = tuple(tuple(other(value) for value in request) for request in world.requests)
        assert answers(world._replace(policy="\n".join(lines), requests=requests)) == before, world
        tried += 1
    assert tried > 25
