"""Evidence packs and the program of one file that checks them."""

from __future__ import annotations

import contextlib
import random
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from audit.support import access, open_journal
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from seal.installation import KEY, WITNESS, Installation, build, copy_of, seal_all

from munjigi.audit.reader import JournalReader
from munjigi.audit.seal.note import Note, SigningKey
from munjigi.audit.seal.pack import evidence
from munjigi.audit.seal.reader import SealReader
from munjigi.audit.seal.store import SealStore
from munjigi.cli import munjigi_verify
from munjigi.kernel.errors import Corruption, FailedPrecondition, NotFound

PROGRAM = Path(munjigi_verify.__file__)


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    made = build(tmp_path_factory.mktemp("installation"))
    answer = made.ask_witness()
    with closing(SealStore(made.seal, KEY)) as store:
        assert store.note is not None
        store.keep(store.note.with_lines(answer.body))
    return made


def pack_of(made: Installation, *places: tuple[str, int]) -> str:
    with SealReader(made.seal) as seal:
        logs = {log.name: JournalReader(log) for log in made.logs()}
        try:
            return "".join(evidence(seal, logs, places))
        finally:
            for log in logs.values():
                log.close()


def checked(path: Path, *keys: str, key: str = str(KEY.verifier)) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-I", str(PROGRAM), str(path), "--key", key, *keys],
        capture_output=True,
        text=True,
        check=False,
        cwd=path.parent,
    )
    assert not done.stderr, done.stderr
    return done.returncode, done.stdout


def test_the_program_is_short_and_stands_alone() -> None:
    text = PROGRAM.read_text()
    assert len(text.splitlines()) <= 300
    assert "munjigi" not in {
        line.split()[1].partition(".")[0] for line in text.splitlines() if line.startswith(("import ", "from "))
    }


def test_a_pack_is_verified_and_shown(untouched: Installation, tmp_path: Path) -> None:
    one, two = (log.name for log in untouched.logs())
    path = tmp_path / "pack"
    path.write_text(pack_of(untouched, (one, 0), (one, 39), (two, 17)))
    code, shown = checked(path, "--witness", str(WITNESS.verifier))
    assert code == 0
    assert [line for line in shown.splitlines() if line.startswith("verified")] == [
        f"verified  {name}  2026-09-21T14:13:20Z" for name in (f"{one}-0", f"{one}-39", f"{two}-17")
    ]
    assert '          employee: "cs.kim"' in shown
    assert shown.splitlines()[-1].startswith("3 of 3 records verified, under checkpoint 8 of munjigi/test")


@pytest.mark.no_cover  # the same lines for each byte
def test_every_changed_byte_is_found_and_the_record_named(untouched: Installation, tmp_path: Path, capsys) -> None:
    one, two = (log.name for log in untouched.logs())
    names = [f"{one}-7", f"{two}-33"]
    pack = pack_of(untouched, (one, 7), (two, 33)).encode()
    first = pack.index(b"\n") + 1
    second = pack.index(b"\n", first) + 1
    path = tmp_path / "pack"
    rng = random.Random(5)
    places = sorted({*rng.sample(range(len(pack)), 300), *range(first, first + 40), *range(second - 3, second + 40)})
    for at in places:
        wrong = rng.choice([byte for byte in range(256) if byte != pack[at]])
        path.write_bytes(pack[:at] + bytes([wrong]) + pack[at + 1 :])
        code = munjigi_verify.main([str(path), "--key", str(KEY.verifier), "--witness", str(WITNESS.verifier), "--quiet"])
        shown = capsys.readouterr().out
        assert code == 5, (at, wrong, shown)
        bad = [line for line in shown.splitlines() if line.startswith("NOT VERIFIED")]
        assert bad
        if at < first - 1:
            assert all(name in shown for name in names), (at, wrong, shown)  # nothing is proved without the checkpoint
        elif not first <= at < first + 40 and not second <= at < second + 40 and at not in (first - 1, second - 1):
            assert names[at >= second] in bad[0], (at, wrong, shown)  # the id itself is in the first forty bytes of a line


def test_a_pack_of_another_installation_and_wrong_keys(untouched: Installation, tmp_path: Path) -> None:
    log = untouched.logs()[0].name
    path = tmp_path / "pack"
    path.write_text(pack_of(untouched, (log, 3)))
    for other in (SigningKey("munjigi/other", bytes(32)), SigningKey(KEY.verifier.name, bytes(32))):
        code, shown = checked(path, key=str(other.verifier))
        assert code == 5
        assert "not signed with the given key" in shown
        assert f"{log}-3" in shown
    code, shown = checked(path, "--witness", str(SigningKey("elsewhere", bytes(32), 4).verifier))
    assert (code, "not co-signed by elsewhere" in shown) == (5, True)
    assert checked(path, key="munjigi+1+AAAA")[0] == 2
    assert checked(tmp_path / "none")[0] == 2
    path.write_text("")
    assert checked(path)[0] == 5
    path.write_text("{}\n")
    assert checked(path)[0] == 5


def test_proofs_of_one_record_do_not_fit_another(untouched: Installation, tmp_path: Path) -> None:
    log = untouched.logs()[0].name
    head, one, two = pack_of(untouched, (log, 3), (log, 4)).splitlines(keepends=True)
    path = tmp_path / "pack"
    path.write_text(head + one.replace(f"{log}-3", f"{log}-4") + two)
    code, shown = checked(path)
    assert code == 5
    assert f"NOT VERIFIED: {log}-4: the record is not the one that was sealed at its place" in shown
    assert "1 of 2 records verified" in shown
    other = untouched.logs()[1].name
    path.write_text(head + one.replace(log, other))
    assert f"NOT VERIFIED: {other}-3: the head of its log is not part of the checkpoint" in checked(path)[1]


def test_a_pack_carries_the_changes_of_key(untouched: Installation, tmp_path: Path) -> None:
    made = copy_of(untouched, tmp_path / "state")
    new = SigningKey(KEY.verifier.name, bytes([9]) * 32)
    with closing(SealStore(made.seal, KEY)) as store:
        store.checkpoint([], (new, 7))
    with closing(SealStore(made.seal, new)) as store:
        store.checkpoint([], (new, 8))  # a second change, to the same key
    log = made.logs()[0].name
    path = tmp_path / "pack"
    path.write_text(pack_of(made, (log, 3)))
    assert checked(path)[0] == 0
    assert checked(path, key=str(new.verifier))[0] == 0
    assert checked(path, key=str(SigningKey(KEY.verifier.name, bytes(32)).verifier))[0] == 5


def test_what_is_not_sealed_and_what_does_not_exist_is_told_apart(untouched: Installation, tmp_path: Path) -> None:
    made = copy_of(untouched, tmp_path / "state")
    log = made.logs()[0].name
    with pytest.raises(NotFound, match=f"no record {log}-40"):
        pack_of(made, (log, 40))
    with pytest.raises(NotFound):
        pack_of(made, ("0" * 20, 0))
    with closing(JournalReader(made.journal / log)) as source:
        assert source.read(39, 1)
    (made.seal / "checkpoint").unlink()
    with pytest.raises(Corruption, match="checkpoint is missing"):
        pack_of(made, (log, 1))
    shutil.rmtree(made.seal)
    with pytest.raises(NotFound, match="Nothing is sealed yet"):
        pack_of(made, (log, 1))


def test_a_fresh_record_is_not_sealed_yet(tmp_path: Path) -> None:
    made = build(tmp_path)
    journal = open_journal(made.state)
    journal.append(access(1))
    journal.sync()
    with pytest.raises(FailedPrecondition, match="not sealed yet"):
        pack_of(made, (journal.log_id, 40))
    seal_all(made.state)
    assert pack_of(made, (journal.log_id, 40))
    journal.close()


@settings(max_examples=25)
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=80), st.integers(0, 511))
def test_ed25519_agrees_with_the_library(seed: bytes, message: bytes, bit: int) -> None:
    key = Ed25519PrivateKey.from_private_bytes(seed)
    public, signature = key.public_key().public_bytes_raw(), key.sign(message)
    assert munjigi_verify.verifies(public, message, signature)
    assert not munjigi_verify.verifies(public, message + b"x", signature)
    wrong = bytearray(signature)
    wrong[bit // 8] ^= 1 << bit % 8
    with contextlib.suppress(munjigi_verify.Wrong):  # no point of the curve
        assert not munjigi_verify.verifies(public, message, bytes(wrong))


@pytest.mark.parametrize(
    ("public", "message", "signature"),
    [  # RFC 8032, section 7.1, tests 1 to 3
        (
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ),
        (
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ),
        (
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        ),
    ],
)
def test_ed25519_verifies_the_vectors_of_the_rfc(public: str, message: str, signature: str) -> None:
    assert munjigi_verify.verifies(bytes.fromhex(public), bytes.fromhex(message), bytes.fromhex(signature))
    # S + L signs the same message by arithmetic alone; section 5.1.7 refuses it
    scalar = int.from_bytes(bytes.fromhex(signature)[32:], "little") + munjigi_verify.ORDER
    assert not munjigi_verify.verifies(
        bytes.fromhex(public), bytes.fromhex(message), bytes.fromhex(signature)[:32] + scalar.to_bytes(32, "little")
    )


def test_a_note_of_a_witness_reads_back(untouched: Installation) -> None:
    note = Note.parse((untouched.seal / "checkpoint").read_text())
    assert WITNESS.verifier.signed(note)
    assert KEY.verifier.signed(note)
