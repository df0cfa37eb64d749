"""Refuse: the same reason for every field, and what the employee can do next. No dearer than to allow: who guesses names asks much."""

from __future__ import annotations

from typing import Any, Final

from munjigi.decision import reasons
from munjigi.decision.frames import Frame, Ground, resource_columns
from munjigi.decision.helptext import help_text
from munjigi.decision.snapshot import Snapshot
from munjigi.decision.types import Decision, Effect, FieldDecision, Request
from munjigi.kernel.grant import Grant
from munjigi.policy.types import PolicyBundle

_new = tuple.__new__  # a NamedTuple's own constructor costs twice as much
# With these, nothing was asked about a resource yet, so a field that is not known stays a detail.
_BEFORE_FIELDS: Final = frozenset(
    (
        reasons.TOOL_UNKNOWN,
        reasons.ACTION_UNKNOWN,
        reasons.PURPOSE_UNKNOWN,
        reasons.RESOURCE_UNKNOWN,
        reasons.TOOL_PURPOSE_NOT_ALLOWED,
        reasons.TOOL_ACTION_NOT_ALLOWED,
    ),
)


def no_link_reason(held: tuple[Grant, ...], purpose: str, now: int) -> str:
    """Name the nearest miss of an employee without an active grant for the purpose.

    It is about their own grants, which they may see.
    """
    if not held:
        return reasons.NO_GRANT
    same = [grant for grant in held if grant.purpose == purpose]
    if any(grant.suspended and now < grant.ends_at for grant in same):
        return reasons.GRANT_SUSPENDED
    if any(grant.starts_at > now for grant in same):
        return reasons.GRANT_NOT_STARTED
    if same:
        return reasons.GRANT_EXPIRED
    if any(grant.active(now) for grant in held):
        return reasons.GRANT_OTHER_PURPOSE
    return reasons.NO_GRANT


def refuse(snapshot: Snapshot, request: Request, frame: Frame, reason: str) -> Decision:
    """Deny every field for `reason`; a field that the catalog does not know says so where that was looked at."""
    head = frame.refusals.get((reason, request.fields))
    if head is None:
        head = _unknown_resource(snapshot, request, frame, reason) if frame.ground is None else None
    if head is None:
        refused = _refused(snapshot, request, frame, reason)
        ground = frame.ground
        if ground is not None and not refused.unknown_fields and ground.memory.may_keep(len(refused.fields)):
            frame.refusals[reason, request.fields] = refused[:-1]
        return refused
    return _new(Decision, (*head, snapshot.grants.revision))


def _unknown_resource(snapshot: Snapshot, request: Request, frame: Frame, reason: str) -> tuple[Any, ...] | None:
    """Return a refusal but for the grant revision, of a resource that is not known and of fields that nobody looked for."""
    if reason != reasons.RESOURCE_UNKNOWN:
        return None
    fields = request.fields
    denied = tuple([_new(FieldDecision, (name, Effect.DENIED, "", reason, "", (), ())) for name in fields])
    text = frame.help.get(reason) or help_text(snapshot.bundle, reason, frame, "")
    head = (False, reason, denied, "", (), text, False, frame.purpose is not None, frame.action_known)
    return (*head, frozenset(fields), snapshot.bundle.revision)


def unknown_field(snapshot: Snapshot, name: str, frame: Frame) -> Decision:
    """Deny the one field asked for, which its resource does not have, to someone with a grant."""
    reason = reasons.FIELD_UNKNOWN
    text = frame.help.get(reason) or help_text(snapshot.bundle, reason, frame, "")
    field = _new(FieldDecision, (name, Effect.DENIED, "", reason, "", (), ()))
    known = (True, True, True, frozenset((name,)), snapshot.bundle.revision, snapshot.grants.revision)
    return _new(Decision, (False, reason, (field,), "", (), text, *known))


def _refused(snapshot: Snapshot, request: Request, frame: Frame, reason: str) -> Decision:
    bundle = snapshot.bundle
    columns = resource_columns(bundle, request.resource)
    table = bundle.catalog.tables.get(request.resource)
    known = frozenset(table.columns) if table else frozenset[str]()
    names = request.fields or columns or ((request.resource,) if columns is not None else ())
    unknown = frozenset(request.fields) - known
    fields = []
    for name in names:
        why = reasons.FIELD_UNKNOWN if name in unknown and reason not in _BEFORE_FIELDS else reason
        target = f"{request.resource}.{name}" if table else name
        classes = () if name in unknown else bundle.classes.get(target, ())
        fields.append(FieldDecision(name, Effect.DENIED, "", why, "", (), classes))
    first = fields[0] if fields else FieldDecision("", Effect.DENIED, "", reason, "", (), ())
    return Decision(
        allow=False,
        reason=first.reason,
        fields=tuple(fields),
        rule="",
        role_path=(),
        help=explain_field(bundle, frame, frame.ground, first),
        resource_known=columns is not None,
        purpose_known=frame.purpose is not None,
        action_known=frame.action_known,
        unknown_fields=unknown,
        policy_revision=bundle.revision,
        grant_revision=snapshot.grants.revision,
    )


def explain_field(
    bundle: PolicyBundle, frame: Frame, ground: Ground | None, denied: FieldDecision, held: tuple[str, ...] = ()
) -> str:
    """Say what the employee can do about a denied field. `held` are the roles in force that did not allow it."""
    # No role helps against a rule that denies.
    target = ground.targets.get(denied.name, "") if ground and not denied.rule else ""
    return help_text(bundle, denied.reason, frame, target, held)
