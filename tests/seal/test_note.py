from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from munjigi.audit.seal.note import COSIGNATURE, Checkpoint, Note, SigningKey, VerifierKey
from munjigi.kernel.errors import InvalidArgument

SEED = bytes(range(32))
KEY = SigningKey("munjigi/abc", SEED)
TEXT = str(Checkpoint("munjigi/abc", 7, bytes(32)))

# The example of Go's golang.org/x/mod/sumdb/note, whose format C2SP signed notes are.
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETER_NOTE = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)


def test_a_public_note_verifies_and_reads_back_as_it_was() -> None:
    note = Note.parse(PETER_NOTE)
    assert str(note) == PETER_NOTE
    key = VerifierKey.parse(PETER)
    assert str(key) == PETER
    assert key.signed(note)
    assert not key.signed(note._replace(text=note.text.replace("cryptography", "steganography")))
    assert not KEY.verifier.signed(note)


def test_checkpoints_are_signed_and_cosigned() -> None:
    witness = SigningKey("witness", bytes(32), COSIGNATURE)
    note = Note.parse(f"{TEXT}\n{KEY.sign(TEXT)}").with_lines(witness.cosign(TEXT, 1_800_000_000))
    assert KEY.verifier.signed(note)
    assert witness.verifier.signed(note)
    assert Checkpoint.parse(note.text) == Checkpoint("munjigi/abc", 7, bytes(32))
    # c2sp.org/tlog-cosignature, by hand
    content = dict(note.signatures)["witness"]
    assert content[4:12] == (1_800_000_000).to_bytes(8)
    message = f"cosignature/v1\ntime 1800000000\nmunjigi/abc\n7\n{base64.b64encode(bytes(32)).decode()}\n".encode()
    Ed25519PublicKey.from_public_bytes(witness.verifier.public).verify(content[12:], message)
    later = Note(note.text, (("witness", content[:11] + b"\x01" + content[12:]),))
    assert not witness.verifier.signed(later)
    assert not SigningKey("witness", bytes(32)).verifier.signed(note)  # the same key for another kind of signature


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "a\n",
        "a\n\n",
        "a\n\n— n AAAA",
        "a\n\n— n AAAA\n",
        "a\n\n- n AAAAAAAA\n",
        "a\n\n— n +m AAAAAAAA\n",
        "a\n\n— n AAAAAAB=\n",
    ],
)
def test_what_is_no_note_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument, match="signed note"):
        Note.parse(text)


@pytest.mark.parametrize(
    "text", ["", "a\n1\n", "a\n01\nAAAA\n", "a\n-1\n" + base64.b64encode(bytes(32)).decode() + "\n", "a\n1\nAAAA\n", "\n1\n"]
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument, match="checkpoint"):
        Checkpoint.parse(text)


@pytest.mark.parametrize("text", ["", "a", "a+b+c", PETER[:-1], PETER.replace("c74f", "c74e"), PETER.replace("Peter", "Petra")])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument, match="verification key"):
        VerifierKey.parse(text)
