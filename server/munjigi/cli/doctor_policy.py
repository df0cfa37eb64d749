"""The doctor's look at what a policy home would give back that reviews took: a reload and a start refuse it."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from typing import TYPE_CHECKING, Final

from munjigi.cli.doctor_finding import Finding

if TYPE_CHECKING:
    from munjigi.app.config import Settings

_CHECK: Final = "what reviews took"


def given_back(settings: Settings) -> Iterable[Finding]:
    """Hold the policy home on disk against the marks of reviews. Raises what the store and the policy home raise."""
    from munjigi.adapters.policy_files import last_decided, read_policy_home
    from munjigi.adapters.state.holdings import StoredHoldings
    from munjigi.app.files import StateFolder
    from munjigi.app.policy_marks import given_back_since
    from munjigi.app.state import has_state, read_state
    from munjigi.kernel.clock import SystemClock
    from munjigi.policy.compile import compile_bundle

    folder = StateFolder(settings.state_dir)
    last = last_decided(folder.policies)
    if not has_state(folder) or not last:
        yield Finding(_CHECK, "skip", "no policy has decided here yet")
        return
    found = read_policy_home(settings.home())
    bundle, _ = compile_bundle(found.files, found.source)
    if bundle is None:
        return  # the check of the policy home says so
    with closing(read_state(folder)) as store:
        given = given_back_since(store, SystemClock(), folder.policies, StoredHoldings(store), bundle, last)
    if given:
        told = (
            f"the policy home gives it back, so {last[:12]}, the policy of before, decides: {len(given)} rules, first {given[0]}"
        )
        yield Finding(
            _CHECK,
            "fail",
            told,
            "`munjigi policy status` lists them and names the review; `munjigi review patch` takes them out.",
        )
    else:
        yield Finding(_CHECK, "ok", "the policy home gives nothing of it back")
