"""roles.toml, purposes.toml and tools.toml: what surrounds roles, which reasons and which callers exist."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from munjigi.kernel.ids import ID
from munjigi.kernel.personal import looks_personal
from munjigi.policy.case_pattern import matcher
from munjigi.policy.findings import Findings
from munjigi.policy.sections import Section, entries, only_groups
from munjigi.policy.signin_sections import read_limit
from munjigi.policy.toml_file import TomlFile
from munjigi.policy.types import ANY, DATA_ACTIONS, OWN_ACTIONS, Purpose, Role, Stage, Tool

ROLES_FILE: Final = "roles.toml"
PURPOSES_FILE: Final = "purposes.toml"
TOOLS_FILE: Final = "tools.toml"

OWN_STAGES: Final = ("owner", "manager")  # the others are offices
REVIEWS: Final = ("monthly", "quarterly", "half_yearly", "yearly")
REQUIREMENTS: Final = ("pledge", "training", "device", "screening")
IMPACT_STAGES: Final = ("planned", "in_progress", "approved", "not_required")
CONFIRM: Final = ("required", "exempt")
ACTIONS: Final = tuple(dict.fromkeys((*DATA_ACTIONS, *OWN_ACTIONS)))
_CENTURY_DAYS: Final = 36_500
_LONGEST_DEPARTMENT: Final = 64
_LONGEST_EMERGENCY_HOURS: Final = 72
_MAX_RATE: Final = 1_000_000
_MAX_SUBJECTS: Final = 1_000_000_000


def read_roles(file: TomlFile, findings: Findings) -> dict[str, Role]:
    """Return the roles as far as they are right; the rest is reported."""
    only_groups(file, ("roles", "offices"), findings)
    sections = list(entries(file, "roles", findings))
    names = frozenset(section.name for section in sections)
    offices = {section.name: _read_office(section, names) for section in entries(file, "offices", findings)}
    return {section.name: _read_role(section, names, offices) for section in sections}


def _read_office(section: Section, names: frozenset[str]) -> tuple[str, ...]:
    if section.name in OWN_STAGES:
        section.error("", "OFFICE_NAME_TAKEN", f"{', '.join(OWN_STAGES)} are stages of their own; name the office otherwise.")
    roles = section.names("roles")
    for role in roles:
        if role not in names:
            section.error("roles", "ROLE_UNKNOWN", "A role of this office is not in roles.toml; add it or remove it here.")
    section.finish()
    return roles


def _read_role(section: Section, names: frozenset[str], offices: Mapping[str, tuple[str, ...]]) -> Role:
    owners = section.names("owners")
    if not owners:
        section.error("owners", "ROLE_WITHOUT_OWNER", "Nobody owns this role, so nobody can approve it; name at least one owner.")
    role = Role(
        name=section.name,
        title=section.text("title"),
        owners=owners,
        stages=_read_stages(section, offices),
        longest_days=section.number("longest_days", 1, _CENTURY_DAYS),
        review=section.choice("review", REVIEWS),
        requires=_known(section, "requires", REQUIREMENTS),
        budget=section.number("budget", 0, 1_000_000_000),
        departments=_departments(section),
        session=read_limit(section),
        excludes=section.names("excludes", required=False),
        break_glass_hours=section.number("break_glass_hours", 0, _LONGEST_EMERGENCY_HOURS, default=0),
    )
    if not role.stages:
        stages = ", ".join((*OWN_STAGES, *offices))
        section.error("stages", "ROLE_WITHOUT_APPROVAL", f"The role has no approval stage; stages are: {stages}.")
    if any(each not in names or each == role.name for each in role.excludes):
        section.error(
            "excludes", "ROLE_UNKNOWN", "`excludes` names other roles of this file; correct or remove the one that is none."
        )
    section.finish()
    return role


def _departments(section: Section) -> tuple[str, ...]:
    written = section.texts("departments")
    if not all(is_department(each) for each in written):
        section.error(
            "departments", "VALUE_INVALID", "A department is a name of 1 to 64 printable characters, as people have it."
        )
    return written


def is_department(text: str) -> bool:
    """Tell whether a department may be called so: in any script, as the personnel system calls it, and nobody's data."""
    return 0 < len(text) <= _LONGEST_DEPARTMENT and text.isprintable() and text == text.strip() and not looks_personal(text)


def _read_stages(section: Section, offices: Mapping[str, tuple[str, ...]]) -> tuple[Stage, ...]:
    known = (*OWN_STAGES, *offices)
    everyone = section.names("everyone", required=False)
    stages = _known(section, "stages", known)
    for each in everyone:
        if each not in stages:
            section.error("everyone", "VALUE_INVALID", "`everyone` names stages of this role at which all have to approve.")
    return tuple(Stage(each, offices.get(each, ()), each in everyone) for each in stages)


def _known(section: Section, key: str, known: tuple[str, ...]) -> tuple[str, ...]:
    written = section.names(key)
    for each in written:
        if each not in known:
            section.error(key, "VALUE_INVALID", f"`{key}` takes: {', '.join(known)}.")
    return tuple(each for each in written if each in known)


def read_purposes(file: TomlFile, findings: Findings) -> dict[str, Purpose]:
    """Return the purposes as far as they are right; the rest is reported."""
    only_groups(file, ("purposes",), findings)
    return {section.name: _read_purpose(section) for section in entries(file, "purposes", findings)}


def _read_purpose(section: Section) -> Purpose:
    pattern = section.text("case_pattern", required=False, longest=200)
    example = section.text("case_example", required=False, longest=64)
    required = section.flag("case_required", default=False)
    matches = matcher(pattern)
    if isinstance(matches, str):
        section.error("case_pattern", "CASE_PATTERN_INVALID", matches)
        matches = matcher("")
    elif pattern and not (ID.match(example) and matches(example)):
        section.error(
            "case_example",
            "CASE_EXAMPLE_INVALID",
            "`case_example` must be a case id that matches `case_pattern`; people are shown it.",
        )
    elif example and not pattern:
        section.error(
            "case_example",
            "CASE_EXAMPLE_INVALID",
            "There is an example but no `case_pattern`; add the pattern or remove the example.",
        )
    for_grant = section.flag("case_for_grant", default=False)
    for key, wanted in (("case_required", required), ("case_for_grant", for_grant)):
        if wanted and not pattern:
            section.error(key, "CASE_PATTERN_MISSING", "A required case id needs a `case_pattern`; add it.")
    purpose = Purpose(
        name=section.name,
        title=section.text("title"),
        legal_basis=section.text("legal_basis"),
        impact_assessment=section.text("impact_assessment", required=False),
        impact_stage=section.choice("impact_stage", IMPACT_STAGES),
        case_pattern=pattern,
        case_required=required,
        case_example=example,
        retention_days=section.number("retention_days", 1, _CENTURY_DAYS),
        matches_case=matches if callable(matches) else _never,
        case_for_grant=for_grant,
    )
    section.finish()
    return purpose


def _never(_case_id: str) -> bool:
    return False


def read_tools(file: TomlFile, purposes: Mapping[str, Purpose] | None, findings: Findings) -> dict[str, Tool]:
    """Return the tools as far as they are right; the rest is reported."""
    only_groups(file, ("tools",), findings)
    tools: dict[str, Tool] = {}
    uris: set[str] = set()
    subjects: set[str] = set()
    for section in entries(file, "tools", findings):
        tool = _read_tool(section, purposes)
        tools[tool.name] = tool
        for key, value, taken in (
            ("certificate_uri", tool.certificate_uri, uris),
            ("token_subject", tool.token_subject, subjects),
        ):
            if value and value in taken:
                section.error(key, "TOOL_IDENTITY_TWICE", f"Another tool has this `{key}`; two tools cannot share an identity.")
            taken.add(value)
    return tools


def _read_tool(section: Section, purposes: Mapping[str, Purpose] | None) -> Tool:
    uri = section.text("certificate_uri", required=False)
    subject = section.text("token_subject", required=False)
    if not uri and not subject:
        section.error(
            "",
            "TOOL_WITHOUT_IDENTITY",
            "The tool has neither `certificate_uri` nor `token_subject`, so it can never call; add one.",
        )
    if uri and (":" not in uri or not uri.isascii() or any(char in uri for char in ' ,;"')):
        section.error(
            "certificate_uri", "VALUE_INVALID", "`certificate_uri` must be one URI, for example spiffe://company/tool/crm-desk."
        )
    asked = section.names("purposes", wildcard=True)
    for purpose in asked:
        if purposes is not None and purpose != ANY and purpose not in purposes:
            section.error(
                "purposes", "PURPOSE_UNKNOWN", "A purpose of this tool is not in purposes.toml; add it there or remove it here."
            )
    actions = section.names("actions", wildcard=True)
    for action in actions:
        if action != ANY and action not in ACTIONS:
            section.error("actions", "ACTION_UNKNOWN", f"Actions are: {', '.join(ACTIONS)}.")
    tool = Tool(
        name=section.name,
        title=section.text("title"),
        certificate_uri=uri,
        token_subject=subject,
        purposes=frozenset((purposes or ()) if ANY in asked else asked),
        actions=frozenset(ACTIONS if ANY in actions else actions),
        sign_in_clients=frozenset(section.names("sign_in_clients", required=False)),
        asserts_origin=section.flag("asserts_origin"),
        confirm="exempt" if section.choice("confirm", CONFIRM) == "exempt" else "required",
        checks_per_second=section.number("checks_per_second", 0, _MAX_RATE, default=0),
        max_subjects=section.number("max_subjects", 1, _MAX_SUBJECTS),
    )
    section.finish()
    return tool
