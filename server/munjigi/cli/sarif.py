"""Findings as SARIF 2.1.0 (OASIS), the form that code review tools take: severity, place, code and message."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from munjigi import __version__
from munjigi.policy.types import Problem

_SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def sarif(problems: Sequence[Problem], home: Path) -> dict[str, Any]:
    """Return one run; files are named relative to the working folder where they lie below it."""
    codes = sorted({each.code for each in problems})
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "munjigi policy lint",
                        "semanticVersion": __version__,
                        "rules": [{"id": code, "name": code.title().replace("_", "")} for code in codes],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "results": [_result(each, home, codes.index(each.code)) for each in problems],
            }
        ],
    }


def _result(problem: Problem, home: Path, rule: int) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": problem.code,
        "ruleIndex": rule,
        "level": problem.severity,
        "message": {"text": problem.message},
    }
    if problem.file:
        place: dict[str, Any] = {"artifactLocation": {"uri": _uri(home / problem.file)}}
        if problem.line:
            place["region"] = {"startLine": problem.line} | ({"startColumn": problem.column} if problem.column else {})
        result["locations"] = [{"physicalLocation": place}]
    return result


def _uri(path: Path) -> str:
    whole, here = path.absolute(), Path.cwd()
    return quote(whole.relative_to(here).as_posix()) if whole.is_relative_to(here) else whole.as_uri()
