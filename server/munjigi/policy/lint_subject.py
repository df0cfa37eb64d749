"""What the checks of a policy home look at: the files as read, before they become a bundle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from munjigi.policy.catalog import CatalogFile
from munjigi.policy.csvfile import Row
from munjigi.policy.rules import PolicyRows
from munjigi.policy.tables import TableCase
from munjigi.policy.toml_file import Path, TomlFile
from munjigi.policy.types import Purpose, Role, RolePath, Tool


class Subject(NamedTuple):
    """A policy home as read, before it becomes a bundle. `cases` are those of its decision tables."""

    catalog: CatalogFile
    roles: Mapping[str, Role]
    purposes: Mapping[str, Purpose]
    tools: Mapping[str, Tool]
    rows: PolicyRows
    closure: Mapping[str, tuple[RolePath, ...]]
    classes: Mapping[str, tuple[str, ...]]
    objects: Mapping[str, tuple[str, ...]]
    places: Mapping[str, TomlFile]
    cases: tuple[TableCase, ...]

    def place(self, file: str, path: Path) -> tuple[int, int]:
        """Return line and column of a key of a TOML file."""
        return self.places[file].place(path)


def at(row: Row, cell: int) -> tuple[int, int]:
    """Return line and column of a cell of policy.csv."""
    return row.line, row.column(cell)
