from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from seal import naive

from munjigi.audit.seal import merkle
from munjigi.audit.seal.merkle import EMPTY, leaf_hash
from munjigi.audit.seal.tree import StoredTree

# The leaves of certificate-transparency-go's reference tree, and roots that its documentation prints.
REFERENCE = [
    bytes.fromhex(each)
    for each in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = {
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}


def tree_of(folder: Path, count: int, pieces: int = 97) -> tuple[StoredTree, list[bytes]]:
    content = [b"record %d" % number for number in range(count)]
    tree = StoredTree(folder)
    for begin in range(0, count, pieces):
        tree.append([leaf_hash(each) for each in content[begin : begin + pieces]])
    return tree, content


def test_roots_are_those_of_the_reference(tmp_path: Path) -> None:
    tree = StoredTree(tmp_path)
    tree.append([leaf_hash(each) for each in REFERENCE])
    assert {size: tree.root(size).hex() for size in ROOTS} == ROOTS
    assert tree.root(0) == EMPTY
    tree.close()


def test_roots_and_proofs_are_those_of_the_naive_tree(tmp_path: Path) -> None:
    tree, content = tree_of(tmp_path, 700)
    for size in (1, 2, 3, 7, 8, 9, 255, 256, 257, 511, 512, 513, 700):
        root = tree.root(size)
        assert root == naive.mth(content[:size])
        for index in {0, 1, size // 2, size - 2, size - 1} & set(range(size)):
            proof = merkle.inclusion(tree, index, size)
            assert proof == naive.path(index, content[:size])
            assert merkle.included(leaf_hash(content[index]), index, size, proof, root)
        for old in {1, 2, size // 2, size - 1, size} & set(range(1, size + 1)):
            proof = merkle.consistency(tree, old, size)
            assert proof == naive.proof(old, content[:size])
            assert merkle.consistent(old, size, proof, tree.root(old), root)
    tree.close()


@given(st.data())
def test_a_changed_proof_proves_nothing(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 40))
    content = [bytes([number]) for number in range(size)]
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    root, old_root = naive.mth(content), naive.mth(content[:old])
    path, proof = naive.path(index, content), naive.proof(old, content)
    leaf = leaf_hash(content[index])
    assert merkle.included(leaf, index, size, path, root)
    assert merkle.consistent(old, size, proof, old_root, root)
    other = data.draw(st.integers(0, size - 1).filter(lambda each: each != index))
    assert not merkle.included(leaf, other, size, path, root)
    assert not merkle.included(leaf_hash(content[other]), index, size, path, root)
    for wrong in _mutations(data, path):
        assert not merkle.included(leaf, index, size, wrong, root)
    for wrong in _mutations(data, proof):
        assert not merkle.consistent(old, size, wrong, old_root, root)
    assert not merkle.consistent(old, size, proof, leaf_hash(b"another"), root)
    assert not merkle.consistent(old, size, proof, old_root, leaf_hash(b"another"))
    assert not merkle.included(leaf, size, size, path, root)
    assert not merkle.consistent(size + 1, size, proof, old_root, root)


def _mutations(data: st.DataObject, proof: list[bytes]) -> list[list[bytes]]:
    found = [[*proof, bytes(32)]]
    if proof:
        at = data.draw(st.integers(0, len(proof) - 1))
        bit = data.draw(st.integers(0, 255))
        flipped = bytearray(proof[at])
        flipped[bit // 8] ^= 1 << bit % 8
        found += [proof[:at] + proof[at + 1 :], [*proof[:at], bytes(flipped), *proof[at + 1 :]]]
    return found


def test_a_tree_goes_on_after_it_was_cut_anywhere(tmp_path: Path) -> None:
    tree, content = tree_of(tmp_path, 66_000, 5_000)
    tree.close()
    leaves = [leaf_hash(each) for each in content]
    grown = merkle.Growing()
    grown.add(leaves)
    whole = grown.root()
    # A crash leaves the levels at different lengths, and a hash half written.
    for sizes in ((66_000, 200, 0), (65_536, 256, 1), (65_600, 10, 1), (40_000, 257, 1)):
        for level, count in enumerate(sizes):
            with (tmp_path / str(level)).open("r+b") as file:
                file.truncate(count * 32 + 7 * (count > 0 and level < 2))
        tree = StoredTree(tmp_path)
        assert tree.size == sizes[0]
        tree.append(leaves[tree.size :])
        assert tree.root(66_000) == whole
        tree.close()


@given(st.lists(st.integers(0, 70), max_size=6))
def test_a_growing_tree_has_the_naive_root_at_every_size(steps: list[int]) -> None:
    grown, content = merkle.Growing(), list[bytes]()
    for step in steps:
        more = [b"%d" % (len(content) + each) for each in range(step)]
        grown.add([leaf_hash(each) for each in more])
        content += more
        assert (grown.size, grown.root()) == (len(content), naive.mth(content))


def test_a_cut_tree_forgets(tmp_path: Path) -> None:
    tree, content = tree_of(tmp_path, 600)
    tree.truncate(300)
    assert (tree.size, tree.root(300)) == (300, naive.mth(content[:300]))
    tree.append([leaf_hash(b"other")] * 300)
    assert tree.root(600) == naive.mth(content[:300] + [b"other"] * 300)
    tree.close()
