"""GrantService: ListGrants."""

from __future__ import annotations

from collections.abc import Iterator

from munjigi.kernel.errors import InvalidArgument
from munjigi.kernel.grant import Grant
from munjigi.kernel.identity import EmployeeKey
from munjigi.rpc.call import Call, Method
from munjigi.rpc.desk import Desk
from munjigi.rpc.grant_messages import grant_message
from munjigi.rpc.mutation import RESOURCE, SERVICE
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
        if request.everyone and request.employee:
            raise InvalidArgument("FILTER_CONTRADICTORY", "Name one employee or ask for everyone, not both.")
        own = call.caller.employee
        if request.everyone or (request.employee and request.employee != own.subject):
            self._desk.authorize(call, RESOURCE, "read")
        else:
            self._desk.about_oneself(call, RESOURCE)
        table = self._snapshots.snapshot.grants
        now = call.received
        found = [
            grant
            for grant in self._of(request, own)
            if (not request.role or grant.role == request.role) and (request.include_inactive or grant.active(now))
        ]
        page, token = page_of(found, request.page_size, request.page_token)
        return pb.ListGrantsResponse(
            grants=[grant_message(grant, now) for grant in page], next_page_token=token, grant_revision=table.revision
        )

    def _of(self, request: pb.ListGrantsRequest, own: EmployeeKey) -> Iterator[Grant]:
        """Yield the grants of one's own account, or of every account with the asked subject."""
        table = self._snapshots.snapshot.grants
        if not request.everyone and request.employee in ("", own.subject):
            yield from sorted(table.of(own), key=lambda grant: grant.grant_id)
        else:
            for grant in table:
                if request.everyone or grant.employee.subject == request.employee:
                    yield grant
