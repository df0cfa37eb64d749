from munjigi_client._proto.buf.validate import validate_pb2 as _validate_pb2
from munjigi_client._proto.munjigi.v1 import revocation_pb2 as _revocation_pb2
from munjigi_client._proto.munjigi.v1 import review_pb2 as _review_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PlanReviewRequest(_message.Message):
    __slots__ = ("request_id", "kind", "dry_run", "as_of", "unused_days", "months")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    UNUSED_DAYS_FIELD_NUMBER: _ClassVar[int]
    MONTHS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    kind: str
    dry_run: bool
    as_of: int
    unused_days: int
    months: int
    def __init__(self, request_id: _Optional[str] = ..., kind: _Optional[str] = ..., dry_run: _Optional[bool] = ..., as_of: _Optional[int] = ..., unused_days: _Optional[int] = ..., months: _Optional[int] = ...) -> None: ...

class PlanReviewResponse(_message.Message):
    __slots__ = ("review", "items", "excess", "record_id")
    REVIEW_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    EXCESS_FIELD_NUMBER: _ClassVar[int]
    RECORD_ID_FIELD_NUMBER: _ClassVar[int]
    review: _review_pb2.Review
    items: _containers.RepeatedCompositeFieldContainer[_review_pb2.ReviewItem]
    excess: _containers.RepeatedCompositeFieldContainer[_review_pb2.ExcessPoint]
    record_id: str
    def __init__(self, review: _Optional[_Union[_review_pb2.Review, _Mapping]] = ..., items: _Optional[_Iterable[_Union[_review_pb2.ReviewItem, _Mapping]]] = ..., excess: _Optional[_Iterable[_Union[_review_pb2.ExcessPoint, _Mapping]]] = ..., record_id: _Optional[str] = ...) -> None: ...

class GetReviewRequest(_message.Message):
    __slots__ = ("review_id",)
    REVIEW_ID_FIELD_NUMBER: _ClassVar[int]
    review_id: str
    def __init__(self, review_id: _Optional[str] = ...) -> None: ...

class GetReviewResponse(_message.Message):
    __slots__ = ("review",)
    REVIEW_FIELD_NUMBER: _ClassVar[int]
    review: _review_pb2.Review
    def __init__(self, review: _Optional[_Union[_review_pb2.Review, _Mapping]] = ...) -> None: ...

class ListReviewsRequest(_message.Message):
    __slots__ = ("kind", "state", "page_size", "page_token", "everyone")
    KIND_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    EVERYONE_FIELD_NUMBER: _ClassVar[int]
    kind: str
    state: _review_pb2.ReviewState
    page_size: int
    page_token: str
    everyone: bool
    def __init__(self, kind: _Optional[str] = ..., state: _Optional[_Union[_review_pb2.ReviewState, str]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., everyone: _Optional[bool] = ...) -> None: ...

class ListReviewsResponse(_message.Message):
    __slots__ = ("reviews", "next_page_token")
    REVIEWS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    reviews: _containers.RepeatedCompositeFieldContainer[_review_pb2.Review]
    next_page_token: str
    def __init__(self, reviews: _Optional[_Iterable[_Union[_review_pb2.Review, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListReviewItemsRequest(_message.Message):
    __slots__ = ("review_id", "to_decide", "verdict", "state", "employee", "page_size", "page_token", "numbers")
    REVIEW_ID_FIELD_NUMBER: _ClassVar[int]
    TO_DECIDE_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    EMPLOYEE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    NUMBERS_FIELD_NUMBER: _ClassVar[int]
    review_id: str
    to_decide: bool
    verdict: _review_pb2.ReviewVerdict
    state: _review_pb2.ReviewItemState
    employee: str
    page_size: int
    page_token: str
    numbers: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, review_id: _Optional[str] = ..., to_decide: _Optional[bool] = ..., verdict: _Optional[_Union[_review_pb2.ReviewVerdict, str]] = ..., state: _Optional[_Union[_review_pb2.ReviewItemState, str]] = ..., employee: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., numbers: _Optional[_Iterable[int]] = ...) -> None: ...

class ListReviewItemsResponse(_message.Message):
    __slots__ = ("items", "next_page_token")
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[_review_pb2.ReviewItem]
    next_page_token: str
    def __init__(self, items: _Optional[_Iterable[_Union[_review_pb2.ReviewItem, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ReviewDecision(_message.Message):
    __slots__ = ("number", "word", "reason", "looked", "evidence_opened")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    WORD_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    LOOKED_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_OPENED_FIELD_NUMBER: _ClassVar[int]
    number: int
    word: _review_pb2.ReviewWord
    reason: str
    looked: int
    evidence_opened: bool
    def __init__(self, number: _Optional[int] = ..., word: _Optional[_Union[_review_pb2.ReviewWord, str]] = ..., reason: _Optional[str] = ..., looked: _Optional[int] = ..., evidence_opened: _Optional[bool] = ...) -> None: ...

class DecideItemRequest(_message.Message):
    __slots__ = ("request_id", "review_id", "plan_digest", "decisions")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    REVIEW_ID_FIELD_NUMBER: _ClassVar[int]
    PLAN_DIGEST_FIELD_NUMBER: _ClassVar[int]
    DECISIONS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    review_id: str
    plan_digest: str
    decisions: _containers.RepeatedCompositeFieldContainer[ReviewDecision]
    def __init__(self, request_id: _Optional[str] = ..., review_id: _Optional[str] = ..., plan_digest: _Optional[str] = ..., decisions: _Optional[_Iterable[_Union[ReviewDecision, _Mapping]]] = ...) -> None: ...

class DecideItemResponse(_message.Message):
    __slots__ = ("items", "record_id")
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    RECORD_ID_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[_review_pb2.ReviewItem]
    record_id: str
    def __init__(self, items: _Optional[_Iterable[_Union[_review_pb2.ReviewItem, _Mapping]]] = ..., record_id: _Optional[str] = ...) -> None: ...

class RequestExceptionRequest(_message.Message):
    __slots__ = ("request_id", "review_id", "number", "reason", "expires_at")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    REVIEW_ID_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    review_id: str
    number: int
    reason: str
    expires_at: int
    def __init__(self, request_id: _Optional[str] = ..., review_id: _Optional[str] = ..., number: _Optional[int] = ..., reason: _Optional[str] = ..., expires_at: _Optional[int] = ...) -> None: ...

class RequestExceptionResponse(_message.Message):
    __slots__ = ("exception", "record_id")
    EXCEPTION_FIELD_NUMBER: _ClassVar[int]
    RECORD_ID_FIELD_NUMBER: _ClassVar[int]
    exception: _review_pb2.ReviewException
    record_id: str
    def __init__(self, exception: _Optional[_Union[_review_pb2.ReviewException, _Mapping]] = ..., record_id: _Optional[str] = ...) -> None: ...

class ApproveExceptionRequest(_message.Message):
    __slots__ = ("request_id", "exception_id")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    EXCEPTION_ID_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    exception_id: str
    def __init__(self, request_id: _Optional[str] = ..., exception_id: _Optional[str] = ...) -> None: ...

class ApproveExceptionResponse(_message.Message):
    __slots__ = ("exception", "record_id")
    EXCEPTION_FIELD_NUMBER: _ClassVar[int]
    RECORD_ID_FIELD_NUMBER: _ClassVar[int]
    exception: _review_pb2.ReviewException
    record_id: str
    def __init__(self, exception: _Optional[_Union[_review_pb2.ReviewException, _Mapping]] = ..., record_id: _Optional[str] = ...) -> None: ...

class ApplyReviewRequest(_message.Message):
    __slots__ = ("request_id", "review_id", "plan_digest", "over_caps", "reason")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    REVIEW_ID_FIELD_NUMBER: _ClassVar[int]
    PLAN_DIGEST_FIELD_NUMBER: _ClassVar[int]
    OVER_CAPS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    review_id: str
    plan_digest: str
    over_caps: bool
    reason: str
    def __init__(self, request_id: _Optional[str] = ..., review_id: _Optional[str] = ..., plan_digest: _Optional[str] = ..., over_caps: _Optional[bool] = ..., reason: _Optional[str] = ...) -> None: ...

class ApplyReviewResponse(_message.Message):
    __slots__ = ("review", "applied", "left", "more", "acknowledgement", "record_id")
    REVIEW_FIELD_NUMBER: _ClassVar[int]
    APPLIED_FIELD_NUMBER: _ClassVar[int]
    LEFT_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    ACKNOWLEDGEMENT_FIELD_NUMBER: _ClassVar[int]
    RECORD_ID_FIELD_NUMBER: _ClassVar[int]
    review: _review_pb2.Review
    applied: int
    left: int
    more: bool
    acknowledgement: _revocation_pb2.Acknowledgement
    record_id: str
    def __init__(self, review: _Optional[_Union[_review_pb2.Review, _Mapping]] = ..., applied: _Optional[int] = ..., left: _Optional[int] = ..., more: _Optional[bool] = ..., acknowledgement: _Optional[_Union[_revocation_pb2.Acknowledgement, _Mapping]] = ..., record_id: _Optional[str] = ...) -> None: ...

class StopReviewRequest(_message.Message):
    __slots__ = ("request_id", "review_id", "reason")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    REVIEW_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    review_id: str
    reason: str
    def __init__(self, request_id: _Optional[str] = ..., review_id: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class StopReviewResponse(_message.Message):
    __slots__ = ("review", "record_id")
    REVIEW_FIELD_NUMBER: _ClassVar[int]
    RECORD_ID_FIELD_NUMBER: _ClassVar[int]
    review: _review_pb2.Review
    record_id: str
    def __init__(self, review: _Optional[_Union[_review_pb2.Review, _Mapping]] = ..., record_id: _Optional[str] = ...) -> None: ...

class UndoReviewRequest(_message.Message):
    __slots__ = ("request_id", "review_id", "numbers", "reason")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    REVIEW_ID_FIELD_NUMBER: _ClassVar[int]
    NUMBERS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    review_id: str
    numbers: _containers.RepeatedScalarFieldContainer[int]
    reason: str
    def __init__(self, request_id: _Optional[str] = ..., review_id: _Optional[str] = ..., numbers: _Optional[_Iterable[int]] = ..., reason: _Optional[str] = ...) -> None: ...

class UndoReviewResponse(_message.Message):
    __slots__ = ("review", "undone", "left", "more", "record_id")
    REVIEW_FIELD_NUMBER: _ClassVar[int]
    UNDONE_FIELD_NUMBER: _ClassVar[int]
    LEFT_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    RECORD_ID_FIELD_NUMBER: _ClassVar[int]
    review: _review_pb2.Review
    undone: int
    left: _containers.RepeatedCompositeFieldContainer[_review_pb2.ReviewItem]
    more: bool
    record_id: str
    def __init__(self, review: _Optional[_Union[_review_pb2.Review, _Mapping]] = ..., undone: _Optional[int] = ..., left: _Optional[_Iterable[_Union[_review_pb2.ReviewItem, _Mapping]]] = ..., more: _Optional[bool] = ..., record_id: _Optional[str] = ...) -> None: ...

class ReportFile(_message.Message):
    __slots__ = ("name", "sha256")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    name: str
    sha256: str
    def __init__(self, name: _Optional[str] = ..., sha256: _Optional[str] = ...) -> None: ...

class NoteReportRequest(_message.Message):
    __slots__ = ("request_id", "review_id", "files")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    REVIEW_ID_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    review_id: str
    files: _containers.RepeatedCompositeFieldContainer[ReportFile]
    def __init__(self, request_id: _Optional[str] = ..., review_id: _Optional[str] = ..., files: _Optional[_Iterable[_Union[ReportFile, _Mapping]]] = ...) -> None: ...

class NoteReportResponse(_message.Message):
    __slots__ = ("record_id",)
    RECORD_ID_FIELD_NUMBER: _ClassVar[int]
    record_id: str
    def __init__(self, record_id: _Optional[str] = ...) -> None: ...

class CloseLogRequest(_message.Message):
    __slots__ = ("request_id", "log_id", "reason")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    LOG_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    log_id: str
    reason: str
    def __init__(self, request_id: _Optional[str] = ..., log_id: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class CloseLogResponse(_message.Message):
    __slots__ = ("closed", "said_by", "unknown_from", "closed_at", "record_id")
    CLOSED_FIELD_NUMBER: _ClassVar[int]
    SAID_BY_FIELD_NUMBER: _ClassVar[int]
    UNKNOWN_FROM_FIELD_NUMBER: _ClassVar[int]
    CLOSED_AT_FIELD_NUMBER: _ClassVar[int]
    RECORD_ID_FIELD_NUMBER: _ClassVar[int]
    closed: bool
    said_by: _containers.RepeatedScalarFieldContainer[str]
    unknown_from: int
    closed_at: int
    record_id: str
    def __init__(self, closed: _Optional[bool] = ..., said_by: _Optional[_Iterable[str]] = ..., unknown_from: _Optional[int] = ..., closed_at: _Optional[int] = ..., record_id: _Optional[str] = ...) -> None: ...
