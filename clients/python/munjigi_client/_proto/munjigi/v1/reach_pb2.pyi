from munjigi_client._proto.buf.validate import validate_pb2 as _validate_pb2
from munjigi_client._proto.munjigi.v1 import decision_pb2 as _decision_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class WhoCanRequest(_message.Message):
    __slots__ = ("resource", "fields", "action", "purpose", "allow_partial", "tool", "at", "page_size", "page_token")
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    ALLOW_PARTIAL_FIELD_NUMBER: _ClassVar[int]
    TOOL_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    resource: str
    fields: _containers.RepeatedScalarFieldContainer[str]
    action: str
    purpose: str
    allow_partial: bool
    tool: str
    at: int
    page_size: int
    page_token: str
    def __init__(self, resource: _Optional[str] = ..., fields: _Optional[_Iterable[str]] = ..., action: _Optional[str] = ..., purpose: _Optional[str] = ..., allow_partial: _Optional[bool] = ..., tool: _Optional[str] = ..., at: _Optional[int] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class Holder(_message.Message):
    __slots__ = ("employee", "issuer", "principal_type", "department", "fields", "role_path", "conditional")
    EMPLOYEE_FIELD_NUMBER: _ClassVar[int]
    ISSUER_FIELD_NUMBER: _ClassVar[int]
    PRINCIPAL_TYPE_FIELD_NUMBER: _ClassVar[int]
    DEPARTMENT_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    ROLE_PATH_FIELD_NUMBER: _ClassVar[int]
    CONDITIONAL_FIELD_NUMBER: _ClassVar[int]
    employee: str
    issuer: str
    principal_type: str
    department: str
    fields: _containers.RepeatedCompositeFieldContainer[_decision_pb2.FieldDecision]
    role_path: _containers.RepeatedScalarFieldContainer[str]
    conditional: bool
    def __init__(self, employee: _Optional[str] = ..., issuer: _Optional[str] = ..., principal_type: _Optional[str] = ..., department: _Optional[str] = ..., fields: _Optional[_Iterable[_Union[_decision_pb2.FieldDecision, _Mapping]]] = ..., role_path: _Optional[_Iterable[str]] = ..., conditional: _Optional[bool] = ...) -> None: ...

class WhoCanResponse(_message.Message):
    __slots__ = ("holders", "next_page_token", "reason", "help", "policy_revision", "grant_revision", "at")
    HOLDERS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    HELP_FIELD_NUMBER: _ClassVar[int]
    POLICY_REVISION_FIELD_NUMBER: _ClassVar[int]
    GRANT_REVISION_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    holders: _containers.RepeatedCompositeFieldContainer[Holder]
    next_page_token: str
    reason: str
    help: str
    policy_revision: str
    grant_revision: int
    at: int
    def __init__(self, holders: _Optional[_Iterable[_Union[Holder, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., reason: _Optional[str] = ..., help: _Optional[str] = ..., policy_revision: _Optional[str] = ..., grant_revision: _Optional[int] = ..., at: _Optional[int] = ...) -> None: ...

class WhatCanRequest(_message.Message):
    __slots__ = ("purpose", "page_size", "page_token", "employee", "issuer", "tool", "at")
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    EMPLOYEE_FIELD_NUMBER: _ClassVar[int]
    ISSUER_FIELD_NUMBER: _ClassVar[int]
    TOOL_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    purpose: str
    page_size: int
    page_token: str
    employee: str
    issuer: str
    tool: str
    at: int
    def __init__(self, purpose: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., employee: _Optional[str] = ..., issuer: _Optional[str] = ..., tool: _Optional[str] = ..., at: _Optional[int] = ...) -> None: ...

class Permission(_message.Message):
    __slots__ = ("object", "action", "purpose", "effect", "mask", "rule", "grant_ids", "conditional")
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    EFFECT_FIELD_NUMBER: _ClassVar[int]
    MASK_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    GRANT_IDS_FIELD_NUMBER: _ClassVar[int]
    CONDITIONAL_FIELD_NUMBER: _ClassVar[int]
    object: str
    action: str
    purpose: str
    effect: _decision_pb2.FieldEffect
    mask: str
    rule: str
    grant_ids: _containers.RepeatedScalarFieldContainer[str]
    conditional: bool
    def __init__(self, object: _Optional[str] = ..., action: _Optional[str] = ..., purpose: _Optional[str] = ..., effect: _Optional[_Union[_decision_pb2.FieldEffect, str]] = ..., mask: _Optional[str] = ..., rule: _Optional[str] = ..., grant_ids: _Optional[_Iterable[str]] = ..., conditional: _Optional[bool] = ...) -> None: ...

class WhatCanResponse(_message.Message):
    __slots__ = ("employee", "issuer", "tool", "principal_type", "department", "permissions", "next_page_token", "policy_revision", "grant_revision")
    EMPLOYEE_FIELD_NUMBER: _ClassVar[int]
    ISSUER_FIELD_NUMBER: _ClassVar[int]
    TOOL_FIELD_NUMBER: _ClassVar[int]
    PRINCIPAL_TYPE_FIELD_NUMBER: _ClassVar[int]
    DEPARTMENT_FIELD_NUMBER: _ClassVar[int]
    PERMISSIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    POLICY_REVISION_FIELD_NUMBER: _ClassVar[int]
    GRANT_REVISION_FIELD_NUMBER: _ClassVar[int]
    employee: str
    issuer: str
    tool: str
    principal_type: str
    department: str
    permissions: _containers.RepeatedCompositeFieldContainer[Permission]
    next_page_token: str
    policy_revision: str
    grant_revision: int
    def __init__(self, employee: _Optional[str] = ..., issuer: _Optional[str] = ..., tool: _Optional[str] = ..., principal_type: _Optional[str] = ..., department: _Optional[str] = ..., permissions: _Optional[_Iterable[_Union[Permission, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., policy_revision: _Optional[str] = ..., grant_revision: _Optional[int] = ...) -> None: ...
