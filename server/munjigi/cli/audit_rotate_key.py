"""`munjigi audit rotate-key`: the seal signs with a new key from now on."""

from __future__ import annotations

from pathlib import Path

import click

from munjigi.cli.options import state_option


@click.command("rotate-key")
@state_option
def audit_rotate_key(state_dir: Path) -> int:
    """Make a new key for the seal; the old one vouches for it.

    A running munjigi takes it up within a second, with a checkpoint that both keys sign; otherwise the next start does.
    The change is an entry of the sealed tree. Give the new verification key to auditors and witnesses.
    """
    from munjigi.adapters.seal_keys import make_next
    from munjigi.cli.failure import DONE

    key = make_next(state_dir / "keys", "seal")
    click.echo(f"New verification key: {key}")
    click.echo("Auditors who know the old one can go on with it; witnesses need both (`munjigi witness --watch`, repeated).")
    return DONE
