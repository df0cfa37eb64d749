"""P1, P7: recorded calls of a real process, replayed into each prefix of them, in each order that no sync forbids.

Whatever a crash leaves, the next start takes it: what was acknowledged is there, nothing else is, no checkpoint that was given
out is contradicted, and nothing is called corruption.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from faults.aftermath import Promises, check
from faults.disk import Disk, Image, put
from faults.recording import Operation, record

from munjigi.audit.seal.note import VerifierKey

LIVES = (("close", 16), ("torn", 10), ("die", 12), ("torn", 1), ("close", 6))


@pytest.fixture
def quick() -> Iterator[Path]:
    """A folder in memory, where there is one: what a real disk makes of a sync is the model's part here."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as folder:  # noqa: PTH112
        yield Path(folder)


def lives(base: Path, seed: int) -> list[Operation]:
    """Record some processes, one after another, on one state folder."""
    base.mkdir()
    found: list[Operation] = []
    for number, (end, rounds) in enumerate(LIVES, 1):
        found += record(base, "faults.life", str(base / "state"), str(100 * seed + number), str(rounds), end)
    return found


def digest(image: Image) -> bytes:
    found = hashlib.sha256()
    for path, content in image.items():
        found.update(f"{path}\n{-1 if content is None else len(content)}\n".encode() + (content or b""))
    return found.digest()


def replay(base: Path, seed: int, *, draws: int, share: float = 1.0) -> int:
    """Check each crash, or a share of them; return how many different ones there were."""
    operations = lives(base, seed)
    rng = random.Random(seed)
    disk, promises, seen = Disk(), Promises(), set[bytes]()
    key: VerifierKey | None = None
    checked = 0
    for number, operation in enumerate(operations):
        if operation.name == "said":
            promises.note(operation.said)
            seen.clear()  # the same files, another promise
            continue
        disk.do(operation)
        if key is None and operation.other == "state/keys/seal.vkey":
            key = VerifierKey.parse(disk.content("state/keys/seal.vkey").decode())
        if rng.random() >= share:
            continue
        for name, image in disk.outcomes(rng, draws):
            if (what := digest(image)) in seen:
                continue
            seen.add(what)
            put(image, base / "crashed")
            try:
                check(base / "crashed" / "state", promises, key if "state/keys/seal.vkey" in image else None)
            except BaseException as error:
                error.add_note(f"seed {seed}, after call {number}, {operation.name} {operation.path}: {name}")
                raise
            shutil.rmtree(base / "crashed")
            checked += 1
    return checked


def test_p1_whatever_a_crash_leaves_is_taken_by_the_next_start(quick: Path) -> None:
    assert replay(quick / "base", 1, draws=1, share=0.1) > 150


@pytest.mark.torture
@pytest.mark.parametrize("seed", range(2, 4))
def test_p1_whatever_a_crash_leaves_is_taken_by_the_next_start_in_full(quick: Path, seed: int) -> None:
    checked = replay(quick / "base", seed, draws=10)
    print(f"{checked} crashes")
    assert checked > 5_000
