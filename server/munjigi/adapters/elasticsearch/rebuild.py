"""Make the whole index again from the logs: whatever was there is removed first."""

from __future__ import annotations

import tempfile
from pathlib import Path

from munjigi.adapters.elasticsearch.cluster import Cluster
from munjigi.adapters.elasticsearch.documents import Documents
from munjigi.adapters.elasticsearch.progress import DeadLetter, Progress
from munjigi.adapters.elasticsearch.sender import Sender
from munjigi.adapters.elasticsearch.shipping import LogShipping
from munjigi.audit.ports import LogSource


async def remove_indices(cluster: Cluster, pattern: str) -> list[str]:
    """Delete every index that `pattern` names, one by one, and return their names. Raises `Unavailable` when refused."""
    reply = await cluster.demand("GET", f"/{pattern}/_settings?filter_path=*.settings.index.uuid")
    names = sorted(reply.body)
    for name in names:
        await cluster.demand("DELETE", f"/{name}", fine=(404,))
    return names


async def ship_again(source: LogSource, documents: Documents, sender: Sender, progress: Progress) -> int:
    """Ship a whole log, whatever its cursor says, and note afresh which records are refused; return how many records it has.

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
    return shipping.next_index
