"""The sample company on a real daemon whose rights are reviewed: everybody's steps, and what it shows of them."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from e2e_asking import question
from notices.kit import Receiver
from running import ROOT, Daemon, Stubs
from shifted import Shift

from munjigi.kernel.clock import SECOND
from munjigi_client._proto.munjigi.v1 import decision_pb2
from munjigi_client._proto.munjigi.v1 import review_calls_pb2 as calls
from munjigi_client._proto.munjigi.v1 import review_pb2 as pb

CLI = "munjigi-cli"
PATIENCE = 90.0  # seconds, on a busy machine
AT_ONCE = "notice_days = 0\ncanary_hours = 0\ncap_grants_percent = 100\ncap_team_percent = 100\n"
REVIEWS = f"""
[reviews.by_name]
title = "Each right, by name"
judges = "holders"
who = "ordinary"
every = "monthly"
auto_revoke = false
{AT_ONCE}
[reviews.careful]
title = "With notice and caps"
judges = "holders"
who = "ordinary"
auto_revoke = false
notice_days = 7

[reviews.capped]
title = "With caps"
judges = "holders"
who = "ordinary"
auto_revoke = false
notice_days = 0
canary_hours = 0

[reviews.unused]
title = "Rights that nobody uses"
judges = "use"
"""


class House(NamedTuple):
    """A daemon whose grants are reviewed. `shift` is its clock, where that is not ours."""

    daemon: Daemon
    workers: dict[str, Stubs]
    receiver: Receiver
    shift: Shift | None = None

    @property
    def review(self) -> Any:
        return next(iter(self.workers.values())).review

    def who(self, name: str) -> tuple[tuple[str, str], ...]:
        return self.daemon.credentials(name, CLI) if self.shift is None else self.shift.credentials(self.daemon, name, CLI)

    def plan(self, kind: str, **more: Any) -> calls.PlanReviewResponse:
        made: calls.PlanReviewResponse = self.review.PlanReview(
            calls.PlanReviewRequest(kind=kind, **more), metadata=self.who("dpo.yoon"), timeout=120
        )
        return made

    def items(self, review: pb.Review, who: str = "dpo.yoon", **more: Any) -> list[pb.ReviewItem]:
        asked = calls.ListReviewItemsRequest(review_id=review.review_id, **more)
        return list(self.review.ListReviewItems(asked, metadata=self.who(who), timeout=30).items)

    def decide(self, review: pb.Review, who: str, words: dict[int, str], **more: Any) -> calls.DecideItemResponse:
        said = [
            calls.ReviewDecision(number=number, word=f"REVIEW_WORD_{word}", reason="it is so", looked=3 * SECOND)
            for number, word in words.items()
        ]
        done: calls.DecideItemResponse = self.review.DecideItem(
            calls.DecideItemRequest(review_id=review.review_id, plan_digest=review.plan_digest, decisions=said, **more),
            metadata=self.who(who),
            timeout=30,
        )
        return done

    def decide_all(self, review: pb.Review, revoke: str = "") -> None:
        """Let everybody decide what is theirs: the grants of `revoke` go, the others stay."""
        for who in ("cs.lee", "dpo.yoon"):
            mine = self.items(review, who, to_decide=True, page_size=1000)
            if mine:
                self.decide(review, who, {each.number: "REVOKE" if each.employee == revoke else "KEEP" for each in mine})

    def apply(
        self, review: pb.Review, who: str = "dpo.yoon", stubs: Stubs | None = None, **more: Any
    ) -> calls.ApplyReviewResponse:
        service = stubs.review if stubs is not None else self.review
        wanted = calls.ApplyReviewRequest(review_id=review.review_id, plan_digest=review.plan_digest, **more)
        done: calls.ApplyReviewResponse = service.ApplyReview(wanted, metadata=self.who(who), timeout=60)
        return done

    def shown(self, review: pb.Review) -> pb.Review:
        asked = calls.GetReviewRequest(review_id=review.review_id)
        found: pb.Review = self.review.GetReview(asked, metadata=self.who("dpo.yoon"), timeout=30).review
        return found

    def stop(self, review: pb.Review) -> None:
        wanted = calls.StopReviewRequest(review_id=review.review_id, reason="the test is over")
        self.review.StopReview(wanted, metadata=self.who("dpo.yoon"), timeout=30)

    def verdicts(self) -> set[str]:
        """Ask each worker as cs.kim."""
        who = self.daemon.credentials("cs.kim") if self.shift is None else self.shift.credentials(self.daemon)
        answers = (stubs.decision.Check(question(), metadata=who) for stubs in self.workers.values())
        return {decision_pb2.Decision.Name(answer.decision) for answer in answers}

    def command(self, *arguments: str, who: str = "dpo.yoon") -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "munjigi.cli.main", *arguments, "--as", who]
        return subprocess.run(line, env=self.daemon.environment, capture_output=True, text=True, check=False, timeout=180)

    def metric(self, name: str) -> float:
        with urllib.request.urlopen(f"http://{self.daemon.http_address}/metrics", timeout=30) as answer:
            page = answer.read().decode()
        found = [line for line in page.splitlines() if line.startswith(f"{name} ")]
        return float(found[0].rpartition(" ")[2]) if found else -1.0


def until(true: Callable[[], bool], what: str, seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.2)


def policies(folder: Path, reviews: str = REVIEWS) -> Path:
    home = folder / "policies"
    shutil.copytree(ROOT / "policies", home)
    (home / "reviews.toml").write_text(reviews)
    return home
