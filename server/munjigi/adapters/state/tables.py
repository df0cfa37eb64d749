"""The tables of the state store, in SQLAlchemy Core; the migrations make exactly these (a test compares them).

Times are UTC nanoseconds. Texts are compared byte by byte (`columns.py`).
Lists that are only ever read as a whole (approvers, scopes) are JSON texts.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    false,
)

from munjigi.adapters.state.columns import TEXT

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
    Column("person_id", TEXT, primary_key=True),
    Column("principal_type", TEXT, nullable=False),
    Column("department", TEXT, nullable=False),
    Column("status", TEXT, nullable=False, server_default="active"),
    Column("manager", TEXT, nullable=False, server_default=""),
    Column("delegations", TEXT, nullable=False, server_default="[]"),
    Column("sessions_from", BigInteger, nullable=False, server_default="0"),
    Column("effective_at", BigInteger, nullable=False, server_default="0"),
)

ACCOUNT: Final = Table(
    "account",
    METADATA,
    Column("issuer", TEXT, primary_key=True),
    Column("subject", TEXT, primary_key=True),
    Column("person_id", TEXT, ForeignKey("person.person_id"), nullable=False, index=True),
    Column("position", Integer, nullable=False),
)

FACT: Final = Table(
    "fact",
    METADATA,
    Column("person_id", TEXT, ForeignKey("person.person_id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("kind", TEXT, nullable=False),
    Column("starts_at", BigInteger, nullable=False),
    Column("ends_at", BigInteger, nullable=False),
    Column("source", TEXT, nullable=False),
    Column("stated_at", BigInteger, nullable=False, server_default="0"),
)

ROLE_GRANT: Final = Table(
    "role_grant",
    METADATA,
    Column("grant_id", TEXT, primary_key=True),
    Column("issuer", TEXT, nullable=False),
    Column("subject", TEXT, nullable=False),
    Column("role", TEXT, nullable=False),
    Column("purpose", TEXT, nullable=False),
    Column("starts_at", BigInteger, nullable=False),
    Column("ends_at", BigInteger, nullable=False),
    Column("approved_by", TEXT, nullable=False),
    Column("scope", TEXT, nullable=True),
    Column("access_request_id", TEXT, nullable=False, server_default=""),
    Column("suspended", TEXT, nullable=False, server_default=""),
    Column("ended", TEXT, nullable=False, server_default=""),
    Column("break_glass", Boolean, nullable=False, server_default=false()),
    ForeignKeyConstraint(["issuer", "subject"], ["account.issuer", "account.subject"]),
    CheckConstraint("starts_at <= ends_at", name="role_grant_period"),
    Index("ix_role_grant_account", "issuer", "subject"),
)

# `content` is the whole request as JSON; the other columns are what requests are found by.
ACCESS_REQUEST: Final = Table(
    "access_request",
    METADATA,
    Column("access_request_id", TEXT, primary_key=True),
    Column("state", TEXT, nullable=False),
    Column("issuer", TEXT, nullable=False),
    Column("subject", TEXT, nullable=False),
    Column("made_at", BigInteger, nullable=False),
    Column("content", TEXT, nullable=False),
    Index("ix_access_request_state", "state", "made_at"),
    Index("ix_access_request_account", "issuer", "subject", "made_at"),
)

BLOCK: Final = Table(
    "block",
    METADATA,
    Column("kind", TEXT, primary_key=True),
    Column("principal", TEXT, primary_key=True),
)

# Sessions that the provider ended, until no token of before can be alive. An empty session: all of the subject.
SESSION_END: Final = Table(
    "session_end",
    METADATA,
    Column("issuer", TEXT, primary_key=True),
    Column("subject", TEXT, primary_key=True),
    Column("session", TEXT, primary_key=True),
    Column("ended_at", BigInteger, nullable=False),
    Column("until", BigInteger, nullable=False),
    Index("ix_session_end_until", "until"),
)

# What mutations answered, by who asked and their idempotency key; kept for a week.
MUTATION: Final = Table(
    "mutation",
    METADATA,
    Column("issuer", TEXT, primary_key=True),
    Column("actor", TEXT, primary_key=True),
    Column("request_id", TEXT, primary_key=True),
    Column("digest", TEXT, nullable=False),
    Column("answer", LargeBinary, nullable=False),
    Column("at", BigInteger, nullable=False),
    Index("ix_mutation_at", "at"),
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

# One row: the log's id, the revision before its first record, its last revision, time and chain. Locked first in a transaction,
# so that revisions are dense and in commit order, and what the rules looked up is still true at the commit.
HEAD: Final = Table(
    "head",
    METADATA,
    Column("one", Integer, primary_key=True, autoincrement=False),
    Column("log_id", TEXT, nullable=False),
    Column("grant_revision", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("chain", LargeBinary, nullable=False),
    Column("base", BigInteger, nullable=False, server_default="0"),
    CheckConstraint("one = 1", name="head_is_one_row"),
)

# Leases of gateway workers (promise P8): rows come and go, and are no part of what a backup must keep.
LEASE: Final = Table(
    "lease",
    METADATA,
    Column("instance", TEXT, primary_key=True),
    Column("applied", BigInteger, nullable=False),
    Column("renewal", BigInteger, nullable=False),
    Column("length", BigInteger, nullable=False),
    Column("renewed_at", BigInteger, nullable=False),  # by the store's clock; for people, nothing is decided by it
)

# The logs that a restore ended: revisions (base, grant_revision] are theirs.
ENDED_LOG: Final = Table(
    "ended_log",
    METADATA,
    Column("log_id", TEXT, primary_key=True),
    Column("base", BigInteger, nullable=False),
    Column("grant_revision", BigInteger, nullable=False),
    Column("chain", LargeBinary, nullable=False),
)

# Reviews, and of their items those that somebody touched: `content` is the whole value as JSON, the other columns are what it is found by.
REVIEW: Final = Table(
    "review",
    METADATA,
    Column("review_id", TEXT, primary_key=True),
    Column("kind", TEXT, nullable=False),
    Column("state", TEXT, nullable=False),
    Column("opened_at", BigInteger, nullable=False),
    Column("content", TEXT, nullable=False),
    Index("ix_review_kind", "kind", "state"),
    Index("ix_review_opened", "opened_at", "review_id"),
)

# A plan's canonical bytes in pieces, under their digest. Kept before its review is opened.
REVIEW_PLAN: Final = Table(
    "review_plan",
    METADATA,
    Column("digest", TEXT, primary_key=True),
    Column("piece", Integer, primary_key=True),
    Column("content", LargeBinary, nullable=False),
)

REVIEW_ITEM: Final = Table(
    "review_item",
    METADATA,
    Column("review_id", TEXT, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("grant_id", TEXT, nullable=False),
    Column("state", TEXT, nullable=False),
    Column("word", TEXT, nullable=False),
    Column("decided_by", TEXT, nullable=False),  # a person's id: whose word was the last
    Column("content", TEXT, nullable=False),
    Index("ix_review_item_state", "review_id", "state", "word", "number"),
    Index("ix_review_item_decided", "review_id", "decided_by", "number"),
    Index("ix_review_item_grant", "grant_id", "state"),
)

REVIEW_EXCEPTION: Final = Table(
    "review_exception",
    METADATA,
    Column("exception_id", TEXT, primary_key=True),
    Column("review_id", TEXT, nullable=False),
    Column("grant_id", TEXT, nullable=False),
    Column("content", TEXT, nullable=False),
    Index("ix_review_exception_review", "review_id"),
    Index("ix_review_exception_grant", "grant_id"),
)

# Logs that are lost, of which reviews wait for no more.
LOG_CLOSING: Final = Table(
    "log_closing",
    METADATA,
    Column("log_id", TEXT, primary_key=True),
    Column("content", TEXT, nullable=False),
)

# What a review took from a person, until an approval of afterwards lifts it.
REVIEW_MARK: Final = Table(
    "review_mark",
    METADATA,
    Column("person_id", TEXT, primary_key=True),
    Column("role", TEXT, primary_key=True),
    Column("purpose", TEXT, primary_key=True),
    Column("review_id", TEXT, nullable=False),
    Column("number", Integer, nullable=False),
    Column("grant_id", TEXT, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("lifted_at", BigInteger, nullable=False),
)

# Who does what is done once over a store, however many hosts there are: one row a duty. It is never removed, so that its fencing number
# only grows; a holder who has left it has a `length` of 0.
DUTY: Final = Table(
    "duty",
    METADATA,
    Column("name", TEXT, primary_key=True),
    Column("holder", TEXT, nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("renewal", BigInteger, nullable=False),
    Column("length", BigInteger, nullable=False),
    Column("renewed_at", BigInteger, nullable=False),  # by the store's clock; for people, nothing is decided by it
)

# How far each log of permission records was told, and what time brought about and was said.
NOTICE_LOG: Final = Table(
    "notice_log",
    METADATA,
    Column("log_id", TEXT, primary_key=True),
    Column("next_index", BigInteger, nullable=False),
)

NOTICE_SAID: Final = Table(
    "notice_said",
    METADATA,
    Column("notice_id", TEXT, primary_key=True),
    Column("until", BigInteger, nullable=False),
    Index("ix_notice_said_until", "until"),
)

# Letters that wait, and with a `dead_at` those that were given up. `notice` is the whole notice as JSON.
NOTICE_LETTER: Final = Table(
    "notice_letter",
    METADATA,
    Column("letter_id", TEXT, primary_key=True),
    Column("channel", TEXT, nullable=False),
    Column("urgency", Integer, nullable=False),
    Column("notice", LargeBinary, nullable=False),
    Column("issuer", TEXT, nullable=False),
    Column("subject", TEXT, nullable=False),
    Column("made_at", BigInteger, nullable=False),
    Column("next_at", BigInteger, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("reason", TEXT, nullable=False),
    Column("dead_at", BigInteger, nullable=False),
    Index("ix_notice_letter_next", "channel", "dead_at", "urgency", "next_at"),
)
