"""Identifiers, and what must not be taken for one (P5)."""

from __future__ import annotations

import random
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from munjigi.kernel.clock import to_rfc3339
from munjigi.kernel.errors import InvalidArgument
from munjigi.kernel.ids import is_log_id, new_log_id, parse_record_id, record_id
from munjigi.kernel.personal import looks_personal


@given(st.binary(min_size=13, max_size=32), st.integers(0, 2**60))
def test_a_record_id_is_taken_apart_again(randomness: bytes, index: int) -> None:
    log_id = new_log_id(randomness)
    assert is_log_id(log_id)
    assert parse_record_id(record_id(log_id, index)) == (log_id, index)


@given(st.text(max_size=100))
def test_any_text_is_a_record_id_or_our_error(text: str) -> None:
    try:
        log_id, index = parse_record_id(text)
    except InvalidArgument:
        return
    assert record_id(log_id, index) == text or text.rpartition("-")[2] != str(index)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("010-1234-5678", "telephone number"),
        ("01012345678", "telephone number"),
        ("+82-10-1234-5678", "telephone number"),
        ("call.02-123-4567", "telephone number"),
        ("900101-1234567", "resident number"),
        ("9001011234567", "resident number"),
        ("kim@example.com", "e-mail address"),
        ("4111-1111-1111-1112", "card number"),
        ("eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJrIn0.c2ln", "sign-in token"),
        ("CS-2026-000123", ""),
        ("heyJude.and.more-words.x", ""),
        ("req-42", ""),
        ("2026-11-22T10.15.00", ""),
        ("", ""),
    ],
)
def test_p5_personal_data_is_recognised(text: str, kind: str) -> None:
    assert looks_personal(text) == kind


def test_uuids_seldom_look_personal_and_are_exempt_at_the_desk() -> None:
    from munjigi.rpc.desk import _refuse_personal

    generator = random.Random(7)
    for _ in range(20_000):
        _refuse_personal("request_id", str(uuid.UUID(int=generator.getrandbits(128), version=4)))


def test_time_is_written_in_rfc_3339_with_nanoseconds() -> None:
    assert to_rfc3339(1_795_300_000_000_000_001) == "2026-11-21T22:26:40.000000001Z"
