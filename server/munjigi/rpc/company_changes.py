"""What happens to people and rights of the made-up company, as the calls that say so: the same ones to the live gateway and in process."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple

from google.protobuf.message import Message

from munjigi.company.events import Event, Founded, Hire, Outage, Resumed, Revoked, Staffed, Voted, Wanted, Withdrawn
from munjigi.company.ports import Refused
from munjigi.company.tally import Tally
from munjigi.kernel.clock import SECOND
from munjigi.rpc.people_messages import EVENT_OF
from munjigi_client._proto.munjigi.v1 import access_request_pb2 as asks
from munjigi_client._proto.munjigi.v1 import people_pb2 as people
from munjigi_client._proto.munjigi.v1 import revocation_pb2 as revocations

Send = Callable[[str, Message], Awaitable[Any]]
"""Sends a request as an employee and returns the answer. Raises `Refused`."""

TOOL: Final = "munjigi-cli"  # through which people ask for roles, and the personnel office tells of events
OFFICE: Final = "dpo.yoon"  # whose word personnel events are
SOURCE: Final = "personnel-office"
FACTS: Final = ("pledge", "training", "device")
FACT_DAYS: Final = 1200
GIVEN: Final = "given at the beginning"
_DAY: Final = 86_400 * SECOND


class _Known(NamedTuple):
    """What a handle of the simulation stands for at the gateway."""

    request: str = ""
    digest: str = ""
    grant: str = ""


class CompanyChanges:
    """Tells the gateway. A request that was refused is one that nobody votes on."""

    def __init__(self, send: Send, tally: Tally) -> None:
        self._send = send
        self._tally = tally
        self._known: dict[str, _Known] = {}

    def knows(self, handle: str, grant_id: str) -> None:
        """Note the grant of somebody with whom the company began."""
        self._known[handle] = _Known(grant=grant_id)

    async def play(self, event: Event, now: int) -> None:
        """Tell of an event at `now` (UTC nanoseconds by the gateway's clock)."""
        tally = self._tally
        if isinstance(event, Outage):
            tally.outages += 1
            return
        try:
            if isinstance(event, Founded):
                await self._found(event, now)
            elif isinstance(event, Staffed):
                await self._staff(event, now)
                tally.personnel[event.kind] += 1
            elif isinstance(event, Wanted):
                await self._want(event)
                tally.changes["renewals asked for" if event.renews else "requests"] += 1
            elif isinstance(event, Voted):
                await self._vote(event)
                tally.changes["approvals" if event.approve else "denials of requests"] += 1
            elif isinstance(event, Withdrawn):
                known = self._of(event.handle)
                await self._send(event.employee, asks.WithdrawRequestRequest(access_request_id=known.request))
                tally.changes["withdrawals"] += 1
            elif isinstance(event, Revoked):
                known = self._of(event.handle)
                await self._send(event.by, revocations.RevokeGrantRequest(grant_id=known.grant, reason=event.reason))
                tally.changes["revocations"] += 1
            elif isinstance(event, Resumed):
                known = self._of(event.handle)
                await self._send(event.by, revocations.ResumeGrantRequest(grant_id=known.grant, reason=event.reason))
                tally.changes["resumptions"] += 1
        except Refused as refused:
            tally.refused[refused.reason] += 1

    def _of(self, handle: str) -> _Known:
        """Return what a handle stands for. Raises `Refused` when its request was."""
        known = self._known.get(handle)
        if known is None:
            raise Refused("REQUEST_NEVER_MADE")
        return known

    async def _found(self, event: Founded, now: int) -> None:
        rows = [
            people.PersonRow(
                person_id=person_id(hire.employee),
                principal_type=people.PRINCIPAL_TYPE_EMPLOYEE,
                department=hire.department,
                manager=person_id(hire.manager),
                accounts=[people.Account(subject=hire.employee)],
                facts=[people.Fact(kind=kind, ends_at=now + FACT_DAYS * _DAY) for kind in FACTS],
            )
            for hire in event.hires
        ]
        await self._send(OFFICE, people.ImportPeopleRequest(rows=rows, source=SOURCE))
        self._tally.people += len(rows)
        for hire in event.hires:
            if hire.role:
                await self._give(hire)

    async def _give(self, hire: Hire) -> None:
        handle = f"{hire.employee}.{hire.role}"
        wanted = Wanted(0, handle, hire.employee, hire.role, hire.purpose, hire.case_id, hire.days, "works in the team")
        try:
            await self._want(wanted)
            for approver in hire.approvers:
                await self._vote(Voted(0, handle, approver, True, "for the work of the team"))
            self._tally.changes[GIVEN] += 1
        except Refused as refused:
            self._tally.refused[refused.reason] += 1

    async def _staff(self, event: Staffed, now: int) -> None:
        request = people.ApplyPersonnelEventRequest(kind=EVENT_OF[event.kind], person_id=person_id(event.employee), source=SOURCE)
        if event.kind in ("joiner", "mover"):
            request.department = event.department
            request.manager = person_id(event.manager)
        if event.kind == "joiner":
            request.principal_type = people.PRINCIPAL_TYPE_EMPLOYEE
            request.accounts.add(subject=event.employee)
        await self._send(OFFICE, request)
        if event.kind == "joiner":
            facts = people.ApplyPersonnelEventRequest(
                kind=people.PERSONNEL_EVENT_KIND_FACTS, person_id=person_id(event.employee), source=SOURCE
            )
            for kind in FACTS:
                facts.facts.add(kind=kind, starts_at=now, ends_at=now + FACT_DAYS * _DAY)
            await self._send(OFFICE, facts)

    async def _want(self, event: Wanted) -> None:
        request = asks.RequestAccessRequest(
            role=event.role, purpose=event.purpose, case_id=event.case_id, days=event.days, reason=event.reason
        )
        if event.renews:
            request.grant_id = self._of(event.renews).grant
        answer = await self._send(event.employee, request)
        made = answer.access_request
        self._known[event.handle] = _Known(made.access_request_id, made.digest, request.grant_id)

    async def _vote(self, event: Voted) -> None:
        known = self._of(event.handle)
        answer = await self._send(
            event.by,
            asks.DecideRequestRequest(
                access_request_id=known.request, digest=known.digest, approve=event.approve, reason=event.reason
            ),
        )
        if answer.HasField("grant"):
            self._known[event.handle] = known._replace(grant=answer.grant.grant_id)


def person_id(subject: str) -> str:
    """Return the id of the person behind an account of the company; empty for nobody."""
    return f"p.{subject}" if subject else ""
