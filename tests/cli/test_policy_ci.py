"""The hook and the job that are offered to the security team's repository do what they say."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from running import ROOT

from munjigi.cli.main import cli

OFFERED = ROOT / "deploy" / "policy-ci"
_RULE = "p, cs_agent, crm.member.name, read, inquiry, True, allow, partial"


@pytest.fixture
def git(tmp_path: Path):
    home = tmp_path / "policy"
    shutil.copytree(ROOT / "policies", home)
    for path in (home, *home.rglob("*")):
        path.chmod(path.stat().st_mode & 0o755)
    names = {f"GIT_{who}_{what}": "a@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MUNJIGI_", "GIT_"))}
    environment |= names | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "COLUMNS": "200"}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["git", *arguments], cwd=home, env=environment, capture_output=True, text=True, check=False)

    assert run("init", "-q").returncode == 0
    shutil.copy(OFFERED / "pre-commit", home / ".git" / "hooks" / "pre-commit")
    return home, run


def test_the_hook_lets_in_what_is_good_and_shows_what_it_does(git):
    home, run = git
    run("add", ".")
    first = run("commit", "-m", "one")
    assert first.returncode == 0, first.stdout + first.stderr
    csv = home / "policy.csv"
    csv.write_text(
        csv.read_text().replace(
            "class:payment, read, inquiry, True, allow, partial", "class:payment, read, inquiry, True, allow, clear"
        )
    )
    tests = home / "tests" / "customer_service.yaml"
    tests.write_text(tests.read_text().replace("{card_number: partial}", "{card_number: clear}"))
    run("add", ".")
    second = run("commit", "-m", "two")
    told = second.stdout + second.stderr
    assert second.returncode == 0, told
    assert any(line.split()[:2] == ["gains", "cs_agent"] for line in told.splitlines()), told


def test_the_hook_refuses_what_is_staged_even_when_the_work_tree_is_mended(git):
    home, run = git
    csv = home / "policy.csv"
    good = csv.read_text()
    csv.write_text(good.replace(_RULE, _RULE.replace("partial", "partail")))
    run("add", ".")
    csv.write_text(good)
    refused = run("commit", "-m", "one")
    assert refused.returncode != 0
    assert "MASK_UNKNOWN" in refused.stdout + refused.stderr


def test_the_job_is_yaml_and_its_commands_have_these_options():
    job = yaml.safe_load((OFFERED / "workflow.yml").read_text("utf-8"))
    commands = [step["run"] for step in job["jobs"]["policy"]["steps"] if "munjigi policy" in step.get("run", "")]
    assert [command.split()[2] for command in commands] == ["lint", "test", "diff"]
    for command in commands:
        words = command.split()
        told = CliRunner().invoke(cli, [*words[1:3], "--help"]).output
        for option in (word for word in words if word.startswith("--")):
            assert option in told
