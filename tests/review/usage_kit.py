"""A state folder whose journals are written by hand, and what counts their use; a policy that really is kept there."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from audit.support import START, access, confirm

from doubles.metrics import MemorySink
from munjigi.adapters.policy_files import read_policy_home, store_bundle
from munjigi.adapters.usage.store import Database, SqlUsageStore, UsageFile
from munjigi.app.files import StateFolder
from munjigi.app.log_sources import LogSources
from munjigi.app.usage_counter import UsageCounter
from munjigi.audit.journal import Journal
from munjigi.audit.record import Record
from munjigi.audit.records import FieldRecord
from munjigi.kernel.clock import SECOND
from munjigi.monitoring.meter import Meter
from munjigi.policy.compile import compile_bundle
from munjigi.policy.types import PolicyBundle

POLICIES = Path(__file__).parents[2] / "policies"
MINUTE = 60 * SECOND


@cache
def sample_bundle() -> PolicyBundle:
    bundle, problems = compile_bundle(read_policy_home(POLICIES).files, "test")
    assert bundle is not None, problems
    return bundle


@dataclass
class SetClock:
    """A clock that stands where it is set."""

    at: int = START

    def now(self) -> int:
        return self.at


@dataclass
class Installation:
    """`database` opens what is counted; a file of the folder, if it says nothing else."""

    root: Path
    clock: SetClock = field(default_factory=SetClock)
    journals: dict[int, Journal] = field(default_factory=dict)
    database: Callable[[], Database] | None = None
    sink: MemorySink = field(default_factory=MemorySink)

    def __post_init__(self) -> None:
        self.folder = StateFolder(self.root)
        self.folder.make()
        store_bundle(self.folder.policies, sample_bundle())

    def journal(self, slot: int = 0, *, segment_bytes: int = 64 << 20) -> Journal:
        if slot not in self.journals:
            self.journals[slot] = Journal.open(
                self.folder.journal,
                slot,
                quarantine=self.folder.quarantine,
                clock=self.clock,
                randomness=hashlib.sha256(f"slot {slot}".encode()).digest(),
                segment_bytes=segment_bytes,
            )
        return self.journals[slot]

    def write(self, *records: Record, slot: int = 0, at: int | None = None) -> list[str]:
        """Append records at a time, make them durable, and return their ids."""
        self.clock.at = at if at is not None else self.clock.at
        journal = self.journal(slot)
        ids = [f"{journal.log_id}-{journal.append(record)}" for record in records]
        journal.sync()
        return ids

    def store(self) -> SqlUsageStore:
        opened = self.database() if self.database is not None else UsageFile(self.folder.usage)
        return SqlUsageStore(opened, zone="Asia/Seoul")

    def counter(self, store: Callable[[], SqlUsageStore] | None = None) -> UsageCounter:
        return UsageCounter(LogSources(self.folder), self.folder, lambda: True, store or self.store, self.clock, Meter(self.sink))

    def close(self) -> None:
        for journal in self.journals.values():
            journal.close()


def allowed(at: int, *grants: str, names: tuple[str, ...] = ("name",), **changes: Any) -> Record:
    """An ALLOW of the sample company at a time, credited to grants."""
    values: dict[str, Any] = {
        "policy_revision": sample_bundle().revision,
        "valid_until": at + MINUTE,
        "asked_at": at,
        "fields": tuple(FieldRecord(name, "clear", "", "GRANTED", "policy.csv:12", grants) for name in names),
    }
    return access(**(values | changes))


def read(decision_id: str, **changes: Any) -> Record:
    return confirm(decision_id, **changes)
