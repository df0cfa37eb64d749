"""Backup and restore as an operator does them: a daemon under load, a witness, a fire, another machine."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
from e2e_asking import question
from running import Daemon, Stubs, free_port, serving
from witnessing import BIN, checkpoint, decide, metrics, munjigi, public_of, until, witness

from munjigi.audit.seal.note import Checkpoint, VerifierKey
from munjigi_client._proto.munjigi.v1 import audit_pb2, audit_pb2_grpc, explain_pb2, grant_pb2


@contextmanager
def load(daemon: Daemon, answered: list[str]) -> Iterator[None]:
    """Ask without pause; note the id of each answer, in order."""
    stop = threading.Event()

    def ask() -> None:
        with daemon.channel() as channel:
            stub, credentials = Stubs(channel).decision, daemon.credentials("cs.kim")
            while not stop.is_set():
                answered.append(stub.Check(question(), metadata=credentials).decision_id)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield
    finally:
        stop.set()
        asking.join(30)


def found_by_search(daemon: Daemon) -> set[str]:
    """All decisions of cs.kim, once the index has caught up; it is made again after a restore."""
    found: set[str] = set()
    with daemon.channel() as channel:
        stub, token = Stubs(channel).audit, ""
        until(lambda: _complete(stub, daemon))
        while True:
            request = audit_pb2.SearchRecordsRequest(
                event_type="access.decision", employee="cs.kim", page_size=500, page_token=token
            )
            answer = stub.SearchRecords(request, metadata=daemon.credentials("dpo.yoon", "munjigi-cli"))
            found |= {each.id for each in answer.records}
            token = answer.next_page_token
            if not token:
                return found


def size_of(state: Path) -> int:
    note = checkpoint(state)
    return Checkpoint.parse(note.text).size if note is not None else 0


def _complete(stub: audit_pb2_grpc.AuditServiceStub, daemon: Daemon) -> bool:
    request = audit_pb2.SearchRecordsRequest(page_size=1)
    try:
        return bool(stub.SearchRecords(request, metadata=daemon.credentials("dpo.yoon", "munjigi-cli")).complete)
    except grpc.RpcError as error:
        assert error.code() is grpc.StatusCode.UNAVAILABLE  # noqa: PT017 -- the follower is still starting
        return False


def test_p1_a_backup_under_load_is_restored_elsewhere_and_the_gap_is_stated(tmp_path: Path) -> None:
    state, elsewhere, port = tmp_path / "var", tmp_path / "elsewhere", free_port()
    file, keys, kept = tmp_path / "backup", tmp_path / "keys", tmp_path / "kept"
    with serving(state):
        until(lambda: checkpoint(state))
    old_key = (state / "keys" / "seal.vkey").read_text().strip()
    with witness(tmp_path / "witness", old_key, port):
        witness_key = public_of(port).strip()
        settings = {"MUNJIGI_WITNESSES": json.dumps([f"{witness_key} http://127.0.0.1:{port}"])}
        answered: list[str] = []
        daemon = Daemon(state, **settings).start()
        with load(daemon, answered):
            until(lambda: len(answered) > 200)
            before = len(answered)
            done = munjigi(state, "backup", str(file), "--keys", str(keys))
            assert (done.returncode, done.stderr) == (0, ""), done.stderr
            after = len(answered)
            sealed = size_of(state)
            until(lambda: len(answered) > after + 200)
        until(lambda: size_of(state) > sealed and VerifierKey.parse(witness_key).signed(checkpoint(state)))
        shutil.copy(state / "seal" / "checkpoint", kept)
        daemon.stop(signal.SIGKILL)

    arguments = ("restore", str(file), "--keys", str(keys), "--reason", "the machine burnt down", "--checkpoint", str(kept))
    done = munjigi(elsewhere, *arguments)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert munjigi(state, *arguments).returncode == 1  # never over what is there
    new_key = (elsewhere / "keys" / "seal.vkey").read_text().strip()
    assert new_key in done.stdout
    assert new_key != old_key

    with witness(tmp_path / "witness", old_key, port), serving(elsewhere, **settings) as restored:
        fresh = decide(restored)
        assert fresh.rpartition("-")[0] != answered[0].rpartition("-")[0]
        found = found_by_search(restored)
        assert set(answered[:before]) <= found  # every answer from before the backup was begun
        assert not set(answered[after + 1 :]) & found
        assert found <= {*answered, fresh}
        with restored.channel() as channel:
            stubs = Stubs(channel)
            explained = stubs.decision.Explain(
                explain_pb2.ExplainRequest(decision_id=answered[before - 1]),
                metadata=restored.credentials("dpo.yoon", "munjigi-cli"),
            )
            assert explained.grants
            held = stubs.grant.ListGrants(grant_pb2.ListGrantsRequest(), metadata=restored.credentials("cs.kim"))
            assert [each.role for each in held.grants] == ["cs_agent"]
            checked = stubs.audit.VerifyJournal(
                audit_pb2.VerifyJournalRequest(), metadata=restored.credentials("dpo.yoon", "munjigi-cli")
            )
            assert checked.intact
            assert [each.reason for each in checked.restorations] == ["the machine burnt down"]
        until(lambda: 'reason="WITNESS_REFUSES"' in metrics(restored))  # it knows the old name only
    with witness(tmp_path / "witness", (old_key, new_key), port), serving(elsewhere, **settings) as restored:
        decide(restored)
        public = VerifierKey.parse(witness_key)
        until(lambda: (note := checkpoint(elsewhere)) and public.signed(note))

    for key in (old_key, new_key):
        done = munjigi(elsewhere, "audit", "verify", "--key", key, "--checkpoint", str(kept), "-o", "json")
        assert done.returncode == 0, done.stdout
    shown = json.loads(done.stdout)
    (stated,) = shown["restorations"]
    assert int(stated["lost_entries"]) == int(shown["lost_entries"]) > 0
    assert stated["record_id"]
    assert "Restored" in munjigi(elsewhere, "audit", "verify").stdout
    pack, program = tmp_path / "pack", tmp_path / "munjigi_verify.py"
    program.write_text(munjigi(elsewhere, "audit", "verifier").stdout)
    for decision in (answered[0], fresh):
        assert munjigi(elsewhere, "audit", "prove", decision, "--out", str(pack)).returncode == 0
        checked_alone = subprocess.run(["python3", program, pack, "--key", old_key, "--quiet"], check=False, capture_output=True)
        assert checked_alone.returncode == 0, checked_alone.stdout


def test_p10_a_restore_that_was_killed_refuses_to_start(tmp_path: Path) -> None:
    state = tmp_path / "var"
    state.mkdir(mode=0o700)
    (state / "restoring").touch()
    daemon = Daemon(state)
    daemon.launch()
    daemon.wait_for("Remove the folder")
    assert daemon.process is not None
    assert daemon.process.wait(30) == 1
    assert munjigi(state, "init").returncode == 1


def test_progress_is_shown_on_a_terminal_only(tmp_path: Path) -> None:
    import pty

    state = tmp_path / "var"
    with serving(state):
        until(lambda: checkpoint(state))
    shown, terminal = pty.openpty()
    environment = os.environ | {"MUNJIGI_STATE_DIR": str(state)}
    done = subprocess.run([BIN, "backup", tmp_path / "b"], env=environment, stdout=subprocess.PIPE, stderr=terminal, check=False)
    os.close(terminal)
    assert done.returncode == 0
    assert b"MB" in os.read(shown, 4096)
    os.close(shown)
