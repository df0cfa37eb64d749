"""`munjigi audit verify`: the logs' files alone, no server, nothing repaired; exit 5 names the first bad byte."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from munjigi.cli.failure import DONE, UNVERIFIED, Failure
from munjigi.cli.options import Output, output_option, state_option

if TYPE_CHECKING:
    from munjigi.audit.seal.check import SealCheck
    from munjigi.audit.verify import Verification

_TORN: Final = 20  # looks at a tail that a running gateway is writing
_PAUSE: Final = 0.05  # seconds between them


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
@output_option
def audit_verify(state_dir: Path, log_id: str, key: str, checkpoint: Path | None, output: Output) -> int:
    """Verify the journals and the log of permissions on disk, byte by byte, without a server.

    Grants and people must be what their records made them. Each record is held against its log's seal as well, and the seal
    against its signature. Repairs nothing. Any byte that cannot be accounted for, a torn tail included, is exit 5.
    With --checkpoint, history since then must only have grown.
    """
    from munjigi.audit.reader import list_logs
    from munjigi.cli.output import console, print_machine, safe, styled, table
    from munjigi.rpc.verification import NOT_SEALED, answer_of

    root = state_dir / "journal"
    logs = list_logs(root) if root.is_dir() else []
    missing = missing_logs(root)
    if log_id:
        logs, missing = [each for each in logs if each == log_id], [each for each in missing if each == log_id]
    began = time.perf_counter()
    seal = seal_of(state_dir, key, checkpoint)
    permissions = permissions_of(state_dir, log_id, seal)
    if not logs and not missing and (permissions is None or not log_id):
        what = "no log with this id" if log_id else "no journal at all"
        raise Failure(
            f"Not verified: there is {what} under {root}.",
            "Name the right state folder with --state-dir (MUNJIGI_STATE_DIR); if it is right, the journal has been removed.",
            UNVERIFIED,
        )
    missing += sorted(set(seal.sealed) - set(logs) - set(missing)) if not log_id else []
    missing = [each for each in missing if permissions is None or each != permissions.log_id]
    found = [*(settled(root / each, seal) for each in logs), *(_gone(each) for each in missing)]
    found += [permissions] if permissions is not None else []
    seconds = time.perf_counter() - began
    answer = answer_of(seal, found)
    if not print_machine(output, answer, answer.journals):
        screen = console()
        listing = table("log", "records", "sealed", "result", "chain", fold=("result",), right=("records", "sealed"))
        for each in answer.journals:
            result = styled("intact", "green") if each.intact else styled(each.problem, "bold red")
            listing.add_row(safe(each.log_id), str(each.records), str(each.sealed), result, each.chain[:16])
        screen.print(listing)
        for each in answer.journals:
            if not each.intact:
                place = f"{safe(each.file) or '(folder)'}, offset {each.offset}, record {each.index}"
                screen.print(styled(f"{each.log_id}: {each.problem} at {place}", "bold red"))
        if answer.seal_problem:
            screen.print(styled(f"Seal: {answer.seal_problem}", "yellow" if answer.seal_problem == NOT_SEALED else "bold red"))
        else:
            screen.print(f"Seal: checkpoint {answer.seal_entries} is signed, and the logs are what it says.")
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


def permissions_of(state_dir: Path, log_id: str, seal: SealCheck) -> Verification | None:
    """Verify the log of permission records; None when there is no state store, or when another log is asked for."""
    from munjigi.adapters.state.sqlite import SqliteStateStore
    from munjigi.grants.verification import FILE, verify_permissions
    from munjigi.kernel.errors import Corruption, Unavailable

    path = state_dir / FILE
    if not path.exists():
        return None
    store = SqliteStateStore(path, read_only=True)
    try:
        own = store.log_head().log_id
        return verify_permissions(store, seal.sealed.get(own)) if log_id in ("", own) else None
    except (Corruption, Unavailable):
        from munjigi.audit.verify import Verification

        return Verification("", False, 0, "", FILE, 0, 0, "STATE_UNREADABLE")
    finally:
        store.close()


def seal_of(state_dir: Path, key: str = "", checkpoint: Path | None = None) -> SealCheck:
    """Check the seal, by its own published key where none is given."""
    from munjigi.adapters.seal_keys import public_key
    from munjigi.app.files import StateFolder
    from munjigi.app.log_sources import LogSources
    from munjigi.audit.seal.check import check_seal
    from munjigi.audit.seal.note import Note, VerifierKey

    own = state_dir / "keys" / "seal.vkey"
    given = VerifierKey.parse(key) if key else public_key(own) if own.exists() else None
    earlier = Note.parse(checkpoint.read_text("utf-8", "replace")) if checkpoint is not None else None
    folder = StateFolder(state_dir)
    with closing(LogSources(folder)) as sources:
        return check_seal(folder.seal, sources.of, given, earlier)


def _gone(log_id: str) -> Verification:
    from munjigi.audit.verify import Verification

    return Verification(log_id, False, 0, "", "", 0, 0, "LOG_MISSING")


def settled(folder: Path, seal: SealCheck) -> Verification:
    """Verify; while a gateway is writing, a tail that is torn at one look is whole at the next.

    A finding that stays in its place stands, and so does any finding after `_TORN` looks.
    """
    from munjigi.audit.seal.check import verify_sealed

    last = verify_sealed(folder, seal)
    for _ in range(_TORN):
        if last.intact or not _being_written(folder):
            break
        time.sleep(_PAUSE)
        again = verify_sealed(folder, seal)
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
