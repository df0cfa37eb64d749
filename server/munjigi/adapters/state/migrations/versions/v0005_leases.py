"""Leases of gateway workers: so that a revocation is acknowledged when it is true on every worker of every host."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from munjigi.adapters.state.columns import TEXT

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table; a worker that starts fills in its row."""
    op.create_table(
        "lease",
        sa.Column("instance", TEXT, nullable=False),
        sa.Column("applied", sa.BigInteger, nullable=False),
        sa.Column("renewal", sa.BigInteger, nullable=False),
        sa.Column("length", sa.BigInteger, nullable=False),
        sa.Column("renewed_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("instance", name="pk_lease"),
    )
