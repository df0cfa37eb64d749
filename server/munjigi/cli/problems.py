"""Findings in policy files, as a compiler prints them: `file:line:column: severity CODE: message`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import click

from munjigi.cli.output import safe
from munjigi.policy.types import Problem
from munjigi_client._proto.munjigi.v1 import policy_pb2 as pb

_SEVERITIES = {"warning": pb.SEVERITY_WARNING, "error": pb.SEVERITY_ERROR}
_COLOURS = {"warning": "yellow", "error": "red"}


def from_wire(problems: Iterable[pb.PolicyProblem]) -> list[Problem]:
    """Turn the wire's findings into the room's."""
    return [
        Problem(
            each.file,
            each.line,
            each.column,
            "error" if each.severity == pb.SEVERITY_ERROR else "warning",
            each.code,
            each.message,
        )
        for each in problems
    ]


def to_wire(problems: Iterable[Problem]) -> list[pb.PolicyProblem]:
    """Turn the room's findings into the wire's."""
    return [
        pb.PolicyProblem(
            file=each.file,
            line=each.line,
            column=each.column,
            severity=_SEVERITIES[each.severity],
            code=each.code,
            message=each.message,
        )
        for each in problems
    ]


def print_problems(problems: Sequence[Problem], folder: str = "", *, err: bool = False) -> None:
    """Print one line each, to standard error if `err`; `folder` goes before the file names, so that an editor can jump there."""
    for each in problems:
        place = ":".join([f"{folder}{each.file}", *(str(number) for number in (each.line, each.column) if number)])
        severity = click.style(each.severity, fg=_COLOURS[each.severity], bold=True)
        click.echo(f"{safe(place)}: {severity} {each.code}: {safe(each.message)}", err=err)


def count(problems: Sequence[Problem]) -> str:
    """Say how many errors and warnings there are."""
    errors = sum(each.severity == "error" for each in problems)
    warnings = len(problems) - errors
    return f"{errors} error{'' if errors == 1 else 's'}, {warnings} warning{'' if warnings == 1 else 's'}"
