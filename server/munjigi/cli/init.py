"""`munjigi init`: the state folder and its keys, and with `--tls` a local certificate authority. Never overwrites."""

from __future__ import annotations

from pathlib import Path

import click

from munjigi.cli.options import state_option


@click.command("init")
@state_option
@click.option(
    "--tls", is_flag=True, show_envvar=True, help="Also make a local certificate authority, to try mutual TLS on this machine."
)
@click.option(
    "--hostname", default="", metavar="NAME", show_envvar=True, help="With --tls: one more name of the server's certificate."
)
@click.option(
    "--tool",
    "tools",
    multiple=True,
    metavar="NAME",
    show_envvar=True,
    help="With --tls: a tool to make a certificate for; repeat for more. Default: crm-desk and munjigi-cli.",
)
def init(state_dir: Path, tls: bool, hostname: str, tools: tuple[str, ...]) -> None:
    """Make the state folder and its keys.

    `munjigi serve` does this by itself on first start. What exists is left alone.
    """
    from munjigi.adapters.identity.local_issuer import ensure_issuer, issuer_key_path
    from munjigi.adapters.seal_keys import installation_key
    from munjigi.adapters.secrets import member_key, names_key
    from munjigi.app.files import StateFolder
    from munjigi.kernel.references import MemberReferences

    if (hostname or tools) and not tls:
        raise click.UsageError("--hostname and --tool go with --tls.")
    folder = StateFolder(state_dir)
    member, names, seal = (folder.keys / name for name in ("member.key", "names.key", "seal.key"))
    before = {path for path in (member, names, seal, issuer_key_path(state_dir)) if path.exists()}
    folder.make()
    key_id = MemberReferences(member_key(member)).key_id
    names_key(names)
    public = installation_key(folder.keys).verifier
    ensure_issuer(state_dir)
    click.echo(f"State folder {state_dir} (mode 0700)")
    for path, what in (
        (member, f"key of member references, id {key_id}: back it up, apart from the journals"),
        (names, "key of the digests of unknown names"),
        (seal, f"key of the seal; give auditors and witnesses its public half, {public}"),
        (issuer_key_path(state_dir), "key of the embedded token issuer (loopback only)"),
    ):
        click.echo(f"  {'kept' if path in before else 'made'}  {path.relative_to(state_dir)}  {what}")
    if tls:
        _authority(state_dir, tools or ("crm-desk", "munjigi-cli"), hostname)


def _authority(state_dir: Path, tools: tuple[str, ...], hostname: str) -> None:
    from munjigi.adapters.identity.authority import init_tls, tool_files, tool_uri
    from munjigi.kernel.clock import SystemClock

    server = init_tls(state_dir, tools, now=SystemClock().now(), hostname=hostname)
    click.echo(
        f"  made  {server.authority.relative_to(state_dir)}  local certificate authority, with certificates for the server and:"
    )
    for name in tools:
        click.echo(f"          {name}  {tool_uri(name)}")
    mine = tool_files(state_dir, tools[0])
    click.echo("Serve with mutual TLS:")
    click.echo(
        f"  munjigi serve --state-dir {state_dir} --tls-certificate {server.certificate} \\\n    --tls-key {server.key}"
        f" --tls-client-authority {server.authority}"
    )
    click.echo("Ask over it (certificate_uri in tools.toml must be the tool's URI above):")
    click.echo(f"  munjigi whoami --state-dir {state_dir} --tool {tools[0]} --ca {server.authority} \\")
    click.echo(f"    --cert {mine.certificate} --key {mine.key}")
