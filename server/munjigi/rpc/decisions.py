"""DecisionService: Check, BatchCheck, ConfirmRead."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Literal

from munjigi.audit.journal import Journal
from munjigi.audit.records import ConfirmRecord
from munjigi.kernel.errors import FailedPrecondition, InvalidArgument, MunjigiError, NotFound, PermissionDenied, ResourceExhausted
from munjigi.kernel.ids import parse_record_id
from munjigi.kernel.references import MemberReferences
from munjigi.monitoring.counted import UNKNOWN
from munjigi.rpc.call import Call, Method
from munjigi.rpc.desk import Answered, Desk
from munjigi.rpc.foreign_reads import ForeignReads
from munjigi.rpc.pending import PendingReads
from munjigi.rpc.pipeline import faults_of_items, rules_of, validate
from munjigi.rpc.ports import DecisionMeter, SnapshotSource
from munjigi.rpc.rates import Rates
from munjigi.rpc.slices import Answer, in_slices
from munjigi.rpc.status import code_of
from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb
from munjigi_client._proto.munjigi.v1 import decision_service_pb2

_SERVICE: Final = decision_service_pb2.DESCRIPTOR.services_by_name["DecisionService"].full_name

_ITEMS: Final = rules_of(pb.BatchCheckRequest, "items").repeated
_ID_BYTES: Final = rules_of(pb.CheckStreamRequest, "id").string.max_bytes

Faults = Mapping[int, InvalidArgument]  # by the number of the item

_OUTCOMES: Final[dict[int, Literal["read", "failed", "abandoned"]]] = {
    pb.READ_OUTCOME_READ: "read",
    pb.READ_OUTCOME_FAILED: "failed",
    pb.READ_OUTCOME_ABANDONED: "abandoned",
}


class DecisionService:
    """Answer questions about member data."""

    def __init__(
        self,
        desk: Desk,
        snapshots: SnapshotSource,
        journal: Journal,
        references: MemberReferences,
        pending: PendingReads,
        foreign: ForeignReads,
        rates: Rates,
        meter: DecisionMeter,
    ) -> None:
        self._desk = desk
        self._snapshots = snapshots
        self._journal = journal
        self._references = references
        self._pending = pending
        self._foreign = foreign
        self._rates = rates
        self._meter = meter

    def methods(self) -> list[Method]:
        """List the methods."""
        return [
            Method(_SERVICE, "Check", pb.CheckRequest, self.check, itemwise=True, written=pb.CheckResponse),
            Method(_SERVICE, "BatchCheck", pb.BatchCheckRequest, self.batch_check, itemwise=True, written=pb.BatchCheckResponse),
            Method(
                _SERVICE,
                "CheckStream",
                pb.CheckStreamRequest,
                self.check_of_stream,
                streaming=True,
                itemwise=True,
                written=pb.CheckStreamResponse,
            ),
            Method(_SERVICE, "ConfirmRead", pb.ConfirmReadRequest, self.confirm_read, itemwise=True, changes=True),
        ]

    def check(self, call: Call, request: pb.CheckRequest) -> bytes:
        """Decide one access."""
        self.take(call, 1)
        _, index, answering = self._desk.check(call, request)
        return answering.message(index)

    def check_of_stream(self, call: Call, requests: Iterable[pb.CheckStreamRequest]) -> Iterator[bytes]:
        """Decide questions of a stream as their answers are taken; what is wrong with one concerns it alone."""
        asked: list[pb.CheckRequest] = []
        decided = self._desk.check_each(call, iter(asked.pop, None))
        for request in requests:
            name = request.id
            if not 0 < len(name) <= _ID_BYTES or not name.isascii():
                validate(request)
            answered: Answered | MunjigiError
            try:
                self.take(call, 1)
            except ResourceExhausted as error:
                answered = error
            else:
                asked.append(request.check)
                answered = next(decided)
            if isinstance(answered, MunjigiError):
                answer = pb.CheckStreamResponse(id=name)
                _explain(answer.error, answered)
                yield answer.SerializeToString()
            else:
                _, index, answering = answered
                yield answering.streamed(name, index)

    def take(self, call: Call, count: int) -> None:
        """Count questions against the rate of the calling tool. Raises `ResourceExhausted` when it is used up."""
        self._rates.take(self._snapshots.snapshot.bundle.tools.get(call.caller.tool), count, call.received)

    def batch_check(self, call: Call, request: pb.BatchCheckRequest) -> Answer[bytearray]:
        """Decide each item; what is wrong with one concerns that one alone."""
        if not _ITEMS.min_items <= len(request.items) <= _ITEMS.max_items:
            validate(request)
        self.take(call, len(request.items))
        response = bytearray()

        def write(answered: Answered | InvalidArgument) -> None:
            nonlocal response
            if isinstance(answered, InvalidArgument):
                response += _refused(answered)
            else:
                _, index, answering = answered
                response += answering.result(index)

        return in_slices(map(write, self._desk.check_each(call, request.items)), response)

    def confirm_read(self, call: Call, request: pb.ConfirmReadRequest) -> Answer[pb.ConfirmReadResponse]:
        """Record what became of allowed reads; a repetition answers with the first record."""
        faults = faults_of_items(request)
        response = pb.ConfirmReadResponse()
        if unknown := self._foreign.unknown(item.decision_id for item in request.items):
            return self._confirm_foreign(call, request, response, faults, unknown)
        return in_slices(self._confirm_each(call, request, response, faults), response)

    async def _confirm_foreign(
        self,
        call: Call,
        request: pb.ConfirmReadRequest,
        response: pb.ConfirmReadResponse,
        faults: Faults,
        unknown: list[tuple[str, int]],
    ) -> pb.ConfirmReadResponse:
        await self._foreign.look_up(unknown)
        answer = in_slices(self._confirm_each(call, request, response, faults), response)
        return answer if isinstance(answer, pb.ConfirmReadResponse) else await answer

    def _confirm_each(
        self, call: Call, request: pb.ConfirmReadRequest, response: pb.ConfirmReadResponse, faults: Faults
    ) -> Iterator[None]:
        for number, item in enumerate(request.items):
            result = response.results.add()
            try:
                if number in faults:
                    raise faults[number]
                index = self.confirm(call, item)
            except (InvalidArgument, NotFound, FailedPrecondition, PermissionDenied) as error:
                _explain(result.error, error)
            else:
                result.record.log_id = self._journal.log_id
                result.record.index = index
            yield

    def confirm(self, call: Call, item: pb.ConfirmItem) -> int:
        """Record what became of one allowed read; return the index of its record, or of the first one.

        Raises `NotFound`, `PermissionDenied`, `FailedPrecondition`, `InvalidArgument`, or `AuditUnavailable`.
        """
        log_id, index = parse_record_id(item.decision_id)
        own = log_id == self._journal.log_id
        read = self._pending.get(index) if own else self._foreign.get(log_id, index)
        if read is None:
            raise NotFound(
                "DECISION_UNKNOWN",
                "No allowed read has this decision id here; confirm at the gateway that decided, within the minute.",
            )
        caller = call.caller
        if (read.issuer, read.subject, read.tool) != (*caller.employee, caller.tool):
            raise PermissionDenied("DECISION_OF_ANOTHER", "Only the employee and the tool that asked may confirm.")
        if read.confirmed_at is not None:
            return read.confirmed_at
        if call.received >= read.valid_until:
            raise FailedPrecondition("DECISION_EXPIRED", "The decision has run out; ask again and confirm before `valid_until`.")
        members: tuple[str, ...] = ()
        bundle = self._snapshots.snapshot.bundle
        table = bundle.catalog.tables.get(read.resource)
        if item.member_ids and table is not None:
            members = self._references.of(table.subjects_of, item.member_ids, table.key_type)
        record = ConfirmRecord(
            issuer=caller.employee.issuer,
            employee=caller.employee.subject,
            tool=caller.tool,
            peer=caller.peer,
            ip=caller.peer,
            trace_id=call.trace_id,
            span_id=call.span_id,
            decision_id=item.decision_id,
            outcome=_OUTCOMES[item.outcome],
            row_count=item.row_count,
            members=members,
        )
        confirmation = self._journal.append(record)
        if own:
            self._pending.confirm(index, confirmation)
        else:
            self._foreign.confirm(log_id, index, confirmation)
        purpose = read.purpose if read.purpose in bundle.purposes else UNKNOWN
        self._meter.confirmation(record.outcome, purpose, item.row_count if record.outcome == "read" else 0)
        return confirmation


def _refused(error: InvalidArgument) -> bytes:
    """Write why an item was not decided, as one of the results of a BatchCheckResponse."""
    response = pb.BatchCheckResponse()
    _explain(response.results.add().error, error)
    return response.SerializeToString()


def _explain(into: pb.ItemError, error: MunjigiError) -> None:
    into.code = code_of(error).value[0]
    into.reason = error.reason
    into.message = error.message
