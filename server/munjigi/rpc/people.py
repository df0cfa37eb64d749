"""GrantService: ApplyPersonnelEvent, ImportPeople, GetPerson, ListPeople."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import islice
from typing import Final

from munjigi.grants.book import Book, Plan
from munjigi.grants.changes import Edit, GrantEdit, GrantKind, RequestEdit
from munjigi.grants.personnel import Personnel, PersonnelEvent
from munjigi.grants.staffing import events_for
from munjigi.kernel.errors import InvalidArgument, MunjigiError, NotFound, Unavailable
from munjigi.kernel.grant import Person
from munjigi.kernel.identity import EmployeeKey
from munjigi.rpc.call import Call, Method
from munjigi.rpc.desk import Desk
from munjigi.rpc.mutation import RESOURCE, SERVICE, commit
from munjigi.rpc.pages import DEFAULT_PAGE
from munjigi.rpc.people_messages import (
    EVENT_OF,
    KIND_OF,
    STATUS_OF,
    TYPE_OF,
    accounts_of,
    facts_of,
    person_message,
    wanted_of,
)
from munjigi.rpc.ports import Acknowledger, Registrar, SnapshotSource
from munjigi.rpc.revocations import acknowledge
from munjigi_client._proto.munjigi.v1 import people_pb2 as pb

_TAKE_AWAY: Final = frozenset((pb.PERSONNEL_EVENT_KIND_LEAVER, pb.PERSONNEL_EVENT_KIND_LEAVE))


class PeopleService:
    """Apply personnel events, bring lists of people in, show people. `issuer` is whose employees sign in here."""

    def __init__(
        self, desk: Desk, registrar: Registrar, snapshots: SnapshotSource, everywhere: Acknowledger, issuer: str
    ) -> None:
        self._everywhere = everywhere
        self._desk = desk
        self._registrar = registrar
        self._snapshots = snapshots
        self._issuer = issuer

    def methods(self) -> list[Method]:
        """List the methods."""
        return [
            Method(SERVICE, "ApplyPersonnelEvent", pb.ApplyPersonnelEventRequest, self.apply_personnel_event, changes=True),
            Method(SERVICE, "ImportPeople", pb.ImportPeopleRequest, self.import_people, changes=True),
            Method(SERVICE, "GetPerson", pb.GetPersonRequest, self.get_person),
            Method(SERVICE, "ListPeople", pb.ListPeopleRequest, self.list_people),
        ]

    async def apply_personnel_event(self, call: Call, request: pb.ApplyPersonnelEventRequest) -> pb.ApplyPersonnelEventResponse:
        """Apply an event."""
        self._desk.authorize(call, RESOURCE, "operate", request.request_id, urgent=request.kind in _TAKE_AWAY)

        def plan(book: Book) -> Plan:
            source = request.source or call.caller.tool
            event = PersonnelEvent(
                KIND_OF[request.kind],
                request.person_id,
                source,
                request.effective_at,
                TYPE_OF.get(request.principal_type),
                request.department if request.HasField("department") else None,
                request.manager if request.HasField("manager") else None,
                accounts_of(request.accounts, self._issuer),
                facts=facts_of(request.facts, source, book.now),
                by=_person_of(book, call.caller.employee),
            )
            planner = Personnel(book)
            planner.apply(event)
            person = planner.person(request.person_id)
            assert person is not None
            edits = planner.edits
            answer = pb.ApplyPersonnelEventResponse(
                person=person_message(person),
                changed=bool(edits),
                ended_grants=_grants(edits, "grant_ended"),
                suspended_grants=[*_grants(edits, "grant_suspended"), *(each.grant_id for each in planner.waiting)],
                withdrawn_requests=[each.request.access_request_id for each in edits if isinstance(each, RequestEdit)],
            )
            return Plan(tuple(edits), answer.SerializeToString())

        changed = await commit(self._registrar, call, request, plan)
        response = pb.ApplyPersonnelEventResponse.FromString(changed.answer)
        await acknowledge(self._everywhere, changed, response.acknowledgement)
        return response

    async def import_people(self, call: Call, request: pb.ImportPeopleRequest) -> pb.ImportPeopleResponse:
        """Bring people to where rows want them; all rows or none."""
        self._desk.authorize(call, RESOURCE, "operate", request.request_id)

        def plan(book: Book) -> Plan:
            planner = Personnel(book)
            by, source = _person_of(book, call.caller.employee), request.source or call.caller.tool
            answer = pb.ImportPeopleResponse()
            seen: set[str] = set()
            for number, row in enumerate(request.rows):
                before, waited = len(planner.edits), len(planner.waiting)
                try:
                    if row.person_id in seen:
                        raise InvalidArgument("PERSON_TWICE", "This person stands in an earlier row, too; keep one row.")
                    seen.add(row.person_id)
                    wanted = wanted_of(row, self._issuer)
                    events = events_for(planner.person(row.person_id), wanted, source, request.effective_at, book.now, by)
                    for event in events:
                        planner.apply(event)
                except Unavailable:
                    raise
                except MunjigiError as error:
                    answer.outcomes.add(row=number, reason=error.reason, message=error.message)
                    continue
                if events:
                    edits = planner.edits[before:]
                    answer.outcomes.add(
                        row=number,
                        events=[EVENT_OF[event.kind] for event in events],
                        ended_grants=len(_grants(edits, "grant_ended")),
                        suspended_grants=len(_grants(edits, "grant_suspended")) + len(planner.waiting) - waited,
                    )
            answer.applied = not request.dry_run and not any(each.reason for each in answer.outcomes)
            return Plan(tuple(planner.edits) if answer.applied else (), answer.SerializeToString())

        changed = await commit(self._registrar, call, request, plan)
        if not request.dry_run:
            await self._everywhere.wait_applied(changed.grant_revision)
        return pb.ImportPeopleResponse.FromString(changed.answer)

    def get_person(self, call: Call, request: pb.GetPersonRequest) -> pb.GetPersonResponse:
        """Show one person: oneself freely, others as the core decides."""
        if request.person_id and request.employee:
            raise InvalidArgument("FILTER_CONTRADICTORY", "Name a person or an account, not both.")
        table = self._snapshots.snapshot.grants
        own = table.person(call.caller.employee)
        account = EmployeeKey(self._issuer, request.employee) if request.employee else call.caller.employee
        found = table.person_of(request.person_id) if request.person_id else table.person(account)
        if account == call.caller.employee if not request.person_id else (own is not None and found is own):
            self._desk.about_oneself(call, RESOURCE)
        else:
            self._desk.authorize(call, RESOURCE, "read")
        if found is None:
            raise NotFound("PERSON_UNKNOWN", "There is no such person; `munjigi people list` shows who there is.")
        return pb.GetPersonResponse(person=person_message(found), grant_revision=table.revision)

    async def list_people(self, call: Call, request: pb.ListPeopleRequest) -> pb.ListPeopleResponse:
        """List people, by id; the token is the last one's id."""
        self._desk.authorize(call, RESOURCE, "read")
        table = self._snapshots.snapshot.grants
        size = request.page_size or DEFAULT_PAGE
        status = STATUS_OF.get(request.status)

        def wanted(person: Person) -> bool:
            return (not request.department or person.department == request.department) and (
                status is None or person.status == status
            )

        def look() -> list[Person]:
            return list(islice(filter(wanted, table.people_since(request.page_token)), size + 1))

        found = await asyncio.to_thread(look)  # of a department or state there may be few
        page = found[:size]
        return pb.ListPeopleResponse(
            people=[person_message(person) for person in page],
            next_page_token=page[-1].person_id if len(found) > size else "",
            grant_revision=table.revision,
        )


def _person_of(book: Book, account: EmployeeKey) -> str:
    person = book.holdings.person(account)
    return person.person_id if person is not None else ""


def _grants(edits: Sequence[Edit], kind: GrantKind) -> list[str]:
    return [each.grant.grant_id for each in edits if isinstance(each, GrantEdit) and each.kind == kind]
