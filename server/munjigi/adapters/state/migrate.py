"""Run pending migrations inside the caller's transaction. Imported only when one is pending."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from munjigi.adapters.state.schema import STATE, Schema


def upgrade(connection: Connection, version: str = "head", schema: Schema = STATE) -> None:
    """Bring a schema to a version, by default the newest one; the caller commits."""
    command.upgrade(config_of(schema, connection), version)


def config_of(schema: Schema, connection: Connection | None = None) -> Config:
    """Return what alembic has to know; there is no alembic.ini."""
    config = Config()
    for name, path in (("script_location", Path(__file__).with_name("migrations")), ("version_locations", schema.folder)):
        config.set_main_option(name, str(path).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    config.attributes.update(connection=connection, version_table=schema.table)
    return config
