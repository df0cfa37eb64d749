"""What a database's tables are: a chain of numbered migrations, each run once, and refused where a number is unknown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from munjigi.kernel.errors import ConfigurationError


class Schema(NamedTuple):
    """Tables that are migrated together. Several schemas may lie in one database, each with its own number.

    `versions` are oldest first, the last one is this code's; `folder` has a file for each, `table` the number of the last one that ran.
    `unknown` makes the refusal where that is none of them.
    """

    versions: tuple[str, ...]
    folder: Path
    table: str
    unknown: Callable[[], ConfigurationError]


SCHEMA_VERSIONS: Final = (
    "0001",
    "0002",
    "0003",
    "0004",
    "0005",
    "0006",
    "0007",
    "0008",
    "0009",
    "0010",
)  # of the state, oldest first; the last one is this code's


def _state_newer() -> ConfigurationError:
    return ConfigurationError(
        "STATE_NEWER", "The state store was written by a newer Munjigi; start that version, or restore a backup made by this one."
    )


def _leases_newer() -> ConfigurationError:
    return ConfigurationError(
        "LEASES_NEWER",
        "The file of leases was written by a newer Munjigi; start that version, or remove the file while no munjigi runs there.",
    )


STATE: Final = Schema(SCHEMA_VERSIONS, Path(__file__).with_name("migrations") / "versions", "alembic_version", _state_newer)
LEASES: Final = Schema(("0001",), Path(__file__).with_name("lease_versions"), "alembic_version", _leases_newer)
