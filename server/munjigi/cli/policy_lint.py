"""`munjigi policy lint`: every finding as `file:line:column`, then the decision tables; exit 1 when it would not load."""

from __future__ import annotations

from pathlib import Path

import click

from munjigi.cli.failure import DONE, FAILED
from munjigi.cli.options import Output, output_option
from munjigi.cli.policy_files import examine, home_option, path_argument


@click.command("lint")
@path_argument
@home_option
@output_option
def policy_lint(path: Path | None, policy_home: Path | None, output: Output) -> int:
    """Check a policy home and run its decision tables, without a server.

    PATH is the folder. Prints file:line:column for every finding; exits 1 when a server would refuse it.
    """
    from munjigi.cli.output import print_machine
    from munjigi.cli.problems import count, print_problems, to_wire
    from munjigi_client._proto.munjigi.v1 import policy_pb2 as pb

    found = examine(path, policy_home)
    wire = to_wire(found.problems)
    answer = pb.ValidatePolicyResponse(
        problems=wire,
        policy_revision=found.bundle.revision if found.bundle is not None else "",
        tests_run=found.tests_run,
        tests_failed=found.tests_failed,
    )
    if not print_machine(output, answer, wire):
        print_problems(found.problems, f"{found.home}/")
        revision = f", revision {found.bundle.revision[:12]}" if found.bundle is not None else ""
        rules = f"{len(found.bundle.rules)} rules, " if found.bundle is not None else ""
        summary = (
            f"{found.home}: {rules}{count(found.problems)}, {found.tests_run} tests run, {found.tests_failed} failed{revision}"
        )
        click.secho(summary, fg="red" if found.failed else "green")
    return FAILED if found.failed else DONE
