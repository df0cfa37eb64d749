"""A real daemon that finds three years of records: what is past its retention goes, into the archive first, and is proved from there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

from app.retiring import COUNT, STEP, first_of, payloads_of, ready, removals, write
from running import Daemon, serving

from munjigi.adapters.seal_keys import installation_key
from munjigi.app.files import StateFolder
from munjigi.audit import packed, segment


def audit(daemon: Daemon, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "MUNJIGI_STATE_DIR": str(daemon.state_dir), "MUNJIGI_GRPC_ADDRESS": daemon.grpc_address}
    return subprocess.run(
        [sys.executable, "-m", "munjigi.cli.main", "audit", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def metric(daemon: Daemon, name: str) -> float:
    with urlopen(f"http://{daemon.http_address}/metrics", timeout=10) as answer:
        lines = [line for line in answer.read().decode().splitlines() if line.startswith(name)]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


def test_p1_what_is_past_its_retention_goes_into_the_archive_and_then_from_the_journal(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path / "var")
    folder.make()
    log = write(folder.root, start=time.time_ns() - COUNT * STEP)
    ready(folder.root, installation_key(folder.keys))
    before, names = payloads_of(log), segment.names(log)
    archive = tmp_path / "archive"
    archive.mkdir()
    with serving(folder.root, "--archive-dir", str(archive)) as daemon:  # nothing is ever removed by default
        deadline = time.monotonic() + 60
        while len(list((archive / log.name).glob(f"*{packed.SUFFIX}"))) < len(names) - 1 and time.monotonic() < deadline:
            time.sleep(0.1)
        assert first_of(log) == 0
    with serving(folder.root, "--archive-dir", str(archive), "--retention-years", "2") as daemon:
        daemon.wait_for("records were removed")
        first = first_of(log)
        assert 50 < first < COUNT
        assert [(each.next_index, each.archived) for each in removals(log)] == [(first, True)]
        assert payloads_of(log)[: COUNT - first] == before[first:]
        assert metric(daemon, "munjigi_retention_failing") == 0
        found = json.loads(audit(daemon, "search", "--event-type", "access.decision", "--limit", "1000", "-o", "json").stdout)
        found = [each for each in found["records"] if each["content"]["employee"] == "cs.kim"]
        assert len(found) == COUNT - first
        assert audit(daemon, "verify").returncode == 0
        assert audit(daemon, "verify", "--archive", str(archive)).returncode == 0
        pack = tmp_path / "pack.jsonl"
        assert audit(daemon, "prove", f"{log.name}-0").returncode == 1
        assert audit(daemon, "prove", f"{log.name}-0", "--archive", str(archive), "--out", str(pack)).returncode == 0
    with serving(folder.root, "--archive-dir", str(archive), "--retention-years", "2") as daemon:  # and it starts again
        assert audit(daemon, "verify", "--archive", str(archive)).returncode == 0
