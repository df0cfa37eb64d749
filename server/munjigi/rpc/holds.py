"""AuditService: HoldRecords, ReleaseHold, ListHolds."""

from __future__ import annotations

from typing import Final

from munjigi.audit.holds import Hold
from munjigi.audit.ports import RecordQuery
from munjigi.rpc.call import Call, Method
from munjigi.rpc.desk import Desk
from munjigi.rpc.pages import page_of
from munjigi.rpc.ports import HoldKeeper
from munjigi.rpc.typed import typed
from munjigi_client._proto.munjigi.v1 import audit_pb2 as pb

_SERVICE: Final = "munjigi.v1.AuditService"
_RESOURCE: Final = "munjigi.audit"


class HoldService:
    """Place, release and list legal holds; a change is decided, in force and recorded before it is acknowledged."""

    def __init__(self, desk: Desk, holds: HoldKeeper) -> None:
        self._desk = desk
        self._holds = holds

    def methods(self) -> list[Method]:
        """List the methods."""
        return [
            Method(_SERVICE, "HoldRecords", pb.HoldRecordsRequest, self.hold_records, changes=True),
            Method(_SERVICE, "ReleaseHold", pb.ReleaseHoldRequest, self.release_hold, changes=True),
            Method(_SERVICE, "ListHolds", pb.ListHoldsRequest, self.list_holds),
        ]

    async def hold_records(self, call: Call, request: pb.HoldRecordsRequest) -> pb.HoldRecordsResponse:
        """Place a hold."""
        self._desk.authorize(call, _RESOURCE, "operate", request.request_id)
        RecordQuery(from_time=request.from_time, to_time=request.to_time).check()
        reason = typed(request.reason)
        hold = await self._holds.place(call.caller.employee, reason, request.from_time, request.to_time, request.request_id)
        return pb.HoldRecordsResponse(hold=_message(hold))

    async def release_hold(self, call: Call, request: pb.ReleaseHoldRequest) -> pb.ReleaseHoldResponse:
        """Release a hold."""
        self._desk.authorize(call, _RESOURCE, "operate", request.request_id)
        reason = typed(request.reason)
        return pb.ReleaseHoldResponse(
            record_id=await self._holds.release(call.caller.employee, request.hold_id, reason, request.request_id)
        )

    async def list_holds(self, call: Call, request: pb.ListHoldsRequest) -> pb.ListHoldsResponse:
        """List the holds that stand."""
        self._desk.authorize(call, _RESOURCE, "read")
        page, token = page_of(await self._holds.standing(), request.page_size, request.page_token)
        return pb.ListHoldsResponse(holds=[_message(hold) for hold in page], next_page_token=token)


def _message(hold: Hold) -> pb.Hold:
    return pb.Hold(
        hold_id=hold.hold_id,
        from_time=hold.from_time,
        to_time=hold.to_time,
        reason=hold.reason,
        issuer=hold.issuer,
        employee=hold.employee,
        placed_at=hold.placed_at,
        record_id=hold.record,
    )
