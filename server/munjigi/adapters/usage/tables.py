"""The tables of counted use. Times are UTC nanoseconds. What is used of a grant is one row: it is added to and read as a whole."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, Index, Integer, LargeBinary, MetaData, Table

from munjigi.adapters.state.columns import TEXT

METADATA: Final = MetaData()

# One row, taken first by whoever writes: hosts that share a database count one after the other.
USAGE: Final = Table(
    "usage",
    METADATA,
    Column("one", Integer, primary_key=True, autoincrement=False),
    Column("version", Integer, nullable=False),
    Column("zone", TEXT, nullable=False),
    CheckConstraint("one = 1", name="usage_is_one_row"),
)

USAGE_LOG: Final = Table(
    "usage_log",
    METADATA,
    Column("log_id", TEXT, primary_key=True),
    Column("next_index", BigInteger, nullable=False),
    Column("begins_at", BigInteger, nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("complete_to", BigInteger, nullable=False),
    Column("resume", BigInteger, nullable=False),
    Column("closed", Boolean, nullable=False),
)

USAGE_GAP: Final = Table(
    "usage_gap",
    METADATA,
    Column("log_id", TEXT, primary_key=True),
    Column("first_index", BigInteger, primary_key=True, autoincrement=False),
    Column("next_index", BigInteger, nullable=False),
    Column("begins_at", BigInteger, nullable=False),
    Column("ends_at", BigInteger, nullable=False),
)

# Decisions that were confirmed in another log: counted for that (`waits` empty), so that none counts twice; or their log has yet to come.
USAGE_CLAIM: Final = Table(
    "usage_claim",
    METADATA,
    Column("log_id", TEXT, primary_key=True),
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("waits", TEXT, nullable=False),
)

# `used` and `sketches` are msgpack (`adapters/usage/rows.py`).
USAGE_GRANT: Final = Table(
    "usage_grant",
    METADATA,
    Column("grant_id", TEXT, primary_key=True),
    Column("last_at", BigInteger, nullable=False),
    Column("used", LargeBinary, nullable=False),
    Column("sketches", LargeBinary, nullable=False),
    Index("ix_usage_grant_last_at", "last_at"),
)
