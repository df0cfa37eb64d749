"""`munjigi serve`: the daemon in the foreground. Its options are the settings, one for one."""

from __future__ import annotations

import typing
from pathlib import Path
from typing import Any, Final

import click

from munjigi.app.config import PREFIX, Settings, load_settings

_SHORT: Final = {
    "state_dir": "DIR",
    "policy_home": "DIR",
    "grpc_address": "HOST:PORT",
    "stream_address": "HOST:PORT",
    "http_address": "HOST:PORT",
}


def _options(command: click.Command) -> click.Command:
    """Add an option for each setting. Variables are read by the settings themselves, so that one place decides who wins."""
    for name, field in Settings.model_fields.items():
        flag = name.replace("_", "-")
        shown: dict[str, Any] = {
            "help": f"{field.description} [{PREFIX}{name.upper()}; default: {_default(field.default)}]",
            "default": None,
            "allow_from_autoenv": False,
        }
        choices = typing.get_args(field.annotation)
        if field.annotation is bool:
            option = click.Option([f"--{flag}/--no-{flag}", name], **shown)
        elif typing.get_origin(field.annotation) is tuple:
            option = click.Option([f"--{flag}", name], multiple=True, callback=_none_if_empty, metavar="TEXT", **shown)
        elif choices and all(isinstance(each, str) for each in choices):
            option = click.Option([f"--{flag}", name], type=click.Choice(choices), **shown)
        else:
            option = click.Option([f"--{flag}", name], metavar=_metavar(name, field.annotation), **shown)
        command.params.append(option)
    return command


def _none_if_empty(_ctx: click.Context, _param: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...] | None:
    return value or None


def _metavar(name: str, kind: Any) -> str:
    if name in _SHORT:
        return _SHORT[name]
    if Path in (kind, *typing.get_args(kind)):
        return "FILE"
    return "N" if kind in (int, float) else "TEXT"


def _default(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
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
    from munjigi.app.supervisor import serve as run

    # A worker that refuses its configuration ends with another code than 1; to the shell it is one failure like any other.
    return min(run(load_settings(options, config), click.echo), 1)


serve: Final = _options(_serve)
