"""`munjigi demo`: a burst of the sample company's traffic, or days of a made-up company, live or written into a folder of its own."""

from __future__ import annotations

import asyncio
import time
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from munjigi.cli.failure import DONE, FAILED, Failure
from munjigi.cli.options import Connection, Output, connected

if TYPE_CHECKING:
    from collections.abc import Iterable

    from munjigi.company.events import Event
    from munjigi.company.tally import Tally

_LONGEST: Final = 1100  # days
_LIVE_EMPLOYEES: Final = 1000
_BURST_CONCURRENCY: Final = 8
_SECONDS_A_DAY: Final = 86_400


@click.command("demo")
@click.option(
    "--count",
    type=click.IntRange(1, 100_000),
    default=500,
    show_default=True,
    show_envvar=True,
    help="Without --days: decisions to ask for.",
)
@click.option(
    "--concurrency",
    type=click.IntRange(1, 64),
    default=_BURST_CONCURRENCY,
    show_default=True,
    show_envvar=True,
    help="Questions at a time.",
)
@click.option("--seed", type=int, default=1, show_default=True, show_envvar=True, help="The same seed asks the same questions.")
@click.option(
    "--days", type=click.IntRange(1, _LONGEST), show_envvar=True, help="So many days of a made-up company instead of a burst."
)
@click.option(
    "--employees",
    type=click.IntRange(20, 100_000),
    default=200,
    show_default=True,
    show_envvar=True,
    help="With --days: people of the company; 1,000 at most without --fast.",
)
@click.option(
    "--members",
    type=click.IntRange(100, 10_000_000),
    default=50_000,
    show_default=True,
    show_envvar=True,
    help="With --days: members of the member database.",
)
@click.option(
    "--until",
    type=click.DateTime(["%Y-%m-%d"]),
    show_envvar=True,
    help="With --days: the last day, one that is over. Default: yesterday.",
)
@click.option(
    "--rate",
    type=click.FloatRange(0.1, 1000),
    default=100.0,
    show_default=True,
    show_envvar=True,
    help="With --days, without --fast: events a second.",
)
@click.option(
    "--fast",
    is_flag=True,
    show_envvar=True,
    help="With --days: write them into the state folder of --state-dir, which must not be there yet, without a server.",
)
@click.option(
    "--policy-home",
    type=click.Path(path_type=Path, file_okay=False),
    show_envvar=True,
    envvar="MUNJIGI_POLICY_HOME",
    help="With --days: policy home with the calendar and, with --fast, the policy. Default: ./policies, else the packaged sample.",
)
@connected
def demo(
    connection: Connection,
    output: Output,
    count: int,
    concurrency: int,
    seed: int,
    days: int | None,
    employees: int,
    members: int,
    until: Any,
    rate: float,
    fast: bool,
    policy_home: Path | None,
) -> int:
    """Play a company at work.

    Without --days a burst of mixed sample traffic: several employees read, ask too much, open menus and confirm. With --days a made-up
    company of hundreds: it has shifts, cases, holidays, joiners and leavers, and makes mistakes. Each answer is in the audit trail
    afterwards. Needs the embedded identity with the sample company; with --fast no server at all.
    """
    if connection.cert is not None or connection.employee:
        raise Failure("The demo speaks for the sample company's employees itself.", "Leave out --as, --cert and --key.", 2)
    if days is None:
        if fast:
            raise click.UsageError("--fast needs --days.")
        return _burst(connection, output, count, concurrency, seed)
    from munjigi.app.demo import Wish

    last = _last_day(until)
    wish = Wish(seed, employees, members, last - timedelta(days=days - 1), days)
    if fast:
        from munjigi.cli.demo_fast import written

        return written(connection, output, wish, policy_home)
    if employees > _LIVE_EMPLOYEES:
        raise click.UsageError(f"A live company has {_LIVE_EMPLOYEES} people at most; --fast makes larger ones.")
    return _live(connection, output, wish, policy_home, concurrency, rate)


def _burst(connection: Connection, output: Output, count: int, concurrency: int, seed: int) -> int:
    from munjigi.cli.demo_tables import burst_table, summed, timed
    from munjigi.cli.output import console, print_machine
    from munjigi.company.burst import burst
    from munjigi.company.tally import Tally

    tally = Tally()
    began = time.perf_counter()
    spent = _played(connection, burst(count, seed), tally, concurrency, 0.0, count)
    rows, table = burst_table(tally)
    total = summed(tally, time.perf_counter() - began, spent)
    if not print_machine(output, {"scenes": rows, "total": total}, [*rows, {"total": total}]):
        screen = console()
        screen.print(table)
        screen.print(timed(total))
        screen.print("See it in the trail: munjigi audit search --since 5m")
    return FAILED if total["errors"] else DONE


def _live(connection: Connection, output: Output, wish: Any, policy_home: Path | None, concurrency: int, rate: float) -> int:
    from munjigi.app.demo import calendar_of_home
    from munjigi.cli.demo_tables import company_table, left_out, summed, timed
    from munjigi.cli.output import console, print_machine
    from munjigi.company.days import uncovered
    from munjigi.company.life import Company, live
    from munjigi.company.tally import Tally

    calendar = calendar_of_home(policy_home)
    company = Company(wish.seed, wish.employees, wish.first, wish.days, calendar, wish.members)
    tally = Tally()
    began = time.perf_counter()
    spent = _played(connection, live(company), tally, concurrency, rate, 0, company.days)
    rows, table = company_table(tally)
    total = summed(tally, time.perf_counter() - began, spent)
    notes = left_out(tally, uncovered(wish.first, wish.days, calendar), live=True)
    if not print_machine(output, {"scenes": rows, "total": total, "left_out": notes}, [*rows, {"total": total}]):
        screen = console()
        screen.print(table)
        screen.print(timed(total))
        for note in notes:
            screen.print(note)
        screen.print("See it in the trail: munjigi audit search --since 1h --as dpo.yoon")
    return FAILED if total["errors"] else DONE


def _played(
    connection: Connection,
    events: Iterable[Event],
    tally: Tally,
    concurrency: int,
    rate: float,
    questions: int,
    days: int = 0,
) -> list[float]:
    """Play events against the live gateway under a bar of `questions`, or of `days`; return the seconds of each call."""
    from munjigi.cli.bar import bar
    from munjigi.cli.demo_live import perform, playing
    from munjigi.cli.session import failure_of
    from munjigi.company.events import Asked
    from munjigi_client import MunjigiClientError

    first = 0

    async def play() -> list[float]:
        with bar("asking", days * _SECONDS_A_DAY if days else questions) as show:

            def advance(event: Event) -> None:
                nonlocal first
                if days:
                    first = first or event.at
                    show((event.at - first) // 10**9)
                elif isinstance(event, Asked):
                    first += len(event.questions)
                    show(first)

            async with playing(connection, tally, concurrency, rate) as player:
                await perform(events, player, advance)
                return player.seconds

    try:
        return asyncio.run(play())
    except MunjigiClientError as error:
        raise failure_of(error, connection) from None


def _last_day(until: Any) -> date:
    """Return the last day, which is over everywhere on earth or the day before today. Raises `UsageError`."""
    from datetime import UTC, datetime

    from munjigi.kernel.clock import SECOND, SystemClock

    yesterday = (datetime.fromtimestamp(SystemClock().now() // SECOND, UTC) - timedelta(days=1)).date()
    last: date = until.date() if until is not None else yesterday
    if last > yesterday or last.year < 2000:
        raise click.UsageError(f"--until is a day from 2000 on that is over: {yesterday} or an earlier one.")
    return last
