"""`munjigi block` and `munjigi unblock`: the control center's switch."""

from __future__ import annotations

import click

from munjigi.cli.options import Connection, Output, connected

_KIND = click.Choice(["employee", "tool"])


@click.command("block")
@click.argument("kind", type=_KIND)
@click.argument("principal", metavar="ID")
@click.option("--reason", required=True, metavar="TEXT", show_envvar=True, help="Why, without anybody's data.")
@click.option("--issuer", default="", metavar="TEXT", show_envvar=True, help="Issuer of the employee's account. Default: yours.")
@click.option("--request-id", default="", metavar="ID", show_envvar=True, help="Idempotency key.")
@connected
def block(connection: Connection, output: Output, kind: str, principal: str, reason: str, issuer: str, request_id: str) -> None:
    """Stop an employee, with all accounts, or a tool, at once.

    Whatever they hold, every answer is DENY from then on. When this returns, that is so on every worker of every host. It takes
    `operate` on `munjigi.grant`, and works on a full disk.
    """
    from munjigi.cli.acknowledged import everywhere
    from munjigi.cli.output import print_machine
    from munjigi.cli.session import Session
    from munjigi_client._proto.munjigi.v1 import revocation_pb2 as pb

    whom = {"employee": principal, "issuer": issuer} if kind == "employee" else {"tool": principal}
    with Session(connection) as session:
        done = session.ask(pb.BlockPrincipalRequest(request_id=request_id, reason=reason, **whom), pb.BlockPrincipalResponse)
    if not print_machine(output, done, [done]):
        click.echo(f"{kind} {principal} is blocked {everywhere(done.acknowledgement)}, recorded as {done.record_id}")


@click.command("unblock")
@click.argument("kind", type=_KIND)
@click.argument("principal", metavar="ID")
@click.option("--reason", required=True, metavar="TEXT", show_envvar=True, help="Why, without anybody's data.")
@click.option("--issuer", default="", metavar="TEXT", show_envvar=True, help="Issuer of the employee's account. Default: yours.")
@click.option("--request-id", default="", metavar="ID", show_envvar=True, help="Idempotency key.")
@connected
def unblock(connection: Connection, output: Output, kind: str, principal: str, reason: str, issuer: str, request_id: str) -> None:
    """Let an employee or a tool that is blocked go on. What they hold counts again, as far as it has not ended."""
    from munjigi.cli.output import print_machine
    from munjigi.cli.session import Session
    from munjigi_client._proto.munjigi.v1 import revocation_pb2 as pb

    whom = {"employee": principal, "issuer": issuer} if kind == "employee" else {"tool": principal}
    with Session(connection) as session:
        done = session.ask(pb.UnblockPrincipalRequest(request_id=request_id, reason=reason, **whom), pb.UnblockPrincipalResponse)
    if not print_machine(output, done, [done]):
        click.echo(f"{kind} {principal} is blocked no more, recorded as {done.record_id}")
