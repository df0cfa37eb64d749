from munjigi_client._proto.buf.validate import validate_pb2 as _validate_pb2
from munjigi_client._proto.munjigi.v1 import grant_pb2 as _grant_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Acknowledgement(_message.Message):
    __slots__ = ("grant_revision", "waited", "leases_run_out")
    GRANT_REVISION_FIELD_NUMBER: _ClassVar[int]
    WAITED_FIELD_NUMBER: _ClassVar[int]
    LEASES_RUN_OUT_FIELD_NUMBER: _ClassVar[int]
    grant_revision: int
    waited: int
    leases_run_out: int
    def __init__(self, grant_revision: _Optional[int] = ..., waited: _Optional[int] = ..., leases_run_out: _Optional[int] = ...) -> None: ...

class RevokeGrantRequest(_message.Message):
    __slots__ = ("request_id", "grant_id", "reason")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    GRANT_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    grant_id: str
    reason: str
    def __init__(self, request_id: _Optional[str] = ..., grant_id: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class RevokeGrantResponse(_message.Message):
    __slots__ = ("grant", "record_id", "acknowledgement")
    GRANT_FIELD_NUMBER: _ClassVar[int]
    RECORD_ID_FIELD_NUMBER: _ClassVar[int]
    ACKNOWLEDGEMENT_FIELD_NUMBER: _ClassVar[int]
    grant: _grant_pb2.Grant
    record_id: str
    acknowledgement: Acknowledgement
    def __init__(self, grant: _Optional[_Union[_grant_pb2.Grant, _Mapping]] = ..., record_id: _Optional[str] = ..., acknowledgement: _Optional[_Union[Acknowledgement, _Mapping]] = ...) -> None: ...

class SuspendGrantRequest(_message.Message):
    __slots__ = ("request_id", "grant_id", "reason")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    GRANT_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    grant_id: str
    reason: str
    def __init__(self, request_id: _Optional[str] = ..., grant_id: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class SuspendGrantResponse(_message.Message):
    __slots__ = ("grant", "record_id", "acknowledgement")
    GRANT_FIELD_NUMBER: _ClassVar[int]
    RECORD_ID_FIELD_NUMBER: _ClassVar[int]
    ACKNOWLEDGEMENT_FIELD_NUMBER: _ClassVar[int]
    grant: _grant_pb2.Grant
    record_id: str
    acknowledgement: Acknowledgement
    def __init__(self, grant: _Optional[_Union[_grant_pb2.Grant, _Mapping]] = ..., record_id: _Optional[str] = ..., acknowledgement: _Optional[_Union[Acknowledgement, _Mapping]] = ...) -> None: ...

class ResumeGrantRequest(_message.Message):
    __slots__ = ("request_id", "grant_id", "reason")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    GRANT_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    grant_id: str
    reason: str
    def __init__(self, request_id: _Optional[str] = ..., grant_id: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class ResumeGrantResponse(_message.Message):
    __slots__ = ("grant", "record_id")
    GRANT_FIELD_NUMBER: _ClassVar[int]
    RECORD_ID_FIELD_NUMBER: _ClassVar[int]
    grant: _grant_pb2.Grant
    record_id: str
    def __init__(self, grant: _Optional[_Union[_grant_pb2.Grant, _Mapping]] = ..., record_id: _Optional[str] = ...) -> None: ...

class BlockPrincipalRequest(_message.Message):
    __slots__ = ("request_id", "employee", "tool", "issuer", "reason")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    EMPLOYEE_FIELD_NUMBER: _ClassVar[int]
    TOOL_FIELD_NUMBER: _ClassVar[int]
    ISSUER_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    employee: str
    tool: str
    issuer: str
    reason: str
    def __init__(self, request_id: _Optional[str] = ..., employee: _Optional[str] = ..., tool: _Optional[str] = ..., issuer: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class BlockPrincipalResponse(_message.Message):
    __slots__ = ("record_id", "acknowledgement")
    RECORD_ID_FIELD_NUMBER: _ClassVar[int]
    ACKNOWLEDGEMENT_FIELD_NUMBER: _ClassVar[int]
    record_id: str
    acknowledgement: Acknowledgement
    def __init__(self, record_id: _Optional[str] = ..., acknowledgement: _Optional[_Union[Acknowledgement, _Mapping]] = ...) -> None: ...

class UnblockPrincipalRequest(_message.Message):
    __slots__ = ("request_id", "employee", "tool", "issuer", "reason")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    EMPLOYEE_FIELD_NUMBER: _ClassVar[int]
    TOOL_FIELD_NUMBER: _ClassVar[int]
    ISSUER_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    employee: str
    tool: str
    issuer: str
    reason: str
    def __init__(self, request_id: _Optional[str] = ..., employee: _Optional[str] = ..., tool: _Optional[str] = ..., issuer: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class UnblockPrincipalResponse(_message.Message):
    __slots__ = ("record_id",)
    RECORD_ID_FIELD_NUMBER: _ClassVar[int]
    record_id: str
    def __init__(self, record_id: _Optional[str] = ...) -> None: ...
