"""Trial mode: what a denial, or no answer at all, becomes for a tool that only observes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Final

from munjigi_client._errors import MunjigiClientError
from munjigi_client._masks import Mask
from munjigi_client._types import Decision, Observation

TRIAL_TIMEOUT: Final = 0.25  # seconds: a tool on trial doesn't wait long for an answer it won't follow
_LOGGER: Final = logging.getLogger("munjigi_client")


class Trial:
    """Report to the tool's own function, or else to the log, and let the code go on."""

    def __init__(self, on_observed: Callable[[Observation], None] | None, masks: Mapping[str, Mask]) -> None:
        self._report = on_observed or _log
        self._masks = masks

    def unanswered(self, error: MunjigiClientError) -> Decision:
        """Report that there was no answer; return a denial that stops nothing."""
        self._report(Observation(error.reason, error.message, error.decision_id))
        return Decision(False, error.reason, error.message, observed=True, mask_functions=self._masks)

    def answered(self, decision: Decision) -> Decision:
        """Report a denial; return it."""
        if not decision.allowed:
            self._report(Observation(decision.reason, decision.help, decision.decision_id))
        return decision


def _log(observation: Observation) -> None:
    _LOGGER.warning("trial mode: would be denied: %s %s", observation.reason, observation.decision_id)
