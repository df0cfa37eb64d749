"""From the files of a policy home to a bundle that may decide: compiled, and its decision tables run on every engine."""

from __future__ import annotations

from collections.abc import Mapping

from munjigi.app.two_engines import compared
from munjigi.decision.tables import evaluate_case
from munjigi.policy.compile import compile_bundle
from munjigi.policy.tables import run_tables
from munjigi.policy.types import PolicyBundle, Problem


def build(files: Mapping[str, bytes], source: str) -> tuple[PolicyBundle | None, tuple[Problem, ...], int]:
    """Compile a policy home and run its decision tables; return the bundle, all findings and the tests run."""
    bundle, problems, run = build_tested(files, source)
    differing = compared(bundle) if bundle is not None else ()
    return (None if differing else bundle), (*problems, *differing), run


def build_tested(files: Mapping[str, bytes], source: str) -> tuple[PolicyBundle | None, tuple[Problem, ...], int]:
    """Do the same without asking the other engines."""
    bundle, problems = compile_bundle(files, source)
    if bundle is None:
        return None, problems, 0
    failures, run = run_tables(bundle, evaluate_case)
    return (None if failures else bundle), (*problems, *failures), run
