"""`munjigi demo --fast`: a company's life in a folder of its own, which is synthetic for ever and meets nothing real."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import parts
import pytest
from monitoring.page import eventually, total
from running import ROOT, Daemon, serving

from munjigi.adapters.state.sqlite import SqliteStateStore
from munjigi.app.config import load_settings
from munjigi.app.demo import Wish, Written, write_company
from munjigi.app.files import StateFolder
from munjigi.app.log_sources import LogSources
from munjigi.app.state import move_state
from munjigi.app.synthetic import marked
from munjigi.app.verification import seal_of, verify_logs
from munjigi.audit.reader import JournalReader, list_logs
from munjigi.audit.records import AccessRecord, AnyRecord, ConfirmRecord, decode
from munjigi.audit.seal.note import Checkpoint, Note
from munjigi.cli.main import run
from munjigi.decision.types import Effect
from munjigi.kernel.errors import ConfigurationError, FailedPrecondition
from munjigi.policy.types import PolicyBundle

WISH = Wish(5, 24, 50_000, date(2026, 9, 28), 3)
SECOND = 10**9


@pytest.fixture(scope="module", autouse=True)
def alone() -> Iterator[None]:
    """No setting of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.startswith("MUNJIGI_") and not name.startswith("MUNJIGI_TEST_"):
                patch.delenv(name)
        patch.setenv("MUNJIGI_POLICY_HOME", str(ROOT / "policies"))
        yield


def write(root: Path, wish: Wish = WISH, **settings: Any) -> Written:
    return write_company(load_settings({"state_dir": root, **settings}), wish, lambda _records, _at: None)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "made"


@pytest.fixture(scope="module")
def written(root: Path) -> Written:
    return write(root)


def payloads(root: Path) -> list[bytes]:
    with closing(LogSources(StateFolder(root))) as sources:
        return [payload for log in sources.look() for _, payload in log.read(0, 10**6)]


@pytest.fixture(scope="module")
def records(root: Path, written: Written) -> list[AnyRecord]:
    assert written.records
    return [decode(payload) for payload in payloads(root)]


def the_same(root: Path) -> list[bytes]:
    """Return the logs' bytes without what is drawn at random for each folder: log ids, and references and digests by its own keys."""
    with closing(LogSources(StateFolder(root))) as sources:
        ids = [log.log_id.encode() for log in sources.look()]
        logs = {log.log_id: list(log.read(0, 10**6)) for log in sources.look()}
    known: dict[bytes, bytes] = {}

    def of(found: re.Match[bytes]) -> bytes:
        return known.setdefault(found[0], b"%026d" % len(known))

    made = []
    for log_id in sorted(logs, key=lambda each: (root / "journal" / each).is_dir()):
        for _, payload in logs[log_id]:
            plain = payload.replace(ids[0], b"-").replace(ids[1], b"-")
            plain = re.sub(rb"m1\.[0-9a-f]{8}\.", b"", plain)
            made.append(re.sub(rb"[a-z2-7]{26}|d1\.[0-9a-f]{16}", of, plain))
    return made


def test_the_same_seed_writes_the_same_records(tmp_path: Path, root: Path, written: Written) -> None:
    again = write(tmp_path / "again")
    assert (again.records, again.journal) == (written.records, written.journal)
    assert the_same(tmp_path / "again") == the_same(root)
    other = write(tmp_path / "other", WISH._replace(seed=6))
    assert the_same(tmp_path / "other") != the_same(root)
    assert other.origin != again.origin != written.origin


def test_everything_verifies_and_says_that_it_is_synthetic(root: Path, written: Written, records: list[AnyRecord]) -> None:
    folder = StateFolder(root)
    seal = seal_of(folder)
    found = verify_logs(folder, seal)
    assert seal.problem == ""
    assert all(each.intact for each in found)
    assert sum(each.records for each in found) == written.records == len(records)
    assert {log_id: each.size for log_id, each in seal.sealed.items()} == {each.log_id: each.records for each in found}
    assert all(each.synthetic for each in records)
    checkpoint = Checkpoint.parse(Note.parse((root / "seal" / "checkpoint").read_text()).text)
    assert checkpoint.origin == written.origin
    assert written.origin.startswith("munjigi-synthetic/")
    assert not folder.making.exists()


def test_the_records_are_those_of_a_gateway(written: Written, records: list[AnyRecord]) -> None:
    decisions = {each.index: each for each in records if isinstance(each, AccessRecord) and not each.own}
    confirmed = [each for each in records if isinstance(each, ConfirmRecord)]
    total = written.tally.total()
    assert total.asked == len(decisions)
    assert total.confirmed == len(confirmed)
    assert Counter(each.reason for each in decisions.values() if each.decision == "DENY") == written.tally.denied
    assert sum(each.probe for each in decisions.values()) == written.tally.probes
    assert not total.errors
    for each in confirmed:
        of = decisions[int(each.decision_id.rpartition("-")[2])]
        assert of.decision == "ALLOW"
        assert not of.probe
        assert (of.employee, of.tool) == (each.employee, each.tool)
        assert of.time <= each.time < of.valid_until
        assert each.members in ((), of.members)
    for one in decisions.values():
        assert one.time == one.asked_at
        assert not one.clock_stepped
        assert one.ip_asserted == (one.tool != "munjigi-cli")
        assert one.decision == "DENY" or all(field.effect != Effect.DENIED.value and field.grants for field in one.fields)


def test_nobody_who_left_or_is_on_leave_is_allowed_anything(tmp_path: Path) -> None:
    write(tmp_path / "made", Wish(3, 40, 1000, date(2026, 8, 31), 9))
    away: dict[str, str] = {}
    seen = Counter[str]()
    found = [decode(payload) for payload in payloads(tmp_path / "made")]
    for each in sorted(found, key=lambda record: (record.time, isinstance(record, AccessRecord))):
        event = getattr(each, "personnel_event", "")
        if event in ("leave", "leaver"):
            away[each.accounts[0].subject] = event
            seen[event] += 1
        elif event == "return":
            del away[each.accounts[0].subject]
        elif isinstance(each, (AccessRecord, ConfirmRecord)):
            assert each.employee not in away, each
    assert seen["leave"]
    assert seen["leaver"]


def test_a_folder_that_is_there_is_never_written_into(tmp_path: Path, root: Path, written: Written) -> None:
    before = (root / "seal" / "checkpoint").read_bytes()
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for there in (root, tmp_path / "empty", tmp_path / "link"):
        with pytest.raises(FailedPrecondition) as refused:
            write(there)
        assert refused.value.reason == "STATE_NOT_FRESH"
    assert (root / "seal" / "checkpoint").read_bytes() == before
    assert written.records == len(payloads(root))


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        (
            {"identity": "oidc", "oidc_issuer": "https://id.example", "forwarded_certificate": True, "grpc_address": "unix:/x/s"},
            "identity provider",
        ),
        ({"oidc_issuer": "https://id.example"}, "identity provider"),
        ({"elasticsearch_urls": ["https://search.example:9200"]}, "Elasticsearch"),
        ({"elasticsearch_urls": ["http://127.0.0.1:9200", "https://search.example:9200"]}, "Elasticsearch"),
        ({"state_url": "postgresql://munjigi@127.0.0.1:5432/munjigi"}, "database"),
        ({"member_key": Path("/somewhere/member.key")}, "key"),
        ({"scim_address": "127.0.0.1:9999"}, "directory"),
        ({"notice_webhook": "https://hooks.example/x", "notice_webhook_secret": Path("/somewhere/secret")}, "notices"),
        (
            {"notice_smtp": "mail.example:587", "notice_address": "{subject}@example.com", "notice_sender": "m@example.com"},
            "notices",
        ),
    ],
)
def test_it_meets_nothing_real(tmp_path: Path, root: Path, written: Written, settings: dict[str, Any], what: str) -> None:
    assert written.records
    with pytest.raises(ConfigurationError) as refused:
        write(tmp_path / "made", **settings)
    assert refused.value.reason == "SYNTHETIC_AND_REAL"
    assert what in refused.value.message
    assert not (tmp_path / "made").exists()


def test_an_elasticsearch_on_this_machine_is_none_of_the_refused(tmp_path: Path) -> None:
    assert write(tmp_path / "made", Wish(1, 20, 1000, date(2026, 9, 27), 1), elasticsearch_urls=["http://127.0.0.1:9200"]).records


def test_its_state_moves_into_no_database(root: Path, written: Written) -> None:
    from munjigi.adapters.state.address import Address

    assert written.records
    with pytest.raises(FailedPrecondition) as refused:
        move_state(StateFolder(root), Address("postgresql://munjigi@127.0.0.1:1/munjigi"))
    assert refused.value.reason == "SYNTHETIC_STATE_STAYS"


def demo(root: Path, *options: str) -> subprocess.Popen[str]:
    # A test run in the background ignores SIGINT, and so would what it starts.
    program = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from munjigi.cli.main import main; main()"
    command = [sys.executable, "-c", program, "demo", "--fast", "--state-dir", str(root), *options]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MUNJIGI_")}
    environment["MUNJIGI_POLICY_HOME"] = str(ROOT / "policies")
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def wait_for_records(root: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if sum(each.stat().st_size for each in root.glob("journal/*/*.seg")) > 500_000:
            return
        time.sleep(0.02)
    raise AssertionError("no records came")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_what_was_interrupted_is_used_by_nothing(
    tmp_path: Path, number: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "made"
    process = demo(root, "--days", "300")
    wait_for_records(root, process)
    process.send_signal(number)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == (-9 if number == signal.SIGKILL else 1), said
    if number == signal.SIGINT:
        assert "Interrupted." in said
        assert "unfinished" in said
    assert run(["serve", "--state-dir", str(root), "--no-sample"]) == 1
    assert "did not finish it" in capsys.readouterr().err
    assert run(["backup", str(tmp_path / "backup.tar"), "--state-dir", str(root)]) == 1
    with pytest.raises(ConfigurationError) as refused:
        StateFolder(root).refuse_unfinished()
    assert refused.value.reason == "SYNTHETIC_UNFINISHED"
    assert marked(StateFolder(root))


def test_a_disk_that_fills_up_ends_it_with_an_error(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    with parts.small_disk(disk, "size=3m"):
        process = demo(disk / "made", "--days", "60")
        said, _ = process.communicate(timeout=120)
        assert process.returncode == 1, said
        assert "unfinished" in said
        assert (disk / "made" / "making").exists()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, root: Path, written: Written) -> Iterator[Daemon]:
    assert written.records
    copy = tmp_path_factory.mktemp("served") / "var"
    shutil.copytree(root, copy)
    with serving(copy) as running:
        yield running


@pytest.fixture
def ask(served: Daemon, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    for name in ("MUNJIGI_STATE_DIR", "MUNJIGI_GRPC_ADDRESS", "MUNJIGI_HTTP_ADDRESS", "MUNJIGI_POLICY_HOME"):
        monkeypatch.setenv(name, served.environment[name])

    def answered(*arguments: str, code: int = 0) -> str:
        capsys.readouterr()
        ended = run(arguments)
        shown = capsys.readouterr()
        assert ended == code, shown.err
        return shown.out

    return answered


def test_it_can_be_served_and_goes_on_saying_so(served: Daemon, ask: Any, tmp_path: Path) -> None:
    import urllib.request

    for page in ("healthz", "readyz"):
        with urllib.request.urlopen(f"http://{served.http_address}/{page}") as answer:
            assert json.load(answer)["synthetic"] is True
    eventually(served, lambda page: total(page, "munjigi_synthetic") == 1, "no metric says so")
    assert "SYNTHETIC" in served.text
    ask(
        "check",
        "crm.member",
        "--fields",
        "name",
        "--purpose",
        "inquiry",
        "--case",
        "CS-2026-000123",
        "--member",
        "1000001",
        "--as",
        "cs.kim",
    )
    newest = json.loads(ask("audit", "search", "--limit", "5", "--as", "dpo.yoon", "--output", "json"))["records"]
    assert all(each["content"]["synthetic"] is True for each in newest)
    assert "[synthetic]" in ask("audit", "search", "--limit", "1", "--as", "dpo.yoon")
    asked = ("request", "cs_agent", "--purpose", "inquiry", "--days", "9", "--reason", "joins the desk", "--as", "new.oh")
    ask(*asked)
    with closing(SqliteStateStore(served.state_dir / "state.sqlite", read_only=True)) as store:
        last = decode(store.log_rows(store.revision() - 1, 1)[0].payload)
    assert last.synthetic
    of_old = ask("explain", newest_decision(ask), "--as", "dpo.yoon", "--output", "json")
    assert json.loads(of_old)
    pack = tmp_path / "pack"
    ask("audit", "prove", newest[0]["id"], "--out", str(pack))
    verifier = tmp_path / "verify.py"
    verifier.write_text(ask("audit", "verifier"))
    key = (served.state_dir / "keys" / "seal.vkey").read_text().strip()
    done = subprocess.run([sys.executable, verifier, pack, "--key", key], capture_output=True, text=True, check=True)
    assert "SYNTHETIC" in done.stdout
    assert "Synthetic" in ask("audit", "verify", "--state-dir", str(served.state_dir))


def newest_decision(ask: Any) -> str:
    """Return the id of a decision that was written before the folder was served."""
    found = json.loads(
        ask(
            "audit",
            "search",
            "--until",
            "2026-10-01",
            "--decision",
            "DENY",
            "--limit",
            "1",
            "--as",
            "dpo.yoon",
            "--output",
            "json",
        )
    )
    return str(found["records"][0]["id"])


def test_days_are_played_live_too(ask: Any) -> None:
    options = ("--employees", "20", "--until", "2026-09-29", "--rate", "1000", "--seed", "4", "--output", "json")
    done = json.loads(ask("demo", "--days", "1", *options))
    total = done["total"]
    assert total["decisions"] > 100
    assert total["errors"] == 0
    assert total["people"] == 20
    assert min(total["allowed"], total["denied"], total["confirmed"], total["probes"]) > 0
    assert any("the days" in note for note in done["left_out"])


def test_a_restored_backup_is_synthetic_still(
    tmp_path: Path, root: Path, written: Written, capsys: pytest.CaptureFixture[str]
) -> None:
    assert written.records
    archive, keys = tmp_path / "b.tar.zst", tmp_path / "k.tar.zst"
    assert run(["backup", str(archive), "--state-dir", str(root), "--keys", str(keys)]) == 0, capsys.readouterr()
    back = tmp_path / "back"
    code = run(["restore", str(archive), "--keys", str(keys), "--state-dir", str(back), "--reason", "a drill"])
    assert code == 0, capsys.readouterr()
    assert marked(StateFolder(back))


def test_a_real_name_on_made_up_records_is_refused(tmp_path: Path, root: Path, written: Written) -> None:
    """Taking the seal away begins a new one under a real name; the records give it away."""
    assert written.records
    copy = tmp_path / "copy"
    shutil.copytree(root, copy)
    shutil.rmtree(copy / "seal")
    for name in ("seal.key", "seal.vkey"):
        (copy / "keys" / name).unlink()
    daemon = Daemon(copy)
    daemon.launch()
    assert daemon.process is not None
    assert daemon.process.wait(60) != 0
    assert "SYNTHETIC_MIXED" in daemon.text or "files of two were put together" in daemon.text


def test_a_made_up_state_under_a_real_seal_is_refused(tmp_path: Path, root: Path, written: Written) -> None:
    assert written.records
    real = tmp_path / "real"
    StateFolder(real).make()
    shutil.copy(root / "state.sqlite", real / "state.sqlite")
    daemon = Daemon(real)
    daemon.launch()
    assert daemon.process is not None
    assert daemon.process.wait(60) != 0
    assert "files of two were put together" in daemon.text


def test_what_is_asked_for_wrongly_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for options in (
        ("--fast",),
        ("--days", "0"),
        ("--days", "-3"),
        ("--days", "1101"),
        ("--days", "2", "--employees", "19", "--fast"),
        ("--days", "2", "--employees", "100001", "--fast"),
        ("--days", "2", "--employees", "1001"),
        ("--days", "2", "--rate", "0"),
        ("--days", "2", "--until", "2099-01-01", "--fast"),
        ("--days", "2", "--members", "0", "--fast"),
    ):
        assert run(["demo", *options, "--state-dir", str(tmp_path / "made")]) == 2, options
        assert capsys.readouterr().err
    assert not (tmp_path / "made").exists()


def test_the_policy_is_that_of_the_home_without_budgets(root: Path, records: list[AnyRecord]) -> None:
    from munjigi.adapters.policy_files import load_bundle

    (revision,) = {each.policy_revision for each in records if isinstance(each, AccessRecord)}
    bundle: PolicyBundle = load_bundle(root / "policies", revision)
    assert {role.budget for role in bundle.roles.values()} == {0}
    assert len(list_logs(root / "journal")) == 1
    with closing(JournalReader(root / "journal" / list_logs(root / "journal")[0])) as log:
        assert log.first() == 0
