"""The client's methods around rights, sync and asyncio, with a real gateway: asked in one click, decided, listed, taken back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest
from running import Daemon, serving

from munjigi_client import AccessOption, AsyncClient, Client, Denied, InvalidRequest, NotFound, NotNow, NotPermitted

pytestmark = pytest.mark.servers
DESK = {"purpose": "inquiry", "case_id": "CS-2026-000123", "member_ids": ["1000001"]}
CLI = "munjigi-cli"
DAY = 86_400_000_000_000


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with serving(tmp_path_factory.mktemp("rights") / "var") as running:
        yield running


def tokens(daemon: Daemon, who: str, tool: str = CLI) -> dict[str, str]:
    metadata = dict(daemon.credentials(who, tool))
    return {"employee_token": metadata["authorization"].removeprefix("Bearer "), "tool_token": metadata["munjigi-tool-token"]}


def client(daemon: Daemon, who: str, tool: str = CLI) -> Client:
    return Client(daemon.grpc_address, **tokens(daemon, who, tool), timeout=10)


def test_a_denial_carries_the_request_that_repairs_it_and_the_right_goes_its_whole_way(gateway: Daemon) -> None:
    with client(gateway, "new.oh", "crm-desk") as desk, client(gateway, "new.oh") as oh, client(gateway, "cs.lee") as lee:
        with pytest.raises(Denied) as caught:
            desk.require("crm.member", ["name"], **DESK)
        assert caught.value.options == (
            AccessOption("cs_agent", "inquiry", 90, "", ("cs.lee",)),
            AccessOption("cs_manager", "inquiry", 90, "", ("cs.lee",)),
        )
        asked = oh.request_access(**caught.value.options[0].wanted, reason="joins the inquiry desk")
        assert (asked.access_request.state, asked.access_request.deciders, asked.missing) == ("requested", ("cs.lee",), ())
        assert asked.record_id
        with pytest.raises(NotNow) as open_already:
            oh.request_access("cs_agent", purpose="inquiry", days=30, reason="again")
        assert open_already.value.reason == "ACCESS_REQUEST_OPEN"
        assert [each.access_request_id for each in oh.access_requests()] == [asked.access_request.access_request_id]

        (waiting,) = lee.access_requests(to_decide=True)
        assert waiting == lee.access_request(asked.access_request.access_request_id)
        with pytest.raises(NotPermitted) as own:
            oh.approve(waiting)
        assert (own.value.reason, bool(own.value.decision_id)) == ("SELF_APPROVAL", True)
        decided = lee.approve(waiting, reason="the desk is short")
        assert decided.access_request.state == "approved"
        assert [(vote.employee, vote.approve, vote.reason) for vote in decided.access_request.votes] == [
            ("cs.lee", True, "the desk is short")
        ]
        with pytest.raises(NotNow, match="ACCESS_REQUEST_CLOSED"):
            lee.deny(waiting, reason="too late")
        grant = decided.grant
        assert grant is not None
        assert (grant.state, grant.ends_at - grant.starts_at, list(oh.grants())) == ("active", 90 * DAY, [grant])
        assert desk.require("crm.member", ["name"], **DESK).access_options == ()

        narrowed = lee.change_grant(grant.grant_id, reason="a month will do", ends_at=grant.starts_at + 30 * DAY)
        assert narrowed.grant.ends_at == grant.starts_at + 30 * DAY
        suspended = oh.suspend_grant(grant.grant_id, reason="on another desk")
        assert (suspended.grant.state, suspended.grant.suspended, suspended.waited > 0) == ("suspended", "holder", True)
        assert desk.check("crm.member", ["name"], **DESK).reason == "GRANT_SUSPENDED"
        with pytest.raises(NotPermitted):
            oh.resume_grant(grant.grant_id, reason="back")
        assert lee.resume_grant(grant.grant_id, reason="back").grant.active
        revoked = lee.revoke_grant(grant.grant_id, reason="the desk is full")
        assert (revoked.grant.state, revoked.grant.ended) == ("revoked", "revoked")
        assert (list(oh.grants()), oh.grant(grant.grant_id)) == ([], revoked.grant)
        assert list(oh.grants(include_inactive=True)) == [revoked.grant]
        assert list(oh.grants(person_id="p.new.oh", include_inactive=True)) == [revoked.grant]
        with pytest.raises(NotPermitted):
            list(oh.grants(person_id="p.cs.lee"))
        with pytest.raises(InvalidRequest) as both:
            list(oh.grants(person_id="p.new.oh", everyone=True))
        assert both.value.reason == "FILTER_CONTRADICTORY"
        with pytest.raises(NotNow, match="GRANT_STATE"):
            lee.revoke_grant(grant.grant_id, reason="again")


def test_the_asyncio_client_does_the_same(gateway: Daemon) -> None:
    async def scenario() -> None:
        def made(who: str) -> AsyncClient:
            return AsyncClient(gateway.grpc_address, **tokens(gateway, who), timeout=10)

        async with made("fraud.choi") as choi, made("cs.lee") as lee, made("dpo.yoon") as yoon:
            held = [grant async for grant in choi.grants()]
            asked = await choi.request_access(renew=held[0].grant_id, days=365, case_id="FR-2026-0042", reason="goes on")
            assert (asked.access_request.kind, asked.access_request.stages) == ("renew", ("owner", "privacy"))
            first = await lee.approve(await lee.access_request(asked.access_request.access_request_id))
            assert (first.grant, first.access_request.deciders) == (None, ("dpo.yoon",))
            (waiting,) = [each async for each in yoon.access_requests(to_decide=True)]
            denied = await yoon.deny(waiting, reason="a quarter will do")
            assert [vote.approve for vote in denied.access_request.votes] == [True, False]
            again = await choi.request_access(renew=held[0].grant_id, days=300, case_id="FR-2026-0042", reason="goes on")
            withdrawn = await choi.withdraw(again.access_request.access_request_id)
            assert withdrawn.access_request.state == "withdrawn"
            assert (await choi.revoke_grant(held[0].grant_id, reason="not needed")).grant.state == "revoked"
            taken = await choi.break_glass(
                "fraud_analyst", purpose="fraud_investigation", case_id="FR-2026-0043", reason="the lines are down since noon"
            )
            assert (taken.grant.break_glass, taken.review.kind, taken.review.state) == (True, "break_glass", "requested")
            everyone = [grant async for grant in yoon.grants(everyone=True, role="fraud_analyst")]
            assert {grant.grant_id for grant in everyone} == {taken.grant.grant_id}
            assert [grant async for grant in yoon.grants(person_id="p.fraud.choi")] == everyone
            suspended = await yoon.suspend_grant(taken.grant.grant_id, reason="looked into")
            assert suspended.grant.suspended == "operator"
            with pytest.raises(NotPermitted):  # an owner can't undo what was done with the right to operate
                await lee.resume_grant(taken.grant.grant_id, reason="needed")
            assert (await yoon.resume_grant(taken.grant.grant_id, reason="cleared")).grant.active
            assert (await choi.revoke_grant(taken.grant.grant_id, reason="done")).grant.state == "revoked"
            with pytest.raises(NotFound) as unknown:
                await yoon.grant("g-none")
            assert unknown.value.reason == "GRANT_UNKNOWN"

    asyncio.run(scenario())


def test_p1_a_change_that_is_sent_again_is_one_change(gateway: Daemon) -> None:
    with client(gateway, "cs.kim") as kim:
        first = kim.request_access(renew="g.cs.kim.cs_agent", days=364, reason="goes on", request_id="click-1")
        assert kim.request_access(renew="g.cs.kim.cs_agent", days=364, reason="goes on", request_id="click-1") == first
        with pytest.raises(NotNow) as reused:
            kim.request_access(renew="g.cs.kim.cs_agent", days=363, reason="goes on", request_id="click-1")
        assert reused.value.reason == "REQUEST_ID_REUSED"
        kim.withdraw(first.access_request.access_request_id)


def test_what_the_wire_cant_carry_is_refused_here_and_what_the_policy_refuses_has_its_reason(gateway: Daemon) -> None:
    with client(gateway, "mkt.park") as park:
        for wrong in (
            {"days": "90"},
            {"days": 2**40},
            {"scope_objects": "crm.member.name"},
            {"ends_at": "2026-12-31"},
            {"employee": 7},
        ):
            with pytest.raises(InvalidRequest, match="ARGUMENT_TYPE"):
                park.request_access("marketing_analyst", purpose="marketing", reason="plans", **wrong)  # type: ignore[arg-type]
        with pytest.raises(InvalidRequest, match="ARGUMENT_TYPE"):
            list(park.access_requests(state="open"))  # type: ignore[arg-type]
        for call in (park.grant, park.access_request):
            with pytest.raises(InvalidRequest, match="ARGUMENT_TYPE"):
                call("")
        with pytest.raises(NotNow) as elsewhere:
            park.request_access("cs_agent", purpose="inquiry", days=30, reason="curious")
        assert elsewhere.value.reason == "ROLE_NOT_FOR_DEPARTMENT"
        with pytest.raises(InvalidRequest) as past:
            park.request_access(renew="g.mkt.park.marketing_analyst", ends_at=time.time_ns() - DAY, reason="late")
        assert past.value.reason == "PERIOD_INVALID"
        decision = park.check("crm.member", ["name"], **DESK)
        assert (decision.reason, decision.access_options) == ("GRANT_OTHER_PURPOSE", ())  # for other departments
