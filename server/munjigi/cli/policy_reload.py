"""`munjigi policy reload`: load the policy home now; a bad one changes nothing and exits 1."""

from __future__ import annotations

import click

from munjigi.cli.failure import DONE, FAILED
from munjigi.cli.options import Connection, Output, connected


@click.command("reload")
@click.option("--request-id", default="", metavar="ID", show_envvar=True, help="Your own id for this reload; it is recorded.")
@connected
def policy_reload(connection: Connection, output: Output, request_id: str) -> int:
    """Load the policy home now; a bad one changes nothing."""
    from munjigi.cli.output import console, print_machine, styled
    from munjigi.cli.problems import from_wire, print_problems
    from munjigi.cli.session import Session
    from munjigi_client._proto.munjigi.v1 import policy_pb2 as pb

    with Session(connection) as session:
        answer = session.ask(pb.ReloadPolicyRequest(request_id=request_id), pb.ReloadPolicyResponse)
    refused = any(each.severity == pb.SEVERITY_ERROR for each in answer.problems)
    if not print_machine(output, answer, [answer]):
        print_problems(from_wire(answer.problems))
        short = answer.policy_revision[:12]
        if refused:
            text, style = f"Refused; policy {short} still decides. Correct the errors above, then reload again.", "bold red"
        elif answer.changed:
            text, style = f"Policy {short} decides now.", "green"
        else:
            text, style = f"Nothing changed; policy {short} decides.", ""
        console().print(styled(text, style))
    return FAILED if refused else DONE
