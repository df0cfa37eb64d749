"""Console blocks of the documents: which commands they show, and whether a real run still looks like it.

A block is fenced as `console`. `$ command` runs in bash; `# exit N` at its end is the exit code that it must have (0
where nothing is said). One that ends with `&` goes on, and `$ fg` waits for it. What follows is its output: those lines
must come, in this order; a line `…` stands for any others.
Ids, times, digests, durations and the like are compared by shape.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
# README first: its tour is told from a fresh start.
DOCUMENTS = ("README.md", *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").glob("*.md")))
_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_EXIT = re.compile(r"\s+# exit (\d)$")
SKIPPED = "…"
_SHAPES = (
    (re.compile(r"\b(?=[a-z]*\d)[a-z0-9]{20}(?:-\d+)?\b"), "<id>"),
    (re.compile(r"\b[0-9a-f]{64}\b|\b[0-9a-f]{16}\b|\b[0-9a-f]{12}\b"), "<digest>"),
    (
        re.compile(r"\b\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)?)?|\b\d\d:\d\d:\d\d(?:\.\d+)?Z?"),
        "<time>",
    ),
    (re.compile(r"\b\d{19}\b"), "<nanoseconds>"),
    (re.compile(r"\b([\w/]+\.(?:csv|yaml)):\d+(?::\d+)?"), r"\1:<line>"),
    (re.compile(r'"(index|grant_revision)": "\d+"'), r'"\1": "<number>"'),
    (re.compile(r"\b\d+(?:\.\d+)? (s|ms|records|rules|shown|tests)\b"), r"<number> \1"),
    (re.compile(r"\b(?:none|\d+) of \d+ real decisions?(?:, of \d+ employees?,)?"), "<decisions>"),
    (re.compile(r"\b\d+/s\b"), "<rate>"),
    (re.compile(r"<id> +\d+ +\d+ "), "<id> <number> <number> "),
    (re.compile(r"\bcheckpoint \d+\b"), "checkpoint <number>"),
    (re.compile(r"\bat revision \d+\b"), "at revision <number>"),
    (re.compile(r"[─━]+"), "─"),
    (re.compile(r"\s+"), " "),
)


@dataclass
class Step:
    command: str
    code: int
    place: str
    output: list[str] = field(default_factory=list)


def steps(path: Path) -> list[Step]:
    """Return the commands of a document's console blocks, in order."""
    found: list[Step] = []
    text = path.read_text("utf-8")
    for block in _BLOCK.finditer(text):
        line = text.count("\n", 0, block.start(1))
        for number, each in enumerate(block[1].splitlines(), line + 1):
            if each.startswith("$ "):
                code = _EXIT.search(each)
                found.append(Step(_EXIT.sub("", each[2:]), int(code[1]) if code else 0, f"{path.name}:{number}"))
            else:
                found[-1].output.append(each)
    return found


def shape(line: str) -> str:
    """Return a line with what differs from run to run replaced."""
    for pattern, replacement in _SHAPES:
        line = pattern.sub(replacement, line)
    return line.strip()


def missing(step: Step, actual: str) -> str:
    """Return the first documented line that does not come in its turn, or nothing."""
    lines = iter([shape(line) for line in actual.splitlines()])
    for documented in step.output:
        wanted = shape(documented)
        if wanted and wanted != SKIPPED and wanted not in lines:
            return documented
    return ""
