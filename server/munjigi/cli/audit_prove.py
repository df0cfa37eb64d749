"""`munjigi audit prove`: records with their proofs, in one file that anybody can check."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Final

import click

from munjigi.cli.options import archive_option, state_option

_WAIT: Final = 5.0  # seconds for a fresh record to be sealed
_PAUSE: Final = 0.2


@click.command("prove")
@click.argument("record_ids", metavar="RECORD_ID...", nargs=-1, required=True)
@state_option
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False, writable=True),
    show_envvar=True,
    help="Write the pack to this file; without it, to standard output.",
)
@archive_option
def audit_prove(record_ids: tuple[str, ...], state_dir: Path, out: Path | None, archive: Path | None) -> int:
    """Write an evidence pack: records, with the proofs that they are sealed.

    A record's id is the decision id, or what `audit search` shows. Works on the state folder, without a server. The pack
    is checked with the program that `munjigi audit verifier` prints. Records that were sealed before a restore are proved
    under the checkpoint of that time. A record that was removed at the end of its retention is read in the archive.
    """
    from munjigi.adapters.seal_keys import public_key
    from munjigi.app.files import StateFolder
    from munjigi.app.log_sources import LogSources
    from munjigi.audit.archive import archived
    from munjigi.audit.seal.generations import opened, proving
    from munjigi.audit.seal.origin import is_synthetic
    from munjigi.audit.seal.pack import evidence
    from munjigi.cli.failure import DONE
    from munjigi.kernel.errors import FailedPrecondition, NotFound
    from munjigi.kernel.ids import parse_record_id

    places = [parse_record_id(each) for each in record_ids]
    until = time.monotonic() + _WAIT
    while True:
        try:
            with ExitStack() as stack:
                sources = stack.enter_context(closing(LogSources(StateFolder(state_dir))))
                generations = stack.enter_context(opened(state_dir / "seal"))
                number = proving(generations, places)
                seal = generations[number]
                logs = {log.log_id: stack.enter_context(closing(archived(log, archive))) for log in sources.look()}
                pack = "".join(evidence(seal, logs, places, generations[:number]))
            break
        except (FailedPrecondition, NotFound) as error:
            if error.reason not in {"NOT_SEALED_YET", "NOT_SEALED"} or time.monotonic() > until:
                raise
            time.sleep(_PAUSE)
    if out is None:
        sys.stdout.write(pack)
        return DONE
    out.write_text(pack, encoding="utf-8")
    click.echo(
        f"{len(places)} record{'' if len(places) == 1 else 's'} with proofs under checkpoint {seal.checkpoint.size}: {out}"
    )
    if is_synthetic(seal.checkpoint.origin):
        click.echo("Synthetic: made-up people and records, and the pack says so.")
    click.echo("Check it anywhere:")
    click.echo("  munjigi audit verifier > munjigi_verify.py")
    click.echo(f"  python3 munjigi_verify.py {out} --key '{public_key(state_dir / 'keys' / 'seal.vkey')}'")
    return DONE
