"""`munjigi demo --fast`: days of a made-up company into a state folder of their own, and an honest summary."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from munjigi.cli.failure import DONE, FAILED, Failure
from munjigi.cli.options import Connection, Output

if TYPE_CHECKING:
    from munjigi.app.config import Settings
    from munjigi.app.demo import Wish, Written


def written(connection: Connection, output: Output, wish: Wish, policy_home: Path | None) -> int:
    """Write the company, and say what was written. Raises `Failure` when it does not come to its end."""
    from munjigi.app.config import load_settings
    from munjigi.cli.output import console, print_machine

    settings = load_settings({"state_dir": connection.state_dir, "policy_home": policy_home})
    done = _under_a_bar(settings, wish)
    total = _total(done, wish)
    from munjigi.cli.demo_tables import company_table, left_out, staffed

    rows, table = company_table(done.tally)
    notes = left_out(done.tally, done.bare_years, live=False)
    if print_machine(output, {"scenes": rows, "total": total, "left_out": notes}, [*rows, {"total": total}]):
        return FAILED if total["errors"] else DONE
    screen = console()
    screen.print(table)
    screen.print(
        f"{total['decisions']:,} decisions: {total['allowed']:,} ALLOW, {total['denied']:,} DENY, {total['probes']:,} of them probes; "
        f"{total['confirmed']:,} reads confirmed, {total['errors']} errors"
    )
    screen.print(staffed(total))
    screen.print(
        f"{total['records']:,} records of {wish.days} days from {wish.first}, {total['megabytes']:,} MB, in {done.seconds:.1f} s: "
        f"{total['records_per_second']:,}/s, {total['records_per_processor_second']:,} a second of one processor; "
        f"sealed in another {done.seal_seconds:.1f} s"
    )
    for note in notes:
        screen.print(note)
    screen.print(f"Synthetic: every record of {connection.state_dir} says so, and so does its seal, {done.origin}.")
    screen.print(f"Look at it: munjigi serve --state-dir {connection.state_dir}")
    return FAILED if total["errors"] else DONE


def _under_a_bar(settings: Settings, wish: Wish) -> Written:
    from munjigi.app.demo import write_company
    from munjigi.app.files import StateFolder
    from munjigi.cli.bar import bar
    from munjigi.kernel.errors import MunjigiError

    began = 0
    with bar("writing", int(timedelta(days=wish.days).total_seconds())) as show:

        def progress(_records: int, at: int) -> None:
            nonlocal began
            began = began or at
            show((at - began) // 10**9)

        try:
            return write_company(settings, wish, progress)
        except MunjigiError as error:
            if not StateFolder(settings.state_dir).making.exists():
                raise
            raise Failure(f"{error.message.rstrip('.')}.", _unfinished(settings)) from error
        except KeyboardInterrupt:
            raise Failure("Interrupted.", _unfinished(settings)) from None


def _unfinished(settings: Settings) -> str:
    return f"{settings.state_dir} is unfinished and nothing will use it: remove it, and run the command again."


def _total(done: Written, wish: Wish) -> dict[str, Any]:
    from munjigi.cli.demo_tables import summed

    total = summed(done.tally, done.seconds)
    for name in ("p50_milliseconds", "p99_milliseconds", "decisions_per_second"):
        del total[name]
    return {
        **total,
        "synthetic": True,
        "origin": done.origin,
        "first_day": str(wish.first),
        "days": wish.days,
        "records": done.records,
        "records_per_second": round(done.journal / done.seconds),
        "records_per_processor_second": round(done.journal / done.processor_seconds),
        "seal_seconds": round(done.seal_seconds, 3),
        "megabytes": round(done.size / 1e6),
    }
