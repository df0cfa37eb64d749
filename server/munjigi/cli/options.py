"""Options that commands share, collected into one value. Each has its environment variable."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import click

from munjigi.cli.moments import zone_option

Output = Literal["table", "json", "ndjson"]
Command = Callable[..., Any]
DEFAULT_ADDRESS: Final = "127.0.0.1:7443"
DEFAULT_STATE: Final = "var"
OPERATOR: Final = "local.operator"
TOOL: Final = "munjigi-cli"


@dataclass(frozen=True, slots=True)
class Connection:
    """Where Munjigi is and who asks it. `timeout` in seconds; empty paths and names mean not given."""

    address: str
    state_dir: Path
    employee: str
    tool: str
    ca: Path | None
    cert: Path | None
    key: Path | None
    timeout: float
    verbose: bool


output_option = click.option(
    "--output",
    "-o",
    type=click.Choice(["table", "json", "ndjson"]),
    default="table",
    show_default=True,
    envvar="MUNJIGI_OUTPUT",
    show_envvar=True,
    help="Form of the answer: for people, one JSON document, or one JSON object a line.",
)

state_option = click.option(
    "--state-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=DEFAULT_STATE,
    show_default=True,
    envvar="MUNJIGI_STATE_DIR",
    show_envvar=True,
    help="State folder.",
)

_FILE: Final = click.Path(path_type=Path, dir_okay=False, exists=True)
_STATE_URL: Final = (
    click.option(
        "--state-url",
        default="",
        envvar="MUNJIGI_STATE_URL",
        show_envvar=True,
        help="PostgreSQL database for the state: postgresql://USER@HOST:PORT/DATABASE. Default: a file of the state folder.",
    ),
    click.option(
        "--state-authority",
        type=_FILE,
        envvar="MUNJIGI_STATE_AUTHORITY",
        show_envvar=True,
        help="Authority of that database's certificate (PEM).",
    ),
    click.option(
        "--state-password-file",
        type=_FILE,
        envvar="MUNJIGI_STATE_PASSWORD_FILE",
        show_envvar=True,
        help="File (mode 0600) with its password. Otherwise MUNJIGI_STATE_PASSWORD.",
    ),
)


def state_url_options(command: Command) -> Command:
    """Give a command the options that name a database for the state."""
    for option in reversed(_STATE_URL):
        command = option(command)
    return command


archive_option = click.option(
    "--archive",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    envvar="MUNJIGI_ARCHIVE_DIR",
    show_envvar=True,
    help="Folder that closed segments were copied to.",
)

_CONNECTION: Final = (
    click.option(
        "--grpc-address",
        default=DEFAULT_ADDRESS,
        show_default=True,
        envvar="MUNJIGI_GRPC_ADDRESS",
        show_envvar=True,
        help="Where Munjigi answers: host:port, or unix:/path.",
    ),
    click.option(
        "--as",
        "employee",
        default="",
        metavar="EMPLOYEE",
        envvar="MUNJIGI_AS",
        show_envvar=True,
        help="Ask as this sample employee (embedded identity only). Otherwise MUNJIGI_TOKEN, `munjigi login`, local.operator.",
    ),
    click.option(
        "--tool",
        default=TOOL,
        show_default=True,
        envvar="MUNJIGI_TOOL",
        show_envvar=True,
        help="Ask through this registered tool (embedded identity only).",
    ),
    state_option,
    click.option("--ca", type=_FILE, envvar="MUNJIGI_CA", show_envvar=True, help="Authority of the server's certificate (PEM)."),
    click.option(
        "--cert", type=_FILE, envvar="MUNJIGI_CERT", show_envvar=True, help="This tool's certificate (PEM), for mutual TLS."
    ),
    click.option("--key", type=_FILE, envvar="MUNJIGI_KEY", show_envvar=True, help="This tool's key (PEM)."),
    click.option(
        "--timeout",
        type=click.FloatRange(min=0.1, max=600),
        default=10.0,
        show_default=True,
        envvar="MUNJIGI_TIMEOUT",
        show_envvar=True,
        help="Longest wait for one answer. Seconds.",
    ),
    click.option("--verbose", "-v", is_flag=True, envvar="MUNJIGI_VERBOSE", help="Say on standard error who is asked as whom."),
)


def connected(command: Command) -> Command:
    """Give a command the options of a connection and `--output`; it receives `connection` and `output`."""

    @functools.wraps(command)
    def collect(
        *,
        grpc_address: str,
        employee: str,
        tool: str,
        state_dir: Path,
        ca: Path | None,
        cert: Path | None,
        key: Path | None,
        timeout: float,
        verbose: bool,
        **rest: Any,
    ) -> Any:
        return command(connection=Connection(grpc_address, state_dir, employee, tool, ca, cert, key, timeout, verbose), **rest)

    wrapped: Command = collect
    for option in reversed((output_option, zone_option, *_CONNECTION)):
        wrapped = option(wrapped)
    return wrapped
