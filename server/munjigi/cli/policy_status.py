"""`munjigi policy status`: which policy decides, and what became of the last attempt to load another."""

from __future__ import annotations

import click

from munjigi.cli.options import Connection, Output, connected


@click.command("status")
@connected
def policy_status(connection: Connection, output: Output) -> None:
    """Show which policy decides, and the last attempt to load one."""
    from munjigi.cli.moments import show_moment
    from munjigi.cli.output import console, facts, print_machine, styled
    from munjigi.cli.problems import from_wire, print_problems
    from munjigi.cli.session import Session
    from munjigi_client._proto.munjigi.v1 import policy_pb2 as pb

    with Session(connection) as session:
        status = session.ask(pb.GetPolicyStatusRequest(), pb.GetPolicyStatusResponse)
    if print_machine(output, status, [status]):
        return
    screen = console()
    screen.print(
        facts(
            [
                ("policy", status.policy_revision),
                ("source", status.source),
                ("in force since", show_moment(status.loaded_at)),
                ("rules", str(status.rules)),
                ("roles", str(status.roles)),
                ("second opinion", _second_opinion(status.casbin_questions, status.casbin_not_run)),
                ("last attempt", show_moment(status.attempted_at) or "none since the start"),
            ]
        )
    )
    if status.rejected:
        screen.print()
        screen.print(styled("The policy home on disk was refused; the policy above still decides:", "bold red"))
    print_problems(from_wire(status.problems))


def _second_opinion(questions: int, not_run: int) -> str:
    if not questions:
        return "pycasbin was asked nothing: no decision tables, or this policy had decided here before the last start"
    left = f", {not_run} not run: `munjigi policy test` runs them in full" if not_run else ""
    return f"pycasbin agrees on {questions - not_run} of {questions} questions of the decision tables{left}"
