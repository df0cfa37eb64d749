"""Decide one question against one snapshot: pure, total, and closed for whatever is not known (P2, P3, P4).

Links employee -> role come from grants that are active at `now`, whose purpose is the request's, whose
scope (if any) covers the column and the action, and whose role's requirements the person and the session
meet. Rules see roles only. A denying rule wins over all; among allowing ones the most revealing mask wins. What they
allow of a class that wants another sign-in is denied until there is one.

`FieldDecision.grants` names each grant that, had it been the only one, would have given this field the
same effect and mask. `Decision.reason`, `rule` and `role_path` are those of the first denied field of a DENY
and of the first allowed field of an ALLOW.
"""

from __future__ import annotations

from typing import Final

from munjigi.decision import reasons
from munjigi.decision.asker import Asker
from munjigi.decision.cells import ALLOWS, DENIES, Cell, Outcome, combine, covers
from munjigi.decision.frames import MEMO_KEY, Frame, Ground, Memory, Sheet
from munjigi.decision.persistent import SHARD_MASK
from munjigi.decision.reasons import GRANTED
from munjigi.decision.refusal import explain_field, no_link_reason, refuse, unknown_field
from munjigi.decision.snapshot import Snapshot
from munjigi.decision.types import Decision, Effect, FieldDecision, Request
from munjigi.kernel.grant import Grant

_NO_NAMES: Final[frozenset[str]] = frozenset()
_new = tuple.__new__  # a NamedTuple's own constructor costs twice as much
Linked = tuple[tuple[Grant, Sheet], ...]


def decide(snapshot: Snapshot, request: Request, now: int) -> Decision:
    """Answer `request` at `now` (UTC nanoseconds). Equal arguments give equal answers; nothing is raised."""
    bundle, table = snapshot
    # `[:]` makes a plain tuple, which is taken apart in less time than a NamedTuple.
    employee, tool, resource, fields, action, purpose, case_id, subjects, _, probe, partial, _ = request[:]
    memory: Memory = bundle.memo.get(MEMO_KEY) or Memory.of(bundle)
    frame = memory.frames.get((tool, resource, action, purpose)) or memory.frame(tool, resource, action, purpose)
    ground = frame.ground
    if frame.reason or ground is None:
        return refuse(snapshot, request, frame, frame.reason)
    if ground.whole and fields:
        return refuse(snapshot, request, frame, reasons.FIELD_UNKNOWN)

    if table.blocks and table.blocked(employee, tool):
        return refuse(snapshot, request, frame, reasons.BLOCKED)
    # `table.of`, written out: two calls less.
    held = table.held.shards[hash(employee) & SHARD_MASK].get(employee) or ()
    linked: Linked = ()
    waiting: Linked = ()
    asker: Asker | None = None
    for grant in held:
        if grant.purpose == purpose and grant.starts_at <= now < grant.ends_at and not grant.suspended:
            role = grant.role
            sheet = ground.sheets.get(role) or ground.sheet(role)
            if sheet.guarded:
                asker = asker or Asker(snapshot, request, now)
                # `Asker.short_of`, written out: this runs for nearly every decision.
                if not asker.meets(sheet.requires) or (sheet.session is not None and asker.beyond(sheet.session)):
                    waiting += ((grant, sheet),)
                    continue
            linked += ((grant, sheet),)
    if not linked and not waiting:
        return refuse(snapshot, request, frame, no_link_reason(held, purpose, now))
    if (
        (not frame.matches_case(case_id) if case_id else frame.case_required)
        or (subjects <= 0 and frame.member_data and not probe)
        or subjects > frame.max_subjects
    ):
        return refuse(snapshot, request, frame, _unfit(frame, case_id, subjects))

    if len(linked) == 1 and not waiting and linked[0][0].scope is None:
        # Most people hold one grant for a purpose: the same answer as below, without combining.
        grant, sheet = linked[0]
        cells = sheet.cells
        ids = (grant.grant_id,)
        answer: list[FieldDecision] = []
        for name in fields or ground.columns:
            cell = cells.get(name)
            if cell is None:
                if len(fields) == 1 and name not in ground.targets:
                    return unknown_field(name, bundle.revision, table.revision)
                cell = sheet.cell(name)
                if cell is None:
                    break
            shown = cell.shown
            if shown is None:
                asker = asker or Asker(snapshot, request, now)
                shown = asker.shown(cell)
                if shown is None:
                    break
            head, path, classes = shown
            if not answer:
                rule, first = head[4], ids + path
            answer.append(_new(FieldDecision, head + (ids, classes)))  # noqa: RUF005 - unpacking is slower
        else:
            return _new(
                Decision,
                (True, GRANTED, tuple(answer), rule, first, "", True, True, True, _NO_NAMES, bundle.revision, table.revision),
            )

    return answer_fields(frame, ground, linked, waiting, asker or Asker(snapshot, request, now), partial=partial)


def _unfit(frame: Frame, case_id: str, subjects: int) -> str:
    """Name what the request itself lacks, of what `decide` found it to lack."""
    if case_id:
        if not frame.matches_case(case_id):
            return reasons.CASE_ID_INVALID
    elif frame.case_required:
        return reasons.CASE_ID_REQUIRED
    return reasons.SUBJECTS_REQUIRED if subjects <= 0 else reasons.TOO_MANY_SUBJECTS


def answer_fields(frame: Frame, ground: Ground, linked: Linked, waiting: Linked, asker: Asker, *, partial: bool) -> Decision:
    """Answer each field out of all linked grants; `waiting` ones lack a requirement."""
    snapshot, request = asker.snapshot, asker.request
    answer: list[FieldDecision] = []
    paths: list[tuple[str, ...]] = []
    unknown: set[str] = set()
    alone = linked[0] if len(linked) == 1 and not waiting and linked[0][0].scope is None else None
    for name in request.fields or ground.columns:
        if name not in ground.targets:
            unknown.add(name)
            answer.append(FieldDecision(name, Effect.DENIED, "", reasons.FIELD_UNKNOWN, "", (), ()))
            paths.append(())
            continue
        field, path = _of_one(name, *alone, asker) if alone else _field(name, linked, waiting, asker)
        answer.append(field)
        paths.append(path)
    denied = [number for number, field in enumerate(answer) if field.effect is Effect.DENIED]
    visible = [number for number, field in enumerate(answer) if field.effect is not Effect.DENIED]
    allow = bool(visible) and (partial or not denied)
    # A known resource has columns, and each of them is either shown or denied.
    first = visible[0] if allow else denied[0]
    return Decision(
        allow=allow,
        reason=answer[first].reason,
        fields=tuple(answer),
        rule=answer[first].rule,
        role_path=paths[first],
        help=_help(frame, ground, linked, asker, answer[denied[0]]) if denied else "",
        resource_known=True,
        purpose_known=True,
        action_known=True,
        unknown_fields=frozenset(unknown),
        policy_revision=snapshot.bundle.revision,
        grant_revision=snapshot.grants.revision,
    )


def _of_one(name: str, grant: Grant, sheet: Sheet, asker: Asker) -> tuple[FieldDecision, tuple[str, ...]]:
    """Answer one known field out of the only grant, which covers it: what `_field` answers, without combining."""
    cell = sheet.cell(name)
    assert cell is not None
    outcome = cell.fixed or asker.outcome(cell)
    kind, _, _, head, path = outcome
    if kind == ALLOWS:
        if not asker.signed_in(cell.demands):
            return _step_up(cell)
        return _new(FieldDecision, (*head, (grant.grant_id,), cell.classes)), (grant.grant_id, *path)
    reason = head[3]
    if cell.fixed is None:
        reason = _undecided([cell], asker, outcome if kind == DENIES else None) or reason
    field = _new(FieldDecision, (name, Effect.DENIED, "", reason, head[4], (), cell.classes))
    return field, (grant.grant_id, *path) if kind == DENIES else ()


def _field(name: str, linked: Linked, waiting: Linked, asker: Asker) -> tuple[FieldDecision, tuple[str, ...]]:
    """Answer one known field; also the path to the deciding rule."""
    classes: tuple[str, ...] = ()
    given: list[tuple[Grant, Outcome]] = []
    cells: list[Cell] = []
    missed = ""
    for grant, sheet in linked + waiting:
        cell = sheet.cell(name)
        if cell is None:
            continue
        classes = cell.classes
        outcome = asker.outcome(cell)
        covered, short = covers(grant, cell, asker.request.action), asker.short_of(sheet)
        if covered and not short:
            given.append((grant, outcome))
            cells.append(cell)
        elif outcome.kind == ALLOWS:
            # A requirement is the employee's own to meet, so it is the nearer miss of the two.
            missed = short if covered else missed or reasons.GRANT_OUT_OF_SCOPE
    verdict = combine(given)
    if verdict is not None:
        if verdict.outcome.kind == ALLOWS and not asker.signed_in(cells[0].demands):
            return _step_up(cells[0])
        path = (verdict.by.grant_id, *verdict.outcome.path)
        _, effect, mask, reason, rule = verdict.outcome.head
        if verdict.outcome.kind == DENIES:
            reason = _undecided(cells, asker, verdict.outcome) or reason
        return FieldDecision(name, effect, mask, reason, rule, verdict.grants, classes), path
    return FieldDecision(name, Effect.DENIED, "", missed or _undecided(cells, asker) or reasons.NO_RULE, "", (), classes), ()


def _step_up(cell: Cell) -> tuple[FieldDecision, tuple[str, ...]]:
    """Deny what rules allow and the sign-in is too weak or too old for."""
    return FieldDecision(cell.name, Effect.DENIED, "", reasons.STEP_UP_REQUIRED, "", (), cell.classes), ()


def _undecided(cells: list[Cell], asker: Asker, denying: Outcome | None = None) -> str:
    """Name what the rule behind a denying outcome, or the first rule that would have allowed, lacked to be decided."""
    for cell in cells:
        if cell.fixed is None:
            for rule, outcome in cell.candidates:
                reason = asker.undecided(rule, cell.target) if (outcome is denying if denying else rule.allow) else ""
                if reason:
                    return reason
    return ""


def _help(frame: Frame, ground: Ground, linked: Linked, asker: Asker, denied: FieldDecision) -> str:
    held: tuple[str, ...] = ()
    if not denied.rule and (denied.reason == reasons.NO_RULE or denied.reason in reasons.UNDECIDED.values()):
        of_field = ((grant, sheet.cell(denied.name)) for grant, sheet in linked)
        action = asker.request.action
        held = tuple(sorted({grant.role for grant, cell in of_field if cell is not None and covers(grant, cell, action)}))
    return explain_field(asker.snapshot.bundle, frame, ground, denied, held)
