"""The commands of the documents run, and what they print still looks like what the documents say."""

from __future__ import annotations

import time

import pytest
from docs.transcripts import DOCUMENTS, ROOT, missing, steps

SEARCHES = ("audit search", "grant ledger", "grant show")


def answered(desk, step):
    """Run a step; a search again until the follower has brought what it should find."""
    deadline = time.monotonic() + 10
    while True:
        done = desk(step.command)
        if not any(each in step.command for each in SEARCHES) or not missing(step, done.stdout) or time.monotonic() > deadline:
            return done


@pytest.mark.parametrize("name", [name for name in DOCUMENTS if steps(ROOT / name)])
def test_the_commands_print_what_the_document_shows(desk, name):
    for step in steps(ROOT / name):
        done = answered(desk, step)
        assert done.returncode == step.code, f"{step.place}: exit {done.returncode}, not {step.code}:\n{done.stdout}"
        absent = missing(step, done.stdout)
        assert not absent, f"{step.place}: no line like\n  {absent}\nin\n{done.stdout}"


def test_the_tour_begins_with_the_first_question():
    first = steps(ROOT / "README.md")[0]
    assert first.command == (
        "munjigi check crm.member --fields name,phone --purpose inquiry --case CS-2026-000123 --member 1000001 "
        "--as cs.kim --output json"
    )
    assert first.code == 0
