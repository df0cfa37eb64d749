"""Record what a real process asks of the file system, with strace, as a list of operations in order.

Calls that change files below one folder are understood, or the recording fails: nothing is passed over in silence.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import parts

CHANGING: Final = (
    "open,openat,creat,write,pwrite64,writev,pwritev,pwritev2,ftruncate,truncate,fallocate,fsync,fdatasync,sync_file_range,"
    "rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,rmdir,link,linkat,symlink,symlinkat,copy_file_range,sendfile,"
    "lseek,utimensat,close"
)
_WRITING: Final = ("write", "pwrite64", "pwritev2")
_TESTS: Final = Path(__file__).parents[1]
_CALL: Final = re.compile(r"(\w+)\((.*)\) += (-?\d+)(<.*>)?")
_QUOTED: Final = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_FD: Final = re.compile(r"(\d+)<((?:\\x[0-9a-f]{2})*)>")
_DELETED: Final = " (deleted)"


class Operation(NamedTuple):
    """One call. `path` and `other` are relative to the recorded folder; `said` is what the process printed instead of a call.

    `number`: it was the process's so many-th system call `call`.
    """

    name: str
    path: str = ""
    other: str = ""
    offset: int = 0
    data: bytes = b""
    said: str = ""
    call: str = ""
    number: int = 0


def traced(options: Sequence[str], module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a Python module to its end under strace."""
    parts.need_program("strace")
    command = ["strace", *options, sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, cwd=_TESTS, capture_output=True, text=True, check=False)
    if "ptrace" in done.stderr.lower():
        parts.missing(f"strace may not trace here: {done.stderr[-200:]}")
    return done


def record(folder: Path, module: str, *arguments: str) -> list[Operation]:
    """Run a Python module under strace; return its calls on `folder`, and what it said, in order."""
    output = folder.parent / "strace"
    options = ("-y", "-xx", "-s", str(64 << 20), "-e", f"trace={CHANGING}", "-o", str(output))
    done = traced(options, module, *arguments)
    assert done.returncode == 0, done.stderr
    return list(_operations(output.read_text("ascii"), os.fspath(folder)))


def _operations(text: str, folder: str) -> Iterator[Operation]:
    positions: dict[int, int] = {}  # by descriptor; -1 appends
    numbers: Counter[str] = Counter()
    for line in text.splitlines():
        found = _CALL.match(line)
        if found is None:
            continue
        numbers[found[1]] += 1
        if int(found[3]) >= 0:
            for each in _understood(line, found[1], found[2], int(found[3]), folder, positions):
                yield each._replace(call=found[1], number=numbers[found[1]])


def _understood(line: str, name: str, arguments: str, result: int, folder: str, positions: dict[int, int]) -> Iterator[Operation]:
    descriptor = _FD.match(arguments)
    fd, place = (int(descriptor[1]), _text(descriptor[2])) if descriptor else (-1, "")
    if name == "write" and fd == 1:
        yield Operation("said", said=_bytes(_strings(arguments)[0]).decode())
        return
    paths = [_relative(_bytes(each).decode(), folder) for each in _strings(arguments) if name not in _WRITING]
    path = _relative(place, folder)
    if name in ("open", "openat", "creat"):
        if paths[0] is not None:
            positions[result] = -1 if "O_APPEND" in arguments else 0
            yield from _opened(paths[0], arguments)
    elif name in ("rename", "link", "unlink", "mkdir", "rmdir", "unlinkat") and any(each is not None for each in paths):
        assert name != "unlinkat" or arguments.startswith("AT_FDCWD"), line
        assert None not in paths, line
        yield Operation(name, *(each or "" for each in paths))
    elif path is None or path.endswith(_DELETED):
        assert all(each is None for each in paths), f"not understood: {line}"
    elif name == "close":
        positions.pop(fd, None)
    elif name == "lseek":
        positions[fd] = result if positions.get(fd, 0) >= 0 else -1
    elif name in ("write", "pwrite64"):
        data = _bytes(_strings(arguments)[0])[:result]
        at = int(arguments.rpartition(",")[2]) if name == "pwrite64" else positions[fd]
        if name == "write" and at >= 0:
            positions[fd] += result
        yield Operation("write", path, offset=at, data=data)
    elif name == "pwritev2":
        assert positions[fd] < 0, f"not understood: {line}"
        assert arguments.endswith("], 1, -1, RWF_DSYNC"), f"not understood: {line}"
        yield Operation("write", path, offset=-1, data=_bytes(_strings(arguments)[0])[:result])
        yield Operation("sync", path)
    elif name == "utimensat":
        yield Operation("touch", path)
    elif name == "ftruncate":
        yield Operation("truncate", path, offset=int(arguments.rpartition(",")[2]))
    elif name in ("fsync", "fdatasync"):
        yield Operation("sync", path)
    else:
        raise AssertionError(f"not understood: {line}")


def _opened(path: str, arguments: str) -> Iterator[Operation]:
    if "O_CREAT" in arguments:
        yield Operation("create", path)
    if "O_TRUNC" in arguments:
        yield Operation("truncate", path)


def _strings(arguments: str) -> list[str]:
    return _QUOTED.findall(arguments)


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))


def _text(text: str) -> str:
    return _bytes(text).decode("utf-8", "replace")


def _relative(path: str, folder: str) -> str | None:
    if path == folder:
        return "."
    return path.removeprefix(folder + "/") if path.startswith(folder + "/") else None
