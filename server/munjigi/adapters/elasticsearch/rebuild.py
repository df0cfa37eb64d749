"""Make the index again from the logs: whatever was there is removed first, but for what the logs no longer hold."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from munjigi.adapters.elasticsearch.cluster import Cluster
from munjigi.adapters.elasticsearch.documents import Documents, Naming, time_of
from munjigi.adapters.elasticsearch.progress import DeadLetter, Progress
from munjigi.adapters.elasticsearch.sender import Sender
from munjigi.adapters.elasticsearch.shipping import LogShipping
from munjigi.audit.ports import LogSource


async def indices(cluster: Cluster, pattern: str) -> list[str]:
    """Return the names of the indices that `pattern` names, in order: the oldest first. Raises `Unavailable` when refused."""
    reply = await cluster.demand("GET", f"/{pattern}/_settings?filter_path=*.settings.index.uuid")
    return sorted(reply.body)


async def remove_indices(cluster: Cluster, names: Sequence[str]) -> None:
    """Delete indices one by one. Raises `Unavailable` when refused."""
    for name in names:
        await cluster.demand("DELETE", f"/{name}", fine=(404,))


def kept_until(sources: Iterable[LogSource], naming: Naming) -> str:
    """Name the last index with records that retention removed from their log: only the index has them still. Empty for none."""
    last = 0
    for source in sources:
        if source.first() and (found := source.read(source.first(), 1)):
            last = max(last, time_of(found[0][1]))
    return naming.of_time(last) if last else ""


async def ship_again(source: LogSource, documents: Documents, sender: Sender, progress: Progress) -> int:
    """Ship a whole log, whatever its cursor says, and note afresh which records are refused; return how many it shipped.

    The cursor stays as it is, so that a follower at work is not disturbed.
    """
    with tempfile.TemporaryDirectory() as scratch:
        own = Progress(Path(scratch), source.log_id)
        shipping = LogShipping(source, documents, sender, own)
        while await shipping.step():
            pass
        refused = own.dead_letters()
    stored = [DeadLetter(index, 0, "") for index in progress.dead_letters() if index not in refused]
    progress.add_letters([*refused.values(), *stored])
    return shipping.sent
