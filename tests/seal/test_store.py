from __future__ import annotations

import itertools
import shutil
from contextlib import closing
from pathlib import Path

import pytest
from audit.support import TickingClock, access, open_journal
from seal import naive
from seal.installation import KEY, Installation, build, copy_of, payloads, seal_all

from munjigi.audit.reader import JournalReader
from munjigi.audit.seal import entries, merkle
from munjigi.audit.seal.check import check_seal
from munjigi.audit.seal.entries import Head, NewKey
from munjigi.audit.seal.merkle import leaf_hash
from munjigi.audit.seal.note import Checkpoint, SigningKey
from munjigi.audit.seal.reader import SealReader
from munjigi.audit.seal.store import SealStore
from munjigi.kernel.errors import Corruption


@pytest.fixture
def made(tmp_path: Path) -> Installation:
    return build(tmp_path)


def test_every_checkpoint_is_a_prefix_of_the_next(tmp_path: Path) -> None:
    journal = open_journal(tmp_path, clock=TickingClock())
    before: Checkpoint | None = None
    for step in range(1, 20):
        for number in range(step % 3 + 1):
            journal.append(access(number))
        journal.sync()
        note = seal_all(tmp_path)
        assert note is not None
        assert KEY.verifier.signed(note)
        now = Checkpoint.parse(note.text)
        if before is not None:
            with closing(SealStore(tmp_path / "seal", KEY)) as store:
                assert merkle.consistent(before.size, now.size, store.consistency(before.size), before.root, now.root)
        before = now
        assert seal_all(tmp_path) is None  # nothing new, nothing signed
    journal.close()
    folder = tmp_path / "journal" / journal.log_id
    with SealReader(tmp_path / "seal") as seal:
        found = seal.head_of(journal.log_id)
        assert found is not None
        content = payloads(folder)
        assert found[1] == Head(journal.log_id, len(content), naive.mth(content))


def test_an_untouched_installation_is_intact(made: Installation) -> None:
    assert made.findings() == []
    assert made.ask_witness().status == 200


def test_what_was_added_and_not_signed_is_forgotten(made: Installation) -> None:
    path = made.seal / "entries"
    path.write_bytes(path.read_bytes() + entries.pack(NewKey(1, bytes(32))) + b"half")
    (made.seal / "tree" / "0").write_bytes((made.seal / "tree" / "0").read_bytes() + bytes(40))
    assert made.findings() == []
    assert seal_all(made.state) is None
    assert made.findings() == []
    assert path.stat().st_size % entries.SIZE == 0


@pytest.mark.parametrize("what", ["lost", "damaged", "shorter"])
def test_trees_are_made_again(made: Installation, what: str) -> None:
    for path in [made.seal / "tree" / "0", *(made.seal / "logs").glob("*/0")]:
        content = path.read_bytes()
        if what == "lost":
            path.unlink()
        else:
            path.write_bytes(content[:-40] if what == "shorter" else content[:40] + b"?" + content[41:])
    assert made.findings() == []
    assert seal_all(made.state) is None
    assert made.findings() == []


def test_a_log_that_lost_sealed_records_is_a_rollback(made: Installation, tmp_path: Path) -> None:
    name = made.logs()[0].name
    shutil.rmtree(made.journal / name)
    shutil.copytree(made.early / "journal" / name, made.journal / name)
    with pytest.raises(Corruption, match="is shorter than its sealed 40 records"):
        seal_all(made.state)
    assert ("SHORTER_THAN_SEALED", name, 20) in made.findings()


def test_a_crash_may_take_back_what_was_not_sealed(tmp_path: Path) -> None:
    """The end of a log that was read but never synced is replaced by other records: no alarm, and they are sealed."""
    journal = open_journal(tmp_path)
    folder = tmp_path / "journal" / journal.log_id
    journal.append(access(1))
    journal.sync()
    seal_all(tmp_path)
    shutil.copytree(tmp_path / "journal", tmp_path / "before")
    journal.append(access(2))
    journal.sync()
    with closing(SealStore(tmp_path / "seal", KEY)) as store, closing(JournalReader(folder)) as source:
        assert store.grow(source, 10) == 1  # in the tree, and not under a checkpoint
    shutil.rmtree(tmp_path / "journal")
    shutil.copytree(tmp_path / "before", tmp_path / "journal")
    again = open_journal(tmp_path)
    again.append(access(3))
    again.append(access(4))
    again.sync()
    assert seal_all(tmp_path) is not None
    again.close()
    with SealReader(tmp_path / "seal") as seal:
        found = seal.head_of(folder.name)
        assert found is not None
        assert found[1].root == naive.mth(payloads(folder))
    assert check_seal(tmp_path / "seal", lambda _: JournalReader(folder), KEY.verifier).problem == ""


def test_another_key_does_not_go_on_with_the_seal(made: Installation) -> None:
    with pytest.raises(Corruption, match="not signed with the key"):
        seal_all(made.state, SigningKey(KEY.verifier.name, bytes(32)))


def test_a_new_key_is_vouched_for_by_the_old_one(made: Installation) -> None:
    keys = [KEY, *(SigningKey(KEY.verifier.name, bytes([number]) * 32) for number in (1, 2))]
    for old, new in itertools.pairwise(keys):
        with closing(SealStore(made.seal, old)) as store:
            note = store.checkpoint([], (new, 7))
            assert note is not None
            assert old.verifier.signed(note)
            assert new.verifier.signed(note)
    journal = open_journal(made.state)
    journal.append(access(5))
    journal.close()
    note = seal_all(made.state, keys[2])
    assert note is not None
    assert not KEY.verifier.signed(note)
    assert made.findings() == []  # for one who knows the first key only
    with SealReader(made.seal) as seal:
        assert seal.trusted([KEY.verifier]) == [key.verifier for key in keys]
        assert seal.trusted([keys[1].verifier]) == [keys[1].verifier, keys[2].verifier]
    rotation = next(iter((made.seal / "rotations").iterdir()))
    rotation.write_text(rotation.read_text().replace("\n— munjigi", "\n— other", 1))
    assert made.findings()[0][0] == "CHECKPOINT_NOT_SIGNED"


def test_two_copies_of_an_installation_are_independent(made: Installation, tmp_path: Path) -> None:
    other = copy_of(made, tmp_path / "copy")
    journal = open_journal(other.state)
    journal.append(access(6))
    journal.close()
    assert seal_all(other.state) is not None
    assert other.ask_witness().status == 200
    assert made.findings() == other.findings() == []


def test_leaf_is_the_stored_record(made: Installation) -> None:
    folder = made.logs()[0]
    with SealReader(made.seal) as seal, closing(seal.tree_of(folder.name)) as tree:
        assert tree.leaves(0, tree.size) == [leaf_hash(payload) for payload in payloads(folder)]
