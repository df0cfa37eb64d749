"""What a crash may leave of recorded operations: a file system that keeps no promise it did not make.

Made durable is what was synced: a file's bytes and size by a sync of the file, names by a sync of their folder. Of the
rest, names change in order within one folder, and each sector of 512 bytes of a file is new, old, or zeros, as chance has it;
different files and folders do not wait for each other.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from faults.recording import Operation

SECTOR: Final = 512


class Change(NamedTuple):
    """A change of a file: these bytes at an offset, or with None this size."""

    offset: int
    data: bytes | None


@dataclass(eq=False)
class File:
    """`durable` survives; `pending` came after the last sync."""

    durable: bytes = b""
    live: bytes = b""
    pending: list[Change] = field(default_factory=list)

    def change(self, change: Change) -> None:
        self.live = applied(self.live, change)
        self.pending.append(change)

    def sync(self) -> None:
        self.durable = self.live
        self.pending.clear()


@dataclass(eq=False)
class Folder:
    """Names, and the changes of names since the last sync: a name gets a node, or with None loses it."""

    durable: dict[str, Node] = field(default_factory=dict)
    live: dict[str, Node] = field(default_factory=dict)
    pending: list[dict[str, Node | None]] = field(default_factory=list)

    def change(self, names: dict[str, Node | None]) -> None:
        self.live = named(self.live, names)
        self.pending.append(names)

    def sync(self) -> None:
        self.durable = dict(self.live)
        self.pending.clear()


Node = File | Folder
Image = dict[str, bytes | None]  # what is found after the crash, by path; None is a folder


def applied(content: bytes, change: Change) -> bytes:
    if change.data is None:
        return content[: change.offset].ljust(change.offset, b"\0")
    return content[: change.offset].ljust(change.offset, b"\0") + change.data + content[change.offset + len(change.data) :]


def named(names: dict[str, Node], change: dict[str, Node | None]) -> dict[str, Node]:
    return {name: node for name, node in (names | change).items() if node is not None}


class Disk:
    """The recorded folder, as the running process sees it and as a crash would leave it."""

    def __init__(self) -> None:
        self.root = Folder()
        self.last: File | None = None  # what the last operation wrote to

    def do(self, operation: Operation) -> None:
        """Apply one operation."""
        self.last = None
        where, _, name = operation.path.rpartition("/")
        if operation.name in ("create", "mkdir"):
            folder = self._folder(where)
            if name not in folder.live and operation.path != ".":
                folder.change({name: File() if operation.name == "create" else Folder()})
        elif operation.name in ("unlink", "rmdir", "unlinkat"):
            self._folder(where).change({name: None})
        elif operation.name == "rename":
            self._rename(where, name, operation.other)
        elif operation.name == "link":
            target, _, new = operation.other.rpartition("/")
            self._folder(target).change({new: self._folder(where).live[name]})
        elif operation.name == "sync":
            self._node(operation.path).sync()
        elif operation.name == "touch":
            self._node(operation.path)
        else:
            file = self._node(operation.path)
            assert isinstance(file, File), operation
            offset = len(file.live) if operation.offset < 0 else operation.offset
            file.change(Change(offset, operation.data if operation.name == "write" else None))
            self.last = file

    def content(self, path: str) -> bytes:
        """Return a file as the process sees it."""
        file = self._node(path)
        assert isinstance(file, File)
        return file.live

    def _rename(self, where: str, name: str, to: str) -> None:
        target, _, new = to.rpartition("/")
        node = self._folder(where).live[name]
        if target == where:
            self._folder(where).change({name: None, new: node})
        else:
            self._folder(target).change({new: node})
            self._folder(where).change({name: None})

    def _node(self, path: str) -> Node:
        node: Node = self.root
        for name in path.split("/") if path not in ("", ".") else ():
            assert isinstance(node, Folder)
            node = node.live[name]
        return node

    def _folder(self, path: str) -> Folder:
        node = self._node(path)
        assert isinstance(node, Folder), path
        return node

    def outcomes(self, rng: random.Random, draws: int) -> Iterator[tuple[str, Image]]:
        """Yield what a crash now may leave, each with a name: the extremes, each tear of the last write, and some drawn."""
        yield "nothing unsynced", self._image(lambda _: 0, lambda file: file.durable)
        yield "everything", self._image(lambda folder: len(folder.pending), lambda file: file.live)
        if self.last is not None and (write := self.last.pending[-1]).data is not None:
            before = self.last.durable
            for each in self.last.pending[:-1]:
                before = applied(before, each)
            first = (write.offset // SECTOR + 1) * SECTOR
            for end in range(first, write.offset + len(write.data), SECTOR):
                torn = applied(before, write._replace(data=write.data[: end - write.offset]))
                for what, content in (("torn", torn), ("zeros", torn.ljust(len(self.last.live), b"\0"))):
                    yield f"{what} at {end}", self._image(lambda folder: len(folder.pending), self._torn(content))
        for number in range(draws):
            yield (
                f"drawn {number}",
                self._image(lambda folder: rng.randint(0, len(folder.pending)), lambda file: drawn(file, rng)),
            )

    def _torn(self, content: bytes) -> Callable[[File], bytes]:
        last = self.last
        return lambda file: content if file is last else file.live

    def _image(self, reached: Callable[[Folder], int], content: Callable[[File], bytes]) -> Image:
        image: Image = {}
        seen: dict[int, bytes] = {}

        def walk(folder: Folder, path: str) -> None:
            names = folder.durable
            for change in folder.pending[: reached(folder)]:
                names = named(names, change)
            for name, node in sorted(names.items()):
                if isinstance(node, Folder):
                    image[path + name] = None
                    walk(node, f"{path}{name}/")
                    continue
                if id(node) not in seen:
                    seen[id(node)] = content(node)
                image[path + name] = seen[id(node)]

        walk(self.root, "")
        return image


def drawn(file: File, rng: random.Random) -> bytes:
    """Draw what is left of a file: some of its changes in order, of each write some sectors; where none came, zeros."""
    content = file.durable
    share = rng.choice((0.0, 0.5, 0.9, 1.0))
    for change in file.pending[: rng.randint(0, len(file.pending))]:
        if change.data is None:
            content = applied(content, change)
            continue
        begin = change.offset
        content = content.ljust(begin + len(change.data), b"\0")
        for at in range(begin // SECTOR * SECTOR, begin + len(change.data), SECTOR):
            low, high = max(at, begin), min(at + SECTOR, begin + len(change.data))
            if rng.random() < share:
                content = applied(content, Change(low, change.data[low - begin : high - begin]))
    return content


def put(image: Image, folder: Path) -> None:
    """Make real files of what a crash left."""
    folder.mkdir(mode=0o700)
    for path, content in image.items():
        if content is None:
            (folder / path).mkdir(mode=0o700)
        else:
            (folder / path).touch(mode=0o600)
            (folder / path).write_bytes(content)
