"""What the client for threads asks of GrantService: rights are asked for, decided, listed, taken back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any

from google.protobuf.message import Message

from munjigi_client import _rights_asking as asking
from munjigi_client._rights import (
    AccessRequest,
    Asked,
    Changed,
    Decided,
    Grant,
    RequestState,
    Taken,
    asked_from,
    changed_from,
    decided_from,
    grant_from,
    request_from,
    taken_from,
    withdrawn_from,
)


class RightsMethods(ABC):
    """Methods of `Client`. A change without `request_id` gets one, so that a call that is sent again is one change."""

    @abstractmethod
    def call(self, request: Message, *, timeout: float | None = None) -> Any:
        """Send a request message and return its response message."""

    def request_access(
        self,
        role: str = "",
        *,
        purpose: str = "",
        reason: str,
        days: int = 0,
        ends_at: int = 0,
        starts_at: int = 0,
        case_id: str = "",
        scope_objects: Iterable[str] = (),
        scope_actions: Iterable[str] = (),
        renew: str = "",
        supersedes: str = "",
        employee: str = "",
        request_id: str = "",
        timeout: float | None = None,
    ) -> Asked:
        """Ask for a role, for a purpose and a period, in the employee's name; its owners decide.

        Give `days`, or `ends_at`; times are UTC nanoseconds since 1970, half-open, and `starts_at` 0 is with the last approval. `renew`
        is a grant to renew instead, or with a scope to change. `Denied.options` has what repairs a denial:
        `client.request_access(**denied.options[0].wanted, reason=why)`. Raises `NotNow` with the reason why it can't be, `NotFound`,
        `InvalidRequest` and `NotPermitted`.
        """
        message = asking.access(
            role,
            purpose,
            reason,
            (scope_objects, scope_actions),
            days=days,
            ends_at=ends_at,
            starts_at=starts_at,
            case_id=case_id,
            grant_id=renew,
            supersedes=supersedes,
            employee=employee,
            request_id=request_id,
        )
        return asked_from(self.call(message, timeout=timeout))

    def approve(self, request: AccessRequest, *, reason: str = "", request_id: str = "", timeout: float | None = None) -> Decided:
        """Approve a request as it was read; the last stage's approval gives the grant.

        Raises `NotPermitted` for who may not decide it, and `NotNow` when it has been decided or is not what was read.
        """
        message = asking.vote(request, approve=True, reason=reason, request_id=request_id)
        return decided_from(self.call(message, timeout=timeout))

    def deny(self, request: AccessRequest, *, reason: str, request_id: str = "", timeout: float | None = None) -> Decided:
        """Deny a request as it was read. Raises what `approve` raises."""
        message = asking.vote(request, approve=False, reason=reason, request_id=request_id)
        return decided_from(self.call(message, timeout=timeout))

    def withdraw(self, access_request_id: str, *, request_id: str = "", timeout: float | None = None) -> Decided:
        """Withdraw an open request that the employee made, or would hold the grant of."""
        return withdrawn_from(self.call(asking.withdrawal(access_request_id, request_id), timeout=timeout))

    def access_request(self, access_request_id: str, *, timeout: float | None = None) -> AccessRequest:
        """Return one request as it is now. Raises `NotFound`, and `NotPermitted` for one that does not concern the employee."""
        answer = self.call(asking.one_request(access_request_id), timeout=timeout)
        return request_from(answer.access_requests[0])

    def access_requests(
        self,
        *,
        to_decide: bool = False,
        everyone: bool = False,
        state: RequestState | None = None,
        timeout: float | None = None,
    ) -> Iterator[AccessRequest]:
        """Iterate over requests, newest first, page by page: for the employee's accounts, those to decide, or everyone's."""
        page = ""
        while True:
            asked = asking.requests_page(state, page, to_decide=to_decide, everyone=everyone)
            answer = self.call(asked, timeout=timeout)
            for each in answer.access_requests:
                yield request_from(each)
            page = answer.next_page_token
            if not page:
                return

    def grant(self, grant_id: str, *, timeout: float | None = None) -> Grant:
        """Return one grant as it is now. Raises `NotFound`, and `NotPermitted` for one that does not concern the employee."""
        answer = self.call(asking.one_grant(grant_id), timeout=timeout)
        return grant_from(answer.grants[0])

    def grants(
        self,
        *,
        employee: str = "",
        person_id: str = "",
        everyone: bool = False,
        role: str = "",
        include_inactive: bool = False,
        timeout: float | None = None,
    ) -> Iterator[Grant]:
        """Iterate over grants, page by page: the employee's own, another's, a person's with all accounts, or everyone's."""
        page = ""
        filters = {"employee": employee, "person_id": person_id, "everyone": everyone, "role": role}
        filters |= {"include_inactive": include_inactive}
        while True:
            answer = self.call(asking.grants_page(page, **filters), timeout=timeout)
            for each in answer.grants:
                yield grant_from(each)
            page = answer.next_page_token
            if not page:
                return

    def break_glass(
        self,
        role: str,
        *,
        purpose: str,
        reason: str,
        hours: int = 1,
        case_id: str = "",
        scope_objects: Iterable[str] = (),
        scope_actions: Iterable[str] = (),
        request_id: str = "",
        timeout: float | None = None,
    ) -> Taken:
        """Take a role at once for some hours; its review is open from now on. The reason says in 20 characters or more what has happened."""
        scope = (scope_objects, scope_actions)
        message = asking.emergency(role, purpose, reason, scope, hours=hours, case_id=case_id, request_id=request_id)
        return taken_from(self.call(message, timeout=timeout))

    def change_grant(
        self,
        grant_id: str,
        *,
        reason: str,
        ends_at: int = 0,
        scope_objects: Iterable[str] = (),
        scope_actions: Iterable[str] = (),
        request_id: str = "",
        timeout: float | None = None,
    ) -> Changed:
        """Narrow a grant: an earlier end (UTC nanoseconds), a smaller scope, or both. More is asked for."""
        message = asking.change(grant_id, reason, (scope_objects, scope_actions), ends_at, request_id)
        return changed_from(self.call(message, timeout=timeout))

    def revoke_grant(self, grant_id: str, *, reason: str, request_id: str = "", timeout: float = asking.ACKNOWLEDGED) -> Changed:
        """End a grant now. When this returns, no worker of any host answers by it any more."""
        return changed_from(self.call(asking.on_grant(asking.REVOKE, grant_id, reason, request_id), timeout=timeout))

    def suspend_grant(self, grant_id: str, *, reason: str, request_id: str = "", timeout: float = asking.ACKNOWLEDGED) -> Changed:
        """Let a grant not count until it is resumed. When this returns, no worker of any host answers by it any more."""
        return changed_from(self.call(asking.on_grant(asking.SUSPEND, grant_id, reason, request_id), timeout=timeout))

    def resume_grant(self, grant_id: str, *, reason: str, request_id: str = "", timeout: float | None = None) -> Changed:
        """Let a suspended grant count again, as far as its period goes. Nobody does that for themselves."""
        return changed_from(self.call(asking.on_grant(asking.RESUME, grant_id, reason, request_id), timeout=timeout))
