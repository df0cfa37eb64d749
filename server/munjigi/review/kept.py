"""Plans that were read lately: each is decoded once, since all that is asked about a review goes through its plan."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import Final

from munjigi.grants.review_ports import Reviews
from munjigi.kernel.review import ReviewPlan
from munjigi.review.encoding import decode_plan

_MOST: Final = 2  # plans; one of a hundred thousand grants takes some hundred megabytes


class KeptPlans:
    """Plans by digest, read from wherever they are kept. Any thread may ask."""

    def __init__(self) -> None:
        self._plans: OrderedDict[str, ReviewPlan] = OrderedDict()
        self._lock = Lock()

    def of(self, reviews: Reviews, digest: str) -> ReviewPlan:
        """Return a plan. Raises `NotFound` and `Corruption`."""
        with self._lock:
            plan = self._plans.get(digest)
            if plan is None:
                plan = self._plans[digest] = decode_plan(reviews.plan(digest))
            self._plans.move_to_end(digest)
            while len(self._plans) > _MOST:
                self._plans.popitem(last=False)
            return plan
