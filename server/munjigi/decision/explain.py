"""Say why: every grant, every rule that could match and what became of it, and the nearest miss of what is denied.

Pure and ordered by file and id, so that one question put to one snapshot at one time has one explanation, byte by byte.
The verdict is the core's; this room only tells how its parts combine. Names are the bundle's or the grant table's.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from munjigi.decision import reasons
from munjigi.decision.asker import Asker
from munjigi.decision.cells import Candidate, Cell, covers
from munjigi.decision.core import decide
from munjigi.decision.frames import Frame, Ground, Memory
from munjigi.decision.helptext import allowing_roles
from munjigi.decision.snapshot import Snapshot
from munjigi.decision.types import Decision, Effect, FieldDecision, Request
from munjigi.kernel.grant import Grant
from munjigi.policy.types import CLEAR, PolicyBundle, Rule

# What became of a rule.
DECIDES: Final = "DECIDES"
AGREES: Final = "AGREES"
LESS_REVEALING: Final = "LESS_REVEALING"
OVERRULED: Final = "OVERRULED_BY_DENY"
CONDITION_FALSE: Final = "CONDITION_FALSE"
NOT_REACHED: Final = "NOT_REACHED"
# How a field's rules combine.
DENY_OVERRIDES: Final = "DENY_OVERRIDES"
MOST_REVEALING: Final = "MOST_REVEALING_ALLOW"
DEFAULT_DENY: Final = "DEFAULT_DENY"
IN_FORCE: Final = "IN_FORCE"
# What keeps somebody from asking for a role: only other departments may hold it.
OTHER_DEPARTMENT: Final = "ROLE_NOT_FOR_DEPARTMENT"

_UNDECIDED: Final = frozenset(reasons.UNDECIDED.values())
_BY_RULES: Final = _UNDECIDED | {
    reasons.GRANTED,
    reasons.RULE_DENIES,
    reasons.NO_RULE,
    reasons.GRANT_OUT_OF_SCOPE,
    reasons.STEP_UP_REQUIRED,
    *reasons.NOT_MET,
}
_LACKING_IN_QUESTION: Final = frozenset((reasons.CASE_ID_REQUIRED, reasons.CASE_ID_INVALID, reasons.SUBJECTS_REQUIRED))
# No role helps against these: a rule that denies, or what the question itself lacks.
_NO_MISS: Final = _LACKING_IN_QUESTION | {reasons.STEP_UP_REQUIRED, reasons.TOO_MANY_SUBJECTS}


class GrantStanding(NamedTuple):
    """One grant of the employee. `standing` is IN_FORCE or what keeps it from counting; `lacking` are facts not in force."""

    grant: Grant
    standing: str
    lacking: tuple[str, ...]


class RuleStanding(NamedTuple):
    """One rule that speaks of the column to a role that a grant in force brings.

    `role_path` is the grant's id, then roles from the held one to the rule's; `resource_path` the column, then the
    class or pattern by which the rule speaks of it.
    """

    rule: Rule
    role_path: tuple[str, ...]
    resource_path: tuple[str, ...]
    standing: str


class NearMiss(NamedTuple):
    """A role that would allow a denied field: what keeps it from doing so, who owns it, what it requires."""

    role: str
    purpose: str
    owners: tuple[str, ...]
    requires: tuple[str, ...]
    lacking: tuple[str, ...]
    reason: str
    grant_id: str


class FieldExplanation(NamedTuple):
    """Why one field is shown so. `summary` says it in a sentence."""

    field: FieldDecision
    target: str
    combination: str
    summary: str
    rules: tuple[RuleStanding, ...]
    nearest: tuple[NearMiss, ...]


class Explanation(NamedTuple):
    """Why the answer is what it is. `command` asks again with what the question lacked; empty where nothing is."""

    request: Request
    at: int
    decision: Decision
    grants: tuple[GrantStanding, ...]
    fields: tuple[FieldExplanation, ...]
    command: str


def explain(snapshot: Snapshot, request: Request, now: int) -> Explanation:
    """Decide `request` at `now` (UTC nanoseconds) and say why. Equal arguments give equal explanations; nothing is raised."""
    bundle, table = snapshot
    decision = decide(snapshot, request, now)
    frame = Memory.of(bundle).frame(request.tool, request.resource, request.action, request.purpose)
    asker = Asker(snapshot, request, now)
    grants = tuple(_grant(bundle, asker, grant) for grant in table.of(request.employee))
    fields = tuple(_field(bundle, frame, asker, grants, field) for field in decision.fields)
    return Explanation(request, now, decision, grants, fields, _command(frame, request, decision))


def _grant(bundle: PolicyBundle, asker: Asker, grant: Grant) -> GrantStanding:
    lacking = _lacking(bundle, asker, grant.role)
    if grant.purpose != asker.request.purpose:
        standing = reasons.GRANT_OTHER_PURPOSE
    elif asker.now < grant.starts_at:
        standing = reasons.GRANT_NOT_STARTED
    elif asker.now >= grant.ends_at:
        standing = reasons.GRANT_EXPIRED
    elif grant.suspended:
        standing = reasons.GRANT_SUSPENDED
    else:
        standing = _short_of(bundle, asker, grant.role, lacking) or IN_FORCE
    return GrantStanding(grant, standing, lacking)


def _lacking(bundle: PolicyBundle, asker: Asker, role: str) -> tuple[str, ...]:
    known = bundle.roles.get(role)
    return tuple(kind for kind in known.requires if not asker.meets((kind,))) if known else ()


def _short_of(bundle: PolicyBundle, asker: Asker, role: str, lacking: tuple[str, ...]) -> str:
    if lacking:
        return reasons.REQUIREMENT_MISSING
    known = bundle.roles.get(role)
    return asker.beyond(known.session) if known else ""


def _field(
    bundle: PolicyBundle, frame: Frame, asker: Asker, grants: tuple[GrantStanding, ...], field: FieldDecision
) -> FieldExplanation:
    ground = frame.ground
    target = ground.targets.get(field.name, "") if ground else ""
    if ground is None or not target:
        return FieldExplanation(field, target, NOT_REACHED, f"Refused before any rule: {field.reason}.", (), ())
    rules = _rules(ground, asker, grants, field)
    nearest: tuple[NearMiss, ...] = ()
    if field.effect is Effect.DENIED and not field.rule and not frame.reason and field.reason not in _NO_MISS:
        roles = allowing_roles(bundle, ground, target)
        nearest = tuple(_miss(bundle, ground, asker, grants, role, field) for role in roles)
    combination, summary = _combination(field, rules)
    return FieldExplanation(field, target, combination, summary, rules, nearest)


def _rules(ground: Ground, asker: Asker, grants: tuple[GrantStanding, ...], field: FieldDecision) -> tuple[RuleStanding, ...]:
    """Return the rules in the order of grants, each grant's denying ones first, then in file order."""
    found: list[RuleStanding] = []
    decided = False
    for grant, standing, _ in grants:
        if standing not in (IN_FORCE, *reasons.NOT_MET):
            continue
        cell = ground.sheet(grant.role).cell(field.name)
        for candidate in cell.candidates if cell else ():
            assert cell is not None
            became = _became(candidate, cell, grant, standing, asker, field)
            if became == DECIDES and decided:
                became = AGREES
            decided = decided or became == DECIDES
            found.append(_standing(candidate, cell, grant, became))
    return tuple(found)


def _standing(candidate: Candidate, cell: Cell, grant: Grant, became: str) -> RuleStanding:
    rule = candidate.rule
    by = (cell.target,) if rule.obj == cell.target else (cell.target, rule.obj)
    return RuleStanding(rule, (grant.grant_id, *candidate.outcome.path), by, became)


def _became(candidate: Candidate, cell: Cell, grant: Grant, standing: str, asker: Asker, field: FieldDecision) -> str:
    rule = candidate.rule
    if field.reason not in _BY_RULES:
        return NOT_REACHED
    if not covers(grant, cell, asker.request.action):
        return reasons.GRANT_OUT_OF_SCOPE
    if standing != IN_FORCE:
        return standing
    if rule.condition is not None and not asker.holds(rule, cell.target):
        return asker.undecided(rule, cell.target) or CONDITION_FALSE
    if field.reason == reasons.STEP_UP_REQUIRED and rule.allow:
        return reasons.STEP_UP_REQUIRED
    if rule.ref == field.rule:
        return DECIDES
    if field.effect is Effect.DENIED:
        return OVERRULED if rule.allow else AGREES
    return AGREES if candidate.outcome.head[1:3] == (field.effect, field.mask) else LESS_REVEALING


def _combination(field: FieldDecision, rules: tuple[RuleStanding, ...]) -> tuple[str, str]:
    if field.reason not in _BY_RULES:
        return NOT_REACHED, f"Refused before the rules were asked: {field.reason}."
    if field.rule and field.effect is Effect.DENIED:
        over = sum(each.standing == OVERRULED for each in rules)
        because = f" ({field.reason})" if field.reason in _UNDECIDED else ""
        return DENY_OVERRIDES, f"Rule {field.rule} denies{because}, and a deny wins over all; rules that allow: {over}."
    if field.reason == reasons.STEP_UP_REQUIRED:
        return reasons.STEP_UP_REQUIRED, "Rules allow it, and its class wants another sign-in than this one."
    if field.effect is Effect.DENIED:
        return DEFAULT_DENY, f"No rule that counts allows this ({field.reason}), and what is not allowed is denied."
    counted = sum(each.standing in (DECIDES, AGREES, LESS_REVEALING) for each in rules)
    shown = f"through mask `{field.mask}`" if field.mask else f"`{CLEAR}`"
    least = "the only rule that allows it" if counted == 1 else f"the most revealing of {counted} rules that allow it"
    return MOST_REVEALING, f"Rule {field.rule} shows it {shown}: {least}."


def _miss(
    bundle: PolicyBundle, ground: Ground, asker: Asker, grants: tuple[GrantStanding, ...], role: str, field: FieldDecision
) -> NearMiss:
    """Say what lies between the employee and a role that would allow the field: the best of the grants that bring it."""
    about = bundle.roles[role]
    open_to = asker.person is None or about.open_to(asker.person.department)
    best: tuple[int, str, str] = (len(_NEARNESS), reasons.NO_GRANT if open_to else OTHER_DEPARTMENT, "")
    for grant, standing, _ in grants:
        if all(way.role != role for way in bundle.closure.get(grant.role, ())):
            continue
        reason = standing
        if standing == IN_FORCE:
            cell = ground.sheet(grant.role).cell(field.name)
            narrowed = cell is not None and not covers(grant, cell, asker.request.action)
            in_the_way = field.reason if field.reason in _UNDECIDED else CONDITION_FALSE
            reason = reasons.GRANT_OUT_OF_SCOPE if narrowed else in_the_way
        best = min(best, (_NEARNESS.index(reason), reason, grant.grant_id))
    return NearMiss(role, ground.purpose, about.owners, about.requires, _lacking(bundle, asker, role), best[1], best[2])


_NEARNESS: Final = (
    CONDITION_FALSE,
    *reasons.UNDECIDED.values(),
    *reversed(reasons.NOT_MET),
    reasons.GRANT_OUT_OF_SCOPE,
    reasons.GRANT_SUSPENDED,
    reasons.GRANT_NOT_STARTED,
    reasons.GRANT_EXPIRED,
    reasons.GRANT_OTHER_PURPOSE,
)


def _command(frame: Frame, request: Request, decision: Decision) -> str:
    """Write the question anew, with what it lacked. Only catalogued names and the purpose's own example are written."""
    if decision.reason not in _LACKING_IN_QUESTION or frame.ground is None or frame.purpose is None or decision.unknown_fields:
        return ""
    parts = ["munjigi check", request.resource]
    if request.fields:
        parts.append(f"--fields {','.join(request.fields)}")
    parts.append(f"--action {request.action} --purpose {request.purpose}")
    if frame.purpose.case_pattern:
        parts.append(f"--case {frame.purpose.case_example or 'ID'}")
    return " ".join((*parts, "--member SERIAL"))
