"""Ask pycasbin, in a child process that is ended when its time is over: it may need an hour for what the core does at once."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple

from munjigi.decision.second_opinion import Question
from munjigi.policy.types import CLEAR, PolicyBundle

_MOST_ROWS: Final = 5_000  # with more than these pycasbin answers nothing in the seconds of a load
_OURS: Final = "MUNJIGI_"  # variables that may hold secrets, and that the child has no use for


class CasbinAnswers(NamedTuple):
    """What came back: per question mask, `clear` or `denied`, empty where there is no answer. `installed`: pycasbin is here."""

    answers: list[str]
    installed: bool


# Called with how many answers came so far.
Progress = Callable[[int], None]


def ask_casbin(
    bundle: PolicyBundle, questions: Sequence[Question], seconds: float | None, progress: Progress = lambda _: None
) -> CasbinAnswers:
    """Put the questions to pycasbin for at most `seconds`, or in full. Never raises; what was not answered is empty."""
    nothing = [""] * len(questions)
    rows = _rows(bundle)
    if not questions or (seconds is not None and len(rows) > _MOST_ROWS):
        return CasbinAnswers(nothing, installed=True)
    names = {role for rule in bundle.rules for role in (rule.sub,)} | bundle.closure.keys()
    # pycasbin takes a subject for the role of its name; roles come from grants only, so it isn't asked then.
    able = [number for number, each in enumerate(questions) if each.subject not in names]
    masks = sorted({rule.mask for rule in bundle.rules if rule.allow}, key=lambda mask: _rank(bundle, mask), reverse=True)
    document = {
        "model": bundle.files["model.conf"].decode(),
        **{kind: [row[1:] for row in rows if row[0] == kind] for kind in ("p", "g", "g2")},
        "masks": masks,
        "questions": [_wire(questions[number]) for number in able],
    }
    lines = _run(json.dumps(document).encode(), seconds, progress)
    if lines[:1] == ["missing"]:
        return CasbinAnswers(nothing, installed=False)
    for number, line in zip(able, lines[1:], strict=False):
        nothing[number] = "" if line == "?" else line
    return CasbinAnswers(nothing, installed=True)


def _run(document: bytes, seconds: float | None, progress: Progress) -> list[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    command = [sys.executable, "-m", "munjigi.adapters.casbin_child"]
    try:
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
        ) as child:
            assert child.stdin is not None
            assert child.stdout is not None
            end = threading.Timer(seconds, child.kill) if seconds is not None else None
            if end is not None:
                end.start()
            lines: list[str] = []
            try:
                with suppress(BrokenPipeError):
                    child.stdin.write(document)  # it reads all of it before it answers
                    child.stdin.close()
                for line in child.stdout:
                    if line.endswith(b"\n"):  # a killed child's last line may be cut
                        lines.append(line.decode("utf-8", "replace").rstrip("\n"))
                        progress(len(lines) - 1)
            finally:
                if end is not None:
                    end.cancel()
                child.kill()
            return lines
    except OSError:
        return []


def _rows(bundle: PolicyBundle) -> list[list[str]]:
    text = io.StringIO(bundle.files["policy.csv"].decode(), newline="")
    plain = ("" if line.lstrip().startswith("#") else line for line in text)
    return [[cell.strip() for cell in row] for row in csv.reader(plain, skipinitialspace=True) if len(row) > 1]


def _rank(bundle: PolicyBundle, mask: str) -> int:
    return 1 << 30 if mask == CLEAR else bundle.catalog.mask_rank.get(mask, -1)


def _wire(asked: Question) -> dict[str, Any]:
    return {
        "subject": asked.subject,
        "roles": sorted(asked.roles),
        "obj": asked.obj,
        "act": asked.act,
        "purpose": asked.purpose,
        "ctx": asked.context._asdict(),
    }
