"""`munjigi audit expire-index`: indices whose records are all past their retention are deleted, with an administrator's account."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from munjigi.cli.cluster import cluster_options, with_cluster
from munjigi.cli.failure import DONE

if TYPE_CHECKING:
    from munjigi.adapters.elasticsearch.cluster import Cluster
    from munjigi.adapters.elasticsearch.expiry import Period
    from munjigi.app.config import Settings


@click.command("expire-index")
@cluster_options
@click.option(
    "--years",
    type=click.IntRange(0, 100),
    default=0,
    metavar="N",
    help="Calendar years that records are kept there. Default: what the law asks for permission records, or retention_years if longer.",
)
@click.option("--yes", is_flag=True, help="Do it. Without it, the command only says what it would do.")
def audit_expire_index(settings: Settings, years: int, yes: bool) -> int:
    """Delete the indices whose whole period is past its retention, and that no legal hold covers.

    An index holds permission records beside the others, so the longest retention counts. What is deleted is noted in the state
    folder first: it is neither missed by `audit reconcile` nor sent again. Legal holds of this installation count; where several
    ship into one cluster, place a hold on each.
    """
    from munjigi.audit.law import law
    from munjigi.kernel.errors import InvalidArgument

    longest = law().longest()
    if 0 < years < longest.years:
        raise InvalidArgument(
            "RETENTION_TOO_SHORT",
            f"An index holds records of every kind, and {longest.asks} ({longest.article}): set more years.",
        )
    found = with_cluster(
        settings, lambda cluster: _expire(settings, cluster, years or max(longest.years, settings.retention_years), yes)
    )
    for name in found:
        click.echo(name)
    if yes:
        click.echo(f"{len(found)} indices were deleted.")
    elif found:
        click.echo(f"{len(found)} indices are past their retention. Run it again with --yes to delete them.")
    else:
        click.echo("No index is past its retention.")
    return DONE


async def _expire(settings: Settings, cluster: Cluster, years: int, yes: bool) -> dict[str, Period]:
    from munjigi.adapters.elasticsearch.expiry import due, note
    from munjigi.adapters.elasticsearch.rebuild import indices, remove_indices
    from munjigi.app.cluster import naming_of
    from munjigi.app.files import StateFolder
    from munjigi.audit.holds import HoldFiles, named_by_marks
    from munjigi.audit.law import law
    from munjigi.kernel.clock import SystemClock

    folder, naming = StateFolder(settings.state_dir), naming_of(settings)
    holds = HoldFiles(folder.holds).standing(named_by_marks(folder.journal))
    there = await indices(cluster, naming.pattern)
    cut = law().cut(SystemClock().now(), years)
    found = due(there, naming, cut, lambda begin, end: any(each.covers(begin, end) for each in holds))
    if yes and found:
        note(folder.shipping, found.values())
        await remove_indices(cluster, list(found))
    return found
