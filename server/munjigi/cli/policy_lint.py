"""`munjigi policy lint`: every finding with its line, then the decision tables; exit 1 when it would not load."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import click

from munjigi.cli.failure import DONE, FAILED
from munjigi.cli.options import Output
from munjigi.cli.policy_files import examine, home_option, path_argument


@click.command("lint")
@path_argument
@home_option
@click.option("--strict", is_flag=True, show_envvar=True, help="Exit 1 for a warning, too.")
@click.option(
    "--output",
    "-o",
    type=click.Choice(["table", "json", "ndjson", "sarif"]),
    default="table",
    show_default=True,
    envvar="MUNJIGI_OUTPUT",
    show_envvar=True,
    help="Form of the answer: for people, one JSON document, one JSON object a line, or SARIF 2.1.0 for code review.",
)
def policy_lint(path: Path | None, policy_home: Path | None, strict: bool, output: str) -> int:
    """Check a policy home and run its decision tables, without a server.

    PATH is the folder. Shows each finding with file:line:column, the line itself and how to repair it; exits 1 when a server
    would refuse the home.
    """
    from munjigi.cli.output import print_json, print_machine
    from munjigi.cli.problems import count, to_wire
    from munjigi.cli.sarif import sarif
    from munjigi.cli.source_lines import print_findings
    from munjigi_client._proto.munjigi.v1 import policy_pb2 as pb

    found = examine(path, policy_home)
    wire = to_wire(found.problems)
    answer = pb.ValidatePolicyResponse(
        problems=wire,
        policy_revision=found.bundle.revision if found.bundle is not None else "",
        tests_run=found.tests_run,
        tests_failed=found.tests_failed,
    )
    failed = found.failed or (strict and bool(found.problems))
    if output == "sarif":
        print_json(sarif(found.problems, found.home))
    elif not print_machine(cast("Output", output), answer, wire):
        print_findings(found.problems, found.files, f"{found.home}/")
        revision = f", revision {found.bundle.revision[:12]}" if found.bundle is not None else ""
        rules = f"{len(found.bundle.rules)} rules, " if found.bundle is not None else ""
        summary = (
            f"{found.home}: {rules}{count(found.problems)}, {found.tests_run} tests run, {found.tests_failed} failed{revision}"
        )
        click.secho(summary, fg="red" if failed else "green")
    return FAILED if failed else DONE
