"""What every search of records must do, and every index that the follower writes.

An adapter's test inherits `RecordSearchConformance` or `AuditIndexConformance` and gives an `index` that can be filled.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import pytest
from audit.support import access, confirm
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from munjigi.audit import pages
from munjigi.audit.permission_records import GrantAddedRecord, GrantEndedRecord
from munjigi.audit.ports import AuditIndex, RecordQuery, RecordSearch
from munjigi.audit.record import Record
from munjigi.audit.records import PolicyRecord, TailCutRecord, encode
from munjigi.kernel.errors import Corruption, FailedPrecondition, InvalidArgument, MunjigiError

A = "a" * 20
B = "b" * 20
C = "abc" + "z" * 17  # between them
HOSTILE = (
    '"',
    "'",
    "\\",
    "*",
    "cs.*",
    "cs.ki?",
    "%",
    "cs.kim OR 1=1",
    "cs.kim' --",
    "user.name:*",
    "/.*/",
    "[* TO *]",
    "+cs -kim ~2 ^3 (a && b) || !c",
    '{"match_all":{}}',
    "a\x00b",
    "a\n\t\u2028b",
    "\ufeffcs.kim",
    "\U0001f512",
    "x" * 8000,
    "\uac00" * 8000,
)


class Fed(RecordSearch, Protocol):
    """A search that a test can fill."""

    def ingest(self, log_id: str, first_index: int, records: Sequence[bytes]) -> int: ...


def coded(*records: Record, first: int = 0, start: int = 1000) -> list[bytes]:
    """Number records from `first` on, 10 ns apart, and encode them."""
    for index, record in enumerate(records, first):
        record.index = index
        record.time = start + index * 10
    return [encode(record) for record in records]


def ids(index: RecordSearch, size: int = 100, **conditions: Any) -> list[str]:
    """Search through all pages."""
    query = RecordQuery(**conditions)
    found: list[str] = []
    token = ""
    while True:
        page = index.search(query, size, token)
        found.extend(f"{each.log_id[0]}{each.index}" for each in page.records)
        token = page.next_page_token
        if not token:
            return found
        assert len(page.records) == size


class RecordSearchConformance:
    @pytest.fixture
    def index(self) -> Fed:
        raise AssertionError("the adapter's test gives this")

    def test_records_come_back_byte_by_byte_newest_first(self, index: Fed) -> None:
        payloads = coded(access(0), access(1), access(2))
        assert index.ingest(A, 0, payloads) == 3
        page = index.search(RecordQuery(), 10)
        assert [(each.log_id, each.index, each.time, each.payload) for each in page.records] == [
            (A, number, 1000 + number * 10, payloads[number]) for number in (2, 1, 0)
        ]

    def test_fresh_search_finds_nothing(self, index: Fed) -> None:
        assert (index.holds(A, 0), index.holds(A, 1), ids(index), ids(index, employee="x")) == (True, False, [], [])

    def test_holds_what_was_taken_and_no_more(self, index: Fed) -> None:
        payloads = coded(*(access(number) for number in range(5)))
        index.ingest(A, 0, payloads[:3])
        assert [index.holds(A, below) for below in (0, 1, 3, 4, 1 << 40)] == [True, True, True, False, False]
        assert not index.holds(B, 1)
        index.ingest(A, 3, payloads[3:])
        assert index.holds(A, 5)

    def test_a_grants_records_are_found_by_who_holds_it_and_by_who_gave_it(self, index: Fed) -> None:
        given = {"employee": "cs.lee", "grant_revision": 1, "grant_id": "g", "holder_issuer": "i", "role": "r", "purpose": "p"}
        period = {"starts_at": 1, "ends_at": 2}
        index.ingest(
            A,
            0,
            coded(
                GrantAddedRecord(holder="cs.kim", **given, **period),
                GrantEndedRecord(holder="cs.kim", **given, **period),
                GrantAddedRecord(holder="cs.oh", **given, **period),
                access(3),
            ),
        )
        assert ids(index, holder="cs.kim") == ["a1", "a0"]
        assert ids(index, holder="cs.kim", event_type="permission.revoke") == ["a1"]
        assert ids(index, employee="cs.lee") == ["a2", "a1", "a0"]
        assert ids(index, holder="nobody") == []

    def test_each_condition(self, index: Fed) -> None:
        refused = PolicyRecord(accepted=False, policy_revision="b", employee="sec.han", issuer="urn:test")
        records = [
            access(0),
            access(1, employee="cs.lee", tool="other-tool"),
            access(2, resource="crm.payment", decision="DENY", reason="NO_GRANT", members=()),
            access(3, case_id="CS-2026-000124", members=("m1.0.x", "m1.0.y")),
            confirm(f"{A}-0", members=("m1.0.y", "m1.0.z")),
            refused,
        ]
        index.ingest(A, 0, coded(*records))
        assert ids(index, employee="cs.lee") == ["a1"]
        assert ids(index, employee="sec.han") == ["a5"]
        assert ids(index, tool="other-tool") == ["a1"]
        assert ids(index, resource="crm.payment") == ["a2"]
        assert ids(index, decision="DENY") == ["a2"]
        assert ids(index, decision="ALLOW") == ["a3", "a1", "a0"]
        assert ids(index, case_id="CS-2026-000124") == ["a3"]
        assert ids(index, event_type="access.confirm") == ["a4"]
        assert ids(index, event_type="policy.load", employee="sec.han") == ["a5"]
        assert ids(index, members=("m1.0.y",)) == ["a4", "a3"]
        assert ids(index, members=("m1.0.x", "m1.0.y", "m1.0.z", "m1.0.none")) == ["a4", "a3"]
        assert ids(index, members=("m1.0.z",), event_type="access.decision") == []
        assert ids(index, from_time=1010, to_time=1030) == ["a2", "a1"]
        assert ids(index, members=("m1.0.y",), from_time=1031) == ["a4"]
        assert ids(index, members=("m1.0.y",), to_time=1040) == ["a3"]

    def test_decision_id_finds_the_decision_and_its_confirmations(self, index: Fed) -> None:
        index.ingest(A, 0, coded(access(0), access(1), confirm(f"{A}-0"), confirm(f"{A}-1")))
        index.ingest(B, 0, coded(access(0), confirm(f"{A}-0"), start=5000))
        assert ids(index, decision_id=f"{A}-0") == ["b1", "a2", "a0"]
        assert ids(index, decision_id=f"{B}-0") == ["b0"]
        assert ids(index, decision_id=f"{'c' * 20}-0") == []
        for number in (1 << 40, (1 << 63) + 1, 10**19 - 1):
            assert ids(index, decision_id=f"{A}-{number}") == []
        for bad in ("x", f"{A}-", f"{A}--1", f"{A}-1 ", f"{A}-01", "-", f"{A.upper()}-1"):
            with pytest.raises(InvalidArgument):
                ids(index, decision_id=bad)

    def test_identifiers_are_compared_exactly(self, index: Fed) -> None:
        names = ["kim", "Kim", "KIM", "kim ", "k%", "k_m", "caf\u00e9", "cafe\u0301", "\uff4bim"]
        index.ingest(A, 0, coded(*(access(0, employee=name, members=(name,)) for name in names)))
        for number, name in enumerate(names):
            assert ids(index, employee=name) == ids(index, members=(name,)) == [f"a{number}"]

    def test_hostile_text_is_a_value_like_any_other(self, index: Fed) -> None:
        hostile = (access(0, employee=text, tool=text, case_id=text, members=(text,)) for text in HOSTILE)
        index.ingest(A, 0, coded(*hostile, access(0)))
        for number, text in enumerate(HOSTILE):
            for name, value in (("employee", text), ("tool", text), ("case_id", text), ("members", (text,))):
                assert ids(index, **{name: value}) == [f"a{number}"]
            assert ids(index, resource=text) == ids(index, event_type=text) == ids(index, holder=text) == []

    def test_values_that_occur_nowhere_find_nothing(self, index: Fed) -> None:
        index.ingest(A, 0, coded(access(0), confirm(f"{A}-0")))
        for name in ("employee", "tool", "resource", "event_type", "decision", "case_id", "holder"):
            assert ids(index, **{name: "nowhere"}) == []
        assert ids(index, members=("nowhere",)) == ids(index, employee="cs.kim", tool="nowhere") == []

    def test_a_range_has_its_beginning_and_not_its_end(self, index: Fed) -> None:
        moments = (1, 2, 999_999_999, 1_790_000_000_123_456_788, 1_790_000_000_123_456_789, (1 << 63) - 1)
        records = [access(number) for number in range(len(moments))]
        coded(*records)
        for record, moment in zip(records, moments, strict=True):
            record.time = moment
        index.ingest(A, 0, [encode(record) for record in records])
        everything = [f"a{number}" for number in range(len(moments) - 1, -1, -1)]
        assert ids(index) == ids(index, from_time=0) == everything
        for number, moment in enumerate(moments):
            later = everything[: len(moments) - number]
            assert ids(index, from_time=moment) == later
            assert ids(index, to_time=moment) == everything[len(moments) - number :]
        assert ids(index, from_time=moments[3], to_time=moments[4]) == ["a3"]
        assert ids(index, 1, from_time=2) == everything[:-1]

    def test_records_of_one_moment_come_in_one_order(self, index: Fed) -> None:
        for log_id in (B, A, C):
            records = [access(number) for number in range(3)]
            coded(*records)
            for record in records:
                record.time = 5_000
            index.ingest(log_id, 0, [encode(record) for record in records])
        expected = [f"{log_id}-{number}" for log_id in (B, C, A) for number in (2, 1, 0)]
        for size in (1, 2, 4, 9):
            found, token = [], ""
            while token or not found:
                page = index.search(RecordQuery(), size, token)
                found += [f"{each.log_id}-{each.index}" for each in page.records]
                token = page.next_page_token
            assert found == expected

    def test_member_named_twice_is_found_once(self, index: Fed) -> None:
        index.ingest(A, 0, coded(access(0, members=("m", "m", "n"))))
        assert ids(index, members=("m",)) == ids(index, members=("m", "n")) == ["a0"]

    @pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
    @pytest.mark.parametrize("conditions", [{}, {"employee": "cs.kim"}, {"members": ("m", "n")}])
    def test_pages_are_complete_and_without_repetition(self, index: Fed, size: int, conditions: dict[str, Any]) -> None:
        records = [access(number, members=("m", "n")) for number in range(10)]
        same = [access(number, members=("n",)) for number in range(10)]
        payloads = coded(*records)
        for record in records[4:7]:  # one moment, several records
            record.time = records[4].time
            payloads[record.index] = encode(record)
        index.ingest(A, 0, payloads)
        index.ingest(B, 0, coded(*same))
        found = ids(index, size, **conditions)
        assert sorted(found) == sorted(f"{log}{number}" for log in "ab" for number in range(10))
        for log in "ab":
            assert [each for each in found if each[0] == log] == [f"{log}{number}" for number in range(9, -1, -1)]

    def test_pages_are_stable_while_records_arrive(self, index: Fed) -> None:
        index.ingest(A, 0, coded(*(access(number) for number in range(6))))
        first = index.search(RecordQuery(), 3)
        index.ingest(A, 6, coded(*(access(number) for number in range(6, 9)), first=6))
        second = index.search(RecordQuery(), 3, first.next_page_token)
        assert [each.index for each in (*first.records, *second.records)] == [5, 4, 3, 2, 1, 0]
        assert second.next_page_token == ""

    def test_pages_go_on_while_another_log_of_older_records_arrives(self, index: Fed) -> None:
        index.ingest(B, 0, coded(*(access(number) for number in range(6))))
        first = index.search(RecordQuery(), 3)
        index.ingest(A, 0, coded(*(access(number) for number in range(6)), start=1005))
        index.ingest(B, 6, coded(access(6), first=6))
        found, token = [f"{each.log_id[0]}{each.index}" for each in first.records], first.next_page_token
        while token:
            page = index.search(RecordQuery(), 2, token)
            found += [f"{each.log_id[0]}{each.index}" for each in page.records]
            token = page.next_page_token
        assert [each for each in found if each[0] == "b"] == [f"b{number}" for number in range(5, -1, -1)]
        assert len(set(found)) == len(found)

    def test_bad_pages_are_refused(self, index: Fed) -> None:
        index.ingest(A, 0, coded(*(access(number) for number in range(4))))
        token = index.search(RecordQuery(employee="cs.kim"), 1).next_page_token
        assert index.search(RecordQuery(employee="cs.kim"), 1, token).records[0].index == 2
        for query in (RecordQuery(), RecordQuery(employee="cs.kim", tool="crm-desk")):
            with pytest.raises(InvalidArgument) as refused:
                index.search(query, 1, token)
            assert refused.value.reason == "PAGE_TOKEN_INVALID"
        for size in (0, -1, 1001):
            with pytest.raises(InvalidArgument):
                index.search(RecordQuery(), size)
        for begin, end in ((1030, 1010), (1030, 1030)):
            with pytest.raises(InvalidArgument, match="ends before it begins"):
                index.search(RecordQuery(from_time=begin, to_time=end), 1)
        forged = pages.token_of(RecordQuery(employee="cs.kim"), pages.Place(-1, A, 1))
        for bad in (forged, "x", token[:-1], token + "A", token.swapcase(), "=" * 8, "\u00e9", "A" * 400):
            with pytest.raises(InvalidArgument):
                index.search(RecordQuery(employee="cs.kim"), 1, bad)

    # Searching changes nothing, so one index serves all examples, and each adapter's class runs them.
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors], max_examples=60)
    @given(st.text(max_size=20), st.text(max_size=60), st.integers(), st.text(max_size=30))
    def test_any_query_raises_only_our_errors(self, index: Fed, text: str, token: str, number: int, decision: str) -> None:
        for query in (
            RecordQuery(employee=text + "\ud800", members=(text,)),
            RecordQuery(tool=text, case_id=text, from_time=number, to_time=-number),
            RecordQuery(decision_id=decision, members=(text, token)),
        ):
            try:
                index.search(query, 5, token)
            except MunjigiError as error:
                assert len(text) < 8 or text not in error.message  # noqa: PT017 -- what comes out is what is checked

    def test_search_after_close_raises_our_error(self, index: Fed) -> None:
        index.close()
        index.close()
        for use in (lambda: index.holds(A, 1), lambda: index.search(RecordQuery(), 1)):
            with pytest.raises(FailedPrecondition) as refused:
                use()
            assert refused.value.reason == "AUDIT_INDEX_CLOSED"


class AuditIndexConformance(RecordSearchConformance):
    @pytest.fixture
    def index(self) -> AuditIndex:
        raise AssertionError("the adapter's test gives this")

    def test_fresh_index_is_empty(self, index: AuditIndex) -> None:
        assert (index.cursor(A), index.payload(A, 0), ids(index)) == (0, None, [])
        index.truncate(A, 0)

    def test_payloads_come_back_byte_by_byte(self, index: AuditIndex) -> None:
        payloads = coded(access(0), access(1), access(2))
        index.ingest(A, 0, payloads)
        assert [index.payload(A, number) for number in range(4)] == [*payloads, None]

    def test_repeated_ingest_changes_nothing(self, index: AuditIndex) -> None:
        payloads = coded(*(access(number) for number in range(6)))
        assert index.ingest(A, 0, payloads[:3]) == 3
        assert index.ingest(A, 0, payloads[:3]) == 0
        assert index.ingest(A, 1, payloads[1:5]) == 2
        assert index.ingest(A, 0, []) == 0
        assert (index.cursor(A), ids(index)) == (5, ["a4", "a3", "a2", "a1", "a0"])

    def test_gap_is_refused(self, index: AuditIndex) -> None:
        payloads = coded(*(access(number) for number in range(3)))
        index.ingest(A, 0, payloads[:1])
        with pytest.raises(FailedPrecondition) as refused:
            index.ingest(A, 2, payloads[2:])
        assert refused.value.reason == "AUDIT_INDEX_GAP"
        assert index.cursor(A) == 1

    @pytest.mark.parametrize(
        "bad", [b"", b"\xc1", b"\x80", encode(TailCutRecord(index=7, time=1, file="", offset=0, length=0, digest=""))]
    )
    def test_batch_with_a_bad_record_is_refused_whole(self, index: AuditIndex, bad: bytes) -> None:
        with pytest.raises(Corruption):
            index.ingest(A, 0, [*coded(access()), bad])
        assert (index.cursor(A), ids(index)) == (0, [])

    def test_truncate_forgets_the_end_and_only_that(self, index: AuditIndex) -> None:
        index.ingest(A, 0, coded(*(access(number, members=("m",)) for number in range(5))))
        index.ingest(B, 0, coded(*(access(number, members=("m",)) for number in range(3)), start=9000))
        index.truncate(A, 7)
        index.truncate(A, 2)
        assert (index.cursor(A), index.cursor(B)) == (2, 3)
        assert ids(index) == ids(index, members=("m",)) == ["b2", "b1", "b0", "a1", "a0"]
        assert index.payload(A, 2) is None
        assert index.ingest(A, 2, coded(access(9, employee="new"), first=2)) == 1
        assert ids(index, employee="new") == ["a2"]

    def test_forget_takes_the_beginning_and_only_that(self, index: AuditIndex) -> None:
        payloads = coded(*(access(number, members=("m",)) for number in range(5)))
        index.ingest(A, 0, payloads[:4])
        index.ingest(B, 0, coded(*(access(number, members=("m",)) for number in range(2)), start=9000))
        index.forget(A, 0)
        assert len(ids(index)) == 6
        for _ in range(2):
            index.forget(A, 3)
            assert (index.cursor(A), index.cursor(B)) == (4, 2)
            assert ids(index) == ids(index, members=("m",)) == ["b1", "b0", "a3"]
            assert [index.payload(A, number) for number in range(5)] == [None, None, None, payloads[3], None]
        assert index.ingest(A, 4, payloads[4:]) == 1
        index.forget(A, 1)
        assert ids(index, members=("m",)) == ["b1", "b0", "a4", "a3"]

    def test_a_log_whose_beginning_was_never_indexed_is_taken_from_where_it_begins(self, index: AuditIndex) -> None:
        index.ingest(A, 0, coded(access(0)))
        index.forget(A, 3)
        index.forget(B, 2)
        assert (index.cursor(A), index.cursor(B), ids(index)) == (3, 2, [])
        assert index.ingest(A, 3, coded(access(3), first=3)) == index.ingest(B, 2, coded(access(2), first=2)) == 1
        assert ids(index) == ["a3", "b2"]

    def test_use_after_close_raises_our_error(self, index: AuditIndex) -> None:
        index.close()
        for use in (
            lambda: index.ingest(A, 0, []),
            lambda: index.cursor(A),
            lambda: index.payload(A, 0),
            lambda: index.truncate(A, 0),
            lambda: index.forget(A, 1),
        ):
            with pytest.raises(FailedPrecondition) as refused:
                use()
            assert refused.value.reason == "AUDIT_INDEX_CLOSED"
