"""Take typed values out of a TOML table; what is missing, of the wrong type or unknown becomes a finding."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from munjigi.kernel.ids import ID
from munjigi.policy.findings import Findings, quoted
from munjigi.policy.toml_file import Path, TomlFile

MAX_TEXT: Final = 500
MAX_LIST: Final = 1000


class Section:
    """One table of a file, read key by key. `finish` reports the keys that nobody asked for."""

    __slots__ = ("_asked", "_file", "_findings", "_values", "name", "path")

    def __init__(self, file: TomlFile, path: Path, values: dict[str, Any], findings: Findings) -> None:
        self._file = file
        self._values = values
        self._findings = findings
        self._asked: set[str] = set()
        self.path = path
        self.name = path[-1] if path else ""

    def error(self, key: str, code: str, message: str) -> None:
        """Report an error at a key, or at the table when the key is empty or absent."""
        line, column = self._file.place((*self.path, key) if key in self._values else self.path)
        self._findings.error(self._file.file, line, column, code, message)

    def text(self, key: str, *, required: bool = True, longest: int = MAX_TEXT) -> str:
        """Return a text of at most `longest` characters; required means present and not empty."""
        value = self._take(key, required=required)
        if value is None:
            return ""
        if not isinstance(value, str):
            self.error(key, "VALUE_WRONG_TYPE", f"`{key}` must be a text in quotes.")
            return ""
        if len(value) > longest or any(not char.isprintable() for char in value):
            self.error(key, "VALUE_INVALID", f"`{key}` must have at most {longest} characters and no control characters.")
            return ""
        if required and not value.strip():
            self.error(key, "VALUE_MISSING", f"`{key}` is empty; fill it in.")
        return value

    def number(self, key: str, lowest: int, highest: int, *, default: int | None = None) -> int:
        """Return a whole number in [lowest, highest]; without a default it is required."""
        value = self._take(key, required=default is None)
        if value is None:
            return lowest if default is None else default
        if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= highest:
            self.error(key, "VALUE_INVALID", f"`{key}` must be a whole number from {lowest} to {highest}.")
            return lowest
        return value

    def numbers(self, key: str, lowest: int, highest: int) -> tuple[int, ...] | None:
        """Return a list of whole numbers in [lowest, highest], ascending and distinct; None when the key is left out."""
        value = self._take(key, required=False)
        if value is None:
            return None
        right = (
            isinstance(value, list)
            and len(value) <= MAX_LIST
            and all(type(each) is int and lowest <= each <= highest for each in value)
        )
        if not right or sorted(set(value)) != value:
            self.error(key, "VALUE_INVALID", f"`{key}` must be a list of whole numbers from {lowest} to {highest}, ascending.")
            return ()
        return tuple(value)

    def flag(self, key: str, *, default: bool | None = None) -> bool:
        """Return true or false; without a default it is required."""
        value = self._take(key, required=default is None)
        if value is None:
            return bool(default)
        if not isinstance(value, bool):
            self.error(key, "VALUE_WRONG_TYPE", f"`{key}` must be true or false.")
            return False
        return value

    def choice(self, key: str, choices: tuple[str, ...]) -> str:
        """Return one of `choices`; the first stands in after an error."""
        value = self.text(key)
        if value in choices:
            return value
        if value:
            self.error(key, "VALUE_INVALID", f"`{key}` must be one of: {', '.join(choices)}.")
        return choices[0]

    def part(self, key: str) -> Section | None:
        """Return the table at a key, such as `{acr = [...]}`; None where there is none."""
        value = self._take(key, required=False)
        if value is None:
            return None
        if not isinstance(value, dict):
            self.error(key, "VALUE_WRONG_TYPE", f"`{key}` must be a table in braces.")
            return None
        return Section(self._file, (*self.path, key), value, self._findings)

    def names(self, key: str, *, required: bool = True, wildcard: bool = False) -> tuple[str, ...]:
        """Return a list of distinct names (`[A-Za-z0-9._-]{1,64}`, and `*` where it stands for all)."""
        value = self._take(key, required=required)
        if value is None:
            return ()
        if not isinstance(value, list) or len(value) > MAX_LIST or not all(isinstance(each, str) for each in value):
            self.error(key, "VALUE_WRONG_TYPE", f"`{key}` must be a list of names in quotes, at most {MAX_LIST}.")
            return ()
        good: dict[str, None] = {}
        for each in value:
            if not ID.match(each) and not (wildcard and each == "*"):
                self.error(key, "NAME_INVALID", f"{quoted(each)} in `{key}` is no name; names have 1 to 64 of A-Z a-z 0-9 . _ -")
            elif each in good:
                self.error(key, "NAME_TWICE", f"{quoted(each)} stands twice in `{key}`; keep one.")
            else:
                good[each] = None
        if wildcard and "*" in good and len(good) > 1:
            self.error(key, "VALUE_INVALID", f'`{key}` is either ["*"] or a list of names.')
        return tuple(good)

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of distinct texts; none when the key is left out."""
        value = self._take(key, required=False)
        if value is None:
            return ()
        if not isinstance(value, list) or not 0 < len(value) <= MAX_LIST or not all(isinstance(each, str) for each in value):
            self.error(key, "VALUE_WRONG_TYPE", f"`{key}` must be a list of 1 to {MAX_LIST} texts in quotes, or be left out.")
            return ()
        for each in {each for each in value if value.count(each) > 1}:
            self.error(key, "NAME_TWICE", f"{quoted(each)} stands twice in `{key}`; keep one.")
        return tuple(dict.fromkeys(value))

    def finish(self) -> None:
        """Report the keys that are not known here."""
        for key in self._values:
            if key not in self._asked:
                self.error(key, "KEY_UNKNOWN", f"{quoted(key)} is not known here; known: {', '.join(sorted(self._asked))}.")

    def _take(self, key: str, *, required: bool) -> Any:
        self._asked.add(key)
        if key not in self._values:
            if required:
                self.error("", "KEY_MISSING", f"`{key}` is missing in [{'.'.join(self.path[:1])}.…]; add it.")
            return None
        return self._values[key]


def entries(file: TomlFile, group: str, findings: Findings) -> Iterator[Section]:
    """Yield the tables `[group.NAME]` whose name is well formed, and report the others."""
    tables = file.values.get(group, {})
    if not isinstance(tables, dict):
        line, column = file.place((group,))
        findings.error(file.file, line, column, "VALUE_WRONG_TYPE", f"`{group}` must be tables: [{group}.NAME].")
        return
    for name, values in tables.items():
        if not ID.match(name):
            place = file.place((group, name))
            message = f"{quoted(name)} is no name; names have 1 to 64 of A-Z a-z 0-9 . _ -"
            findings.error(file.file, *place, "NAME_INVALID", message)
        elif not isinstance(values, dict):
            place = file.place((group, name))
            findings.error(file.file, *place, "VALUE_WRONG_TYPE", f"{quoted(name)} must be a table: [{group}.NAME].")
        else:
            yield Section(file, (group, name), values, findings)


def only_groups(file: TomlFile, groups: tuple[str, ...], findings: Findings) -> None:
    """Report top-level keys other than `groups`."""
    for key in file.values:
        if key not in groups:
            line, column = file.place((key,))
            known = ", ".join(f"[{group}.NAME]" for group in groups)
            findings.error(file.file, line, column, "KEY_UNKNOWN", f"{quoted(key)} is not known here; known: {known}.")
