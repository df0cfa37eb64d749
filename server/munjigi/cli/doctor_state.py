"""The doctor's look at the database that holds the state, where it is not a file."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from typing import TYPE_CHECKING, Final

from munjigi.cli.doctor_finding import Finding
from munjigi.kernel.errors import Unavailable

if TYPE_CHECKING:
    from munjigi.app.config import Settings

_CHECK: Final = "state store"


def state_store(settings: Settings) -> Iterable[Finding]:
    """Connect as a reader: server, durability, account, schema. Raises what the store raises."""
    from munjigi.app.files import StateFolder
    from munjigi.app.state import address_of, noted, reader_of

    address = address_of(settings)
    known = noted(StateFolder(settings.state_dir))
    if address is None and known is not None:
        yield Finding(_CHECK, "fail", f"the folder's state is in PostgreSQL ({known.place})", "Set MUNJIGI_STATE_URL.")
        return
    if address is None:
        yield Finding(_CHECK, "skip", "a file of the state folder")
        return
    with closing(reader_of(address)) as store:
        server = store.look()
        yield Finding(
            _CHECK,
            "ok",
            f"PostgreSQL {server.version} at {address.place}, {'TLS' if server.tls else 'no TLS, this machine only'}, commits are durable",
        )
        if server.superuser:
            yield Finding(
                "state account",
                "warn",
                "MUNJIGI_STATE_URL names a superuser, who may do more than it needs",
                "Give Munjigi an account of its own (docs/operations.md, State in PostgreSQL).",
            )
        try:
            yield Finding("state schema", "ok", f"grant revision {store.revision()}")
        except Unavailable:
            yield Finding("state schema", "warn", "there are no tables yet", "`munjigi serve` makes them.")
