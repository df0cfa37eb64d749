"""Fill an empty sample server: database `crm`, its tables, and a role that may only read them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from munjigi.adapters.sample.members import DATABASE, READER, TABLES

_CHUNK_ROWS: Final = 2_000


def load(socket_dir: Path, administrator: str, password: str, reader_password: str) -> None:
    """Make everything; the members come in one transaction.

    Raises `psycopg.Error` when the server refuses.
    """
    server = make_conninfo(host=str(socket_dir), user=administrator, password=password)
    with psycopg.connect(server, dbname="postgres", autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
    with psycopg.connect(server, dbname=DATABASE) as connection:
        _make_reader(connection, reader_password)
        # Tables made in the transaction that fills them need no write-ahead log (wal_level=minimal).
        for table in TABLES:
            name = sql.Identifier(table.name)
            connection.execute(sql.SQL("CREATE TABLE {} ({})").format(name, sql.SQL(table.definition)))
            with connection.cursor().copy(sql.SQL("COPY {} ({}) FROM STDIN").format(name, sql.SQL(table.columns))) as copy:
                for chunk in _chunks(table.rows()):
                    copy.write(chunk)
            if "member_serial" in table.columns:
                connection.execute(sql.SQL("CREATE INDEX ON {} (member_serial)").format(name))
        connection.execute(sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {}").format(sql.Identifier(READER)))
    with psycopg.connect(server, dbname=DATABASE, autocommit=True) as connection:
        connection.execute("ANALYZE")
        connection.execute("CHECKPOINT")


def _make_reader(connection: psycopg.Connection[tuple[object, ...]], password: str) -> None:
    # The verifier, not the password, travels in the statement.
    verifier = connection.pgconn.encrypt_password(password.encode(), READER.encode(), b"scram-sha-256").decode()
    role = sql.Identifier(READER)
    connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, sql.Literal(verifier)))
    connection.execute(sql.SQL("ALTER ROLE {} SET default_transaction_read_only = on").format(role))
    connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(DATABASE)))
    connection.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(sql.Identifier(DATABASE), role))


def _chunks(rows: Iterable[str]) -> Iterator[str]:
    chunk: list[str] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == _CHUNK_ROWS:
            yield "".join(chunk)
            chunk.clear()
    yield "".join(chunk)
