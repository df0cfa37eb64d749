"""Hypothesis profiles, chosen by HYPOTHESIS_PROFILE: `default`, `quick` (other Pythons), `oracle` (`make oracle`)."""

from __future__ import annotations

import os

from hypothesis import settings

# No deadline: the machine is shared with servers that the suite starts, and a slow example isn't a wrong one.
settings.register_profile("default", deadline=None)
settings.register_profile("quick", deadline=None, max_examples=25)
settings.register_profile("oracle", deadline=None, max_examples=5_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))
