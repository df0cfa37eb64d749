"""Thirty people do everything at random: the real plans, store, table and `decide` say what a naive model of docs/grants.md says."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from decision.builders import P, make_bundle, purpose
from decision.builders import ask as question
from grants.model import DAY, HOUR, Model
from grants.model_people import Asked, No, Rule, Who
from grants.request_kit import NOW, WHY, Company, key, role

from munjigi.decision.core import decide
from munjigi.decision.snapshot import Snapshot
from munjigi.grants import requests, rights
from munjigi.grants.break_glass import break_glass
from munjigi.grants.changes import BlockEdit, GrantEdit
from munjigi.grants.requests import Ask, Outcome
from munjigi.kernel.errors import MunjigiError
from munjigi.kernel.grant import Block, Grant, Person
from munjigi.policy.types import PolicyBundle, Stage

OWNER, ALL, MANAGER, PRIVACY = ("owner", False), ("owner", True), ("manager", False), ("privacy", False)
RULES = {
    "agent": Rule(("p0", "p1x")),
    "senior": Rule(("p1", "p2"), (OWNER, PRIVACY), longest=90),
    "board": Rule(("p0", "p2", "p3x"), (ALL, PRIVACY)),
    "managed": Rule(("p4",), (MANAGER, OWNER)),
    "heads": Rule(("p0", "p5"), budget=3),
    "red": Rule(("p3", "p1"), excludes=("blue",), departments=("east",)),
    "blue": Rule(("p2", "p4"), departments=("east", "west")),
    "urgent": Rule(("p0", "p6"), (OWNER, PRIVACY), budget=2, emergency=8),
    "privacy": Rule(("p0", "p1")),
    "editor": Rule(("p2", "p3"), (OWNER, MANAGER)),
}
LATER = {"senior": Rule(("p1", "p2"), (PRIVACY,), longest=60), "urgent": Rule(("p6", "p7"), (MANAGER,), budget=2, emergency=4)}
PURPOSES = ("inquiry", "marketing")
DEPARTMENTS = ("east", "west", "")


def policy(rules: dict[str, Rule]) -> PolicyBundle:
    def made(name: str, rule: Rule) -> Any:
        stages = (Stage(stage, (stage,) if stage == "privacy" else (), everyone) for stage, everyone in rule.stages)
        more = {"longest_days": rule.longest, "budget": rule.budget, "excludes": rule.excludes}
        return role(name, *stages, owners=rule.owners, break_glass_hours=rule.emergency, departments=rule.departments, **more)

    lines = [P(name, f"crm.right.{name}", purpose=each) for name in rules for each in (*PURPOSES, "sketched")]
    lines.append(P("editor", "munjigi.policy", "operate", "oversight"))
    purposes = [purpose(each, impact_stage="approved") for each in (*PURPOSES, "oversight")]
    purposes.append(purpose("sketched", impact_stage="draft"))
    tables = {"crm.right": ("serial", *rules)}
    classes = {f"crm.right.{each}": ("key",) for each in tables["crm.right"]}
    return make_bundle(lines, roles=[made(*each) for each in rules.items()], purposes=purposes, tables=tables, classes=classes)


BUNDLES = (policy(RULES), policy({**RULES, **LATER}))


class World:
    """The same step in both; `real` is munjigi's, `naive` the model's."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        everybody = [
            Who(
                name=f"p{i}",
                accounts=(f"p{i}", f"p{i}x") if i < 8 else (f"p{i}",),
                manager=f"p{(i - 1) // 3}" if i else "",
                department=self.draw.choice(DEPARTMENTS),
                status="active",
                blocked=False,
                deputies={},
            )
            for i in range(30)
        ]
        people = tuple(
            Person(each.name, "employee", each.department, tuple(map(key, each.accounts)), manager=each.manager)
            for each in everybody
        )
        begun = {"g-a": ("p5", "privacy"), "g-b": ("p9", "privacy"), "g-c": ("p3", "editor"), "g-d": ("p10", "editor")}
        grants = tuple(
            Grant(grant, key(who), name, "inquiry", NOW, NOW + 300 * DAY, ("p0",)) for grant, (who, name) in begun.items()
        )
        self.real = Company(people=people, grants=grants)
        self.real.bundle = BUNDLES[0]
        self.naive = Model(RULES, PURPOSES, everybody, NOW)
        for grant, (who, name) in begun.items():
            self.naive.grants[grant] = self.naive.held(who, name, "inquiry", NOW, NOW + 300 * DAY)
        self.accounts = [account for each in everybody for account in each.accounts]
        self.seen: Counter[str] = Counter()
        self.steps = 0

    def step(self) -> None:
        self.steps += 1
        self.advance()
        name = self.draw.choices(list(STEPS), [weight for weight, _ in STEPS.values()])[0]
        real, naive = STEPS[name][1](self)
        why = ""
        try:
            real()
        except MunjigiError as error:
            why = error.reason
        try:
            naive()
        except No:
            assert why, f"step {self.steps}: {name} went through, and the model refuses it"
        else:
            assert not why, f"step {self.steps}: {name} is refused ({why}), and the model lets it through"
        self.seen[f"{name} {why}".strip()] += 1
        self.probe()

    def advance(self) -> None:
        now, draw = self.naive.now, self.draw
        bounds = [at for each in self.naive.grants.values() for at in (each.start, each.end, each.end - 1) if at > now]
        bounds += [each.due for each in self.naive.requests.values() if each.state == "open" and each.due > now]
        near = [at for at in bounds if at < now + DAY]
        if near and draw.random() < 0.3:
            now = draw.choice(near)  # exactly at a bound
        elif draw.random() < 0.02:
            now += draw.randrange(20 * DAY)
        elif draw.random() < 0.7:
            now += draw.randrange(6 * HOUR)
        self.real.now = self.naive.now = now

    def probe(self) -> None:
        """Ask whether somebody holds something now: mostly those who ever held it."""
        for _ in range(3):
            held = list(self.naive.grants.values())
            some = self.draw.choice(held)
            account, name, why = some.account, some.role, some.purpose
            if self.draw.random() < 0.3:
                account, name, why = self.draw.choice(self.accounts), self.draw.choice(list(RULES)), self.draw.choice(PURPOSES)
            asked = question(name, resource="crm.right", employee=key(account), purpose=why)
            answer = decide(Snapshot(self.real.bundle, self.real.table), asked, self.real.now)
            assert answer.allow == self.naive.holds(account, name, why), f"step {self.steps}: {account} {name} {why}"
            if answer.allow:
                (grant,) = (self.real.grant(each) for each in answer.fields[0].grants[:1])
                assert grant.starts_at <= self.real.now < grant.ends_at, "0 uses outside the period"
                assert not grant.suspended
                assert not grant.ended
            self.seen[f"probe {'held' if answer.allow else 'not held'}"] += 1

    # What may be done: each returns the real step and the model's

    def any_of(self, choices: Any, otherwise: Any = None) -> Any:
        choices = list(choices)
        return self.draw.choice(choices) if choices else otherwise

    def some_request(self) -> str:
        waiting = [name for name, each in self.naive.requests.items() if self.naive.open(each)]
        if self.draw.random() < 0.2:
            waiting = self.just_late("new") or waiting
        pool = waiting if waiting and self.draw.random() < 0.9 else list(self.naive.requests)
        return str(self.any_of(pool[-40:], ""))

    def just_late(self, kind: str) -> list[str]:
        """Requests whose time was over a moment ago."""
        late = [name for name, each in self.naive.requests.items() if each.state == "open" and each.kind == kind]
        return [name for name in late if self.naive.requests[name].due <= self.naive.now < self.naive.requests[name].due + DAY]

    def some_grant(self) -> str:
        alive = [name for name, each in self.naive.grants.items() if self.naive.lives(each)]
        return str(self.any_of(alive if alive and self.draw.random() < 0.8 else self.naive.grants))

    def ask(self) -> Any:
        draw, naive = self.draw, self.naive
        account = draw.choice(self.accounts)
        who = naive.of(account)
        boss = naive.people[who.manager].accounts[0] if who.manager else account
        by = draw.choices((account, who.accounts[-1], boss, draw.choice(self.accounts)), (8, 2, 2, 1))[0]
        name, why = draw.choice((*RULES, "heads", "heads", "red", "blue")), draw.choices((*PURPOSES, "sketched"), (8, 4, 1))[0]
        renews = supersedes = ""
        mine = [
            each for each, grant in naive.grants.items() if grant.who == who.name and (naive.lives(grant) or draw.random() < 0.1)
        ]
        if mine and draw.random() < 0.4:
            renews = draw.choice(mine)
            name, why = naive.grants[renews].role, naive.grants[renews].purpose
        waiting = [each for each, request in naive.requests.items() if request.who == who.name and request.state == "open"]
        if waiting and draw.random() < 0.2:
            supersedes = draw.choice(waiting)
        days = draw.choice((1, 7, 30, 30, 60, 60, 90, 365, 366))
        start = draw.choices((0, naive.now + draw.randrange(60 * DAY), naive.now - DAY, naive.now + 367 * DAY), (20, 4, 1, 1))[0]
        end = draw.choices((0, naive.now + draw.randrange(-2, 80) * DAY), (4, 1))[0]
        days = days if not end or draw.random() < 0.05 else 0
        key_ = f"ar-{self.steps}"
        kind: Any = "renew" if renews else "new"
        wanted = Ask(kind, key(account), key(by), name, why, WHY, "", None, start, end, days, renews, supersedes)
        made = Asked(kind=kind, account=account, by=by, role=name, purpose=why, start=start, end=end, days=days, grant=renews)
        return (
            lambda: self.commit(requests.ask(self.real.book(), wanted, key_)),
            lambda: naive.ask(key_, made, supersedes),
        )

    def vote(self) -> Any:
        name = self.some_request()
        request = self.naive.requests.get(name)
        if request is None:
            return self.ask()
        account, approve, read = self.draw.choice(self.accounts), self.draw.random() < 0.85, self.draw.random() < 0.97
        if self.draw.random() < 0.85 and (able := self.able(request)):
            account = self.draw.choice(self.naive.people[self.draw.choice(able)].accounts)
        elif self.draw.random() < 0.4:
            account = self.draw.choice(self.naive.people[self.draw.choice((request.who, request.by))].accounts)
        return (
            lambda: self.commit(self.real_vote(name, account, approve=approve, read=read)),
            lambda: self.naive.vote(name, account, approve=approve, read=read),
        )

    def able(self, request: Asked) -> list[str]:
        stages = self.naive.rules[request.role].stages
        seats = self.naive.seats(request, stages[min(request.stage, len(stages) - 1)][0])
        return sorted({person for _, people in seats for person in people})

    def real_vote(self, name: str, account: str, *, approve: bool, read: bool) -> Outcome:
        request = self.real.store.request(name)
        assert request is not None
        digest = request.digest if read else "0" * 64
        return requests.decide(self.real.book(), name, key(account), digest, approve=approve, reason="so")

    def commit(self, outcome: Outcome) -> None:
        """Commit, and look that nobody gave anything to themselves."""
        request, table = outcome.request, self.real.table
        voters = [vote.person_id for vote in request.votes]
        for vote in request.votes:
            voter, applicant = table.person(key(vote.subject)), table.person(request.applicant)
            assert voter is not None
            assert applicant is not None
            assert voter.person_id not in (request.person_id, applicant.person_id), "0 self-approvals"
            assert vote.on_behalf_of not in (request.person_id, applicant.person_id)
        assert len(set(voters)) == len(voters)
        self.real.done(outcome)

    def withdraw(self) -> Any:
        name = self.some_request()
        request = self.naive.requests.get(name)
        if request is None:
            return self.ask()
        account = self.draw.choice((*self.naive.people[request.who].accounts, self.draw.choice(self.accounts)))
        return (
            lambda: self.commit(requests.withdraw(self.real.book(), name, key(account))),
            lambda: self.naive.withdraw(name, account),
        )

    def break_glass(self) -> Any:
        account, why = self.draw.choice(self.accounts), self.draw.choice(PURPOSES)
        if self.draw.random() < 0.6 and (late := self.just_late("emergency")):
            account = self.naive.requests[self.draw.choice(late)].account
        name, hours = self.draw.choices(("urgent", "agent"), (9, 1))[0], self.draw.choice((0, 1, 4, 4, 8, 9))
        key_ = f"ar-{self.steps}"
        wanted = Ask("break_glass", key(account), key(account), name, why, WHY)
        return (
            lambda: self.commit(break_glass(self.real.book(), wanted, hours, key_)),
            lambda: self.naive.break_glass(key_, account, name, why, hours),
        )

    def delegate(self) -> Any:
        account = self.any_of(self.accounts[:16] if self.draw.random() < 0.8 else self.accounts)
        to, now = self.draw.choice(self.accounts), self.naive.now
        start, end = (
            now + self.draw.choice((-DAY, 0, DAY)),
            now + self.draw.choice((-now, -DAY, HOUR, 5 * DAY, 80 * DAY, 95 * DAY)),
        )
        return (
            lambda: self.real.delegate(account, to, starts_at=start, ends_at=end),
            lambda: self.naive.delegate(account, to, start, end),
        )

    def narrow(self) -> Any:
        name = self.some_grant()
        end = self.naive.grants[name].end + self.draw.choice((-40 * DAY, -HOUR, -1, 0, 1))
        return (
            lambda: self.real.put(rights.narrow(self.real.book(), name, WHY, ends_at=end)),
            lambda: self.naive.narrow(name, end),
        )

    def on_grant(self, what: str) -> Any:
        name, by = self.some_grant(), self.draw.choice(self.accounts)
        plans: dict[str, Callable[[], GrantEdit]] = {
            "revoke": lambda: rights.revoke(self.real.book(), name, WHY),
            "suspend": lambda: rights.suspend(self.real.book(), name, WHY, why="review"),
            "resume": lambda: rights.resume(self.real.book(), name, key(by), WHY),
        }
        return lambda: self.real.put(plans[what]()), lambda: getattr(self.naive, what)(name, *([by] if what == "resume" else []))

    def block(self) -> Any:
        blocked = self.draw.random() < 0.45
        pool = [name for name, each in self.naive.people.items() if each.blocked != blocked] or list(self.naive.people)
        name = self.draw.choice(pool if self.draw.random() < 0.9 else list(self.naive.people))
        kind: Any = "principal_blocked" if blocked else "principal_unblocked"
        return (
            lambda: self.real.put(BlockEdit(kind, Block("person", name), "so")),
            lambda: self.naive.block(name, blocked=blocked),
        )

    def event(self) -> Any:
        kind = self.draw.choices(("leave", "return", "leaver", "joiner", "mover"), (4, 6, 1, 5, 3))[0]
        wanted = {"return": "leave", "joiner": "left"}.get(kind, "active")
        fit = [name for name, each in self.naive.people.items() if each.status == wanted]
        name = self.draw.choice(fit if fit and self.draw.random() < 0.85 else list(self.naive.people))
        department = self.draw.choice(DEPARTMENTS)
        more = {"department": department} if kind == "mover" else {}
        return (
            lambda: self.real.event(kind, name, **more),
            lambda: self.naive.event(kind, name, department),
        )

    def policy(self) -> Any:
        later = self.draw.random() < 0.3

        def change() -> None:
            self.real.bundle = BUNDLES[later]

        def same() -> None:
            self.naive.rules = {**RULES, **LATER} if later else RULES

        return change, same


STEPS: dict[str, tuple[int, Callable[[World], Any]]] = {
    "ask": (30, World.ask),
    "vote": (40, World.vote),
    "withdraw": (3, World.withdraw),
    "break_glass": (5, World.break_glass),
    "delegate": (4, World.delegate),
    "narrow": (3, World.narrow),
    "revoke": (3, lambda world: world.on_grant("revoke")),
    "suspend": (2, lambda world: world.on_grant("suspend")),
    "resume": (3, lambda world: world.on_grant("resume")),
    "block": (3, World.block),
    "event": (6, World.event),
    "policy": (2, World.policy),
}


def played(seed: int, steps: int) -> Counter[str]:
    world = World(seed)
    for _ in range(steps):
        world.step()
    held = {each.grant_id: (each.starts_at, each.ends_at, bool(each.ended)) for each in world.real.table if not each.ended}
    assert held == {name: (each.start, each.end, each.ended) for name, each in world.naive.grants.items() if not each.ended}
    return world.seen


@pytest.mark.parametrize("seed", range(6))
def test_p9_p3_thirty_people_at_random_do_what_the_model_does(seed: int) -> None:
    seen = played(seed, 500)
    assert seen["vote"] > 50


@pytest.mark.torture
@pytest.mark.parametrize("seed", range(100, 110))
def test_p9_p3_thirty_people_do_ten_thousand_steps(seed: int) -> None:
    seen = played(seed, 10_000)
    print(sorted(seen.items()))
