"""When personnel events took effect and facts were stated, by their sources' clocks: what comes late is known for it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the times; 0 where nothing was said."""
    for table, name in (("person", "effective_at"), ("fact", "stated_at")):
        op.add_column(table, sa.Column(name, sa.BigInteger, nullable=False, server_default="0"))
