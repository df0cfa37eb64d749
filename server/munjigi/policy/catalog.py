"""catalog.toml: databases, tables, data classes and the order of masks."""

from __future__ import annotations

from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from typing import Final

from munjigi.policy.findings import Findings, quoted
from munjigi.policy.sections import Section, entries, only_groups
from munjigi.policy.signin import SignInDemand
from munjigi.policy.signin_sections import read_demand
from munjigi.policy.toml_file import TomlFile
from munjigi.policy.types import CLEAR, OWN_DATABASE, Catalog, Table

CATALOG_FILE: Final = "catalog.toml"

# Masks that exist, from least to most revealing; a class orders its own, this order only breaks ties.
MASKS: Final = ("null", "full", "token", "range", "year", "district", "partial")
_KEY_TYPES: Final = ("integer", "text")


@dataclass(frozen=True, slots=True)
class CatalogFile:
    """The catalog, and the classes that hold unique identifiers."""

    catalog: Catalog
    unique: frozenset[str]


def read_catalog(file: TomlFile, findings: Findings) -> CatalogFile:
    """Return what the catalog says as far as it is right; the rest is reported."""
    only_groups(file, ("databases", "tables", "classes"), findings)
    schemas: dict[str, str] = {}
    for section in entries(file, "databases", findings):
        section.text("title")
        schemas[section.name] = section.text("schema", longest=63)
        if "." in section.name or section.name == OWN_DATABASE:
            section.error("", "NAME_INVALID", f"A database's name has no dot and is not `{OWN_DATABASE}`.")
        section.finish()
    tables = {section.name: _read_table(section, schemas) for section in entries(file, "tables", findings)}
    _check_partitions(file, tables, findings)
    masks: dict[str, tuple[str, ...]] = {}
    unique: set[str] = set()
    sign_in: dict[str, SignInDemand] = {}
    for section in entries(file, "classes", findings):
        masks[section.name] = _read_masks(section)
        if section.flag("unique", default=False):
            unique.add(section.name)
        demand = read_demand(section)
        if demand is not None:
            sign_in[section.name] = demand
        section.text("title")
        section.finish()
    rank = _rank(file, masks, findings)
    return CatalogFile(Catalog(tables, masks, rank, sign_in), frozenset(unique))


def _read_table(section: Section, schemas: dict[str, str]) -> Table:
    database, dot, name = section.name.partition(".")
    if not dot or not name or "." in name:
        section.error("", "NAME_INVALID", "A table's name is `database.table`, written in quotes.")
    elif database not in schemas:
        section.error("", "DATABASE_UNKNOWN", f"Database {quoted(database)} is not in [databases]; add it.")
    columns = section.names("columns")
    for column in columns:
        if "." in column:
            section.error("columns", "NAME_INVALID", f"{quoted(column)} has a dot; a column's name has none.")
    key = section.text("key", longest=64)
    if key and columns and key not in columns:
        section.error("key", "COLUMN_UNKNOWN", "`key` must be one of the table's columns.")
    if not columns:
        section.error("columns", "VALUE_MISSING", "A table needs at least one column.")
    partition_of = section.text("partition_of", required=False)
    table = Table(
        name=section.name,
        schema=schemas.get(database, ""),
        title=section.text("title"),
        key_column=key,
        key_type="text" if section.choice("key_type", _KEY_TYPES) == "text" else "integer",
        columns=columns,
        subjects_of=section.text("subjects_of", required=False) or partition_of or section.name,
        partition_of=partition_of,
    )
    section.finish()
    return table


def _check_partitions(file: TomlFile, tables: dict[str, Table], findings: Findings) -> None:
    """Check that a table's members are those of a table which has members of its own, under one type of key."""
    for table in tables.values():
        if table.partition_of:
            place = file.place(("tables", table.name, "partition_of"))
            whole = tables.get(table.partition_of)
            if whole is None or whole is table:
                findings.error(file.file, *place, "TABLE_UNKNOWN", "`partition_of` must name another table of this file.")
                continue
            if (whole.key_column, whole.subjects_of) != (table.key_column, table.subjects_of):
                message = "A partition has the key and the members of the table that it is a part of; make them equal."
                findings.error(file.file, *place, "PARTITION_KEY_DIFFERS", message)
        place = file.place(("tables", table.name, "subjects_of"))
        people = tables.get(table.subjects_of)
        if people is None or people.subjects_of != people.name:
            message = "`subjects_of` must name the table of this file that lists the members."
            findings.error(file.file, *place, "TABLE_UNKNOWN", message)
        elif people.key_type != table.key_type:
            message = "One member has one reference everywhere; make key_type equal to that of the table that lists the members."
            findings.error(file.file, *place, "KEY_TYPE_DIFFERS", message)


def _read_masks(section: Section) -> tuple[str, ...]:
    written = section.names("masks")
    if not written:
        section.error("masks", "CLASS_WITHOUT_MASK", "The class has no mask; give at least `null`.")
    for mask in written:
        if mask == CLEAR:
            section.error("masks", "VALUE_INVALID", "`clear` comes after the last mask without being written; remove it.")
        elif mask not in MASKS:
            section.error("masks", "MASK_UNKNOWN", f"{quoted(mask)} is no mask; masks are: {', '.join(MASKS)}.")
    return (*(mask for mask in written if mask in MASKS), CLEAR)


def _rank(file: TomlFile, masks: dict[str, tuple[str, ...]], findings: Findings) -> dict[str, int]:
    """Merge the orders of all classes into one; classes that contradict each other are an error."""
    before: dict[str, set[str]] = {mask: set() for mask in MASKS}
    for order in masks.values():
        for less, more in pairwise(order):
            if more != CLEAR:
                before[more].add(less)
    try:
        TopologicalSorter(before).prepare()
    except CycleError:
        line, column = file.place(("classes",))
        message = "Two classes order the same masks differently; give masks one order from least to most revealing."
        findings.error(file.file, line, column, "MASK_ORDER_CONFLICT", message)
        return {mask: rank for rank, mask in enumerate((*MASKS, CLEAR))}
    rank: dict[str, int] = {}
    while len(rank) < len(MASKS):
        # The first of MASKS whose predecessors are placed: the order is the same on every machine.
        following = next(mask for mask in MASKS if mask not in rank and before[mask] <= rank.keys())
        rank[following] = len(rank)
    rank[CLEAR] = len(rank)
    return rank
