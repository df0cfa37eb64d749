"""Errors leave as AIP-193 status; a foreign error leaves without its text."""

from __future__ import annotations

import logging

import pytest
from google.protobuf.any_pb2 import Any
from google.rpc import error_details_pb2, status_pb2

from munjigi.kernel import errors
from munjigi.rpc.status import render


def details(status: bytes) -> tuple[error_details_pb2.ErrorInfo, list[Any]]:
    found = status_pb2.Status.FromString(status).details
    info = error_details_pb2.ErrorInfo()
    assert found[0].Unpack(info)
    return info, list(found[1:])


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.InvalidArgument("A", "a"), 3),
        (errors.NotFound("A", "a"), 5),
        (errors.PermissionDenied("A", "a", "log-1"), 7),
        (errors.ResourceExhausted("A", "a", 1.5), 8),
        (errors.FailedPrecondition("A", "a"), 9),
        (errors.AuditUnavailable("a"), 14),
        (errors.Unauthenticated("A", "a"), 16),
        (errors.Corruption("A", "a"), 15),
        (errors.ConfigurationError("A", "a"), 13),
    ],
)
def test_each_error_has_its_code_and_reason(error: errors.MunjigiError, code: int) -> None:
    status = render(error)
    info, rest = details(status.details)
    assert (status.code, status.message, info.reason, info.domain) == (code, "a", error.reason, "munjigi")
    if isinstance(error, errors.ResourceExhausted):
        retry = error_details_pb2.RetryInfo()
        assert rest[0].Unpack(retry)
        assert retry.retry_delay.ToMilliseconds() == 1500
    if isinstance(error, errors.PermissionDenied):
        assert info.metadata["decision_id"] == "log-1"


def test_p5_a_foreign_error_leaves_as_internal_with_a_reference_only(caplog: pytest.LogCaptureFixture) -> None:
    try:
        raise KeyError("010-1234-5678")
    except KeyError as error:
        with caplog.at_level(logging.ERROR):
            status = render(error)
    assert status.code == 13
    assert "010-1234" not in status.message
    (line,) = caplog.records
    assert line.reference in status.message
    assert "010-1234" not in str(line.__dict__)
