"""ReviewService: DecideItem, RequestException, ApproveException, ApplyReview, StopReview, UndoReview, CloseLog."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from munjigi.grants.book import Book, Plan
from munjigi.grants.log_edits import PEOPLE
from munjigi.grants.ports import StateStore
from munjigi.grants.review_edits import review_unknown
from munjigi.kernel.errors import FailedPrecondition, InvalidArgument, NotFound, PermissionDenied
from munjigi.kernel.review import Review
from munjigi.review import exceptions
from munjigi.review.apply import step
from munjigi.review.campaign import OVERRIDES, Decision, decide, looks, override, planned_item, stop, the_review
from munjigi.review.closing import close_log
from munjigi.review.kept import KeptPlans
from munjigi.review.undo import undo
from munjigi.rpc.access_requests import random_id
from munjigi.rpc.call import Call, Method
from munjigi.rpc.desk import Desk
from munjigi.rpc.mutation import change, commit, once
from munjigi.rpc.ports import Acknowledger, Changed, Registrar, ReviewWatch, SnapshotSource
from munjigi.rpc.review_items import Look, look, look_at, message_of
from munjigi.rpc.review_messages import WORDS, exception_message, item_message
from munjigi.rpc.reviews import RESOURCE, SERVICE
from munjigi.rpc.revocations import acknowledge
from munjigi_client._proto.munjigi.v1 import review_calls_pb2 as calls

_SECONDS: Final = 5.0  # that one call works on; the next one goes on
_PIECE: Final = 100  # items of one commit


class ReviewWordService:
    """Decide, apply and undo. Each commit is planned on one moment, so that a call that is broken off is gone on with by the next."""

    def __init__(
        self,
        desk: Desk,
        registrar: Registrar,
        snapshots: SnapshotSource,
        everywhere: Acknowledger,
        plans: KeptPlans,
        watching: ReviewWatch,
        new_id: Callable[[], str] | None = None,
        stopwatch: Callable[[], float] = time.monotonic,
    ) -> None:
        """`new_id` names exceptions; at random where it is left out."""
        self._desk = desk
        self._registrar = registrar
        self._snapshots = snapshots
        self._everywhere = everywhere
        self._plans = plans
        self._watching = watching
        self._new_id = new_id or (lambda: f"rx-{random_id().removeprefix('ar-')}")
        self._stopwatch = stopwatch

    def methods(self) -> list[Method]:
        """List the methods."""
        return [
            Method(SERVICE, "DecideItem", calls.DecideItemRequest, self.decide_item, changes=True),
            Method(SERVICE, "RequestException", calls.RequestExceptionRequest, self.request_exception, changes=True),
            Method(SERVICE, "ApproveException", calls.ApproveExceptionRequest, self.approve_exception, changes=True),
            Method(SERVICE, "ApplyReview", calls.ApplyReviewRequest, self.apply_review, changes=True),
            Method(SERVICE, "StopReview", calls.StopReviewRequest, self.stop_review, changes=True),
            Method(SERVICE, "UndoReview", calls.UndoReviewRequest, self.undo_review, changes=True),
            Method(SERVICE, "CloseLog", calls.CloseLogRequest, self.close_log, changes=True),
        ]

    async def decide_item(self, call: Call, request: calls.DecideItemRequest) -> calls.DecideItemResponse:
        """Decide items in one's own name."""
        decisions = [
            Decision(each.number, WORDS[each.word], each.reason, each.looked, each.evidence_opened) for each in request.decisions
        ]

        def plan(book: Book) -> Plan:
            review = the_review(book, request.review_id, request.plan_digest)
            planned = self._plans.of(looks(book), review.plan_digest)
            done = decide(book, review, planned, decisions, call.caller.employee)
            items = [item_message(planned.items[item.number], item, review.review_id) for item in done.items]
            answer = calls.DecideItemResponse(items=items, record_id=book.record(0))
            return Plan(done.edits, answer.SerializeToString())

        return calls.DecideItemResponse.FromString(await change(self._desk, self._registrar, call, request, plan, RESOURCE))

    async def request_exception(self, call: Call, request: calls.RequestExceptionRequest) -> calls.RequestExceptionResponse:
        """Ask for an exception in one's own name."""
        exception_id = self._new_id()

        def plan(book: Book) -> Plan:
            found = self._look(book, request.review_id)
            done = exceptions.except_item(
                book,
                found.review,
                found.plan,
                request.number,
                request.reason,
                request.expires_at,
                call.caller.employee,
                exception_id,
            )
            answer = calls.RequestExceptionResponse(exception=exception_message(done.exception), record_id=book.record(0))
            return Plan(done.edits, answer.SerializeToString())

        return calls.RequestExceptionResponse.FromString(await change(self._desk, self._registrar, call, request, plan, RESOURCE))

    async def approve_exception(self, call: Call, request: calls.ApproveExceptionRequest) -> calls.ApproveExceptionResponse:
        """Approve an exception in one's own name."""

        def plan(book: Book) -> Plan:
            asked = next((each for each in looks(book).exceptions() if each.exception_id == request.exception_id), None)
            if asked is None:
                raise NotFound("EXCEPTION_UNKNOWN", "There is no exception with this id.")
            found = self._look(book, asked.review_id)
            done = exceptions.approve_exception(book, found.review, found.plan, request.exception_id, call.caller.employee)
            answer = calls.ApproveExceptionResponse(exception=exception_message(done.exception), record_id=book.record(0))
            return Plan(done.edits, answer.SerializeToString())

        return calls.ApproveExceptionResponse.FromString(await change(self._desk, self._registrar, call, request, plan, RESOURCE))

    async def apply_review(self, call: Call, request: calls.ApplyReviewRequest) -> calls.ApplyReviewResponse:
        """Apply for a few seconds, and wait until it is true everywhere."""
        if request.over_caps and not request.reason:
            raise InvalidArgument("REASON_MISSING", "Going beyond the caps needs a reason.")
        self._desk.authorize(call, RESOURCE, "operate", request.request_id, urgent=True)

        async def applied() -> bytes:
            if request.over_caps:
                return (await self._change(call, lambda book: self._lifted(book, call, request))).answer
            return await self._applied(call, request)

        return calls.ApplyReviewResponse.FromString(await once(self._registrar, call, request, applied))

    async def stop_review(self, call: Call, request: calls.StopReviewRequest) -> calls.StopReviewResponse:
        """Stop a review."""
        self._desk.authorize(call, RESOURCE, "operate", request.request_id, urgent=True)

        def plan(book: Book) -> Plan:
            found = self._look(book, request.review_id)
            done = stop(book, found.review, request.reason)
            message = message_of(book, done.review, found.plan, found.known)
            return Plan(done.edits, calls.StopReviewResponse(review=message, record_id=book.record(0)).SerializeToString())

        return calls.StopReviewResponse.FromString((await commit(self._registrar, call, request, plan)).answer)

    async def close_log(self, call: Call, request: calls.CloseLogRequest) -> calls.CloseLogResponse:
        """Say that a log is lost."""
        self._desk.authorize(call, RESOURCE, "operate", request.request_id)

        def plan(book: Book) -> Plan:
            seen = self._watching.seen(request.log_id)
            done = close_log(book, request.log_id, seen, request.reason, call.caller.employee)
            words, closed = done.closing.words, len(done.closing.words) >= PEOPLE
            answer = calls.CloseLogResponse(
                closed=closed,
                said_by=[word.subject for word in words],
                unknown_from=done.closing.unknown_from,
                closed_at=done.closing.closed_at if closed else 0,
                record_id=book.record(0),
            )
            return Plan(done.edits, answer.SerializeToString())

        return calls.CloseLogResponse.FromString((await commit(self._registrar, call, request, plan)).answer)

    async def undo_review(self, call: Call, request: calls.UndoReviewRequest) -> calls.UndoReviewResponse:
        """Give back for a few seconds, and wait until it is true everywhere: who has something back may use it anywhere."""
        self._desk.authorize(call, RESOURCE, "operate", request.request_id)
        try:
            undone = await once(self._registrar, call, request, lambda: self._undone(call, request))
        except PermissionDenied as error:
            raise self._desk.refused(call, RESOURCE, "operate", error) from None
        return calls.UndoReviewResponse.FromString(undone)

    async def _applied(self, call: Call, request: calls.ApplyReviewRequest) -> bytes:
        """Take one step after the other until there is nothing to do now, or the time of a call is over."""
        total, last = calls.ApplyReviewResponse(more=True), Changed(b"", 0)
        until = self._stopwatch() + _SECONDS
        while total.more and self._stopwatch() < until:
            try:
                last = await self._change(call, lambda book: self._stepped(book, request))
            except FailedPrecondition as error:
                if error.reason != "REVIEW_STATE" or not total.record_id:
                    raise
                total.more = False  # another run, which goes on with the same review, has finished it
                break
            done = calls.ApplyReviewResponse.FromString(last.answer)
            done.applied, done.left = done.applied + total.applied, done.left + total.left
            done.record_id = total.record_id or done.record_id
            total = done
        if total.applied:
            await acknowledge(self._everywhere, last, total.acknowledgement)
        found = await self._registrar.look(self._seen(call, request.review_id))
        total.review.CopyFrom(found.message())
        return total.SerializeToString()

    async def _undone(self, call: Call, request: calls.UndoReviewRequest) -> bytes:
        total, last, first = calls.UndoReviewResponse(more=True), Changed(b"", 0), True
        until = self._stopwatch() + _SECONDS
        while total.more and (first or self._stopwatch() < until):
            last = await self._change(call, lambda book: self._gave_back(book, call, request))
            done = calls.UndoReviewResponse.FromString(last.answer)
            done.undone += total.undone
            done.record_id = total.record_id or done.record_id
            total, first = done, False
        if total.undone:
            await self._everywhere.wait_applied(last.grant_revision)
        found = await self._registrar.look(self._seen(call, request.review_id))
        total.review.CopyFrom(found.message())
        return total.SerializeToString()

    def _stepped(self, book: Book, request: calls.ApplyReviewRequest) -> Plan:
        review = the_review(book, request.review_id, request.plan_digest)
        planned = self._plans.of(looks(book), review.plan_digest)
        done = step(book, review, planned, self._watching.watch(self._snapshots.snapshot), _PIECE)
        took = sum(item.state == "applied" for item in done.items)
        left = sum(item.state in ("spared", "skipped") for item in done.items)
        record = book.record(0) if done.edits else ""
        answer = calls.ApplyReviewResponse(applied=took, left=left, more=done.more, record_id=record)
        return Plan(done.edits, answer.SerializeToString())

    def _lifted(self, book: Book, call: Call, request: calls.ApplyReviewRequest) -> Plan:
        review = the_review(book, request.review_id, request.plan_digest)
        done = override(book, review, call.caller.employee, request.reason)
        found = look_at(book, self._plans, done.review)
        lifted = len({each.person_id for each in done.review.overrides}) >= OVERRIDES
        answer = calls.ApplyReviewResponse(review=found.message(), more=lifted, record_id=book.record(0))
        return Plan(done.edits, answer.SerializeToString())

    def _gave_back(self, book: Book, call: Call, request: calls.UndoReviewRequest) -> Plan:
        found = self._look(book, request.review_id)
        done = undo(book, found.review, found.plan, request.numbers or None, call.caller.employee, _PIECE)
        left = []
        for number, why in done.kept.items():
            message = item_message(planned_item(found.plan, number), found.known.get(number), found.review.review_id)
            message.note = why
            left.append(message)
        record = book.record(0) if done.edits else ""
        answer = calls.UndoReviewResponse(undone=len(done.items), left=left, more=done.more, record_id=record)
        return Plan(done.edits, answer.SerializeToString())

    async def _change(self, call: Call, plan: Callable[[Book], Plan]) -> Changed:
        return await self._registrar.change(call.caller.employee, "", b"", plan)

    def _look(self, book: Book, review_id: str) -> Look:
        review: Review | None = looks(book).review(review_id)
        if review is None:
            raise review_unknown()
        return look_at(book, self._plans, review)

    def _seen(self, call: Call, review_id: str) -> Callable[[StateStore], Look]:
        return look(self._snapshots.snapshot, call.received, self._plans, review_id)
