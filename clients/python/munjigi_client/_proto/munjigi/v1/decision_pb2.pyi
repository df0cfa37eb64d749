from munjigi_client._proto.buf.validate import validate_pb2 as _validate_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Decision(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DECISION_UNSPECIFIED: _ClassVar[Decision]
    DECISION_ALLOW: _ClassVar[Decision]
    DECISION_DENY: _ClassVar[Decision]

class Intent(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    INTENT_UNSPECIFIED: _ClassVar[Intent]
    INTENT_ACCESS: _ClassVar[Intent]
    INTENT_PROBE: _ClassVar[Intent]

class FieldEffect(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FIELD_EFFECT_UNSPECIFIED: _ClassVar[FieldEffect]
    FIELD_EFFECT_CLEAR: _ClassVar[FieldEffect]
    FIELD_EFFECT_MASKED: _ClassVar[FieldEffect]
    FIELD_EFFECT_DENIED: _ClassVar[FieldEffect]

class ObligationKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OBLIGATION_KIND_UNSPECIFIED: _ClassVar[ObligationKind]
    OBLIGATION_KIND_MASK: _ClassVar[ObligationKind]
    OBLIGATION_KIND_CONFIRM_READ: _ClassVar[ObligationKind]
    OBLIGATION_KIND_LIMIT_SUBJECTS: _ClassVar[ObligationKind]
    OBLIGATION_KIND_STEP_UP: _ClassVar[ObligationKind]

class ReadOutcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    READ_OUTCOME_UNSPECIFIED: _ClassVar[ReadOutcome]
    READ_OUTCOME_READ: _ClassVar[ReadOutcome]
    READ_OUTCOME_FAILED: _ClassVar[ReadOutcome]
    READ_OUTCOME_ABANDONED: _ClassVar[ReadOutcome]
DECISION_UNSPECIFIED: Decision
DECISION_ALLOW: Decision
DECISION_DENY: Decision
INTENT_UNSPECIFIED: Intent
INTENT_ACCESS: Intent
INTENT_PROBE: Intent
FIELD_EFFECT_UNSPECIFIED: FieldEffect
FIELD_EFFECT_CLEAR: FieldEffect
FIELD_EFFECT_MASKED: FieldEffect
FIELD_EFFECT_DENIED: FieldEffect
OBLIGATION_KIND_UNSPECIFIED: ObligationKind
OBLIGATION_KIND_MASK: ObligationKind
OBLIGATION_KIND_CONFIRM_READ: ObligationKind
OBLIGATION_KIND_LIMIT_SUBJECTS: ObligationKind
OBLIGATION_KIND_STEP_UP: ObligationKind
READ_OUTCOME_UNSPECIFIED: ReadOutcome
READ_OUTCOME_READ: ReadOutcome
READ_OUTCOME_FAILED: ReadOutcome
READ_OUTCOME_ABANDONED: ReadOutcome

class Origin(_message.Message):
    __slots__ = ("ip", "session_id")
    IP_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    ip: str
    session_id: str
    def __init__(self, ip: _Optional[str] = ..., session_id: _Optional[str] = ...) -> None: ...

class CheckRequest(_message.Message):
    __slots__ = ("request_id", "resource", "fields", "action", "purpose", "case_id", "member_ids", "subject_count", "intent", "allow_partial", "origin", "observe")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    CASE_ID_FIELD_NUMBER: _ClassVar[int]
    MEMBER_IDS_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_COUNT_FIELD_NUMBER: _ClassVar[int]
    INTENT_FIELD_NUMBER: _ClassVar[int]
    ALLOW_PARTIAL_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    OBSERVE_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    resource: str
    fields: _containers.RepeatedScalarFieldContainer[str]
    action: str
    purpose: str
    case_id: str
    member_ids: _containers.RepeatedScalarFieldContainer[str]
    subject_count: int
    intent: Intent
    allow_partial: bool
    origin: Origin
    observe: bool
    def __init__(self, request_id: _Optional[str] = ..., resource: _Optional[str] = ..., fields: _Optional[_Iterable[str]] = ..., action: _Optional[str] = ..., purpose: _Optional[str] = ..., case_id: _Optional[str] = ..., member_ids: _Optional[_Iterable[str]] = ..., subject_count: _Optional[int] = ..., intent: _Optional[_Union[Intent, str]] = ..., allow_partial: _Optional[bool] = ..., origin: _Optional[_Union[Origin, _Mapping]] = ..., observe: _Optional[bool] = ...) -> None: ...

class FieldDecision(_message.Message):
    __slots__ = ("name", "effect", "mask", "reason", "rule", "grant_ids")
    NAME_FIELD_NUMBER: _ClassVar[int]
    EFFECT_FIELD_NUMBER: _ClassVar[int]
    MASK_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    GRANT_IDS_FIELD_NUMBER: _ClassVar[int]
    name: str
    effect: FieldEffect
    mask: str
    reason: str
    rule: str
    grant_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., effect: _Optional[_Union[FieldEffect, str]] = ..., mask: _Optional[str] = ..., reason: _Optional[str] = ..., rule: _Optional[str] = ..., grant_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class StepUp(_message.Message):
    __slots__ = ("acr_values", "max_age_seconds", "challenge")
    ACR_VALUES_FIELD_NUMBER: _ClassVar[int]
    MAX_AGE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    CHALLENGE_FIELD_NUMBER: _ClassVar[int]
    acr_values: _containers.RepeatedScalarFieldContainer[str]
    max_age_seconds: int
    challenge: str
    def __init__(self, acr_values: _Optional[_Iterable[str]] = ..., max_age_seconds: _Optional[int] = ..., challenge: _Optional[str] = ...) -> None: ...

class Obligation(_message.Message):
    __slots__ = ("kind", "field", "mask", "limit", "step_up")
    KIND_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    MASK_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    STEP_UP_FIELD_NUMBER: _ClassVar[int]
    kind: ObligationKind
    field: str
    mask: str
    limit: int
    step_up: StepUp
    def __init__(self, kind: _Optional[_Union[ObligationKind, str]] = ..., field: _Optional[str] = ..., mask: _Optional[str] = ..., limit: _Optional[int] = ..., step_up: _Optional[_Union[StepUp, _Mapping]] = ...) -> None: ...

class RecordPosition(_message.Message):
    __slots__ = ("log_id", "index")
    LOG_ID_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    log_id: str
    index: int
    def __init__(self, log_id: _Optional[str] = ..., index: _Optional[int] = ...) -> None: ...

class AccessOption(_message.Message):
    __slots__ = ("role", "purpose", "days", "case_example", "owners")
    ROLE_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    DAYS_FIELD_NUMBER: _ClassVar[int]
    CASE_EXAMPLE_FIELD_NUMBER: _ClassVar[int]
    OWNERS_FIELD_NUMBER: _ClassVar[int]
    role: str
    purpose: str
    days: int
    case_example: str
    owners: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, role: _Optional[str] = ..., purpose: _Optional[str] = ..., days: _Optional[int] = ..., case_example: _Optional[str] = ..., owners: _Optional[_Iterable[str]] = ...) -> None: ...

class CheckResponse(_message.Message):
    __slots__ = ("decision", "decision_id", "reason", "fields", "obligations", "policy_revision", "grant_revision", "record", "valid_until", "help", "role_path", "access_options")
    DECISION_FIELD_NUMBER: _ClassVar[int]
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    OBLIGATIONS_FIELD_NUMBER: _ClassVar[int]
    POLICY_REVISION_FIELD_NUMBER: _ClassVar[int]
    GRANT_REVISION_FIELD_NUMBER: _ClassVar[int]
    RECORD_FIELD_NUMBER: _ClassVar[int]
    VALID_UNTIL_FIELD_NUMBER: _ClassVar[int]
    HELP_FIELD_NUMBER: _ClassVar[int]
    ROLE_PATH_FIELD_NUMBER: _ClassVar[int]
    ACCESS_OPTIONS_FIELD_NUMBER: _ClassVar[int]
    decision: Decision
    decision_id: str
    reason: str
    fields: _containers.RepeatedCompositeFieldContainer[FieldDecision]
    obligations: _containers.RepeatedCompositeFieldContainer[Obligation]
    policy_revision: str
    grant_revision: int
    record: RecordPosition
    valid_until: int
    help: str
    role_path: _containers.RepeatedScalarFieldContainer[str]
    access_options: _containers.RepeatedCompositeFieldContainer[AccessOption]
    def __init__(self, decision: _Optional[_Union[Decision, str]] = ..., decision_id: _Optional[str] = ..., reason: _Optional[str] = ..., fields: _Optional[_Iterable[_Union[FieldDecision, _Mapping]]] = ..., obligations: _Optional[_Iterable[_Union[Obligation, _Mapping]]] = ..., policy_revision: _Optional[str] = ..., grant_revision: _Optional[int] = ..., record: _Optional[_Union[RecordPosition, _Mapping]] = ..., valid_until: _Optional[int] = ..., help: _Optional[str] = ..., role_path: _Optional[_Iterable[str]] = ..., access_options: _Optional[_Iterable[_Union[AccessOption, _Mapping]]] = ...) -> None: ...

class BatchCheckRequest(_message.Message):
    __slots__ = ("items",)
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[CheckRequest]
    def __init__(self, items: _Optional[_Iterable[_Union[CheckRequest, _Mapping]]] = ...) -> None: ...

class ItemError(_message.Message):
    __slots__ = ("code", "reason", "message")
    CODE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    code: int
    reason: str
    message: str
    def __init__(self, code: _Optional[int] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class BatchCheckResult(_message.Message):
    __slots__ = ("response", "error")
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    response: CheckResponse
    error: ItemError
    def __init__(self, response: _Optional[_Union[CheckResponse, _Mapping]] = ..., error: _Optional[_Union[ItemError, _Mapping]] = ...) -> None: ...

class BatchCheckResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[BatchCheckResult]
    def __init__(self, results: _Optional[_Iterable[_Union[BatchCheckResult, _Mapping]]] = ...) -> None: ...

class CheckStreamRequest(_message.Message):
    __slots__ = ("id", "check")
    ID_FIELD_NUMBER: _ClassVar[int]
    CHECK_FIELD_NUMBER: _ClassVar[int]
    id: str
    check: CheckRequest
    def __init__(self, id: _Optional[str] = ..., check: _Optional[_Union[CheckRequest, _Mapping]] = ...) -> None: ...

class CheckStreamResponse(_message.Message):
    __slots__ = ("id", "response", "error")
    ID_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    id: str
    response: CheckResponse
    error: ItemError
    def __init__(self, id: _Optional[str] = ..., response: _Optional[_Union[CheckResponse, _Mapping]] = ..., error: _Optional[_Union[ItemError, _Mapping]] = ...) -> None: ...

class ConfirmItem(_message.Message):
    __slots__ = ("decision_id", "row_count", "member_ids", "outcome")
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    ROW_COUNT_FIELD_NUMBER: _ClassVar[int]
    MEMBER_IDS_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    decision_id: str
    row_count: int
    member_ids: _containers.RepeatedScalarFieldContainer[str]
    outcome: ReadOutcome
    def __init__(self, decision_id: _Optional[str] = ..., row_count: _Optional[int] = ..., member_ids: _Optional[_Iterable[str]] = ..., outcome: _Optional[_Union[ReadOutcome, str]] = ...) -> None: ...

class ConfirmReadRequest(_message.Message):
    __slots__ = ("items",)
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[ConfirmItem]
    def __init__(self, items: _Optional[_Iterable[_Union[ConfirmItem, _Mapping]]] = ...) -> None: ...

class ConfirmResult(_message.Message):
    __slots__ = ("record", "error")
    RECORD_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    record: RecordPosition
    error: ItemError
    def __init__(self, record: _Optional[_Union[RecordPosition, _Mapping]] = ..., error: _Optional[_Union[ItemError, _Mapping]] = ...) -> None: ...

class ConfirmReadResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[ConfirmResult]
    def __init__(self, results: _Optional[_Iterable[_Union[ConfirmResult, _Mapping]]] = ...) -> None: ...
