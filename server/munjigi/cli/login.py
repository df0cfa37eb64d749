"""`munjigi login`: sign in at the company's provider with another device's browser."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("login")
@click.option(
    "--issuer",
    required=True,
    metavar="URL",
    envvar="MUNJIGI_OIDC_ISSUER",
    show_envvar=True,
    help="The OpenID provider, as it names itself.",
)
@click.option(
    "--client",
    default="munjigi-cli",
    show_default=True,
    metavar="ID",
    envvar="MUNJIGI_LOGIN_CLIENT",
    show_envvar=True,
    help="The command line's client there, a public one that may use device authorization.",
)
@click.option(
    "--authority",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    envvar="MUNJIGI_OIDC_AUTHORITY",
    show_envvar=True,
    help="Authority of the provider's certificate (PEM), where it is not a public one.",
)
def login(issuer: str, client: str, authority: Path | None) -> None:
    """Sign in at the company's provider, with a browser.

    It may be another device's. The tokens are kept in a file that only you can read, and refreshed as needed;
    `munjigi logout` revokes them. MUNJIGI_TOKEN wins over them.
    """
    from munjigi.adapters.identity.device_flow import DeviceFlow, Prompt
    from munjigi.adapters.identity.discovery import Provider
    from munjigi.adapters.identity.login_file import LoginFile, login_of, login_path
    from munjigi.cli.moments import show_moment
    from munjigi.kernel.clock import SystemClock

    def show(prompt: Prompt) -> None:
        if prompt.complete:
            click.echo(f"Open {prompt.complete}\nand see that it shows the code {prompt.code}.")
        else:
            click.echo(f"Open {prompt.address}\nand enter the code {prompt.code}.")

    provider = Provider(issuer, authority=authority)
    tokens = DeviceFlow(provider, client).sign_in(show)
    found = login_of(issuer, client, str(authority.resolve()) if authority else "", tokens, SystemClock().now())
    file = LoginFile(login_path())
    file.write(found)
    lasting = "and refreshed after that" if found.refresh_token else "then sign in again"
    click.echo(f"Signed in as {found.subject} by {found.issuer}, until {show_moment(found.expires_at)}, {lasting}.")
    click.echo(f"Kept in {file.path}; `munjigi logout` revokes it.")
