"""Read `google.rpc.Status` from a call's trailing metadata.

Written by hand (four fields of three messages), so that the client depends on grpcio and protobuf only and registers
no second copy of `google.rpc` in a program that already has one. Anything malformed is ignored: the plain gRPC code and
text still stand. Wire format: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

DETAILS_KEY = "grpc-status-details-bin"


class Details(NamedTuple):
    """What AIP-193 puts beside a status. `retry_after` is in seconds; 0 when the server didn't say."""

    reason: str = ""
    decision_id: str = ""
    retry_after: float = 0.0


def details_of(metadata: object) -> Details:
    """Return the details in a call's trailing metadata; empty ones when there are none or they can't be read."""
    if not isinstance(metadata, Iterable):
        return Details()
    for entry in metadata:
        key, value = entry
        if key == DETAILS_KEY and isinstance(value, bytes):
            try:
                return parse(value)
            except ValueError:  # truncated or foreign bytes (a UnicodeDecodeError is a ValueError, too)
                return Details()
    return Details()


def parse(status: bytes) -> Details:
    """Read the ErrorInfo and RetryInfo of a serialized `google.rpc.Status`. Raises ValueError when it is malformed."""
    reason, decision_id, retry_after = "", "", 0.0
    for number, value in _fields(status):
        if number != 3 or not isinstance(value, bytes):  # Status.details
            continue
        parts = dict(_fields(value))  # Any: type_url = 1, value = 2
        kind, body = parts.get(1), parts.get(2, b"")
        if not isinstance(kind, bytes) or not isinstance(body, bytes):
            continue
        if kind.endswith(b"/google.rpc.ErrorInfo"):
            for field, content in _fields(body):
                if field == 1 and isinstance(content, bytes):
                    reason = content.decode()
                elif field == 3 and isinstance(content, bytes):  # one entry of ErrorInfo.metadata
                    entry = dict(_fields(content))
                    key, text = entry.get(1), entry.get(2)
                    if key == b"decision_id" and isinstance(text, bytes):
                        decision_id = text.decode()
        elif kind.endswith(b"/google.rpc.RetryInfo"):
            delay = dict(_fields(body)).get(1, b"")  # Duration: seconds = 1, nanos = 2
            if isinstance(delay, bytes):
                duration = dict(_fields(delay))
                seconds, nanos = duration.get(1, 0), duration.get(2, 0)
                if isinstance(seconds, int) and isinstance(nanos, int):
                    retry_after = min(seconds + nanos / 1e9, 3600.0)
    return Details(reason, decision_id, retry_after)


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        wire = tag & 7
        if wire == 0:
            number, at = _varint(data, at)
            yield tag >> 3, number
            continue
        if wire == 2:
            size, at = _varint(data, at)
        elif wire == 1:
            size = 8
        elif wire == 5:
            size = 4
        else:
            raise ValueError("a wire type that google.rpc does not use")
        if at + size > len(data):
            raise ValueError("truncated")
        yield tag >> 3, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 64:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise ValueError("a number without end")
