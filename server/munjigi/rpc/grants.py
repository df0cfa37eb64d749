"""GrantService: ListGrants."""

from __future__ import annotations

from collections.abc import Iterator

from munjigi.decision.grant_table import GrantTable
from munjigi.grants.rights import OPERATOR
from munjigi.kernel.errors import InvalidArgument, NotFound
from munjigi.kernel.grant import Grant
from munjigi.kernel.identity import EmployeeKey
from munjigi.rpc.call import Call, Method
from munjigi.rpc.desk import Desk
from munjigi.rpc.grant_messages import grant_message
from munjigi.rpc.mutation import RESOURCE, SERVICE, concern_of
from munjigi.rpc.pages import page_of
from munjigi.rpc.ports import SnapshotSource
from munjigi_client._proto.munjigi.v1 import grant_pb2 as pb


class GrantService:
    """Show who holds what."""

    def __init__(self, desk: Desk, snapshots: SnapshotSource) -> None:
        self._desk = desk
        self._snapshots = snapshots

    def methods(self) -> list[Method]:
        """List the methods."""
        return [Method(SERVICE, "ListGrants", pb.ListGrantsRequest, self.list_grants)]

    def list_grants(self, call: Call, request: pb.ListGrantsRequest) -> pb.ListGrantsResponse:
        """List grants: one's own freely, others' as the core decides."""
        if request.grant_id:
            return self._one(call, request.grant_id)
        if bool(request.everyone) + bool(request.employee) + bool(request.person_id) > 1:
            raise InvalidArgument("FILTER_CONTRADICTORY", "Name one employee or one person, or ask for everyone; one of these.")
        own = call.caller.employee
        table = self._snapshots.snapshot.grants
        person = table.person(own)
        if request.person_id:
            mine = person is not None and person.person_id == request.person_id
        else:
            mine = not request.everyone and request.employee in ("", own.subject)
        if mine:
            self._desk.about_oneself(call, RESOURCE)
        else:
            self._desk.authorize(call, RESOURCE, "read")
        now = call.received
        found = [
            grant
            for grant in _of(table, request, own)
            if (not request.role or grant.role == request.role) and (request.include_inactive or grant.active(now))
        ]
        page, token = page_of(found, request.page_size, request.page_token)
        return pb.ListGrantsResponse(
            grants=[grant_message(grant, now) for grant in page], next_page_token=token, grant_revision=table.revision
        )

    def _one(self, call: Call, grant_id: str) -> pb.ListGrantsResponse:
        """Show one grant to its holder, its approvers and the role's owners; to others as the core decides."""
        snapshot = self._snapshots.snapshot
        grant = snapshot.grants.grant(grant_id)
        caller = call.caller.employee
        approved = grant is not None and caller.subject in grant.approved_by and caller.issuer == grant.employee.issuer
        if approved or concern_of(snapshot, call, grant_id) != OPERATOR:
            self._desk.about_oneself(call, RESOURCE)
        else:
            self._desk.authorize(call, RESOURCE, "read")
        if grant is None:
            raise NotFound("GRANT_UNKNOWN", "There is no grant with this id; list the grants to find it.")
        return pb.ListGrantsResponse(grants=[grant_message(grant, call.received)], grant_revision=snapshot.grants.revision)


def _of(table: GrantTable, request: pb.ListGrantsRequest, own: EmployeeKey) -> Iterator[Grant]:
    """Yield the grants of one's own account, of a person's, or of every account with the asked subject, in order.

    Raises `NotFound` for a person that there is not.
    """
    if request.person_id:
        person = table.person_of(request.person_id)
        if person is None:
            raise NotFound("PERSON_UNKNOWN", "There is no such person; `munjigi people list` shows who there is.")
        for account in sorted(person.accounts):
            yield from table.of(account)
    elif not request.everyone and request.employee in ("", own.subject):
        yield from table.of(own)
    else:
        yield from (grant for grant in table if request.everyone or grant.employee.subject == request.employee)
