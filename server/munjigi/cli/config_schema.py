"""`munjigi config schema`: every setting of `munjigi serve`, generated from the settings themselves."""

from __future__ import annotations

from typing import Any

import click


@click.command("schema")
@click.option(
    "--output",
    "-o",
    type=click.Choice(["json", "table"]),
    default="json",
    show_default=True,
    envvar="MUNJIGI_OUTPUT",
    show_envvar=True,
    help="JSON Schema (draft 2020-12), or a table for people.",
)
def config_schema(output: str) -> None:
    """Show every setting of `munjigi serve`."""
    from munjigi.app.config import PREFIX, SETTINGS, Settings
    from munjigi.app.setting import schema_of
    from munjigi.cli.output import console, print_json, safe, table

    schema: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Munjigi configuration",
        "description": Settings.__doc__,
        "type": "object",
        "additionalProperties": False,
        "properties": {name: schema_of(one) for name, one in SETTINGS.items()},
    }
    if output == "json":
        print_json(schema)
        return
    listing = table("setting", "variable", "default", "meaning", fold=("meaning", "default", "variable", "setting"))
    for name, entry in schema["properties"].items():
        choices = entry.get("enum")
        meaning = entry.get("description", "") + (f" One of: {', '.join(choices)}." if choices else "")
        listing.add_row(name, PREFIX + name.upper(), safe(_default(entry.get("default"))), safe(meaning))
    screen = console()
    screen.print(listing)
    screen.print("Options of `munjigi serve` win over variables, those over the TOML file of --config, those over the defaults.")


def _default(value: object) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
