"""What an administrator installs once: the strict template of our indices, and where the server can, how long they are kept.

The account that ships may only create documents, so this is done with another one.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from munjigi.adapters.elasticsearch.cluster import Cluster
from munjigi.adapters.elasticsearch.documents import Naming, Rollover
from munjigi.audit.law import days_of, law
from munjigi.audit.schema.ecs import index_template
from munjigi.kernel.errors import InvalidArgument

_HELD_DAYS: Final[dict[Rollover, int]] = {"day": 1, "month": 31}  # an index is as old as its first record, not its last one


class Installed(NamedTuple):
    """What was installed; `lifecycle` tells whether the server deletes old indices by itself."""

    template: str
    lifecycle: bool


async def install(cluster: Cluster, naming: Naming, *, replicas: int = 1, keep_days: int = 0) -> Installed:
    """Install or replace the template; with `keep_days` also a policy that deletes an index that many days after it was made.

    Raises `InvalidArgument` for fewer days than the law asks for, `Unavailable` when the cluster refuses.
    """
    kept = law().longest()  # an index holds records of all families
    least = days_of(kept.years) + _HELD_DAYS[naming.rollover]
    if 0 < keep_days < least:
        raise InvalidArgument(
            "RETENTION_TOO_SHORT",
            f"An index holds records of every kind, and {kept.asks} ({kept.article}): set at least {least} days, or none.",
        )
    settings: dict[str, Any] = {"number_of_replicas": replicas, "codec": "best_compression"}
    lifecycle = bool(keep_days) and await _install_lifecycle(cluster, naming.prefix, keep_days)
    if lifecycle:
        settings["lifecycle"] = {"name": naming.prefix}
    body: dict[str, Any] = index_template(naming.pattern)
    body["template"] = {**body["template"], "settings": {"index": settings}}
    await cluster.demand("PUT", f"/_index_template/{naming.prefix}", body)
    return Installed(naming.prefix, lifecycle)


async def _install_lifecycle(cluster: Cluster, name: str, days: int) -> bool:
    """Tell whether the server has index lifecycle management; one without it knows no such address."""
    phases = {"hot": {"actions": {}}, "delete": {"min_age": f"{days}d", "actions": {"delete": {}}}}
    reply = await cluster.demand("PUT", f"/_ilm/policy/{name}", {"policy": {"phases": phases}}, fine=(400, 404, 405))
    return reply.ok
