"""Who does what is done once, and the outbox of notices, which whoever does it takes over."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from munjigi.adapters.state.columns import TEXT

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "duty",
        sa.Column("name", TEXT, nullable=False),
        sa.Column("holder", TEXT, nullable=False),
        sa.Column("fence", sa.BigInteger, nullable=False),
        sa.Column("renewal", sa.BigInteger, nullable=False),
        sa.Column("length", sa.BigInteger, nullable=False),
        sa.Column("renewed_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_duty"),
    )
    op.create_table(
        "notice_log",
        sa.Column("log_id", TEXT, nullable=False),
        sa.Column("next_index", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("log_id", name="pk_notice_log"),
    )
    op.create_table(
        "notice_said",
        sa.Column("notice_id", TEXT, nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("notice_id", name="pk_notice_said"),
    )
    op.create_index("ix_notice_said_until", "notice_said", ["until"])
    op.create_table(
        "notice_letter",
        sa.Column("letter_id", TEXT, nullable=False),
        sa.Column("channel", TEXT, nullable=False),
        sa.Column("urgency", sa.Integer, nullable=False),
        sa.Column("notice", sa.LargeBinary, nullable=False),
        sa.Column("issuer", TEXT, nullable=False),
        sa.Column("subject", TEXT, nullable=False),
        sa.Column("made_at", sa.BigInteger, nullable=False),
        sa.Column("next_at", sa.BigInteger, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("dead_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("letter_id", name="pk_notice_letter"),
    )
    op.create_index("ix_notice_letter_next", "notice_letter", ["channel", "dead_at", "urgency", "next_at"])
