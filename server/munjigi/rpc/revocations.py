"""GrantService: RevokeGrant, SuspendGrant, ResumeGrant, BlockPrincipal, UnblockPrincipal.

What takes access away is answered when it is true everywhere (P8).
"""

from __future__ import annotations

from munjigi.grants import rights
from munjigi.grants.blocks import block_of
from munjigi.grants.book import Book, Plan
from munjigi.grants.changes import BlockEdit
from munjigi.kernel.clock import SECOND
from munjigi.kernel.errors import PermissionDenied
from munjigi.kernel.identity import EmployeeKey
from munjigi.rpc.call import Call, Method
from munjigi.rpc.desk import Desk
from munjigi.rpc.grant_messages import grant_message
from munjigi.rpc.mutation import RESOURCE, SERVICE, authorize, commit
from munjigi.rpc.ports import Acknowledger, Changed, Registrar, SnapshotSource
from munjigi.rpc.typed import typed
from munjigi_client._proto.munjigi.v1 import revocation_pb2 as pb


class RevocationService:
    """Take access away, at once, which works on a full disk, too; and give back what was only suspended."""

    def __init__(self, desk: Desk, registrar: Registrar, snapshots: SnapshotSource, everywhere: Acknowledger) -> None:
        self._desk = desk
        self._registrar = registrar
        self._snapshots = snapshots
        self._everywhere = everywhere

    def methods(self) -> list[Method]:
        """List the methods."""
        return [
            Method(SERVICE, "RevokeGrant", pb.RevokeGrantRequest, self.revoke_grant, changes=True),
            Method(SERVICE, "SuspendGrant", pb.SuspendGrantRequest, self.suspend_grant, changes=True),
            Method(SERVICE, "ResumeGrant", pb.ResumeGrantRequest, self.resume_grant, changes=True),
            Method(SERVICE, "BlockPrincipal", pb.BlockPrincipalRequest, self.block_principal, changes=True),
            Method(SERVICE, "UnblockPrincipal", pb.UnblockPrincipalRequest, self.unblock_principal, changes=True),
        ]

    async def revoke_grant(self, call: Call, request: pb.RevokeGrantRequest) -> pb.RevokeGrantResponse:
        """End a grant: its holder and the role's owners freely, others as the core decides."""
        reason = typed(request.reason)
        concern = authorize(self._desk, self._snapshots.snapshot, call, request.grant_id, request.request_id, urgent=True)

        def plan(book: Book) -> Plan:
            edit = rights.revoke(book, request.grant_id, reason, method=concern)
            answer = pb.RevokeGrantResponse(grant=grant_message(edit.grant, book.now), record_id=book.record(0))
            return Plan((edit,), answer.SerializeToString())

        changed = await commit(self._registrar, call, request, plan)
        response = pb.RevokeGrantResponse.FromString(changed.answer)
        await acknowledge(self._everywhere, changed, response.acknowledgement)
        return response

    async def suspend_grant(self, call: Call, request: pb.SuspendGrantRequest) -> pb.SuspendGrantResponse:
        """Suspend a grant: its holder and the role's owners freely, others as the core decides. The grant says who did."""
        reason = typed(request.reason)
        concern = authorize(self._desk, self._snapshots.snapshot, call, request.grant_id, request.request_id, urgent=True)

        def plan(book: Book) -> Plan:
            edit = rights.suspend(book, request.grant_id, reason, why=concern, method=concern)
            answer = pb.SuspendGrantResponse(grant=grant_message(edit.grant, book.now), record_id=book.record(0))
            return Plan((edit,), answer.SerializeToString())

        changed = await commit(self._registrar, call, request, plan)
        response = pb.SuspendGrantResponse.FromString(changed.answer)
        await acknowledge(self._everywhere, changed, response.acknowledgement)
        return response

    async def resume_grant(self, call: Call, request: pb.ResumeGrantRequest) -> pb.ResumeGrantResponse:
        """Resume a grant: the role's owners freely, unless it was suspended with the right to operate; others as the core decides."""
        reason, snapshot = typed(request.reason), self._snapshots.snapshot
        grant = snapshot.grants.grant(request.grant_id)
        freely: tuple[rights.Concern, ...] = ("owner",) if grant is not None and grant.suspended != rights.OPERATOR else ()
        concern = authorize(self._desk, snapshot, call, request.grant_id, request.request_id, freely=freely)

        def plan(book: Book) -> Plan:
            edit = rights.resume(book, request.grant_id, call.caller.employee, reason, concern=concern)
            answer = pb.ResumeGrantResponse(grant=grant_message(edit.grant, book.now), record_id=book.record(0))
            return Plan((edit,), answer.SerializeToString())

        try:
            return pb.ResumeGrantResponse.FromString((await commit(self._registrar, call, request, plan)).answer)
        except PermissionDenied as error:
            raise self._desk.refused(call, RESOURCE, "operate", error) from None

    async def block_principal(self, call: Call, request: pb.BlockPrincipalRequest) -> pb.BlockPrincipalResponse:
        """Stop a person or a tool."""
        reason = typed(request.reason)
        self._desk.authorize(call, RESOURCE, "operate", request.request_id, urgent=True)

        def plan(book: Book) -> Plan:
            edit = BlockEdit("principal_blocked", block_of(book, _employee(call, request), request.tool), reason)
            return Plan((edit,), pb.BlockPrincipalResponse(record_id=book.record(0)).SerializeToString())

        changed = await commit(self._registrar, call, request, plan)
        response = pb.BlockPrincipalResponse.FromString(changed.answer)
        await acknowledge(self._everywhere, changed, response.acknowledgement)
        return response

    async def unblock_principal(self, call: Call, request: pb.UnblockPrincipalRequest) -> pb.UnblockPrincipalResponse:
        """Let a person or a tool go on."""
        reason = typed(request.reason)
        self._desk.authorize(call, RESOURCE, "operate", request.request_id)

        def plan(book: Book) -> Plan:
            edit = BlockEdit("principal_unblocked", block_of(book, _employee(call, request), request.tool), reason)
            return Plan((edit,), pb.UnblockPrincipalResponse(record_id=book.record(0)).SerializeToString())

        return pb.UnblockPrincipalResponse.FromString((await commit(self._registrar, call, request, plan)).answer)


async def acknowledge(everywhere: Acknowledger, changed: Changed, into: pb.Acknowledgement) -> None:
    """Wait until a change is true everywhere, and say what that took."""
    applied = await everywhere.wait_applied(changed.grant_revision)
    into.grant_revision = changed.grant_revision
    into.waited = int(applied.seconds * SECOND)
    into.leases_run_out = applied.run_out


def _employee(call: Call, request: pb.BlockPrincipalRequest | pb.UnblockPrincipalRequest) -> EmployeeKey | None:
    if request.WhichOneof("principal") == "tool":
        return None
    return EmployeeKey(request.issuer or call.caller.employee.issuer, request.employee)
