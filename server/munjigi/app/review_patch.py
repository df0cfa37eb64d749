"""From a state folder and a policy home to a review's patch, without a server. Reads only."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Final

from munjigi.adapters.policy_files import last_decided, load_bundle, read_policy_home
from munjigi.app.files import StateFolder
from munjigi.app.state import read_state
from munjigi.decision.grant_table import GrantTable
from munjigi.grants.ports import StateStore
from munjigi.grants.review_edits import review_unknown
from munjigi.grants.review_ports import ItemFilter, Reviews
from munjigi.kernel.errors import FailedPrecondition
from munjigi.kernel.review import ReviewItem
from munjigi.review.git_patch import git_patch
from munjigi.review.patching import Patch, Taken, patch

_PAGE: Final = 1000


def review_patch(state_dir: Path, review_id: str, home: Path, now: int) -> tuple[Patch, bytes]:
    """Return what a policy home should say after a review, and the patch for `git apply` in its folder: empty where nothing changes.

    Raises `NotFound` for a review that is not there, `FailedPrecondition` before something of it was applied or for a home with errors, and
    what reading the state folder and the policy home raises.
    """
    folder = StateFolder(state_dir)
    files = read_policy_home(home).files
    last = last_decided(folder.policies)
    before = load_bundle(folder.policies, last) if last else None
    with closing(read_state(folder)) as store:
        taken = _taken(store, review_id)
        state = store.load(whole=False)
    table = GrantTable.build(state.grants, state.people, state.grant_revision, state.blocks, state.session_ends)
    found = patch(before, files, taken, table, state.grants, now)
    title = f"What review {review_id} took, no line of the policy home gives back."
    return found, git_patch(files, found.files, (title, "", *found.why))


def _taken(store: StateStore, review_id: str) -> Taken:
    with store.moment() as moment:
        review = moment.reviews.review(review_id)
        if review is None:
            raise review_unknown()
        if review.state == "open":
            raise FailedPrecondition("REVIEW_STATE", "Nothing of this review was applied yet: `munjigi review apply`.")
        marks = [mark for mark in moment.reviews.marks() if mark.review_id == review_id and not mark.lifted_at]
        return Taken(list(_applied(moment.reviews, review_id)), marks)


def _applied(reviews: Reviews, review_id: str) -> list[ReviewItem]:
    found: list[ReviewItem] = []
    page = reviews.items(ItemFilter(review_id, state="applied", limit=_PAGE))
    while page:
        found += page
        page = reviews.items(ItemFilter(review_id, state="applied", after=page[-1].number, limit=_PAGE))
    return found
