"""A record as an event of the Open Cybersecurity Schema Framework, version 1.9 (https://schema.ocsf.io/1.9.0).

Every record has a class there: Datastore Activity (6005) for what was asked about data, User Management (3007) for grants and
people. (3005, User Access Management, is deprecated; Role Management, 3008, is about the roles themselves, which lie in
policy files.) What OCSF has no attribute for stays under `unmapped`, so nothing is lost on the way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from munjigi.audit import permission_records as permissions
from munjigi.audit import records
from munjigi.audit import review_records as reviews
from munjigi.audit.record import Record
from munjigi.audit.schema.catalogue import BY_RECORD
from munjigi.audit.schema.ecs import document, read
from munjigi.kernel.ids import record_id

OCSF_VERSION: Final = "1.9.0"
_READ, _UPDATE, _QUERY, _DELETE, _OTHER = 1, 2, 4, 7, 99  # activities of Datastore Activity
_ACTIVITIES: Final = {"read": _READ, "reveal": _READ, "export": _QUERY, "update": _UPDATE, "delete": _DELETE}
_INFORMATIONAL, _LOW, _HIGH = 1, 2, 4  # severities
_STATUS: Final = {"success": 1, "failure": 2, "unknown": 0}
_APPLICATION: Final = {"name": "Munjigi", "vendor_name": "Munjigi"}

Part = dict[str, object]


def ocsf(log_id: str, index: int, payload: bytes) -> Part:
    """Return the OCSF event of one record.

    Raises `Corruption` when the bytes are not a record of that index.
    """
    record = read(log_id, index, payload)
    class_uid, activity_id, severity_id, own = _CLASSES[type(record)](record)
    outcome, _ = BY_RECORD[type(record)].judge(record)
    shown = document(log_id, index, payload)
    return {
        "category_uid": class_uid // 1000,
        "class_uid": class_uid,
        "activity_id": activity_id,
        "type_uid": class_uid * 100 + activity_id,
        "severity_id": severity_id,
        "time": record.time // 1_000_000,
        "status_id": _STATUS[outcome],
        "metadata": {
            "version": OCSF_VERSION,
            "product": _APPLICATION,
            "uid": record_id(log_id, index),
            "log_name": log_id,
            "sequence": index,
            "event_code": shown["event.action"],
        },
        "unmapped": {name: value for name, value in shown.items() if name.startswith("munjigi.")},
        **({"status_detail": shown["event.reason"]} if "event.reason" in shown else {}),
        **own,
    }


_Classified = tuple[int, int, int, Part]


def _decision(record: records.AccessRecord) -> _Classified:
    severity = _INFORMATIONAL if record.decision == "ALLOW" else _LOW
    table = {"name": record.resource}
    return 6005, _ACTIVITIES.get(record.action, _OTHER), severity, {**_asker(record), "table": table, "type_id": 3}


def _confirmation(record: records.ConfirmRecord) -> _Classified:
    # The table stands in the decision that is confirmed.
    table = {"name": "unknown", "uid": record.decision_id}
    return 6005, _READ, _INFORMATIONAL, {**_asker(record), "table": table, "type_id": 3, "count": max(record.row_count, 1)}


def _denials(record: records.DenialFloodRecord) -> _Classified:
    # Who asked for what is not in it: denials up to the bound, just before, have records of their own.
    own: Part = {
        "actor": {"app_name": record.tool},
        "src_endpoint": {"name": "unknown"},
        "table": {"name": "unknown"},
        "type_id": 3,
    }
    return 6005, _OTHER, _HIGH, {**own, **({"count": record.count} if record.count else {})}


def _asker(record: records.CallRecord) -> Part:
    actor = {"user": _user(record.issuer, record.employee), "app_name": record.tool}
    return {"actor": actor, "src_endpoint": _endpoint(record.ip)}


def _user(issuer: str, subject: str) -> Part:
    return {"name": subject, **({"domain": issuer} if issuer else {}), "type_id": 1 if issuer else 0}


def _endpoint(address: str) -> Part:
    return {"ip": address} if "." in address or ":" in address else {"name": address}


def _sign_in(record: records.SignInRecord) -> _Classified:
    own = {"user": {"name": "unknown", "type_id": 0}, "service": {"name": "munjigi"}, "src_endpoint": _endpoint(record.peer)}
    return 3002, 1, _LOW, {**own, "count": record.count}


def _lockout(record: records.LockoutRecord) -> _Classified:
    user = _user(record.issuer, record.employee) if record.employee else {"name": "unknown", "type_id": 0}
    own: Part = {"user": user, "service": {"name": "munjigi"}, "src_endpoint": _endpoint(record.peer)}
    return 3002, 1, _HIGH, {**own, "count": record.count}


def _policy(record: records.PolicyRecord) -> _Classified:
    own: Part = {"entity": {"name": "policy home", "type": "policy", "uid": record.policy_revision}}
    if record.employee:
        own["actor"] = {"user": _user(record.issuer, record.employee)}
    return 3004, 3, _INFORMATIONAL if record.accepted else _HIGH, own


def _process(record: records.ProcessRecord) -> _Classified:
    return (
        6002,
        3 if record.event == "start" else 4,
        _INFORMATIONAL,
        {"application": {"name": "munjigi", "version": record.version}},
    )


def _restored(record: records.RestoredRecord) -> _Classified:
    own: Part = {"application": {"name": "munjigi"}, "actor": {"user": _user("", record.operator)}}
    return 6002, 99, _HIGH, {**own, "activity_name": "Restore"}


def _settings(record: records.ConfigurationRecord) -> _Classified:
    return 3004, 3, _INFORMATIONAL, {"entity": {"name": "settings", "type": "configuration", "uid": record.settings_digest}}


def _seal_key(record: records.SealKeyRecord) -> _Classified:
    return 3004, 3, _HIGH, {"entity": {"name": "key of the seal", "type": "key", "uid": record.seal_key}}


def _tail_cut(_: records.TailCutRecord) -> _Classified:
    return 6008, 1, _HIGH, {}


def _removed(record: records.RemovedRecord) -> _Classified:
    name = f"records {record.first_index} to {record.next_index - 1}"
    return 3004, 4, _INFORMATIONAL, {"entity": {"name": name, "type": "audit records", "uid": record.root}}


def _hold(activity: int) -> Callable[[records.HoldRecord | records.ReleaseRecord], _Classified]:
    def classified(record: records.HoldRecord | records.ReleaseRecord) -> _Classified:
        own: Part = {"entity": {"name": "legal hold", "type": "legal hold", "uid": record.hold_id}}
        return 3004, activity, _INFORMATIONAL, {**own, "actor": {"user": _user(record.issuer, record.employee)}}

    return classified


def _grant(activity: int) -> Callable[[permissions.GrantRecord], _Classified]:
    def classified(record: permissions.GrantRecord) -> _Classified:
        user = _user(record.holder_issuer, record.holder)
        own: Part = {"user": user, "iam_roles": [{"name": record.role}], "actor": {"user": _user(record.issuer, record.employee)}}
        return 3007, activity, _INFORMATIONAL, own

    return classified


def _person(record: permissions.PersonRecord) -> _Classified:
    user = {"uid": record.person_id, "type_id": 1}
    return 3007, 2, _INFORMATIONAL, {"user": user, "actor": {"user": _user(record.issuer, record.employee)}}


def _request(record: permissions.RequestRecord) -> _Classified:
    user = _user(record.holder_issuer, record.holder)
    own: Part = {"user": user, "iam_roles": [{"name": record.role}], "actor": {"user": _user(record.issuer, record.employee)}}
    return 3007, _OTHER, _INFORMATIONAL, {**own, "activity_name": f"Access request: {record.request_state}"}


def _review(record: reviews.ReviewRecord) -> _Classified:
    own: Part = {"entity": {"name": record.review_kind, "type": "review of rights", "uid": record.review_id}}
    severity = _LOW if record.review_state == "stopped" else _INFORMATIONAL
    return 3004, _OTHER, severity, {**own, "activity_name": f"Review: {record.review_state}", **_actor(record)}


def _items(activity: str) -> Callable[[reviews.ItemsRecord], _Classified]:
    def classified(record: reviews.ItemsRecord) -> _Classified:
        own: Part = {"entity": {"name": "items of a review", "type": "review of rights", "uid": record.review_id}}
        return 3004, _OTHER, _INFORMATIONAL, {**own, "activity_name": activity, **_actor(record)}

    return classified


def _exception(record: reviews.ExceptionRecord) -> _Classified:
    own: Part = {"entity": {"name": "exception", "type": "review of rights", "uid": record.exception_id}}
    return 3004, _OTHER, _LOW, {**own, "activity_name": "Review: exception", **_actor(record)}


def _log_closing(record: reviews.LogClosingRecord) -> _Classified:
    own: Part = {"entity": {"name": "log", "type": "journal", "uid": record.lost_log}}
    return 3004, _OTHER, _LOW, {**own, "activity_name": "Review: close a lost log", **_actor(record)}


def _report(record: reviews.ReviewReportRecord) -> _Classified:
    own: Part = {"entity": {"name": "report", "type": "review of rights", "uid": record.review_id}}
    return 3004, _OTHER, _INFORMATIONAL, {**own, "activity_name": "Review: report", **_actor(record)}


def _actor(record: permissions.PermissionRecord | reviews.ReviewReportRecord) -> Part:
    return {"actor": {"user": _user(record.issuer, record.employee)}}


def _block(activity: int) -> Callable[[permissions.BlockRecord], _Classified]:
    def classified(record: permissions.BlockRecord) -> _Classified:
        user: Part = {"uid": record.principal, "type_id": 1 if record.principal_kind == "person" else 3}
        return 3007, activity, _HIGH, {"user": user, "actor": {"user": _user(record.issuer, record.employee)}}

    return classified


def _session_ended(record: permissions.SessionEndedRecord) -> _Classified:
    user = _user(record.holder_issuer, record.holder) if record.holder else {"name": "unknown", "type_id": 0}
    return 3002, 2, _INFORMATIONAL, {"user": user, "service": {"name": "munjigi"}, "actor": {"user": _user("", record.employee)}}


_CLASSES: Final[dict[type[Record], Callable[[Any], _Classified]]] = {
    records.AccessRecord: _decision,
    records.ConfirmRecord: _confirmation,
    records.DenialFloodRecord: _denials,
    records.SignInRecord: _sign_in,
    records.LockoutRecord: _lockout,
    records.PolicyRecord: _policy,
    records.ProcessRecord: _process,
    records.RestoredRecord: _restored,
    records.ConfigurationRecord: _settings,
    records.SealKeyRecord: _seal_key,
    records.TailCutRecord: _tail_cut,
    records.RemovedRecord: _removed,
    records.HoldRecord: _hold(1),  # Create
    records.ReleaseRecord: _hold(4),  # Delete
    permissions.GrantAddedRecord: _grant(16),  # Assign Roles
    permissions.GrantChangedRecord: _grant(2),  # Update
    permissions.GrantSuspendedRecord: _grant(17),  # Remove Roles
    permissions.GrantResumedRecord: _grant(16),  # Assign Roles
    permissions.GrantEndedRecord: _grant(17),  # Remove Roles
    permissions.GrantRestoredRecord: _grant(16),  # Assign Roles
    permissions.PersonRecord: _person,
    permissions.RequestMadeRecord: _request,
    permissions.RequestVotedRecord: _request,
    permissions.RequestClosedRecord: _request,
    permissions.SessionEndedRecord: _session_ended,
    permissions.BlockedRecord: _block(5),  # Disable
    permissions.UnblockedRecord: _block(4),  # Enable
    reviews.ReviewOpenedRecord: _review,
    reviews.ReviewChangedRecord: _review,
    reviews.ReviewClosedRecord: _review,
    reviews.ItemsDecidedRecord: _items("Review: decide"),
    reviews.ItemsReroutedRecord: _items("Review: look again"),
    reviews.ItemsAppliedRecord: _items("Review: apply"),
    reviews.ItemsUndoneRecord: _items("Review: undo"),
    reviews.ReviewReportRecord: _report,
    reviews.ExceptionAskedRecord: _exception,
    reviews.ExceptionApprovedRecord: _exception,
    reviews.LogCloseAskedRecord: _log_closing,
    reviews.LogClosedRecord: _log_closing,
}
