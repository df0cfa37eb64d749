from munjigi_client._proto.buf.validate import validate_pb2 as _validate_pb2
from munjigi_client._proto.munjigi.v1 import decision_pb2 as _decision_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class NewQuestion(_message.Message):
    __slots__ = ("question", "employee", "issuer", "tool")
    QUESTION_FIELD_NUMBER: _ClassVar[int]
    EMPLOYEE_FIELD_NUMBER: _ClassVar[int]
    ISSUER_FIELD_NUMBER: _ClassVar[int]
    TOOL_FIELD_NUMBER: _ClassVar[int]
    question: _decision_pb2.CheckRequest
    employee: str
    issuer: str
    tool: str
    def __init__(self, question: _Optional[_Union[_decision_pb2.CheckRequest, _Mapping]] = ..., employee: _Optional[str] = ..., issuer: _Optional[str] = ..., tool: _Optional[str] = ...) -> None: ...

class ExplainRequest(_message.Message):
    __slots__ = ("decision_id", "new_question")
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    NEW_QUESTION_FIELD_NUMBER: _ClassVar[int]
    decision_id: str
    new_question: NewQuestion
    def __init__(self, decision_id: _Optional[str] = ..., new_question: _Optional[_Union[NewQuestion, _Mapping]] = ...) -> None: ...

class GrantStanding(_message.Message):
    __slots__ = ("grant_id", "role", "purpose", "standing", "lacking", "starts_at", "ends_at")
    GRANT_ID_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    STANDING_FIELD_NUMBER: _ClassVar[int]
    LACKING_FIELD_NUMBER: _ClassVar[int]
    STARTS_AT_FIELD_NUMBER: _ClassVar[int]
    ENDS_AT_FIELD_NUMBER: _ClassVar[int]
    grant_id: str
    role: str
    purpose: str
    standing: str
    lacking: _containers.RepeatedScalarFieldContainer[str]
    starts_at: int
    ends_at: int
    def __init__(self, grant_id: _Optional[str] = ..., role: _Optional[str] = ..., purpose: _Optional[str] = ..., standing: _Optional[str] = ..., lacking: _Optional[_Iterable[str]] = ..., starts_at: _Optional[int] = ..., ends_at: _Optional[int] = ...) -> None: ...

class RuleStanding(_message.Message):
    __slots__ = ("rule", "allow", "mask", "condition", "role_path", "resource_path", "standing")
    RULE_FIELD_NUMBER: _ClassVar[int]
    ALLOW_FIELD_NUMBER: _ClassVar[int]
    MASK_FIELD_NUMBER: _ClassVar[int]
    CONDITION_FIELD_NUMBER: _ClassVar[int]
    ROLE_PATH_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_PATH_FIELD_NUMBER: _ClassVar[int]
    STANDING_FIELD_NUMBER: _ClassVar[int]
    rule: str
    allow: bool
    mask: str
    condition: str
    role_path: _containers.RepeatedScalarFieldContainer[str]
    resource_path: _containers.RepeatedScalarFieldContainer[str]
    standing: str
    def __init__(self, rule: _Optional[str] = ..., allow: _Optional[bool] = ..., mask: _Optional[str] = ..., condition: _Optional[str] = ..., role_path: _Optional[_Iterable[str]] = ..., resource_path: _Optional[_Iterable[str]] = ..., standing: _Optional[str] = ...) -> None: ...

class NearMiss(_message.Message):
    __slots__ = ("role", "purpose", "owners", "requires", "lacking", "reason", "grant_id")
    ROLE_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    OWNERS_FIELD_NUMBER: _ClassVar[int]
    REQUIRES_FIELD_NUMBER: _ClassVar[int]
    LACKING_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    GRANT_ID_FIELD_NUMBER: _ClassVar[int]
    role: str
    purpose: str
    owners: _containers.RepeatedScalarFieldContainer[str]
    requires: _containers.RepeatedScalarFieldContainer[str]
    lacking: _containers.RepeatedScalarFieldContainer[str]
    reason: str
    grant_id: str
    def __init__(self, role: _Optional[str] = ..., purpose: _Optional[str] = ..., owners: _Optional[_Iterable[str]] = ..., requires: _Optional[_Iterable[str]] = ..., lacking: _Optional[_Iterable[str]] = ..., reason: _Optional[str] = ..., grant_id: _Optional[str] = ...) -> None: ...

class FieldExplanation(_message.Message):
    __slots__ = ("field", "target", "combination", "summary", "rules", "nearest")
    FIELD_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    COMBINATION_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    RULES_FIELD_NUMBER: _ClassVar[int]
    NEAREST_FIELD_NUMBER: _ClassVar[int]
    field: _decision_pb2.FieldDecision
    target: str
    combination: str
    summary: str
    rules: _containers.RepeatedCompositeFieldContainer[RuleStanding]
    nearest: _containers.RepeatedCompositeFieldContainer[NearMiss]
    def __init__(self, field: _Optional[_Union[_decision_pb2.FieldDecision, _Mapping]] = ..., target: _Optional[str] = ..., combination: _Optional[str] = ..., summary: _Optional[str] = ..., rules: _Optional[_Iterable[_Union[RuleStanding, _Mapping]]] = ..., nearest: _Optional[_Iterable[_Union[NearMiss, _Mapping]]] = ...) -> None: ...

class ExplainResponse(_message.Message):
    __slots__ = ("decision_id", "employee", "issuer", "tool", "resource", "action", "purpose", "case_id", "asked_at", "decision", "reason", "role_path", "fields", "grants", "help", "command", "policy_revision", "policy_source", "grant_revision")
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    EMPLOYEE_FIELD_NUMBER: _ClassVar[int]
    ISSUER_FIELD_NUMBER: _ClassVar[int]
    TOOL_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    CASE_ID_FIELD_NUMBER: _ClassVar[int]
    ASKED_AT_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ROLE_PATH_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    GRANTS_FIELD_NUMBER: _ClassVar[int]
    HELP_FIELD_NUMBER: _ClassVar[int]
    COMMAND_FIELD_NUMBER: _ClassVar[int]
    POLICY_REVISION_FIELD_NUMBER: _ClassVar[int]
    POLICY_SOURCE_FIELD_NUMBER: _ClassVar[int]
    GRANT_REVISION_FIELD_NUMBER: _ClassVar[int]
    decision_id: str
    employee: str
    issuer: str
    tool: str
    resource: str
    action: str
    purpose: str
    case_id: str
    asked_at: int
    decision: _decision_pb2.Decision
    reason: str
    role_path: _containers.RepeatedScalarFieldContainer[str]
    fields: _containers.RepeatedCompositeFieldContainer[FieldExplanation]
    grants: _containers.RepeatedCompositeFieldContainer[GrantStanding]
    help: str
    command: str
    policy_revision: str
    policy_source: str
    grant_revision: int
    def __init__(self, decision_id: _Optional[str] = ..., employee: _Optional[str] = ..., issuer: _Optional[str] = ..., tool: _Optional[str] = ..., resource: _Optional[str] = ..., action: _Optional[str] = ..., purpose: _Optional[str] = ..., case_id: _Optional[str] = ..., asked_at: _Optional[int] = ..., decision: _Optional[_Union[_decision_pb2.Decision, str]] = ..., reason: _Optional[str] = ..., role_path: _Optional[_Iterable[str]] = ..., fields: _Optional[_Iterable[_Union[FieldExplanation, _Mapping]]] = ..., grants: _Optional[_Iterable[_Union[GrantStanding, _Mapping]]] = ..., help: _Optional[str] = ..., command: _Optional[str] = ..., policy_revision: _Optional[str] = ..., policy_source: _Optional[str] = ..., grant_revision: _Optional[int] = ...) -> None: ...
