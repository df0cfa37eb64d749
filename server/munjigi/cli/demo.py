"""`munjigi demo`: a bounded burst of the sample company's traffic, through the real client, with a summary."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from munjigi.cli.failure import DONE, FAILED, Failure
from munjigi.cli.options import Connection, Output, connected

if TYPE_CHECKING:
    from munjigi.cli.demo_traffic import Scene, Tally


@click.command("demo")
@click.option(
    "--count", type=click.IntRange(1, 100_000), default=500, show_default=True, show_envvar=True, help="Decisions to ask for."
)
@click.option(
    "--concurrency", type=click.IntRange(1, 64), default=8, show_default=True, show_envvar=True, help="Questions at a time."
)
@click.option("--seed", type=int, default=1, show_default=True, show_envvar=True, help="The same seed asks the same questions.")
@connected
def demo(connection: Connection, output: Output, count: int, concurrency: int, seed: int) -> int:
    """Send a burst of mixed sample traffic.

    Several employees read, ask too much, open menus and confirm; each answer is in the audit trail afterwards.
    Needs the embedded identity with the sample company.
    """
    from munjigi.cli.demo_traffic import SCENES
    from munjigi.cli.output import console, print_machine
    from munjigi_client import MunjigiClientError

    if connection.cert is not None or connection.employee:
        raise Failure("The demo speaks for the sample company's employees itself.", "Leave out --as, --cert and --key.", 2)
    began = time.perf_counter()
    try:
        tallies = asyncio.run(_burst(connection, count, concurrency, seed))
    except MunjigiClientError as error:
        from munjigi.cli.session import failure_of

        raise failure_of(error, connection) from None
    seconds = time.perf_counter() - began
    rows = [_row(scene, tallies[scene]) for scene in SCENES]
    total = _total(tallies, seconds)
    if not print_machine(output, {"scenes": rows, "total": total}, [*rows, {"total": total}]):
        screen = console()
        screen.print(_table(rows))
        screen.print(
            f"{total['decisions']} answers: {total['allowed']} ALLOW, {total['denied']} DENY; {total['confirmed']} confirmed, "
            f"{total['errors']} errors, in {seconds:.1f} s ({total['decisions_per_second']:.0f}/s, "
            f"p50 {total['p50_milliseconds']:.1f} ms, p99 {total['p99_milliseconds']:.1f} ms a call)"
        )
        screen.print("See it in the trail: munjigi audit search --since 5m")
    return FAILED if total["errors"] else DONE


async def _burst(connection: Connection, count: int, concurrency: int, seed: int) -> Mapping[Scene, Tally]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from munjigi.adapters.identity.local_issuer import LocalIssuer
    from munjigi.cli.demo_traffic import plan, play
    from munjigi.kernel.clock import SystemClock
    from munjigi_client import AsyncClient

    issuer = LocalIssuer(connection.state_dir)
    clock = SystemClock()

    def client_for(employee: str, tool: str) -> AsyncClient:
        now = clock.now()
        return AsyncClient(
            connection.address,
            employee_token=issuer.employee(employee, tool, now=now),
            tool_token=issuer.tool(tool, now=now),
            timeout=connection.timeout,
        )

    columns = (TextColumn("asking"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("asking", total=count)
        return await play(plan(count, seed), client_for, concurrency, seed, lambda done: progress.advance(task, done))


def _row(scene: Scene, tally: Tally) -> dict[str, Any]:
    return {
        "employee": scene.employee,
        "tool": scene.tool,
        "what": scene.title,
        "decisions": tally.decisions,
        "allowed": tally.allowed,
        "denied": tally.denied,
        "confirmed": tally.confirmed,
        "errors": dict(tally.errors),
    }


def _total(tallies: Mapping[Scene, Tally], seconds: float) -> dict[str, Any]:
    times = sorted(each for tally in tallies.values() for each in tally.seconds) or [0.0]
    decisions = sum(tally.decisions for tally in tallies.values())
    return {
        "decisions": decisions,
        "allowed": sum(tally.allowed for tally in tallies.values()),
        "denied": sum(tally.denied for tally in tallies.values()),
        "confirmed": sum(tally.confirmed for tally in tallies.values()),
        "errors": sum(sum(tally.errors.values()) for tally in tallies.values()),
        "seconds": round(seconds, 3),
        "decisions_per_second": round(decisions / seconds, 1),
        "p50_milliseconds": round(1000 * times[len(times) // 2], 3),
        "p99_milliseconds": round(1000 * times[min(len(times) - 1, len(times) * 99 // 100)], 3),
    }


def _table(rows: list[dict[str, Any]]) -> Any:
    from munjigi.cli.output import styled, table

    numbers = ("asked", "allow", "deny", "confirmed")
    listing = table("who", "what", *numbers, fold=("what",), right=numbers)
    for row in rows:
        what = styled(row["what"], "")
        for reason, count in row["errors"].items():
            what.append(f"\n{reason} x{count}", style="bold red")
        listing.add_row(
            styled(row["employee"], "").append(f" via {row['tool']}", style="dim"),
            what,
            str(row["decisions"]),
            styled(str(row["allowed"] or ""), "green"),
            styled(str(row["denied"] or ""), "red"),
            str(row["confirmed"] or ""),
        )
    return listing
