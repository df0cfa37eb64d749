"""A name that is not durable is no file: when a record's bytes are synced, so is every folder that got a name before (P1)."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from audit.support import access, open_journal

from munjigi.audit import packing, segment
from munjigi.audit.journal import Journal


class Watched:
    """What this process asks of the file system, watched and passed on: folders with names that no sync has covered."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.unsynced: set[int] = set()
        self.renamed: list[str] = []
        self.data_syncs = 0
        notes = {
            "rename": self._renamed,
            "mkdir": self._made,
            "fsync": self._synced,
            "pwritev": self._data,
            "unlink": self._removed,
        }
        for name, note in notes.items():
            monkeypatch.setattr(os, name, self._watching(getattr(os, name), note))

    @staticmethod
    def _watching(call: Callable[..., Any], note: Callable[..., None]) -> Callable[..., Any]:
        def watched(*arguments: Any, **options: Any) -> Any:
            result = call(*arguments, **options)
            note(*arguments)
            return result

        return watched

    def _renamed(self, _: Path, target: Path) -> None:
        self.unsynced.add(Path(target).parent.stat().st_ino)
        self.renamed.append(Path(target).name)

    def _made(self, folder: Path, *_: object) -> None:
        self.unsynced.add(Path(folder).parent.stat().st_ino)

    def _synced(self, fd: int) -> None:
        self.unsynced.discard(os.fstat(fd).st_ino)

    def _removed(self, path: Path, **_: object) -> None:
        assert not (Path(path).suffix == ".seg" and self.unsynced), "a segment goes before what replaces it is there"

    def _data(self, _fd: int, _data: object, _at: int, flags: int) -> None:
        assert flags == os.RWF_DSYNC
        self.data_syncs += 1
        assert not self.unsynced, "a record is called durable whose file's name is not"


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    if not hasattr(os, "RWF_DSYNC"):
        pytest.skip("this system has no call that writes and syncs")
    return Watched(monkeypatch)


def fill(journal: Journal, count: int) -> None:
    for number in range(count):
        journal.append(access(number))
        journal.sync()


def test_p1_no_record_is_durable_before_the_names_that_lead_to_it(tmp_path: Path, watched: Watched) -> None:
    journal = open_journal(tmp_path, segment_bytes=2000)
    assert not watched.unsynced
    fill(journal, 20)
    journal.close()
    assert not watched.unsynced
    assert watched.data_syncs == 20
    made = segment.names(tmp_path / "journal" / journal.log_id)
    assert len(made) > 3
    assert {journal.log_id, *made, "mark.json"} <= set(watched.renamed)
    again = open_journal(tmp_path, segment_bytes=2000)
    fill(again, 5)
    again.close()
    assert not watched.unsynced


def test_p1_a_packed_segment_has_its_name_before_the_plain_one_loses_its(tmp_path: Path, watched: Watched) -> None:
    journal = open_journal(tmp_path, segment_bytes=2000)
    fill(journal, 20)
    journal.close()
    folder = tmp_path / "journal" / journal.log_id
    first = segment.names(folder)[0]
    packing.pack(folder, first)
    assert f"{first}.zst" in watched.renamed
    assert not watched.unsynced
