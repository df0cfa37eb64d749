"""Which roles a role brings with it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from munjigi.policy.findings import Findings, quoted
from munjigi.policy.rules import Link
from munjigi.policy.types import RolePath

# pycasbin gives up after nine links from an employee (defect D10); the first of them is the grant itself.
MAX_CHAIN: Final = 8


def close_roles(file: str, roles: Iterable[str], links: Iterable[Link], findings: Findings) -> dict[str, tuple[RolePath, ...]]:
    """Return for each role the roles that its holder has: itself first, then by distance, then in file order.

    Cycles and chains of more than eight links are reported.
    """
    above: dict[str, list[Link]] = {}
    for link in links:
        above.setdefault(link.one, []).append(link)
    _check_cycles(file, above, findings)
    return {role: _reach(file, role, above, findings) for role in roles}


def _reach(file: str, role: str, above: dict[str, list[Link]], findings: Findings) -> tuple[RolePath, ...]:
    found = {role: RolePath(role, (role,))}
    edge = [found[role]]
    depth = 0
    while edge:
        depth += 1
        following: list[RolePath] = []
        for at in edge:
            for link in above.get(at.role, ()):
                if link.other in found:
                    continue
                found[link.other] = RolePath(link.other, (*at.path, link.other))
                following.append(found[link.other])
                if depth == MAX_CHAIN + 1:
                    message = f"From role {quoted(role)} it is more than {MAX_CHAIN} links to here; shorten the chain."
                    findings.error(file, link.row.line, link.row.column(1), "ROLE_CHAIN_TOO_LONG", message)
        edge = following
    return tuple(found.values())


def _check_cycles(file: str, above: dict[str, list[Link]], findings: Findings) -> None:
    """Report the line that closes each cycle. Iterative: a chain may be longer than Python's stack."""
    done: set[str] = set()
    for start, outgoing in above.items():
        if start in done:
            continue
        active = {start}
        trail = [(start, iter(outgoing))]
        while trail:
            role, links = trail[-1]
            link = next(links, None)
            if link is None:
                trail.pop()
                active.discard(role)
                done.add(role)
            elif link.other in active:
                message = f"Role {quoted(link.one)} gets itself through this line; remove one link of the cycle."
                findings.error(file, link.row.line, link.row.column(1), "ROLE_CYCLE", message)
            elif link.other not in done:
                active.add(link.other)
                trail.append((link.other, iter(above.get(link.other, ()))))
