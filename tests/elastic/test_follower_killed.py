"""P7: the real follower, killed at named steps while it indexes, seals, packs and ships to the real cluster, ends with each record once."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import IO, Final

import parts
import pytest
from audit.support import START, TickingClock, access, open_journal
from elastic.server import ElasticsearchServer
from elastic.support import installed, settings_of, stored
from running import ROOT, free_port

from munjigi.adapters.audit_index_sqlite import SqliteAuditIndex
from munjigi.app.config import Settings, to_json
from munjigi.app.files import StateFolder
from munjigi.app.seal_start import begin_seal
from munjigi.audit.reader import JournalReader
from munjigi.audit.seal.check import check_seal, verify_sealed

# Where it is killed: a system call, and the file that it is about. `{log}` is the log's id, `{segment}` a closed segment. What is packed
# has a name of its process until it is in place: tests/faults kills there.
STEPS: Final = {
    "sent, and no cursor yet": ("openat", "shipping/{log}.cursor.tmp"),
    "cursor not in place": ("rename", "shipping/{log}.cursor.tmp"),
    "leaves": ("pwrite64", "seal/logs/{log}/0"),
    "entries not synced": ("fdatasync", "seal/entries"),
    "checkpoint not in place": ("rename", "seal/checkpoint.tmp"),
    "index": ("pwrite64", "index.sqlite-wal"),
    "packed and not removed": ("unlink", "journal/{log}/{segment}"),
}


class Follower:
    """The follower's process alone, on a state folder that grows between its lives."""

    def __init__(self, server: ElasticsearchServer, prefix: str, folder: Path) -> None:
        installed(server, folder, prefix)
        self.state = StateFolder(folder / "state")
        self.state.make()
        begin_seal(self.state)
        self._settings = settings_of(server, folder, prefix)
        self._clock = TickingClock(START)
        self.log, self.records = "", 0

    def grow(self, count: int) -> None:
        """Write some more records, as a worker does."""
        journal = open_journal(self.state.root, clock=self._clock, segment_bytes=20_000)
        for number in range(count):
            journal.append(access(number))
        journal.close()
        self.log, self.records = journal.log_id, journal.next_index

    def start(self, output: IO[bytes], step: str = "") -> subprocess.Popen[bytes]:
        """Start it; with a step, so that it is killed there."""
        command = [sys.executable, "-m", "munjigi.app.follower"]
        if step:
            call, path = STEPS[step]
            segments = sorted(each.name for each in (self.state.journal / self.log).glob("*.seg"))
            at = self.state.root / path.format(log=self.log, segment=segments[0])
            command = ["strace", "-f", "-o", "/dev/null", "-P", str(at), "-e", f"inject={call}:signal=KILL:when=1", *command]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MUNJIGI_")}
        environment["PROMETHEUS_MULTIPROC_DIR"] = str(self.state.metrics)
        settings = Settings(
            state_dir=self.state.root,
            policy_home=ROOT / "policies",
            http_address=f"127.0.0.1:{free_port()}",
            elasticsearch_urls=tuple(json.loads(self._settings["MUNJIGI_ELASTICSEARCH_URLS"])),
            elasticsearch_prefix=self._settings["MUNJIGI_ELASTICSEARCH_PREFIX"],
            elasticsearch_authority=self._settings.get("MUNJIGI_ELASTICSEARCH_AUTHORITY"),
            elasticsearch_credentials=self._settings.get("MUNJIGI_ELASTICSEARCH_CREDENTIALS"),
        )
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output, stderr=output, env=environment)
        assert process.stdin is not None
        process.stdin.write(to_json(settings) + b"\n")
        process.stdin.flush()
        return process

    def done(self) -> bool:
        """Tell whether everything is shipped, indexed and sealed."""
        cursor = self.state.shipping / f"{self.log}.cursor"
        if not cursor.exists() or json.loads(cursor.read_bytes())["next_index"] < self.records:
            return False
        with closing(SqliteAuditIndex(self.state.index, read_only=True)) as index:
            return index.cursor(self.log) == self.records and self.sealed() == self.records

    def sealed(self) -> int:
        seal = check_seal(self.state.seal, lambda _: JournalReader(self.state.journal / self.log), None)
        return seal.sealed[self.log].size if self.log in seal.sealed else 0


def run(server: ElasticsearchServer, prefix: str, folder: Path, steps: list[str]) -> None:
    parts.need_program("strace")
    follower = Follower(server, prefix, folder)
    follower.grow(80)  # each growth closes the segment of the one before: there is one to pack from the first step on
    with (folder / "output").open("wb") as output:
        for step in steps:
            follower.grow(random.Random(step).randrange(70, 90))
            process = follower.start(output, step)
            assert process.wait(120) == -signal.SIGKILL, (folder / "output").read_text()[-3000:]
            assert process.stdin is not None
            process.stdin.close()
        process = follower.start(output)
        assert process.stdin is not None
        deadline = time.monotonic() + 120
        while not follower.done():
            assert time.monotonic() < deadline, (folder / "output").read_text()[-3000:]
            time.sleep(0.2)
        process.stdin.close()
        assert process.wait(60) == 0
    log = follower.state.journal / follower.log
    assert [name for _, name in stored(server, prefix)] == [f"{follower.log}-{number}" for number in range(follower.records)]
    seal = check_seal(follower.state.seal, lambda _: JournalReader(log), None)
    assert (seal.problem, verify_sealed(log, seal).intact) == ("", True)
    assert [each.name for each in log.glob("*.seg")] == [max(each.name.removesuffix(".zst") for each in log.glob("*.seg*"))]
    with closing(SqliteAuditIndex(follower.state.index, read_only=True)) as index, JournalReader(log) as reader:
        assert all(index.payload(follower.log, number) == payload for number, payload in reader.read(0, follower.records))


def test_p7_the_follower_killed_at_named_steps(cluster_server: ElasticsearchServer, prefix: str, tmp_path: Path):
    run(cluster_server, prefix, tmp_path, ["sent, and no cursor yet", "checkpoint not in place", "packed and not removed"])


@pytest.mark.torture
def test_p7_the_follower_killed_a_hundred_times(cluster_server: ElasticsearchServer, prefix: str, tmp_path: Path):
    run(cluster_server, prefix, tmp_path, random.Random(0).choices(list(STEPS), k=100))
