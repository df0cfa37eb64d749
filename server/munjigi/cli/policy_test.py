"""`munjigi policy test`: the decision tables on every engine, and the rules that none of them reaches."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from munjigi.cli.failure import DONE, FAILED, Failure
from munjigi.cli.options import Output, output_option
from munjigi.cli.policy_files import Examined, examine, home_option, path_argument

if TYPE_CHECKING:
    from munjigi.app.two_engines import Comparison
    from munjigi.policy.coverage import Coverage


_TELL_SECONDS: Final = 5.0


@click.command("test")
@path_argument
@home_option
@click.option("--full-coverage", is_flag=True, show_envvar=True, help="Exit 1 when a rule is reached by no test.")
@output_option
def policy_test(path: Path | None, policy_home: Path | None, full_coverage: bool, output: Output) -> int:
    """Run a policy home's decision tables on all engines, without a server.

    The engines are Munjigi's own, the shipped matcher written down plainly, and pycasbin (extra `oracle`), in full. Rules that
    matched in no case are listed.
    """
    from munjigi.app.two_engines import IN_FULL, compare_engines
    from munjigi.cli.problems import count, print_problems
    from munjigi.policy.coverage import coverage_of

    found = examine(path, policy_home, tables_only=True)
    failures = [each for each in found.problems if each.code == "TEST_FAILED"]
    if found.bundle is None and not failures:
        print_problems([each for each in found.problems if each.severity == "error"], f"{found.home}/")
        raise Failure(
            f"No test ran: {found.home} does not compile ({count(found.problems)}).",
            "Correct the errors; `munjigi policy lint` lists all findings.",
        )
    engines = compare_engines(found.bundle, IN_FULL, _progress()) if found.bundle is not None else None
    coverage = coverage_of(found.bundle, engines.lines) if found.bundle is not None and engines is not None else None
    problems = [*failures, *(engines.problems if engines is not None else ())]
    _show(found, problems, engines, coverage, output)
    missed = full_coverage and coverage is not None and bool(coverage.missed)
    return FAILED if problems or missed else DONE


def _progress() -> Callable[[int, int], None]:
    """Return what tells, every few seconds, how far pycasbin has come: with 100,000 rules it takes its time."""
    told = time.monotonic()

    def tell(questions: int, done: int) -> None:
        nonlocal told
        if time.monotonic() - told >= _TELL_SECONDS:
            told = time.monotonic()
            click.echo(f"pycasbin has answered {done} of {questions} questions", err=True)

    return tell


def _show(found: Examined, problems: list[Any], engines: Comparison | None, coverage: Coverage | None, output: Output) -> None:
    from munjigi.cli.output import as_dict, print_machine, safe
    from munjigi.cli.problems import print_problems, to_wire
    from munjigi.policy.coverage import shown
    from munjigi_client._proto.munjigi.v1 import policy_pb2 as pb

    failed = sum(each.code == "TEST_FAILED" for each in problems)
    wire = to_wire(problems)
    answer = as_dict(
        pb.ValidatePolicyResponse(
            problems=wire,
            policy_revision=found.bundle.revision if found.bundle is not None else "",
            tests_run=found.tests_run,
            tests_failed=failed,
        )
    )
    missed = coverage.missed if coverage is not None else ()
    answer["engines"] = _engines(engines)
    answer["rules_missed"] = [{"file": rule.file, "line": rule.line, "rule": shown(rule)} for rule in missed]
    if print_machine(output, answer, wire):
        return
    print_problems(problems, f"{found.home}/")
    if found.tests_run == 0:
        click.secho(f"{found.home}: no tests; write decision tables into {found.home}/tests/*.yaml", fg="yellow")
        return
    click.secho(f"{found.home}: {found.tests_run} tests run, {failed} failed", fg="red" if failed else "green")
    if engines is not None:
        _print_engines(engines)
    if coverage is not None:
        click.echo(f"rules reached by a test: {coverage.reached} of {coverage.rules}")
        for rule in missed:
            click.echo(f"  {safe(f'{found.home}/{rule.ref}')}: no test reaches {safe(shown(rule))}")


def _print_engines(engines: Comparison) -> None:
    disagree = f"{len(engines.problems)} disagreements" if engines.problems else "all agree"
    click.echo(f"{engines.questions} questions on our engine and on the transcription, {engines.casbin} on pycasbin: {disagree}")
    if not engines.casbin_installed:
        click.secho("pycasbin is not installed, so it was not asked: pip install 'munjigi[oracle]'", fg="yellow")
    elif engines.casbin < engines.questions:
        left = engines.questions - engines.casbin
        click.secho(f"{left} questions were not run on pycasbin: it can't evaluate them", fg="yellow")


def _engines(engines: Comparison | None) -> dict[str, Any] | None:
    if engines is None:
        return None
    return {
        "questions": engines.questions,
        "pycasbin": engines.casbin,
        "pycasbin_not_run": engines.not_run,
        "pycasbin_installed": engines.casbin_installed,
        "disagreements": len(engines.problems),
    }
