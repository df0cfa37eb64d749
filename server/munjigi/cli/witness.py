"""`munjigi witness`: watch other installations, co-sign what only ever grows."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("witness")
@click.option(
    "--witness-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default="witness",
    show_default=True,
    show_envvar=True,
    help="Folder of the witness: its key and what it has seen. Keep it away from the installations.",
)
@click.option("--name", default="munjigi-witness", show_default=True, show_envvar=True, help="Name of its key, when it is made.")
@click.option(
    "--watch",
    "keys",
    multiple=True,
    required=True,
    metavar="VERIFICATION_KEY",
    show_envvar=True,
    help="Key of an installation to watch (its keys/seal.vkey); repeat it, also for the key before a rotation.",
)
@click.option("--listen", default="127.0.0.1:9470", show_default=True, show_envvar=True, help="HTTP listener: host:port.")
@click.option("--tls-certificate", type=click.Path(path_type=Path, exists=True, dir_okay=False), show_envvar=True, help="PEM.")
@click.option("--tls-key", type=click.Path(path_type=Path, exists=True, dir_okay=False), show_envvar=True, help="PEM.")
def witness(
    witness_dir: Path, name: str, keys: tuple[str, ...], listen: str, tls_certificate: Path | None, tls_key: Path | None
) -> int:
    """Co-sign the checkpoints of installations whose history only grows.

    Speaks c2sp.org/tlog-witness. Run it where those who run the installation have no access.
    """
    import os

    import uvicorn

    from munjigi.adapters.seal_keys import open_key
    from munjigi.adapters.witness_server import SeenFiles, application
    from munjigi.app.addresses import split_address
    from munjigi.audit.seal.note import COSIGNATURE, VerifierKey
    from munjigi.cli.failure import DONE, USAGE, Failure
    from munjigi.kernel.errors import InvalidArgument

    if (tls_certificate is None) != (tls_key is None):
        raise Failure("--tls-certificate and --tls-key belong together.", "Give both, or neither behind a TLS proxy.", USAGE)
    known: dict[str, list[VerifierKey]] = {}
    try:
        for each in keys:
            key = VerifierKey.parse(each)
            known.setdefault(key.name, []).append(key)
    except InvalidArgument as error:
        raise Failure("--watch takes an installation's verification key.", error.message, USAGE) from None
    host, port = split_address(listen)
    os.umask(0o077)
    own = open_key(witness_dir / "keys", "witness", name, COSIGNATURE)
    app = application(known, SeenFiles(witness_dir / "seen"), own)
    click.echo(f"Witness {own.verifier}")
    click.echo(f"watches {', '.join(sorted(known))} on {listen}; give the line above to `munjigi serve` with the URL.")
    uvicorn.run(
        app,
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        server_header=False,
        ssl_certfile=None if tls_certificate is None else str(tls_certificate),
        ssl_keyfile=None if tls_key is None else str(tls_key),
    )
    return DONE
