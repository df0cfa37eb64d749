"""`munjigi serve`: the daemon in the foreground. Its options are the settings, one for one."""

from __future__ import annotations

import typing
from pathlib import Path
from typing import Any, Final

import click

from munjigi.app.config import PREFIX, Settings, load_settings

_SHORT: Final = {"state_dir": "DIR", "policy_home": "DIR", "grpc_address": "HOST:PORT", "http_address": "HOST:PORT"}


def _options(command: click.Command) -> click.Command:
    """Add an option for each setting. Variables are read by the settings themselves, so that one place decides who wins."""
    for name, field in Settings.model_fields.items():
        flag = name.replace("_", "-")
        shown = {
            "help": f"{field.description} [{PREFIX}{name.upper()}; default: {_default(field.default)}]",
            "default": None,
            "allow_from_autoenv": False,
        }
        choices = typing.get_args(field.annotation)
        if field.annotation is bool:
            option = click.Option([f"--{flag}/--no-{flag}", name], **shown)
        elif choices and all(isinstance(each, str) for each in choices):
            option = click.Option([f"--{flag}", name], type=click.Choice(choices), **shown)
        else:
            kind = {int: "N", float: "SECONDS"}.get(field.annotation, "TEXT")  # type: ignore[call-overload] - annotations are types here
            option = click.Option(
                [f"--{flag}", name], metavar=_SHORT.get(name, "FILE" if Path in (field.annotation, *choices) else kind), **shown
            )
        command.params.append(option)
    return command


def _default(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) if value not in (None, "") else "none"


@click.command("serve")
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    allow_from_autoenv=False,
    help=f"TOML file with settings; variables and options win over it. [{PREFIX}CONFIG]",
)
def _serve(config: Path | None, **options: Any) -> int:
    """Run Munjigi in the foreground.

    Without options this is the embedded installation: loopback only, state under ./var, the sample company.
    """
    from munjigi.app.supervisor import serve as run  # noqa: PLC0415 - the daemon's imports are for the daemon

    return run(load_settings(options, config), lambda text: click.echo(text))


serve: Final = _options(_serve)
