"""Which reviews there are: the rows of the policy's reviews.toml, or those that are shipped. A kind of review is a row, no code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from munjigi.kernel.errors import NotFound
from munjigi.policy.findings import Findings, decode
from munjigi.policy.review_rows import REVIEWS_FILE, Every, Judges, ReviewRow, Thresholds, Who, read_reviews
from munjigi.policy.toml_file import read_toml
from munjigi.policy.types import PolicyBundle

__all__ = ["SHIPPED", "Every", "Judges", "ReviewRow", "Thresholds", "Who", "row_of", "rows_of"]

_MEMO_KEY: Final = "reviews"

SHIPPED: Final = (
    ReviewRow("unused", "Rights that nobody uses", "use", every="quarterly"),
    ReviewRow("rights", "Everybody's rights, by name", "holders", "all", every="quarterly", day=15, auto_revoke=False),
    ReviewRow(
        "privileged", "Emergency and administrators' rights", "holders", "privileged", every="quarterly", auto_revoke=False
    ),
    ReviewRow("dormant", "Accounts that nobody uses", "accounts", every="monthly"),
    ReviewRow(
        "access_records",
        "Records of access, looked at",
        "records",
        "all",
        every="monthly",
        day=3,
        notice_days=0,
        auto_revoke=False,
    ),
)


def rows_of(bundle: PolicyBundle) -> Mapping[str, ReviewRow]:
    """Return the rows by kind: those of the policy home where it has the file, else those that are shipped."""
    known = bundle.memo.get(_MEMO_KEY)
    if known is None:
        known = bundle.memo[_MEMO_KEY] = _read(bundle)
    rows: Mapping[str, ReviewRow] = known
    return rows


def row_of(bundle: PolicyBundle, kind: str) -> ReviewRow:
    """Return the row of a kind. Raises `NotFound`."""
    rows = rows_of(bundle)
    if kind not in rows:
        raise NotFound("REVIEW_KIND_UNKNOWN", f"No such kind of review; there are: {', '.join(sorted(rows))}.")
    return rows[kind]


def _read(bundle: PolicyBundle) -> dict[str, ReviewRow]:
    content = bundle.files.get(REVIEWS_FILE)
    if content is None:
        return {row.kind: row for row in SHIPPED}
    findings = Findings()  # the bundle was compiled, so there are none
    text = decode(REVIEWS_FILE, content, findings)
    file = read_toml(REVIEWS_FILE, text, findings) if text is not None else None
    return read_reviews(file, bundle.roles, bundle.catalog.masks, findings) if file is not None else {}
