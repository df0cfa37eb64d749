"""By which policy a worker begins: that of the policy home, unless it has errors or gives back what a review took (rule R19).

A home with errors refuses the start: whoever starts is there to mend it. One that gives something back was valid when it was written,
and may have been exchanged while nobody served; then the bundle that decided last goes on deciding, as after a refused reload.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final

from munjigi.adapters.policy_files import keep_last, last_decided, load_bundle, read_policy_home, store_bundle
from munjigi.app.policy_build import Built, build, build_tested
from munjigi.app.policy_orders import errors_of
from munjigi.kernel.errors import ConfigurationError, FailedPrecondition
from munjigi.policy.canonical import revision_of
from munjigi.policy.types import PolicyBundle, Problem

_LOGGER: Final = logging.getLogger("munjigi.policy")


def load_first(
    home: Path,
    mode: str,
    kept: Path,
    running: str = "",
    gives_back: Callable[[PolicyBundle, str], tuple[Problem, ...]] = lambda _new, _last: (),
) -> Built:
    """Load the policy home at start, and note what decides.

    `running` is the revision by which other workers of this daemon decide: where the policy home is refused, it decides here, too, and
    the errors are among its problems. `gives_back` says what a new bundle gives back that the revision that decided last doesn't; then
    that one decides. Raises `ConfigurationError` with every error of the policy home where there is none: nothing is served without a
    policy; and what `gives_back` and `load_bundle` raise.
    """
    try:
        built = _load(home, mode, kept)
    except FailedPrecondition as error:
        if not running:
            raise ConfigurationError(error.reason, error.message) from error
        built = Built(None, (Problem(str(home), 0, 0, "error", error.reason, error.message),), 0)
    last = running
    if built.bundle is not None:
        last = running or last_decided(kept)
        given = gives_back(built.bundle, last)
        if not given:
            store_bundle(kept, built.bundle)
            keep_last(kept, built.bundle.revision)
            return built
        built = built._replace(bundle=None, problems=(*given, *built.problems))
    found = errors_of(built.problems)
    if not last:
        listing = "\n  ".join([str(problem) for problem in built.problems if problem.severity == "error"][:20])
        raise ConfigurationError(
            "POLICY_INVALID", f"Refusing to start: the policy home {home} has {found.number} error(s):\n  {listing}"
        )
    _LOGGER.warning("policy refused; the last good one decides", extra={"errors": found.number, "first": found.first})
    return built._replace(bundle=load_bundle(kept, last))


def _load(home: Path, mode: str, kept: Path) -> Built:
    """Build the policy home; one that has decided here before is not shown to the other engines again."""
    found = read_policy_home(home, mode)
    known = (kept / f"{revision_of(found.files)}.bundle").is_file()
    return (build_tested if known else build)(found.files, found.source)
