"""The people of the naive model, and the words it is written in: who joins, moves, leaves, is away or blocked, and what that ends."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import NamedTuple


class No(Exception):
    """It is refused."""


def must(holds: object) -> None:
    if not holds:
        raise No


class Rule(NamedTuple):
    """A role as roles.toml has it. A stage is owner, manager, or the role whose holders are the office; and whether all decide."""

    owners: tuple[str, ...]
    stages: tuple[tuple[str, bool], ...] = (("owner", False),)
    longest: int = 365
    budget: int = 0
    excludes: tuple[str, ...] = ()
    emergency: int = 0
    departments: tuple[str, ...] = ()


class Who(SimpleNamespace):
    """name, accounts, manager, department, status, blocked, deputies (name: from, to)."""


class Held(SimpleNamespace):
    """account, who, role, purpose, start, end, emergency, suspended (why), ended, asked (the last request)."""


class Asked(SimpleNamespace):
    """kind, account, who, by, role, purpose, start, end, days, grant, stages, due, stage, voted, state."""


class People:
    def __init__(self, rules: dict[str, Rule], purposes: tuple[str, ...], people: list[Who], now: int) -> None:
        self.rules, self.purposes, self.now = rules, purposes, now
        self.people = {each.name: each for each in people}
        self.grants: dict[str, Held] = {}
        self.requests: dict[str, Asked] = {}

    def lives(self, grant: Held) -> bool:
        return not grant.ended and self.now < grant.end

    def of(self, account: str) -> Who:
        found = [each for each in self.people.values() if account in each.accounts]
        must(found)
        return found[0]

    def open_to(self, role: str, department: str) -> bool:
        return not self.rules[role].departments or department in self.rules[role].departments

    def open(self, request: Asked) -> bool:
        return request.state == "open" and (request.kind == "emergency" or self.now < request.due)

    def block(self, name: str, *, blocked: bool) -> None:
        must(self.people[name].blocked != blocked)
        self.people[name].blocked = blocked

    def event(self, kind: str, name: str, department: str) -> None:
        who = self.people[name]
        mine = [each for each in self.grants.values() if each.who == name and self.lives(each)]
        if kind == "leave" and who.status == "active":
            who.status = "leave"
            for each in mine:
                each.suspended = each.suspended or "leave"
        elif kind == "return" and who.status == "leave":
            who.status = "active"
        elif kind == "leaver" and who.status != "left":
            who.status, who.deputies = "left", {}
            for other in self.people.values():
                other.deputies.pop(name, None)
            self.lose(name, lambda _: True)
        elif kind == "joiner" and who.status == "left":
            who.status = "active"
        elif kind == "mover":
            must(who.status != "left")
            if department != who.department:
                who.department = department
                self.lose(name, lambda role: not self.open_to(role, department))
        else:
            must(
                (kind, who.status)
                in (("leave", "leave"), ("return", "active"), ("leaver", "left"), ("joiner", "active"), ("joiner", "leave"))
            )

    def lose(self, name: str, which: Callable[[str], bool]) -> None:
        for each in self.grants.values():
            if each.who == name and self.lives(each) and which(each.role):
                each.ended, each.end = True, self.now
        for request in self.requests.values():
            if request.who == name and request.state == "open" and request.kind != "emergency" and which(request.role):
                request.state = "withdrawn"
