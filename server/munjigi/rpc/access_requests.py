"""GrantService: RequestAccess, DecideRequest, WithdrawRequest, ListRequests."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from typing import Final

from munjigi.grants import requests
from munjigi.grants.book import Book, Plan
from munjigi.grants.deciders import barred_from
from munjigi.grants.ports import RequestFilter
from munjigi.grants.requests import Ask, Outcome
from munjigi.kernel.access_request import AccessRequest
from munjigi.kernel.errors import InvalidArgument, NotFound
from munjigi.kernel.identity import EmployeeKey
from munjigi.rpc.call import Call, Method
from munjigi.rpc.desk import Desk
from munjigi.rpc.grant_messages import STATES, grant_message, request_message, scope_of, waits_for, who_decides
from munjigi.rpc.mutation import RESOURCE, SERVICE, change
from munjigi.rpc.pages import DEFAULT_PAGE, page_of
from munjigi.rpc.ports import Registrar, SnapshotSource
from munjigi.rpc.typed import typed
from munjigi_client._proto.munjigi.v1 import access_request_pb2 as pb

_PAGE: Final = 1000


class AccessRequestService:
    """Ask, decide, withdraw, list."""

    def __init__(
        self, desk: Desk, registrar: Registrar, snapshots: SnapshotSource, new_id: Callable[[], str] | None = None
    ) -> None:
        """`new_id` names requests; at random where it is left out."""
        self._new_id = new_id or random_id
        self._desk = desk
        self._registrar = registrar
        self._snapshots = snapshots

    def methods(self) -> list[Method]:
        """List the methods."""
        return [
            Method(SERVICE, "RequestAccess", pb.RequestAccessRequest, self.request_access, changes=True),
            Method(SERVICE, "DecideRequest", pb.DecideRequestRequest, self.decide_request, changes=True),
            Method(SERVICE, "WithdrawRequest", pb.WithdrawRequestRequest, self.withdraw_request, changes=True),
            Method(SERVICE, "ListRequests", pb.ListRequestsRequest, self.list_requests),
        ]

    async def request_access(self, call: Call, request: pb.RequestAccessRequest) -> pb.RequestAccessResponse:
        """Make a request."""
        reason, scope = typed(request.reason), scope_of(request.scope_objects, request.scope_actions)
        access_request_id = self._new_id()

        def plan(book: Book) -> Plan:
            held = book.holdings.grant(request.grant_id) if request.grant_id else None
            issuer, subject = call.caller.employee
            whose = held.employee if held is not None else EmployeeKey(issuer, request.employee or subject)
            wanted = Ask(
                kind="new" if not request.grant_id else "renew" if scope is None else "change",
                employee=whose,
                applicant=call.caller.employee,
                role=request.role or (held.role if held is not None else ""),
                purpose=request.purpose or (held.purpose if held is not None else ""),
                reason=reason,
                case_id=request.case_id,
                scope=scope,
                starts_at=request.starts_at,
                ends_at=request.ends_at,
                days=request.days,
                grant_id=request.grant_id,
                supersedes=request.supersedes,
            )
            made = requests.ask(book, wanted, access_request_id)
            answer = pb.RequestAccessResponse(
                access_request=request_message(book, made.request),
                missing=_missing(book, made.request),
                record_id=book.record(len(made.edits) - 1),
            )
            return Plan(made.edits, answer.SerializeToString())

        return pb.RequestAccessResponse.FromString(await change(self._desk, self._registrar, call, request, plan))

    async def decide_request(self, call: Call, request: pb.DecideRequestRequest) -> pb.DecideRequestResponse:
        """Vote."""
        if not request.approve and not request.reason:
            raise InvalidArgument("REASON_MISSING", "A denial needs a reason: whoever asked has to know what to change.")
        reason = typed(request.reason) if request.reason else ""

        def plan(book: Book) -> Plan:
            done = requests.decide(
                book,
                request.access_request_id,
                call.caller.employee,
                request.digest,
                approve=request.approve,
                reason=reason,
            )
            answer = pb.DecideRequestResponse(
                access_request=request_message(book, done.request),
                grant=grant_message(done.grant, book.now) if done.grant is not None else None,
                record_id=book.record(0),
            )
            return Plan(done.edits, answer.SerializeToString())

        return pb.DecideRequestResponse.FromString(await change(self._desk, self._registrar, call, request, plan))

    async def withdraw_request(self, call: Call, request: pb.WithdrawRequestRequest) -> pb.WithdrawRequestResponse:
        """Withdraw."""

        def plan(book: Book) -> Plan:
            done: Outcome = requests.withdraw(book, request.access_request_id, call.caller.employee)
            answer = pb.WithdrawRequestResponse(access_request=request_message(book, done.request), record_id=book.record(0))
            return Plan(done.edits, answer.SerializeToString())

        return pb.WithdrawRequestResponse.FromString(await change(self._desk, self._registrar, call, request, plan))

    async def list_requests(self, call: Call, request: pb.ListRequestsRequest) -> pb.ListRequestsResponse:
        """List requests: those of one's own person and those to decide freely, everyone's as the core decides."""
        book = self._book(call)
        if request.access_request_id:
            return pb.ListRequestsResponse(access_requests=[request_message(book, await self._one(call, book, request))])
        if request.everyone:
            self._desk.authorize(call, RESOURCE, "read")
        else:
            self._desk.about_oneself(call, RESOURCE)
        state = STATES.get(request.state, "")
        person = book.holdings.person(call.caller.employee)
        if request.to_decide:
            mine = [each for each in await self._all_open() if person is not None and waits_for(book, each, person.person_id)]
            page, token = page_of(mine, request.page_size, request.page_token)
            return pb.ListRequestsResponse(access_requests=[request_message(book, each) for each in page], next_page_token=token)
        size = request.page_size or DEFAULT_PAGE
        asked = RequestFilter(
            "requested" if state == "lapsed" else state,
            None if request.everyone else person.accounts if person is not None else (call.caller.employee,),
            _place(request.page_token),
            size,
        )
        found = await self._registrar.look(lambda store: store.requests(asked))
        shown = [request_message(book, each) for each in found]
        return pb.ListRequestsResponse(
            access_requests=[each for each in shown if not request.state or each.state == request.state],
            next_page_token=f"{found[-1].made_at}.{found[-1].access_request_id}" if len(found) == size else "",
        )

    async def _one(self, call: Call, book: Book, request: pb.ListRequestsRequest) -> AccessRequest:
        """Return one request, to those whom it concerns, who decide it or own the role, and to others as the core decides."""
        found = await self._registrar.look(lambda store: store.request(request.access_request_id))
        person = book.holdings.person(call.caller.employee)
        near = found is not None and {
            *barred_from(book, found),
            *who_decides(book, found),
            *(vote.person_id for vote in found.votes),
        }
        role = book.bundle.roles.get(found.role) if found is not None else None
        issuer, subject = call.caller.employee
        owns = found is not None and role is not None and subject in role.owners and issuer == found.employee.issuer
        if owns or (near and person is not None and person.person_id in near):
            self._desk.about_oneself(call, RESOURCE)
        else:
            self._desk.authorize(call, RESOURCE, "read")
        if found is None:
            raise NotFound("ACCESS_REQUEST_UNKNOWN", "There is no request with this id; `munjigi requests` lists them.")
        return found

    async def _all_open(self) -> list[AccessRequest]:
        found: list[AccessRequest] = []
        asked = RequestFilter("requested", limit=_PAGE)
        while page := await self._registrar.look(lambda store, asked=asked: store.requests(asked)):  # type: ignore[misc]
            found += page
            asked = asked._replace(before=(page[-1].made_at, page[-1].access_request_id))
        return found

    def _book(self, call: Call) -> Book:
        snapshot = self._snapshots.snapshot
        return Book(snapshot.grants, snapshot.bundle, call.received)


def random_id() -> str:
    """Return the id of a new request."""
    return f"ar-{secrets.token_hex(8)}"


def _missing(book: Book, request: AccessRequest) -> Iterator[str]:
    """Yield the facts that the role requires and that are not on file."""
    role, person = book.bundle.roles.get(request.role), book.holdings.person_of(request.person_id)
    for kind in role.requires if role is not None else ():
        if person is None or not person.holds(kind, book.now):
            yield kind


def _place(token: str) -> tuple[int, str] | None:
    if not token:
        return None
    made_at, _, access_request_id = token.partition(".")
    if not (made_at.isascii() and made_at.isdigit() and access_request_id):
        raise InvalidArgument("PAGE_TOKEN_INVALID", "Use the page token of the previous page as it is, or none.")
    return int(made_at), access_request_id
