"""Find what is legal Casbin but wrong or dangerous here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from munjigi.policy.catalog import CatalogFile
from munjigi.policy.findings import Findings
from munjigi.policy.rules import POLICY_FILE, PolicyRows
from munjigi.policy.types import Purpose, Role, RolePath, Tool


class Subject(NamedTuple):
    """A policy home as read; the parts that could be read."""

    catalog: CatalogFile
    roles: Mapping[str, Role]
    purposes: Mapping[str, Purpose]
    tools: Mapping[str, Tool]
    rows: PolicyRows
    closure: Mapping[str, tuple[RolePath, ...]]
    classes: Mapping[str, tuple[str, ...]]
    objects: Mapping[str, tuple[str, ...]]


def lint(subject: Subject, findings: Findings) -> None:
    """Report what the table below finds."""
    if not subject.rows.rules:
        findings.error(POLICY_FILE, 0, 0, "POLICY_EMPTY", "There is no rule, so everything is denied; add rules.")
