"""The tables of the state store, in SQLAlchemy Core; the migrations make exactly these (a test compares them).

Times are UTC nanoseconds. Texts are compared byte by byte: SQLite's default; PostgreSQL's needs `COLLATE "C"`.
Lists that are only ever read as a whole (approvers, scopes) are JSON texts.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
)

METADATA: Final = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

PERSON: Final = Table(
    "person",
    METADATA,
    Column("person_id", Text, primary_key=True),
    Column("principal_type", Text, nullable=False),
    Column("department", Text, nullable=False),
)

ACCOUNT: Final = Table(
    "account",
    METADATA,
    Column("issuer", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("person_id", Text, ForeignKey("person.person_id"), nullable=False, index=True),
    Column("position", Integer, nullable=False),
)

FACT: Final = Table(
    "fact",
    METADATA,
    Column("person_id", Text, ForeignKey("person.person_id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("starts_at", BigInteger, nullable=False),
    Column("ends_at", BigInteger, nullable=False),
    Column("source", Text, nullable=False),
)

ROLE_GRANT: Final = Table(
    "role_grant",
    METADATA,
    Column("grant_id", Text, primary_key=True),
    Column("issuer", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("starts_at", BigInteger, nullable=False),
    Column("ends_at", BigInteger, nullable=False),
    Column("approved_by", Text, nullable=False),
    Column("scope", Text, nullable=True),
    ForeignKeyConstraint(["issuer", "subject"], ["account.issuer", "account.subject"]),
    CheckConstraint("starts_at <= ends_at", name="role_grant_period"),
    Index("ix_role_grant_account", "issuer", "subject"),
)

# The permission records: a log (grants/permission_log.py). Rows are added and never touched again; triggers see to it.
PERMISSION_LOG: Final = Table(
    "permission_log",
    METADATA,
    Column("grant_revision", BigInteger, primary_key=True, autoincrement=False),  # dense over all logs
    Column("at", BigInteger, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("chain", LargeBinary, nullable=False),
    Index("ix_permission_log_at", "at"),
)

# One row: the log's id, the revision before its first record, its last revision, time and chain. Locked last in a transaction,
# so that revisions are dense and in commit order.
HEAD: Final = Table(
    "head",
    METADATA,
    Column("one", Integer, primary_key=True, autoincrement=False),
    Column("log_id", Text, nullable=False),
    Column("grant_revision", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("chain", LargeBinary, nullable=False),
    Column("base", BigInteger, nullable=False, server_default="0"),
    CheckConstraint("one = 1", name="head_is_one_row"),
)

# The logs that a restore ended: revisions (base, grant_revision] are theirs.
ENDED_LOG: Final = Table(
    "ended_log",
    METADATA,
    Column("log_id", Text, primary_key=True),
    Column("base", BigInteger, nullable=False),
    Column("grant_revision", BigInteger, nullable=False),
    Column("chain", LargeBinary, nullable=False),
)
