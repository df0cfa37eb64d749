"""The safety proof (REVIEW R4): reads that really happened are put to the state that a plan would make, and must be answered as before.

They are grouped by what decides (who asks what, through which tool, and what the policy's conditions look at), and one of each group
is decided twice, by the grants as they are and as they would be. Both times every grant and fact in force counts as in force at the
time of the question: what changes is the plan's doing alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final, NamedTuple

import msgspec

from munjigi.decision.core import decide
from munjigi.decision.grant_table import GrantTable
from munjigi.decision.snapshot import Snapshot
from munjigi.decision.types import Decision, Request
from munjigi.kernel.errors import Corruption, InvalidArgument
from munjigi.kernel.grant import Grant, Person
from munjigi.kernel.identity import EmployeeKey
from munjigi.kernel.ids import parse_record_id, record_id
from munjigi.policy.conditions import read
from munjigi.policy.types import OWN_RESOURCES, PolicyBundle
from munjigi.review.seen import credits_of

_FOREVER: Final = (1 << 63) - 1


class RecordedBytes(NamedTuple):
    """One record of a log, at its index there, in its canonical bytes."""

    log_id: str
    position: int
    payload: bytes


class Named(msgspec.Struct, gc=False):
    """What of a record tells questions apart, whatever type of record it is."""

    type: str
    time: int = 0
    issuer: str = ""
    employee: str = ""
    tool: str = ""
    decision: str = ""
    action: str = ""
    resource: str = ""
    purpose: str = ""
    fields: msgspec.Raw = msgspec.Raw(b"\x90")
    partial: bool = False
    probe: bool = False
    observe: bool = False
    own: bool = False
    decision_id: str = ""
    outcome: str = ""


class Asked(Named, gc=False):
    """All that a record says of a question."""

    case_id: str = ""
    subject_count: int = 0
    ip: str = ""
    asked_at: int = 0


class _Name(msgspec.Struct):
    name: str


_named: Final = msgspec.msgpack.Decoder(Named)
_asked: Final = msgspec.msgpack.Decoder(Asked)
_names: Final = msgspec.msgpack.Decoder(tuple[_Name, ...])


class Group:
    """Questions of which one stands for all: the first of them, how many were used, and which grants their answers name."""

    __slots__ = ("at", "decision_id", "first", "uses")

    def __init__(self, first: Asked, decision_id: str) -> None:
        self.first = first
        self.decision_id = decision_id
        self.at = first.asked_at or first.time
        self.uses = 0

    @property
    def grants(self) -> frozenset[str]:
        """The grants that the answer names."""
        return frozenset(grant_id for grant_id, _ in credits_of(self.first.fields, self.first.resource, self.first.action))

    def request(self) -> Request:
        """Return the question, the sign-in taken as right."""
        first = self.first
        names = tuple(each.name for each in _names.decode(first.fields))
        return Request(
            employee=EmployeeKey(first.issuer, first.employee),
            tool=first.tool,
            resource=first.resource,
            fields=() if names == (first.resource,) else names,
            action=first.action,
            purpose=first.purpose,
            case_id=first.case_id,
            subjects=first.subject_count,
            ip=first.ip,
            allow_partial=first.partial,
            sign_in=None,
        )


def grouped(
    bundle: PolicyBundle,
    recorded: Iterable[RecordedBytes],
    begin: int,
    end: int,
    exempt: Callable[[str], bool],
    employees: frozenset[tuple[str, str]] | None = None,
) -> list[Group]:
    """Return the reads of [begin, end) (UTC nanoseconds) in groups, those of some accounts (issuer, subject; None: all).

    Each log's records must come in order. `exempt` tells whether a tool need not confirm. Raises `Corruption` when bytes are no
    record.
    """
    decode, looks = _named.decode, _looks(bundle)
    groups: dict[tuple[object, ...], Group] = {}
    waiting: dict[str, dict[int, Group]] = {}
    elsewhere: dict[tuple[str, int], None] = {}
    open_log, open_reads = "", dict[int, Group]()
    for log_id, index, payload in recorded:
        try:
            asked = decode(payload)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise Corruption(
                "RECORD_UNREADABLE", f"Record {index} of log {log_id} can't be read; run `munjigi audit verify`."
            ) from None
        if asked.type == "access.decision":
            if asked.decision != "ALLOW" or asked.probe or asked.observe or asked.own or not begin <= asked.time < end:
                continue
            if employees is not None and (asked.issuer, asked.employee) not in employees:
                continue
            if log_id != open_log:
                open_log, open_reads = log_id, waiting.setdefault(log_id, {})
            names = (asked.employee, asked.issuer, asked.tool, asked.resource, asked.action, asked.purpose, asked.partial)
            key = (bytes(asked.fields), *names) if looks is None else (bytes(asked.fields), *names, *looks(payload))
            group = groups.get(key)
            if group is None:
                group = groups[key] = Group(_asked.decode(payload), record_id(log_id, index))
            if exempt(asked.tool):
                group.uses += 1
            else:
                open_reads[index] = group
        elif asked.type == "access.confirm" and asked.outcome == "read":
            log, _, number = asked.decision_id.rpartition("-")
            if log != open_log or not number.isdigit():
                _note(asked.decision_id, elsewhere)
                continue
            group = open_reads.pop(int(number), None)
            if group is not None:
                group.uses += 1
    for log_id, index in elsewhere:
        group = waiting.get(log_id, {}).pop(index, None)
        if group is not None:
            group.uses += 1
    return [group for group in groups.values() if group.uses]


def _note(decision_id: str, elsewhere: dict[tuple[str, int], None]) -> None:
    try:
        elsewhere[parse_record_id(decision_id)] = None
    except InvalidArgument:
        return


def newly_denied(before: Snapshot, after: Snapshot, groups: Iterable[Group]) -> Iterator[Group]:
    """Yield the groups whose question is answered with less by `after` than by `before`: denied, or with another mask."""
    for group in groups:
        request = group.request()
        was = decide(before, request, group.at)
        if was.allow and _shows(was) != _shows(decide(after, request, group.at)):
            yield group


def timeless(bundle: PolicyBundle, grants: Iterable[Grant], people: Iterable[Person]) -> Snapshot:
    """Return a snapshot in which these grants, and all facts, are in force at any time."""
    return Snapshot(
        bundle,
        GrantTable.build(
            (replace(grant, starts_at=0, ends_at=_FOREVER, ended="", suspended="") for grant in grants),
            (
                replace(person, facts=tuple(fact._replace(starts_at=0, ends_at=_FOREVER) for fact in person.facts))
                for person in people
            ),
            0,
        ),
    )


def _shows(decision: Decision) -> Mapping[str, tuple[str, str]] | None:
    return {each.name: (each.effect, each.mask) for each in decision.fields} if decision.allow else None


def _looks(bundle: PolicyBundle) -> Callable[[bytes], tuple[object, ...]] | None:
    """Return what the conditions of a policy see of a recorded question, besides its names; None when they look at none of it."""
    conditions = {rule.cond for rule in bundle.rules if rule.condition is not None and rule.obj not in OWN_RESOURCES}
    reads = frozenset().union(*(read(each).reads for each in conditions))
    parts: list[Callable[[Asked], object]] = []
    if "r.ctx.ip" in reads:
        parts.append(lambda asked: asked.ip)
    if "r.ctx.subjects" in reads:
        parts.append(lambda asked: asked.subject_count)
    if "r.ctx.hour" in reads:
        parts.append(lambda asked: bundle.calendar.at(asked.asked_at or asked.time).hour)
    if "r.ctx.weekday" in reads:
        parts.append(lambda asked: bundle.calendar.at(asked.asked_at or asked.time).weekday)
    if "r.ctx.holiday" in reads:
        parts.append(lambda asked: bundle.calendar.at(asked.asked_at or asked.time).holiday)
    if not parts:
        return None

    def looked(payload: bytes) -> tuple[object, ...]:
        asked = _asked.decode(payload)
        return tuple([part(asked) for part in parts])

    return looked
