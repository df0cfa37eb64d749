"""`policy lint` shows the line and the place, says how to repair it, and speaks SARIF."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from running import ROOT

from munjigi.cli.main import run
from munjigi.cli.source_lines import print_findings
from munjigi.policy.types import Problem

_RULE = "p, cs_agent, crm.member.name, read, inquiry, True, allow, partial"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MUNJIGI_OUTPUT", raising=False)
    shutil.copytree(ROOT / "policies", tmp_path / "my policies")
    home = tmp_path / "my policies"
    for path in (home, *home.rglob("*")):
        path.chmod(path.stat().st_mode & 0o755)
    csv = home / "policy.csv"
    csv.write_text(csv.read_text().replace(_RULE, _RULE.replace("partial", "partail")) + f"{_RULE[:-7]}clear\n" * 2)
    return home


def test_a_finding_shows_its_line_and_how_to_repair_it(home: Path, capsys):
    assert run(["policy", "lint", "my policies"]) == 1
    lines = capsys.readouterr().out.splitlines()
    at = (home / "policy.csv").read_text().splitlines().index(_RULE.replace("partial", "partail")) + 1
    shown = lines.index(f"{at} | {_RULE.replace('partial', 'partail')}")
    assert lines[shown - 3] == "error[MASK_UNKNOWN]: `partail` is no mask"
    assert lines[shown - 2].endswith(f"--> my policies/policy.csv:{at}:59")
    assert lines[shown + 1].index("^") - lines[shown].index("p, ") == 58
    assert lines[shown + 1].count("^") == len("partail")
    assert "= help: masks are: null" in lines[shown + 2]
    assert lines[-1].startswith("my policies: 1 error, 1 warning")


def test_warnings_fail_when_strict(home: Path, capsys):
    csv = home / "policy.csv"
    csv.write_text(csv.read_text().replace("partail", "partial"))
    (home / "tests" / "customer_service.yaml").unlink()
    assert run(["policy", "lint", "my policies"]) == 0
    assert "warning[DUPLICATE_RULE]" in capsys.readouterr().out
    assert run(["policy", "lint", "my policies", "--strict"]) == 1


def test_sarif(home: Path, capsys):
    assert run(["policy", "lint", "my policies", "--output", "sarif"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert run(["policy", "lint", "my policies", "--output", "ndjson"]) == 1
    plain = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert told["version"] == "2.1.0"
    assert told["$schema"].endswith("/sarif-schema-2.1.0.json")
    (only,) = told["runs"]
    rules = only["tool"]["driver"]["rules"]
    assert only["tool"]["driver"]["name"]
    assert [each["id"] for each in rules] == sorted({each["code"] for each in plain})
    for result, problem in zip(only["results"], plain, strict=True):
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"] == problem["code"]
        assert result["level"] in {"error", "warning"}
        assert result["message"]["text"] == problem["message"]
        place = result["locations"][0]["physicalLocation"]
        assert place["artifactLocation"]["uri"] == "my%20policies/policy.csv"
        assert place["region"] == {"startLine": problem["line"], "startColumn": problem["column"]}


@pytest.mark.parametrize(
    ("text", "column", "marked"),
    [
        ("p, a, b", 4, "a"),
        ("p,\ta, b", 4, "a"),
        ('p, "a, b", c', 4, '"a, b"'),
        ("p, a", 5, " "),  # behind the end: what is missing there
        ("x" * 400 + ", here, " + "y" * 400, 403, "here"),
        ("p, \u202ea, b", 4, "\\u202e"),
        ("고객, 상담, b", 5, "상담"),
    ],
)
def test_the_mark_stands_under_the_word(text: str, column: int, marked: str, capsys):
    print_findings([Problem("f.csv", 1, column, "error", "CODE_X", "Wrong; repair it.")], {"f.csv": text.encode()}, "home/")
    lines = capsys.readouterr().out.splitlines()
    shown, marks = lines[3], lines[4]
    start = marks.index("^")
    assert (shown + " ")[start : start + max(1, marks.count("^"))].startswith(marked[: marks.count("^")])
    assert len(shown) < 200
    assert "\u202e" not in shown


def test_a_finding_without_a_place_has_no_line(capsys):
    print_findings([Problem("f.csv", 0, 0, "error", "CODE_X", "Missing; add it.")], {}, "home/")
    assert capsys.readouterr().out.splitlines() == ["error[CODE_X]: Missing", "--> home/f.csv", " = help: add it.", ""]
