"""Who can come to hold a role: nobody, or one person by their own word."""

from __future__ import annotations

from typing import Final

from munjigi.policy.findings import Findings, quoted
from munjigi.policy.lint_reach import Reach
from munjigi.policy.lint_subject import Subject
from munjigi.policy.registers import ROLES_FILE
from munjigi.policy.types import Rule

_OWNER: Final = "owner"


def nobody_can_hold(subject: Subject, findings: Findings) -> None:
    """Refuse a role that nobody could approve, or that allows nothing to whoever has what it requires."""
    reach = Reach(subject)
    allowing: dict[str, list[Rule]] = {}
    for placed in subject.rows.rules:
        if placed.rule.allow:
            allowing.setdefault(placed.rule.sub, []).append(placed.rule)
    for name, role in subject.roles.items():
        if role.owners and all(owner in subject.roles for owner in role.owners):
            place = subject.place(ROLES_FILE, ("roles", name, "owners"))
            message = (
                "Owners are employees, and these are roles: nobody could approve this role, so nobody can hold it; name a person."
            )
            findings.error(ROLES_FILE, *place, "ROLE_NOBODY_CAN_HOLD", message)
        rules = [rule for way in subject.closure.get(name, ()) for rule in allowing.get(way.role, ())]
        if role.requires and rules and not any(reach.holds(rule, role.requires) for rule in rules):
            if not any(reach.holds(rule) for rule in rules):
                continue  # each of them is reported where it stands
            place = subject.place(ROLES_FILE, ("roles", name, "requires"))
            message = (
                f"Whoever has what this role requires ({', '.join(role.requires)}) meets the condition of none of its rules,"
                " so nobody can hold it to any effect; correct one of the two."
            )
            findings.error(ROLES_FILE, *place, "ROLE_NOBODY_CAN_HOLD", message)


def lends_over_departments(subject: Subject, findings: Findings) -> None:
    """Warn of a role that brings another one to departments whose duty does not need that."""
    for name, role in subject.roles.items():
        for way in subject.closure.get(name, ())[1:]:
            brought = subject.roles.get(way.role)
            needed = brought.departments if brought is not None else ()
            if needed and (not role.departments or not set(role.departments) <= set(needed)):
                place = subject.place(ROLES_FILE, ("roles", name))
                message = (
                    f"This role brings {quoted(way.role)}, which only {', '.join(needed)} needs, to other departments, too;"
                    " name at most those in `departments` of this one."
                )
                findings.warning(ROLES_FILE, *place, "ROLE_DEPARTMENTS_WIDER", message)


def approves_itself(subject: Subject, findings: Findings) -> None:
    """Refuse a role whose one approver holds it in the decision tables: who asks for it would approve it (promise P9)."""
    holders: dict[str, set[str]] = {}
    for case in subject.cases:
        for grant in case.grants:
            holders.setdefault(grant.role, set()).add(case.employee)
    for name, role in subject.roles.items():
        if (
            {stage.name for stage in role.stages} == {_OWNER}
            and len(set(role.owners)) == 1
            and role.owners[0] in holders.get(name, ())
        ):
            place = subject.place(ROLES_FILE, ("roles", name, "owners"))
            message = (
                f"{quoted(role.owners[0])} holds this role in the decision tables and is the only one who approves it:"
                " one person could both request and approve; name a second owner or add a stage."
            )
            findings.error(ROLES_FILE, *place, "ROLE_APPROVES_ITSELF", message)
