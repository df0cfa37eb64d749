"""What the tests of the audit room share: records, a clock that is told the time, and journals in a folder."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from munjigi.audit.files import Device
from munjigi.audit.journal import Journal
from munjigi.audit.records import AccessRecord, ConfirmRecord, FieldRecord

START = 1_790_000_000_000_000_000


class TickingClock:
    """A clock that goes on by 1 microsecond with every look, and can be set."""

    def __init__(self, at: int = START) -> None:
        self.at = at

    def now(self) -> int:
        self.at += 1000
        return self.at


def access(number: int = 0, **changes: Any) -> AccessRecord:
    values: dict[str, Any] = {
        "issuer": "urn:test",
        "employee": "cs.kim",
        "principal_type": "employee",
        "tool": "crm-desk",
        "peer": "127.0.0.1",
        "ip": "127.0.0.1",
        "request_id": f"r-{number}",
        "door": "Check",
        "action": "read",
        "resource": "crm.member",
        "purpose": "inquiry",
        "case_id": "CS-2026-000123",
        "decision": "ALLOW",
        "reason": "ALLOWED",
        "fields": (FieldRecord("name", "clear", "", "", "policy.csv:12", ("g-1",)),),
        "members": ("m1.01234567.abcdefghijklmnopqrstuvwxyz",),
        "subject_count": 1,
        "policy_revision": "a" * 64,
        "grant_revision": 12,
    }
    return AccessRecord(**(values | changes))


def confirm(decision_id: str, **changes: Any) -> ConfirmRecord:
    values: dict[str, Any] = {
        "issuer": "urn:test",
        "employee": "cs.kim",
        "tool": "crm-desk",
        "ip": "127.0.0.1",
        "decision_id": decision_id,
        "outcome": "read",
    }
    return ConfirmRecord(**(values | changes))


def open_journal(
    state: Path, slot: int = 0, *, clock: TickingClock | None = None, segment_bytes: int = 64 << 20, device: Device | None = None
) -> Journal:
    return Journal.open(
        state / "journal",
        slot,
        quarantine=state / "quarantine",
        clock=clock or TickingClock(),
        randomness=hashlib.sha256(f"slot {slot}".encode()).digest(),
        segment_bytes=segment_bytes,
        device=device,
    )


def filled(state: Path, count: int, *, clean: bool = True, segment_bytes: int = 64 << 20, slot: int = 0) -> Path:
    """Make a journal of `count` records and return its folder; without `clean` it looks like that of a killed process."""
    journal = open_journal(state, slot, segment_bytes=segment_bytes)
    folder = state / "journal" / journal.log_id
    for number in range(count):
        journal.append(access(number))
        journal.sync()
    mark = (folder / "mark.json").read_bytes()
    journal.close()
    if not clean:
        (folder / "mark.json").write_bytes(mark)
    return folder
