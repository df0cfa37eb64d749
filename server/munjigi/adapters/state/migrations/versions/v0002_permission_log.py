"""Turn the revision log into the log of permission records: the same changes, as chained canonical records.

What is written here is frozen with this migration: names of fields, and what is left out.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import Any

import msgspec
import sqlalchemy as sa
from alembic import op

from munjigi.adapters.state.columns import TEXT
from munjigi.kernel.ids import new_log_id

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_TYPES = {"grant_added": "permission.grant", "grant_changed": "permission.change", "grant_ended": "permission.revoke"}
_APPEND_ONLY = """
CREATE TRIGGER permission_log_no_{what} BEFORE {what} ON permission_log
BEGIN SELECT RAISE(ABORT, 'permission records are never changed'); END
"""
# ENABLE ALWAYS: also in a session that says it is a replica's.
_APPEND_ONLY_POSTGRESQL = (
    """
CREATE FUNCTION permission_log_refuse() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN RAISE EXCEPTION 'permission records are never changed'; END $$
""",
    """
CREATE TRIGGER permission_log_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON permission_log
FOR EACH STATEMENT EXECUTE FUNCTION permission_log_refuse()
""",
    "ALTER TABLE permission_log ENABLE ALWAYS TRIGGER permission_log_append_only",
)


def upgrade() -> None:
    """Make the log's table and its head out of the ones before."""
    connection = op.get_bind()
    op.create_table(
        "permission_log",
        sa.Column("grant_revision", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("chain", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("grant_revision", name="pk_permission_log"),
    )
    op.create_index("ix_permission_log_at", "permission_log", ["at"])
    table = sa.table("permission_log", *(sa.column(name) for name in ("grant_revision", "at", "payload", "chain")))
    chain = bytes(32)
    for row in connection.execute(sa.text("SELECT * FROM revision_log ORDER BY grant_revision")).mappings().all():
        payload = msgspec.msgpack.encode(_record(row))
        chain = hashlib.sha256(chain + hashlib.sha256(b"\x00" + payload).digest()).digest()
        values = {"grant_revision": row["grant_revision"], "at": row["at"], "payload": payload, "chain": chain}
        connection.execute(sa.insert(table).values(values))
    last, at = connection.execute(sa.text('SELECT grant_revision, "at" FROM head')).one()
    op.drop_table("revision_log")
    op.drop_table("head")
    op.create_table(
        "head",
        sa.Column("one", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("log_id", TEXT, nullable=False),
        sa.Column("grant_revision", sa.BigInteger, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("chain", sa.LargeBinary, nullable=False),
        sa.CheckConstraint("one = 1", name="head_is_one_row"),
        sa.PrimaryKeyConstraint("one", name="pk_head"),
    )
    head = sa.table("head", *(sa.column(name) for name in ("one", "log_id", "grant_revision", "at", "chain")))
    log_id = new_log_id(secrets.token_bytes(16))
    connection.execute(sa.insert(head).values(one=1, log_id=log_id, grant_revision=last, at=at, chain=chain))
    if connection.dialect.name == "sqlite":
        for what in ("UPDATE", "DELETE"):
            op.execute(_APPEND_ONLY.format(what=what))
    if connection.dialect.name == "postgresql":
        for statement in _APPEND_ONLY_POSTGRESQL:
            op.execute(statement)


def _record(row: Any) -> dict[str, Any]:
    """Return the record of a change, without what has its default."""
    edit = msgspec.json.decode(row["edit"])
    common = {"index": row["grant_revision"] - 1, "time": row["at"], "clock_stepped": bool(row["clock_stepped"]) or None}
    common |= {"employee": row["actor"], "request_id": row["request_id"], "grant_revision": row["grant_revision"]}
    if edit["kind"] == "person_changed":
        person = edit["person"]
        found = {"type": "permission.person", **common}
        found |= {name: person.get(name) for name in ("person_id", "principal_type", "department", "accounts", "facts")}
    else:
        grant = edit["grant"]
        issuer, holder = grant["employee"]
        found = {"type": _TYPES[edit["kind"]], **common, "grant_id": grant["grant_id"], "holder_issuer": issuer, "holder": holder}
        found |= {name: grant.get(name) for name in ("role", "purpose", "starts_at", "ends_at", "approved_by", "scope")}
    # What has no default stands there even when it is empty.
    kept = ("employee", "role", "purpose", "holder", "holder_issuer")
    return {
        name: value
        for name, value in found.items()
        if name in kept or (value is not None and value != [] and (value != "" or name not in ("request_id", "department")))
    }
