from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ReviewState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REVIEW_STATE_UNSPECIFIED: _ClassVar[ReviewState]
    REVIEW_STATE_OPEN: _ClassVar[ReviewState]
    REVIEW_STATE_APPLYING: _ClassVar[ReviewState]
    REVIEW_STATE_APPLIED: _ClassVar[ReviewState]
    REVIEW_STATE_STOPPED: _ClassVar[ReviewState]
    REVIEW_STATE_UNDONE: _ClassVar[ReviewState]

class ReviewItemState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REVIEW_ITEM_STATE_UNSPECIFIED: _ClassVar[ReviewItemState]
    REVIEW_ITEM_STATE_OPEN: _ClassVar[ReviewItemState]
    REVIEW_ITEM_STATE_DECIDED: _ClassVar[ReviewItemState]
    REVIEW_ITEM_STATE_APPLIED: _ClassVar[ReviewItemState]
    REVIEW_ITEM_STATE_SPARED: _ClassVar[ReviewItemState]
    REVIEW_ITEM_STATE_SKIPPED: _ClassVar[ReviewItemState]
    REVIEW_ITEM_STATE_UNDONE: _ClassVar[ReviewItemState]
    REVIEW_ITEM_STATE_KEPT: _ClassVar[ReviewItemState]

class ReviewVerdict(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REVIEW_VERDICT_UNSPECIFIED: _ClassVar[ReviewVerdict]
    REVIEW_VERDICT_KEEP: _ClassVar[ReviewVerdict]
    REVIEW_VERDICT_REDUCE: _ClassVar[ReviewVerdict]
    REVIEW_VERDICT_REVOKE: _ClassVar[ReviewVerdict]
    REVIEW_VERDICT_ASK: _ClassVar[ReviewVerdict]

class ReviewWord(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REVIEW_WORD_UNSPECIFIED: _ClassVar[ReviewWord]
    REVIEW_WORD_KEEP: _ClassVar[ReviewWord]
    REVIEW_WORD_REDUCE: _ClassVar[ReviewWord]
    REVIEW_WORD_REVOKE: _ClassVar[ReviewWord]
    REVIEW_WORD_SUSPEND: _ClassVar[ReviewWord]
    REVIEW_WORD_OK: _ClassVar[ReviewWord]
    REVIEW_WORD_SUSPICIOUS: _ClassVar[ReviewWord]
REVIEW_STATE_UNSPECIFIED: ReviewState
REVIEW_STATE_OPEN: ReviewState
REVIEW_STATE_APPLYING: ReviewState
REVIEW_STATE_APPLIED: ReviewState
REVIEW_STATE_STOPPED: ReviewState
REVIEW_STATE_UNDONE: ReviewState
REVIEW_ITEM_STATE_UNSPECIFIED: ReviewItemState
REVIEW_ITEM_STATE_OPEN: ReviewItemState
REVIEW_ITEM_STATE_DECIDED: ReviewItemState
REVIEW_ITEM_STATE_APPLIED: ReviewItemState
REVIEW_ITEM_STATE_SPARED: ReviewItemState
REVIEW_ITEM_STATE_SKIPPED: ReviewItemState
REVIEW_ITEM_STATE_UNDONE: ReviewItemState
REVIEW_ITEM_STATE_KEPT: ReviewItemState
REVIEW_VERDICT_UNSPECIFIED: ReviewVerdict
REVIEW_VERDICT_KEEP: ReviewVerdict
REVIEW_VERDICT_REDUCE: ReviewVerdict
REVIEW_VERDICT_REVOKE: ReviewVerdict
REVIEW_VERDICT_ASK: ReviewVerdict
REVIEW_WORD_UNSPECIFIED: ReviewWord
REVIEW_WORD_KEEP: ReviewWord
REVIEW_WORD_REDUCE: ReviewWord
REVIEW_WORD_REVOKE: ReviewWord
REVIEW_WORD_SUSPEND: ReviewWord
REVIEW_WORD_OK: ReviewWord
REVIEW_WORD_SUSPICIOUS: ReviewWord

class PermissionUse(_message.Message):
    __slots__ = ("object", "action", "first_at", "last_at", "uses", "days", "members")
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    FIRST_AT_FIELD_NUMBER: _ClassVar[int]
    LAST_AT_FIELD_NUMBER: _ClassVar[int]
    USES_FIELD_NUMBER: _ClassVar[int]
    DAYS_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    object: str
    action: str
    first_at: int
    last_at: int
    uses: int
    days: int
    members: int
    def __init__(self, object: _Optional[str] = ..., action: _Optional[str] = ..., first_at: _Optional[int] = ..., last_at: _Optional[int] = ..., uses: _Optional[int] = ..., days: _Optional[int] = ..., members: _Optional[int] = ...) -> None: ...

class UnusedPermission(_message.Message):
    __slots__ = ("object", "action")
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    object: str
    action: str
    def __init__(self, object: _Optional[str] = ..., action: _Optional[str] = ...) -> None: ...

class LookedAtAccess(_message.Message):
    __slots__ = ("record_id", "at", "tool", "action", "resource", "fields", "case_id", "members", "read", "rows")
    RECORD_ID_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    TOOL_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    CASE_ID_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    READ_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    record_id: str
    at: int
    tool: str
    action: str
    resource: str
    fields: _containers.RepeatedScalarFieldContainer[str]
    case_id: str
    members: int
    read: bool
    rows: int
    def __init__(self, record_id: _Optional[str] = ..., at: _Optional[int] = ..., tool: _Optional[str] = ..., action: _Optional[str] = ..., resource: _Optional[str] = ..., fields: _Optional[_Iterable[str]] = ..., case_id: _Optional[str] = ..., members: _Optional[int] = ..., read: _Optional[bool] = ..., rows: _Optional[int] = ...) -> None: ...

class ReviewSample(_message.Message):
    __slots__ = ("seed", "exports", "others", "drawn")
    SEED_FIELD_NUMBER: _ClassVar[int]
    EXPORTS_FIELD_NUMBER: _ClassVar[int]
    OTHERS_FIELD_NUMBER: _ClassVar[int]
    DRAWN_FIELD_NUMBER: _ClassVar[int]
    seed: str
    exports: int
    others: int
    drawn: int
    def __init__(self, seed: _Optional[str] = ..., exports: _Optional[int] = ..., others: _Optional[int] = ..., drawn: _Optional[int] = ...) -> None: ...

class ReviewResult(_message.Message):
    __slots__ = ("ok", "suspicious", "digest")
    OK_FIELD_NUMBER: _ClassVar[int]
    SUSPICIOUS_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    ok: int
    suspicious: int
    digest: str
    def __init__(self, ok: _Optional[int] = ..., suspicious: _Optional[int] = ..., digest: _Optional[str] = ...) -> None: ...

class ReviewItem(_message.Message):
    __slots__ = ("review_id", "number", "grant_id", "grant_digest", "issuer", "employee", "person_id", "role", "purpose", "verdict", "rule", "used", "unused", "threshold_days", "scope_objects", "scope_actions", "data_class", "state", "word", "reason", "decided_by", "decided_at", "note", "reviewers", "second", "exception", "access")
    REVIEW_ID_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    GRANT_ID_FIELD_NUMBER: _ClassVar[int]
    GRANT_DIGEST_FIELD_NUMBER: _ClassVar[int]
    ISSUER_FIELD_NUMBER: _ClassVar[int]
    EMPLOYEE_FIELD_NUMBER: _ClassVar[int]
    PERSON_ID_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    USED_FIELD_NUMBER: _ClassVar[int]
    UNUSED_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_DAYS_FIELD_NUMBER: _ClassVar[int]
    SCOPE_OBJECTS_FIELD_NUMBER: _ClassVar[int]
    SCOPE_ACTIONS_FIELD_NUMBER: _ClassVar[int]
    DATA_CLASS_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    WORD_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    DECIDED_BY_FIELD_NUMBER: _ClassVar[int]
    DECIDED_AT_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    REVIEWERS_FIELD_NUMBER: _ClassVar[int]
    SECOND_FIELD_NUMBER: _ClassVar[int]
    EXCEPTION_FIELD_NUMBER: _ClassVar[int]
    ACCESS_FIELD_NUMBER: _ClassVar[int]
    review_id: str
    number: int
    grant_id: str
    grant_digest: str
    issuer: str
    employee: str
    person_id: str
    role: str
    purpose: str
    verdict: ReviewVerdict
    rule: str
    used: _containers.RepeatedCompositeFieldContainer[PermissionUse]
    unused: _containers.RepeatedCompositeFieldContainer[UnusedPermission]
    threshold_days: int
    scope_objects: _containers.RepeatedScalarFieldContainer[str]
    scope_actions: _containers.RepeatedScalarFieldContainer[str]
    data_class: str
    state: ReviewItemState
    word: ReviewWord
    reason: str
    decided_by: str
    decided_at: int
    note: str
    reviewers: _containers.RepeatedScalarFieldContainer[str]
    second: bool
    exception: ReviewException
    access: LookedAtAccess
    def __init__(self, review_id: _Optional[str] = ..., number: _Optional[int] = ..., grant_id: _Optional[str] = ..., grant_digest: _Optional[str] = ..., issuer: _Optional[str] = ..., employee: _Optional[str] = ..., person_id: _Optional[str] = ..., role: _Optional[str] = ..., purpose: _Optional[str] = ..., verdict: _Optional[_Union[ReviewVerdict, str]] = ..., rule: _Optional[str] = ..., used: _Optional[_Iterable[_Union[PermissionUse, _Mapping]]] = ..., unused: _Optional[_Iterable[_Union[UnusedPermission, _Mapping]]] = ..., threshold_days: _Optional[int] = ..., scope_objects: _Optional[_Iterable[str]] = ..., scope_actions: _Optional[_Iterable[str]] = ..., data_class: _Optional[str] = ..., state: _Optional[_Union[ReviewItemState, str]] = ..., word: _Optional[_Union[ReviewWord, str]] = ..., reason: _Optional[str] = ..., decided_by: _Optional[str] = ..., decided_at: _Optional[int] = ..., note: _Optional[str] = ..., reviewers: _Optional[_Iterable[str]] = ..., second: _Optional[bool] = ..., exception: _Optional[_Union[ReviewException, _Mapping]] = ..., access: _Optional[_Union[LookedAtAccess, _Mapping]] = ...) -> None: ...

class ReviewException(_message.Message):
    __slots__ = ("exception_id", "review_id", "number", "grant_id", "reason", "requested_by", "asked_at", "expires_at", "approved_by", "approved_at")
    EXCEPTION_ID_FIELD_NUMBER: _ClassVar[int]
    REVIEW_ID_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    GRANT_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    REQUESTED_BY_FIELD_NUMBER: _ClassVar[int]
    ASKED_AT_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    APPROVED_BY_FIELD_NUMBER: _ClassVar[int]
    APPROVED_AT_FIELD_NUMBER: _ClassVar[int]
    exception_id: str
    review_id: str
    number: int
    grant_id: str
    reason: str
    requested_by: str
    asked_at: int
    expires_at: int
    approved_by: str
    approved_at: int
    def __init__(self, exception_id: _Optional[str] = ..., review_id: _Optional[str] = ..., number: _Optional[int] = ..., grant_id: _Optional[str] = ..., reason: _Optional[str] = ..., requested_by: _Optional[str] = ..., asked_at: _Optional[int] = ..., expires_at: _Optional[int] = ..., approved_by: _Optional[str] = ..., approved_at: _Optional[int] = ...) -> None: ...

class ReviewCount(_message.Message):
    __slots__ = ("name", "items")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    name: str
    items: int
    def __init__(self, name: _Optional[str] = ..., items: _Optional[int] = ...) -> None: ...

class ReviewWatermark(_message.Message):
    __slots__ = ("log_id", "next_index", "time")
    LOG_ID_FIELD_NUMBER: _ClassVar[int]
    NEXT_INDEX_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    log_id: str
    next_index: int
    time: int
    def __init__(self, log_id: _Optional[str] = ..., next_index: _Optional[int] = ..., time: _Optional[int] = ...) -> None: ...

class Review(_message.Message):
    __slots__ = ("review_id", "kind", "title", "state", "plan_digest", "made_at", "window_start", "cutoff", "policy_revision", "grant_revision", "rules_digest", "watermarks", "replayed", "newly_denied_used", "items", "verdicts", "words", "states", "apply_from", "decide_until", "opened_by", "reason", "continue_from", "escalate_at", "office_at", "stamped", "over_caps_by", "sample", "result")
    REVIEW_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    PLAN_DIGEST_FIELD_NUMBER: _ClassVar[int]
    MADE_AT_FIELD_NUMBER: _ClassVar[int]
    WINDOW_START_FIELD_NUMBER: _ClassVar[int]
    CUTOFF_FIELD_NUMBER: _ClassVar[int]
    POLICY_REVISION_FIELD_NUMBER: _ClassVar[int]
    GRANT_REVISION_FIELD_NUMBER: _ClassVar[int]
    RULES_DIGEST_FIELD_NUMBER: _ClassVar[int]
    WATERMARKS_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_FIELD_NUMBER: _ClassVar[int]
    NEWLY_DENIED_USED_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    VERDICTS_FIELD_NUMBER: _ClassVar[int]
    WORDS_FIELD_NUMBER: _ClassVar[int]
    STATES_FIELD_NUMBER: _ClassVar[int]
    APPLY_FROM_FIELD_NUMBER: _ClassVar[int]
    DECIDE_UNTIL_FIELD_NUMBER: _ClassVar[int]
    OPENED_BY_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    CONTINUE_FROM_FIELD_NUMBER: _ClassVar[int]
    ESCALATE_AT_FIELD_NUMBER: _ClassVar[int]
    OFFICE_AT_FIELD_NUMBER: _ClassVar[int]
    STAMPED_FIELD_NUMBER: _ClassVar[int]
    OVER_CAPS_BY_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    review_id: str
    kind: str
    title: str
    state: ReviewState
    plan_digest: str
    made_at: int
    window_start: int
    cutoff: int
    policy_revision: str
    grant_revision: int
    rules_digest: str
    watermarks: _containers.RepeatedCompositeFieldContainer[ReviewWatermark]
    replayed: int
    newly_denied_used: _containers.RepeatedScalarFieldContainer[str]
    items: int
    verdicts: _containers.RepeatedCompositeFieldContainer[ReviewCount]
    words: _containers.RepeatedCompositeFieldContainer[ReviewCount]
    states: _containers.RepeatedCompositeFieldContainer[ReviewCount]
    apply_from: int
    decide_until: int
    opened_by: str
    reason: str
    continue_from: int
    escalate_at: int
    office_at: int
    stamped: _containers.RepeatedScalarFieldContainer[str]
    over_caps_by: _containers.RepeatedScalarFieldContainer[str]
    sample: ReviewSample
    result: ReviewResult
    def __init__(self, review_id: _Optional[str] = ..., kind: _Optional[str] = ..., title: _Optional[str] = ..., state: _Optional[_Union[ReviewState, str]] = ..., plan_digest: _Optional[str] = ..., made_at: _Optional[int] = ..., window_start: _Optional[int] = ..., cutoff: _Optional[int] = ..., policy_revision: _Optional[str] = ..., grant_revision: _Optional[int] = ..., rules_digest: _Optional[str] = ..., watermarks: _Optional[_Iterable[_Union[ReviewWatermark, _Mapping]]] = ..., replayed: _Optional[int] = ..., newly_denied_used: _Optional[_Iterable[str]] = ..., items: _Optional[int] = ..., verdicts: _Optional[_Iterable[_Union[ReviewCount, _Mapping]]] = ..., words: _Optional[_Iterable[_Union[ReviewCount, _Mapping]]] = ..., states: _Optional[_Iterable[_Union[ReviewCount, _Mapping]]] = ..., apply_from: _Optional[int] = ..., decide_until: _Optional[int] = ..., opened_by: _Optional[str] = ..., reason: _Optional[str] = ..., continue_from: _Optional[int] = ..., escalate_at: _Optional[int] = ..., office_at: _Optional[int] = ..., stamped: _Optional[_Iterable[str]] = ..., over_caps_by: _Optional[_Iterable[str]] = ..., sample: _Optional[_Union[ReviewSample, _Mapping]] = ..., result: _Optional[_Union[ReviewResult, _Mapping]] = ...) -> None: ...

class ExcessPoint(_message.Message):
    __slots__ = ("at", "grants", "revoke", "reduce", "permissions", "unused")
    AT_FIELD_NUMBER: _ClassVar[int]
    GRANTS_FIELD_NUMBER: _ClassVar[int]
    REVOKE_FIELD_NUMBER: _ClassVar[int]
    REDUCE_FIELD_NUMBER: _ClassVar[int]
    PERMISSIONS_FIELD_NUMBER: _ClassVar[int]
    UNUSED_FIELD_NUMBER: _ClassVar[int]
    at: int
    grants: int
    revoke: int
    reduce: int
    permissions: int
    unused: int
    def __init__(self, at: _Optional[int] = ..., grants: _Optional[int] = ..., revoke: _Optional[int] = ..., reduce: _Optional[int] = ..., permissions: _Optional[int] = ..., unused: _Optional[int] = ...) -> None: ...
