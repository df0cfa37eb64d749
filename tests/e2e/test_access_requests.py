"""Access is asked for, approved, used and found in the trail, on a real daemon with either front; and what is refused there."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Iterator
from typing import Any

import grpc
import psutil
import pytest
from e2e_asking import munjigi, question, reason_of
from google.protobuf.json_format import MessageToDict
from running import Daemon, Stubs, serving

from munjigi_client._proto.munjigi.v1 import access_request_pb2 as pb
from munjigi_client._proto.munjigi.v1 import audit_pb2, decision_pb2, explain_pb2

DAY = 86_400 * 1_000_000_000
CLI = "munjigi-cli"


@pytest.fixture(scope="module", params=["native", "grpcio"])
def own(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon of this module's own: who is denied here is given access here. The last test kills it."""
    state_dir = tmp_path_factory.mktemp(f"asking-{request.param}") / "var"
    with serving(state_dir, MUNJIGI_FRONT=request.param) as running:
        yield running


def found(daemon: Daemon, stubs: Stubs, event_type: str, seconds: float = 60) -> list[dict[str, Any]]:
    """Search until the follower has indexed such a record; newest first, without those of the sample company."""
    asked = audit_pb2.SearchRecordsRequest(event_type=event_type)
    deadline = time.monotonic() + seconds
    while True:
        answer = stubs.audit.SearchRecords(asked, metadata=daemon.credentials("dpo.yoon", CLI), timeout=60)
        records = [MessageToDict(each.content) for each in answer.records]
        records = [each for each in records if each.get("employee") != "munjigi.sample"]
        if records or time.monotonic() > deadline:
            return records
        time.sleep(0.05)


def refusal(call: Any, message: Any, metadata: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as caught:
        call(message, metadata=metadata, timeout=60)
    return reason_of(caught.value)


def test_the_tour_denied_asked_approved_read_and_recorded(own: Daemon) -> None:
    with own.channel() as channel:
        tour(own, Stubs(channel))


def tour(daemon: Daemon, stubs: Stubs) -> None:
    denied = stubs.decision.Check(question(), metadata=daemon.credentials("new.oh"))
    assert (denied.decision, denied.reason) == (decision_pb2.DECISION_DENY, "NO_GRANT")
    command = re.search(r"(munjigi request cs_agent .+)$", denied.help, re.MULTILINE)
    assert command, denied.help
    asked = munjigi(daemon, command[1], "new.oh")["access_request"]
    assert (asked["state"], asked["deciders"]) == ("REQUEST_STATE_REQUESTED", ["cs.lee"])
    assert stubs.decision.Check(question(), metadata=daemon.credentials("new.oh")).reason == "NO_GRANT"
    waiting = munjigi(daemon, "munjigi requests --to-decide", "cs.lee")["access_requests"]
    assert [each["access_request_id"] for each in waiting] == [asked["access_request_id"]]
    approved = munjigi(daemon, f"munjigi approve {asked['access_request_id']} --yes --reason 'the desk is short'", "cs.lee")
    grant = approved["grant"]
    assert int(grant["ends_at"]) - int(grant["starts_at"]) == 90 * DAY
    allowed = stubs.decision.Check(question(), metadata=daemon.credentials("new.oh"))
    assert (allowed.decision, allowed.reason) == (decision_pb2.DECISION_ALLOW, "GRANTED")

    (made,) = found(daemon, stubs, "permission.request")
    assert (made["applicant"], made["holder"], made["role"], made["reason"]) == ("new.oh", "new.oh", "cs_agent", "WHY")
    assert (made["purpose"], made["impact_assessment"], made["days"], made["stages"]) == ("inquiry", "PIA-2026-01", 90, ["owner"])
    assert made["time"] == made["made_at"] == asked["made_at"]
    (closed,) = found(daemon, stubs, "permission.close")
    assert (closed["employee"], closed["request_state"], closed["request_digest"]) == ("cs.lee", "approved", asked["digest"])
    (vote,) = closed["votes"]
    assert (vote["subject"], vote["person_id"], vote["approve"], vote["reason"], vote["at"]) == (
        "cs.lee", "p.cs.lee", True, "the desk is short", closed["time"],
    )  # fmt: skip
    (given,) = found(daemon, stubs, "permission.grant")
    assert (given["holder"], given["approved_by"], given["method"], given["reason"]) == ("new.oh", ["cs.lee"], "request", "WHY")
    assert (given["role"], given["purpose"], given["starts_at"], given["ends_at"]) == (
        "cs_agent", "inquiry", grant["starts_at"], grant["ends_at"],
    )  # fmt: skip
    assert {each["access_request_id"] for each in (made, closed, given)} == {asked["access_request_id"]}


def test_p9_self_approval_is_refused_and_recorded(own: Daemon) -> None:
    with own.channel() as channel:
        refused(own, Stubs(channel))


def refused(daemon: Daemon, stubs: Stubs) -> None:
    lee = daemon.credentials("cs.lee", CLI)
    wanted = pb.RequestAccessRequest(role="privacy_officer", purpose="oversight", days=30, reason="stands in for the officer")
    assert refusal(stubs.grant.RequestAccess, wanted, lee) == (grpc.StatusCode.FAILED_PRECONDITION, "NOBODY_DECIDES")
    wanted = pb.RequestAccessRequest(grant_id="g.dpo.yoon.privacy_officer", days=365, reason="goes on with it")
    yoon = daemon.credentials("dpo.yoon", CLI)
    asked = stubs.grant.RequestAccess(wanted, metadata=yoon).access_request
    vote = pb.DecideRequestRequest(access_request_id=asked.access_request_id, digest=asked.digest, approve=True)
    assert refusal(stubs.grant.DecideRequest, vote, yoon) == (grpc.StatusCode.PERMISSION_DENIED, "SELF_APPROVAL")
    han = daemon.credentials("sec.han", CLI)
    assert refusal(stubs.grant.DecideRequest, vote, han) == (grpc.StatusCode.PERMISSION_DENIED, "POLICY_EDITOR")
    records = [each for each in found(daemon, stubs, "access.decision") if each.get("reason") == "SELF_APPROVAL"]
    assert [(each["employee"], each["decision"], each["resource"]) for each in records] == [("dpo.yoon", "DENY", "munjigi.grant")]


def test_requests_are_a_persons_whichever_account_asked_and_whichever_looks(own: Daemon) -> None:
    event = "munjigi people event joiner e.7 --department customer-service"
    munjigi(own, f"{event} --account cs.two --account cs.two.night", "dpo.yoon")
    wanted = "munjigi request cs_agent --purpose inquiry --days 30 --reason 'joins the desk'"
    asked = munjigi(own, wanted, "cs.two")["access_request"]["access_request_id"]
    for who in ("cs.two", "cs.two.night"):
        assert [each["access_request_id"] for each in munjigi(own, "munjigi requests", who)["access_requests"]] == [asked]
    assert munjigi(own, f"munjigi withdraw {asked}", "cs.two.night")["access_request"]["employee"] == "cs.two"
    assert munjigi(own, "munjigi requests", "mkt.park").get("access_requests", []) == []


def test_a_role_of_another_department_is_refused_with_the_departments(own: Daemon) -> None:
    wanted = pb.RequestAccessRequest(role="fraud_analyst", purpose="fraud_investigation", days=30, reason="helps out there")
    wanted.case_id = "FR-2026-0042"
    with own.channel() as channel, pytest.raises(grpc.RpcError) as caught:
        Stubs(channel).grant.RequestAccess(wanted, metadata=own.credentials("cs.kim", CLI), timeout=60)
    assert reason_of(caught.value) == (grpc.StatusCode.FAILED_PRECONDITION, "ROLE_NOT_FOR_DEPARTMENT")
    assert "Only who works in fraud may hold `fraud_analyst`." in caught.value.details()


def test_a_denial_names_whom_to_ask_today_at_once_also_about_a_denial_of_before(own: Daemon) -> None:
    def told() -> tuple[str, list[list[str]], str, list[str]]:
        denied = stubs.decision.Check(question(), metadata=park)
        line = next(each for each in denied.help.splitlines() if "`cs_agent`" in each)
        about = explain_pb2.ExplainRequest(decision_id=first.decision_id)
        explained = stubs.decision.Explain(about, metadata=park, timeout=60)
        nearest = next(each for each in explained.fields[0].nearest if each.role == "cs_agent")
        return line, [list(each.owners) for each in denied.access_options], explained.help, list(nearest.owners)

    with own.channel() as channel:
        stubs = Stubs(channel)
        munjigi(own, "munjigi people event joiner e.8 --account cs.eight --department customer-service", "dpo.yoon")
        park = own.credentials("cs.eight", CLI)
        first = stubs.decision.Check(question(), metadata=park)
        line, options, explained, nearest = told()
        assert "its owners decide: cs.lee. Ask: munjigi request cs_agent" in line
        assert (options, nearest) == ([["cs.lee"], ["cs.lee"]], ["cs.lee"])  # dpo.yoon is needed for the manager's second stage
        munjigi(own, "munjigi people event leave p.cs.lee", "dpo.yoon")
        try:
            line, options, explained, nearest = told()
            assert line.endswith("nobody of its owners is here to decide (cs.lee); ask the privacy office.")
            assert (options, nearest) == ([[], []], [])
            assert line in explained.splitlines()
        finally:
            munjigi(own, "munjigi people event return p.cs.lee", "dpo.yoon")
        assert "its owners decide: cs.lee." in told()[0]


def test_p1_the_same_call_gets_the_same_answer_also_after_a_kill(own: Daemon) -> None:
    munjigi(own, "munjigi people event joiner e.2 --account cs.seo --department customer-service", "dpo.yoon")
    seo, lee = own.credentials("cs.seo", CLI), own.credentials("cs.lee", CLI)
    wanted = pb.RequestAccessRequest(role="cs_agent", purpose="inquiry", days=30, reason="joins the desk", request_id="r-1")
    with own.channel() as channel:
        grants = Stubs(channel).grant
        asked = grants.RequestAccess(wanted, metadata=seo)
        vote = pb.DecideRequestRequest(
            request_id="v-1",
            access_request_id=asked.access_request.access_request_id,
            digest=asked.access_request.digest,
            approve=True,
        )
        given = grants.DecideRequest(vote, metadata=lee)
        assert given.grant.active
    children = [psutil.Process(pid) for pid in own.children().values()]
    own.stop(signal.SIGKILL)
    psutil.wait_procs(children, timeout=20)
    with serving(own.state_dir, MUNJIGI_FRONT=own.environment["MUNJIGI_FRONT"]) as again, again.channel() as channel:
        grants = Stubs(channel).grant
        assert grants.RequestAccess(wanted, metadata=seo) == asked
        assert grants.DecideRequest(vote, metadata=lee) == given
        other = pb.RequestAccessRequest(role="cs_agent", purpose="inquiry", days=31, reason="joins the desk", request_id="r-1")
        assert refusal(grants.RequestAccess, other, seo) == (grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED")
        listed = grants.ListRequests(pb.ListRequestsRequest(), metadata=seo).access_requests
        assert [each.access_request_id for each in listed] == [asked.access_request.access_request_id]
