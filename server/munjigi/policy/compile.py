"""Compile a policy home into one immutable bundle, or say everything that is wrong with it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from munjigi.kernel.personal import looks_personal
from munjigi.policy.calendar import NO_HOLIDAYS, Calendar
from munjigi.policy.calendar_file import CALENDAR_FILE, check_times, read_calendar
from munjigi.policy.canonical import revision_of
from munjigi.policy.catalog import CATALOG_FILE, CatalogFile, read_catalog
from munjigi.policy.csvfile import read_rows
from munjigi.policy.findings import Findings, decode
from munjigi.policy.hierarchy import close_roles
from munjigi.policy.lint import lint
from munjigi.policy.lint_subject import Subject
from munjigi.policy.model import MODEL_FILE, check_model
from munjigi.policy.registers import PURPOSES_FILE, ROLES_FILE, TOOLS_FILE, read_purposes, read_roles, read_tools
from munjigi.policy.review_rows import REVIEWS_FILE, read_reviews
from munjigi.policy.rules import COND_CELL, POLICY_FILE, Known, Link, PolicyRows, read_policy
from munjigi.policy.tables import read_tables
from munjigi.policy.toml_file import TomlFile, read_toml
from munjigi.policy.types import CLASS_PREFIX, OWN_RESOURCES, Catalog, PolicyBundle, Problem, Purpose, Role, Rule, Tool

REQUIRED_FILES: Final = (MODEL_FILE, POLICY_FILE, CATALOG_FILE, ROLES_FILE, PURPOSES_FILE, TOOLS_FILE)
POLICY_FILES: Final = (*REQUIRED_FILES, CALENDAR_FILE, REVIEWS_FILE)
TEST_FILE: Final = re.compile(r"tests/[A-Za-z0-9][A-Za-z0-9._-]{0,99}\.yaml\Z")
_PLAIN_PATH: Final = re.compile(r"[A-Za-z0-9._/-]{1,128}\Z")
MAX_FILES: Final = 1000


class _Parts(NamedTuple):
    """The files as read; None where one could not be."""

    catalog: CatalogFile | None
    roles: dict[str, Role] | None
    purposes: dict[str, Purpose] | None
    tools: dict[str, Tool] | None
    rows: PolicyRows | None
    places: dict[str, TomlFile]
    calendar: Calendar


def known_file(path: str) -> bool:
    """Tell whether a path, relative to the policy home, names a policy file."""
    return path in POLICY_FILES or TEST_FILE.match(path) is not None


def compile_bundle(files: Mapping[str, bytes], source: str) -> tuple[PolicyBundle | None, tuple[Problem, ...]]:
    """Compile the files of a policy home, by path relative to it.

    `source` says where they come from, for status and records. Returns the bundle, or None when there is an
    error, and all findings by file and line. Never raises, whatever the bytes are.
    """
    findings = Findings()
    texts = _read_texts(files, findings)
    if MODEL_FILE in texts:
        check_model(MODEL_FILE, texts[MODEL_FILE], findings)
    parts = _read_parts(texts, findings)
    cases = [case for path, text in texts.items() if TEST_FILE.match(path) for case in read_tables(path, text, findings)]
    closure = close_roles(POLICY_FILE, parts.roles or {}, parts.rows.hierarchy if parts.rows else (), findings)
    if parts.catalog is None or parts.roles is None or parts.purposes is None or parts.tools is None or parts.rows is None:
        return None, findings.all()
    catalog = parts.catalog.catalog
    classes = _classes(catalog, parts.rows.classified)
    objects = _objects(catalog, classes)
    about = (parts.catalog, parts.roles, parts.purposes, parts.tools, parts.rows, closure, classes, objects, parts.places)
    lint(Subject(*about, tuple(cases)), findings)
    problems = findings.all()
    if findings.failed:
        return None, problems
    rules = tuple([placed.rule for placed in parts.rows.rules])
    bundle = PolicyBundle(
        revision=revision_of(files),
        source=source,
        files=MappingProxyType(dict(files)),
        catalog=catalog,
        roles=parts.roles,
        purposes=parts.purposes,
        tools=parts.tools,
        rules=rules,
        closure=closure,
        classes=classes,
        objects=objects,
        index=_index(rules),
        problems=problems,
        memo={},
        calendar=parts.calendar,
    )
    return bundle, problems


def _read_texts(files: Mapping[str, bytes], findings: Findings) -> dict[str, str]:
    if len(files) > MAX_FILES:
        findings.error("", 0, 0, "TOO_MANY_FILES", f"A policy home has at most {MAX_FILES} files; merge tests.")
        return {}
    texts: dict[str, str] = {}
    for path in sorted(files):
        if not known_file(path):
            message = "This is no file of a policy home; files are: " + ", ".join((*POLICY_FILES, "tests/NAME.yaml")) + "."
            # A path that was sent to be validated may be anything: only one that looks like a file's name is repeated.
            named = path if _PLAIN_PATH.match(path) and not looks_personal(path) else ""
            findings.error(named, 0, 0, "FILE_UNKNOWN", message)
            continue
        text = decode(path, files[path], findings)
        if text is not None:
            texts[path] = text
    for path in REQUIRED_FILES:
        if path not in files:
            findings.error(path, 0, 0, "FILE_MISSING", "The policy home lacks this file; add it.")
    return texts


def _read_parts(texts: Mapping[str, str], findings: Findings) -> _Parts:
    def toml(path: str) -> TomlFile | None:
        return read_toml(path, texts[path], findings) if path in texts else None

    catalog_toml, roles_toml, purposes_toml, tools_toml = (
        toml(path) for path in (CATALOG_FILE, ROLES_FILE, PURPOSES_FILE, TOOLS_FILE)
    )
    calendar_toml = toml(CALENDAR_FILE)
    calendar = read_calendar(calendar_toml, findings) if calendar_toml else NO_HOLIDAYS
    catalog = read_catalog(catalog_toml, findings) if catalog_toml else None
    roles = read_roles(roles_toml, findings) if roles_toml else None
    purposes = read_purposes(purposes_toml, findings) if purposes_toml else None
    tools = read_tools(tools_toml, purposes, findings) if tools_toml else None
    reviews_toml = toml(REVIEWS_FILE)
    if reviews_toml is not None:  # read again by whoever reviews; here only what is wrong with it counts
        read_reviews(reviews_toml, roles, catalog.catalog.masks if catalog else {}, findings)
    rows: PolicyRows | None = None
    if POLICY_FILE in texts:
        known = Known(
            roles=frozenset(roles) if roles is not None else None,
            purposes=frozenset(purposes) if purposes is not None else None,
            catalog=catalog.catalog if catalog else None,
        )
        rows = read_policy(POLICY_FILE, read_rows(POLICY_FILE, texts[POLICY_FILE], findings), known, findings)
        check_times(POLICY_FILE, ((rule.cond, row, COND_CELL) for rule, row in rows.rules), calendar, findings)
    places = {file.file: file for file in (catalog_toml, roles_toml, purposes_toml, tools_toml) if file is not None}
    return _Parts(catalog, roles, purposes, tools, rows, places, calendar)


def _classes(catalog: Catalog, links: Iterable[Link]) -> dict[str, tuple[str, ...]]:
    """Return the classes of each column, in file order of the links; a column without one has none."""
    classes: dict[str, dict[str, None]] = {
        f"{table.name}.{column}": {} for table in catalog.tables.values() for column in table.columns
    }
    for link in links:
        if link.one in classes:
            classes[link.one][link.other.removeprefix(CLASS_PREFIX)] = None
    return {column: tuple(found) for column, found in classes.items()}


def _objects(catalog: Catalog, classes: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Return the rule objects that apply to each target: what g2 and keyMatch of the model would accept."""
    objects: dict[str, tuple[str, ...]] = {}
    for table in catalog.tables.values():
        database = table.name.partition(".")[0]
        for name in table.columns:
            column = f"{table.name}.{name}"
            named = tuple(f"{CLASS_PREFIX}{each}" for each in classes[column])
            objects[column] = (column, f"{table.name}.*", f"{database}.*", *named)
    for name in catalog.masks:
        objects[f"{CLASS_PREFIX}{name}"] = (f"{CLASS_PREFIX}{name}",)
    for resource in OWN_RESOURCES:
        objects[resource] = (resource,)
    return objects


def _index(rules: Iterable[Rule]) -> dict[tuple[str, str, str], dict[str, tuple[Rule, ...]]]:
    building: dict[tuple[str, str, str], dict[str, list[Rule]]] = defaultdict(lambda: defaultdict(list))
    for rule in rules:
        building[rule[1:4]][rule.sub].append(rule)  # object, action, purpose
    return {cells: {sub: tuple(found) for sub, found in by_sub.items()} for cells, by_sub in building.items()}
