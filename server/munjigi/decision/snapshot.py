"""The immutable pair that a decision is made against. It is swapped as one reference (promise P2)."""

from __future__ import annotations

from typing import NamedTuple

from munjigi.decision.grant_table import GrantTable
from munjigi.policy.types import PolicyBundle


class Snapshot(NamedTuple):
    """What may be done, and who may do it."""

    bundle: PolicyBundle
    grants: GrantTable
