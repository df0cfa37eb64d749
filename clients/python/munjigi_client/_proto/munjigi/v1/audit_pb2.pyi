from munjigi_client._proto.buf.validate import validate_pb2 as _validate_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from munjigi_client._proto.munjigi.v1 import decision_pb2 as _decision_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SearchRecordsRequest(_message.Message):
    __slots__ = ("employee", "tool", "member_id", "resource", "decision_id", "event_type", "decision", "from_time", "to_time", "page_size", "page_token", "case_id", "holder")
    EMPLOYEE_FIELD_NUMBER: _ClassVar[int]
    TOOL_FIELD_NUMBER: _ClassVar[int]
    MEMBER_ID_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    EVENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    FROM_TIME_FIELD_NUMBER: _ClassVar[int]
    TO_TIME_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    CASE_ID_FIELD_NUMBER: _ClassVar[int]
    HOLDER_FIELD_NUMBER: _ClassVar[int]
    employee: str
    tool: str
    member_id: str
    resource: str
    decision_id: str
    event_type: str
    decision: _decision_pb2.Decision
    from_time: int
    to_time: int
    page_size: int
    page_token: str
    case_id: str
    holder: str
    def __init__(self, employee: _Optional[str] = ..., tool: _Optional[str] = ..., member_id: _Optional[str] = ..., resource: _Optional[str] = ..., decision_id: _Optional[str] = ..., event_type: _Optional[str] = ..., decision: _Optional[_Union[_decision_pb2.Decision, str]] = ..., from_time: _Optional[int] = ..., to_time: _Optional[int] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., case_id: _Optional[str] = ..., holder: _Optional[str] = ...) -> None: ...

class AuditRecord(_message.Message):
    __slots__ = ("id", "position", "time", "event_type", "content")
    ID_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    EVENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    id: str
    position: _decision_pb2.RecordPosition
    time: int
    event_type: str
    content: _struct_pb2.Struct
    def __init__(self, id: _Optional[str] = ..., position: _Optional[_Union[_decision_pb2.RecordPosition, _Mapping]] = ..., time: _Optional[int] = ..., event_type: _Optional[str] = ..., content: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class SearchRecordsResponse(_message.Message):
    __slots__ = ("records", "next_page_token", "complete")
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_FIELD_NUMBER: _ClassVar[int]
    records: _containers.RepeatedCompositeFieldContainer[AuditRecord]
    next_page_token: str
    complete: bool
    def __init__(self, records: _Optional[_Iterable[_Union[AuditRecord, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., complete: _Optional[bool] = ...) -> None: ...

class TailRecordsRequest(_message.Message):
    __slots__ = ("position", "last", "wait_seconds", "employee", "tool", "member_id", "resource", "event_type", "decision", "case_id", "holder")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    WAIT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    EMPLOYEE_FIELD_NUMBER: _ClassVar[int]
    TOOL_FIELD_NUMBER: _ClassVar[int]
    MEMBER_ID_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    EVENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    CASE_ID_FIELD_NUMBER: _ClassVar[int]
    HOLDER_FIELD_NUMBER: _ClassVar[int]
    position: str
    last: int
    wait_seconds: int
    employee: str
    tool: str
    member_id: str
    resource: str
    event_type: str
    decision: _decision_pb2.Decision
    case_id: str
    holder: str
    def __init__(self, position: _Optional[str] = ..., last: _Optional[int] = ..., wait_seconds: _Optional[int] = ..., employee: _Optional[str] = ..., tool: _Optional[str] = ..., member_id: _Optional[str] = ..., resource: _Optional[str] = ..., event_type: _Optional[str] = ..., decision: _Optional[_Union[_decision_pb2.Decision, str]] = ..., case_id: _Optional[str] = ..., holder: _Optional[str] = ...) -> None: ...

class TailRecordsResponse(_message.Message):
    __slots__ = ("records", "position")
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    records: _containers.RepeatedCompositeFieldContainer[AuditRecord]
    position: str
    def __init__(self, records: _Optional[_Iterable[_Union[AuditRecord, _Mapping]]] = ..., position: _Optional[str] = ...) -> None: ...

class VerifyJournalRequest(_message.Message):
    __slots__ = ("log_id",)
    LOG_ID_FIELD_NUMBER: _ClassVar[int]
    log_id: str
    def __init__(self, log_id: _Optional[str] = ...) -> None: ...

class JournalVerification(_message.Message):
    __slots__ = ("log_id", "intact", "records", "chain", "file", "offset", "index", "problem", "sealed", "first")
    LOG_ID_FIELD_NUMBER: _ClassVar[int]
    INTACT_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    CHAIN_FIELD_NUMBER: _ClassVar[int]
    FILE_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    SEALED_FIELD_NUMBER: _ClassVar[int]
    FIRST_FIELD_NUMBER: _ClassVar[int]
    log_id: str
    intact: bool
    records: int
    chain: str
    file: str
    offset: int
    index: int
    problem: str
    sealed: int
    first: int
    def __init__(self, log_id: _Optional[str] = ..., intact: _Optional[bool] = ..., records: _Optional[int] = ..., chain: _Optional[str] = ..., file: _Optional[str] = ..., offset: _Optional[int] = ..., index: _Optional[int] = ..., problem: _Optional[str] = ..., sealed: _Optional[int] = ..., first: _Optional[int] = ...) -> None: ...

class VerifyJournalResponse(_message.Message):
    __slots__ = ("journals", "intact", "seal_problem", "seal_entries", "restorations", "lost_entries")
    JOURNALS_FIELD_NUMBER: _ClassVar[int]
    INTACT_FIELD_NUMBER: _ClassVar[int]
    SEAL_PROBLEM_FIELD_NUMBER: _ClassVar[int]
    SEAL_ENTRIES_FIELD_NUMBER: _ClassVar[int]
    RESTORATIONS_FIELD_NUMBER: _ClassVar[int]
    LOST_ENTRIES_FIELD_NUMBER: _ClassVar[int]
    journals: _containers.RepeatedCompositeFieldContainer[JournalVerification]
    intact: bool
    seal_problem: str
    seal_entries: int
    restorations: _containers.RepeatedCompositeFieldContainer[Restoration]
    lost_entries: int
    def __init__(self, journals: _Optional[_Iterable[_Union[JournalVerification, _Mapping]]] = ..., intact: _Optional[bool] = ..., seal_problem: _Optional[str] = ..., seal_entries: _Optional[int] = ..., restorations: _Optional[_Iterable[_Union[Restoration, _Mapping]]] = ..., lost_entries: _Optional[int] = ...) -> None: ...

class Restoration(_message.Message):
    __slots__ = ("origin", "continued_origin", "continued_entries", "record_id", "backup_id", "backup_time", "started_at", "reason", "operator", "kept_entries", "lost_entries")
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    CONTINUED_ORIGIN_FIELD_NUMBER: _ClassVar[int]
    CONTINUED_ENTRIES_FIELD_NUMBER: _ClassVar[int]
    RECORD_ID_FIELD_NUMBER: _ClassVar[int]
    BACKUP_ID_FIELD_NUMBER: _ClassVar[int]
    BACKUP_TIME_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    OPERATOR_FIELD_NUMBER: _ClassVar[int]
    KEPT_ENTRIES_FIELD_NUMBER: _ClassVar[int]
    LOST_ENTRIES_FIELD_NUMBER: _ClassVar[int]
    origin: str
    continued_origin: str
    continued_entries: int
    record_id: str
    backup_id: str
    backup_time: int
    started_at: int
    reason: str
    operator: str
    kept_entries: int
    lost_entries: int
    def __init__(self, origin: _Optional[str] = ..., continued_origin: _Optional[str] = ..., continued_entries: _Optional[int] = ..., record_id: _Optional[str] = ..., backup_id: _Optional[str] = ..., backup_time: _Optional[int] = ..., started_at: _Optional[int] = ..., reason: _Optional[str] = ..., operator: _Optional[str] = ..., kept_entries: _Optional[int] = ..., lost_entries: _Optional[int] = ...) -> None: ...

class Hold(_message.Message):
    __slots__ = ("hold_id", "from_time", "to_time", "reason", "issuer", "employee", "placed_at", "record_id")
    HOLD_ID_FIELD_NUMBER: _ClassVar[int]
    FROM_TIME_FIELD_NUMBER: _ClassVar[int]
    TO_TIME_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ISSUER_FIELD_NUMBER: _ClassVar[int]
    EMPLOYEE_FIELD_NUMBER: _ClassVar[int]
    PLACED_AT_FIELD_NUMBER: _ClassVar[int]
    RECORD_ID_FIELD_NUMBER: _ClassVar[int]
    hold_id: str
    from_time: int
    to_time: int
    reason: str
    issuer: str
    employee: str
    placed_at: int
    record_id: str
    def __init__(self, hold_id: _Optional[str] = ..., from_time: _Optional[int] = ..., to_time: _Optional[int] = ..., reason: _Optional[str] = ..., issuer: _Optional[str] = ..., employee: _Optional[str] = ..., placed_at: _Optional[int] = ..., record_id: _Optional[str] = ...) -> None: ...

class HoldRecordsRequest(_message.Message):
    __slots__ = ("request_id", "reason", "from_time", "to_time")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    FROM_TIME_FIELD_NUMBER: _ClassVar[int]
    TO_TIME_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    reason: str
    from_time: int
    to_time: int
    def __init__(self, request_id: _Optional[str] = ..., reason: _Optional[str] = ..., from_time: _Optional[int] = ..., to_time: _Optional[int] = ...) -> None: ...

class HoldRecordsResponse(_message.Message):
    __slots__ = ("hold",)
    HOLD_FIELD_NUMBER: _ClassVar[int]
    hold: Hold
    def __init__(self, hold: _Optional[_Union[Hold, _Mapping]] = ...) -> None: ...

class ReleaseHoldRequest(_message.Message):
    __slots__ = ("request_id", "hold_id", "reason")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    HOLD_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    hold_id: str
    reason: str
    def __init__(self, request_id: _Optional[str] = ..., hold_id: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class ReleaseHoldResponse(_message.Message):
    __slots__ = ("record_id",)
    RECORD_ID_FIELD_NUMBER: _ClassVar[int]
    record_id: str
    def __init__(self, record_id: _Optional[str] = ...) -> None: ...

class ListHoldsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListHoldsResponse(_message.Message):
    __slots__ = ("holds", "next_page_token")
    HOLDS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    holds: _containers.RepeatedCompositeFieldContainer[Hold]
    next_page_token: str
    def __init__(self, holds: _Optional[_Iterable[_Union[Hold, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...
