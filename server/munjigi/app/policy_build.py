"""From the files of a policy home to a bundle that may decide: compiled, and its decision tables run on every engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from munjigi.app.two_engines import compared
from munjigi.decision.tables import evaluate_case
from munjigi.policy.compile import compile_bundle
from munjigi.policy.tables import run_tables
from munjigi.policy.types import PolicyBundle, Problem


class Built(NamedTuple):
    """What became of a policy home: no bundle after an error. `asked` questions went to pycasbin, of which `not_run` it left."""

    bundle: PolicyBundle | None
    problems: tuple[Problem, ...]
    tests_run: int
    asked: int = 0
    not_run: int = 0


def build(files: Mapping[str, bytes], source: str) -> Built:
    """Compile a policy home and run its decision tables on every engine."""
    built = build_tested(files, source)
    if built.bundle is None:
        return built
    engines = compared(built.bundle)
    bundle = None if engines.problems else built.bundle
    return Built(bundle, (*built.problems, *engines.problems), built.tests_run, engines.questions, engines.not_run)


def build_tested(files: Mapping[str, bytes], source: str) -> Built:
    """Do the same without asking the other engines."""
    bundle, problems = compile_bundle(files, source)
    if bundle is None:
        return Built(None, problems, 0)
    failures, run = run_tables(bundle, evaluate_case)
    return Built(None if failures else bundle, (*problems, *failures), run)
