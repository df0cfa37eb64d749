"""Write the generated parts of docs/*.md from the code: settings, metrics, records, findings, reasons.

    .venv/bin/python .ci/generate_docs.py            # rewrite the files
    .venv/bin/python .ci/generate_docs.py --check    # exit 1 and name the files that are not current

A generated part stands between `<!-- generated: NAME -->` and `<!-- end -->`; tests/docs compares it. cli.md is generated whole.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from munjigi.app.config import PREFIX, SETTINGS
from munjigi.audit.schema.catalogue import COMMON, EVENTS, FIELDS, Field, fields_of, type_of
from munjigi.cli.reference import reference
from munjigi.kernel import errors
from munjigi.monitoring.catalogue import FAMILIES, metrics_of
from munjigi.policy.attributes import CONTEXT, REQUEST
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
    lines = [
        head,
        tuple("---" for _ in head),
        *(tuple(" ".join(cell.split()).replace("|", "\\|") for cell in row) for row in rows),
    ]
    return "\n" + "".join("| " + " | ".join(line) + " |\n" for line in lines) + "\n"


def settings() -> str:
    """Every setting with its variable and default."""
    rows = []
    for name, one in SETTINGS.items():
        default = one.default
        shown = ", ".join(map(str, default)) if isinstance(default, tuple) else "" if default is None else str(default)
        shown = shown.lower() if isinstance(default, bool) else shown
        rows.append((f"`{name}`", f"`{PREFIX}{name.upper()}`", f"`{shown}`" if shown else "", one.description))
    return table(("setting", "environment variable", "default", "what it does"), rows)


def metrics() -> str:
    """Every metric, by family."""
    head = ("metric", "kind", "labels", "what it counts")
    parts = []
    for family in FAMILIES:
        rows = [(f"`{each.name}`", each.kind, ", ".join(each.labels), each.help) for each in metrics_of(family)]
        parts.append(f"\n### {(family.__doc__ or '').rstrip('.')}\n{table(head, rows).rstrip()}\n")
    return "".join(parts) + "\n"


def records() -> str:
    """Every event type with its fields, as the catalogue has them."""
    parts = [f"\n### In every document\n{_fields([(field, msgspec.NODEFAULT) for field in COMMON])}"]
    for event in EVENTS:
        doc = " ".join((event.record.__doc__ or "").split())
        parts.append(f"\n### `{event.name}`\n\n{doc} ECS category `{event.category}`.\n{_fields(fields_of(event))}")
    parts.extend(
        f"\n### Each of `{name}`\n{_fields([(part, msgspec.NODEFAULT) for part in field.parts])}"
        for name, field in _objects("", FIELDS.values())
    )
    return "".join(part.rstrip() + "\n" for part in parts) + "\n"


def _objects(before: str, listed: Iterable[Field]) -> Iterator[tuple[str, Field]]:
    """Yield each field that has parts, those within others by their whole name."""
    for field in listed:
        if field.parts:
            yield f"{before}{field.name}", field
            yield from _objects(f"{before}{field.name}.", field.parts)


def _fields(listed: list[tuple[Field, object]]) -> str:
    rows = []
    for field, default in listed:
        absent = "" if default is msgspec.NODEFAULT else f"`{json.dumps(default)}`"
        names = ", ".join(f"`{name}`" for name in field.stored.split())
        types = ", ".join(dict.fromkeys(type_of(field, name) for name in field.stored.split()))
        law = f" **Law: {field.law}.**" if field.law else ""
        rows.append((f"`{field.name}`" if field.name else "", names, types, absent, field.meaning + law))
    return table(("field", "name in Elasticsearch", "type", "left out when", "meaning"), rows)


def attributes() -> str:
    """List what conditions may look at."""
    listed = {f"r.{name}": each for name, each in REQUEST.items()} | {f"r.ctx.{name}": each for name, each in CONTEXT.items()}
    rows = [
        (f"`{name}`", each.kind, each.meaning + (": " + ", ".join(f"`{value}`" for value in each.values) if each.values else ""))
        for name, each in listed.items()
    ]
    return table(("attribute", "type", "what it is"), rows)


def said(folder: Path) -> Iterator[Said]:
    """Yield each UPPER_SNAKE code that is an argument of a call, with the words beside it."""
    for path in sorted(folder.rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        words = _assigned(tree)
        where = str(path.relative_to(SERVER))
        for node in ast.walk(tree):
            if isinstance(node, ast.Tuple) and len(node.elts) == 2:  # a check's verdict
                for code in _constants(node.elts[0]):
                    if CODE.match(code) and (text := _text(node.elts[1], words, node.lineno)):
                        yield Said(code, "verdict", text, where)
            if not isinstance(node, ast.Call):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name == "AuditUnavailable" and node.args:  # its reason is always the same
                yield Said("AUDIT_UNAVAILABLE", name, _text(node.args[0], words, node.lineno), where)
            for position, argument in enumerate(node.args):
                codes = [code for code in _constants(argument) if CODE.match(code)]
                following = node.args[position + 1] if position + 1 < len(node.args) else None
                for code in codes:
                    yield Said(code, name, _text(following, words, node.lineno), where)
                if codes:
                    break


def _constants(node: ast.expr) -> list[str]:
    """Return the texts that an argument can be: a constant, or one of two."""
    if isinstance(node, ast.IfExp):
        return _constants(node.body) + _constants(node.orelse)
    return [node.value] if isinstance(node, ast.Constant) and isinstance(node.value, str) else []


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
    for each in (*said(SERVER / "policy"), *said(SERVER / "decision"), *said(SERVER / "app")):
        if each.by not in {"error", "warning"} and each.by not in FINDING_HELPERS:
            continue
        kinds, messages = merged.setdefault(each.code, (set(), []))
        kinds.add("warning" if each.by == "warning" else "error")
        if each.message and each.message not in messages:
            messages.append(each.message)
    rows = [(f"`{code}`", " or ".join(sorted(kinds)), " · ".join(texts[:2])) for code, (kinds, texts) in sorted(merged.items())]
    return table(("code", "severity", "what it says"), rows)


FINDING_HELPERS = frozenset({"Problem", "_Refused", "verdict"})


def reasons(*, starting: bool) -> Callable[[], str]:
    """Return a writer of the reasons that a caller gets, or of those that refuse to start or end a command."""

    def write() -> str:
        merged: dict[str, tuple[str, list[str]]] = {}
        for each in said(SERVER):
            kind = ERROR_CLASSES.get("Unauthenticated" if each.by == "_refusal" else each.by)
            if kind is None or (each.by in REFUSALS) != starting:
                continue
            status = each.by if starting else code_of(kind.__new__(kind)).name
            messages = merged.setdefault(each.code, (status, []))[1]
            if each.message and each.message not in messages:
                messages.append(each.message)
        rows = [(f"`{code}`", status, " · ".join(texts[:2])) for code, (status, texts) in sorted(merged.items())]
        return table(("reason", "kind" if starting else "status", "what it says"), rows)

    return write


def verification() -> str:
    """Every finding of `audit verify`, with the words of VERIFICATION."""
    found = {each.code for each in said(SERVER) if each.by in {"_Finding", "Verification", "SealCheck"}}
    return table(("finding", "what it means"), [(f"`{code}`", VERIFICATION[code]) for code in sorted(found)])


VERIFICATION = {
    "ARCHIVE_DIFFERS": "a segment in the archive is not the one in the journal",
    "ARCHIVE_MISSING": "records that were removed, and were in the archive then, are in neither",
    "BYTES_AFTER_CLEAN_STOP": "the log was closed cleanly, and something was appended afterwards",
    "CHAIN_BROKEN": "a segment, or a permission record, does not continue the chain of the one before it",
    "CHECKPOINT_NOT_SIGNED": "the last checkpoint is not signed with the seal's key",
    "COPIES_DIFFER": "a segment is there plain and packed, and the two are not the same",
    "EARLIER_CHECKPOINT_NOT_SIGNED": "the checkpoint that was kept is not signed with the seal's key",
    "ENTRIES_NOT_AS_SIGNED": "the seal's entries are fewer or others than the checkpoint was signed over",
    "FRAME_DAMAGED": "a frame's checksum is wrong",
    "FRAME_TYPE": "a frame is of a type that does not belong there",
    "GENERATION_NOT_CONTINUED": "after a restore: the seal does not bind the last checkpoint of the generation before it, or that is gone",
    "HEADER_DAMAGED": "a segment's header can't be read",
    "HEADER_OF_ANOTHER_SEGMENT": "a segment's header names another log, slot or place",
    "HEADS_NOT_GROWING": "a log was sealed with fewer records than it had been sealed with before",
    "HISTORY_CHANGED": "the history does not continue the checkpoint that was kept: it was taken back or rewritten",
    "INDEX_NOT_DENSE": "a record is missing, or stands twice",
    "LOG_MISSING": "a worker slot names a log whose folder is gone",
    "MARK_DAMAGED": "mark.json can't be read",
    "MARK_DIFFERS": "the log's bytes are not those that the mark describes",
    "NOT_SEALED": "there is no checkpoint yet, or the seal was removed; the first one comes a second after the first record",
    "PACKED_DAMAGED": "a packed segment can't be unpacked to what was written",
    "PACKED_FORMAT": "a packed segment names a format that this release does not read: use the release that packed it",
    "RECORD_NOT_AS_SEALED": "a record is not the one that was sealed at its place",
    "RECORD_REFUSED": "a permission record describes a change that the rules refuse",
    "RECORD_UNREADABLE": "a whole frame or row does not hold the record of its place",
    "REMOVAL_NOT_RECORDED": "the log begins later than with record 0, and no record, or one of another root, says that the rest was removed",
    "REMOVED_PAST_SEAL": "the log begins later than with record 0, and the seal does not cover what was before",
    "REMOVED_TOO_EARLY": "records were removed that were younger than the law allows",
    "SEGMENT_MISSING": "a segment file is gone",
    "SEGMENT_SIZE": "a closed segment does not have the size that the next one states",
    "SHORTER_THAN_DURABLE": "records that had been durable are gone",
    "SHORTER_THAN_MARK": "the log ends before the place that it was known to reach",
    "SHORTER_THAN_SEALED": "records that had been sealed are gone",
    "STATE_DIFFERS": "people or grants are not what the permission records made them: someone wrote to the store past the log",
    "STATE_UNREADABLE": "the state store, with the permission records, can't be read",
    "STRAY_FILE": "a file lies in the log's folder that is not part of it",
    "TIME_DECREASED": "a record is older than the one before it",
    "TORN_TAIL": "the last frame is incomplete: a crash, which the next start deals with, or a cut",
}
REFUSALS = frozenset({"ConfigurationError", "Corruption"})
PARTS: dict[str, Callable[[], str]] = {
    "settings": settings,
    "metrics": metrics,
    "records": records,
    "attributes": attributes,
    "findings": findings,
    "verification": verification,
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
        fresh = reference() if path.name == "cli.md" else current(text)
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
