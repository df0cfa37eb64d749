"""P1, P7: kill -9, and a disk that fails, at each named step from the append of a record to the cursor behind it.

strace ends a real process, or has the kernel refuse, at its so many-th call; a run before that one tells which call is which
step. The next start must take what is left.
"""

from __future__ import annotations

import copy
import random
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import parts
import pytest
from faults.aftermath import Promises, check
from faults.recording import Operation, record, traced

from munjigi.audit.seal.note import VerifierKey

# A step's name: the operation or the very call, and to which path below the state folder.
STEPS: Final = {
    "commit": ("pwritev2", r"journal/\w+/\d+\.seg"),  # writes and syncs
    "commit: kept": ("utimensat", r"journal/\w+/\d+\.seg"),
    "follow: sync": ("fdatasync", r"journal/\w+/\d+\.seg"),
    "rotate: file": ("write", r"journal/\w+/\d+\.seg\.tmp"),
    "rotate: sync": ("sync", r"journal/\w+/\d+\.seg\.tmp"),
    "rotate: name": ("rename", r"journal/\w+/\d+\.seg\.tmp"),
    "rotate: folder": ("sync", r"journal/\w+"),
    "mark: file": ("write", r"journal/\w+/mark\.json\.tmp"),
    "mark: sync": ("sync", r"journal/\w+/mark\.json\.tmp"),
    "mark: name": ("rename", r"journal/\w+/mark\.json\.tmp"),
    "cut: quarantine": ("rename", r"quarantine/.*"),
    "cut: shorten": ("truncate", r"journal/\w+/\d+\.seg"),
    "pack: file": ("write", r"journal/.*\.pack\.tmp"),
    "pack: sync": ("sync", r"journal/.*\.pack\.tmp"),
    "pack: name": ("rename", r"journal/.*\.pack\.tmp"),
    "pack: remove": ("unlink", r"journal/\w+/\d+\.seg"),
    "remove: hashes kept": ("sync", r"seal/logs/\w+/0"),
    "remove: file": ("unlink", r"journal/\w+/\d+\.seg\.zst"),
    "seal: leaves": ("write", r"seal/logs/\w+/0"),
    "seal: entries": ("write", r"seal/entries"),
    "seal: sync": ("sync", r"seal/entries"),
    "seal: tree": ("write", r"seal/tree/0"),
    "checkpoint: file": ("write", r"seal/checkpoint\.tmp"),
    "checkpoint: name": ("rename", r"seal/checkpoint\.tmp"),
    "checkpoint: folder": ("sync", r"seal"),
    "key: vouched for": ("rename", r"seal/rotations/\d+\.tmp"),
    "key: taken up": ("rename", r"keys/seal\.next\.key"),
    "dead letter": ("write", r"shipping/\w+\.dead"),
    "dead letter: sync": ("sync", r"shipping/\w+\.dead"),
    "cursor: file": ("write", r"shipping/\w+\.cursor\.tmp"),
    "cursor: name": ("rename", r"shipping/\w+\.cursor\.tmp"),
}


class Theatre:
    """A state folder as two lives left it, and what the third one does there, call by call."""

    def __init__(self, folder: Path) -> None:
        self.base = folder / "base"
        self.before = Promises()
        self.base.mkdir()
        for end, seed in (("close", "1"), ("torn", "2")):
            self._note(self.before, record(self.base, "faults.life", str(self.base / "state"), seed, "6", end))
        self.key = VerifierKey.parse((self.base / "state/keys/seal.vkey").read_text())
        shutil.copytree(self.base / "state", folder / "kept")
        self._kept = folder / "kept"
        self.arguments = (str(self.base / "state"), "3", "14", "close")
        self.operations = record(self.base, "faults.life", *self.arguments)

    def _note(self, promises: Promises, operations: Sequence[Operation]) -> None:
        for each in operations:
            if each.said:
                promises.note(each.said)

    def of(self, step: str) -> list[Operation]:
        """Return the calls of the third life that are this step."""
        name, path = STEPS[step]
        return [each for each in self.operations if name in (each.name, each.call) and re.fullmatch(f"state/{path}", each.path)]

    def play(self, at: Operation, what: str) -> tuple[int, str]:
        """Live the third life again, but for one call, which ends it or fails; check; return its exit code and complaint."""
        options = ("-o", "/dev/null", "-e", f"trace={at.call}", "-e", f"inject={at.call}:{what}:when={at.number}")
        return self.live(options)

    def live(self, options: Sequence[str]) -> tuple[int, str]:
        """Live the third life again, under strace with these options; check; return its exit code and complaint."""
        shutil.rmtree(self.base / "state")
        shutil.copytree(self._kept, self.base / "state")
        done = traced(options, "faults.life", *self.arguments)
        promises = copy.deepcopy(self.before)
        for line in done.stdout.splitlines(keepends=True):
            if line.endswith("\n"):
                promises.note(line)
        check(self.base / "state", promises, self.key)
        return done.returncode, done.stderr


@pytest.fixture(scope="module")
def theatre() -> Iterator[Theatre]:
    parts.need_program("strace")
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as folder:
        yield Theatre(Path(folder))


@pytest.mark.parametrize("step", STEPS)
def test_p1_killed_at_a_named_step(theatre: Theatre, step: str) -> None:
    calls = theatre.of(step)
    assert calls, "the run does not come by here"
    assert theatre.play(random.Random(step).choice(calls), "signal=KILL")[0] == -9


@pytest.mark.parametrize("step", ["commit", "commit: kept", "rotate: sync", "mark: name", "checkpoint: name", "cursor: file"])
@pytest.mark.parametrize("error", ["EIO", "EROFS"])
def test_p1_a_failing_disk_at_a_named_step(theatre: Theatre, step: str, error: str) -> None:
    code, said = theatre.play(random.Random(step).choice(theatre.of(step)), f"error={error}")
    assert code == 1
    assert any(f"({each})" in said or each in said for each in (error, "Input/output error", "Read-only file system")), said


def test_p1_where_no_call_writes_and_syncs_at_once_two_do(theatre: Theatre, tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    options = ("-y", "-o", str(calls), "-e", "trace=pwritev2,write,fdatasync", "-e", "inject=pwritev2:error=EOPNOTSUPP")
    assert theatre.live(options) == (0, "")
    found = re.findall(r"^(\w+)\(\d+<[^>]*/journal/\w+/\d+\.seg>.*= (-?\d+)", calls.read_text(), re.MULTILINE)
    commits = [found[at : at + 3] for at, (name, _) in enumerate(found) if name == "pwritev2"]
    assert len(commits) > 10
    for refused, written, synced in commits:
        assert refused == ("pwritev2", "-1")
        assert written[0] == "write"
        assert synced == ("fdatasync", "0")


@pytest.mark.torture
def test_p1_killed_six_hundred_times_at_named_steps(theatre: Theatre) -> None:
    rng = random.Random(0)
    for number in range(600):
        step = list(STEPS)[number % len(STEPS)]
        assert theatre.play(rng.choice(theatre.of(step)), "signal=KILL")[0] == -9


@pytest.mark.torture
@pytest.mark.parametrize("error", ["EIO", "ENOSPC", "EROFS"])
def test_p1_a_failing_disk_at_every_step(theatre: Theatre, error: str) -> None:
    for step in STEPS:
        for each in random.Random(f"{error} {step}").sample(theatre.of(step), min(3, len(theatre.of(step)))):
            theatre.play(each, f"error={error}")
