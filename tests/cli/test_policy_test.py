"""`policy test`: every engine, and the rules that no test reaches."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from running import ROOT

from munjigi.adapters import casbin_process
from munjigi.app import two_engines
from munjigi.cli import policy_test
from munjigi.cli.main import run


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "policies"
    shutil.copytree(ROOT / "policies", folder)
    for path in (folder, *folder.rglob("*")):
        path.chmod(path.stat().st_mode & 0o755)
    return folder


def test_the_shipped_tables_reach_every_rule_on_three_engines(capsys):
    assert run(["policy", "test", str(ROOT / "policies"), "--full-coverage", "--output", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["engines"]["pycasbin_installed"] is True
    assert told["engines"]["questions"] == told["engines"]["pycasbin"] > 60
    assert told["engines"]["pycasbin_not_run"] == 0
    assert (told["engines"]["disagreements"], told["tests_failed"], told["rules_missed"]) == (0, 0, [])


def test_a_rule_that_no_test_reaches_is_shown(home: Path, capsys):
    csv = home / "policy.csv"
    csv.write_text(csv.read_text() + "p, cs_agent, crm.payment.amount, export, inquiry, True, allow, range\n")
    line = len(csv.read_text().splitlines())
    assert run(["policy", "test", str(home)]) == 0
    assert f"policy.csv:{line}: no test reaches p, cs_agent, crm.payment.amount, export" in capsys.readouterr().out
    assert run(["policy", "test", str(home), "--full-coverage"]) == 1


def test_without_pycasbin_it_says_so(home: Path, capsys, monkeypatch):
    monkeypatch.setattr(casbin_process, "_run", lambda *_: ["missing"])
    two_engines.forget()
    assert run(["policy", "test", str(home)]) == 0
    assert "munjigi[oracle]" in capsys.readouterr().out
    two_engines.forget()


def test_a_long_comparison_says_how_far_it_is(home: Path, capsys, monkeypatch):
    monkeypatch.setattr(policy_test, "_TELL_SECONDS", 0.0)
    two_engines.forget()
    assert run(["policy", "test", str(home)]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) > 60
    assert lines[-1].startswith("pycasbin has answered ")
    two_engines.forget()


def test_a_disagreement_fails_the_test(home: Path, capsys, monkeypatch):
    monkeypatch.setattr(two_engines, "transcribed", lambda _, questions: (["denied"] * len(questions), frozenset()))
    two_engines.forget()
    assert run(["policy", "test", str(home)]) == 1
    assert "ENGINES_DISAGREE" in capsys.readouterr().out
    two_engines.forget()
