"""Counted use. Tables that were made before there were migrations of them are these already, and stay as they are."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from munjigi.adapters.state.columns import TEXT

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    if sa.inspect(op.get_bind()).has_table("usage"):
        return
    op.create_table(
        "usage",
        sa.Column("one", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("zone", TEXT, nullable=False),
        sa.CheckConstraint("one = 1", name="usage_is_one_row"),
    )
    op.create_table(
        "usage_log",
        sa.Column("log_id", TEXT, primary_key=True),
        sa.Column("next_index", sa.BigInteger, nullable=False),
        sa.Column("begins_at", sa.BigInteger, nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("complete_to", sa.BigInteger, nullable=False),
        sa.Column("resume", sa.BigInteger, nullable=False),
        sa.Column("closed", sa.Boolean, nullable=False),
    )
    op.create_table(
        "usage_gap",
        sa.Column("log_id", TEXT, primary_key=True),
        sa.Column("first_index", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("next_index", sa.BigInteger, nullable=False),
        sa.Column("begins_at", sa.BigInteger, nullable=False),
        sa.Column("ends_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "usage_claim",
        sa.Column("log_id", TEXT, primary_key=True),
        sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("waits", TEXT, nullable=False),
    )
    op.create_table(
        "usage_grant",
        sa.Column("grant_id", TEXT, primary_key=True),
        sa.Column("last_at", sa.BigInteger, nullable=False),
        sa.Column("used", sa.LargeBinary, nullable=False),
        sa.Column("sketches", sa.LargeBinary, nullable=False),
    )
    op.create_index("ix_usage_grant_last_at", "usage_grant", ["last_at"])
