"""`policy diff` on folders, git revisions, and the decisions that a real daemon recorded."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from running import ROOT, serving

from munjigi.cli.main import run

_ASK = ("--purpose", "inquiry", "--case", "CS-2026-000123", "--member", "1000001", "--as", "cs.kim")


def edited(folder: Path, *changes: tuple[str, str]) -> Path:
    """Copy the sample policy home, with replacements in policy.csv."""
    shutil.copytree(ROOT / "policies", folder)
    csv = folder / "policy.csv"
    text = csv.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    csv.write_text(text)
    for path in (folder, *folder.rglob("*")):
        path.chmod(path.stat().st_mode & 0o755)
    return folder


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    base = tmp_path_factory.mktemp("homes")
    return edited(base / "before"), edited(
        base / "after",
        (
            "p, cs_agent, crm.member.name, read, inquiry, True, allow, partial",
            "p, cs_agent, crm.member.name, read, inquiry, True, allow, null",
        ),
        (
            "p, fraud_analyst, class:location, read",
            "p, fraud_analyst, class:payment, export, fraud_investigation, True, allow, partial\np, fraud_analyst, class:location, read",
        ),
    )


@pytest.fixture
def diff(capsys, monkeypatch):
    for name in [name for name in os.environ if name.startswith("MUNJIGI_")]:
        monkeypatch.delenv(name)

    def ask(*arguments: object) -> tuple[int, str]:
        capsys.readouterr()
        code = run(["policy", "diff", *map(str, arguments)])
        return code, capsys.readouterr().out

    return ask


def test_gains_and_losses_of_two_folders(homes, diff):
    code, out = diff(*homes)
    assert code == 0
    assert any(
        line.split()[:4] == ["loses", "cs_agent", "inquiry", "read"] and "crm.member.name" in line for line in out.splitlines()
    )
    assert any(line.split()[:4] == ["gains", "fraud_analyst", "fraud_investigation", "export"] for line in out.splitlines())
    assert diff(*homes, "--exit-code")[0] == 1
    assert diff(homes[0], homes[0], "--exit-code") == (0, diff(homes[0], homes[0])[1])
    assert "No difference" in diff(homes[0], homes[0])[1]


def test_the_machine_forms(homes, diff):
    whole = json.loads(diff(*homes, "--output", "json")[1])
    lines = [json.loads(line) for line in diff(*homes, "--output", "ndjson")[1].splitlines()]
    assert lines == whole["differences"]
    assert whole["traffic"] is None
    lost = [each for each in lines if each["change"] == "loses"]
    # A manager, who has all of an agent, sees the name in clear anyway.
    assert [(each["role"], each["object"], each["action"], each["purpose"]) for each in lost] == [
        ("cs_agent", "crm.member.name", "read", "inquiry")
    ]
    assert (lost[0]["before"]["best"], lost[0]["after"]["best"], lost[0]["conditional"]) == ("partial", "null", False)


def test_two_git_revisions_and_the_work_tree(homes, diff, tmp_path):
    home = tmp_path / "repository" / "policies"
    shutil.copytree(homes[0], home)
    identity = {
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@example.org",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@example.org",
    }

    def git(*arguments: str) -> None:
        subprocess.run(["git", *arguments], cwd=home.parent, check=True, capture_output=True, env={**os.environ, **identity})

    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "one")
    git("tag", "one")
    shutil.copy(homes[1] / "policy.csv", home / "policy.csv")
    assert "cs_agent" in diff("rev:one", "--policy-home", home)[1]
    git("commit", "-q", "-a", "-m", "two")
    by_name = diff("rev:one", "rev:HEAD", "--policy-home", home)
    assert by_name == diff("one", "HEAD", "--git", "--policy-home", home)
    assert "cs_agent" in by_name[1]
    assert "No difference" in diff("rev:HEAD", "--policy-home", home)[1]
    assert diff("rev:no-such", "--policy-home", home)[0] == 1
    assert diff("rev:--all", "--policy-home", home)[0] == 1


def test_a_policy_that_does_not_compile_is_named(homes, diff, tmp_path, capsys):
    broken = edited(tmp_path / "broken", ("class:contact, read", "class:contract, read"))
    assert run(["policy", "diff", str(homes[0]), str(broken)]) == 1
    error = capsys.readouterr().err
    assert "CLASS_UNKNOWN" in error
    assert len(error.splitlines()) == 2


def test_real_decisions_that_would_change_are_listed(homes, diff, capsys, tmp_path):
    with serving(tmp_path / "var", policy_home=homes[0]) as daemon:

        def check(*arguments: str) -> str:
            capsys.readouterr()
            options = ("--grpc-address", daemon.grpc_address, "--state-dir", str(daemon.state_dir), "--output", "json")
            run(["check", "crm.member", *arguments, *_ASK, *options])
            return json.loads(capsys.readouterr().out)["decision_id"]

        changed = [check("--fields", "name,phone"), check("--fields", "name")]
        check("--fields", "phone")
        check("--fields", "name", "--probe")
        check("--fields", "resident_number")
        check("--fields", "no_such_column")
        found = json.loads(diff(*homes, "--state-dir", daemon.state_dir, "--output", "json")[1])
        told = diff(*homes, "--state-dir", daemon.state_dir)[1]
    traffic = found["traffic"]
    assert (traffic["decisions"], traffic["unknown"], traffic["changed"], traffic["employees"]) == (5, 1, 2, 1)
    assert [each["decision_id"] for each in traffic["changes"]] == changed[::-1]
    assert traffic["changes"][0]["fields"] == [{"name": "name", "before": "partial", "after": "null"}]
    assert {each["role"]: each["employees"] for each in found["concerned"]} == {"cs_agent": 1, "fraud_analyst": 1}
    assert "2 of 5 real decisions, of 1 employee, would change." in told
    assert changed[0] in told
    later = json.loads(diff(*homes, "--state-dir", daemon.state_dir, "--since", "0s", "--output", "json")[1])
    assert later["traffic"]["decisions"] == 0


def test_a_folder_without_state_says_so(homes, diff, tmp_path, capsys):
    assert run(["policy", "diff", str(homes[0]), str(homes[1]), "--state-dir", str(tmp_path)]) == 1
    assert "state.sqlite" in capsys.readouterr().err
