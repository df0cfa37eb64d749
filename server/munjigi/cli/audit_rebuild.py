"""`munjigi audit rebuild`: the whole index again from the logs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from munjigi.cli.cluster import cluster_options, with_cluster
from munjigi.cli.failure import DONE, UNVERIFIED, Failure

if TYPE_CHECKING:
    from munjigi.adapters.elasticsearch.cluster import Cluster
    from munjigi.app.config import Settings


@click.command("rebuild")
@cluster_options
@click.option(
    "--yes", is_flag=True, help="Do it: delete every index of ours first. Without it, the command only says what it would do."
)
def audit_rebuild(settings: Settings, yes: bool) -> int:
    """Delete Munjigi's indices in Elasticsearch and make them again from the logs.

    An index that has records past their retention, which are in no log any more, is kept and filled up. Searches find less until
    it is done; decisions go on. Where several hosts ship into one cluster, run `munjigi audit
    reconcile` on the others afterwards.
    """
    from munjigi.app.cluster import naming_of

    if not yes:
        raise Failure(
            f"Nothing was done: this deletes every index {naming_of(settings).pattern} and makes it again from {settings.state_dir}.",
            "Run it again with --yes.",
        )
    removed, kept, records, refused = with_cluster(settings, lambda cluster: _rebuild(settings, cluster))
    click.echo(f"{removed} indices removed, {records} records shipped.")
    if kept:
        click.echo(f"{kept} indices were kept and filled up: they have records that are past their retention here.")
    if refused:
        click.echo(f"{refused} of them were refused; `munjigi audit reconcile` tells more.", err=True)
    return UNVERIFIED if refused else DONE


async def _rebuild(settings: Settings, cluster: Cluster) -> tuple[int, int, int, int]:
    from munjigi.adapters.elasticsearch.progress import Progress
    from munjigi.adapters.elasticsearch.rebuild import indices, kept_until, remove_indices, ship_again
    from munjigi.adapters.elasticsearch.sender import Sender
    from munjigi.app.cluster import documents_of, naming_of
    from munjigi.app.files import StateFolder
    from munjigi.app.log_sources import LogSources

    folder = StateFolder(settings.state_dir)
    sources = LogSources(folder)
    sender = Sender(cluster)
    records = refused = 0
    try:
        logs = sources.look()
        last = kept_until(logs, naming_of(settings))
        there = await indices(cluster, naming_of(settings).pattern)
        removed = [name for name in there if name > last]
        await remove_indices(cluster, removed)
        for source in logs:
            progress = Progress(folder.shipping, source.log_id)
            records += await ship_again(source, documents_of(settings), sender, progress)
            refused += len(progress.dead_letters())
    finally:
        sources.close()
    return len(removed), len(there) - len(removed), records, refused
