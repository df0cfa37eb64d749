"""A small company whose grants are reviewed: plans written by hand, everybody's steps committed as the registrar does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from grants.request_kit import DAY, GRANTS, HOUR, ISSUER, NOW, PEOPLE, Company, held, key, refused, role, someone

from munjigi.grants.review_ports import ItemFilter
from munjigi.kernel.grant import Grant, Person, Scope
from munjigi.kernel.review import (
    Evidence,
    Permission,
    PlannedItem,
    Replay,
    Review,
    ReviewItem,
    ReviewPlan,
    Use,
    Verdict,
    Word,
)
from munjigi.policy.types import Role
from munjigi.review import apply, campaign, exceptions
from munjigi.review.apply import Step, Watch
from munjigi.review.campaign import Decision, Outcome
from munjigi.review.encoding import encode_plan, grant_digest
from munjigi.review.settings import ReviewRow
from munjigi.review.undo import Undone, undo

__all__ = ["DAY", "GRANTS", "HOUR", "ISSUER", "NOW", "PEOPLE", "held", "key", "refused", "role", "someone"]

NAME, PHONE = Permission("crm.member.name", "read"), Permission("crm.member.phone", "read")
NARROW = Scope(("crm.member.name",), ("read",))
ROW = ReviewRow(
    "unused",
    "unused rights",
    cap_grants=1.0,
    cap_team=1.0,
    canary=0.0,
    defaults=(("", "suspend"), ("contact", "revoke")),
)
WHY = "no longer part of this duty"


def planned(
    number: int, grant: Grant, verdict: Verdict = "revoke", *, used: Sequence[Permission] = (), **more: Any
) -> PlannedItem:
    """What a plan says of a grant whose holder `p.X` is named as their account."""
    uses = tuple(Use(each, NOW - 9 * DAY, NOW - DAY, 5, 4, 3) for each in used)
    unused = tuple(each for each in (NAME, PHONE) if each not in used)
    person_id = "p.kim" if grant.employee.subject == "kim2" else f"p.{grant.employee.subject}"
    made = PlannedItem(
        number, grant.grant_id, grant_digest(grant), grant.employee, person_id, grant.role, grant.purpose, verdict, "R", Evidence(uses, unused), 90
    )  # fmt: skip
    return replace(made, **({"scope": NARROW} if verdict == "reduce" else {}) | more)


class Office(Company):
    """People review each other's grants in it. `used` and `denied` are what a run sees: of grants, and of holders."""

    def __init__(
        self, *roles: Role, people: tuple[Person, ...] = PEOPLE, grants: Sequence[Grant] = (), row: ReviewRow = ROW
    ) -> None:
        super().__init__(*roles, people=people, grants=(*GRANTS, *grants))
        self.row = row
        self.used: dict[str, set[Permission]] = {}
        self.denied: set[str] = set()
        self.counted_to: int | None = None
        self.lost_until = 0
        self.plan: ReviewPlan | None = None
        self.current = "rv-1"

    def planned(self, items: Iterable[PlannedItem], **more: Any) -> ReviewPlan:
        frozen = (self.now, NOW - 90 * DAY, self.now, self.bundle.revision, self.store.revision(), "d" * 64, ())
        self.plan = ReviewPlan(self.row.kind, *frozen, tuple(items), Replay(0, ()))
        self.plan = replace(self.plan, **more)
        return self.plan

    def open(self, *items: PlannedItem, review_id: str = "rv-1", by: str = "yoon", **more: Any) -> Review:
        plan = self.planned(items, **more)
        digest = self.store.keep_plan(encode_plan(plan))
        return self.reviewed(campaign.open_review(self.book(), plan, self.row, review_id, key(by), digest=digest))

    def review(self, review_id: str = "") -> Review:
        found = self.store.reviews.review(review_id or self.current)
        assert found is not None
        return found

    def decide(
        self, name: str, *numbers: int, word: Word = "revoke", reason: str = WHY, spent: int = 60 * 10**9
    ) -> tuple[ReviewItem, ...]:
        decisions = [Decision(number, word, reason, spent, evidence=True) for number in numbers]
        outcome = campaign.decide(self.book(), self.review(), self.the_plan, decisions, key(name))
        self.reviewed(outcome)
        return outcome.items

    def override(self, name: str) -> Review:
        return self.reviewed(campaign.override(self.book(), self.review(), key(name), "a department is dissolved"))

    def stop(self) -> Review:
        return self.reviewed(campaign.stop(self.book(), self.review(), "planned anew"))

    def except_item(self, name: str, number: int, days: int = 30, exception_id: str = "ex-1") -> None:
        until = self.now + days * DAY
        found = exceptions.except_item(self.book(), self.review(), self.the_plan, number, WHY, until, key(name), exception_id)
        self.put(*found.edits)

    def approve(self, name: str, exception_id: str = "ex-1") -> None:
        self.put(*exceptions.approve_exception(self.book(), self.review(), self.the_plan, exception_id, key(name)).edits)

    def step(self, most: int = 100) -> Step:
        found = apply.step(self.book(), self.review(), self.the_plan, self.watch(), most)
        self.put(*found.edits)
        return found

    def run(self, most: int = 100) -> list[Step]:
        """Step until the run is over or has to wait."""
        steps = [self.step(most)]
        while steps[-1].more:
            steps.append(self.step(most))
        return steps

    def undo(self, *numbers: int, by: str = "yoon", most: int = 100) -> Undone:
        found = undo(self.book(), self.review(), self.the_plan, numbers or None, key(by), most)
        self.put(*found.edits)
        return found

    def watch(self) -> Watch:
        def used_since(grant_ids: Sequence[str], _since: int) -> Mapping[str, Iterable[Permission]]:
            return {each: self.used[each] for each in grant_ids if each in self.used}

        def denied_after(items: Sequence[ReviewItem]) -> int:
            return len(self.denied & {item.person_id for item in items})

        return Watch(used_since, self.now if self.counted_to is None else self.counted_to, denied_after, self.lost_until)

    def items(self) -> dict[int, ReviewItem]:
        return {each.number: each for each in self.store.reviews.items(ItemFilter(self.current, limit=10**6))}

    def states(self) -> dict[int, str]:
        return {number: f"{item.state} {item.why}".strip() for number, item in self.items().items()}

    def reviewed(self, outcome: Outcome) -> Review:
        self.put(*outcome.edits)
        return outcome.review

    @property
    def the_plan(self) -> ReviewPlan:
        assert self.plan is not None
        return self.plan
