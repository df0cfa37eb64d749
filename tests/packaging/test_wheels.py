"""Both wheels, built as a release builds them, in virtual environments that know nothing of this checkout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from running import ROOT, Daemon

UV = ROOT / ".ci" / "uv"
FIRST_QUESTION = (
    "check crm.member --fields name,phone --purpose inquiry --case CS-2026-000123 --member 1000001 --as cs.kim --output json"
)


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MUNJIGI_", "PYTHON", "COVERAGE"))}
    done = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env={**clean, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Build from a copy: a build must not need what only lies in a working tree, nor leave anything there."""
    source = tmp_path_factory.mktemp("source") / "checkout"
    parts = ("server", "clients", "policies", "deploy/grafana/dashboards", "pyproject.toml", "uv.lock")
    tracked = run("git", "ls-files", "-z", *parts, cwd=ROOT)
    for name in filter(None, tracked.split("\0")):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, source / name)
    run(UV, "build", "--quiet", "--all-packages", "--wheel", "--out-dir", source / "dist", "--python", sys.executable, cwd=source)
    return {path.name.partition("-")[0]: path for path in (source / "dist").glob("*.whl")}


def installed(folder: Path, *wheels: str) -> Path:
    """Install into an empty virtual environment, at the versions that uv.lock names; return its `bin`."""
    python = folder / "venv" / "bin" / "python"
    run(UV, "venv", "--quiet", "--no-project", "--python", sys.executable, folder / "venv", cwd=folder)
    locked = ("export", "--quiet", "--frozen", "--all-packages", "--all-extras", "--no-dev", "--no-hashes", "--no-emit-workspace")
    run(UV, *locked, "--project", ROOT, "--output-file", folder / "locked.txt", cwd=folder)
    run(UV, "pip", "install", "--quiet", "--python", python, "--constraint", folder / "locked.txt", *wheels, cwd=folder)
    return python.parent


def packages(folder: Path, bin_folder: Path) -> set[str]:
    listed = run(UV, "pip", "list", "--quiet", "--format", "json", "--python", bin_folder / "python", cwd=folder)
    return {each["name"] for each in json.loads(listed)}


def test_a_wheel_holds_its_own_package_only(wheels: dict[str, Path]) -> None:
    assert set(wheels) == {"munjigi", "munjigi_client"}
    for name, path in wheels.items():
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
        assert {each.partition("/")[0] for each in names} == {name, path.name.removesuffix("-py3-none-any.whl") + ".dist-info"}
        assert not [each for each in names if "__pycache__" in each or each.endswith((".key", ".sqlite"))]
        if name == "munjigi":
            home = {str(path.relative_to(ROOT / "policies")) for path in (ROOT / "policies").rglob("*") if path.is_file()}
            assert {each.removeprefix("munjigi/_policies/") for each in names if "/_policies/" in each} == home
            assert "munjigi/_dashboards/munjigi-overview.json" in names  # `munjigi report dashboard` asks its questions


def test_the_client_needs_grpcio_and_protobuf_only(wheels: dict[str, Path], tmp_path: Path) -> None:
    bin_folder = installed(tmp_path, str(wheels["munjigi_client"]))
    assert packages(tmp_path, bin_folder) == {"munjigi-client", "grpcio", "protobuf", "typing-extensions"}
    code = "import munjigi_client, sys; munjigi_client.Client('127.0.0.1:1').close(); print(munjigi_client.__file__)"
    where = run(bin_folder / "python", "-W", "error", "-I", "-c", code, cwd=tmp_path)
    assert where.startswith(str(tmp_path))


def test_the_server_serves_its_packaged_sample_company(wheels: dict[str, Path], tmp_path: Path) -> None:
    bin_folder = installed(tmp_path, f"munjigi[sample] @ {wheels['munjigi'].as_uri()}", str(wheels["munjigi_client"]))
    run(UV, "pip", "check", "--quiet", "--python", bin_folder / "python", cwd=tmp_path)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    daemon = Daemon(elsewhere / "var", "--sample", command=(str(bin_folder / "munjigi"),))
    del daemon.environment["MUNJIGI_POLICY_HOME"]
    daemon.start()
    try:
        where = {"MUNJIGI_GRPC_ADDRESS": daemon.grpc_address, "MUNJIGI_STATE_DIR": str(daemon.state_dir)}
        answer = json.loads(run(bin_folder / "munjigi", *FIRST_QUESTION.split(), cwd=elsewhere, **where))
        assert answer["decision"] == "DECISION_ALLOW"
        daemon.wait_for("sample member database is ready")
    finally:
        code = daemon.stop()
    assert code == 0
    assert f"{tmp_path}/venv/" in daemon.text  # the banner names the packaged policy home
    run(bin_folder / "munjigi", "audit", "verify", cwd=elsewhere, **where)
