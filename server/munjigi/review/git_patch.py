"""Changed files as a patch that `git apply` takes in their folder, with why in front of it: git passes by what comes before the first `---`.

There is no line `diff --git`: with one, git takes the paths from the top of the work tree, and in a folder below it changes nothing, in silence.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

_NO_END: Final = b"\n\\ No newline at end of file\n"


def git_patch(before: Mapping[str, bytes], after: Mapping[str, bytes], why: Iterable[str]) -> bytes:
    """Return a unified diff of the files that `after` names, by paths relative to their folder; nothing where none differs."""
    parts = [part for path, content in sorted(after.items()) for part in _diff(path, before[path], content)]
    return b"".join([*(f"{line}\n".encode() for line in why), b"\n", *parts]) if parts else b""


def _diff(path: str, old: bytes, new: bytes) -> Iterator[bytes]:
    if old == new:
        return
    name = path.encode()
    for line in difflib.diff_bytes(
        difflib.unified_diff, lines_of(old), lines_of(new), b"a/" + name, b"b/" + name, lineterm=b"\n"
    ):
        yield line if line.endswith(b"\n") else line + _NO_END


def lines_of(data: bytes) -> list[bytes]:
    """Return the lines of a file with their ends."""
    *whole, last = data.split(b"\n")  # nowhere else: git knows no other end of a line
    return [each + b"\n" for each in whole] + ([last] if last else [])
