"""What the settings say of the Elasticsearch cluster: where it is, who asks, how indices are named, and who searches it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from munjigi.adapters.elasticsearch.access import NAMES, Access, Part
from munjigi.app.config import Settings
from munjigi.app.files import StateFolder
from munjigi.kernel.clock import SystemClock
from munjigi.kernel.errors import ConfigurationError

if TYPE_CHECKING:
    from munjigi.adapters.elasticsearch.documents import Documents, Naming

_TIMEOUTS: Final[dict[Part, float]] = {"shipper": 30.0, "reader": 5.0}  # seconds of one request: somebody waits for a search


def access_of(settings: Settings, part: Part = "shipper") -> Access:
    """Return where the cluster is and who the daemon is to it."""
    return Access(
        settings.elasticsearch_urls,
        settings.elasticsearch_authority,
        settings.elasticsearch_credentials if part == "shipper" else settings.elasticsearch_reader,
        timeout=_TIMEOUTS[part],
        part=part,
    )


def naming_of(settings: Settings) -> Naming:
    """Return which index a record belongs to."""
    from munjigi.adapters.elasticsearch.documents import Naming  # noqa: PLC0415 - costs start time, and needs a cluster

    return Naming(settings.elasticsearch_prefix, settings.elasticsearch_rollover)


def documents_of(settings: Settings) -> Documents:
    """Return what makes documents of records, and knows which are past their retention there."""
    from munjigi.adapters.elasticsearch.documents import Documents  # noqa: PLC0415 - same
    from munjigi.adapters.elasticsearch.expiry import expired  # noqa: PLC0415 - same

    known, clock = expired(StateFolder(settings.state_dir).shipping), SystemClock()
    return Documents(naming_of(settings), expected=lambda time: not known.covers(time, clock.now()))


def searched(settings: Settings) -> bool:
    """Tell whether the trail is searched in Elasticsearch.

    Raises `ConfigurationError` when that is demanded, and only the shipper's account is known.
    """
    if settings.audit_search == "sqlite" or not settings.elasticsearch_urls:
        return False
    if _known(settings, "reader") or not _known(settings, "shipper"):
        return True
    if settings.audit_search == "auto":
        return False
    raise ConfigurationError(
        "READER_MISSING",
        f"audit_search = elasticsearch, but no account is named that may read there: set {NAMES['reader'].setting}.",
    )


def _known(settings: Settings, part: Part) -> bool:
    return access_of(settings, part).credentials is not None or bool(os.environ.get(NAMES[part].variable, "").strip())
