"""Write the generated parts of docs/*.md from the code: settings, metrics, records, findings, reasons.

    .venv/bin/python .ci/generate_docs.py            # rewrite the files
    .venv/bin/python .ci/generate_docs.py --check    # exit 1 and name the files that are not current

A generated part stands between `<!-- generated: NAME -->` and `<!-- end -->`; tests/docs compares it.
"""

from __future__ import annotations

import ast
import re
import sys
import tokenize
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from munjigi.app.config import PREFIX, Settings
from munjigi.kernel import errors
from munjigi.monitoring.catalogue import CATALOGUE
from munjigi.rpc.status import code_of

ROOT = Path(__file__).resolve().parent.parent
SERVER = ROOT / "server" / "munjigi"
CODE = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\Z")
PART = re.compile(r"(<!-- generated: ([a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
ERROR_CLASSES = {
    name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, errors.MunjigiError)
}


class Said(NamedTuple):
    """A stable code that the source gives to someone, and the words that go with it."""

    code: str
    by: str  # the function or class that is called with it
    message: str
    file: str


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Render a Markdown table."""
    lines = [head, tuple("---" for _ in head), *(tuple(cell.replace("|", "\\|") for cell in row) for row in rows)]
    return "\n" + "".join("| " + " | ".join(line) + " |\n" for line in lines) + "\n"


def settings() -> str:
    """Every setting with its variable and default."""
    rows = []
    for name, field in Settings.model_fields.items():
        default = field.default
        shown = ", ".join(default) if isinstance(default, tuple) else "" if default is None else str(default)
        shown = shown.lower() if isinstance(default, bool) else shown
        rows.append((f"`{name}`", f"`{PREFIX}{name.upper()}`", f"`{shown}`" if shown else "", field.description or ""))
    return table(("setting", "environment variable", "default", "what it does"), rows)


def metrics() -> str:
    """Every metric."""
    rows = [(f"`{each.name}`", each.kind, ", ".join(each.labels), each.help) for each in CATALOGUE]
    return table(("metric", "kind", "labels", "what it counts"), rows)


def records() -> str:
    """Every record with its fields, types and comments."""
    path = SERVER / "audit" / "records.py"
    comments: dict[int, str] = {}
    with path.open("rb") as source:
        for token in tokenize.tokenize(source.readline):
            if token.type == tokenize.COMMENT:
                comments[token.start[0]] = token.string.lstrip("# ")
    parts = []
    for node in ast.parse(path.read_text("utf-8")).body:
        if not isinstance(node, ast.ClassDef):
            continue
        tag = next((ast.literal_eval(word.value) for word in node.keywords if word.arg == "tag"), "")
        parents = [base.id for base in node.bases if isinstance(base, ast.Name)]
        title = f"`{tag}` ({node.name})" if tag else node.name
        also = f" Also has the fields of {parents[0]}." if parents else ""
        rows = [
            (f"`{each.target.id}`", f"`{ast.unparse(each.annotation)}`", _default(each.value), comments.get(each.lineno, ""))
            for each in node.body
            if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)
        ]
        doc = " ".join((ast.get_docstring(node) or "").split())
        parts.append(f"\n### {title}\n\n{doc}{also}\n{table(('field', 'type', 'default', 'note'), rows)}".rstrip() + "\n")
    return "".join(parts) + "\n"


def _default(value: ast.expr | None) -> str:
    return "required" if value is None else f"`{ast.unparse(value)}`"


def said(folder: Path) -> Iterator[Said]:
    """Yield each UPPER_SNAKE code that is an argument of a call, with the words beside it."""
    for path in sorted(folder.rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        words = _assigned(tree)
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            for position, argument in enumerate(node.args):
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str) and CODE.match(argument.value):
                    following = node.args[position + 1] if position + 1 < len(node.args) else None
                    yield Said(argument.value, name, _text(following, words, node.lineno), str(path.relative_to(SERVER)))
                    break


def _assigned(tree: ast.AST) -> dict[str, list[tuple[int, ast.expr]]]:
    """Return what each name is assigned, by line, to find the words of `message`."""
    found: dict[str, list[tuple[int, ast.expr]]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found.setdefault(node.targets[0].id, []).append((node.lineno, node.value))
    return found


def _text(node: ast.expr | None, words: dict[str, list[tuple[int, ast.expr]]], line: int) -> str:
    """Render a message as people see it, with `…` for what is filled in."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(each.value) if isinstance(each, ast.Constant) else "…" for each in node.values)
    if isinstance(node, ast.Name) and node.id in words:
        before = [value for at, value in sorted(words[node.id], key=lambda each: each[0]) if at < line]
        return _text(before[-1], words, 0) if before else ""
    return ""


def findings() -> str:
    """Every code that `policy lint` can print."""
    merged: dict[str, tuple[set[str], list[str]]] = {}
    for each in said(SERVER / "policy"):
        if each.by not in {"error", "warning"} and each.by not in FINDING_HELPERS:
            continue
        kinds, messages = merged.setdefault(each.code, (set(), []))
        kinds.add("warning" if each.by == "warning" else "error")
        if each.message and each.message not in messages:
            messages.append(each.message)
    rows = [(f"`{code}`", " or ".join(sorted(kinds)), " · ".join(texts[:2])) for code, (kinds, texts) in sorted(merged.items())]
    return table(("code", "severity", "what it says"), rows)


FINDING_HELPERS = frozenset({"Problem", "_error", "_refuse", "_report"})


def reasons(*, starting: bool) -> Callable[[], str]:
    """Return a writer of the reasons that a caller gets, or of those that refuse to start or end a command."""

    def write() -> str:
        merged: dict[str, tuple[str, list[str]]] = {}
        for each in said(SERVER):
            kind = ERROR_CLASSES.get(each.by)
            if kind is None or (each.by in REFUSALS) != starting:
                continue
            status = each.by if starting else code_of(kind.__new__(kind)).name
            messages = merged.setdefault(each.code, (status, []))[1]
            if each.message and each.message not in messages:
                messages.append(each.message)
        rows = [(f"`{code}`", status, " · ".join(texts[:2])) for code, (status, texts) in sorted(merged.items())]
        return table(("reason", "kind" if starting else "status", "what it says"), rows)

    return write


REFUSALS = frozenset({"ConfigurationError", "Corruption"})
PARTS: dict[str, Callable[[], str]] = {
    "settings": settings,
    "metrics": metrics,
    "records": records,
    "findings": findings,
    "reasons": reasons(starting=False),
    "refusals": reasons(starting=True),
}


def current(text: str) -> str:
    """Return a document with its generated parts as they should be."""
    return PART.sub(lambda part: part[1] + PARTS[part[2]]() + part[3], text)


def main() -> int:
    """Rewrite or check every document."""
    stale = []
    for path in sorted((ROOT / "docs").glob("*.md")):
        text = path.read_text("utf-8")
        fresh = current(text)
        if fresh != text:
            stale.append(path.name)
            if "--check" not in sys.argv:
                path.write_text(fresh, "utf-8")
    if stale and "--check" in sys.argv:
        print(f"Not current: {', '.join(stale)}. Run .venv/bin/python .ci/generate_docs.py")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
