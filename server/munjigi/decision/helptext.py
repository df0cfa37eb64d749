"""What an employee (or the tool's developer) can do about a denial, one sentence a line.

Only names from the bundle are said, never a string of the request (promise P5). Of who asks only the roles held
matter, so a text is found once per reason, tool, target, action, purpose and these. Whom it tells to ask are the owners that
roles.toml names; a `Help` knows where it says so, for whoever shows it and knows who of them is here (`Help.naming`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from munjigi.decision import reasons
from munjigi.decision.cells import ALLOWS, demands_on, matching
from munjigi.decision.frames import Frame, Ground, Memory
from munjigi.policy.types import PolicyBundle, Role, Rule

_MOST_ROLES: Final = 3
ASK_DAYS: Final = 90  # what the command in a help asks for
_MOST_NAMES: Final = 12

PLAIN: Final = {
    reasons.TOOL_UNKNOWN: "This tool is not registered. Ask the security team to list it in tools.toml.",
    reasons.ACTION_UNKNOWN: "Unknown action. Use read, export, reveal, update or delete; on Munjigi itself read or operate.",
    reasons.RESOURCE_UNKNOWN: "The catalog has no such resource. Name it database.table, or class:NAME.",
    reasons.FIELD_UNKNOWN: "This resource has no such column. Leave fields empty to ask for all; name none for a class.",
    reasons.SUBJECTS_REQUIRED: "Say whose data it is: send the member ids, or how many members are concerned.",
    reasons.GRANT_EXPIRED: "Your grant for this purpose has ended.",
    reasons.BLOCKED: "The control center has stopped this employee or this tool. Call the control center.",
    reasons.GRANT_SUSPENDED: "Your grant for this purpose is suspended. Ask the role's owners, or the personnel office, why.",
    reasons.GRANT_NOT_STARTED: "Your grant for this purpose has not started yet.",
    reasons.GRANT_OTHER_PURPOSE: "Your grants are for other purposes.",
    reasons.GRANT_OUT_OF_SCOPE: "Your grant was narrowed and does not cover this.",
    reasons.IP_UNDECIDED: "A rule depends on `r.ctx.ip`, and the employee's address is not known: the tool has to send it.",
    reasons.HOUR_UNDECIDED: "A rule depends on `r.ctx.hour`, and this machine does not know the policy's time zone. Tell the operators.",
    reasons.WEEKDAY_UNDECIDED: "A rule depends on `r.ctx.weekday`, and this machine does not know the policy's time zone. Tell the operators.",
    reasons.HOLIDAY_UNDECIDED: "A rule depends on `r.ctx.holiday`, and calendar.toml does not cover this year. Tell the security team.",
    reasons.SESSION_TOO_OLD: "You signed in too long ago for your role, or the token does not say when: sign in again.",
    reasons.SESSION_IDLE: "Your session was idle for longer than your role permits: sign in again.",
    reasons.RULE_DENIES: "A rule forbids this, whatever else you hold. Ask the security team about the rule that is named.",
}
NEEDS_ROLE: Final = frozenset(
    (
        *reasons.UNDECIDED.values(),
        reasons.NO_GRANT,
        reasons.GRANT_EXPIRED,
        reasons.GRANT_OTHER_PURPOSE,
        reasons.GRANT_OUT_OF_SCOPE,
        reasons.NO_RULE,
        reasons.REQUIREMENT_MISSING,
    ),
)


class Whom(NamedTuple):
    """Whom to ask about a role, in words; where `nobody` decides now, it can't be asked for either."""

    words: str
    nobody: bool = False


class _Line(NamedTuple):
    """A line of help about a role: before it says whom to ask, these words, and how."""

    role: str
    head: str
    whom: str
    tail: str


class Help(str):
    """A help with lines that say whom to ask about a role."""

    __slots__ = ("_lines",)
    _lines: tuple[str | _Line, ...]

    @classmethod
    def of(cls, lines: Iterable[str | _Line]) -> str:
        """Join the lines that say something; a plain string where none of them names a role."""
        kept = tuple(line for line in lines if line)
        text = "\n".join(line if isinstance(line, str) else line.head + line.whom + line.tail for line in kept)
        if all(isinstance(line, str) for line in kept):
            return text
        made = cls(text)
        made._lines = kept
        return made

    def naming(self, whom: Callable[[str], Whom | None]) -> str:
        """Return the text with other words about whom to ask, by role; where `whom` knows of none, the owners stay named."""

        def said(line: _Line) -> str:
            other = whom(line.role)
            if other is None:
                return line.head + line.whom + line.tail
            return line.head + other.words + ("" if other.nobody else line.tail)

        return "\n".join(line if isinstance(line, str) else said(line) for line in self._lines)


def help_text(bundle: PolicyBundle, reason: str, frame: Frame, target: str, held: tuple[str, ...] = ()) -> str:
    """Return the help for `reason`. `target` is the denied column's, empty when there is none.

    `held` are the roles in force of which none allowed it: whatever of theirs would allow it has a condition in the way.
    """
    ground = frame.ground
    special = _SPECIAL.get(reason)
    if reason == reasons.STEP_UP_REQUIRED:
        return _step_up(bundle, target)
    if ground is None or not target:
        text = frame.help.get(reason)
        if text is None:
            text = frame.help[reason] = special(bundle, frame) if special else PLAIN.get(reason, "")
        return text
    memory = Memory.of(bundle)
    key = (reason, frame.tool.name if frame.tool else "", target, ground.action, ground.purpose, held)
    text = memory.help.get(key)
    if text is None:
        lines: list[str | _Line] = [special(bundle, frame) if special else PLAIN.get(reason, "")]
        if reason in NEEDS_ROLE:
            lines += _roles(bundle, ground, target, held, missing=reason == reasons.REQUIREMENT_MISSING)
        elif reason in (reasons.SESSION_TOO_OLD, reasons.SESSION_IDLE):
            lines += _sessions(bundle, ground, target)
        text = Help.of(lines)
        if memory.may_keep(1):
            memory.help[key] = text
    return text


def _names(names: Iterable[str]) -> str:
    ordered = sorted(names)
    more = len(ordered) - _MOST_NAMES
    return ", ".join(ordered[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _purpose_unknown(bundle: PolicyBundle, _: Frame) -> str:
    return f"There is no such purpose. The registered ones are: {_names(bundle.purposes)}."


def _tool_purpose(_: PolicyBundle, frame: Frame) -> str:
    allowed = _names(frame.tool.purposes) if frame.tool else ""
    return f"This tool may ask for these purposes: {allowed or 'none'}. Ask the security team to change tools.toml."


def _tool_action(_: PolicyBundle, frame: Frame) -> str:
    allowed = _names(frame.tool.actions) if frame.tool else ""
    return f"This tool may ask for these actions: {allowed or 'none'}. Ask the security team to change tools.toml."


def _case(_: PolicyBundle, frame: Frame) -> str:
    purpose = frame.purpose
    if purpose is None:
        return ""
    if not purpose.case_pattern:
        return f"Purpose `{purpose.name}` takes no case id; leave it out."
    example = f"; it looks like {purpose.case_example}" if purpose.case_example else ""
    return f"Purpose `{purpose.name}` binds each access to one piece of work: send its case id{example}."


def _too_many(_: PolicyBundle, frame: Frame) -> str:
    most = frame.tool.max_subjects if frame.tool else 0
    return f"This tool may ask for at most {most} members at once. Ask in smaller parts."


_SPECIAL: Final[dict[str, Callable[[PolicyBundle, Frame], str]]] = {
    reasons.PURPOSE_UNKNOWN: _purpose_unknown,
    reasons.TOOL_PURPOSE_NOT_ALLOWED: _tool_purpose,
    reasons.TOOL_ACTION_NOT_ALLOWED: _tool_action,
    reasons.CASE_ID_REQUIRED: _case,
    reasons.CASE_ID_INVALID: _case,
    reasons.TOO_MANY_SUBJECTS: _too_many,
}


def _roles(bundle: PolicyBundle, ground: Ground, target: str, held: tuple[str, ...], *, missing: bool) -> list[str | _Line]:
    """Name the rules of roles held whose condition is in the way, then other roles that would allow this, and whom to ask."""
    lines: list[str | _Line] = [
        f"Rule {rule.ref} would allow this to your role `{rule.sub}`, but its condition does not hold: {rule.cond}"
        for rule in _in_the_way(ground, target, held)
    ]
    has = frozenset(way.role for role in held for way in bundle.closure.get(role, ()))
    others = allowing_roles(bundle, ground, target, has)
    lines += [_role_line(bundle, role, ground.purpose, missing=missing) for role in others]
    return lines or [
        f"No role allows this for purpose `{ground.purpose}`. If your work needs it, ask the security team for a rule."
    ]


def _step_up(bundle: PolicyBundle, target: str) -> str:
    """Say which sign-in the classes of a column want."""
    wanted = "; ".join(str(each) for each in demands_on(bundle, target))
    return f"This data wants another sign-in: {wanted}. Sign in again so at the company's provider, and ask with the new token."


def _sessions(bundle: PolicyBundle, ground: Ground, target: str) -> list[str]:
    """Say how long a session lasts for the roles that would allow this."""
    limits = ((role, bundle.roles[role].session) for role in allowing_roles(bundle, ground, target))
    return [f"Role `{role}` counts for {limit}." for role, limit in limits if limit is not None]


def _in_the_way(ground: Ground, target: str, held: tuple[str, ...]) -> list[Rule]:
    """Return the first few rules of roles held that would allow the target if their condition held, in file order."""
    rules: dict[str, Rule] = {}
    name = _name_of(ground, target)
    for role in held:
        cell = ground.sheet(role).cell(name)
        for rule, _ in cell.candidates if cell else ():
            if rule.allow:
                rules[rule.ref] = rule
    return sorted(rules.values(), key=lambda each: (each.file, each.line))[:_MOST_ROLES]


def _name_of(ground: Ground, target: str) -> str:
    return next(name for name, its in ground.targets.items() if its == target)


def _role_line(bundle: PolicyBundle, role: str, purpose: str, *, missing: bool) -> _Line:
    about = bundle.roles.get(role)
    owners = ", ".join(about.owners) if about else ""
    ask = f"its owners decide: {owners}." if owners else "it has no owner; ask the security team."
    if missing and about and about.requires:
        return _Line(role, f"Role `{role}` requires: {', '.join(about.requires)}. Complete what you lack; ", ask, "")
    who = f" ({' or '.join(about.departments)} only)" if about and about.departments else ""
    return _Line(role, f"You need role `{role}` for purpose `{purpose}`{who}; ", ask, _request(bundle, about, purpose))


def _request(bundle: PolicyBundle, role: Role | None, purpose: str) -> str:
    """Write the command that asks for a role."""
    why = bundle.purposes.get(purpose)
    if role is None or why is None:
        return ""
    case = f" --case {why.case_example}" if why.case_for_grant else ""
    return f" Ask: munjigi request {role.name} --purpose {purpose} --days {min(role.longest_days, ASK_DAYS)}{case} --reason WHY"


def allowing_roles(bundle: PolicyBundle, ground: Ground, target: str, without: frozenset[str] = frozenset()) -> list[str]:
    """Return the first few roles, in file order of their rules, that allow the target unless a condition is in the way."""
    rules: list[Rule] = []
    for bucket in matching(bundle, target, ground.action, ground.purpose):
        rules.extend(rule for each in bucket.values() for rule in each if rule.allow)
    name = _name_of(ground, target)
    found: list[str] = []
    for rule in sorted(rules, key=lambda each: (each.file, each.line)):
        if rule.sub in found or rule.sub in without or rule.sub not in bundle.roles:
            continue
        cell = ground.sheet(rule.sub).cell(name)
        if cell is not None and cell.outcome(lambda each, _: each.allow).kind == ALLOWS:
            found.append(rule.sub)
            if len(found) == _MOST_ROLES:
                break
    return found
