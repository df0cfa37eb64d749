"""The doctor's look at Elasticsearch: whether it is there and prepared, and whether the account that searches may read, and not write."""

from __future__ import annotations

import stat
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from munjigi.cli.doctor_finding import Finding
from munjigi.kernel.errors import Unavailable

if TYPE_CHECKING:
    from munjigi.adapters.elasticsearch.access import Reply
    from munjigi.app.config import Settings

_CHECK: Final = "search account"
_SHIPPING: Final = "shipping"
_WAIT: Final = 5.0  # seconds for an answer
# `write` and `manage` hold all that changes documents or indices; the single ones are what a role may give piece by piece.
_FORBIDDEN: Final = ("create_doc", "create", "index", "delete", "write", "create_index", "delete_index", "manage", "all")
_ROLE: Final = "Give it the role munjigi_reader of docs/elasticsearch.md and no other."


def shipping(settings: Settings) -> Iterable[Finding]:
    """Look at the credentials' file, and ask the cluster for the template: every answer tells that it is there."""
    from munjigi.adapters.elasticsearch.access import Authorization
    from munjigi.adapters.elasticsearch.blocking import BlockingCluster
    from munjigi.app.cluster import access_of, naming_of

    if not settings.elasticsearch_urls:
        yield Finding(_SHIPPING, "skip", "nothing is shipped to Elasticsearch")
        return
    access = replace(access_of(settings), timeout=_WAIT)
    if (path := access.credentials) is not None:
        Authorization(access).header()  # refuses what others can read, or nobody
        yield Finding("shipping credentials", "ok", f"{path}, mode {stat.S_IMODE(path.stat().st_mode):04o}")
    cluster = BlockingCluster(access)
    naming = naming_of(settings)
    try:
        answer = cluster.request("GET", f"/_index_template/{naming.prefix}?filter_path=index_templates.name")
        # The shipper's role is right to forbid that. What its template has made, it may look at.
        made = cluster.request("GET", f"/{naming.pattern}/_mapping?filter_path=*.mappings.dynamic")
    except Unavailable as error:
        yield Finding(_SHIPPING, "fail", error.reason, error.message)
        return
    finally:
        cluster.close()
    yield _prepared(naming.prefix, answer, made)


def _prepared(prefix: str, template: Reply, made: Reply) -> Finding:
    from munjigi.adapters.elasticsearch.access import refusal

    missing = "munjigi audit install-index"
    if not made.ok:
        error = refusal(made.status, made.error_type)
        return Finding(_SHIPPING, "fail", error.reason, error.message)
    loose = sorted(name for name, each in made.body.items() if each.get("mappings", {}).get("dynamic") != "strict")
    if loose:
        return Finding(
            _SHIPPING, "fail", f"{loose[0]} was made without Munjigi's template", f"{missing}; then delete that index."
        )
    if template.status == 404:
        return Finding(_SHIPPING, "fail", f"Elasticsearch answers, and has no template {prefix}", missing)
    if made.body or template.ok:
        return Finding(_SHIPPING, "ok", f"Elasticsearch answers; its template {prefix} is there, {len(made.body)} indices by it")
    todo = "If it was never installed: munjigi audit install-index."
    return Finding(
        _SHIPPING, "ok", "Elasticsearch answers; there is no index yet, and this account may not see the template", todo
    )


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
