from munjigi_client._proto.buf.validate import validate_pb2 as _validate_pb2
from munjigi_client._proto.munjigi.v1 import grant_pb2 as _grant_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RequestKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REQUEST_KIND_UNSPECIFIED: _ClassVar[RequestKind]
    REQUEST_KIND_NEW: _ClassVar[RequestKind]
    REQUEST_KIND_RENEW: _ClassVar[RequestKind]
    REQUEST_KIND_CHANGE: _ClassVar[RequestKind]
    REQUEST_KIND_BREAK_GLASS: _ClassVar[RequestKind]

class RequestState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REQUEST_STATE_UNSPECIFIED: _ClassVar[RequestState]
    REQUEST_STATE_REQUESTED: _ClassVar[RequestState]
    REQUEST_STATE_APPROVED: _ClassVar[RequestState]
    REQUEST_STATE_DENIED: _ClassVar[RequestState]
    REQUEST_STATE_WITHDRAWN: _ClassVar[RequestState]
    REQUEST_STATE_SUPERSEDED: _ClassVar[RequestState]
    REQUEST_STATE_LAPSED: _ClassVar[RequestState]
REQUEST_KIND_UNSPECIFIED: RequestKind
REQUEST_KIND_NEW: RequestKind
REQUEST_KIND_RENEW: RequestKind
REQUEST_KIND_CHANGE: RequestKind
REQUEST_KIND_BREAK_GLASS: RequestKind
REQUEST_STATE_UNSPECIFIED: RequestState
REQUEST_STATE_REQUESTED: RequestState
REQUEST_STATE_APPROVED: RequestState
REQUEST_STATE_DENIED: RequestState
REQUEST_STATE_WITHDRAWN: RequestState
REQUEST_STATE_SUPERSEDED: RequestState
REQUEST_STATE_LAPSED: RequestState

class Vote(_message.Message):
    __slots__ = ("stage", "person_id", "issuer", "employee", "on_behalf_of", "approve", "reason", "at")
    STAGE_FIELD_NUMBER: _ClassVar[int]
    PERSON_ID_FIELD_NUMBER: _ClassVar[int]
    ISSUER_FIELD_NUMBER: _ClassVar[int]
    EMPLOYEE_FIELD_NUMBER: _ClassVar[int]
    ON_BEHALF_OF_FIELD_NUMBER: _ClassVar[int]
    APPROVE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    stage: int
    person_id: str
    issuer: str
    employee: str
    on_behalf_of: str
    approve: bool
    reason: str
    at: int
    def __init__(self, stage: _Optional[int] = ..., person_id: _Optional[str] = ..., issuer: _Optional[str] = ..., employee: _Optional[str] = ..., on_behalf_of: _Optional[str] = ..., approve: _Optional[bool] = ..., reason: _Optional[str] = ..., at: _Optional[int] = ...) -> None: ...

class AccessRequest(_message.Message):
    __slots__ = ("access_request_id", "kind", "state", "issuer", "employee", "person_id", "applicant_issuer", "applicant", "role", "purpose", "case_id", "impact_assessment", "scope_objects", "scope_actions", "starts_at", "ends_at", "days", "reason", "grant_id", "supersedes", "stages", "stage", "votes", "deciders", "made_at", "lapses_at", "digest")
    ACCESS_REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    ISSUER_FIELD_NUMBER: _ClassVar[int]
    EMPLOYEE_FIELD_NUMBER: _ClassVar[int]
    PERSON_ID_FIELD_NUMBER: _ClassVar[int]
    APPLICANT_ISSUER_FIELD_NUMBER: _ClassVar[int]
    APPLICANT_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    CASE_ID_FIELD_NUMBER: _ClassVar[int]
    IMPACT_ASSESSMENT_FIELD_NUMBER: _ClassVar[int]
    SCOPE_OBJECTS_FIELD_NUMBER: _ClassVar[int]
    SCOPE_ACTIONS_FIELD_NUMBER: _ClassVar[int]
    STARTS_AT_FIELD_NUMBER: _ClassVar[int]
    ENDS_AT_FIELD_NUMBER: _ClassVar[int]
    DAYS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    GRANT_ID_FIELD_NUMBER: _ClassVar[int]
    SUPERSEDES_FIELD_NUMBER: _ClassVar[int]
    STAGES_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    VOTES_FIELD_NUMBER: _ClassVar[int]
    DECIDERS_FIELD_NUMBER: _ClassVar[int]
    MADE_AT_FIELD_NUMBER: _ClassVar[int]
    LAPSES_AT_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    access_request_id: str
    kind: RequestKind
    state: RequestState
    issuer: str
    employee: str
    person_id: str
    applicant_issuer: str
    applicant: str
    role: str
    purpose: str
    case_id: str
    impact_assessment: str
    scope_objects: _containers.RepeatedScalarFieldContainer[str]
    scope_actions: _containers.RepeatedScalarFieldContainer[str]
    starts_at: int
    ends_at: int
    days: int
    reason: str
    grant_id: str
    supersedes: str
    stages: _containers.RepeatedScalarFieldContainer[str]
    stage: int
    votes: _containers.RepeatedCompositeFieldContainer[Vote]
    deciders: _containers.RepeatedScalarFieldContainer[str]
    made_at: int
    lapses_at: int
    digest: str
    def __init__(self, access_request_id: _Optional[str] = ..., kind: _Optional[_Union[RequestKind, str]] = ..., state: _Optional[_Union[RequestState, str]] = ..., issuer: _Optional[str] = ..., employee: _Optional[str] = ..., person_id: _Optional[str] = ..., applicant_issuer: _Optional[str] = ..., applicant: _Optional[str] = ..., role: _Optional[str] = ..., purpose: _Optional[str] = ..., case_id: _Optional[str] = ..., impact_assessment: _Optional[str] = ..., scope_objects: _Optional[_Iterable[str]] = ..., scope_actions: _Optional[_Iterable[str]] = ..., starts_at: _Optional[int] = ..., ends_at: _Optional[int] = ..., days: _Optional[int] = ..., reason: _Optional[str] = ..., grant_id: _Optional[str] = ..., supersedes: _Optional[str] = ..., stages: _Optional[_Iterable[str]] = ..., stage: _Optional[int] = ..., votes: _Optional[_Iterable[_Union[Vote, _Mapping]]] = ..., deciders: _Optional[_Iterable[str]] = ..., made_at: _Optional[int] = ..., lapses_at: _Optional[int] = ..., digest: _Optional[str] = ...) -> None: ...

class RequestAccessRequest(_message.Message):
    __slots__ = ("request_id", "role", "purpose", "reason", "case_id", "scope_objects", "scope_actions", "starts_at", "ends_at", "days", "grant_id", "supersedes", "employee")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    CASE_ID_FIELD_NUMBER: _ClassVar[int]
    SCOPE_OBJECTS_FIELD_NUMBER: _ClassVar[int]
    SCOPE_ACTIONS_FIELD_NUMBER: _ClassVar[int]
    STARTS_AT_FIELD_NUMBER: _ClassVar[int]
    ENDS_AT_FIELD_NUMBER: _ClassVar[int]
    DAYS_FIELD_NUMBER: _ClassVar[int]
    GRANT_ID_FIELD_NUMBER: _ClassVar[int]
    SUPERSEDES_FIELD_NUMBER: _ClassVar[int]
    EMPLOYEE_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    role: str
    purpose: str
    reason: str
    case_id: str
    scope_objects: _containers.RepeatedScalarFieldContainer[str]
    scope_actions: _containers.RepeatedScalarFieldContainer[str]
    starts_at: int
    ends_at: int
    days: int
    grant_id: str
    supersedes: str
    employee: str
    def __init__(self, request_id: _Optional[str] = ..., role: _Optional[str] = ..., purpose: _Optional[str] = ..., reason: _Optional[str] = ..., case_id: _Optional[str] = ..., scope_objects: _Optional[_Iterable[str]] = ..., scope_actions: _Optional[_Iterable[str]] = ..., starts_at: _Optional[int] = ..., ends_at: _Optional[int] = ..., days: _Optional[int] = ..., grant_id: _Optional[str] = ..., supersedes: _Optional[str] = ..., employee: _Optional[str] = ...) -> None: ...

class RequestAccessResponse(_message.Message):
    __slots__ = ("access_request", "missing", "record_id")
    ACCESS_REQUEST_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    RECORD_ID_FIELD_NUMBER: _ClassVar[int]
    access_request: AccessRequest
    missing: _containers.RepeatedScalarFieldContainer[str]
    record_id: str
    def __init__(self, access_request: _Optional[_Union[AccessRequest, _Mapping]] = ..., missing: _Optional[_Iterable[str]] = ..., record_id: _Optional[str] = ...) -> None: ...

class DecideRequestRequest(_message.Message):
    __slots__ = ("request_id", "access_request_id", "digest", "approve", "reason")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    ACCESS_REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    APPROVE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    access_request_id: str
    digest: str
    approve: bool
    reason: str
    def __init__(self, request_id: _Optional[str] = ..., access_request_id: _Optional[str] = ..., digest: _Optional[str] = ..., approve: _Optional[bool] = ..., reason: _Optional[str] = ...) -> None: ...

class DecideRequestResponse(_message.Message):
    __slots__ = ("access_request", "grant", "record_id")
    ACCESS_REQUEST_FIELD_NUMBER: _ClassVar[int]
    GRANT_FIELD_NUMBER: _ClassVar[int]
    RECORD_ID_FIELD_NUMBER: _ClassVar[int]
    access_request: AccessRequest
    grant: _grant_pb2.Grant
    record_id: str
    def __init__(self, access_request: _Optional[_Union[AccessRequest, _Mapping]] = ..., grant: _Optional[_Union[_grant_pb2.Grant, _Mapping]] = ..., record_id: _Optional[str] = ...) -> None: ...

class WithdrawRequestRequest(_message.Message):
    __slots__ = ("request_id", "access_request_id")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    ACCESS_REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    access_request_id: str
    def __init__(self, request_id: _Optional[str] = ..., access_request_id: _Optional[str] = ...) -> None: ...

class WithdrawRequestResponse(_message.Message):
    __slots__ = ("access_request", "record_id")
    ACCESS_REQUEST_FIELD_NUMBER: _ClassVar[int]
    RECORD_ID_FIELD_NUMBER: _ClassVar[int]
    access_request: AccessRequest
    record_id: str
    def __init__(self, access_request: _Optional[_Union[AccessRequest, _Mapping]] = ..., record_id: _Optional[str] = ...) -> None: ...

class ListRequestsRequest(_message.Message):
    __slots__ = ("state", "access_request_id", "to_decide", "everyone", "page_size", "page_token")
    STATE_FIELD_NUMBER: _ClassVar[int]
    ACCESS_REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    TO_DECIDE_FIELD_NUMBER: _ClassVar[int]
    EVERYONE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    state: RequestState
    access_request_id: str
    to_decide: bool
    everyone: bool
    page_size: int
    page_token: str
    def __init__(self, state: _Optional[_Union[RequestState, str]] = ..., access_request_id: _Optional[str] = ..., to_decide: _Optional[bool] = ..., everyone: _Optional[bool] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListRequestsResponse(_message.Message):
    __slots__ = ("access_requests", "next_page_token")
    ACCESS_REQUESTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    access_requests: _containers.RepeatedCompositeFieldContainer[AccessRequest]
    next_page_token: str
    def __init__(self, access_requests: _Optional[_Iterable[_Union[AccessRequest, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ChangeGrantRequest(_message.Message):
    __slots__ = ("request_id", "grant_id", "reason", "ends_at", "scope_objects", "scope_actions")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    GRANT_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ENDS_AT_FIELD_NUMBER: _ClassVar[int]
    SCOPE_OBJECTS_FIELD_NUMBER: _ClassVar[int]
    SCOPE_ACTIONS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    grant_id: str
    reason: str
    ends_at: int
    scope_objects: _containers.RepeatedScalarFieldContainer[str]
    scope_actions: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, request_id: _Optional[str] = ..., grant_id: _Optional[str] = ..., reason: _Optional[str] = ..., ends_at: _Optional[int] = ..., scope_objects: _Optional[_Iterable[str]] = ..., scope_actions: _Optional[_Iterable[str]] = ...) -> None: ...

class ChangeGrantResponse(_message.Message):
    __slots__ = ("grant", "record_id")
    GRANT_FIELD_NUMBER: _ClassVar[int]
    RECORD_ID_FIELD_NUMBER: _ClassVar[int]
    grant: _grant_pb2.Grant
    record_id: str
    def __init__(self, grant: _Optional[_Union[_grant_pb2.Grant, _Mapping]] = ..., record_id: _Optional[str] = ...) -> None: ...

class BreakGlassRequest(_message.Message):
    __slots__ = ("request_id", "role", "purpose", "reason", "case_id", "hours", "scope_objects", "scope_actions")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    CASE_ID_FIELD_NUMBER: _ClassVar[int]
    HOURS_FIELD_NUMBER: _ClassVar[int]
    SCOPE_OBJECTS_FIELD_NUMBER: _ClassVar[int]
    SCOPE_ACTIONS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    role: str
    purpose: str
    reason: str
    case_id: str
    hours: int
    scope_objects: _containers.RepeatedScalarFieldContainer[str]
    scope_actions: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, request_id: _Optional[str] = ..., role: _Optional[str] = ..., purpose: _Optional[str] = ..., reason: _Optional[str] = ..., case_id: _Optional[str] = ..., hours: _Optional[int] = ..., scope_objects: _Optional[_Iterable[str]] = ..., scope_actions: _Optional[_Iterable[str]] = ...) -> None: ...

class BreakGlassResponse(_message.Message):
    __slots__ = ("grant", "review", "record_id")
    GRANT_FIELD_NUMBER: _ClassVar[int]
    REVIEW_FIELD_NUMBER: _ClassVar[int]
    RECORD_ID_FIELD_NUMBER: _ClassVar[int]
    grant: _grant_pb2.Grant
    review: AccessRequest
    record_id: str
    def __init__(self, grant: _Optional[_Union[_grant_pb2.Grant, _Mapping]] = ..., review: _Optional[_Union[AccessRequest, _Mapping]] = ..., record_id: _Optional[str] = ...) -> None: ...

class DelegateRequest(_message.Message):
    __slots__ = ("request_id", "employee", "starts_at", "ends_at")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    EMPLOYEE_FIELD_NUMBER: _ClassVar[int]
    STARTS_AT_FIELD_NUMBER: _ClassVar[int]
    ENDS_AT_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    employee: str
    starts_at: int
    ends_at: int
    def __init__(self, request_id: _Optional[str] = ..., employee: _Optional[str] = ..., starts_at: _Optional[int] = ..., ends_at: _Optional[int] = ...) -> None: ...

class DelegateResponse(_message.Message):
    __slots__ = ("record_id",)
    RECORD_ID_FIELD_NUMBER: _ClassVar[int]
    record_id: str
    def __init__(self, record_id: _Optional[str] = ...) -> None: ...
