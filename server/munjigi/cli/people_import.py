"""`munjigi people import`: bring people to where a CSV list wants them."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from munjigi.cli.failure import FAILED, Failure
from munjigi.cli.moments import Moment
from munjigi.cli.options import Connection, Output, connected

if TYPE_CHECKING:
    from munjigi.cli.people_file import Encoding, Line, PeopleFile
    from munjigi.cli.session import Session
    from munjigi_client._proto.munjigi.v1 import people_pb2

_BATCH: Final = 500  # rows that are applied in one commit: revocations wait for it


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--dry-run", is_flag=True, help="Only say what would change.")
@click.option(
    "--encoding",
    type=click.Choice(["utf-8", "cp949"]),
    default="utf-8",
    show_default=True,
    show_envvar=True,
    help="Encoding of the file.",
)
@click.option(
    "--source", default="csv", show_default=True, metavar="NAME", show_envvar=True, help="Who says so, for the records."
)
@click.option(
    "--effective-at", type=Moment(), default=0, show_envvar=True, help="As of when the list is; later events of a person stay."
)
@connected
def people_import(
    connection: Connection, output: Output, file: Path, dry_run: bool, encoding: Encoding, source: str, effective_at: int
) -> None:
    """Bring people to where the CSV list FILE wants them.

    The first line names the columns: person_id, and any of accounts (with ; between), issuer, principal_type, department, manager,
    status (active, leave or left), pledge_until, training_until, device_until, screening_until. A column that is not there changes
    nothing, and neither does a person who is not in the list. The whole list is checked first: with any error, nothing is changed.
    Then 500 rows are applied at a time; whoever stops in between imports the list again, which changes only what is not so yet.
    Needs the right to operate on munjigi.grant.
    """
    from munjigi.cli.people_file import PeopleFile
    from munjigi.cli.session import Session

    errors = 0

    def complain(line: int, fault: str) -> None:
        nonlocal errors
        errors += 1
        click.echo(f"{file}:{line}: {fault}", err=True)

    def silent(_line: int, _fault: str) -> None:
        """Say nothing: the first pass has."""

    with Session(connection) as session:
        check = _Pass(session, source, effective_at, output if dry_run else None, complain)
        check.go_through("checking", file, PeopleFile(file, encoding, complain))
        if errors:
            raise Failure(
                f"{errors} {'error' if errors == 1 else 'errors'} in {file}; nothing was changed.",
                "Correct the lines above and import again; --dry-run checks only.",
                FAILED,
            )
        if dry_run:
            check.report("would change")
            return
        done = _Pass(session, source, effective_at, None, complain, apply=True)
        done.go_through("importing", file, PeopleFile(file, encoding, silent))
    done.report("changed", output)


class _Pass:
    """One way through the list, batch by batch."""

    def __init__(
        self, session: Session, source: str, effective_at: int, output: Output | None, complain: _Complain, *, apply: bool = False
    ) -> None:
        self._session = session
        self._complain = complain
        self._output = output
        self._source, self._effective_at, self._apply = source, effective_at, apply
        self._batch: list[Line] = []
        self._rows = self._changed = 0
        self._events: dict[str, int] = {}
        self._ended = 0

    def go_through(self, what: str, path: Path, people: PeopleFile) -> None:
        """Take all rows, and ask the server every so often."""
        from munjigi.cli.bar import bar

        rows = people.rows()
        first = next(rows, None)  # a file that is no list is refused before anything is shown
        with bar(what, path.stat().st_size if first is not None else 0) as show:
            for line in chain([first] if first is not None else [], rows):
                self._batch.append(line)
                if len(self._batch) == _BATCH:
                    self._flush()
                    show(people.taken)
            self._flush()

    def _flush(self) -> None:
        """Ask the server about the rows that wait."""
        from munjigi_client._proto.munjigi.v1 import people_pb2 as pb

        if not self._batch:
            return
        batch, self._batch = self._batch, []
        request = pb.ImportPeopleRequest(
            rows=[line.row for line in batch],
            source=self._source,
            effective_at=self._effective_at,
            dry_run=not self._apply,
        )
        answer = self._session.ask(request, pb.ImportPeopleResponse)
        for outcome in answer.outcomes:
            line = batch[outcome.row]
            if outcome.reason:
                self._complain(line.number, f"{outcome.message} ({outcome.reason})")
                continue
            self._count(line, outcome)
        if self._apply and not answer.applied:
            raise Failure(
                f"The rows from line {batch[0].number} on were not applied; those before it were.",
                "Something changed since the list was checked. Import it again: what is so already changes nothing.",
                FAILED,
            )
        self._rows += len(batch)

    def report(self, what: str, output: Output | None = None) -> None:
        """Say what it came to."""
        from munjigi.cli.output import print_machine

        summary = {"rows": self._rows, "people": self._changed, "events": self._events, "ended_grants": self._ended}
        output = output or self._output
        if output == "ndjson" and not self._apply:
            return
        if output is not None and print_machine(output, summary, [summary]):
            return
        events = ", ".join(f"{count} {kind}" for kind, count in sorted(self._events.items())) or "nothing"
        click.echo(f"{self._rows} rows, {self._changed} people {what}: {events}; {self._ended} grants end.")

    def _count(self, line: Line, outcome: people_pb2.RowOutcome) -> None:
        from munjigi.cli.output import print_lines, safe
        from munjigi.cli.people_table import event_name

        kinds = [event_name(kind) for kind in outcome.events]
        self._changed += 1
        self._ended += outcome.ended_grants
        for kind in kinds:
            self._events[kind] = self._events.get(kind, 0) + 1
        if self._output == "ndjson":
            print_lines(
                [{"line": line.number, "person_id": line.row.person_id, "events": kinds, "ended_grants": outcome.ended_grants}]
            )
        elif self._output == "table":
            parts = (
                ("end", outcome.ended_grants),
                ("wait for an owner to resume them" if "return" in kinds else "are suspended", outcome.suspended_grants),
            )
            grants = "".join(f"; {count} grants {verb}" for verb, count in parts if count)
            click.echo(f"{line.number}: {safe(line.row.person_id)} {', '.join(kinds)}{grants}")


if TYPE_CHECKING:
    from collections.abc import Callable

    _Complain = Callable[[int, str], None]
