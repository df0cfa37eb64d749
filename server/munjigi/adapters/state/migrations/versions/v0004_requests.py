"""Requests for access, blocked principals, remembered mutations; what grants and people have since."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from munjigi.adapters.state.columns import TEXT

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables and columns; all that is there keeps its meaning by their defaults."""
    for name, default in (("status", "active"), ("manager", ""), ("delegations", "[]")):
        op.add_column("person", sa.Column(name, TEXT, nullable=False, server_default=default))
    op.add_column("person", sa.Column("sessions_from", sa.BigInteger, nullable=False, server_default="0"))
    for name in ("access_request_id", "suspended", "ended"):
        op.add_column("role_grant", sa.Column(name, TEXT, nullable=False, server_default=""))
    op.add_column("role_grant", sa.Column("break_glass", sa.Boolean, nullable=False, server_default=sa.false()))
    op.create_table(
        "access_request",
        sa.Column("access_request_id", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("issuer", TEXT, nullable=False),
        sa.Column("subject", TEXT, nullable=False),
        sa.Column("made_at", sa.BigInteger, nullable=False),
        sa.Column("content", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("access_request_id", name="pk_access_request"),
    )
    op.create_index("ix_access_request_state", "access_request", ["state", "made_at"])
    op.create_index("ix_access_request_account", "access_request", ["issuer", "subject", "made_at"])
    op.create_table(
        "block",
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("principal", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("kind", "principal", name="pk_block"),
    )
    op.create_table(
        "mutation",
        sa.Column("issuer", TEXT, nullable=False),
        sa.Column("actor", TEXT, nullable=False),
        sa.Column("request_id", TEXT, nullable=False),
        sa.Column("digest", TEXT, nullable=False),
        sa.Column("answer", sa.LargeBinary, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("issuer", "actor", "request_id", name="pk_mutation"),
    )
    op.create_index("ix_mutation_at", "mutation", ["at"])
