"""Write down what the clients ask of ReviewService. Every change gets an idempotency key, as in `_rights_asking`."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeVar

from google.protobuf.message import Message

from munjigi_client._errors import InvalidRequest
from munjigi_client._proto.munjigi.v1 import review_calls_pb2 as calls
from munjigi_client._reviews import ITEM_STATES, REVIEW_STATES, VERDICTS, WORDS, Review, ReviewWord

M = TypeVar("M", bound=Message)
PAGE: Final = 1000
PLANNED: Final = 120.0  # seconds: a plan reads a year's use of everybody


def plan(kind: str, **named: Any) -> Message:
    """Return PlanReview. Raises `InvalidRequest` for a value of the wrong type."""
    return _written(calls.PlanReviewRequest, kind=kind, **_keyed(named))


def one(review_id: str) -> Message:
    """Return GetReview. Raises `InvalidRequest`."""
    return _written(calls.GetReviewRequest, review_id=review_id)


def page(kind: str, state: str, token: str, *, everyone: bool) -> Message:
    """Return ListReviews. Raises `InvalidRequest`."""
    number = _named(REVIEW_STATES, state) if state else 0
    return _written(calls.ListReviewsRequest, kind=kind, state=number, everyone=everyone, page_size=PAGE, page_token=token)


def items_page(review_id: str, token: str, **named: Any) -> Message:
    """Return ListReviewItems. Raises `InvalidRequest`."""
    named["verdict"] = _named(VERDICTS, named["verdict"]) if named["verdict"] else 0
    named["state"] = _named(ITEM_STATES, named["state"]) if named["state"] else 0
    return _written(calls.ListReviewItemsRequest, review_id=review_id, page_size=PAGE, page_token=token, **named)


def words(review: Review, numbers: Iterable[int], word: ReviewWord, reason: str, request_id: str) -> Message:
    """Return DecideItem of items of a review as it was read. Raises `InvalidRequest`."""
    said = _named(WORDS, word)
    decisions = [_written(calls.ReviewDecision, number=number, word=said, reason=reason) for number in numbers]
    named = {"review_id": review.review_id, "plan_digest": review.plan_digest, "decisions": decisions}
    return _written(calls.DecideItemRequest, **named, **_keyed({"request_id": request_id}))


def exception(review_id: str, number: int, reason: str, expires_at: int, request_id: str) -> Message:
    """Return RequestException. Raises `InvalidRequest`."""
    named = {"review_id": review_id, "number": number, "reason": reason, "expires_at": expires_at}
    return _written(calls.RequestExceptionRequest, **named, **_keyed({"request_id": request_id}))


def approval(exception_id: str, request_id: str) -> Message:
    """Return ApproveException. Raises `InvalidRequest`."""
    return _written(calls.ApproveExceptionRequest, exception_id=exception_id, **_keyed({"request_id": request_id}))


def application(review: Review, over_caps: str, request_id: str) -> Message:
    """Return ApplyReview; `over_caps` is why it may go beyond its caps, or empty. Raises `InvalidRequest`."""
    digest = {"review_id": review.review_id, "plan_digest": review.plan_digest}
    named = {**digest, "over_caps": bool(over_caps), "reason": over_caps}
    return _written(calls.ApplyReviewRequest, **named, **_keyed({"request_id": request_id}))


def stop(review_id: str, reason: str, request_id: str) -> Message:
    """Return StopReview. Raises `InvalidRequest`."""
    return _written(calls.StopReviewRequest, review_id=review_id, reason=reason, **_keyed({"request_id": request_id}))


def closing(log_id: str, reason: str, request_id: str) -> Message:
    """Return CloseLog. Raises `InvalidRequest`."""
    return _written(calls.CloseLogRequest, log_id=log_id, reason=reason, **_keyed({"request_id": request_id}))


def undo(review_id: str, numbers: Iterable[int], reason: str, request_id: str) -> Message:
    """Return UndoReview. Raises `InvalidRequest`."""
    named = {"review_id": review_id, "numbers": tuple(numbers), "reason": reason}
    return _written(calls.UndoReviewRequest, **named, **_keyed({"request_id": request_id}))


def _named(names: Mapping[str, int], name: str) -> int:
    if name not in names:
        raise InvalidRequest("ARGUMENT_TYPE", f"It is one of: {', '.join(names)}.")
    return names[name]


def _keyed(named: dict[str, Any]) -> dict[str, Any]:
    return {**named, "request_id": named["request_id"] or uuid.uuid4().hex}


def _written(kind_of: type[M], /, **named: Any) -> M:
    try:
        return kind_of(**named)
    except (TypeError, ValueError):
        message = "An argument has the wrong type: ids and reasons are str, times, days and item numbers are int."
        raise InvalidRequest("ARGUMENT_TYPE", message) from None
