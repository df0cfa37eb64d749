"""A synthetic installation holds made-up people only, is named so for ever, and meets nothing real.

The name of its seal says it (`audit/seal/origin.py`), so that no file has to be believed: it is in every checkpoint, and no key signs
under another name. What is written there says it, too, record by record; logs that say something else than the name are refused.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from munjigi.adapters.seal_keys import INSTALLATION, public_key
from munjigi.app.addresses import is_local, local_url
from munjigi.app.files import StateFolder
from munjigi.audit.seal.origin import is_synthetic
from munjigi.kernel.errors import ConfigurationError, Corruption

if TYPE_CHECKING:
    from collections.abc import Iterator

    from munjigi.app.config import Settings
    from munjigi.grants.ports import PermissionRows


def marked(folder: StateFolder) -> bool:
    """Tell whether the folder is that of a synthetic installation. Raises `ConfigurationError` when its name can't be read."""
    path = folder.keys / f"{INSTALLATION}.vkey"
    return path.exists() and is_synthetic(public_key(path).name)


def refuse_meeting(settings: Settings) -> None:
    """Refuse settings under which made-up records would meet real people or others' servers.

    Raises `ConfigurationError`.
    """
    for problem, fix in _meetings(settings):
        raise ConfigurationError("SYNTHETIC_AND_REAL", f"Refused: the state folder is synthetic, and {problem}; {fix}.")


def _meetings(settings: Settings) -> Iterator[tuple[str, str]]:
    another = "or serve another state folder (MUNJIGI_STATE_DIR)"
    if settings.identity != "embedded" or settings.oidc_issuer:
        yield "employees would sign in with a real identity provider", f"leave the MUNJIGI_OIDC_ settings out, {another}"
    if not all(local_url(url) for url in settings.elasticsearch_urls):
        yield "its records would go to an Elasticsearch that is not on this machine", f"name one on loopback, {another}"
    if settings.member_key is not None:
        yield "its members would have references by another installation's key", f"leave MUNJIGI_MEMBER_KEY out, {another}"
    if settings.state_url:
        yield "its state would go to a database that others may share", f"leave MUNJIGI_STATE_URL out, {another}"
    if settings.scim_address:
        yield "a directory would write real people into it", f"leave MUNJIGI_SCIM_ADDRESS out, {another}"
    hook, relay = settings.notice_webhook, settings.notice_smtp
    if (hook and not local_url(hook)) or (relay and not is_local(relay)):
        yield "notices about made-up people would leave this machine", f"name a receiver on loopback, {another}"


def refuse_mixed(folder: StateFolder, store: PermissionRows, *, synthetic: bool) -> None:
    """Refuse logs that begin with records of the other kind: real and made-up ones never lie in one folder.

    Raises `Corruption`.
    """
    from munjigi.audit.reader import JournalReader, list_logs  # noqa: PLC0415 - the supervisor reads no log, and starts sooner
    from munjigi.audit.records import decode  # noqa: PLC0415 - same

    found = []
    for log_id in list_logs(folder.journal):
        with closing(JournalReader(folder.journal / log_id)) as log:
            found += [payload for _, payload in log.read(log.first(), 1)]
    found += [row.payload for row in store.log_rows(0, 1)]
    if any(decode(payload).synthetic != synthetic for payload in found):
        kind, other = ("synthetic", "real") if synthetic else ("real", "synthetic")
        raise Corruption(
            "SYNTHETIC_MIXED",
            f"{folder.root} is named a {kind} installation and has a log of a {other} one: files of two were put together. "
            "Munjigi does not start on it; put a whole backup in place with `munjigi restore`.",
        )
