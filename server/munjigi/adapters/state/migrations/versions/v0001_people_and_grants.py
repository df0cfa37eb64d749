"""Make people, accounts, facts, grants and the revision log."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from munjigi.adapters.state.columns import TEXT

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables and the one head row."""
    op.create_table(
        "person",
        sa.Column("person_id", TEXT, nullable=False),
        sa.Column("principal_type", TEXT, nullable=False),
        sa.Column("department", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("person_id", name="pk_person"),
    )
    op.create_table(
        "account",
        sa.Column("issuer", TEXT, nullable=False),
        sa.Column("subject", TEXT, nullable=False),
        sa.Column("person_id", TEXT, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["person.person_id"], name="fk_account_person"),
        sa.PrimaryKeyConstraint("issuer", "subject", name="pk_account"),
    )
    op.create_index("ix_account_person_id", "account", ["person_id"])
    op.create_table(
        "fact",
        sa.Column("person_id", TEXT, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("starts_at", sa.BigInteger, nullable=False),
        sa.Column("ends_at", sa.BigInteger, nullable=False),
        sa.Column("source", TEXT, nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["person.person_id"], name="fk_fact_person"),
        sa.PrimaryKeyConstraint("person_id", "position", name="pk_fact"),
    )
    op.create_table(
        "role_grant",
        sa.Column("grant_id", TEXT, nullable=False),
        sa.Column("issuer", TEXT, nullable=False),
        sa.Column("subject", TEXT, nullable=False),
        sa.Column("role", TEXT, nullable=False),
        sa.Column("purpose", TEXT, nullable=False),
        sa.Column("starts_at", sa.BigInteger, nullable=False),
        sa.Column("ends_at", sa.BigInteger, nullable=False),
        sa.Column("approved_by", TEXT, nullable=False),
        sa.Column("scope", TEXT, nullable=True),
        sa.CheckConstraint("starts_at <= ends_at", name="role_grant_period"),
        sa.ForeignKeyConstraint(["issuer", "subject"], ["account.issuer", "account.subject"], name="fk_role_grant_account"),
        sa.PrimaryKeyConstraint("grant_id", name="pk_role_grant"),
    )
    op.create_index("ix_role_grant_account", "role_grant", ["issuer", "subject"])
    op.create_table(
        "revision_log",
        sa.Column("grant_revision", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("clock_stepped", sa.Integer, nullable=False),
        sa.Column("actor", TEXT, nullable=False),
        sa.Column("request_id", TEXT, nullable=False),
        sa.Column("edit", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("grant_revision", name="pk_revision_log"),
    )
    op.create_table(
        "head",
        sa.Column("one", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("grant_revision", sa.BigInteger, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.CheckConstraint("one = 1", name="head_is_one_row"),
        sa.PrimaryKeyConstraint("one", name="pk_head"),
    )
    op.execute('INSERT INTO head (one, grant_revision, "at") VALUES (1, 0, 0)')
