"""Refuse: the same reason for every field, and what the employee can do next. No dearer than to allow: who guesses names asks much."""

from __future__ import annotations

from typing import Final

from munjigi.decision import reasons
from munjigi.decision.frames import Frame, Ground, resource_columns
from munjigi.decision.helptext import PLAIN, help_text
from munjigi.decision.reasons import FIELD_UNKNOWN, RESOURCE_UNKNOWN
from munjigi.decision.snapshot import Snapshot
from munjigi.decision.types import Decision, Effect, FieldDecision, Request
from munjigi.kernel.grant import Grant
from munjigi.policy.types import PolicyBundle

_new = tuple.__new__  # a NamedTuple's own constructor costs twice as much
_DENIED: Final = Effect.DENIED  # a member is looked for through its class's metaclass each time
# What depends on no name.
_FIELD_HELP: Final = PLAIN[FIELD_UNKNOWN]
_RESOURCE_HELP: Final = PLAIN[RESOURCE_UNKNOWN]
# With these, nothing was asked about a resource yet, so a field that is not known stays a detail.
_BEFORE_FIELDS: Final = frozenset(
    (
        reasons.TOOL_UNKNOWN,
        reasons.ACTION_UNKNOWN,
        reasons.PURPOSE_UNKNOWN,
        RESOURCE_UNKNOWN,
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
    if reason == RESOURCE_UNKNOWN:
        return _unknown_resource(snapshot, request.fields)
    head = frame.refusals.get((reason, request.fields))
    if head is None:
        refused = _refused(snapshot, request, frame, reason)
        ground = frame.ground
        if ground is not None and not refused.unknown_fields and ground.memory.may_keep(len(refused.fields)):
            frame.refusals[reason, request.fields] = refused[:-1]
        return refused
    return _new(Decision, (*head, snapshot.grants.revision))


def _unknown_resource(snapshot: Snapshot, fields: tuple[str, ...]) -> Decision:
    """Refuse a resource that is not known, and with it fields that nobody looked for."""
    bundle, table = snapshot
    denied: tuple[FieldDecision, ...] = ()
    for name in fields:
        denied += (_new(FieldDecision, (name, _DENIED, "", RESOURCE_UNKNOWN, "", (), ())),)
    names = frozenset(fields)
    return _new(
        Decision,
        (False, RESOURCE_UNKNOWN, denied, "", (), _RESOURCE_HELP, False, True, True, names, bundle.revision, table.revision),
    )


def unknown_field(name: str, policy_revision: str, grant_revision: int) -> Decision:
    """Deny the one field asked for, which its resource does not have, to someone with a grant."""
    field = _new(FieldDecision, (name, _DENIED, "", FIELD_UNKNOWN, "", (), ()))
    names = frozenset((name,))
    return _new(
        Decision, (False, FIELD_UNKNOWN, (field,), "", (), _FIELD_HELP, True, True, True, names, policy_revision, grant_revision)
    )


def _refused(snapshot: Snapshot, request: Request, frame: Frame, reason: str) -> Decision:
    bundle = snapshot.bundle
    columns = resource_columns(bundle, request.resource)
    table = bundle.catalog.tables.get(request.resource)
    known = frozenset(table.columns) if table else frozenset[str]()
    names = request.fields or columns or ((request.resource,) if columns is not None else ())
    unknown = frozenset(request.fields) - known
    fields = []
    for name in names:
        why = FIELD_UNKNOWN if name in unknown and reason not in _BEFORE_FIELDS else reason
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
