"""Settings and the seal's key in the trail: each start names them, each change is a record that people find."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TypeVar

import pytest
from running import Daemon, free_port, serving

from munjigi.app.config import load_settings
from munjigi.app.files import StateFolder
from munjigi.app.recorded import Recorded
from munjigi.audit import files
from munjigi.audit.reader import JournalReader, list_logs
from munjigi.audit.record import Record
from munjigi.audit.records import ConfigurationRecord, ProcessRecord, SealKeyRecord, decode

BIN = Path(sys.executable).parent / "munjigi"
R = TypeVar("R", bound=Record)


def of_kind(state: Path, kind: type[R]) -> list[R]:
    root = StateFolder(state).journal
    with JournalReader(root / list_logs(root)[0]) as reader:
        return [record for _, payload in reader.read(0, 100_000) if isinstance(record := decode(payload), kind)]


def found(daemon: Daemon, event_type: str) -> list[dict[str, str]]:
    """Search until something is found."""
    command = [BIN, "audit", "search", "--event-type", event_type, "-o", "ndjson", "--grpc-address", daemon.grpc_address]
    deadline = time.monotonic() + 60
    while True:
        done = subprocess.run(
            [*command, "--as", "dpo.yoon"],
            env=os.environ | {"MUNJIGI_STATE_DIR": str(daemon.state_dir)},
            capture_output=True,
            text=True,
            check=False,
        )
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        if lines or time.monotonic() > deadline:
            return lines
        time.sleep(0.1)


def test_a_changed_key_and_changed_settings_are_records(tmp_path: Path) -> None:
    state, port = tmp_path / "state", str(free_port())
    address = {"MUNJIGI_GRPC_ADDRESS": f"127.0.0.1:{port}", "MUNJIGI_HTTP_ADDRESS": f"127.0.0.1:{free_port()}"}
    vkey = state / "keys" / "seal.vkey"
    with serving(state, **address) as daemon:
        first = vkey.read_text().strip()
        (start,) = of_kind(state, ProcessRecord)
        assert (start.seal_key, len(start.settings_digest)) == (first, 64)
        done = subprocess.run([BIN, "audit", "rotate-key", "--state-dir", state], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert len(found(daemon, "seal.key")) == 1
        second = vkey.read_text().strip()
        assert second != first
        assert of_kind(state, SealKeyRecord) == [
            SealKeyRecord(
                index=of_kind(state, SealKeyRecord)[0].index,
                time=of_kind(state, SealKeyRecord)[0].time,
                seal_key=second,
                replaced=first,
            )
        ]
    with serving(state, **address):
        pass
    assert of_kind(state, ConfigurationRecord) == [], "nothing was changed"
    with serving(state, **address, MUNJIGI_DRAIN_SECONDS="3"):
        pass
    starts = [record for record in of_kind(state, ProcessRecord) if record.event == "start"]
    assert [start.seal_key for start in starts] == [first, second, second]
    (change,) = of_kind(state, ConfigurationRecord)
    assert change.settings == ("drain_seconds",)
    assert (change.replaced, change.settings_digest) == (starts[1].settings_digest, starts[2].settings_digest)
    assert len(of_kind(state, SealKeyRecord)) == 1


def test_a_change_is_recorded_once_on_a_disk_that_refuses_and_again_by_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = StateFolder(tmp_path / "state")
    folder.make()
    before = Recorded(folder, load_settings({"state_dir": folder.root}))
    assert before.records() == []
    before.keep()

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    changed = load_settings({"state_dir": folder.root, "drain_seconds": 3.0})
    with monkeypatch.context() as full:
        full.setattr(files, "write_file", refuse)
        recorded = Recorded(folder, changed)
        assert len(recorded.records()) == 1
        with pytest.raises(OSError, match="space"):
            recorded.keep()
        assert recorded.records() == []
    again = Recorded(folder, changed)
    assert len(again.records()) == 1
    again.keep()
    assert Recorded(folder, changed).records() == []


@pytest.mark.parametrize("content", [b"", b"{", b'{"format":2}', b"\xff", b"[]"])
def test_what_cannot_be_read_is_as_if_it_were_not_there(tmp_path: Path, content: bytes) -> None:
    folder = StateFolder(tmp_path / "state")
    folder.make()
    folder.recorded.write_bytes(content)
    assert Recorded(folder, load_settings({"state_dir": folder.root})).records() == []
