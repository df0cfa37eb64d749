"""ReviewService: PlanReview, GetReview, ListReviews, ListReviewItems, NoteReport."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from munjigi.audit.journal import Journal
from munjigi.audit.review_records import ReportFile, ReviewReportRecord
from munjigi.grants.book import Book, Plan
from munjigi.grants.ports import StateStore
from munjigi.grants.review_ports import ReviewFilter
from munjigi.kernel.clock import Clock
from munjigi.kernel.errors import InvalidArgument
from munjigi.kernel.ids import record_id
from munjigi.kernel.review import ReviewState
from munjigi.review.campaign import open_review
from munjigi.review.encoding import decode_plan, digest_of
from munjigi.review.kept import KeptPlans
from munjigi.review.orders import ReviewOrder
from munjigi.review.settings import row_of
from munjigi.rpc.access_requests import random_id
from munjigi.rpc.call import Call, Method
from munjigi.rpc.desk import Desk
from munjigi.rpc.mutation import once
from munjigi.rpc.pages import DEFAULT_PAGE
from munjigi.rpc.ports import Registrar, ReviewPlans, SnapshotSource
from munjigi.rpc.review_items import look, look_at, message_of, page_of_items, theirs
from munjigi.rpc.review_messages import STATES, excess_messages, item_message, plan_message
from munjigi_client._proto.munjigi.v1 import review_calls_pb2 as calls

SERVICE: Final = "munjigi.v1.ReviewService"
RESOURCE: Final = "munjigi.review"
_SHOWN: Final = 1000  # items of a trial


class ReviewService:
    """Plan reviews, and show them."""

    def __init__(
        self,
        desk: Desk,
        registrar: Registrar,
        snapshots: SnapshotSource,
        planner: ReviewPlans,
        plans: KeptPlans,
        journal: Journal,
        clock: Clock,
        new_id: Callable[[], str] | None = None,
    ) -> None:
        """`new_id` names reviews; at random where it is left out."""
        self._desk = desk
        self._registrar = registrar
        self._snapshots = snapshots
        self._planner = planner
        self._plans = plans
        self._journal = journal
        self._clock = clock
        self._new_id = new_id or (lambda: f"rv-{random_id().removeprefix('ar-')}")

    def methods(self) -> list[Method]:
        """List the methods."""
        return [
            Method(SERVICE, "PlanReview", calls.PlanReviewRequest, self.plan_review, changes=True),
            Method(SERVICE, "GetReview", calls.GetReviewRequest, self.get_review),
            Method(SERVICE, "ListReviews", calls.ListReviewsRequest, self.list_reviews),
            Method(SERVICE, "ListReviewItems", calls.ListReviewItemsRequest, self.list_review_items),
            Method(SERVICE, "NoteReport", calls.NoteReportRequest, self.note_report, changes=True),
        ]

    async def plan_review(self, call: Call, request: calls.PlanReviewRequest) -> calls.PlanReviewResponse:
        """Plan a review and open it; or try it."""
        if request.dry_run:
            self._desk.authorize(call, RESOURCE, "read", request.request_id)
            return await self._tried(call, request)
        if request.as_of or request.unused_days or request.months:
            raise InvalidArgument(
                "TRIAL_ONLY",
                "`as_of`, `unused_days` and `months` go with `dry_run`: what is opened is judged now, as policy says.",
            )
        self._desk.authorize(call, RESOURCE, "operate", request.request_id)

        async def opened() -> bytes:
            row = row_of(self._snapshots.snapshot.bundle, request.kind)
            made = await self._planner.made(ReviewOrder(request.kind, call.received))
            digest = await self._registrar.look(lambda store: store.keep_plan(made.plan))
            planned, review_id = await asyncio.to_thread(decode_plan, made.plan), self._new_id()

            def plan(book: Book) -> Plan:
                outcome = open_review(book, planned, row, review_id, call.caller.employee, digest=digest)
                message = message_of(book, outcome.review, planned, {})
                answer = calls.PlanReviewResponse(review=message, record_id=book.record(0))
                return Plan(outcome.edits, answer.SerializeToString())

            return (await self._registrar.change(call.caller.employee, "", b"", plan)).answer

        return calls.PlanReviewResponse.FromString(await once(self._registrar, call, request, opened))

    async def get_review(self, call: Call, request: calls.GetReviewRequest) -> calls.GetReviewResponse:
        """Show a review to whom it concerns freely, to others as the core decides."""
        found = await self._registrar.look(look(self._snapshots.snapshot, call.received, self._plans, request.review_id))
        if found.concerns(call.caller.employee):
            self._desk.about_oneself(call, RESOURCE)
        else:
            self._desk.authorize(call, RESOURCE, "read")
        return calls.GetReviewResponse(review=found.message())

    async def list_reviews(self, call: Call, request: calls.ListReviewsRequest) -> calls.ListReviewsResponse:
        """List reviews: those to decide in freely, everyone's as the core decides."""
        if request.everyone:
            self._desk.authorize(call, RESOURCE, "read")
        else:
            self._desk.about_oneself(call, RESOURCE)
        snapshot, size = self._snapshots.snapshot, request.page_size or DEFAULT_PAGE
        state: ReviewState = STATES.get(request.state, "")
        asked = ReviewFilter(request.kind, state, _place(request.page_token), size)
        person = snapshot.grants.person(call.caller.employee)

        def ask(store: StateStore) -> calls.ListReviewsResponse:
            with store.moment() as moment:
                book = Book(snapshot.grants, snapshot.bundle, call.received, reviews=moment.reviews)
                page = moment.reviews.reviews(asked)
                looks = [look_at(book, self._plans, each) for each in page if request.everyone or each.state == "open"]
                shown = [
                    each.message()
                    for each in looks
                    if request.everyone or (person is not None and next(each.mine(person.person_id), None) is not None)
                ]
            token = f"{page[-1].opened_at}.{page[-1].review_id}" if len(page) == size else ""
            return calls.ListReviewsResponse(reviews=shown, next_page_token=token)

        return await self._registrar.look(ask)

    async def list_review_items(self, call: Call, request: calls.ListReviewItemsRequest) -> calls.ListReviewItemsResponse:
        """List items: those to decide and one's own freely, others as the core decides."""
        snapshot, employee = self._snapshots.snapshot, call.caller.employee
        found = await self._registrar.look(look(snapshot, call.received, self._plans, request.review_id))
        if theirs(found, request, employee):
            self._desk.about_oneself(call, RESOURCE)
        else:
            self._desk.authorize(call, RESOURCE, "read")
        person = snapshot.grants.person(employee)
        start, size = _number(request.page_token), request.page_size or DEFAULT_PAGE
        page = page_of_items(found, request, person.person_id if person is not None else "", size, start)
        return calls.ListReviewItemsResponse(items=page.items, next_page_token=page.token)

    async def note_report(self, call: Call, request: calls.NoteReportRequest) -> calls.NoteReportResponse:
        """Record which report was made."""
        self._desk.authorize(call, RESOURCE, "read", request.request_id)
        await self._registrar.look(look(self._snapshots.snapshot, call.received, self._plans, request.review_id))

        async def noted() -> bytes:
            files = tuple(ReportFile(each.name, each.sha256) for each in request.files)
            issuer, subject = call.caller.employee
            record = ReviewReportRecord(
                issuer=issuer, employee=subject, request_id=request.request_id, review_id=request.review_id, report_files=files
            )
            index = self._journal.append(record)  # durable before this call is answered, as every record is
            return calls.NoteReportResponse(record_id=record_id(self._journal.log_id, index)).SerializeToString()

        return calls.NoteReportResponse.FromString(await once(self._registrar, call, request, noted))

    async def _tried(self, call: Call, request: calls.PlanReviewRequest) -> calls.PlanReviewResponse:
        if request.as_of > call.received:
            raise InvalidArgument(
                "TIME_IN_FUTURE", "`as_of` lies in the future; ask for a time that has passed, or leave it out."
            )
        order = ReviewOrder(request.kind, call.received, request.as_of, True, request.unused_days, request.months)
        row = row_of(self._snapshots.snapshot.bundle, request.kind)
        made = await self._planner.made(order)
        planned = await asyncio.to_thread(decode_plan, made.plan)
        changing = [item for item in planned.items if item.verdict != "keep"][:_SHOWN]
        return calls.PlanReviewResponse(
            review=plan_message(planned, row.title, digest_of(made.plan)),
            items=[item_message(item, None, "") for item in changing],
            excess=excess_messages(made.excess),
        )


def _place(token: str) -> tuple[int, str] | None:
    """Return where a page of reviews begins. Raises `InvalidArgument`."""
    if not token:
        return None
    at, dot, review_id = token.partition(".")
    if not (at.isascii() and at.isdigit() and dot and review_id) or len(at) > 19:
        raise InvalidArgument("PAGE_TOKEN_INVALID", "Use the page token of the previous page as it is, or none.")
    return int(at), review_id


def _number(token: str) -> int:
    """Return the number of the first item of a page. Raises `InvalidArgument`."""
    if not token:
        return 0
    if not (token.isascii() and token.isdigit()) or len(token) > 9:
        raise InvalidArgument("PAGE_TOKEN_INVALID", "Use the page token of the previous page as it is, or none.")
    return int(token)
