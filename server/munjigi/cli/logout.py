"""`munjigi logout`: revoke and forget the terminal's sign-in."""

from __future__ import annotations

import click


@click.command("logout")
def logout() -> None:
    """Revoke the sign-in of `munjigi login`, and forget it.

    It is forgotten here even where the provider can't be told; then the command fails and says so.
    """
    from munjigi.adapters.identity.login_file import LoginFile, flow_of, login_path

    file = LoginFile(login_path())
    found = file.read()
    if found is None:
        click.echo("Nobody is signed in here.")
        return
    file.remove()
    if found.refresh_token:
        flow_of(found).revoke(found.refresh_token)
    click.echo(f"{found.subject} is signed out; {file.path} is removed.")
