"""`munjigi audit verifier`: the program that checks evidence packs, to be given to auditors."""

from __future__ import annotations

import click


@click.command("verifier")
def audit_verifier() -> int:
    """Print the program that checks an evidence pack without Munjigi.

    One file of at most 300 lines, Python 3.8 or newer, nothing to install, no network. Redirect it to a file.
    """
    from importlib.resources import files

    from munjigi.cli.failure import DONE

    click.echo(files("munjigi.cli").joinpath("munjigi_verify.py").read_text("utf-8"), nl=False)
    return DONE
