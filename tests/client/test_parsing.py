"""Bytes from the peer and values from the database can't make the client fail in a way of their own."""

from __future__ import annotations

import datetime as dt

import pytest
from google.rpc import error_details_pb2, status_pb2
from hypothesis import example, given
from hypothesis import strategies as st

from munjigi_client._channel import is_local
from munjigi_client._masks import MASKS
from munjigi_client._status import Details, details_of, parse

values = st.none() | st.text() | st.integers() | st.floats() | st.binary() | st.dates() | st.lists(st.integers())


@given(st.binary(max_size=200))
def test_status_details_are_read_or_ignored(data: bytes) -> None:
    assert isinstance(details_of([("grpc-status-details-bin", data)]), Details)


@given(st.text(max_size=30), st.text(max_size=30), st.integers(0, 3000), st.integers(0, 999_999_999), st.text(), st.binary())
def test_status_details_say_what_googles_own_classes_wrote(reason, decision_id, seconds, nanos, message, foreign) -> None:
    status = status_pb2.Status(code=8, message=message)
    status.details.add(type_url="type.googleapis.com/some.Other", value=foreign)
    info = error_details_pb2.ErrorInfo(reason=reason, domain="munjigi", metadata={"decision_id": decision_id, "a": "b"})
    status.details.add().Pack(info)
    retry = error_details_pb2.RetryInfo()
    retry.retry_delay.seconds, retry.retry_delay.nanos = seconds, nanos
    status.details.add().Pack(retry)
    assert parse(status.SerializeToString()) == Details(reason, decision_id, seconds + nanos / 1e9)


@pytest.mark.parametrize("metadata", [None, (), [("other", b"")], [("grpc-status-details-bin", "text")], 7])
def test_missing_details_are_empty(metadata) -> None:
    assert details_of(metadata) == Details()


@given(st.sampled_from(sorted(MASKS)), values)
@example("range", float("inf"))
@example("range", float("nan"))
def test_masks_are_total_and_never_show_the_value(mask: str, value) -> None:
    shown = MASKS[mask](value)
    assert shown is None or isinstance(shown, str)
    if isinstance(value, str) and len(value.strip()) > 4 and mask in ("partial", "district"):
        assert shown != value


@pytest.mark.parametrize(
    ("mask", "value", "shown"),
    [
        ("null", "anything", None),
        ("partial", "홍길동", "홍*동"),
        ("partial", "남궁", "남*"),
        ("partial", "010-0000-1234", "010-****-1234"),
        ("partial", "member@example.com", "me***@example.com"),
        ("partial", "m@example.com", "***@example.com"),
        ("partial", "4000-0012-3456-7899", "4000-00**-****-7899"),
        ("partial", 1000001, None),
        ("year", dt.date(1990, 5, 17), "1990"),
        ("year", "1990-05-17", "1990"),
        ("district", "서울특별시 중구 세종대로 110", "서울특별시 중구"),
        ("district", "서울특별시 중구", None),
        ("range", 15300, "10000-99999"),
        ("range", 0, "0-0"),
        ("range", "x", None),
    ],
)
def test_masks(mask: str, value, shown) -> None:
    assert MASKS[mask](value) == shown


@pytest.mark.parametrize(
    ("target", "local"),
    [
        ("127.0.0.1:7443", True),
        ("localhost:7443", True),
        ("[::1]:7443", True),
        ("ipv4:127.8.9.1:1", True),
        ("unix:/run/munjigi.sock", True),
        ("0.0.0.0:7443", False),
        ("127.0.0.1.example:7443", False),
        ("127.0.0.1:7443,10.0.0.1:7443", False),
        ("ipv4:127.0.0.1:1,10.0.0.1:1", False),
        ("gateway", False),
        ("", False),
    ],
)
def test_only_addresses_of_this_machine_go_without_tls(target: str, local: bool) -> None:
    assert is_local(target) is local
