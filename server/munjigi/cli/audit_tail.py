"""`munjigi audit tail`: the newest records of all logs, oldest first, and what comes after them."""

from __future__ import annotations

import time
from typing import Any, Final

import click

from munjigi.cli.audit_conditions import conditions
from munjigi.cli.options import Connection, Output, connected

_LONGEST: Final = 20  # seconds that the server waits within one call
_PAUSE: Final = 1.0  # seconds before a server that is away is asked again


@click.command("tail")
@conditions("tail")
@click.option(
    "--last", type=click.IntRange(0, 1000), default=10, show_default=True, show_envvar=True, help="Records to begin with."
)
@click.option("--follow", "-f", is_flag=True, show_envvar=True, help="Go on with what comes, until interrupted.")
@connected
def audit_tail(connection: Connection, output: Output, asked: dict[str, Any], last: int, follow: bool) -> None:
    """Show the newest records of all logs, and follow what comes.

    One line a record, oldest first; with --output json or ndjson one JSON object a line. Following goes on when the server is
    restarted. Every look is recorded as an access of yours; these records are shown by `audit search` alone.
    """
    from munjigi.cli.failure import AWAY, Failure
    from munjigi.cli.session import Session
    from munjigi_client._proto.munjigi.v1 import audit_pb2 as pb

    request = pb.TailRecordsRequest(**asked, last=last)
    wait = max(1, min(_LONGEST, int(connection.timeout / 2)))
    answered = False
    while True:
        try:
            with Session(connection) as session:  # anew each time, because tokens of the embedded identity end
                found = session.ask(request, pb.TailRecordsResponse)
        except Failure as failure:
            if failure.code != AWAY or not answered:
                raise
            time.sleep(_PAUSE)
            continue
        answered = True
        _show(output, found)
        if not follow:
            return
        request.position, request.last, request.wait_seconds = found.position, 0, wait


def _show(output: Output, found: Any) -> None:
    import sys

    from munjigi.cli.audit_table import line
    from munjigi.cli.output import console, print_lines

    if output == "table":
        screen = console()
        for each in found.records:
            screen.print(line(each), soft_wrap=True)
    else:
        print_lines(found.records)
    sys.stdout.flush()
