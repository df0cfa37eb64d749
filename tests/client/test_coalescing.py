"""Checks that are asked at the same time share a batch, and nobody can tell from the answers."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest

from doubles.wire import Wire, abort, allow, deny, serving
from munjigi_client import AsyncClient, Client, Decision, InvalidRequest, RateLimited, Unavailable
from munjigi_client import _coalescing as coalescing
from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb

Ask = dict[str, Any]


class Gate(Wire):
    """Holds single checks until it is opened, answers each by its own member, and keeps the batches."""

    def __init__(self) -> None:
        super().__init__(on_check=lambda request, _context: allow(request, f"log-{request.member_ids[0]}"))
        self.opened = threading.Event()
        self.batches: list[tuple[str, str, list[str]]] = []
        self.on_batch: Callable[[pb.BatchCheckRequest, grpc.ServicerContext], pb.BatchCheckResponse] = super().BatchCheck

    def Check(self, request, context):  # noqa: N802 - the generated servicer's name
        self.opened.wait(20)
        return super().Check(request, context)

    def BatchCheck(self, request, context):  # noqa: N802 - the generated servicer's name
        seen = dict(context.invocation_metadata())
        members = [item.member_ids[0] for item in request.items]
        self.batches.append((seen.get("authorization", ""), seen.get("traceparent", ""), members))
        return self.on_batch(request, context)


@pytest.fixture(params=["threads", "tasks"])
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def gate():
    with serving(Gate()) as running:
        yield running
        running.opened.set()


def ask_of(number: int, **changes: Any) -> Ask:
    asked = {"resource": "crm.member", "fields": ["name", "phone"], "purpose": "inquiry", "member_ids": [str(number)]}
    return {**asked, **changes}


def crowd(
    kind: str, gate: Gate, asks: list[Ask], meanwhile: Callable[[list[Any]], int] = lambda _: 0, lanes: int = 1, **options: Any
):
    """Ask all at once while the first calls of each lane are held, until all others wait; then open the gate.

    `meanwhile` gets the running tasks or futures, and returns how many no longer wait after what it did.
    """
    wanted = len(asks) - coalescing.IN_FLIGHT * lanes
    if kind == "threads":
        return _threads(gate, asks, wanted, meanwhile, options)
    return asyncio.run(_tasks(gate, asks, wanted, meanwhile, options))


def _under_way(client: Any) -> int:
    return sum(lane._calls for lane in list(client._coalescer._lanes.values()))


def _queued(client: Any) -> int:
    return sum(len(lane.waiting) for lane in list(client._coalescer._lanes.values()))


def _waiting(client: Any) -> int:
    return sum(not each[2].done() for lane in list(client._coalescer._lanes.values()) for each in list(lane.waiting))


def _split(ask: Ask, client: Any) -> tuple[Any, Ask]:
    employee = ask.get("employee")
    return client if employee is None else client.as_employee(employee), {k: v for k, v in ask.items() if k != "employee"}


def _threads(gate: Gate, asks: list[Ask], wanted: int, meanwhile: Callable[[list[Any]], int], options: Ask) -> list[Any]:
    with ThreadPoolExecutor(len(asks)) as pool, Client(gate.target, **{"timeout": 10, **options}) as client:

        def check(ask: Ask) -> Decision:
            asking, question = _split(ask, client)
            return asking.check(**question)

        end = time.monotonic() + 10
        first = len(asks) - wanted
        running = [pool.submit(check, ask) for ask in asks[:first]]
        while _under_way(client) < first:
            assert time.monotonic() < end
        running += [pool.submit(check, ask) for ask in asks[first:]]
        while _queued(client) < wanted:
            assert time.monotonic() < end
        wanted -= meanwhile(running)
        while _waiting(client) > wanted:
            assert time.monotonic() < end
        gate.opened.set()
        return [each.exception() or each.result() for each in running]


async def _tasks(gate: Gate, asks: list[Ask], wanted: int, meanwhile: Callable[[list[Any]], int], options: Ask) -> list[Any]:
    async with AsyncClient(gate.target, **{"timeout": 10, **options}) as client:

        async def check(ask: Ask) -> Decision:
            asking, question = _split(ask, client)
            return await asking.check(**question)

        running = [asyncio.create_task(check(ask)) for ask in asks]
        async with asyncio.timeout(10):
            while _queued(client) < wanted:
                await asyncio.sleep(0)
            wanted -= meanwhile(running)
            while _waiting(client) > wanted:
                await asyncio.sleep(0)
        gate.opened.set()
        return list(await asyncio.gather(*running, return_exceptions=True))


def test_one_question_alone_goes_at_once_as_a_check(kind: str, gate: Gate) -> None:
    gate.opened.set()

    async def one_by_one() -> None:
        async with AsyncClient(gate.target, timeout=5) as client:
            for number in range(3):
                assert (await client.check(**ask_of(number))).allowed

    if kind == "tasks":
        asyncio.run(one_by_one())
    else:
        with Client(gate.target, timeout=5) as client:
            for number in range(3):
                assert client.check(**ask_of(number)).allowed
            assert [each.name for each in threading.enumerate() if each.name.startswith("munjigi")] == []
    assert (len(gate.checks), gate.batches) == (3, [])


def test_p4_a_crowd_shares_a_few_batches_and_each_gets_its_own_answer(kind: str, gate: Gate) -> None:
    answers = crowd(kind, gate, [ask_of(number) for number in range(60)])
    assert [each.decision_id for each in answers] == [f"log-{number}" for number in range(60)]
    assert all(each.masks == {"phone": "partial"} for each in answers)
    assert len(gate.checks) == coalescing.IN_FLIGHT
    assert sorted(int(each) for *_, members in gate.batches for each in members) == list(range(2, 60))
    assert len(gate.batches) <= 5


def test_equal_questions_are_all_sent_so_that_no_allow_is_kept(kind: str, gate: Gate) -> None:
    crowd(kind, gate, [ask_of(7)] * 20)
    assert len(gate.checks) + sum(len(members) for *_, members in gate.batches) == 20


def test_each_employee_has_batches_of_their_own(kind: str, gate: Gate) -> None:
    asks = [ask_of(number, employee=f"token-{number % 3}") for number in range(30)]
    answers = crowd(kind, gate, asks, lanes=3)
    assert [each.employee_token for each in answers] == [f"token-{number % 3}" for number in range(30)]
    assert len(gate.batches) >= 3
    for token, _, members in gate.batches:
        assert {f"Bearer token-{int(each) % 3}" for each in members} == {token}


def test_questions_of_different_traces_are_not_mixed(kind: str, gate: Gate) -> None:
    traces = [f"00-{trace:032x}-b7ad6b7169203331-01" for trace in (1, 2)]
    moments = itertools.count()
    answers = crowd(kind, gate, [ask_of(7)] * 20, lanes=2, traceparent=lambda: traces[next(moments) % 2])
    assert all(each.allowed for each in answers)
    assert {trace for _, trace, _ in gate.batches} == set(traces)
    assert {each["traceparent"] for each in gate.metadata} == set(traces)
    assert sum(len(members) for _, _, members in gate.batches) == 16  # 8 of each: the lanes did not mix


def test_a_bad_question_raises_in_its_own_caller_alone(kind: str, gate: Gate) -> None:
    asks = [ask_of(number, resource="" if number == 9 else "crm.member") for number in range(20)]
    answers = crowd(kind, gate, asks)
    assert isinstance(answers[9], InvalidRequest)
    assert (answers[9].reason, answers[9].message) == ("RESOURCE_MISSING", "Name a resource.")
    assert [each.decision_id for each in answers if each is not answers[9]] == [f"log-{n}" for n in range(20) if n != 9]


def test_a_failed_batch_fails_all_of_its_callers_alike(kind: str, gate: Gate) -> None:
    def refuse(_request, context):
        abort(context, grpc.StatusCode.RESOURCE_EXHAUSTED, "TOOL_RATE_EXCEEDED", "Wait.", retry_after=1.5)

    gate.on_batch = refuse
    answers = crowd(kind, gate, [ask_of(number) for number in range(12)])
    assert all(each.allowed for each in answers[:2])
    assert all(isinstance(each, RateLimited) for each in answers[2:])
    assert {(each.reason, each.message, each.retry_after) for each in answers[2:]} == {("TOOL_RATE_EXCEEDED", "Wait.", 1.5)}
    assert len({id(each) for each in answers}) == 12


def test_a_batch_that_ends_unavailable_is_sent_again(kind: str, gate: Gate) -> None:
    answer = gate.on_batch
    failures = [grpc.StatusCode.UNAVAILABLE]

    def fail_once(request, context):
        if failures:
            context.abort(failures.pop(), "x")
        return answer(request, context)

    gate.on_batch = fail_once
    answers = crowd(kind, gate, [ask_of(number) for number in range(8)])
    assert all(each.allowed for each in answers)
    assert len(gate.batches) == 2


def test_p3_an_answer_that_does_not_match_its_batch_is_nobodys(kind: str, gate: Gate) -> None:
    answer = gate.on_batch

    def short(request, context):
        response = answer(request, context)
        del response.results[3]
        return response

    gate.on_batch = short
    answers = crowd(kind, gate, [ask_of(number) for number in range(10)])
    assert {(type(each), each.reason) for each in answers[2:]} == {(Unavailable, "ANSWER_INCOMPLETE")}


def test_each_caller_keeps_its_own_deadline(kind: str, gate: Gate) -> None:
    asks = [ask_of(number, timeout=0.05 if number == 5 else 20) for number in range(12)]
    answers = crowd(kind, gate, asks, lambda _: 1)  # that one gives up while all are held
    assert (type(answers[5]), answers[5].reason) == (Unavailable, "DEADLINE_EXCEEDED")
    assert "did not answer in time" in str(answers[5])
    assert all(each.allowed for number, each in enumerate(answers) if number != 5)
    assert "5" not in {each for *_, members in gate.batches for each in members}  # nobody waits for it: it isn't asked


@pytest.mark.parametrize("kind", ["tasks"])  # a thread can't be cancelled
def test_a_cancelled_caller_does_not_harm_the_others(kind: str, gate: Gate) -> None:
    answers = crowd(kind, gate, [ask_of(number) for number in range(12)], lambda tasks: tasks[0].cancel() + tasks[6].cancel())
    assert [type(answers[each]) for each in (0, 6)] == [asyncio.CancelledError] * 2
    assert all(each.allowed for number, each in enumerate(answers) if number not in (0, 6))


def test_trial_mode_hears_of_each_denial_in_a_batch(kind: str, gate: Gate) -> None:
    gate.on_check = lambda request, _context: deny(request)
    heard = []
    answers = crowd(kind, gate, [ask_of(number) for number in range(10)], observe=True, on_observed=heard.append)
    assert all(each.observed for each in answers)
    assert [each.reason for each in heard] == ["NO_GRANT"] * 10


def test_closing_leaves_nobody_waiting(kind: str, gate: Gate) -> None:
    async def tasks() -> list[Any]:
        client = AsyncClient(gate.target, timeout=20)
        running = [asyncio.create_task(client.check(**ask_of(number))) for number in range(9)]
        while _queued(client) < 7:
            await asyncio.sleep(0)
        await client.close()
        return list(await asyncio.gather(*running, return_exceptions=True))

    def threads() -> list[Any]:
        client = Client(gate.target, timeout=20)
        with ThreadPoolExecutor(9) as pool:
            running = [pool.submit(client.check, **ask_of(number)) for number in range(9)]
            end = time.monotonic() + 10
            while _queued(client) < 7:
                assert time.monotonic() < end
            client.close()
            return [each.exception() for each in running]

    began = time.monotonic()
    answers = asyncio.run(tasks()) if kind == "tasks" else threads()
    assert all(isinstance(each, BaseException) for each in answers)
    assert time.monotonic() - began < 10


def test_it_can_be_switched_off(kind: str, gate: Gate) -> None:
    gate.opened.set()

    async def tasks() -> None:
        async with AsyncClient(gate.target, timeout=10, coalesce=False) as client:
            await asyncio.gather(*(client.check(**ask_of(number)) for number in range(20)))

    if kind == "tasks":
        asyncio.run(tasks())
    else:
        with Client(gate.target, timeout=10, coalesce=False) as client, ThreadPoolExecutor(20) as pool:
            list(pool.map(lambda number: client.check(**ask_of(number)), range(20)))
    assert (len(gate.checks), gate.batches) == (20, [])
