"""Make a disagreement small: drop requests, policy lines and conjuncts as long as the two sides still disagree about the same."""

from __future__ import annotations

from collections.abc import Callable

from oracle.compare import Unexplained, compare, new_tally
from oracle.worlds import World


def _still(world: World, found: Unexplained) -> bool:
    tally = new_tally()
    try:
        compare(world, tally)
    except Exception:  # noqa: BLE001 - a smaller world that breaks differently isn't the same finding
        return False
    return any((each.theirs, each.ours) == (found.theirs, found.ours) for each in tally.unexplained)


def _drop(parts: list[str], keep: Callable[[list[str]], bool]) -> list[str]:
    at = len(parts) - 1
    while at >= 0:
        fewer = parts[:at] + parts[at + 1 :]
        if keep(fewer):
            parts = fewer
        at -= 1
    return parts


def shrink(found: Unexplained) -> Unexplained:
    """Return a disagreement of the same kind in the smallest world that dropping leads to."""
    world = found.world._replace(requests=(found.request,) if found.request is not None else found.world.requests[:1])
    if not _still(world, found):
        return found
    lines = _drop(
        world.policy.splitlines(), lambda rows: _still(world._replace(policy="".join(f"{row}\n" for row in rows)), found)
    )
    world = world._replace(policy="".join(f"{row}\n" for row in lines))
    head, _, matcher = world.model.rpartition("m" + world.suffix + " = ")
    parts = _drop(
        matcher.strip().split(" && "),
        lambda some: bool(some) and _still(world._replace(model=f"{head}m{world.suffix} = {' && '.join(some)}\n"), found),
    )
    world = world._replace(model=f"{head}m{world.suffix} = {' && '.join(parts)}\n")
    tally = new_tally()
    compare(world, tally)
    return next((each for each in tally.unexplained if (each.theirs, each.ours) == (found.theirs, found.ours)), found)
