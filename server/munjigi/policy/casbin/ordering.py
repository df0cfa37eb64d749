"""The order in which rules are evaluated: by `priority`, by the place of their subject in `g`, else as written."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from munjigi.policy.casbin.program import Row
from munjigi.policy.casbin.refusal import Refusal


def by_priority(rows: Sequence[Row], place: int) -> list[Row]:
    """Sort by the cell at `place`: whole numbers by value, other texts by spelling; equal ones stay as written.

    Raises `Refusal` (its place is the line) when numbers and texts are mixed.
    """
    numbers = 0
    for row in rows:
        cell = row.cells[place]
        if cell.isdigit():
            if not cell.isdecimal() or len(cell) > 300:
                raise Refusal(row.line, "PRIORITY_INVALID", "This priority is no whole number.")
            numbers += 1
    if not numbers:
        return sorted(rows, key=lambda row: row.cells[place])
    if numbers < len(rows):
        line = next(row.line for row in rows if not row.cells[place].isdigit())
        raise Refusal(line, "PRIORITY_INVALID", "Some priorities are whole numbers from 0 and this is not; write all alike.")
    return sorted(rows, key=lambda row: int(row.cells[place]))


def by_subject(rows: Sequence[Row], domain: int, links: Sequence[tuple[tuple[str, ...], int]]) -> list[Row]:
    """Sort rules of lower subjects first: who has nobody below comes before the roles above.

    `domain` is the place of the rule's domain, or -1; `links` are the rows of `g` with their lines. Raises `Refusal` for a cycle.
    """
    for row in rows:
        if domain >= len(row.cells):
            raise Refusal(
                row.line,
                "RULE_ARITY",
                "subjectPriority looks for a domain here as in the section before; give this one a domain.",
            )
    levels = _levels(links)
    return sorted(rows, key=lambda row: levels.get((row.cells[domain] if domain >= 0 else "", row.cells[0]), 0))


def _levels(links: Sequence[tuple[tuple[str, ...], int]]) -> dict[tuple[str, str], int]:
    """Return each subject's longest way up from somebody who has nobody below."""
    above: dict[tuple[str, str], set[tuple[str, str]]] = {}
    below: dict[tuple[str, str], int] = {}
    for cells, _ in links:
        domain = cells[2] if len(cells) > 2 else ""
        child, parent = (domain, cells[0]), (domain, cells[1])
        parents = above.setdefault(child, set())
        below.setdefault(child, 0)
        below.setdefault(parent, 0)
        if parent not in parents:
            parents.add(parent)
            below[parent] += 1
    levels = {name: 0 for name, count in below.items() if not count}
    ready = deque(levels)
    done = 0
    while ready:
        name = ready.popleft()
        done += 1
        for parent in above.get(name, ()):
            levels[parent] = max(levels.get(parent, 0), levels[name] + 1)
            below[parent] -= 1
            if not below[parent]:
                ready.append(parent)
    if done < len(below):
        line = next(line for cells, line in links if below[cells[2] if len(cells) > 2 else "", cells[0]])
        raise Refusal(line, "ROLE_CYCLE", "Roles go round in a circle here; subjectPriority needs an order of them.")
    return levels
