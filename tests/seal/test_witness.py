from __future__ import annotations

from pathlib import Path

import pytest
from seal.test_merkle import tree_of

from munjigi.audit.seal import merkle
from munjigi.audit.seal.note import COSIGNATURE, Checkpoint, Note, SigningKey
from munjigi.audit.seal.tree import StoredTree
from munjigi.audit.seal.witness import SIZE_TYPE, Answer, Submission, add_checkpoint

LOG = SigningKey("munjigi/abc", bytes(32))
WITNESS = SigningKey("witness", bytes(range(32)), COSIGNATURE)
THIEF = SigningKey("munjigi/abc", bytes(31) + b"\x01")


class Seen:
    def __init__(self) -> None:
        self.last: dict[str, Checkpoint] = {}

    def get(self, origin: str) -> Checkpoint | None:
        return self.last.get(origin)

    def put(self, checkpoint: Checkpoint) -> None:
        self.last[checkpoint.origin] = checkpoint


def submit(seen: Seen, tree: StoredTree, old: int, size: int, key: SigningKey = LOG, proof: list[bytes] | None = None) -> Answer:
    text = str(Checkpoint(LOG.verifier.name, size, tree.root(size)))
    path = (merkle.consistency(tree, old, size) if 0 < old < size else []) if proof is None else proof
    body = str(Submission(old, tuple(path), Note.parse(f"{text}\n{key.sign(text)}")))
    assert str(Submission.parse(body)) == body
    return add_checkpoint(body, {LOG.verifier.name: [LOG.verifier]}, seen, WITNESS, lambda: 1_800_000_000)


def test_a_growing_log_is_cosigned(tmp_path: Path) -> None:
    tree, _ = tree_of(tmp_path, 300)
    seen = Seen()
    for old, size in ((0, 1), (1, 1), (1, 5), (5, 256), (256, 300)):
        answer = submit(seen, tree, old, size)
        assert answer.status == 200
        text = str(Checkpoint(LOG.verifier.name, size, tree.root(size)))
        assert WITNESS.verifier.signed(Note.parse(f"{text}\n{answer.body}"))
    assert seen.last[LOG.verifier.name].size == 300
    assert submit(seen, tree, 256, 300) == Answer(409, "300\n", SIZE_TYPE)
    assert submit(seen, tree, 0, 200) == Answer(409, "300\n", SIZE_TYPE)
    assert submit(seen, tree, 300, 200).status == 400


def test_a_rewritten_history_is_not_cosigned_even_with_the_stolen_key(tmp_path: Path) -> None:
    tree, _ = tree_of(tmp_path / "a", 300)
    seen = Seen()
    assert submit(seen, tree, 0, 200).status == 200
    other = StoredTree(tmp_path / "b")
    other.append([*tree.leaves(0, 100), merkle.leaf_hash(b"changed"), *tree.leaves(101, 199)])
    assert submit(seen, other, 200, 300).status == 422
    assert submit(seen, other, 200, 200).status == 409  # as long as before, and another
    assert submit(seen, other, 200, 300, proof=merkle.consistency(tree, 200, 300)).status == 422
    assert submit(seen, tree, 200, 300, proof=[]).status == 422
    assert seen.last[LOG.verifier.name].root == tree.root(200)
    assert submit(seen, tree, 200, 300).status == 200


def test_strangers_and_malformed_requests_get_nothing(tmp_path: Path) -> None:
    tree, _ = tree_of(tmp_path, 10)
    seen = Seen()
    assert submit(seen, tree, 0, 10, THIEF).status == 403
    text = str(Checkpoint("elsewhere", 10, tree.root(10)))
    body = str(Submission(0, (), Note.parse(f"{text}\n{LOG.sign(text)}")))
    assert add_checkpoint(body, {LOG.verifier.name: [LOG.verifier]}, seen, WITNESS, lambda: 1).status == 404
    assert not seen.last


@pytest.mark.parametrize(
    "change",
    [
        lambda _: "",
        lambda body: body.replace("old 5", "old -5"),
        lambda body: body.replace("old 5", "old 05"),
        lambda body: body.replace("\n\n", "\n", 1),
        lambda body: body.replace("old 5\n", "old 5\nAAAA\n"),
        lambda body: body.replace("old 5\n", "old 5\n!\n"),
        lambda body: body.replace("old 5\n", "old 5\n" + "A" * 43 + "=\n" * 64),
        lambda body: body[:-10],
        lambda body: body.replace("\n10\n", "\nten\n"),
    ],
)
def test_what_is_no_submission_is_a_bad_request(tmp_path: Path, change) -> None:
    tree, _ = tree_of(tmp_path, 10)
    text = str(Checkpoint(LOG.verifier.name, 10, tree.root(10)))
    body = str(Submission(5, tuple(merkle.consistency(tree, 5, 10)), Note.parse(f"{text}\n{LOG.sign(text)}")))
    answer = add_checkpoint(change(body), {LOG.verifier.name: [LOG.verifier]}, Seen(), WITNESS, lambda: 1)
    assert answer.status == 400
