"""Reads that were allowed are confirmed, in batches, and no confirmation is lost without a word."""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import sys
import threading
import time

import grpc
import pytest

from doubles.wire import Wire, abort, allow, serving
from munjigi_client import AsyncClient, Client, ConfigurationError, ConfirmationsLost, InvalidRequest
from munjigi_client._confirmations import Book, Flusher, Pending
from munjigi_client._errors import Unavailable
from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb

ASK = {"purpose": "inquiry", "case_id": "CS-2026-000123", "member_ids": ["1000001"]}


def outcomes(wire: Wire) -> list[tuple[str, int, int, list[str]]]:
    return [(item.decision_id, item.outcome, item.row_count, list(item.member_ids)) for _, item in wire.confirmed]


def test_an_access_confirms_what_it_reported(wire: Wire, client: Client) -> None:
    with client.access("crm.member", ["name"], **ASK) as access:
        access.read(rows=1, member_ids=["1000001"])
        access.read(rows=2, member_ids=["1000001", "1000002"])
    client.flush()
    assert outcomes(wire) == [("log-1", pb.READ_OUTCOME_READ, 3, ["1000001", "1000002"])]
    assert wire.confirmed[0][0] == "Bearer employee-token"


def test_an_exception_is_failed_and_silence_is_abandoned(wire: Wire, client: Client) -> None:
    with pytest.raises(ZeroDivisionError), client.access("crm.member", **ASK):
        raise ZeroDivisionError
    with client.access("crm.member", **ASK):
        pass
    with pytest.raises(ZeroDivisionError), client.access("crm.member", **ASK) as access:  # noqa: PT012 - the order matters
        access.read(rows=1)
        raise ZeroDivisionError
    client.flush()
    # Rows that were reported may have reached the employee, whatever happened afterwards.
    assert [each[1] for each in outcomes(wire)] == [pb.READ_OUTCOME_FAILED, pb.READ_OUTCOME_ABANDONED, pb.READ_OUTCOME_READ]


def test_an_exempt_tool_confirms_only_what_it_reports(wire: Wire, client: Client) -> None:
    wire.on_check = lambda request, _context: allow(request, confirm=False)
    with client.access("crm.member", **ASK):
        pass
    client.confirm(client.require("crm.member", **ASK), rows=4)
    client.flush()
    assert [each[1:3] for each in outcomes(wire)] == [(pb.READ_OUTCOME_READ, 4)]


def test_a_probe_is_not_confirmed(wire: Wire, client: Client) -> None:
    client.confirm(client.check("crm.member", **ASK, probe=True), rows=1)
    client.flush()
    assert wire.confirmed == []
    assert wire.checks[0].intent == pb.INTENT_PROBE


def test_confirmations_travel_in_batches_one_employee_each(wire: Wire, client: Client) -> None:
    numbers = itertools.count()
    wire.on_check = lambda request, _context: allow(request, f"log-{next(numbers)}")
    views = [client.as_employee("a"), client.as_employee("b")]
    decisions = [(view, view.require("crm.member", **ASK)) for _ in range(100) for view in views]
    for view, decision in decisions:
        view.confirm(decision, rows=1)
    client.flush()
    assert len(wire.confirmed) == 200
    assert wire.confirm_calls <= 20
    assert {token for token, _ in wire.confirmed} == {"Bearer a", "Bearer b"}
    for name in ("a", "b"):
        mine = {item.decision_id for token, item in wire.confirmed if token == f"Bearer {name}"}
        assert mine == {decision.decision_id for _, decision in decisions if decision.employee_token == name}


def test_the_background_thread_sends_without_being_asked(wire: Wire, client: Client) -> None:
    arrived = threading.Event()

    def confirm(_item, _context):
        arrived.set()
        return pb.ConfirmResult(record=pb.RecordPosition(log_id="log"))

    wire.on_confirm = confirm
    client.confirm(client.require("crm.member", **ASK), rows=1)
    assert arrived.wait(5)


def test_closing_sends_what_waits(wire: Wire) -> None:
    with Client(wire.target) as client:
        client.confirm(client.require("crm.member", **ASK), rows=1)
    assert len(wire.confirmed) == 1


def test_a_script_that_never_closes_still_confirms(wire: Wire) -> None:
    script = (
        "import sys; from munjigi_client import Client\n"
        "client = Client(sys.argv[1])\n"
        "with client.access('crm.member', ['name'], purpose='inquiry') as access: access.read(rows=1)\n"
    )
    subprocess.run([sys.executable, "-c", script, wire.target], check=True, timeout=30)
    assert [each[1:3] for each in outcomes(wire)] == [(pb.READ_OUTCOME_READ, 1)]


def test_a_refused_confirmation_surfaces_on_close_without_personal_data(wire: Wire, caplog) -> None:
    error = pb.ItemError(code=9, reason="DECISION_EXPIRED", message="Ask again.")
    wire.on_confirm = lambda _item, _context: pb.ConfirmResult(error=error)
    heard = []
    client = Client(wire.target, on_lost=heard.append)
    with client.access("crm.member", **ASK) as access:
        access.read(rows=1, member_ids=["1000001"])
    with pytest.raises(ConfirmationsLost) as caught:
        client.close()
    assert caught.value.reasons == {"DECISION_EXPIRED": 1}
    assert heard == [{"DECISION_EXPIRED": 1}]
    assert "DECISION_EXPIRED" in caplog.text
    assert "1000001" not in caplog.text + str(caught.value)
    with pytest.raises(ConfigurationError):  # it is closed all the same
        client.check("crm.member", **ASK)


def test_a_restarted_gateway_gets_the_confirmations(tmp_path) -> None:
    with serving() as wire:
        client = Client(wire.target, timeout=1)
        decision = client.require("crm.member", **ASK)
    client.confirm(decision, rows=1)
    with serving(address=wire.target) as again:
        client.close(timeout=10)
    assert len(again.confirmed) == 1


def test_a_gateway_that_stays_away_is_counted_as_lost() -> None:
    with serving() as wire:
        client = Client(wire.target, timeout=0.3)
        decision = client.require("crm.member", **ASK)
    client.confirm(decision, rows=1)
    with pytest.raises(ConfirmationsLost) as caught:
        client.close(timeout=0.3)
    assert caught.value.reasons == {"UNAVAILABLE": 1}


def test_too_many_members_are_refused_but_the_rows_stay_reported(wire: Wire, client: Client) -> None:
    with pytest.raises(InvalidRequest, match="1000 members"), client.access("crm.member", **ASK) as access:
        access.read(rows=1001, member_ids=[str(number) for number in range(1001)])
    client.flush()
    assert [(rows, len(members)) for _, _, rows, members in outcomes(wire)] == [(1001, 1000)]


@pytest.mark.parametrize(("rows", "member_ids"), [(-1, []), (1, [7]), (1, "1000001")])
def test_a_wrong_report_is_refused_where_it_is_made(client: Client, rows, member_ids) -> None:
    with client.access("crm.member", **ASK) as access, pytest.raises(InvalidRequest):
        access.read(rows=rows, member_ids=member_ids)


def test_the_decorator_asks_for_each_call_and_confirms_it(wire: Wire, client: Client) -> None:
    @client.guarded(
        "crm.member",
        ["name"],
        purpose="inquiry",
        case_id=lambda case, _serial: case,
        member_ids=lambda _case, serial: [serial],
    )
    def show(case: str, serial: str, access) -> str:
        access.read(rows=1, member_ids=[serial])
        return f"{case} shown"

    assert show("CS-2026-000123", "1000001") == "CS-2026-000123 shown"
    assert (wire.checks[0].case_id, list(wire.checks[0].member_ids)) == ("CS-2026-000123", ["1000001"])
    client.flush()
    assert len(wire.confirmed) == 1
    with pytest.raises(ConfigurationError, match="parameter `access`"):
        client.guarded("crm.member", purpose="inquiry")(lambda: None)


def test_asyncio_confirms_too(wire: Wire) -> None:
    async def scenario() -> None:
        async with AsyncClient(wire.target, employee_token="e", timeout=5) as client:
            async with client.access("crm.member", ["name"], **ASK) as access:
                access.read(rows=2, member_ids=["1000001"])

            @client.guarded("crm.member", purpose="inquiry", case_id=lambda case: case)
            async def show(case: str, access) -> str:
                access.read(rows=1)
                return case

            assert await show("CS-2026-000123") == "CS-2026-000123"
            await client.flush()
            assert len(wire.confirmed) == 2
            with pytest.raises(ZeroDivisionError):
                async with client.access("crm.member", **ASK):
                    raise ZeroDivisionError
        assert [each[1:3] for each in outcomes(wire)][-1] == (pb.READ_OUTCOME_FAILED, 0)
        refuse = pb.ConfirmResult(error=pb.ItemError(code=5, reason="DECISION_UNKNOWN", message="m"))
        wire.on_confirm = lambda _item, _context: refuse
        client = AsyncClient(wire.target)
        client.confirm(await client.require("crm.member", **ASK), rows=1)
        with pytest.raises(ConfirmationsLost) as caught:
            await client.close()
        assert caught.value.reasons == {"DECISION_UNKNOWN": 1}

    asyncio.run(scenario())


def test_asyncio_sends_in_the_background_and_through_a_short_outage(wire: Wire) -> None:
    failures = [1]

    def confirm(_item, context):
        if failures:
            failures.pop()
            abort(context, grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MUCH", "Later.")
        return pb.ConfirmResult(record=pb.RecordPosition(log_id="log"))

    wire.on_confirm = confirm

    async def scenario() -> None:
        async with AsyncClient(wire.target, timeout=5) as client:
            client.confirm(await client.require("crm.member", **ASK), rows=1)
            end = time.monotonic() + 10
            while not wire.confirmed and time.monotonic() < end:
                await asyncio.sleep(0.02)  # polls with a deadline: the server runs in threads of its own
            assert len(wire.confirmed) == 1

    asyncio.run(scenario())


def pending(number: int, token: str = "t", members: int = 0, give_up: float = 100.0) -> Pending:
    return Pending(pb.ConfirmItem(decision_id=f"log-{number}", member_ids=["1"] * members), token, give_up)


def test_a_batch_never_outgrows_a_message() -> None:
    book = Book(None)
    everything = [pending(number, members=1000) for number in range(100)] + [pending(number) for number in range(100, 1700)]
    book.waiting.extend(everything)
    batches = list(book.take())
    assert [each for batch in batches for each in batch] == everything
    assert max(len(batch) for batch in batches) <= 500
    assert max(sum(len(each.item.member_ids) for each in batch) for batch in batches) <= 20_000


def test_what_may_work_later_waits_until_its_minute_is_over() -> None:
    book = Book(None)
    batch = [pending(1, give_up=10.0), pending(2, give_up=20.0)]
    book.failed(batch, Unavailable("AUDIT_UNAVAILABLE", "m"), now=15.0)
    assert list(book.waiting) == batch[1:]
    with pytest.raises(ConfirmationsLost) as caught:
        book.raise_lost()
    assert caught.value.reasons == {"AUDIT_UNAVAILABLE": 1}
    book.raise_lost()


def test_a_short_answer_counts_the_rest_as_lost() -> None:
    book = Book(None)
    book.answered([pending(1), pending(2)], pb.ConfirmReadResponse(results=[pb.ConfirmResult()]), now=0.0)
    with pytest.raises(ConfirmationsLost, match="ANSWER_INCOMPLETE: 1"):
        book.raise_lost()


def test_an_unforeseen_error_or_a_failing_listener_loses_nothing_silently(caplog) -> None:
    def explode(*_anything):
        raise RuntimeError

    flusher = Flusher(explode, explode)
    flusher.add(pb.ConfirmItem(decision_id="log-1"), "t")
    with pytest.raises(ConfirmationsLost) as caught:
        flusher.close(1.0)
    assert caught.value.reasons == {"RuntimeError": 1}


def test_a_full_queue_sends_at_once_and_counts_what_it_must_drop(monkeypatch) -> None:
    monkeypatch.setattr("munjigi_client._confirmations.CAPACITY", 10)

    def away(_batch):
        raise Unavailable("UNAVAILABLE", "m")

    flusher = Flusher(away, None)
    for number in range(15):
        flusher.add(pb.ConfirmItem(decision_id=f"log-{number}"), "t")
    with pytest.raises(ConfirmationsLost) as caught:
        flusher.close(0.0)
    assert caught.value.reasons == {"QUEUE_FULL": 5, "UNAVAILABLE": 10}
