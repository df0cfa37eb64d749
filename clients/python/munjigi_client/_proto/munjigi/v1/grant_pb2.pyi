from munjigi_client._proto.buf.validate import validate_pb2 as _validate_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ListGrantsRequest(_message.Message):
    __slots__ = ("employee", "everyone", "role", "include_inactive", "page_size", "page_token", "grant_id", "person_id")
    EMPLOYEE_FIELD_NUMBER: _ClassVar[int]
    EVERYONE_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_INACTIVE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    GRANT_ID_FIELD_NUMBER: _ClassVar[int]
    PERSON_ID_FIELD_NUMBER: _ClassVar[int]
    employee: str
    everyone: bool
    role: str
    include_inactive: bool
    page_size: int
    page_token: str
    grant_id: str
    person_id: str
    def __init__(self, employee: _Optional[str] = ..., everyone: _Optional[bool] = ..., role: _Optional[str] = ..., include_inactive: _Optional[bool] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., grant_id: _Optional[str] = ..., person_id: _Optional[str] = ...) -> None: ...

class Grant(_message.Message):
    __slots__ = ("grant_id", "issuer", "employee", "role", "purpose", "scope_objects", "scope_actions", "starts_at", "ends_at", "approved_by", "active", "state", "suspended", "ended", "break_glass", "access_request_id")
    GRANT_ID_FIELD_NUMBER: _ClassVar[int]
    ISSUER_FIELD_NUMBER: _ClassVar[int]
    EMPLOYEE_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    SCOPE_OBJECTS_FIELD_NUMBER: _ClassVar[int]
    SCOPE_ACTIONS_FIELD_NUMBER: _ClassVar[int]
    STARTS_AT_FIELD_NUMBER: _ClassVar[int]
    ENDS_AT_FIELD_NUMBER: _ClassVar[int]
    APPROVED_BY_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    SUSPENDED_FIELD_NUMBER: _ClassVar[int]
    ENDED_FIELD_NUMBER: _ClassVar[int]
    BREAK_GLASS_FIELD_NUMBER: _ClassVar[int]
    ACCESS_REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    grant_id: str
    issuer: str
    employee: str
    role: str
    purpose: str
    scope_objects: _containers.RepeatedScalarFieldContainer[str]
    scope_actions: _containers.RepeatedScalarFieldContainer[str]
    starts_at: int
    ends_at: int
    approved_by: _containers.RepeatedScalarFieldContainer[str]
    active: bool
    state: str
    suspended: str
    ended: str
    break_glass: bool
    access_request_id: str
    def __init__(self, grant_id: _Optional[str] = ..., issuer: _Optional[str] = ..., employee: _Optional[str] = ..., role: _Optional[str] = ..., purpose: _Optional[str] = ..., scope_objects: _Optional[_Iterable[str]] = ..., scope_actions: _Optional[_Iterable[str]] = ..., starts_at: _Optional[int] = ..., ends_at: _Optional[int] = ..., approved_by: _Optional[_Iterable[str]] = ..., active: _Optional[bool] = ..., state: _Optional[str] = ..., suspended: _Optional[str] = ..., ended: _Optional[str] = ..., break_glass: _Optional[bool] = ..., access_request_id: _Optional[str] = ...) -> None: ...

class ListGrantsResponse(_message.Message):
    __slots__ = ("grants", "next_page_token", "grant_revision")
    GRANTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    GRANT_REVISION_FIELD_NUMBER: _ClassVar[int]
    grants: _containers.RepeatedCompositeFieldContainer[Grant]
    next_page_token: str
    grant_revision: int
    def __init__(self, grants: _Optional[_Iterable[_Union[Grant, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., grant_revision: _Optional[int] = ...) -> None: ...
