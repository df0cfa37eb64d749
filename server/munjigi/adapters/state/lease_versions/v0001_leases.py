"""Leases of gateway workers over one file of state."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from munjigi.adapters.state.columns import TEXT

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table, as migration 0005 of the state did."""
    op.create_table(
        "lease",
        sa.Column("instance", TEXT, nullable=False),
        sa.Column("applied", sa.BigInteger, nullable=False),
        sa.Column("renewal", sa.BigInteger, nullable=False),
        sa.Column("length", sa.BigInteger, nullable=False),
        sa.Column("renewed_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("instance", name="pk_lease"),
    )
