"""`munjigi audit verify`: the logs' files alone, no server, nothing repaired; exit 5 names the first bad byte."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from munjigi.cli.failure import DONE, UNVERIFIED, Failure
from munjigi.cli.options import Output, archive_option, output_option, state_option

if TYPE_CHECKING:
    from munjigi_client._proto.munjigi.v1 import audit_pb2 as pb


@click.command("verify")
@state_option
@click.option("--log-id", default="", metavar="ID", show_envvar=True, help="Only this log.")
@click.option("--key", default="", metavar="VERIFICATION_KEY", show_envvar=True, help="The seal's key. Default: keys/seal.vkey.")
@click.option(
    "--checkpoint",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    show_envvar=True,
    help="A checkpoint that you kept (a copy of seal/checkpoint).",
)
@archive_option
@output_option
def audit_verify(state_dir: Path, log_id: str, key: str, checkpoint: Path | None, archive: Path | None, output: Output) -> int:
    """Verify the journals and the log of permissions on disk, byte by byte, without a server.

    Grants and people must be what their records made them. Each record is held against its log's seal as well, and the seal
    against its signature. Repairs nothing. Any byte that cannot be accounted for, a torn tail included, is exit 5.
    With --checkpoint, history since then must only have grown. With --archive, the segments there are read as well: those that
    were removed here must be there, and those that are in both the same.
    """
    from munjigi.app.files import StateFolder
    from munjigi.app.restoration import recorded
    from munjigi.app.verification import seal_of, verify_logs
    from munjigi.audit.seal.origin import is_synthetic
    from munjigi.cli.output import console, print_machine, safe, styled, table
    from munjigi.rpc.verification import NOT_SEALED, answer_of

    folder = StateFolder(state_dir)
    began = time.perf_counter()
    seal = seal_of(folder, key, checkpoint)
    found = verify_logs(folder, seal, log_id, archive)
    if not found or (not log_id and not any((folder.journal / each.log_id).is_dir() or each.problem for each in found)):
        what = "no log with this id" if log_id else "no journal at all"
        raise Failure(
            f"Not verified: there is {what} under {folder.journal}.",
            "Name the right state folder with --state-dir (MUNJIGI_STATE_DIR); if it is right, the journal has been removed.",
            UNVERIFIED,
        )
    seconds = time.perf_counter() - began
    answer = answer_of(seal, found, recorded(folder.journal))
    if not print_machine(output, answer, answer.journals):
        screen = console()
        listing = table("log", "records", "sealed", "result", "chain", fold=("result",), right=("records", "sealed"))
        for each in answer.journals:
            result = styled("intact", "green") if each.intact else styled(each.problem, "bold red")
            listing.add_row(safe(each.log_id), str(each.records), str(each.sealed), result, each.chain[:16])
        screen.print(listing)
        for each in answer.journals:
            if each.first:
                screen.print(
                    f"{each.log_id} begins with record {each.first}: earlier ones were removed at the end of their retention."
                )
            if not each.intact:
                place = f"{safe(each.file) or '(folder)'}, offset {each.offset}, record {each.index}"
                screen.print(styled(f"{each.log_id}: {each.problem} at {place}", "bold red"))
        if answer.seal_problem:
            screen.print(styled(f"Seal: {answer.seal_problem}", "yellow" if answer.seal_problem == NOT_SEALED else "bold red"))
        else:
            screen.print(f"Seal: checkpoint {answer.seal_entries} is signed, and the logs are what it says.")
        if is_synthetic(seal.origin):
            screen.print(styled(f"Synthetic: the people and records of {seal.origin} are made up.", "yellow"))
        for restored in answer.restorations:
            screen.print(styled(told(restored), "yellow"))
        if answer.lost_entries:
            screen.print(
                styled(f"{answer.lost_entries} entries of your checkpoint are from after that backup: they are lost.", "yellow")
            )
        records = sum(each.records for each in answer.journals)
        screen.print(styled(f"{records} records read in {seconds:.2f} s", "dim"))
        if not answer.intact:
            screen.print("Keep the folder as it is, take a copy, and compare it with a backup: nothing was repaired.")
    return DONE if answer.intact else UNVERIFIED


def told(restored: pb.Restoration) -> str:
    """Say what a restore is, and what it states as missing."""
    from munjigi.cli.moments import show_moment
    from munjigi.cli.output import safe

    what = f"Restored: the seal goes on as {restored.origin} after checkpoint {restored.continued_entries} of {restored.continued_origin}"
    if not restored.record_id:
        return f"{what}; the first start will record it."
    gap = f"{show_moment(restored.backup_time)} to {show_moment(restored.started_at)}"
    lost = (
        f", of it {restored.lost_entries} sealed entries by the checkpoint that was given"
        if restored.kept_entries
        else ", no checkpoint of after the backup was given"
    )
    return f"{what}. Missing: what was recorded from {gap}{lost}. By {restored.operator}: {safe(restored.reason)} ({restored.record_id})"
