"""`munjigi policy test`: the decision tables alone; exit 1 when one fails or the policy home does not compile."""

from __future__ import annotations

from pathlib import Path

import click

from munjigi.cli.failure import DONE, FAILED, Failure
from munjigi.cli.options import Output, output_option
from munjigi.cli.policy_files import examine, home_option, path_argument


@click.command("test")
@path_argument
@home_option
@output_option
def policy_test(path: Path | None, policy_home: Path | None, output: Output) -> int:
    """Run a policy home's decision tables, without a server."""
    from munjigi.cli.output import print_machine
    from munjigi.cli.problems import count, print_problems, to_wire
    from munjigi_client._proto.munjigi.v1 import policy_pb2 as pb

    found = examine(path, policy_home)
    failures = [each for each in found.problems if each.code == "TEST_FAILED"]
    if found.bundle is None and not failures:
        print_problems([each for each in found.problems if each.severity == "error"], f"{found.home}/")
        raise Failure(
            f"No test ran: {found.home} does not compile ({count(found.problems)}).",
            "Correct the errors; `munjigi policy lint` lists all findings.",
        )
    wire = to_wire(failures)
    answer = pb.ValidatePolicyResponse(
        problems=wire,
        policy_revision=found.bundle.revision if found.bundle is not None else "",
        tests_run=found.tests_run,
        tests_failed=len(failures),
    )
    if not print_machine(output, answer, wire):
        print_problems(failures, f"{found.home}/")
        if found.tests_run == 0:
            click.secho(f"{found.home}: no tests; write decision tables into {found.home}/tests/*.yaml", fg="yellow")
        else:
            click.secho(f"{found.home}: {found.tests_run} tests run, {len(failures)} failed", fg="red" if failures else "green")
    return FAILED if failures else DONE
