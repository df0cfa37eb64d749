"""Read the YAML that decision tables need: mappings, lists and texts, each with its place.

Built from the parser's events, without recursion and without construction of objects: anchors, aliases and tags
are refused, so that a small file cannot become a large one, and depth is bounded.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from munjigi.policy.findings import Findings, quoted

MAX_YAML_BYTES: Final = 1024 * 1024
_MAX_DEPTH: Final = 12
_MAX_TEXT: Final = 1000
# libyaml where it is there: ten times as fast, and its event parser does not recurse.
_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(slots=True)
class Node:
    """One value and where it stands, from 1: a text, a list or a mapping (in file order)."""

    line: int
    column: int
    text: str | None = None
    items: list[Node] | None = None
    fields: dict[str, Node] | None = None
    keys: dict[str, tuple[int, int]] = field(default_factory=dict)


class _Refused(Exception):
    def __init__(self, line: int, column: int, code: str, message: str) -> None:
        super().__init__(message)
        self.finding = (line, column, code, message)


def read_yaml(file: str, text: str, findings: Findings) -> Node | None:
    """Return the file's one document, or None after reporting why there is none."""
    if len(text) > MAX_YAML_BYTES:
        findings.error(file, 0, 0, "FILE_TOO_LARGE", f"A decision table has at most {MAX_YAML_BYTES} characters; split it.")
        return None
    try:
        root = _build(text)
    except _Refused as refused:
        findings.error(file, *refused.finding)
        return None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        findings.error(file, line, column, "YAML_SYNTAX", "This is not YAML; check indentation, quotes and brackets here.")
        return None
    except (yaml.YAMLError, ValueError, RecursionError):
        findings.error(file, 0, 0, "YAML_SYNTAX", "The file has a character or nesting that YAML does not allow.")
        return None
    if root is None:
        findings.error(file, 0, 0, "YAML_EMPTY", "The file is empty; it needs `tests:` with a list.")
    return root


def _build(text: str) -> Node | None:
    root: Node | None = None
    open_nodes: list[tuple[Node, list[tuple[str, int, int]]]] = []
    for event in yaml.parse(text, Loader=_LOADER):
        line, column = (event.start_mark.line + 1, event.start_mark.column + 1) if event.start_mark else (0, 0)
        if isinstance(event, (yaml.SequenceEndEvent, yaml.MappingEndEvent)):
            open_nodes.pop()
            continue
        if not isinstance(event, yaml.NodeEvent):
            continue
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None or getattr(event, "tag", None) is not None:
            raise _Refused(line, column, "YAML_NOT_ALLOWED", "Anchors, aliases and tags are not allowed; write the value out.")
        node = Node(line, column)
        if isinstance(event, yaml.ScalarEvent):
            node.text = event.value
        elif isinstance(event, yaml.SequenceStartEvent):
            node.items = []
        else:
            node.fields = {}
        if not open_nodes:
            if root is not None:
                raise _Refused(line, column, "YAML_NOT_ALLOWED", "A decision table is one document; remove the second.")
            root = node
        else:
            _attach(*open_nodes[-1], node)
        if node.text is None:
            if len(open_nodes) >= _MAX_DEPTH:
                raise _Refused(line, column, "YAML_TOO_DEEP", "The file nests too deeply; decision tables need no such depth.")
            open_nodes.append((node, []))
    return root


def _attach(parent: Node, waiting: list[tuple[str, int, int]], node: Node) -> None:
    if parent.items is not None:
        parent.items.append(node)
        return
    fields = parent.fields if parent.fields is not None else {}
    if waiting:
        key, line, column = waiting.pop()
        fields[key] = node
        parent.keys[key] = (line, column)
        return
    if node.text is None:
        raise _Refused(node.line, node.column, "YAML_NOT_ALLOWED", "A key must be a text.")
    if node.text in fields:
        raise _Refused(node.line, node.column, "KEY_TWICE", f"{quoted(node.text)} stands twice in one mapping; keep one.")
    waiting.append((node.text, node.line, node.column))


class Fields:
    """One mapping, read key by key. What is missing, of the wrong type or unknown becomes a finding."""

    __slots__ = ("_asked", "_fields", "_file", "_findings", "_node")

    def __init__(self, file: str, node: Node, findings: Findings) -> None:
        self._file = file
        self._node = node
        self._findings = findings
        self._asked: set[str] = set()
        self._fields = node.fields or {}
        if node.fields is None and node.text != "":
            findings.error(file, node.line, node.column, "VALUE_WRONG_TYPE", "A mapping (`key: value` lines) is needed here.")

    def error(self, key: str, code: str, message: str) -> None:
        """Report an error at a key, or at the mapping when the key is absent."""
        line, column = self._node.keys.get(key, (self._node.line, self._node.column))
        self._findings.error(self._file, line, column, code, message)

    def names(self) -> tuple[str, ...]:
        """Return the keys in file order."""
        return tuple(self._fields)

    def text(self, key: str, *, default: str | None = None) -> str:
        """Return a text; without a default it is required and not empty."""
        node = self._take(key, required=default is None)
        if node is None:
            return default or ""
        if node.text is None or len(node.text) > _MAX_TEXT or (default is None and not node.text):
            self.error(key, "VALUE_INVALID", f"{quoted(key)} must be a text of 1 to {_MAX_TEXT} characters.")
            return default or ""
        return node.text

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of texts; none when absent."""
        found: list[str] = []
        for node in self.sequence(key):
            if node.text is None or len(node.text) > _MAX_TEXT:
                self._findings.error(self._file, node.line, node.column, "VALUE_INVALID", "A text is needed here.")
            else:
                found.append(node.text)
        return tuple(found)

    def choice(self, key: str, choices: tuple[str, ...], *, default: str | None = None) -> str:
        """Return one of `choices`; the first stands in after an error."""
        text = self.text(key, default=default)
        if text in choices:
            return text
        if text or default is not None:
            self.error(key, "VALUE_INVALID", f"{quoted(key)} must be one of: {', '.join(choices)}.")
        return choices[0]

    def number(self, key: str, highest: int, *, default: int) -> int:
        """Return a whole number in [0, highest]."""
        text = self.text(key, default=str(default))
        if text.isascii() and text.isdigit() and len(text) <= 10 and int(text) <= highest:
            return int(text)
        self.error(key, "VALUE_INVALID", f"{quoted(key)} must be a whole number from 0 to {highest}.")
        return default

    def flag(self, key: str) -> bool:
        """Return true or false; false when absent."""
        return self.choice(key, ("false", "true"), default="false") == "true"

    def sequence(self, key: str, *, required: bool = False, most: int = 1000) -> list[Node]:
        """Return the nodes of a list with at most `most` items; none when absent."""
        node = self._take(key, required=required)
        if node is None:
            return []
        if node.items is None or len(node.items) > most:
            self.error(key, "VALUE_WRONG_TYPE", f"{quoted(key)} must be a list with at most {most} items.")
            return []
        return node.items

    def mapping(self, key: str, *, required: bool = True) -> Node:
        """Return the node of a mapping; an empty one when absent."""
        node = self._take(key, required=required)
        return node if node is not None else Node(self._node.line, self._node.column, text="")

    def finish(self) -> None:
        """Report the keys that are not known here."""
        for key in self._fields:
            if key not in self._asked:
                self.error(key, "KEY_UNKNOWN", f"{quoted(key)} is not known here; known: {', '.join(sorted(self._asked))}.")

    def _take(self, key: str, *, required: bool) -> Node | None:
        self._asked.add(key)
        node = self._fields.get(key)
        if node is None and required:
            self.error(key, "KEY_MISSING", f"{quoted(key)} is missing here; add it.")
        return node
