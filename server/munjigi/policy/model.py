"""Read model.conf. This release decides with one model, the shipped one, and refuses every other.

A model equals the shipped one when it has the same sections with the same definitions, whitespace aside.
"""

from __future__ import annotations

import re
from typing import Final

from munjigi.policy.findings import Findings, quoted

MODEL_FILE: Final = "model.conf"

# Section -> name -> definition.
SHIPPED: Final[dict[str, dict[str, str]]] = {
    "request_definition": {"r": "sub, obj, act, purpose, ctx"},
    "policy_definition": {"p": "sub, obj, act, purpose, cond, eft, mask"},
    "role_definition": {"g": "_, _", "g2": "_, _"},
    "policy_effect": {"e": "some(where (p.eft == allow)) && !some(where (p.eft == deny))"},
    "matchers": {
        "m": "g(r.sub, p.sub) && (g2(r.obj, p.obj) || keyMatch(r.obj, p.obj)) && "
        '(p.act == "*" || r.act == p.act) && (p.purpose == "*" || r.purpose == p.purpose) && eval(p.cond)',
    },
}
_SECTION: Final = re.compile(r"\[\s*([A-Za-z0-9_]+)\s*\]\Z")
_TOKENS: Final = re.compile(r'"[^"]*"|\s+|[^\s"]+|"')


def check_model(file: str, text: str, findings: Findings) -> None:
    """Report every way in which a model is not the shipped one."""
    section = ""
    seen: dict[str, dict[str, int]] = {}
    for number, value in _logical_lines(text):
        stripped = value.strip()
        if not stripped or stripped[0] in "#;":
            continue
        column = len(value) - len(value.lstrip()) + 1
        found = _SECTION.match(stripped)
        if found:
            section = found[1]
            if section not in SHIPPED:
                findings.error(
                    file,
                    number,
                    column,
                    "MODEL_SECTION_UNKNOWN",
                    f"Section {quoted(section)} is not part of the shipped model; remove it.",
                )
            elif section in seen:
                findings.error(
                    file,
                    number,
                    column,
                    "MODEL_SECTION_TWICE",
                    f"Section {quoted(section)} stands here a second time; merge the two.",
                )
            seen.setdefault(section, {})
            continue
        _check_definition(file, number, column, section, stripped, seen, findings)
    for name, definitions in SHIPPED.items():
        for key in definitions:
            if key not in seen.get(name, {}):
                findings.error(
                    file,
                    0,
                    0,
                    "MODEL_DEFINITION_MISSING",
                    f"`{key}` of section [{name}] is missing; copy it from the shipped model.",
                )


def _check_definition(
    file: str, number: int, column: int, section: str, text: str, seen: dict[str, dict[str, int]], findings: Findings
) -> None:
    key, equals, value = text.partition("=")
    key = key.strip()
    if not equals or not key:
        findings.error(file, number, column, "MODEL_SYNTAX", "A model line is `[section]`, `name = definition` or a `#` comment.")
        return
    if not section:
        findings.error(file, number, column, "MODEL_SYNTAX", "This definition stands before any section; put it under one.")
        return
    if section not in SHIPPED:
        return
    if key not in SHIPPED[section]:
        findings.error(
            file,
            number,
            column,
            "MODEL_DEFINITION_UNKNOWN",
            f"{quoted(key)} is not part of the shipped model's [{section}]; remove it.",
        )
        return
    if key in seen[section]:
        findings.error(file, number, column, "MODEL_DEFINITION_TWICE", f"{quoted(key)} is defined a second time; keep one.")
    seen[section][key] = number
    if _canonical(value) != _canonical(SHIPPED[section][key]):
        message = f"`{key}` is not the shipped model's definition. This release decides with that one only; restore it."
        findings.error(file, number, column, "MODEL_NOT_SUPPORTED", message)


def _logical_lines(text: str) -> list[tuple[int, str]]:
    """Join lines that end in a backslash, as Casbin's reader does."""
    joined: list[tuple[int, str]] = []
    pending = ""
    start = 0
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        if not pending:
            start = number
        if line.rstrip().endswith("\\") and not line.lstrip().startswith(("#", ";")):
            pending += line.rstrip()[:-1] + " "
            continue
        joined.append((start, pending + line))
        pending = ""
    if pending:
        joined.append((start, pending))
    return joined


def _canonical(text: str) -> str:
    """Drop whitespace outside of string literals."""
    return "".join(token for token in _TOKENS.findall(text) if not token.isspace())
