"""The doctor's look at who decides: owners in roles.toml whom the personnel list lacks, and roles that nobody could get."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from typing import TYPE_CHECKING, Final

from munjigi.cli.doctor_finding import Finding

if TYPE_CHECKING:
    from munjigi.app.config import Settings

_CHECK: Final = "who decides"


def deciders(settings: Settings) -> Iterable[Finding]:
    """Hold roles.toml against the people who are there. Raises what the store and the policy home raise."""
    from munjigi.adapters.policy_files import read_policy_home
    from munjigi.adapters.state.holdings import StoredHoldings
    from munjigi.app.files import StateFolder
    from munjigi.app.state import has_state, read_state
    from munjigi.grants.book import Book
    from munjigi.grants.vacancies import vacancies
    from munjigi.kernel.clock import SystemClock
    from munjigi.policy.compile import compile_bundle

    folder = StateFolder(settings.state_dir)
    if not has_state(folder):
        yield Finding(_CHECK, "skip", "there are no people yet")
        return
    found = read_policy_home(settings.home())
    bundle, _ = compile_bundle(found.files, found.source)
    if bundle is None:
        return  # the check of the policy home says so
    with closing(read_state(folder)) as store:
        vacant = list(vacancies(Book(StoredHoldings(store), bundle, SystemClock().now()), settings.issuer))
    for role, stages, strangers in vacant:
        if strangers:
            told = f"owner of `{role}` whom nobody knows: {', '.join(strangers)}"
            yield Finding(_CHECK, "warn", told, "Correct roles.toml, or have the personnel office register them.")
        if stages:
            told = f"nobody is there who could decide stage {', '.join(stages)} of `{role}`: nobody gets it"
            yield Finding(_CHECK, "warn", told, "Name an owner in roles.toml, or fill the office, with who is there.")
    if not vacant:
        yield Finding(_CHECK, "ok", f"each of {len(bundle.roles)} roles has somebody who may decide who gets it")
