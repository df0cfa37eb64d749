"""Whoever applies or undoes a review and is killed, at whatever statement, goes on where it was: nothing is lost, nothing done twice."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import Counter
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from review.kit import NARROW
from review.runner import HELD, LATER, WORDS

from munjigi.adapters.state.sqlite import SqliteStateStore
from munjigi.grants.changes import GrantEdit, State
from munjigi.grants.lifecycle import over
from munjigi.grants.verification import verify_permissions
from munjigi.kernel.grant import Grant

RUNNER = Path(__file__).with_name("runner.py")


def run(folder: Path, what: str, share: str = "0") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(RUNNER), str(folder), what, share]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=1800)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A review that is decided."""
    folder = tmp_path_factory.mktemp("decided")
    assert run(folder, "make").returncode == 0
    return folder


@pytest.fixture(scope="module")
def applied(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, applied without a blow."""
    folder = tmp_path_factory.mktemp("applied") / "state"
    shutil.copytree(made, folder)
    assert run(folder, "apply").returncode == 0
    return folder


def look(folder: Path) -> tuple[State, Counter[tuple[str, str]]]:
    """The state, and how often each grant was changed in each way."""
    with closing(SqliteStateStore(folder / "state.sqlite")) as store:
        assert [each.intact for each in verify_permissions(store, {})] == [True]
        edits = [change.edit for change in store.changes_since(0)]
        return store.load(), Counter((edit.kind, edit.grant.grant_id) for edit in edits if isinstance(edit, GrantEdit))


def taken(grant: Grant, word: str) -> Grant:
    return {
        "revoke": over(grant, LATER, "review"),
        "reduce": replace(grant, scope=NARROW),
        "suspend": replace(grant, suspended="review"),
        "keep": grant,
    }[word]


def after_apply() -> list[Grant]:
    return sorted((taken(grant, WORDS[number % 4]) for number, grant in enumerate(HELD)), key=lambda each: each.grant_id)


def check(made: Path, what: str, share: int, tmp_path: Path) -> None:
    folder = tmp_path / "state"
    shutil.copytree(made, folder)
    done = run(folder, what, str(share))
    assert done.returncode == 0, done.stderr
    ends = [tuple(map(int, line.split())) for line in done.stdout.splitlines()]
    assert len(ends) >= 2 * min(share, 50)
    assert [end for _, end in ends] == [-9, 0] * (len(ends) // 2)
    for stop_at in {each for each, _ in ends}:
        look(tmp_path / f"blow.{stop_at}")
        found, changed = look(tmp_path / f"rest.{stop_at}")
        assert found.reviews.reviews[0].state == {"apply": "applied", "undo": "undone"}[what]
        assert found.grants == (after_apply() if what == "apply" else sorted(HELD, key=lambda each: each.grant_id))
        assert set(changed.values()) == {1}


@pytest.mark.parametrize("what", ["apply", "undo"])
def test_a_killed_run_is_gone_on_with(what: str, made: Path, applied: Path, tmp_path: Path) -> None:
    check(made if what == "apply" else applied, what, 8, tmp_path)


@pytest.mark.torture
@pytest.mark.parametrize("what", ["apply", "undo"])
def test_every_statement_survives_a_kill(what: str, made: Path, applied: Path, tmp_path: Path) -> None:
    check(made if what == "apply" else applied, what, 10_000, tmp_path)
