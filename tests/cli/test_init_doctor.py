from __future__ import annotations

import json
import shutil
import socket
import stat
import time
from contextlib import closing
from pathlib import Path

import pytest
from running import ROOT

from munjigi.adapters.state.sqlite import SqliteStateStore
from munjigi.app.disk import use_of
from munjigi.app.files import StateFolder
from munjigi.cli.main import run
from munjigi.grants.sample import sample_company

DAY = 86_400_000_000_000
FREE = ("--grpc-address", "127.0.0.1:1", "--http-address", "127.0.0.1:2")


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)


def diagnose(capsys, *options: str) -> tuple[int, dict[str, dict[str, str]]]:
    code = run(["doctor", *FREE, "--output", "json", *options])
    return code, {each["check"]: each for each in json.loads(capsys.readouterr().out)["findings"]}


def findings(capsys, *options: str) -> list[dict[str, str]]:
    run(["doctor", *FREE, "--output", "json", *options])
    found: list[dict[str, str]] = json.loads(capsys.readouterr().out)["findings"]
    return found


def test_init_makes_private_keys_once(tmp_path: Path, capsys):
    state = tmp_path / "var"
    assert run(["init", "--state-dir", str(state)]) == 0
    assert "made  keys/member.key" in capsys.readouterr().out
    keys = {path: path.read_bytes() for path in (state / "keys").iterdir()}
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    private = [path for path in keys if path.suffix != ".vkey"]  # the seal's public key is there to be given away
    assert len(private) >= 4
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in private)
    assert run(["init", "--state-dir", str(state)]) == 0
    printed = capsys.readouterr().out
    assert "kept  keys/member.key" in printed
    assert keys == {path: path.read_bytes() for path in (state / "keys").iterdir()}
    assert not any(keys[path].hex() in printed for path in private)


def test_init_tls_does_not_overwrite(tmp_path: Path, capsys):
    state = str(tmp_path / "var")
    assert run(["init", "--tls", "--tool", "crm-desk", "--state-dir", state]) == 0
    authority = (tmp_path / "var" / "tls" / "ca.crt").read_bytes()
    assert "tool-crm-desk.crt" in capsys.readouterr().out
    assert run(["init", "--tls", "--state-dir", state]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 2
    assert (tmp_path / "var" / "tls" / "ca.crt").read_bytes() == authority


def test_a_sound_installation(tmp_path: Path, capsys):
    state = str(tmp_path / "var")
    assert run(["init", "--state-dir", state]) == 0
    capsys.readouterr()
    code, found = diagnose(capsys, "--state-dir", state)
    assert [each for each in found.values() if each["result"] == "fail"] == []
    assert code == 0
    assert found["policy home"]["result"] in ("ok", "warn")
    assert run(["doctor", *FREE, "--state-dir", state]) == 0
    assert "This installation is sound." in capsys.readouterr().out


def test_p10_open_folder_and_key_and_taken_port_are_named(tmp_path: Path, capsys):
    state = tmp_path / "var"
    assert run(["init", "--state-dir", str(state)]) == 0
    capsys.readouterr()
    state.chmod(0o755)
    (state / "keys" / "member.key").chmod(0o644)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, found = diagnose(capsys, "--state-dir", str(state), "--grpc-address", f"127.0.0.1:{taken.getsockname()[1]}")
    assert code == 1
    assert found["state folder"]["todo"] == f"chmod 700 {state}"
    assert "chmod 600" in found["keys"]["todo"]
    assert "MUNJIGI_GRPC_ADDRESS" in found["gRPC address"]["todo"]
    assert (state / "keys" / "member.key").stat().st_mode & 0o777 == 0o644  # looks only


def test_p10_unsafe_settings_are_the_finding(capsys):
    code, found = diagnose(capsys, "--grpc-address", "0.0.0.0:7443")
    assert code == 1
    assert "loopback" in found["settings"]["found"]


@pytest.mark.parametrize(
    ("marks", "result"),
    [((97, 98, 99), "ok"), ((0.001, 98, 99), "warn"), ((0.001, 0.002, 99), "warn"), ((0.001, 0.002, 0.003), "fail")],
)
def test_the_disk_is_judged_by_the_watermarks_that_are_set(tmp_path: Path, capsys, monkeypatch, marks, result):
    if use_of(tmp_path).used >= 0.97:
        pytest.skip("this disk is nearly full")
    for name, mark in zip(("WATCH", "DEGRADED", "FULL"), marks, strict=True):
        monkeypatch.setenv(f"MUNJIGI_DISK_{name}_PERCENT", str(mark))
    _, found = diagnose(capsys, "--state-dir", str(tmp_path / "var"))
    assert found["disk"]["result"] == result
    assert f"{100 * use_of(tmp_path).used:.0f} % used" in found["disk"]["found"]


def test_a_cluster_that_is_away_and_credentials_that_others_read_are_the_finding(tmp_path: Path, capsys, monkeypatch):
    credentials = tmp_path / "shipper"
    credentials.write_text("shipper:secret-word\n")
    credentials.chmod(0o600)
    monkeypatch.setenv("MUNJIGI_ELASTICSEARCH_URLS", '["http://127.0.0.1:1"]')
    monkeypatch.setenv("MUNJIGI_ELASTICSEARCH_CREDENTIALS", str(credentials))
    code, found = diagnose(capsys, "--state-dir", str(tmp_path / "var"))
    assert code == 1
    assert found["shipping credentials"]["found"] == f"{credentials}, mode 0600"
    assert (found["shipping"]["result"], found["shipping"]["found"]) == ("fail", "ELASTICSEARCH_UNREACHABLE")
    credentials.chmod(0o644)
    code, found = diagnose(capsys, "--state-dir", str(tmp_path / "var"))
    assert (found["shipping"]["result"], found["shipping"]["found"]) == ("fail", "CREDENTIALS_OPEN_TO_OTHERS")
    assert "secret-word" not in str(found)


def test_a_broken_policy_home_is_the_finding(tmp_path: Path, capsys):
    code, found = diagnose(capsys, "--policy-home", str(tmp_path / "nowhere"))
    assert code == 1
    assert found["policy home"]["result"] == "fail"


def test_owners_whom_nobody_knows_and_roles_that_nobody_could_get_are_the_finding(tmp_path: Path, capsys):
    folder = StateFolder(tmp_path / "var")
    folder.make()
    with closing(SqliteStateStore(folder.state)) as store:
        store.migrate()
        store.apply(sample_company(time.time_ns() - DAY), at=time.time_ns() - DAY, actor="test", request_id="sample")
    home = Path(shutil.copytree(ROOT / "policies", tmp_path / "policies"))
    arguments = ("--state-dir", str(folder.root), "--policy-home", str(home))
    asked = [each for each in findings(capsys, *arguments) if each["check"] == "who decides"]
    assert [each["result"] for each in asked] == ["ok"]
    roles = (home / "roles.toml").read_text()
    assert 'owners = ["cs.lee"]' in roles
    (home / "roles.toml").write_text(roles.replace('owners = ["cs.lee"]', 'owners = ["cs.gone"]', 1))
    asked = [each for each in findings(capsys, *arguments) if each["check"] == "who decides"]
    assert [each["result"] for each in asked] == ["warn", "warn"]
    assert "cs.gone" in asked[0]["found"]
    assert "could decide stage owner" in asked[1]["found"]


def test_a_zone_of_commands_that_is_not_the_calendars_is_the_finding(capsys, monkeypatch):
    monkeypatch.delenv("MUNJIGI_ZONE", raising=False)
    assert diagnose(capsys)[1]["zone"]["result"] == "ok"
    monkeypatch.setenv("MUNJIGI_ZONE", "Europe/Berlin")
    _, found = diagnose(capsys)
    assert (found["zone"]["result"], "MUNJIGI_ZONE=Asia/Seoul" in found["zone"]["todo"]) == ("warn", True)


def test_config_schema(capsys):
    assert run(["config", "schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert schema["properties"]["grpc_address"]["default"] == "127.0.0.1:7443"
    assert run(["config", "schema", "-o", "table"]) == 0
    assert "MUNJIGI_GRPC_ADDRESS" in capsys.readouterr().out


def test_p10_serve_refuses_an_unsafe_address_with_two_lines(capsys, tmp_path: Path):
    assert run(["serve", "--grpc-address", "0.0.0.0:7443", "--state-dir", str(tmp_path / "var")]) == 1
    error = capsys.readouterr().err
    assert "loopback" in error
    assert not (tmp_path / "var").exists()
