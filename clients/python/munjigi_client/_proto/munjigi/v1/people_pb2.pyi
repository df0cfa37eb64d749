from munjigi_client._proto.buf.validate import validate_pb2 as _validate_pb2
from munjigi_client._proto.munjigi.v1 import revocation_pb2 as _revocation_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PrincipalType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PRINCIPAL_TYPE_UNSPECIFIED: _ClassVar[PrincipalType]
    PRINCIPAL_TYPE_EMPLOYEE: _ClassVar[PrincipalType]
    PRINCIPAL_TYPE_CONTRACTOR: _ClassVar[PrincipalType]
    PRINCIPAL_TYPE_PARTNER: _ClassVar[PrincipalType]
    PRINCIPAL_TYPE_SELLER: _ClassVar[PrincipalType]
    PRINCIPAL_TYPE_SERVICE: _ClassVar[PrincipalType]

class PersonStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PERSON_STATUS_UNSPECIFIED: _ClassVar[PersonStatus]
    PERSON_STATUS_ACTIVE: _ClassVar[PersonStatus]
    PERSON_STATUS_LEAVE: _ClassVar[PersonStatus]
    PERSON_STATUS_LEFT: _ClassVar[PersonStatus]

class PersonnelEventKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PERSONNEL_EVENT_KIND_UNSPECIFIED: _ClassVar[PersonnelEventKind]
    PERSONNEL_EVENT_KIND_JOINER: _ClassVar[PersonnelEventKind]
    PERSONNEL_EVENT_KIND_MOVER: _ClassVar[PersonnelEventKind]
    PERSONNEL_EVENT_KIND_LEAVER: _ClassVar[PersonnelEventKind]
    PERSONNEL_EVENT_KIND_LEAVE: _ClassVar[PersonnelEventKind]
    PERSONNEL_EVENT_KIND_RETURN: _ClassVar[PersonnelEventKind]
    PERSONNEL_EVENT_KIND_FACTS: _ClassVar[PersonnelEventKind]
    PERSONNEL_EVENT_KIND_ACCOUNT: _ClassVar[PersonnelEventKind]
PRINCIPAL_TYPE_UNSPECIFIED: PrincipalType
PRINCIPAL_TYPE_EMPLOYEE: PrincipalType
PRINCIPAL_TYPE_CONTRACTOR: PrincipalType
PRINCIPAL_TYPE_PARTNER: PrincipalType
PRINCIPAL_TYPE_SELLER: PrincipalType
PRINCIPAL_TYPE_SERVICE: PrincipalType
PERSON_STATUS_UNSPECIFIED: PersonStatus
PERSON_STATUS_ACTIVE: PersonStatus
PERSON_STATUS_LEAVE: PersonStatus
PERSON_STATUS_LEFT: PersonStatus
PERSONNEL_EVENT_KIND_UNSPECIFIED: PersonnelEventKind
PERSONNEL_EVENT_KIND_JOINER: PersonnelEventKind
PERSONNEL_EVENT_KIND_MOVER: PersonnelEventKind
PERSONNEL_EVENT_KIND_LEAVER: PersonnelEventKind
PERSONNEL_EVENT_KIND_LEAVE: PersonnelEventKind
PERSONNEL_EVENT_KIND_RETURN: PersonnelEventKind
PERSONNEL_EVENT_KIND_FACTS: PersonnelEventKind
PERSONNEL_EVENT_KIND_ACCOUNT: PersonnelEventKind

class Account(_message.Message):
    __slots__ = ("issuer", "subject")
    ISSUER_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    issuer: str
    subject: str
    def __init__(self, issuer: _Optional[str] = ..., subject: _Optional[str] = ...) -> None: ...

class Fact(_message.Message):
    __slots__ = ("kind", "starts_at", "ends_at", "source", "stated_at")
    KIND_FIELD_NUMBER: _ClassVar[int]
    STARTS_AT_FIELD_NUMBER: _ClassVar[int]
    ENDS_AT_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    STATED_AT_FIELD_NUMBER: _ClassVar[int]
    kind: str
    starts_at: int
    ends_at: int
    source: str
    stated_at: int
    def __init__(self, kind: _Optional[str] = ..., starts_at: _Optional[int] = ..., ends_at: _Optional[int] = ..., source: _Optional[str] = ..., stated_at: _Optional[int] = ...) -> None: ...

class Deputy(_message.Message):
    __slots__ = ("person_id", "starts_at", "ends_at")
    PERSON_ID_FIELD_NUMBER: _ClassVar[int]
    STARTS_AT_FIELD_NUMBER: _ClassVar[int]
    ENDS_AT_FIELD_NUMBER: _ClassVar[int]
    person_id: str
    starts_at: int
    ends_at: int
    def __init__(self, person_id: _Optional[str] = ..., starts_at: _Optional[int] = ..., ends_at: _Optional[int] = ...) -> None: ...

class Person(_message.Message):
    __slots__ = ("person_id", "principal_type", "status", "department", "manager", "accounts", "facts", "deputies", "sessions_from", "effective_at")
    PERSON_ID_FIELD_NUMBER: _ClassVar[int]
    PRINCIPAL_TYPE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    DEPARTMENT_FIELD_NUMBER: _ClassVar[int]
    MANAGER_FIELD_NUMBER: _ClassVar[int]
    ACCOUNTS_FIELD_NUMBER: _ClassVar[int]
    FACTS_FIELD_NUMBER: _ClassVar[int]
    DEPUTIES_FIELD_NUMBER: _ClassVar[int]
    SESSIONS_FROM_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_AT_FIELD_NUMBER: _ClassVar[int]
    person_id: str
    principal_type: PrincipalType
    status: PersonStatus
    department: str
    manager: str
    accounts: _containers.RepeatedCompositeFieldContainer[Account]
    facts: _containers.RepeatedCompositeFieldContainer[Fact]
    deputies: _containers.RepeatedCompositeFieldContainer[Deputy]
    sessions_from: int
    effective_at: int
    def __init__(self, person_id: _Optional[str] = ..., principal_type: _Optional[_Union[PrincipalType, str]] = ..., status: _Optional[_Union[PersonStatus, str]] = ..., department: _Optional[str] = ..., manager: _Optional[str] = ..., accounts: _Optional[_Iterable[_Union[Account, _Mapping]]] = ..., facts: _Optional[_Iterable[_Union[Fact, _Mapping]]] = ..., deputies: _Optional[_Iterable[_Union[Deputy, _Mapping]]] = ..., sessions_from: _Optional[int] = ..., effective_at: _Optional[int] = ...) -> None: ...

class ApplyPersonnelEventRequest(_message.Message):
    __slots__ = ("request_id", "kind", "person_id", "source", "effective_at", "principal_type", "department", "manager", "accounts", "facts")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    PERSON_ID_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_AT_FIELD_NUMBER: _ClassVar[int]
    PRINCIPAL_TYPE_FIELD_NUMBER: _ClassVar[int]
    DEPARTMENT_FIELD_NUMBER: _ClassVar[int]
    MANAGER_FIELD_NUMBER: _ClassVar[int]
    ACCOUNTS_FIELD_NUMBER: _ClassVar[int]
    FACTS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    kind: PersonnelEventKind
    person_id: str
    source: str
    effective_at: int
    principal_type: PrincipalType
    department: str
    manager: str
    accounts: _containers.RepeatedCompositeFieldContainer[Account]
    facts: _containers.RepeatedCompositeFieldContainer[Fact]
    def __init__(self, request_id: _Optional[str] = ..., kind: _Optional[_Union[PersonnelEventKind, str]] = ..., person_id: _Optional[str] = ..., source: _Optional[str] = ..., effective_at: _Optional[int] = ..., principal_type: _Optional[_Union[PrincipalType, str]] = ..., department: _Optional[str] = ..., manager: _Optional[str] = ..., accounts: _Optional[_Iterable[_Union[Account, _Mapping]]] = ..., facts: _Optional[_Iterable[_Union[Fact, _Mapping]]] = ...) -> None: ...

class ApplyPersonnelEventResponse(_message.Message):
    __slots__ = ("person", "changed", "ended_grants", "suspended_grants", "resumed_grants", "withdrawn_requests", "acknowledgement")
    PERSON_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    ENDED_GRANTS_FIELD_NUMBER: _ClassVar[int]
    SUSPENDED_GRANTS_FIELD_NUMBER: _ClassVar[int]
    RESUMED_GRANTS_FIELD_NUMBER: _ClassVar[int]
    WITHDRAWN_REQUESTS_FIELD_NUMBER: _ClassVar[int]
    ACKNOWLEDGEMENT_FIELD_NUMBER: _ClassVar[int]
    person: Person
    changed: bool
    ended_grants: _containers.RepeatedScalarFieldContainer[str]
    suspended_grants: _containers.RepeatedScalarFieldContainer[str]
    resumed_grants: _containers.RepeatedScalarFieldContainer[str]
    withdrawn_requests: _containers.RepeatedScalarFieldContainer[str]
    acknowledgement: _revocation_pb2.Acknowledgement
    def __init__(self, person: _Optional[_Union[Person, _Mapping]] = ..., changed: _Optional[bool] = ..., ended_grants: _Optional[_Iterable[str]] = ..., suspended_grants: _Optional[_Iterable[str]] = ..., resumed_grants: _Optional[_Iterable[str]] = ..., withdrawn_requests: _Optional[_Iterable[str]] = ..., acknowledgement: _Optional[_Union[_revocation_pb2.Acknowledgement, _Mapping]] = ...) -> None: ...

class PersonRow(_message.Message):
    __slots__ = ("person_id", "status", "principal_type", "department", "manager", "accounts", "facts")
    PERSON_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    PRINCIPAL_TYPE_FIELD_NUMBER: _ClassVar[int]
    DEPARTMENT_FIELD_NUMBER: _ClassVar[int]
    MANAGER_FIELD_NUMBER: _ClassVar[int]
    ACCOUNTS_FIELD_NUMBER: _ClassVar[int]
    FACTS_FIELD_NUMBER: _ClassVar[int]
    person_id: str
    status: PersonStatus
    principal_type: PrincipalType
    department: str
    manager: str
    accounts: _containers.RepeatedCompositeFieldContainer[Account]
    facts: _containers.RepeatedCompositeFieldContainer[Fact]
    def __init__(self, person_id: _Optional[str] = ..., status: _Optional[_Union[PersonStatus, str]] = ..., principal_type: _Optional[_Union[PrincipalType, str]] = ..., department: _Optional[str] = ..., manager: _Optional[str] = ..., accounts: _Optional[_Iterable[_Union[Account, _Mapping]]] = ..., facts: _Optional[_Iterable[_Union[Fact, _Mapping]]] = ...) -> None: ...

class ImportPeopleRequest(_message.Message):
    __slots__ = ("request_id", "rows", "source", "effective_at", "dry_run")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_AT_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    rows: _containers.RepeatedCompositeFieldContainer[PersonRow]
    source: str
    effective_at: int
    dry_run: bool
    def __init__(self, request_id: _Optional[str] = ..., rows: _Optional[_Iterable[_Union[PersonRow, _Mapping]]] = ..., source: _Optional[str] = ..., effective_at: _Optional[int] = ..., dry_run: _Optional[bool] = ...) -> None: ...

class RowOutcome(_message.Message):
    __slots__ = ("row", "events", "ended_grants", "suspended_grants", "resumed_grants", "reason", "message")
    ROW_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    ENDED_GRANTS_FIELD_NUMBER: _ClassVar[int]
    SUSPENDED_GRANTS_FIELD_NUMBER: _ClassVar[int]
    RESUMED_GRANTS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    row: int
    events: _containers.RepeatedScalarFieldContainer[PersonnelEventKind]
    ended_grants: int
    suspended_grants: int
    resumed_grants: int
    reason: str
    message: str
    def __init__(self, row: _Optional[int] = ..., events: _Optional[_Iterable[_Union[PersonnelEventKind, str]]] = ..., ended_grants: _Optional[int] = ..., suspended_grants: _Optional[int] = ..., resumed_grants: _Optional[int] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class ImportPeopleResponse(_message.Message):
    __slots__ = ("outcomes", "applied")
    OUTCOMES_FIELD_NUMBER: _ClassVar[int]
    APPLIED_FIELD_NUMBER: _ClassVar[int]
    outcomes: _containers.RepeatedCompositeFieldContainer[RowOutcome]
    applied: bool
    def __init__(self, outcomes: _Optional[_Iterable[_Union[RowOutcome, _Mapping]]] = ..., applied: _Optional[bool] = ...) -> None: ...

class GetPersonRequest(_message.Message):
    __slots__ = ("person_id", "employee")
    PERSON_ID_FIELD_NUMBER: _ClassVar[int]
    EMPLOYEE_FIELD_NUMBER: _ClassVar[int]
    person_id: str
    employee: str
    def __init__(self, person_id: _Optional[str] = ..., employee: _Optional[str] = ...) -> None: ...

class GetPersonResponse(_message.Message):
    __slots__ = ("person", "grant_revision")
    PERSON_FIELD_NUMBER: _ClassVar[int]
    GRANT_REVISION_FIELD_NUMBER: _ClassVar[int]
    person: Person
    grant_revision: int
    def __init__(self, person: _Optional[_Union[Person, _Mapping]] = ..., grant_revision: _Optional[int] = ...) -> None: ...

class ListPeopleRequest(_message.Message):
    __slots__ = ("department", "status", "page_size", "page_token")
    DEPARTMENT_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    department: str
    status: PersonStatus
    page_size: int
    page_token: str
    def __init__(self, department: _Optional[str] = ..., status: _Optional[_Union[PersonStatus, str]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListPeopleResponse(_message.Message):
    __slots__ = ("people", "next_page_token", "grant_revision")
    PEOPLE_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    GRANT_REVISION_FIELD_NUMBER: _ClassVar[int]
    people: _containers.RepeatedCompositeFieldContainer[Person]
    next_page_token: str
    grant_revision: int
    def __init__(self, people: _Optional[_Iterable[_Union[Person, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., grant_revision: _Optional[int] = ...) -> None: ...
