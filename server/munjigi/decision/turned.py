"""How the answer to one recorded question turns from one policy bundle to another, at its own time and grants.

A record keeps all that the verdict hung on, except names that no catalog knew: of those it has keyed digests, so such a
question can't be put to another catalog.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from munjigi.audit.records import AccessRecord
from munjigi.decision.core import decide
from munjigi.decision.grant_table import GrantTable
from munjigi.decision.snapshot import Snapshot
from munjigi.decision.types import Decision, Effect, Request
from munjigi.policy.types import PolicyBundle

_DIGEST: Final = "d1."


class Turned(NamedTuple):
    """What a decision is under one bundle and under another: verdict with reason, and mask, `clear` or `denied` by field."""

    before: str
    after: str
    fields: tuple[tuple[str, str, str], ...]


def askable(record: AccessRecord) -> bool:
    """Tell whether the recorded question can be put to another bundle: no name in it is a digest."""
    names = (record.resource, record.action, record.purpose, record.case_id, *(field.name for field in record.fields))
    return not any(name.startswith(_DIGEST) for name in names)


def turned(request: Request, before: PolicyBundle, after: PolicyBundle, grants: GrantTable, now: int) -> Turned | None:
    """Return how the answer to `request` at `now` (UTC nanoseconds) changes; None when it does not."""
    old = decide(Snapshot(before, grants), request, now)
    new = decide(Snapshot(after, grants), request, now)
    one, other = _shown(old), _shown(new)
    if old.allow == new.allow and one == other:
        return None
    names = dict.fromkeys((*one, *other))
    fields = tuple(
        (name, one.get(name, "absent"), other.get(name, "absent")) for name in names if one.get(name) != other.get(name)
    )
    return Turned(_verdict(old), _verdict(new), fields)


def _shown(decision: Decision) -> dict[str, str]:
    return {each.name: each.mask if each.effect is Effect.MASKED else each.effect.value for each in decision.fields}


def _verdict(decision: Decision) -> str:
    return f"{'ALLOW' if decision.allow else 'DENY'} {decision.reason}"
