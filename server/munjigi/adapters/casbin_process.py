"""Ask pycasbin, in a child process that is ended when its time is over: it needs minutes for what the core does at once."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from munjigi.decision.second_opinion import Question
from munjigi.policy.types import CLEAR, PolicyBundle

_MOST_ROWS: Final = 5_000  # more than these pycasbin can't even load within minutes
_OURS: Final = "MUNJIGI_"  # variables that may hold secrets, and that the child has no use for


class CasbinAnswers(NamedTuple):
    """What came back: per question mask, `clear` or `denied`, empty where there is no answer. `installed`: pycasbin is here."""

    answers: list[str]
    installed: bool


def ask_casbin(bundle: PolicyBundle, questions: Sequence[Question], seconds: float) -> CasbinAnswers:
    """Put the questions to pycasbin for at most `seconds`. Never raises; what was not answered is empty."""
    nothing = [""] * len(questions)
    rows = _rows(bundle)
    if not questions or len(rows) > _MOST_ROWS:
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
    lines = _run(json.dumps(document).encode(), seconds)
    if lines[:1] == ["missing"]:
        return CasbinAnswers(nothing, installed=False)
    for number, line in zip(able, lines[1:], strict=False):
        nothing[number] = "" if line == "?" else line
    return CasbinAnswers(nothing, installed=True)


def _run(document: bytes, seconds: float) -> list[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    command = [sys.executable, "-m", "munjigi.adapters.casbin_child"]
    try:
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
        ) as child:
            try:
                output, _ = child.communicate(document, timeout=seconds)
            except subprocess.TimeoutExpired:
                child.kill()
                output, _ = child.communicate()
    except OSError:
        return []
    # A killed child's last line may be cut.
    return output.decode("utf-8", "replace").split("\n")[:-1]


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
