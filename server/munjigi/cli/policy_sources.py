"""Where a policy to compare comes from: a folder, or a git revision of the policy home (`rev:main`)."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from munjigi.cli.failure import Failure
from munjigi.policy.types import PolicyBundle

REVISION: Final = "rev:"


def load(source: str, home: Path) -> PolicyBundle:
    """Read and compile; the decision tables are not run.

    Raises `Failure` when it does not compile, and an error of our tree when it can't be read.
    """
    from munjigi.adapters.policy_files import read_policy_home
    from munjigi.adapters.policy_revisions import read_policy_revision
    from munjigi.policy.compile import compile_bundle

    revision = source.removeprefix(REVISION)
    found = read_policy_home(Path(source)) if revision == source else read_policy_revision(home, revision)
    bundle, problems = compile_bundle(found.files, found.source)
    if bundle is None:
        errors = sum(each.severity == "error" for each in problems)
        first = next(str(each) for each in problems if each.severity == "error")
        raise Failure(
            f"{source} does not compile ({errors} errors; {first})", "Correct it; `munjigi policy lint` lists everything."
        )
    return bundle
