"""P7 and the seal: whatever is done to the files, it is found, and the place is named; without cause there is no alarm."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
from audit.support import TickingClock, access, open_journal
from seal.installation import KEY, RECORDS, Installation, build, copy_of, forge, payloads, seal_all

from munjigi.audit import segment
from munjigi.audit.records import AccessRecord, decode, encode
from munjigi.audit.seal import entries
from munjigi.audit.seal.merkle import leaf_hash
from munjigi.audit.seal.note import SigningKey
from munjigi.audit.seal.store import SealStore
from munjigi.kernel.errors import Corruption

THIEF = SigningKey(KEY.verifier.name, bytes(32))


class Place(NamedTuple):
    """Where a finding must point to: the log and the record; empty and -1 for the seal itself; None for anywhere in it."""

    log_id: str
    index: int | None


def changed(payload: bytes, **changes: object) -> bytes:
    record = decode(payload)
    assert isinstance(record, AccessRecord)
    return encode(msgspec.structs.replace(record, **changes))


def renumbered(content: list[bytes]) -> list[bytes]:
    return [changed(payload, index=index) for index, payload in enumerate(content)]


def flip(path: Path, rng: random.Random) -> None:
    data = bytearray(path.read_bytes())
    at = rng.randrange(len(data))
    data[at] ^= 1 << rng.randrange(8)
    path.write_bytes(bytes(data))


def flip_segment(made: Installation, rng: random.Random) -> Place:
    log = rng.choice(made.logs())
    flip(log / rng.choice(segment.names(log)), rng)
    return Place(log.name, None)


def flip_mark(made: Installation, rng: random.Random) -> Place:
    log = rng.choice(made.logs())
    flip(log / "mark.json", rng)
    return Place(log.name, None)


def cut_mid_frame(made: Installation, rng: random.Random) -> Place:
    log = rng.choice(made.logs())
    path = log / segment.names(log)[-1]
    data = path.read_bytes()
    path.write_bytes(data[: -rng.randrange(1, 60)])
    return Place(log.name, None)


def drop_segment(made: Installation, rng: random.Random) -> Place:
    log = rng.choice(made.logs())
    (log / rng.choice(segment.names(log))).unlink()
    return Place(log.name, None)


def append_bytes(made: Installation, rng: random.Random) -> Place:
    log = rng.choice(made.logs())
    path = log / rng.choice(segment.names(log))
    path.write_bytes(path.read_bytes() + rng.randbytes(rng.randrange(1, 40)))
    return Place(log.name, None)


def stray_file(made: Installation, rng: random.Random) -> Place:
    log = rng.choice(made.logs())
    (log / f"{rng.randrange(10**6)}.bak").write_bytes(b"")
    return Place(log.name, None)


def rewrite(edit: Callable[[list[bytes], int, random.Random], int]) -> Callable[[Installation, random.Random], Place]:
    """Edit the records of one log and write it as if it had always been so: frames, chain, headers, mark."""

    def operator(made: Installation, rng: random.Random) -> Place:
        log = rng.choice(made.logs())
        content = payloads(log)
        first = edit(content, rng.randrange(len(content) - 1), rng)
        forge(log, content)
        return Place(log.name, first)

    return operator


def edit_field(content: list[bytes], at: int, rng: random.Random) -> int:
    employee, decision, case = rng.choice(
        [("mkt.park", "ALLOW", ""), ("cs.kim", "DENY", ""), ("cs.kim", "ALLOW", "CS-2026-000999")]
    )
    content[at] = changed(content[at], employee=employee, decision=decision, case_id=case)
    return at


def edit_members(content: list[bytes], at: int, rng: random.Random) -> int:
    content[at] = changed(content[at], members=(f"m1.01234567.{rng.randrange(10**9):026d}",))
    return at


def edit_time(content: list[bytes], at: int, rng: random.Random) -> int:
    time = decode(content[at]).time + rng.randrange(1, 900)
    content[at] = changed(content[at], time=time)
    return at


def drop_record(content: list[bytes], at: int, rng: random.Random) -> int:
    del content[at], rng
    return at


def drop_and_renumber(content: list[bytes], at: int, rng: random.Random) -> int:
    del content[at], rng
    content[:] = renumbered(content)
    return at


def add_record(content: list[bytes], at: int, rng: random.Random) -> int:
    content.insert(at, changed(content[at], employee=f"e{rng.randrange(99)}"))
    content[:] = renumbered(content)
    return at


def double_record(content: list[bytes], at: int, rng: random.Random) -> int:
    del rng
    content.insert(at, content[at])
    content[:] = renumbered(content)
    return at + 1


def swap_records(content: list[bytes], at: int, rng: random.Random) -> int:
    del rng
    one, two = decode(content[at]), decode(content[at + 1])
    content[at], content[at + 1] = changed(content[at + 1], time=one.time), changed(content[at], time=two.time)
    content[:] = renumbered(content)
    return at


def cut_cleanly(content: list[bytes], at: int, rng: random.Random) -> int:
    del rng
    del content[at:]
    return at


def drop_first(content: list[bytes], at: int, rng: random.Random) -> int:
    del at, rng
    del content[0]
    content[:] = renumbered(content)
    return 0


def empty_log(content: list[bytes], at: int, rng: random.Random) -> int:
    del at, rng
    content.clear()
    return 0


def splice(made: Installation, rng: random.Random) -> Place:
    """Go on with the other log's records from somewhere on."""
    one, two = made.logs()
    mine, theirs = payloads(one), payloads(two)
    at = rng.randrange(1, len(mine) - 1)
    forge(one, mine[:at] + theirs[at:])
    return Place(one.name, at)


def exchange_logs(made: Installation, rng: random.Random) -> Place:
    one, two = made.logs()
    mine, theirs = payloads(one), payloads(two)
    forge(one, theirs)
    forge(two, mine)
    return Place(rng.choice((one, two)).name, 0)


def exchange_folders(made: Installation, rng: random.Random) -> Place:
    one, two = made.logs()
    aside = made.state / "aside"
    one.rename(aside)
    two.rename(one)
    aside.rename(two)
    return Place(rng.choice((one, two)).name, None)


def roll_back_log(made: Installation, rng: random.Random) -> Place:
    log = rng.choice(made.logs())
    shutil.rmtree(log)
    shutil.copytree(made.early / "journal" / log.name, log)
    return Place(log.name, RECORDS // 2)


def roll_back_journals(made: Installation, rng: random.Random) -> Place:
    shutil.rmtree(made.journal)
    shutil.copytree(made.early / "journal", made.journal)
    return Place(rng.choice(made.logs()).name, RECORDS // 2)


def roll_back_seal(made: Installation, rng: random.Random) -> Place:
    del rng
    shutil.rmtree(made.seal)
    shutil.copytree(made.early / "seal", made.seal)
    return Place("", -1)


def roll_back_everything(made: Installation, rng: random.Random) -> Place:
    shutil.rmtree(made.journal)
    shutil.copytree(made.early / "journal", made.journal)
    return roll_back_seal(made, rng)


def remove_log(made: Installation, rng: random.Random) -> Place:
    log = rng.choice(made.logs())
    shutil.rmtree(log)
    return Place(log.name, 0)


def clone_log_id(made: Installation, rng: random.Random) -> Place:
    """Another history under the same log id, made by our own code in another folder."""
    log = rng.choice(made.logs())
    other = made.state.parent / f"{made.state.name}-clone"
    other.mkdir(mode=0o700)
    (other / "journal").mkdir(mode=0o700)
    for slot in (0, 1):
        journal = open_journal(other, slot, clock=TickingClock(), segment_bytes=6000)
        if journal.log_id == log.name:
            for _ in range(RECORDS):
                journal.append(access(rng.randrange(10**9)))
            journal.sync()
        journal.close()
    shutil.rmtree(log)
    shutil.copytree(other / "journal" / log.name, log)
    return Place(log.name, 0)


def flip_checkpoint(made: Installation, rng: random.Random) -> Place:
    flip(made.seal / "checkpoint", rng)
    return Place("", -1)


def remove_checkpoint(made: Installation, rng: random.Random) -> Place:
    """The one file that says how far the logs had come; with the entries, or without."""
    (made.seal / "checkpoint").unlink()
    if rng.random() < 0.5:
        (made.seal / "entries").unlink()
    return Place("", -1)


def roll_back_checkpoint(made: Installation, rng: random.Random) -> Place:
    """Put an older checkpoint in the place of the last, and leave the rest."""
    del rng
    shutil.copy(made.early / "seal" / "checkpoint", made.seal / "checkpoint")
    return Place("", -1)


def sign_with_another_key(made: Installation, rng: random.Random) -> Place:
    """The thief has the disk, not the key: rewrites a log, its tree and the seal over both."""
    log = rng.choice(made.logs())
    content = payloads(log)
    edit_field(content, rng.randrange(len(content)), rng)
    forge(log, content)
    shutil.rmtree(made.seal)
    seal_all(made.state, THIEF)
    return Place("", -1)


def flip_entries(made: Installation, rng: random.Random) -> Place:
    flip(made.seal / "entries", rng)
    return Place("", -1)


def cut_entries(made: Installation, rng: random.Random) -> Place:
    path = made.seal / "entries"
    path.write_bytes(path.read_bytes()[: -rng.randrange(1, entries.SIZE * 3)])
    return Place("", -1)


def rewrite_with_tree(made: Installation, rng: random.Random) -> Place:
    """Change a record and the leaves that would tell."""
    log = rng.choice(made.logs())
    content = payloads(log)
    at = edit_field(content, rng.randrange(len(content)), rng)
    forge(log, content)
    shutil.rmtree(made.seal / "logs" / log.name)
    # Without the leaves only the heads tell: the first record after the last head that holds.
    return Place(log.name, at // (RECORDS // 4) * (RECORDS // 4))


def forge_rotation(made: Installation, rng: random.Random) -> Place:
    """Announce the thief's key without the old one's signature, and sign on."""
    del rng
    size = (made.seal / "entries").stat().st_size // entries.SIZE
    path = made.seal / "entries"
    path.write_bytes(path.read_bytes() + entries.pack(entries.NewKey(1, THIEF.verifier.public)))
    (made.seal / "checkpoint").unlink()
    note = _sign_anew(made, THIEF)
    (made.seal / "rotations" / str(size)).write_text(note)
    return Place("", -1)


def _sign_anew(made: Installation, key: SigningKey) -> str:
    content = (made.seal / "entries").read_bytes()
    shutil.rmtree(made.seal / "tree")
    (made.seal / "entries").unlink()
    trees, aside = made.seal / "logs", made.state / "aside"
    trees.rename(aside)  # a seal without a checkpoint has none
    with closing(SealStore(made.seal, key)) as store:
        pieces = [content[at : at + entries.SIZE] for at in range(0, len(content), entries.SIZE)]
        store._entries.append(pieces[:-1])
        store._tree.append([leaf_hash(each) for each in pieces[:-1]])
        found = entries.parse(pieces[-1])
        assert isinstance(found, entries.NewKey)
        note = store.checkpoint([], (key, found.time))
    trees.rmdir()
    aside.rename(trees)
    assert note is not None
    return str(note)


EDITS = (edit_field, edit_members, edit_time, drop_record, drop_and_renumber, add_record, double_record, swap_records)
ENDS = (cut_cleanly, drop_first, empty_log)
FILES = (flip_segment, flip_mark, cut_mid_frame, drop_segment, append_bytes, stray_file)
FOLDERS = (splice, exchange_logs, exchange_folders, roll_back_log, roll_back_journals, roll_back_seal, roll_back_everything)
SEALS = (
    flip_checkpoint,
    remove_checkpoint,
    roll_back_checkpoint,
    sign_with_another_key,
    flip_entries,
    cut_entries,
    rewrite_with_tree,
    forge_rotation,
    remove_log,
    clone_log_id,
)
OPERATORS = {each.__name__: rewrite(each) for each in (*EDITS, *ENDS)} | {
    each.__name__: each for each in (*FILES, *FOLDERS, *SEALS)
}


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    return build(tmp_path_factory.mktemp("installation"))


def tamper(untouched: Installation, folder: Path, name: str, seeds: range) -> None:
    for seed in seeds:
        made = copy_of(untouched, folder / str(seed))
        place = OPERATORS[name](made, random.Random(f"{name} {seed}"))
        found = made.findings()
        assert found, f"seed {seed}"
        where = {(log_id, index) for _, log_id, index in found}
        if place.index is None:
            assert place.log_id in {log_id for log_id, _ in where}, f"seed {seed}: {found}"
        else:
            assert place in where, f"seed {seed}: {place} is not in {found}"
        shutil.rmtree(made.state)


@pytest.mark.parametrize("name", OPERATORS)
def test_p7_tampering_is_found_and_located(untouched: Installation, tmp_path: Path, name: str) -> None:
    tamper(untouched, tmp_path, name, range(4))


@pytest.mark.torture
@pytest.mark.parametrize("name", OPERATORS)
def test_p7_tampering_is_found_and_located_with_many_seeds(untouched: Installation, tmp_path: Path, name: str) -> None:
    tamper(untouched, tmp_path, name, range(4, 100))


def steal(untouched: Installation, folder: Path, name: str, seed: int, growth: int) -> None:
    """Rewrite a log, and seal it anew with the installation's own key."""
    made = copy_of(untouched, folder / str(seed))
    OPERATORS[name](made, random.Random(f"{name} {seed}"))
    shutil.rmtree(made.seal)
    seal_all(made.state)
    assert made.findings(with_kept=False) == []  # everything adds up for one who has only the disk
    assert made.findings()[0][0] == "HISTORY_CHANGED"  # not for one who kept a checkpoint
    assert made.ask_witness().status in (409, 422)
    for _ in range(growth):  # nor can the thief grow past what the witness has seen
        journal = open_journal(made.state)
        journal.append(access(7))
        journal.close()
        seal_all(made.state)
        assert made.ask_witness().status in (409, 422)
    shutil.rmtree(made.state)


@pytest.mark.parametrize("name", ["edit_field", "drop_and_renumber", "add_record", "cut_cleanly"])
def test_only_the_witness_tells_a_thief_who_has_the_key(untouched: Installation, tmp_path: Path, name: str) -> None:
    steal(untouched, tmp_path, name, 0, 12)


@pytest.mark.torture
@pytest.mark.parametrize("name", [each.__name__ for each in (*EDITS, *ENDS) if each is not drop_record])  # it leaves a gap
def test_only_the_witness_tells_a_thief_who_has_the_key_with_many_seeds(
    untouched: Installation, tmp_path: Path, name: str
) -> None:
    for seed in range(1, 101):
        steal(untouched, tmp_path, name, seed, 2)


def clean_runs(tmp_path: Path, seeds: range) -> None:
    for seed in seeds:
        rng = random.Random(seed)
        state = tmp_path / str(seed)
        state.mkdir(mode=0o700)
        (state / "journal").mkdir(mode=0o700)
        clock = TickingClock()
        note = None
        for _ in range(rng.randrange(1, 4)):
            journal = open_journal(state, clock=clock, segment_bytes=rng.choice([2000, 6000, 64 << 20]))
            for _ in range(rng.randrange(1, 5)):
                for number in range(rng.randrange(9)):
                    journal.append(access(number))
                journal.sync()
                note = seal_all(state) if rng.random() < 0.7 else note
            journal.close()
        made = Installation(state, note, tmp_path, None) if note else None  # type: ignore[arg-type]
        if made is not None:
            assert made.findings() == [], f"seed {seed}"
        shutil.rmtree(state)


def test_no_false_alarm(tmp_path: Path) -> None:
    clean_runs(tmp_path, range(60))


@pytest.mark.torture
def test_no_false_alarm_in_a_thousand_clean_runs(tmp_path: Path) -> None:
    clean_runs(tmp_path, range(60, 1060))


def test_the_sealer_refuses_to_go_on_over_a_rewritten_log(untouched: Installation, tmp_path: Path) -> None:
    made = copy_of(untouched, tmp_path / "state")
    log = made.logs()[0]
    content = payloads(log)
    content[-1] = changed(content[-1], employee="mkt.park")
    forge(log, content)
    with pytest.raises(Corruption, match="has another last record"):
        seal_all(made.state)
