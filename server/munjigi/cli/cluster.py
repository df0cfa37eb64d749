"""What the commands on Elasticsearch share: the daemon's own settings say where it is, an option may name another account."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from munjigi.cli.failure import Failure

if TYPE_CHECKING:
    from munjigi.adapters.elasticsearch.cluster import Cluster
    from munjigi.app.config import Settings

T = TypeVar("T")


def cluster_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command that changes or repairs something `settings`, read as the daemon reads them."""
    return _with_settings(command, "elasticsearch_credentials", "of an account that may do this.")


def reader_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command that only reads `settings`, read as the daemon reads them."""
    return _with_settings(command, "elasticsearch_reader", "of an account that may read.")


def _with_settings(command: Callable[..., Any], account: str, whose: str) -> Callable[..., Any]:
    variable = f"MUNJIGI_{account.upper()}"

    @click.option(
        "--config",
        type=click.Path(path_type=Path, dir_okay=False),
        envvar="MUNJIGI_CONFIG",
        show_envvar=True,
        help="TOML file with the daemon's settings.",
    )
    @click.option(
        "--state-dir",
        type=click.Path(path_type=Path, file_okay=False),
        envvar="MUNJIGI_STATE_DIR",
        show_envvar=True,
        help="State folder.",
    )
    @click.option(
        "--credentials",
        type=click.Path(path_type=Path, dir_okay=False),
        envvar=variable,
        show_envvar=True,
        help=f"File (mode 0600) with `name:password` or an encoded API key, {whose}",
    )
    @functools.wraps(command)
    def wrapped(*args: Any, config: Path | None, state_dir: Path | None, credentials: Path | None, **options: Any) -> Any:
        from munjigi.app.config import load_settings

        settings = load_settings({"state_dir": state_dir, account: credentials}, config)
        if not settings.elasticsearch_urls:
            raise Failure(
                "There is no Elasticsearch in the settings.",
                "Name its nodes, for example MUNJIGI_ELASTICSEARCH_URLS='[\"https://search.example:9200\"]'.",
            )
        return command(*args, settings=settings, **options)

    return wrapped


def with_cluster(settings: Settings, work: Callable[[Cluster], Awaitable[T]]) -> T:
    """Do some work on the cluster that the settings name."""
    from munjigi.adapters.elasticsearch.cluster import Cluster
    from munjigi.app.cluster import access_of

    async def run() -> T:
        async with Cluster(access_of(settings)) as cluster:
            return await work(cluster)

    return asyncio.run(run())
