"""`munjigi policy eval`: plain Casbin files in, verdicts out; no server, no catalog, no record."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TextIO

import click

from munjigi.cli.failure import DONE, FAILED

_LONGEST: Final = 1024 * 1024
_NOT_UTF8: Final = re.compile("[\udc80-\udcff]")  # what `surrogateescape` makes of a byte that is none
_FILE: Final = click.Path(path_type=Path, dir_okay=False, exists=True)


@click.command("eval")
@click.option("--model", required=True, type=_FILE, envvar="MUNJIGI_MODEL", show_envvar=True, help="Casbin model file.")
@click.option("--policy", required=True, type=_FILE, envvar="MUNJIGI_POLICY", show_envvar=True, help="Casbin policy file (CSV).")
@click.option(
    "--requests",
    type=click.File("r", encoding="utf-8-sig", errors="surrogateescape"),
    default="-",
    show_default=True,
    envvar="MUNJIGI_REQUESTS",
    show_envvar=True,
    help="Requests, one CSV line each; a cell that starts with { is a JSON object. `-` reads standard input.",
)
def policy_eval(model: Path, policy: Path, requests: TextIO) -> int:
    """Answer requests by plain Casbin files, without a server.

    Prints allow or deny for each line of the requests, or error, with a message on standard error, for one that can't be
    evaluated; exits 1 then. Blank lines are skipped.
    """
    from munjigi.cli.problems import print_problems
    from munjigi.decision.casbin import Engine
    from munjigi.kernel.clock import SystemClock
    from munjigi.policy.casbin.load import load

    program, problems = load(model.read_bytes(), policy.read_bytes(), model_name=str(model), policy_name=str(policy))
    if program is None:
        print_problems(problems, err=True)
        return FAILED
    engine = Engine(program, now=SystemClock().now)
    return _answer(engine.enforce, requests)


def _answer(enforce: Callable[[list[Any]], bool], requests: TextIO) -> int:
    from munjigi.kernel.errors import InvalidArgument

    ended = DONE
    number = 0
    while line := requests.readline():
        number += 1
        if not line.strip():
            continue
        try:
            verdict = "allow" if enforce(read_request(line)) else "deny"
        except InvalidArgument as error:
            verdict = "error"
            ended = FAILED
            click.echo(f"line {number}: {error.reason}: {error.message}", err=True)
        click.echo(verdict)
    return ended


def read_request(line: str) -> list[Any]:
    """Return the values of one request: texts, and JSON objects where a cell starts with `{`.

    Raises `InvalidArgument` for a line that is no request.
    """
    from munjigi.kernel.errors import InvalidArgument
    from munjigi.policy.casbin.policyfile import quoted_cell
    from munjigi.policy.casbin.refusal import Refusal

    line = line.rstrip("\r\n")
    if len(line) > _LONGEST:
        raise InvalidArgument("REQUEST_TOO_LONG", f"A request has at most {_LONGEST} characters; shorten it.")
    if _NOT_UTF8.search(line):
        raise InvalidArgument("REQUEST_INVALID", "This line is not UTF-8; save it in that encoding.")
    decoder = json.JSONDecoder(parse_constant=_no_number)
    values: list[Any] = []
    at = 0
    try:
        while True:
            start = at + len(line[at:]) - len(line[at:].lstrip())
            if line[start : start + 1] == "{":
                value, at = decoder.raw_decode(line, start)
                at += len(line[at:]) - len(line[at:].lstrip())
                if at < len(line) and line[at] != ",":
                    raise ValueError
            else:
                value, at = quoted_cell(line, start) if line[start : start + 1] == '"' else _bare(line, start)
                if value.startswith("{"):
                    value = decoder.decode(value)
            values.append(value)
            if at >= len(line):
                return values
            at += 1  # the comma
    except Refusal as refusal:
        raise InvalidArgument("REQUEST_INVALID", f"Character {refusal.at + 1}: {refusal.message}") from None
    except (ValueError, RecursionError):
        message = "A cell that starts with { is one JSON object, and only a comma may follow it."
        raise InvalidArgument("REQUEST_INVALID", message) from None


def _bare(line: str, start: int) -> tuple[str, int]:
    end = line.find(",", start)
    end = len(line) if end < 0 else end
    return line[start:end].strip(), end


def _no_number(_text: str) -> float:
    raise ValueError
