"""`munjigi audit verify`: the journals' files alone, no server, nothing repaired; exit 5 names the first bad byte."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from munjigi.cli.failure import DONE, UNVERIFIED, Failure
from munjigi.cli.options import Output, output_option, state_option

if TYPE_CHECKING:
    from munjigi.audit.verify import Verification

_TORN: Final = 20  # looks at a tail that a running gateway is writing
_PAUSE: Final = 0.05  # seconds between them


@click.command("verify")
@state_option
@click.option("--log-id", default="", metavar="ID", show_envvar=True, help="Only this log.")
@output_option
def audit_verify(state_dir: Path, log_id: str, output: Output) -> int:
    """Verify the journals on disk, byte by byte, without a server.

    Repairs nothing. Any byte that cannot be accounted for, a torn tail included, is exit 5.
    """
    from munjigi.audit.reader import list_logs
    from munjigi.cli.output import console, print_machine, safe, styled, table
    from munjigi_client._proto.munjigi.v1 import audit_pb2 as pb

    root = state_dir / "journal"
    logs = list_logs(root) if root.is_dir() else []
    missing = missing_logs(root)
    if log_id:
        logs, missing = [each for each in logs if each == log_id], [each for each in missing if each == log_id]
    if not logs and not missing:
        what = "no journal with this log id" if log_id else "no journal at all"
        raise Failure(
            f"Not verified: there is {what} under {root}.",
            "Name the right state folder with --state-dir (MUNJIGI_STATE_DIR); if it is right, the journal has been removed.",
            UNVERIFIED,
        )
    began = time.perf_counter()
    found = [*(settled(root / each) for each in logs), *(_gone(each) for each in missing)]
    seconds = time.perf_counter() - began
    answer = pb.VerifyJournalResponse(
        journals=[
            pb.JournalVerification(
                log_id=each.log_id,
                intact=each.intact,
                records=each.records,
                chain=each.chain,
                file=each.file,
                offset=each.offset,
                index=each.index,
                problem=each.problem,
            )
            for each in found
        ],
        intact=all(each.intact for each in found),
    )
    if not print_machine(output, answer, answer.journals):
        screen = console()
        listing = table("log", "records", "result", "chain", fold=("result",), right=("records",))
        for each in answer.journals:
            result = styled("intact", "green") if each.intact else styled(each.problem, "bold red")
            listing.add_row(safe(each.log_id), str(each.records), result, each.chain[:16])
        screen.print(listing)
        for each in answer.journals:
            if not each.intact:
                place = f"{safe(each.file) or '(folder)'}, offset {each.offset}, record {each.index}"
                screen.print(styled(f"{each.log_id}: {each.problem} at {place}", "bold red"))
        records = sum(each.records for each in answer.journals)
        screen.print(styled(f"{records} records read in {seconds:.2f} s", "dim"))
        if not answer.intact:
            screen.print("Keep the folder as it is, take a copy, and compare it with a backup: nothing was repaired.")
    return DONE if answer.intact else UNVERIFIED


def missing_logs(root: Path) -> list[str]:
    """Return the logs that a slot file beside the journal folder names and that are not in it: someone removed them."""
    from munjigi.audit.reader import list_logs

    slots = root.parent / "slots"
    named = {path.read_text("ascii", "replace").strip() for path in slots.iterdir()} if slots.is_dir() else set()
    return sorted(named - set(list_logs(root)))


def _gone(log_id: str) -> Verification:
    from munjigi.audit.verify import Verification

    return Verification(log_id, False, 0, "", "", 0, 0, "LOG_MISSING")


def settled(folder: Path) -> Verification:
    """Verify; while a gateway is writing, a tail that is torn at one look is whole at the next.

    A finding that stays in its place stands, and so does any finding after `_TORN` looks.
    """
    from munjigi.audit.verify import verify_journal

    last = verify_journal(folder)
    for _ in range(_TORN):
        if last.intact or not _being_written(folder):
            break
        time.sleep(_PAUSE)
        again = verify_journal(folder)
        same_place = (again.file, again.offset) == (last.file, last.offset)
        last = again
        if same_place:
            break
    return last


def _being_written(folder: Path) -> bool:
    """Tell whether a gateway serves from this state folder: its lock can't be had."""
    import fcntl

    try:
        with (folder.parent.parent / "lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
