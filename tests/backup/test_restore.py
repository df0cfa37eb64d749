"""A restore brings back all of a backup or nothing, ends every name that the lost history used, and says what is missing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from audit.support import TickingClock, access
from backup.kit import Installation, backed_up, kept_checkpoint, made, payloads, put_back, verified
from backup.restore_kit import refused

from munjigi.adapters.seal_keys import public_key
from munjigi.adapters.state.sqlite import SqliteStateStore
from munjigi.app.backup_contents import Keys
from munjigi.app.files import StateFolder
from munjigi.app.log_sources import LogSources
from munjigi.app.restoration import forget, record_restored, recorded
from munjigi.audit import mark, slots
from munjigi.audit.holds import HoldFiles, named_by_marks
from munjigi.audit.journal import Journal
from munjigi.audit.reader import list_logs
from munjigi.audit.records import decode
from munjigi.audit.seal.generations import number_of, opened, proving
from munjigi.audit.seal.note import Checkpoint, Note
from munjigi.audit.seal.pack import evidence
from munjigi.cli import munjigi_verify
from munjigi.grants.changes import grant_ended
from munjigi.kernel.errors import Corruption, Unavailable


def open_restored(state: Path) -> Journal:
    folder = StateFolder(state)
    return Journal.open(
        folder.journal, 0, quarantine=folder.quarantine, clock=TickingClock(2 * 10**18), randomness=os.urandom(16)
    )


def test_all_comes_back_under_its_names_and_goes_on_under_others(installation: Installation, tmp_path: Path) -> None:
    before = payloads(installation.folder.root)
    old_log = installation.journal.log_id
    backed_up(installation, tmp_path)
    done = put_back(tmp_path, tmp_path / "restored")
    state = tmp_path / "restored"
    after = payloads(state)
    assert {name: after[name] for name in before} == before
    assert sorted(len(after[name]) for name in after if name not in before) == [0, 0]  # a journal, and a log of permissions
    assert {(each.log_id, each.records) for each in done.logs} == {(name, len(each)) for name, each in before.items()}
    assert slots.retired(state / "journal") == {old_log}
    with closing(open_restored(state)) as journal:
        assert journal.log_id != old_log
        journal.append(access(1))
    assert payloads(state)[old_log] == before[old_log]
    modes = {path: path.stat().st_mode & 0o777 for path in state.rglob("*") if path.suffix != ".vkey"}
    assert [(path, oct(mode)) for path, mode in modes.items() if mode != (0o700 if path.is_dir() else 0o600)] == []


def test_grants_go_on_and_their_past_is_as_it_was(installation: Installation, tmp_path: Path) -> None:
    past = [installation.store.load_at(revision) for revision in range(installation.store.revision() + 1)]
    backed_up(installation, tmp_path)
    put_back(tmp_path, tmp_path / "restored")
    with closing(SqliteStateStore(tmp_path / "restored" / "state.sqlite")) as store:
        ended, current = store.log_heads()
        assert (ended.next_index, current.next_index, current.base) == (len(past) - 1, 0, len(past) - 1)
        (grant,) = store.load().grants
        revision = store.apply(
            [grant_ended(replace(grant, ends_at=grant.starts_at))], at=10**18, actor="dpo.yoon", request_id="r"
        )
        assert revision == len(past)
        assert [store.load_at(each) for each in range(len(past))] == past
        assert store.log_rows(revision - 1, 1)[0].index == 0
    seal, found = verified(tmp_path / "restored")
    assert not seal.problem
    assert found[current.log_id].records == 1
    assert all(each.intact for each in found.values())


def test_the_seal_goes_on_under_another_name_and_binds_what_was(installation: Installation, tmp_path: Path) -> None:
    kept = kept_checkpoint(installation, tmp_path / "kept")
    backed_up(installation, tmp_path)
    done = put_back(tmp_path, tmp_path / "restored")
    seal, _ = verified(tmp_path / "restored", kept)
    assert (seal.problem, seal.lost) == ("", 0)
    assert [(each.origin, each.size) for each in seal.continued] == [(done.continued_origin, done.continued_entries)]
    assert seal.origin == done.origin == public_key(tmp_path / "restored" / "keys" / "seal.vkey").name
    assert done.origin.startswith(f"{done.continued_origin}/2-")
    again = put_back(tmp_path, tmp_path / "twice")
    assert again.origin != done.origin  # one backup, restored twice, is two histories


def test_a_restored_folder_is_backed_up_and_restored_again(installation: Installation, tmp_path: Path) -> None:
    installation.rotate()
    installation.append()
    installation.seal()
    first_key = installation.key.verifier
    backed_up(installation, tmp_path)
    put_back(tmp_path, tmp_path / "second")
    with closing(Installation(StateFolder(tmp_path / "second"))) as second:
        assert record_restored(second.folder, second.journal)
        second.append(30)
        second.grant()
        second.seal()
        second.rotate()
        second.append(2)
        second.seal()
        kept = kept_checkpoint(second, tmp_path / "kept-2")
        (tmp_path / "later").mkdir()
        backed_up(second, tmp_path / "later")
        records = payloads(second.folder.root)
    put_back(tmp_path / "later", tmp_path / "third")
    state = tmp_path / "third"
    assert {name: each for name, each in payloads(state).items() if each} == {
        name: each for name, each in records.items() if each
    }
    assert len(slots.retired(state / "journal")) == 2
    from munjigi.app.verification import seal_of

    for key in ("", str(first_key)):  # the first key that an auditor got vouches for all that followed
        seal = seal_of(StateFolder(state), key, kept)
        assert (seal.problem, seal.lost, len(seal.continued), number_of(seal.origin)) == ("", 0, 2, 3)
    seal, found = verified(state)
    assert all(each.intact for each in found.values())
    assert len(recorded(state / "journal")) == 1


def proved(state: Path, place: tuple[str, int], to: Path) -> int:
    with closing(LogSources(StateFolder(state))) as sources, opened(state / "seal") as generations:
        number = proving(generations, [place])
        logs = {each.log_id: each for each in sources.look()}
        to.write_text("".join(evidence(generations[number], logs, [place], generations[:number])))
    return number


def test_old_records_are_proved_under_the_old_checkpoint_and_new_ones_by_the_old_key(
    installation: Installation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old_key, log_id, unsealed = installation.key.verifier, installation.journal.log_id, installation.count - 1
    backed_up(installation, tmp_path)
    put_back(tmp_path, tmp_path / "restored")
    state = tmp_path / "restored"
    with closing(Installation(StateFolder(state))) as second:
        second.append(3)
        second.seal()
        fresh, new_key = second.journal.log_id, second.key.verifier
    pack = tmp_path / "pack"
    for place, generation in (((log_id, 5), 0), ((log_id, unsealed), 1), ((fresh, 1), 1)):
        assert proved(state, place, pack) == generation
        for key in (old_key, new_key):
            assert munjigi_verify.main([str(pack), "--key", str(key), "--quiet"]) == 0, capsys.readouterr().out
    stranger = Keys({"keys/seal.key": bytes(32), "keys/seal.vkey": f"{old_key.name}+x".encode()}).seal.verifier
    assert munjigi_verify.main([str(pack), "--key", str(stranger), "--quiet"]) == 5


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda seal: shutil.rmtree(seal / "earlier"), "GENERATION_NOT_CONTINUED"),
        (lambda seal: _flip(seal / "earlier" / "1" / "entries", 70), "ENTRIES_NOT_AS_SIGNED"),
        (lambda seal: _flip(seal / "entries", 40), "ENTRIES_NOT_AS_SIGNED"),
        (lambda seal: _flip(seal / "earlier" / "1" / "checkpoint", 3), "GENERATION_NOT_CONTINUED"),
        (lambda seal: (seal / "earlier" / "1" / "entries").unlink(), "SEAL_ROLLBACK"),
    ],
)
def test_what_a_restore_continued_can_not_be_changed(
    installation: Installation, tmp_path: Path, damage: Callable[[Path], object], problem: str
) -> None:
    backed_up(installation, tmp_path)
    put_back(tmp_path, tmp_path / "restored")
    damage(tmp_path / "restored" / "seal")
    seal, _ = verified(tmp_path / "restored")
    assert seal.problem == problem


def _flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


# retention


def test_a_log_that_lost_its_beginning_to_retention_comes_back(installation: Installation, tmp_path: Path) -> None:
    installation.remove()
    installation.append(2)
    before = payloads(installation.folder.root)
    old = installation.journal.log_id
    first = before[old][0]
    assert decode(first).index > 0
    manifest = backed_up(installation, tmp_path)
    assert {log.log_id: log.records for log in manifest.logs}[old] == installation.journal.next_index
    put_back(tmp_path, tmp_path / "restored")
    assert payloads(tmp_path / "restored")[old] == before[old]
    seal, found = verified(tmp_path / "restored")
    assert not seal.problem
    assert all(each.intact for each in found.values())
    assert found[old].first == decode(first).index
    with closing(Installation(StateFolder(tmp_path / "restored"))) as second:  # and its seal goes on
        second.append(30)
        second.seal()
    seal, found = verified(tmp_path / "restored")
    assert (seal.problem, [each.problem for each in found.values() if not each.intact]) == ("", [])


def test_a_removal_that_is_under_way_is_whole_in_the_backup_or_not_begun(installation: Installation, tmp_path: Path) -> None:
    old = installation.journal.log_id
    installation.disturb = lambda: backed_up(installation, tmp_path)
    installation.remove()
    put_back(tmp_path, tmp_path / "restored")
    _, found = verified(tmp_path / "restored")
    assert (found[old].intact, found[old].first) == (True, 0)
    (tmp_path / "later").mkdir()
    known = mark.read(installation.folder.journal / old)
    assert known is not None
    # killed after the record and before the mark said so
    removing = mark.Removing(known.first, known.removal)
    installation.journal.change_mark(lambda now: msgspec.structs.replace(now, first=0, removal=-1, removing=removing))
    backed_up(installation, tmp_path / "later")
    put_back(tmp_path / "later", tmp_path / "again")
    _, found = verified(tmp_path / "again")
    assert (found[old].intact, found[old].first) == (True, known.first)


def test_a_legal_hold_that_is_released_meanwhile_is_not_in_a_backup_that_has_its_release(
    installation: Installation, tmp_path: Path
) -> None:
    kept, released = installation.hold(), installation.hold()

    def release(name: str, _size: int) -> None:
        if name.startswith("journal/") and released in installation.journal.mark_holds:
            installation.release(released)

    with pytest.raises(Unavailable, match="released while it was copied") as caught:
        backed_up(installation, tmp_path, release)
    assert caught.value.reason == "BACKUP_DISTURBED"
    assert not (tmp_path / "backup").exists()
    backed_up(installation, tmp_path)
    put_back(tmp_path, tmp_path / "restored")
    folder = StateFolder(tmp_path / "restored")
    assert [each.hold_id for each in HoldFiles(folder.holds).standing(named_by_marks(folder.journal))] == [kept]


def test_legal_holds_stand_and_can_be_released_after_a_restore(installation: Installation, tmp_path: Path) -> None:
    names = [installation.hold(), installation.hold()]

    def another(name: str, _size: int) -> None:
        if name.startswith("journal/") and len(names) == 2:
            names.append(installation.hold())

    backed_up(installation, tmp_path, another)
    put_back(tmp_path, tmp_path / "restored")
    folder = StateFolder(tmp_path / "restored")
    holds = HoldFiles(folder.holds)
    assert {each.hold_id for each in holds.standing(named_by_marks(folder.journal))} == set(names)
    with closing(open_restored(folder.root)) as journal:
        named = mark.read(journal.folder)
        assert named is not None
        assert set(names[:2]) <= set(named.holds)
        journal.change_mark(lambda known: msgspec.structs.replace(known, holds=()))
        for name in names:
            holds.remove(name)
        assert holds.standing(named_by_marks(folder.journal)) == []
    _, found = verified(folder.root)
    assert all(each.intact for each in found.values())


# the gap


def test_the_gap_counts_what_a_kept_checkpoint_has_more(installation: Installation, tmp_path: Path) -> None:
    within = kept_checkpoint(installation, tmp_path / "within")
    manifest = backed_up(installation, tmp_path)
    for _ in range(3):
        installation.append()
        installation.seal()
    beyond = kept_checkpoint(installation, tmp_path / "beyond")
    done = put_back(tmp_path, tmp_path / "restored", kept=beyond)
    size = Checkpoint.parse(Note.parse(beyond.read_text()).text).size
    assert size >= manifest.entries + 3
    assert (done.kept_entries, done.lost_entries) == (size, size - manifest.entries)
    assert (done.backup_time, done.backup_id, done.reason) == (manifest.time, manifest.backup_id, "the disk failed")
    seal, _ = verified(tmp_path / "restored", beyond)  # an auditor who holds it is told, too
    assert (seal.problem, seal.lost) == ("", size - manifest.entries)
    done = put_back(tmp_path, tmp_path / "again", kept=within)
    assert (done.kept_entries, done.lost_entries) == (manifest.entries, 0)


def test_a_checkpoint_of_another_history_is_refused(installation: Installation, tmp_path: Path) -> None:
    backed_up(installation, tmp_path)
    with closing(made(tmp_path / "other")) as other:
        kept = kept_checkpoint(other, tmp_path / "foreign")
    refused(tmp_path, "CHECKPOINT_OF_ANOTHER", kept=kept)


def test_the_first_start_records_the_restore_once(installation: Installation, tmp_path: Path) -> None:
    backed_up(installation, tmp_path)
    done = put_back(tmp_path, tmp_path / "restored")
    folder = StateFolder(tmp_path / "restored")
    for _ in range(2):  # killed between record and its word's removal: it isn't recorded again
        with closing(open_restored(folder.root)) as journal:
            assert record_restored(folder, journal)
            journal.append(access(1))
    forget(folder)
    with closing(open_restored(folder.root)) as journal:
        assert not record_restored(folder, journal)
    (found,) = recorded(folder.journal)
    assert found.position == 0
    stated = found.record
    assert stated.time > 0
    stated.index, stated.time = done.index, done.time
    assert stated == done
    assert [type(decode(each)).__name__ for each in payloads(folder.root)[found.log_id]].count("RestoredRecord") == 1


def test_word_of_a_restore_that_can_not_be_read_refuses_the_start(installation: Installation, tmp_path: Path) -> None:
    (installation.folder.restored).write_text("{}")
    with pytest.raises(Corruption) as caught:
        record_restored(installation.folder, installation.journal)
    assert caught.value.reason == "RESTORE_UNREADABLE"


def test_a_slot_that_lost_its_file_never_goes_on_in_an_ended_log(installation: Installation, tmp_path: Path) -> None:
    old = installation.journal.log_id
    backed_up(installation, tmp_path)
    put_back(tmp_path, tmp_path / "restored")
    root = tmp_path / "restored" / "journal"
    new = (set(list_logs(root)) - {old}).pop()
    slots.slot_file(root, 0).unlink()
    with closing(open_restored(tmp_path / "restored")) as journal:
        assert journal.log_id == new
    slots.slot_file(root, 0).write_text(old)
    with pytest.raises(Corruption) as caught:
        open_restored(tmp_path / "restored")
    assert caught.value.reason == "JOURNAL_RETIRED"
    shutil.rmtree(root / old)
    _, found = verified(tmp_path / "restored")
    assert found[old].problem == "LOG_MISSING"


def test_the_command_says_what_it_did(installation: Installation, tmp_path: Path) -> None:
    program = [Path(sys.executable).parent / "munjigi"]
    environment = os.environ | {"MUNJIGI_STATE_DIR": str(installation.folder.root)}

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [*program, *map(str, arguments)]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    file, keys, target = tmp_path / "b", tmp_path / "k", tmp_path / "restored"
    done = run("backup", file, "--keys", keys)
    assert (done.returncode, done.stderr) == (0, "")
    assert run("backup", "--check", file).returncode == 0
    assert run("backup", file, "--keys", file).returncode == 2
    data = bytearray(file.read_bytes())
    data[2000] ^= 1
    (tmp_path / "bad").write_bytes(data)
    done = run("backup", "--check", tmp_path / "bad")
    assert (done.returncode, "seal/" in done.stderr) == (5, True)
    done = run("restore", tmp_path / "bad", "--keys", keys, "--reason", "trial", "--state-dir", target)
    assert (done.returncode, "Nothing was restored" in done.stderr) == (5, True)
    done = run("restore", file, "--keys", keys, "--reason", "trial", "--state-dir", target)
    assert (done.returncode, done.stderr) == (0, "")
    key = (target / "keys" / "seal.vkey").read_text().strip()
    assert key in done.stdout
    done = run("audit", "verify", "--state-dir", target)
    assert (done.returncode, "the first start will record it" in " ".join(done.stdout.split())) == (0, True)
    done = run("audit", "verify", "--state-dir", target, "-o", "json")
    assert json.loads(done.stdout)["restorations"][0]["record_id"] == ""
