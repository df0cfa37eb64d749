"""What a plan is told besides grants and use: when grants were suspended, and which permissions a role got not long ago."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from munjigi.adapters.policy_files import load_bundle
from munjigi.app.files import StateFolder
from munjigi.app.notifier import first_since
from munjigi.audit.ports import LogSource
from munjigi.audit.record import Record
from munjigi.audit.records import decode
from munjigi.kernel.clock import SECOND
from munjigi.kernel.errors import MunjigiError
from munjigi.kernel.grant import Grant
from munjigi.kernel.review import Permission
from munjigi.policy.types import PolicyBundle
from munjigi.review.held import held_by
from munjigi.review.planner import RecordedBytes

DAY: Final = 86_400 * SECOND
_PIECE: Final = 2000  # records


def records_since(sources: Iterable[LogSource], since: int) -> Iterator[RecordedBytes]:
    """Yield the records of logs that are not older than `since` (UTC nanoseconds), log by log, in order."""
    for source in sources:
        at = max(source.first(), first_since(source, since))
        while found := source.read(at, _PIECE):
            for index, payload in found:
                yield RecordedBytes(source.log_id, index, payload)
            at = found[-1][0] + 1


def decoded(records: Iterable[RecordedBytes]) -> Iterator[Record]:
    """Yield records."""
    for each in records:
        yield decode(each.payload)


def added_lately(
    folder: StateFolder, bundle: PolicyBundle, grants: Iterable[Grant], now: int, days: int
) -> Mapping[tuple[str, str, Permission], int]:
    """Return when roles got what they have had for less than `days`, by role, purpose and permission (UTC nanoseconds).

    Every policy that ever decided is kept, and its file is as old as that: what the newest of those before has too is not new.
    """
    since = now - days * DAY
    kept = sorted((path.stat().st_mtime_ns, path.stem) for path in folder.policies.glob("*.bundle"))
    before = [revision for at, revision in kept if at <= since]
    young = [(at, revision) for at, revision in kept if at > since]
    if not before or not young:
        return {}
    pairs = {(grant.role, grant.purpose) for grant in grants}
    known = _held(folder, before[-1], pairs)
    found: dict[tuple[str, str, Permission], int] = {}
    for at, revision in young:
        for each in (bundle_held(bundle, pairs) if revision == bundle.revision else _held(folder, revision, pairs)) - known:
            found.setdefault(each, at)
    return found


def bundle_held(bundle: PolicyBundle, pairs: Iterable[tuple[str, str]]) -> frozenset[tuple[str, str, Permission]]:
    """Return what roles allow for purposes."""
    return frozenset((role, purpose, each) for role, purpose in pairs for each in held_by(bundle, role, purpose))


def _held(folder: StateFolder, revision: str, pairs: Iterable[tuple[str, str]]) -> frozenset[tuple[str, str, Permission]]:
    try:
        return bundle_held(load_bundle(folder.policies, revision), pairs)
    except MunjigiError:  # written by another version: nothing of it is known, and so nothing is old by it
        return frozenset()
