"""`munjigi audit verify` on real journals: any byte that it cannot account for is exit 5, and it repairs nothing."""

from __future__ import annotations

import fcntl
import json
import shutil
import threading
from pathlib import Path

import pytest

from munjigi.audit.journal import Journal
from munjigi.audit.records import ProcessRecord
from munjigi.cli.main import run
from munjigi.kernel.clock import SystemClock


@pytest.fixture
def state(tmp_path: Path) -> Path:
    root = tmp_path / "var"
    root.mkdir(mode=0o700)
    journal = Journal.open(root / "journal", 0, quarantine=root / "quarantine", clock=SystemClock(), randomness=bytes(range(16)))
    for _ in range(5):
        journal.append(ProcessRecord(event="start", version="1"))
    journal.sync()
    journal.close()
    return root


def segment(state: Path) -> Path:
    return max((path for path in (state / "journal").glob("*/*") if path.is_file()), key=lambda path: path.stat().st_size)


def verify(state: Path, capsys) -> tuple[int, dict]:
    code = run(["audit", "verify", "--state-dir", str(state), "--output", "json"])
    return code, json.loads(capsys.readouterr().out)


def contents(state: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in state.rglob("*") if path.is_file()}


def test_an_intact_journal(state: Path, capsys):
    code, answer = verify(state, capsys)
    assert code == 0
    assert answer["intact"] is True
    assert answer["journals"][0]["records"] == "5"
    assert run(["audit", "verify", "--state-dir", str(state)]) == 0
    assert "intact" in capsys.readouterr().out


def test_p1_a_torn_tail_is_named_and_not_repaired(state: Path, capsys):
    path = segment(state)
    path.write_bytes(path.read_bytes()[:-1])
    before = contents(state)
    code, answer = verify(state, capsys)
    assert code == 5
    found = answer["journals"][0]
    assert found["intact"] is False
    assert found["file"] == path.name
    assert contents(state) == before
    assert run(["audit", "verify", "--state-dir", str(state)]) == 5
    printed = capsys.readouterr().out
    assert path.name in printed
    assert "nothing was repaired" in printed


def test_p1_one_flipped_bit_is_found(state: Path, capsys):
    path = segment(state)
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(damaged)
    code, answer = verify(state, capsys)
    assert code == 5
    assert answer["journals"][0]["problem"]


def test_p1_a_removed_log_is_missed(state: Path, capsys):
    log_id = next((state / "journal").iterdir()).name
    shutil.rmtree(state / "journal" / log_id)
    code, answer = verify(state, capsys)
    assert code == 5
    assert [(each["log_id"], each["problem"]) for each in answer["journals"]] == [(log_id, "LOG_MISSING")]


def test_nothing_to_verify_is_not_verified(tmp_path: Path, capsys):
    assert run(["audit", "verify", "--state-dir", str(tmp_path)]) == 5
    assert "no journal at all" in capsys.readouterr().err


def test_an_unknown_log_is_not_verified(state: Path, capsys):
    assert run(["audit", "verify", "--state-dir", str(state), "--log-id", "x" * 20]) == 5
    assert "no log with this id" in capsys.readouterr().err


def test_p1_a_tear_that_stays_is_found_beside_a_running_gateway_too(state: Path, capsys):
    path = segment(state)
    path.write_bytes(path.read_bytes()[:-1])
    with (state / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        code, answer = verify(state, capsys)
    assert code == 5
    assert answer["journals"][0]["file"] == path.name


def test_a_tear_that_the_writer_completes_is_none(state: Path, capsys):
    path = segment(state)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with (state / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        writer = threading.Timer(0.02, path.write_bytes, (whole,))
        writer.start()
        code, _ = verify(state, capsys)
        writer.join()
    assert code == 0


def test_doctor_finds_what_verify_finds(state: Path, capsys, monkeypatch):
    monkeypatch.chdir(state.parent)
    path = segment(state)
    path.write_bytes(path.read_bytes()[:-1])
    options = ["--state-dir", str(state), "--grpc-address", "127.0.0.1:1", "--http-address", "127.0.0.1:2", "-o", "ndjson"]
    assert run(["doctor", *options]) == 1
    found = {each["check"]: each for each in map(json.loads, capsys.readouterr().out.splitlines())}
    assert path.name in found["journal"]["found"]
    shutil.rmtree(state / "journal")
    assert run(["doctor", *options]) == 1
    found = {each["check"]: each for each in map(json.loads, capsys.readouterr().out.splitlines())}
    assert "gone" in found["journal"]["found"]
