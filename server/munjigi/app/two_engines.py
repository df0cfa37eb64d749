"""A policy's own tables on other engines: our transcription of the matcher in full, pycasbin for as long as it is given.

A load gives pycasbin a second, `policy test` all the time it needs; what it did not get to is counted, and stands in the load's
record and in the status.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final, NamedTuple

from munjigi.adapters.casbin_process import ask_casbin
from munjigi.decision.second_opinion import disagreements, questions_of, transcribed
from munjigi.policy.findings import Findings
from munjigi.policy.tables import cases_of
from munjigi.policy.types import PolicyBundle, Problem

AT_LOAD: Final = 1.0  # seconds
IN_FULL: Final = None
_KEPT: Final = 8
_LOGGER: Final = logging.getLogger("munjigi.policy")


class Comparison(NamedTuple):
    """What the other engines said. `casbin` of `questions` were answered by pycasbin; `lines` of policy.csv matched in a case."""

    problems: tuple[Problem, ...]
    questions: int
    casbin: int
    casbin_installed: bool
    lines: frozenset[int]

    @property
    def not_run(self) -> int:
        """Return how many questions pycasbin did not answer."""
        return self.questions - self.casbin


# Called with how many questions there are and how many of them pycasbin has answered.
Progress = Callable[[int, int], None]
_seen: dict[tuple[str, float | None], Comparison] = {}


def compare_engines(bundle: PolicyBundle, seconds: float | None, progress: Progress = lambda _all, _done: None) -> Comparison:
    """Compare the core's answers to the bundle's tables. A bundle that was compared already is not asked about again."""
    key = (bundle.revision, seconds)
    found = _seen.get(key)
    if found is None:
        questions = questions_of(bundle, cases_of(bundle, Findings()))
        plain, lines = transcribed(bundle, questions)
        problems = disagreements("the transcription", questions, plain)
        casbin = ask_casbin(bundle, questions, seconds, lambda done: progress(len(questions), done))
        problems += disagreements("pycasbin", questions, casbin.answers)
        answered = sum(map(bool, casbin.answers))
        found = Comparison(problems, len(questions), answered, casbin.installed, lines)
        while len(_seen) >= _KEPT:
            _seen.pop(next(iter(_seen)))
        _seen[key] = found
    return found


def compared(bundle: PolicyBundle) -> Comparison:
    """Compare as a load does, and log how far pycasbin got."""
    found = compare_engines(bundle, AT_LOAD)
    about = {"asked": found.questions, "pycasbin": found.casbin, "not_run": found.not_run}
    _LOGGER.info("policy tables compared on other engines", extra=about)
    return found


def forget() -> None:
    """Forget earlier comparisons."""
    _seen.clear()
