"""`munjigi audit install-index`: what the shipper needs in Elasticsearch, installed once by an administrator's account."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from munjigi.cli.cluster import cluster_options, with_cluster

if TYPE_CHECKING:
    from munjigi.app.config import Settings


@click.command("install-index")
@cluster_options
@click.option(
    "--replicas", type=click.IntRange(0, 10), default=1, show_default=True, help="Copies of each index besides the first."
)
@click.option(
    "--keep-days",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    metavar="N",
    help="Let the cluster delete an index so many days after it was made; 0 keeps all. At least three years.",
)
def audit_install_index(settings: Settings, replicas: int, keep_days: int) -> None:
    """Install the index template in Elasticsearch, with an administrator's account.

    Run it before the first start, and after an update whose release notes say so. The daemon's own account only creates documents.
    """
    from munjigi.adapters.elasticsearch.expiry import note
    from munjigi.adapters.elasticsearch.template import install
    from munjigi.app.cluster import naming_of
    from munjigi.app.files import StateFolder

    naming = naming_of(settings)
    done = with_cluster(settings, lambda cluster: install(cluster, naming, replicas=replicas, keep_days=keep_days))
    shipping = StateFolder(settings.state_dir).shipping
    if shipping.is_dir():
        note(shipping, keep_days=keep_days if done.lifecycle else 0)
    elif done.lifecycle:
        click.echo(f"Run this again when {shipping} is there: `munjigi audit reconcile` must know what the cluster deletes.")
    click.echo(f"Installed the index template {done.template} for {naming.pattern}.")
    if done.lifecycle:
        click.echo(f"The cluster deletes an index {keep_days} days after it was made.")
    elif keep_days:
        click.echo("This cluster has no index lifecycle management: run `munjigi audit expire-index` once a month.")
