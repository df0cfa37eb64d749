"""What a tool developer sees: questions, denials, errors, trial mode."""

from __future__ import annotations

import asyncio
import logging

import grpc
import pytest

from doubles.wire import Wire, abort, allow, deny, serving
from munjigi_client import (
    TLS,
    AsyncClient,
    Client,
    ConfigurationError,
    Denied,
    InvalidRequest,
    NotAuthenticated,
    NotFound,
    NotNow,
    NotPermitted,
    Question,
    RateLimited,
    ServerFault,
    Unavailable,
)
from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb

ASK = {"purpose": "inquiry", "case_id": "CS-2026-000123", "member_ids": ["1000001"]}


def test_check_carries_the_question_and_both_credentials(wire: Wire, client: Client) -> None:
    decision = client.check(
        "crm.member", ["name", "phone"], **ASK, allow_partial=True, origin_ip="10.0.0.7", session_id="s1", request_id="r1"
    )
    (asked,) = wire.checks
    assert (asked.resource, list(asked.fields), asked.purpose, asked.case_id) == (
        "crm.member",
        ["name", "phone"],
        "inquiry",
        "CS-2026-000123",
    )
    assert (list(asked.member_ids), asked.action, asked.allow_partial, asked.observe) == (["1000001"], "read", True, False)
    assert (asked.origin.ip, asked.origin.session_id, asked.request_id) == ("10.0.0.7", "s1", "r1")
    assert wire.metadata[0]["authorization"] == "Bearer employee-token"
    assert wire.metadata[0]["munjigi-tool-token"] == "tool-token"
    assert (decision.allowed, decision.reason, decision.decision_id) == (True, "ALLOWED", "log-1")
    assert decision.masks == {"phone": "partial"}


def test_an_allow_is_never_cached(wire: Wire, client: Client) -> None:
    assert client.check("crm.member", ["name"], **ASK).allowed
    wire.on_check = lambda request, _context: deny(request)
    assert not client.check("crm.member", ["name"], **ASK).allowed
    assert len(wire.checks) == 2


def test_p3_anything_but_allow_is_a_denial(wire: Wire, client: Client) -> None:
    wire.on_check = lambda _request, _context: pb.CheckResponse()
    decision = client.check("crm.member", ["name"], **ASK)
    assert not decision.allowed
    assert decision.masked({"name": "x"}) == {}


def test_a_row_shows_clear_and_masked_fields_and_nothing_else(wire: Wire, client: Client) -> None:
    decision = client.check("crm.member", ["name", "phone", "resident_number"], **ASK)
    row = {"name": "x", "phone": "010-0000-1234", "resident_number": "secret", "never_asked": "secret"}
    assert decision.masked(row) == {"name": "x", "phone": "010-****-1234"}
    assert decision.visible == ("name", "phone")


def test_a_mask_nobody_knows_shows_nothing_until_the_tool_brings_it(wire: Wire) -> None:
    def answer(request, _context):
        response = allow(request)
        response.fields[0].effect, response.fields[0].mask = pb.FIELD_EFFECT_MASKED, "house_mask"
        return response

    wire.on_check = answer
    for masks, shown in ((None, None), ({"house_mask": lambda value: value[:1]}, "s")):
        with Client(wire.target, masks=masks) as client:
            assert client.check("crm.member", ["name"], **ASK).masked({"name": "secret"}) == {"name": shown}


def test_require_raises_a_typed_denial_with_the_help(wire: Wire, client: Client) -> None:
    wire.on_check = lambda request, _context: deny(request)
    with pytest.raises(Denied) as caught:
        client.require("crm.member", ["name"], **ASK)
    assert caught.value.help == "Ask cs.lee for role cs_agent."
    assert (caught.value.reason, caught.value.decision_id, caught.value.decision.allowed) == ("NO_GRANT", "log-9", False)
    assert "Ask cs.lee" in str(caught.value)
    assert "1000001" not in str(caught.value)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, InvalidRequest),
        (grpc.StatusCode.UNAUTHENTICATED, NotAuthenticated),
        (grpc.StatusCode.PERMISSION_DENIED, NotPermitted),
        (grpc.StatusCode.NOT_FOUND, NotFound),
        (grpc.StatusCode.FAILED_PRECONDITION, NotNow),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, RateLimited),
        (grpc.StatusCode.UNAVAILABLE, Unavailable),
        (grpc.StatusCode.INTERNAL, ServerFault),
    ],
)
def test_each_status_is_one_error_with_the_servers_reason(wire: Wire, client: Client, code, kind) -> None:
    def fail(_request, context):
        abort(context, code, "SOME_REASON", "Do this.", retry_after=1.5, metadata={"decision_id": "log-5"})

    wire.on_check = fail
    with pytest.raises(kind) as caught:
        client.check("crm.member", **ASK)
    assert (caught.value.reason, caught.value.message, caught.value.decision_id) == ("SOME_REASON", "Do this.", "log-5")
    if kind is RateLimited:
        assert caught.value.retry_after == 1.5


def test_unavailable_is_asked_again_and_nothing_else_is(wire: Wire, client: Client) -> None:
    failures = [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNAVAILABLE]

    def fail_twice(request, context):
        if failures:
            context.abort(failures.pop(), "x")
        return allow(request)

    wire.on_check = fail_twice
    assert client.check("crm.member", **ASK).allowed
    assert len(wire.checks) == 3
    failures.append(grpc.StatusCode.INTERNAL)
    with pytest.raises(ServerFault) as caught:
        client.check("crm.member", **ASK)
    assert len(wire.checks) == 4
    assert "is this address really Munjigi's" in str(caught.value)  # no reason came, so the text is ours, not the peer's


def test_nobody_there_is_unavailable_and_says_so() -> None:
    with serving() as wire:
        target = wire.target
    with Client(target, timeout=1) as client, pytest.raises(Unavailable, match="cannot be reached"):
        client.check("crm.member", **ASK)


def test_a_silent_server_costs_no_more_than_the_deadline(wire: Wire, client: Client) -> None:
    import threading

    release = threading.Event()

    def hang(request, _context):
        release.wait(10)
        return allow(request)

    wire.on_check = hang
    try:
        with pytest.raises(Unavailable, match="did not answer in time") as caught:
            client.check("crm.member", **ASK, timeout=0.1)
    finally:
        release.set()
    assert caught.value.reason == "DEADLINE_EXCEEDED"


@pytest.mark.parametrize("member_ids", ["1000001", [1000001]])
def test_arguments_of_the_wrong_type_are_refused_without_repeating_them(client: Client, member_ids) -> None:
    with pytest.raises(InvalidRequest) as caught:
        client.check("crm.member", purpose="inquiry", member_ids=member_ids)
    assert "1000001" not in str(caught.value)


@pytest.mark.parametrize("token", ["secret\ntoken", "비밀", "a\x00b"])
def test_p5_a_malformed_token_is_not_repeated(wire: Wire, token: str) -> None:
    with Client(wire.target, employee_token=token) as client, pytest.raises(ConfigurationError) as caught:
        client.check("crm.member", **ASK)
    assert token not in str(caught.value)


def test_tokens_may_come_from_functions_that_may_fail(wire: Wire) -> None:
    tokens = iter(["one", "two"])
    with Client(wire.target, employee_token=lambda: next(tokens)) as client:
        client.check("crm.member", **ASK)
        client.as_employee("three").check("crm.member", **ASK)
        client.check("crm.member", **ASK)
        assert [each["authorization"] for each in wire.metadata] == ["Bearer one", "Bearer three", "Bearer two"]
        with pytest.raises(Unavailable) as caught:
            client.check("crm.member", **ASK)
    assert caught.value.reason == "TOKEN_PROVIDER_FAILED"


def test_trace_context_travels(wire: Wire) -> None:
    context = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with Client(wire.target, traceparent=lambda: context) as client:
        client.check("crm.member", **ASK)
    assert wire.metadata[0]["traceparent"] == context


@pytest.mark.parametrize("target", ["10.0.0.1:7443", "gateway.example:7443", "dns:///gateway.example:7443", "localhost.evil:1"])
def test_credentials_never_leave_the_machine_in_clear(target: str) -> None:
    with pytest.raises(ConfigurationError, match="give `tls`"):
        Client(target, employee_token="t")


def test_tls_files_are_checked(tmp_path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        Client("10.0.0.1:7443", tls=TLS(authority=tmp_path / "none.pem"))
    with pytest.raises(ConfigurationError, match="go together"):
        Client("10.0.0.1:7443", tls=TLS(certificate=tmp_path / "a.pem"))


def test_a_closed_client_says_so(wire: Wire) -> None:
    client = Client(wire.target)
    view = client.as_employee("x")
    view.close()
    assert view.check("crm.member", **ASK).allowed
    client.close()
    client.close()
    with pytest.raises(ConfigurationError, match="closed"):
        view.check("crm.member", **ASK)


def test_batch_keeps_order_and_gives_each_bad_item_its_error(client: Client) -> None:
    good = Question("crm.member", ("name",), "inquiry", member_ids=("1000001",))
    first, second, third = client.batch_check([good, Question("", (), "inquiry"), good])
    assert first.allowed
    assert third.allowed
    assert isinstance(second, InvalidRequest)
    assert second.reason == "RESOURCE_MISSING"


def test_what_can_reads_every_page(client: Client) -> None:
    whoami = client.what_can()
    assert (whoami.employee, whoami.tool) == ("cs.kim", "crm-desk")
    assert [each.object for each in whoami.permissions] == ["crm.member.c0", "crm.member.c1", "crm.member.c2"]


def test_call_sends_any_request_and_refuses_what_is_none(client: Client) -> None:
    assert client.call(pb.CheckRequest(resource="crm.member", purpose="inquiry")).decision == pb.DECISION_ALLOW
    with pytest.raises(ConfigurationError):
        client.call(pb.CheckResponse())


def test_trial_mode_never_stops_the_tool(wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
    seen = []
    with Client(wire.target, observe=True, on_observed=seen.append, timeout=5) as trial:
        wire.on_check = lambda request, _context: deny(request)
        with trial.access("crm.member", ["name"], **ASK) as access:
            assert access.masked({"name": "as before"}) == {"name": "as before"}
            access.read(rows=1)
        assert wire.checks[0].observe
        wire.on_check = lambda _request, context: abort(context, grpc.StatusCode.UNAUTHENTICATED, "TOKEN_EXPIRED", "Sign in.")
        assert trial.require("crm.member", ["name"], **ASK).observed
        assert [each.reason for each in seen] == ["NO_GRANT", "TOKEN_EXPIRED"]
        wire.on_check = lambda request, _context: allow(request)
        with trial.access("crm.member", ["name"], **ASK) as access:
            access.read(rows=1)
        trial.flush()
    assert wire.confirmed == []  # a trial never counts as use
    with serving() as gone:
        target = gone.target
    with Client(target, observe=True) as trial, caplog.at_level(logging.WARNING, "munjigi_client"):
        assert trial.require("crm.member", ["name"], **ASK).observed
    assert "would be denied: UNAVAILABLE" in caplog.text
    assert "1000001" not in caplog.text


def test_the_asyncio_client_does_the_same(wire: Wire) -> None:
    async def scenario() -> None:
        async def token() -> str:
            return "async-token"

        async with AsyncClient(wire.target, employee_token=token, tool_token="tool", timeout=5) as client:
            assert (await client.check("crm.member", ["name"], **ASK)).allowed
            assert wire.metadata[0]["authorization"] == "Bearer async-token"
            assert [each.allowed for each in await client.batch_check([Question("crm.member", (), "inquiry")])] == [True]
            assert len((await client.what_can()).permissions) == 3
            wire.on_check = lambda request, _context: deny(request)
            with pytest.raises(Denied, match=r"Ask cs\.lee"):
                await client.require("crm.member", ["name"], **ASK)
            wire.on_check = lambda _request, context: abort(context, grpc.StatusCode.INVALID_ARGUMENT, "BAD", "Do this.")
            with pytest.raises(InvalidRequest) as caught:
                await client.check("crm.member", **ASK)
            assert caught.value.reason == "BAD"
        with pytest.raises(ConfigurationError, match="closed"):
            await client.check("crm.member", **ASK)
        seen = []
        async with AsyncClient(wire.target, observe=True, on_observed=seen.append) as trial:
            assert (await trial.require("crm.member", ["name"], **ASK)).observed
        assert [each.reason for each in seen] == ["BAD"]

    asyncio.run(scenario())


def test_an_asyncio_client_outside_a_loop_says_so() -> None:
    with pytest.raises(ConfigurationError, match="inside a coroutine"):
        AsyncClient("127.0.0.1:1")
