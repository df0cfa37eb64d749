"""`munjigi serve`: the daemon in the foreground. Its options are the settings, one for one."""

from __future__ import annotations

import typing
from pathlib import Path
from typing import Any, Final

import click

from munjigi.app.config import PREFIX, SETTINGS, load_settings

_SHORT: Final = {
    "state_dir": "DIR",
    "policy_home": "DIR",
    "grpc_address": "HOST:PORT",
    "stream_address": "HOST:PORT",
    "http_address": "HOST:PORT",
}


def _options(command: click.Command) -> click.Command:
    """Add an option for each setting. Variables are read by the settings themselves, so that one place decides who wins."""
    for name, one in SETTINGS.items():
        flag = name.replace("_", "-")
        shown: dict[str, Any] = {
            "help": f"{one.description} [{PREFIX}{name.upper()}; default: {_default(one.default)}]",
            "default": None,
            "allow_from_autoenv": False,
        }
        if one.kind is bool:
            option = click.Option([f"--{flag}/--no-{flag}", name], **shown)
        elif one.listed:
            option = click.Option([f"--{flag}", name], multiple=True, callback=_none_if_empty, metavar="TEXT", **shown)
        elif one.choices:
            option = click.Option([f"--{flag}", name], type=click.Choice(one.choices), **shown)
        else:
            option = click.Option([f"--{flag}", name], metavar=_metavar(name, one.kind), **shown)
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
