"""Reviews: their plans, the items that somebody touched, exceptions, and marks of what they took."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from munjigi.adapters.state.columns import TEXT

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "review",
        sa.Column("review_id", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("opened_at", sa.BigInteger, nullable=False),
        sa.Column("content", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("review_id", name="pk_review"),
    )
    op.create_index("ix_review_kind", "review", ["kind", "state"])
    op.create_index("ix_review_opened", "review", ["opened_at", "review_id"])
    op.create_table(
        "review_plan",
        sa.Column("digest", TEXT, nullable=False),
        sa.Column("piece", sa.Integer, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("digest", "piece", name="pk_review_plan"),
    )
    op.create_table(
        "review_item",
        sa.Column("review_id", TEXT, nullable=False),
        sa.Column("number", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("grant_id", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("word", TEXT, nullable=False),
        sa.Column("decided_by", TEXT, nullable=False),
        sa.Column("content", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("review_id", "number", name="pk_review_item"),
    )
    op.create_index("ix_review_item_state", "review_item", ["review_id", "state", "word", "number"])
    op.create_index("ix_review_item_decided", "review_item", ["review_id", "decided_by", "number"])
    op.create_index("ix_review_item_grant", "review_item", ["grant_id", "state"])
    op.create_table(
        "review_exception",
        sa.Column("exception_id", TEXT, nullable=False),
        sa.Column("review_id", TEXT, nullable=False),
        sa.Column("grant_id", TEXT, nullable=False),
        sa.Column("content", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("exception_id", name="pk_review_exception"),
    )
    op.create_index("ix_review_exception_review", "review_exception", ["review_id"])
    op.create_index("ix_review_exception_grant", "review_exception", ["grant_id"])
    op.create_table(
        "review_mark",
        sa.Column("person_id", TEXT, nullable=False),
        sa.Column("role", TEXT, nullable=False),
        sa.Column("purpose", TEXT, nullable=False),
        sa.Column("review_id", TEXT, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("grant_id", TEXT, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("lifted_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("person_id", "role", "purpose", name="pk_review_mark"),
    )
