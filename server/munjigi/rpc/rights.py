"""GrantService: ChangeGrant, BreakGlass, Delegate."""

from __future__ import annotations

from munjigi.grants import rights
from munjigi.grants.book import Book, Plan
from munjigi.grants.break_glass import break_glass
from munjigi.grants.delegations import delegate
from munjigi.grants.requests import Ask
from munjigi.kernel.identity import EmployeeKey
from munjigi.rpc.access_requests import random_id
from munjigi.rpc.call import Call, Method
from munjigi.rpc.desk import Desk
from munjigi.rpc.grant_messages import grant_message, request_message, scope_of
from munjigi.rpc.mutation import SERVICE, authorize, change, commit
from munjigi.rpc.ports import Registrar, SnapshotSource
from munjigi.rpc.typed import typed
from munjigi_client._proto.munjigi.v1 import access_request_pb2 as pb


class RightService:
    """Narrow a right, take one in an emergency, name a deputy."""

    def __init__(self, desk: Desk, registrar: Registrar, snapshots: SnapshotSource) -> None:
        self._desk = desk
        self._registrar = registrar
        self._snapshots = snapshots

    def methods(self) -> list[Method]:
        """List the methods."""
        return [
            Method(SERVICE, "ChangeGrant", pb.ChangeGrantRequest, self.change_grant, changes=True),
            Method(SERVICE, "BreakGlass", pb.BreakGlassRequest, self.break_glass, changes=True),
            Method(SERVICE, "Delegate", pb.DelegateRequest, self.delegate, changes=True),
        ]

    async def change_grant(self, call: Call, request: pb.ChangeGrantRequest) -> pb.ChangeGrantResponse:
        """Narrow a grant: its holder and the role's owners freely, others as the core decides."""
        reason, scope = typed(request.reason), scope_of(request.scope_objects, request.scope_actions)
        concern = authorize(self._desk, self._snapshots.snapshot, call, request.grant_id, request.request_id)

        def plan(book: Book) -> Plan:
            edit = rights.narrow(book, request.grant_id, reason, ends_at=request.ends_at, scope=scope, method=concern)
            answer = pb.ChangeGrantResponse(grant=grant_message(edit.grant, book.now), record_id=book.record(0))
            return Plan((edit,), answer.SerializeToString())

        return pb.ChangeGrantResponse.FromString((await commit(self._registrar, call, request, plan)).answer)

    async def break_glass(self, call: Call, request: pb.BreakGlassRequest) -> pb.BreakGlassResponse:
        """Take a right at once, and open its review."""
        wanted = Ask(
            kind="break_glass",
            employee=call.caller.employee,
            applicant=call.caller.employee,
            role=request.role,
            purpose=request.purpose,
            reason=typed(request.reason),
            case_id=request.case_id,
            scope=scope_of(request.scope_objects, request.scope_actions),
        )
        access_request_id = random_id()

        def plan(book: Book) -> Plan:
            taken = break_glass(book, wanted, request.hours, access_request_id)
            assert taken.grant is not None
            answer = pb.BreakGlassResponse(
                grant=grant_message(taken.grant, book.now),
                review=request_message(book, taken.request),
                record_id=book.record(len(taken.edits) - 1),
            )
            return Plan(taken.edits, answer.SerializeToString())

        return pb.BreakGlassResponse.FromString(await change(self._desk, self._registrar, call, request, plan))

    async def delegate(self, call: Call, request: pb.DelegateRequest) -> pb.DelegateResponse:
        """Name a deputy, or end that."""
        to = EmployeeKey(call.caller.employee.issuer, request.employee)

        def plan(book: Book) -> Plan:
            edit = delegate(book, call.caller.employee, to, request.starts_at, request.ends_at)
            return Plan((edit,), pb.DelegateResponse(record_id=book.record(0)).SerializeToString())

        return pb.DelegateResponse.FromString(await change(self._desk, self._registrar, call, request, plan))
