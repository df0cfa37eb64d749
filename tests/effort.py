"""How many times the usual number of random worlds a test should try that draws them itself: `make oracle` tries more."""

from __future__ import annotations

import os

EFFORT = 10 if os.environ.get("HYPOTHESIS_PROFILE") == "oracle" else 1
