"""The doctor's look at Elasticsearch: whether the account that searches may read, and may not write."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from munjigi.cli.doctor_finding import Finding
from munjigi.kernel.errors import Unavailable

if TYPE_CHECKING:
    from munjigi.app.config import Settings

_CHECK: Final = "search account"
# `write` and `manage` hold all that changes documents or indices; the single ones are what a role may give piece by piece.
_FORBIDDEN: Final = ("create_doc", "create", "index", "delete", "write", "create_index", "delete_index", "manage", "all")
_ROLE: Final = "Give it the role munjigi_reader of docs/elasticsearch.md and no other."


def search_account(settings: Settings) -> Iterable[Finding]:
    """Ask the cluster itself what the account may do; nothing is tried."""
    from munjigi.adapters.elasticsearch.blocking import BlockingCluster
    from munjigi.app.cluster import access_of, naming_of, searched

    if not searched(settings):
        yield Finding(_CHECK, "skip", "the trail is searched in the state folder")
        return
    cluster = BlockingCluster(access_of(settings, "reader"))
    pattern = naming_of(settings).pattern
    asked = {"index": [{"names": [pattern], "privileges": ["read", *_FORBIDDEN]}]}
    try:
        cluster.demand("POST", f"/{pattern}/_search?size=0")
        answer = cluster.request("POST", "/_security/user/_has_privileges", asked)
    except Unavailable as error:
        yield Finding(_CHECK, "fail", error.reason, error.message)
        return
    finally:
        cluster.close()
    yield _judged(pattern, _granted(answer.body, pattern) if answer.ok else None)


def _granted(body: dict[str, Any], pattern: str) -> dict[str, bool] | None:
    """Return which privileges the account has; None when the answer does not say."""
    found = body.get("index", {})
    return found.get(pattern) if isinstance(found, dict) else None


def _judged(pattern: str, granted: dict[str, bool] | None) -> Finding:
    if granted is None:
        return Finding(
            _CHECK, "warn", "this cluster has no accounts: whoever reaches it may change the index", "Switch its security on."
        )
    if not granted.get("read"):
        return Finding(_CHECK, "fail", f"it may not read {pattern}", _ROLE)
    excess = [name for name in _FORBIDDEN if granted.get(name)]
    if excess:
        return Finding(_CHECK, "warn", f"it may do more than read: {', '.join(excess)}", _ROLE)
    return Finding(_CHECK, "ok", f"it may read {pattern}, and not write")
