"""Reviews in whatever order people do things, against a naive model: the same rights afterwards, and the same refusals."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from review.kit import DAY, NAME, NOW, PEOPLE, ROW, Office, held, key, planned
from review.model import Model, Refused, Right

from munjigi.grants import rights
from munjigi.grants.verification import verify_permissions
from munjigi.kernel.errors import MunjigiError
from munjigi.kernel.grant import Grant

WORDS = ("keep", "reduce", "revoke", "suspend")
HOLDERS = ("kim", "oh", "dan", "eve", "lee", "mia")
SEEDS = int(os.environ.get("REVIEW_SEEDS", "25"))


class World:
    """Both, side by side. A step that one refuses, the other refuses."""

    def __init__(self, seed: int) -> None:
        self.draw = Random(seed)
        grants = [
            held(name, role, start=self.draw.choice((-200, -100, 10)), end=self.draw.choice((12, 30, 200)))
            for name in HOLDERS
            for role in ("agent", "senior")
        ]
        # Escalation to managers is tested by itself: nobody has one here.
        people = tuple(replace(each, manager="") for each in PEOPLE)
        self.real = Office(people=people, grants=grants, row=replace(ROW, defaults=(("", "suspend"), ("contact", "revoke"))))
        self.naive = Model(
            {"lee", "ann"},
            "yoon",
            {each.grant_id: Right(each.employee.subject, each.starts_at, each.ends_at) for each in grants},
            NOW,
        )
        self.names = [each.grant_id for each in grants]
        self.reviews = self.exceptions = 0
        self.asked: dict[str, str] = {}
        self.done: dict[str, int] = {}

    def step(self) -> None:
        moves: dict[str, Callable[[], tuple[Callable[[], Any], Callable[[], Any]]]] = {
            "open": self.open,
            "decide": self.decide,
            "except": self.ask_exception,
            "approve": self.approve,
            "run": self.run,
            "stop": lambda: (self.real.stop, self.naive.stop),
            "undo": self.undo,
            "other": self.other,
            "use": self.use,
            "wait": self.wait,
        }
        name = self.draw.choices(tuple(moves), (2, 12, 2, 2, 4, 0.3, 3, 4, 1, 5))[0]
        if not self.reviews and name not in ("open", "other", "use"):
            name = "wait"
        outcomes = []
        for call in moves[name]():
            try:
                call()
                outcomes.append("")
            except (MunjigiError, Refused) as error:
                outcomes.append(getattr(error, "reason", "refused"))
        assert bool(outcomes[0]) == bool(outcomes[1]), (name, outcomes)
        self.done[name] = self.done.get(name, 0) + (not outcomes[0])
        self.compare()

    def compare(self) -> None:
        for name, right in self.naive.rights.items():
            grant = self.real.grant(name)
            found = (grant.starts_at, grant.ends_at, grant.scope is not None, grant.suspended, grant.ended)
            assert found == right.key(), name
        # Whoever was given the right anew is none of this model: marks are those of what is taken and not given back.
        assert {mark.grant_id for mark in self.real.store.reviews.marks()} == self.naive.marks
        if self.reviews:
            assert self.real.review(self.review_id).state == self.naive.state

    @property
    def review_id(self) -> str:
        return f"rv-{self.reviews}"

    def open(self) -> tuple[Callable[[], Any], Callable[[], Any]]:
        chosen = sorted(self.draw.sample(self.names, self.draw.randint(1, 8)))
        items, verdicts = [], {}
        for number, name in enumerate(chosen):
            grant: Grant = self.real.grant(name)
            verdict = self.draw.choice(("keep", "reduce", "revoke", "ask") if grant.scope is None else ("keep", "revoke", "ask"))
            sensitive = self.draw.random() < 0.5
            items.append(planned(number, grant, verdict, data_class="contact" if sensitive else "key"))  # type: ignore[arg-type]
            verdicts[number] = (name, verdict, sensitive)

        def real() -> None:
            plan, number = self.real.plan, self.reviews + 1
            try:
                self.real.open(*items, review_id=f"rv-{number}")
            except MunjigiError:
                self.real.plan = plan
                raise
            self.reviews = number
            self.real.current = f"rv-{number}"
            self.asked.clear()

        return real, lambda: self.naive.open(verdicts)

    def number(self) -> int:
        return self.draw.randrange(len(self.naive.items)) if self.naive.items else 0

    def someone(self) -> str:
        return self.draw.choice(("lee", "ann", "lee", "ann", "yoon", "eve", "oh"))

    def decide(self) -> tuple[Callable[[], Any], Callable[[], Any]]:
        number, who, word = self.number(), self.someone(), self.draw.choice(WORDS)
        return (lambda: self.real.decide(who, number, word=word)), (lambda: self.naive.decide(who, number, word))  # type: ignore[arg-type]

    def ask_exception(self) -> tuple[Callable[[], Any], Callable[[], Any]]:
        number, who, days = self.number(), self.draw.choice((self.someone(), *HOLDERS)), self.draw.choice((0, 5, 40, 91))
        exception_id = f"ex-{self.exceptions}"
        self.exceptions += 1

        def real() -> None:
            self.real.except_item(who, number, days, exception_id)
            self.asked[self.naive.items[number].right] = exception_id

        return real, lambda: self.naive.ask_exception(who, number, self.naive.now + days * DAY)

    def approve(self) -> tuple[Callable[[], Any], Callable[[], Any]]:
        open_ones = [number for number, item in self.naive.items.items() if item.right in self.asked]
        if not open_ones:
            return self.wait()
        number, who = self.draw.choice(open_ones), self.someone()
        name = self.naive.items[number].right
        exception_id = self.asked[name]

        def naive() -> None:
            self.naive.approve_exception(who, number)
            del self.asked[name]

        return (lambda: self.real.approve(who, exception_id)), naive

    def run(self) -> tuple[Callable[[], Any], Callable[[], Any]]:
        most = self.draw.choice((1, 2, 100))
        return (lambda: self.real.run(most)), self.naive.run

    def undo(self) -> tuple[Callable[[], Any], Callable[[], Any]]:
        count = self.draw.choice((0, 1, 3))
        numbers = sorted(self.draw.sample(sorted(self.naive.items), min(count, len(self.naive.items))))

        def real() -> None:
            while self.real.undo(*numbers, most=self.draw.choice((1, 100))).more:
                pass

        return real, lambda: self.naive.undo(numbers)

    def other(self) -> tuple[Callable[[], Any], Callable[[], Any]]:
        """Somebody changes a right, whatever is reviewed."""
        name, book = self.draw.choice(self.names), self.real.book
        end = self.naive.now + self.draw.randint(1, 60) * DAY
        what = self.draw.choice(("revoke", "suspend", "resume", "resume", "shorten"))
        plans: dict[str, Callable[[], Any]] = {
            "revoke": lambda: rights.revoke(book(), name, "x"),
            "suspend": lambda: rights.suspend(book(), name, "x", why="owner"),
            "resume": lambda: rights.resume(book(), name, key("ann"), "x"),
            "shorten": lambda: rights.narrow(book(), name, "x", ends_at=end),
        }
        return (lambda: self.real.put(plans[what]())), (
            lambda: getattr(self.naive, what)(name, *([end] if what == "shorten" else []))
        )

    def use(self) -> tuple[Callable[[], Any], Callable[[], Any]]:
        name = self.draw.choice(self.names)
        # A narrowed grant that is used within what is left may be narrowed all the same; that is tested by itself.
        return (lambda: self.real.used.update({name: {NAME._replace(action="export")}})), (lambda: self.naive.used.add(name))

    def wait(self) -> tuple[Callable[[], Any], Callable[[], Any]]:
        self.naive.now += self.draw.choice((1, DAY, 3 * DAY, 8 * DAY)) + 1
        self.real.now = self.naive.now
        return (lambda: None), (lambda: None)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_people_in_whatever_order_against_the_model(seed: int) -> None:
    world = World(seed)
    for _ in range(120):
        world.step()
    assert [each.intact for each in verify_permissions(world.real.store, {})] == [True]


def test_every_step_is_taken_in_the_worlds_above() -> None:
    done: dict[str, int] = {}
    for seed in range(min(SEEDS, 8)):
        world = World(seed)
        for _ in range(120):
            world.step()
        for name, count in world.done.items():
            done[name] = done.get(name, 0) + count
    assert min(done.values()) >= 1
    assert set(done) == {"open", "decide", "except", "approve", "run", "stop", "undo", "other", "use", "wait"}
