"""Let the log of permission records be ended by a restore, and followed by another one that counts from 0."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from munjigi.adapters.state.columns import TEXT

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add where the log begins, and the table of those before it."""
    op.add_column("head", sa.Column("base", sa.BigInteger, nullable=False, server_default="0"))
    op.create_table(
        "ended_log",
        sa.Column("log_id", TEXT, nullable=False),
        sa.Column("base", sa.BigInteger, nullable=False),
        sa.Column("grant_revision", sa.BigInteger, nullable=False),
        sa.Column("chain", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("log_id", name="pk_ended_log"),
    )
