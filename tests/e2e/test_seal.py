"""The seal as an auditor meets it: a running daemon, an evidence pack, a witness in a process of its own."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from running import Daemon, free_port, serving
from witnessing import checkpoint, decide, metrics, munjigi, public_of, until, witness

from munjigi.adapters.state.sqlite import SqliteStateStore
from munjigi.audit.seal.note import Checkpoint, VerifierKey
from munjigi.grants.changes import GrantEdit


def test_an_auditor_checks_a_decision_without_us(tmp_path: Path) -> None:
    state = tmp_path / "var"
    with serving(state) as daemon:
        decision = decide(daemon)
        done = munjigi(state, "audit", "prove", decision, "--out", str(tmp_path / "pack"))
        assert done.returncode == 0, done.stderr
        (tmp_path / "verifier").mkdir()
        program = tmp_path / "verifier" / "munjigi_verify.py"
        program.write_text(munjigi(state, "audit", "verifier").stdout)
        command = [
            sys.executable,
            "-I",
            str(program),
            str(tmp_path / "pack"),
            "--key",
            (state / "keys" / "seal.vkey").read_text(),
        ]
        shown = subprocess.run(command, capture_output=True, text=True, check=False)
        assert shown.returncode == 0, shown.stdout
        assert f"verified  {decision}" in shown.stdout
        assert '"cs.kim"' in shown.stdout
        pack = (tmp_path / "pack").read_text()
        at = pack.index('"record":"') + 200
        (tmp_path / "pack").write_text(pack[:at] + ("A" if pack[at] != "A" else "B") + pack[at + 1 :])
        shown = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (shown.returncode, f"NOT VERIFIED: {decision}" in shown.stdout) == (5, True)
        # both ways to verify say how much is sealed
        done = munjigi(state, "audit", "verify", "--output", "json")
        assert done.returncode == 0
        found = json.loads(done.stdout)
        assert int(found["journals"][0]["sealed"]) >= 1
        assert int(found["seal_entries"]) >= 1
    kept = tmp_path / "kept"
    shutil.copy(state / "seal" / "checkpoint", kept)
    assert munjigi(state, "audit", "verify", "--checkpoint", str(kept)).returncode == 0


def test_a_restored_old_state_folder_is_told_by_kept_checkpoint_and_by_witness(tmp_path: Path) -> None:
    state, port = tmp_path / "var", free_port()
    with serving(state) as daemon:
        decide(daemon)
        until(lambda: checkpoint(state))
    key = (state / "keys" / "seal.vkey").read_text().strip()
    with witness(tmp_path / "witness", key, port):
        settings = {"MUNJIGI_WITNESSES": json.dumps([f"{public_of(port).strip()} http://127.0.0.1:{port}"])}
        public = VerifierKey.parse(public_of(port))
        shutil.copytree(state, tmp_path / "old")
        with serving(state, **settings) as daemon:
            decide(daemon)
            until(lambda: (note := checkpoint(state)) and public.signed(note))
        shutil.copy(state / "seal" / "checkpoint", tmp_path / "kept")
        shutil.rmtree(state)
        (tmp_path / "old").rename(state)
        done = munjigi(state, "audit", "verify", "--checkpoint", str(tmp_path / "kept"))
        assert (done.returncode, "HISTORY_CHANGED" in done.stdout) == (5, True)
        assert munjigi(state, "audit", "verify").returncode == 0  # alone, the folder can't tell
        with serving(state, **settings) as daemon:
            decide(daemon)
            until(lambda: 'reason="WITNESS_DIFFERS"' in metrics(daemon))
            daemon.wait_for("WITNESS_DIFFERS")
            decide(daemon)  # decisions go on


@pytest.mark.parametrize("what", ["journal", "state.sqlite", "only state.sqlite"])
def test_a_restored_old_part_of_the_state_folder_is_refused(tmp_path: Path, what: str) -> None:
    """Together they would agree; a part that is older than what was sealed of it is told at the start."""
    state = tmp_path / "var"
    with serving(state) as daemon:
        decide(daemon)
        until(lambda: checkpoint(state))
    shutil.copytree(state, tmp_path / "old")
    with closing(SqliteStateStore(state / "state.sqlite")) as store:
        (grant,) = (each for each in store.load().grants if each.employee.subject == "cs.kim")
        store.apply([GrantEdit("grant_ended", grant)], actor="dpo.yoon", request_id="left-1", at=time.time_ns())
    with serving(state) as daemon:
        decide(daemon)
        until(lambda: all(each["records"] == each["sealed"] for each in _verified(state)))
    alone, _, name = what.rpartition(" ")
    for path in state.glob(f"{name}*"):  # SQLite's write-ahead log too, which would bring the new rows back
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    if alone:  # an empty store, with a log of its own, is made in its place
        (tmp_path / "old" / name).unlink()
    for path in (tmp_path / "old").glob(f"{name}*"):
        path.rename(state / path.name) if not alone else path.unlink()
    daemon = Daemon(state)
    daemon.launch()
    try:
        daemon.wait_for({"journal": "was taken back", "state.sqlite": "STATE_TAKEN_BACK"}.get(what, "LOG_GONE"))
        assert daemon.process is not None
        assert daemon.process.wait(30) != 0
    finally:
        daemon.stop(signal.SIGKILL)
    done = munjigi(state, "audit", "verify")
    assert (done.returncode, ("LOG_MISSING" if alone else "SHORTER_THAN_SEALED") in done.stdout) == (5, True)


@pytest.mark.parametrize(
    ("what", "said"),
    [("checkpoint", "SEAL_GONE"), ("damaged", "SEAL_ROLLBACK"), ("entries", "SEAL_ROLLBACK"), ("", "SEAL_GONE")],
)
def test_p10_a_seal_that_was_taken_away_does_not_let_an_old_copy_pass(tmp_path: Path, what: str, said: str) -> None:
    state = tmp_path / "var"
    with serving(state) as daemon:
        decide(daemon)
        until(lambda: checkpoint(state))
    seal = state / "seal"
    if what == "damaged":
        (seal / "checkpoint").write_bytes((seal / "checkpoint").read_bytes()[:-9])
    elif what:
        (seal / what).unlink()
    else:
        shutil.rmtree(seal)
    daemon = Daemon(state)
    daemon.launch()
    try:
        daemon.wait_for(said)
        assert daemon.process is not None
        assert daemon.process.wait(30) != 0
    finally:
        daemon.stop(signal.SIGKILL)
    for path in (state / "keys").glob("seal.*"):  # the loss is accepted
        path.unlink()
    shutil.rmtree(seal, ignore_errors=True)
    with serving(state) as daemon:
        decide(daemon)
        until(lambda: checkpoint(state))
    assert munjigi(state, "audit", "verify").returncode == 0


def _verified(state: Path) -> list[dict[str, str]]:
    return list(json.loads(munjigi(state, "audit", "verify", "--output", "json").stdout)["journals"])


def _diagnosed(state: Path, settings: dict[str, str]) -> dict[str, str]:
    """Return what the doctor says of the witness."""
    done = munjigi(state, "doctor", "--output", "json", **settings)
    (found,) = [each for each in json.loads(done.stdout)["findings"] if each["check"] == "witness"]
    return dict(found)


def test_a_witness_that_is_away_hinders_nobody_and_signs_when_it_is_back(tmp_path: Path) -> None:
    state, port = tmp_path / "var", free_port()
    with serving(state):
        pass
    key = (state / "keys" / "seal.vkey").read_text().strip()
    with witness(tmp_path / "witness", key, port) as first:
        public = VerifierKey.parse(public_of(port))
        settings = {"MUNJIGI_WITNESSES": json.dumps([f"{public} http://127.0.0.1:{port}"])}
        first.send_signal(signal.SIGKILL)
        first.wait(20)
    with serving(state, **settings) as daemon:
        decide(daemon)
        until(lambda: 'munjigi_witness_failures_total{reason="WITNESS_AWAY"' in metrics(daemon))
        away = _diagnosed(state, settings)
        assert away["result"] == "warn"
        assert "does not answer; the last checkpoint has no signature of it" in away["found"]
        with witness(tmp_path / "witness", key, port):
            assert VerifierKey.parse(public_of(port)) == public
            until(lambda: (note := checkpoint(state)) and public.signed(note))
            until(lambda: "munjigi_witness_timestamp_seconds{" in metrics(daemon))
            back = _diagnosed(state, settings)
            assert (back["result"], "answers; co-signed the last checkpoint at 20" in back["found"]) == ("ok", True), back
            seen = next((tmp_path / "witness" / "seen").iterdir())
            assert Checkpoint.parse(seen.read_text()).origin == VerifierKey.parse(key).name


def test_the_key_is_changed_under_way(tmp_path: Path) -> None:
    state = tmp_path / "var"
    with serving(state) as daemon:
        decision = decide(daemon)
        until(lambda: checkpoint(state))
        old = VerifierKey.parse((state / "keys" / "seal.vkey").read_text())
        done = munjigi(state, "audit", "rotate-key")
        assert done.returncode == 0
        new = until(lambda: (key := VerifierKey.parse((state / "keys" / "seal.vkey").read_text())) != old and key)
        assert str(new) in done.stdout
        decide(daemon)
        until(lambda: (note := checkpoint(state)) and new.signed(note) and not old.signed(note))
        assert munjigi(state, "audit", "verify", "--key", str(old)).returncode == 0
        assert munjigi(state, "audit", "prove", decision, "--out", str(tmp_path / "pack")).returncode == 0
    program = tmp_path / "munjigi_verify.py"
    program.write_text(munjigi(state, "audit", "verifier").stdout)
    for key in (old, new):
        assert (
            subprocess.run([sys.executable, program, tmp_path / "pack", "--key", str(key), "--quiet"], check=False).returncode
            == 0
        )
