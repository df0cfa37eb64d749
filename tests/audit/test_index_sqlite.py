from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from audit.conformance_index import A, AuditIndexConformance, coded, ids
from audit.support import access

from munjigi.adapters.audit_index_sqlite import SqliteAuditIndex
from munjigi.audit.ports import AuditIndex, RecordQuery
from munjigi.kernel.errors import Unavailable


class TestSqliteAuditIndex(AuditIndexConformance):
    @pytest.fixture
    def index(self, tmp_path: Path) -> Iterator[AuditIndex]:
        index = SqliteAuditIndex(tmp_path / "index.sqlite")
        yield index
        index.close()


def test_reader_sees_what_the_follower_wrote_and_keeps_its_page(tmp_path: Path) -> None:
    path = tmp_path / "index.sqlite"
    reader = SqliteAuditIndex(path, read_only=True)
    with pytest.raises(Unavailable) as refused:
        reader.cursor(A)
    assert refused.value.reason == "AUDIT_INDEX_NOT_READY"
    follower = SqliteAuditIndex(path)
    follower.ingest(A, 0, coded(access(0)))
    assert (reader.cursor(A), ids(reader)) == (1, ["a0"])
    with pytest.raises(Unavailable):
        reader.ingest(A, 1, coded(access(1), first=1))
    follower.ingest(A, 1, coded(access(1), first=1))
    assert ids(reader) == ["a1", "a0"]
    follower.close()
    reader.close()


def test_searching_while_the_follower_writes(tmp_path: Path) -> None:
    follower = SqliteAuditIndex(tmp_path / "index.sqlite")
    reader = SqliteAuditIndex(tmp_path / "index.sqlite", read_only=True)
    payloads = coded(*(access(number) for number in range(2000)))

    def write() -> None:
        for first in range(0, 2000, 50):
            follower.ingest(A, first, payloads[first : first + 50])

    thread = threading.Thread(target=write)
    thread.start()
    while thread.is_alive():
        low = reader.cursor(A)
        newest = reader.search(RecordQuery(), 1).records
        high = reader.cursor(A)
        assert low <= (newest[0].index + 1 if newest else 0) <= high
        assert high % 50 == 0
    thread.join()
    assert reader.cursor(A) == 2000
    follower.close()
    reader.close()


def test_index_is_kept_over_restarts_and_private(tmp_path: Path) -> None:
    path = tmp_path / "index.sqlite"
    index = SqliteAuditIndex(path)
    index.ingest(A, 0, coded(access(0)))
    assert [each.stat().st_mode & 0o777 for each in tmp_path.iterdir()] == [0o600] * len(list(tmp_path.iterdir()))
    index.close()
    again = SqliteAuditIndex(path)
    assert ids(again) == ["a0"]
    again.close()


def test_index_of_another_version_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "index.sqlite"
    index = SqliteAuditIndex(path)
    index.ingest(A, 0, coded(access(0)))
    index.close()
    other = sqlite3.connect(path)
    other.execute("PRAGMA user_version = 99")
    other.close()
    reader = SqliteAuditIndex(path, read_only=True)
    with pytest.raises(Unavailable):
        reader.cursor(A)
    again = SqliteAuditIndex(path)
    assert (again.cursor(A), ids(again), reader.cursor(A)) == (0, [], 0)
    again.close()
    reader.close()


def test_damaged_index_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "index.sqlite"
    path.write_bytes(b"this is no database" * 100)
    with pytest.raises(Unavailable, match="remove the file"):
        SqliteAuditIndex(path)
    path.unlink()
    SqliteAuditIndex(path).close()


def test_searches_use_an_index(tmp_path: Path) -> None:
    path = tmp_path / "index.sqlite"
    index = SqliteAuditIndex(path)
    index.ingest(A, 0, coded(*(access(number) for number in range(50))))
    plans: list[str] = []
    connection = index._connection
    assert connection is not None
    connection.set_trace_callback(plans.append)
    for name in ("employee", "tool", "resource", "case_id", "event_type"):
        index.search(RecordQuery(**{name: "x"}), 5)  # type: ignore[arg-type] # a text condition
    connection.set_trace_callback(None)
    searches = [each for each in plans if each.startswith("SELECT r.id")]
    assert len(searches) == 5
    for search in searches:
        plan = " ".join(str(row[3]) for row in connection.execute(f"EXPLAIN QUERY PLAN {search}"))
        assert "USING INDEX record_" in plan
        assert "TEMP B-TREE" not in plan
    index.close()
