"""What `policy lint` and `policy test` share: a policy home on disk, compiled and tested without a server."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import click

from munjigi.policy.types import PolicyBundle, Problem

path_argument = click.argument("path", required=False, type=click.Path(path_type=Path, file_okay=False))
home_option = click.option(
    "--policy-home",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="MUNJIGI_POLICY_HOME",
    show_envvar=True,
    help="Policy home where PATH is left out. Default: ./policies where there is one, else the packaged sample.",
)


class Examined(NamedTuple):
    """A policy home, what was found in it, and how many decision tables' cases ran. No bundle: it would not load."""

    home: Path
    files: Mapping[str, bytes]
    bundle: PolicyBundle | None
    problems: tuple[Problem, ...]
    tests_run: int

    @property
    def failed(self) -> bool:
        """Tell whether it would be refused."""
        return self.bundle is None or any(each.severity == "error" for each in self.problems)

    @property
    def tests_failed(self) -> int:
        """Return how many cases failed."""
        return sum(each.code == "TEST_FAILED" for each in self.problems)


def examine(path: Path | None, policy_home: Path | None, *, tables_only: bool = False) -> Examined:
    """Read, compile and test as a load does; with `tables_only` the other engines are not asked.

    Raises an error of our tree when the folder can't be read or is unsafe to load from.
    """
    from munjigi.adapters.policy_files import read_policy_home
    from munjigi.app.config import Settings
    from munjigi.app.policy_build import build, build_tested

    home = path or policy_home or Settings().home()
    found = read_policy_home(home)
    built = (build_tested if tables_only else build)(found.files, found.source)
    return Examined(home, found.files, built.bundle, built.problems, built.tests_run)
