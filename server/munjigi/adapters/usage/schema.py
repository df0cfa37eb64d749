"""The migrations of counted use: in a file of its own, or beside the state's tables in a database, with a number of their own there."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from munjigi.adapters.state.schema import Schema
from munjigi.kernel.errors import ConfigurationError


def _other_version() -> ConfigurationError:
    return ConfigurationError(
        "USAGE_OTHER_VERSION", "The counted use was written by another version of Munjigi; start that one, or restore a backup."
    )


USAGE_SCHEMA: Final = Schema(("0001",), Path(__file__).with_name("versions"), "usage_version", _other_version)
