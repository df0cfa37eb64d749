"""Plays a made-up company's life through a gateway's rooms on a simulated clock, in groups of records that share a sync."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from munjigi.app.demo_gateway import DemoGateway
from munjigi.app.grant_changes import apply_changes
from munjigi.company.events import Asked, Event, Founded, Question
from munjigi.company.tally import Tally
from munjigi.grants.changes import Edit, GrantEdit, PersonEdit
from munjigi.grants.sample import DAY, renewed_sample
from munjigi.kernel.errors import InvalidArgument
from munjigi.kernel.grant import Fact, Grant, Person
from munjigi.kernel.identity import EMBEDDED_ISSUER, EmployeeKey
from munjigi.rpc.company_changes import FACT_DAYS, FACTS, GIVEN, SOURCE, CompanyChanges, person_id

GROUP: Final = 512  # records that share a sync
_RENEWED: Final = 300 * DAY  # between two renewals of what the sample company holds
_ACTOR: Final = "munjigi.demo"


class _Read(NamedTuple):
    """A read that is confirmed at `at`; `number` orders those of one moment, `place` is the index of its decision's record."""

    at: int
    number: int
    asked: Asked
    question: Question
    place: int


class DemoPlayer:
    """Implements `company.ports.Player`."""

    def __init__(self, gateway: DemoGateway, tally: Tally) -> None:
        """Take the rooms, and where to count. To be made on the event loop."""
        self._gateway = gateway
        self._tally = tally
        self._changes = CompanyChanges(self._tell, tally)
        self._reads: list[_Read] = []
        self._numbers = 0
        self._group_end = gateway.journal.next_index + GROUP
        self._renewed_at = gateway.clock.time
        self._committed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._committed.set_result(None)

    async def play(self, event: Event) -> None:
        """Play one event, after the reads that end before it. Raises `AuditUnavailable` or `Unavailable`."""
        gateway = self._gateway
        at = event.at
        if self._reads and self._reads[0].at <= at:
            self._read_until(at)
        gateway.clock.time = at
        if isinstance(event, Asked):
            self._ask(event)
        elif isinstance(event, Founded):
            self._found(event)
        else:
            await self._changes.play(event, at)
            if at - self._renewed_at > _RENEWED:
                self._renew()
        if gateway.journal.next_index >= self._group_end:
            await self._commit()

    async def finish(self) -> None:
        """Confirm what is still read, and let the sample company hold its rights for another year."""
        while self._reads:
            self._read_until(self._reads[0].at)
        self._renew()
        await self._commit()
        await self._committed

    async def _commit(self) -> None:
        """Commit what was appended while the next group is made; the group before must be durable by now. Raises `AuditUnavailable`."""
        await self._committed
        committed = self._committed = asyncio.get_running_loop().create_future()

        def note(error: Exception | None) -> None:
            if committed.cancelled():
                return
            if error is None:
                committed.set_result(None)
            else:
                committed.set_exception(error)

        self._gateway.committer.when_durable(note)
        await asyncio.sleep(0)  # the commit begins, here or in its thread
        self._group_end = self._gateway.journal.next_index + GROUP

    def _ask(self, asked: Asked) -> None:
        gateway, tally = self._gateway, self._tally
        scene = tally.scene(asked.tool, asked.what)
        for question in asked.questions:
            try:
                allowed, reason, index = gateway.calls.ask(asked, question)
            except InvalidArgument as error:
                scene.errors[error.reason] += 1
                continue
            scene.asked += 1
            if question.probe:
                tally.probes += 1
            if not allowed:
                scene.denied += 1
                tally.denied[reason] += 1
                continue
            scene.allowed += 1
            if asked.rows is not None and not question.probe:
                self._numbers += 1
                heapq.heappush(self._reads, _Read(asked.at + asked.takes, self._numbers, asked, question, index))

    def _read_until(self, moment: int) -> None:
        reads, gateway = self._reads, self._gateway
        while reads and reads[0].at <= moment:
            at, _, asked, question, index = heapq.heappop(reads)
            gateway.clock.time = at
            scene = self._tally.scene(asked.tool, asked.what)
            if gateway.calls.confirm(asked, question, index, at):
                scene.confirmed += 1
            else:
                scene.errors["NOT_CONFIRMED"] += 1

    async def _tell(self, employee: str, request: Any) -> Any:
        return await self._gateway.calls.tell(employee, request, self._gateway.clock.time)

    def _found(self, event: Founded) -> None:
        """Bring in those with whom the company begins as the sample company is brought in: there is nobody yet who could decide."""
        edits = tuple(_edits(event))
        for edit in edits:
            if isinstance(edit, GrantEdit):
                self._tally.changes[GIVEN] += 1
                self._changes.knows(f"{edit.grant.employee.subject}.{edit.grant.role}", edit.grant.grant_id)
        self._apply(edits)
        self._tally.people += len(event.hires)

    def _renew(self) -> None:
        self._renewed_at = self._gateway.clock.time
        self._apply(renewed_sample(self._gateway.home.snapshot.grants, self._renewed_at))

    def _apply(self, edits: tuple[Edit, ...]) -> None:
        gateway = self._gateway
        table = gateway.home.snapshot.grants
        gateway.store.apply(edits, at=gateway.clock.time, actor=_ACTOR, request_id="", after=table.revision)
        gateway.home.set_grants(apply_changes(table, gateway.store.changes_since(table.revision)))


def _edits(event: Founded) -> Iterator[Edit]:
    now = event.at
    for hire in event.hires:
        account = EmployeeKey(EMBEDDED_ISSUER, hire.employee)
        facts = tuple(Fact(kind, now, now + FACT_DAYS * DAY, SOURCE, now) for kind in FACTS)
        person = Person(person_id(hire.employee), "employee", hire.department, (account,), facts, manager=person_id(hire.manager))
        yield PersonEdit("person_changed", person, "joiner", SOURCE)
        if hire.role:
            grant = Grant(
                f"g.{hire.employee}.{hire.role}", account, hire.role, hire.purpose, now, now + hire.days * DAY, hire.approvers
            )
            yield GrantEdit("grant_added", grant, "", "sample")
