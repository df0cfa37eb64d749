"""`check_stream` against a real gateway: the answers of Check, over one call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from running import Daemon, free_port, serving

from munjigi_client import AsyncClient, Client, Decision, InvalidRequest, MunjigiClientError, Question, Unavailable

GOOD: dict[str, Any] = {"resource": "crm.member", "fields": ("name", "phone"), "purpose": "inquiry", "case_id": "CS-2026-000123"}
pytestmark = pytest.mark.servers
QUESTIONS = [
    Question(**{**GOOD, "member_ids": ("1000001",)}),
    Question(**{**GOOD, "fields": ("resident_number",), "member_ids": ("1000002",)}),
    Question(**{**GOOD, "case_id": "not a case", "member_ids": ("1000003",)}),
    Question(**{**GOOD, "resource": ""}),
    Question(**{**GOOD, "probe": True}),
    Question(**{**GOOD, "member_ids": ("x" * 65,)}),
]
Answer = Decision | MunjigiClientError


@pytest.fixture(scope="module", params=["native", "grpcio"])
def gateway(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with serving(tmp_path_factory.mktemp(request.param) / "var", MUNJIGI_FRONT=request.param) as running:
        yield running


def tokens_of(daemon: Daemon) -> dict[str, str]:
    metadata = dict(daemon.credentials("cs.kim"))
    return {"employee_token": metadata["authorization"].removeprefix("Bearer "), "tool_token": metadata["munjigi-tool-token"]}


def meaning(answer: Answer) -> tuple[Any, ...]:
    if isinstance(answer, Decision):
        return answer.allowed, answer.reason, answer.fields, answer.help, answer.must_confirm, answer.subject_limit
    return type(answer), answer.reason, answer.message


def stream(
    how: str, target: str, tokens: dict[str, str], questions: list[Question], **options: Any
) -> list[tuple[Question, Answer]]:
    if how == "threads":
        with Client(target, **tokens, **options) as client:
            return list(client.check_stream(iter(questions)))

    async def each() -> AsyncIterator[Question]:
        for question in questions:
            yield question

    async def ask() -> list[tuple[Question, Answer]]:
        async with AsyncClient(target, **tokens, **options) as client:
            return [pair async for pair in client.check_stream(each() if how == "async source" else questions)]

    return asyncio.run(ask())


HOW = ["threads", "asyncio", "async source"]


@pytest.mark.parametrize("how", HOW)
def test_p4_a_stream_answers_as_a_batch_does(gateway: Daemon, how: str) -> None:
    tokens = tokens_of(gateway)
    with Client(gateway.grpc_address, **tokens, timeout=30) as client:
        expected = {question: meaning(answer) for question, answer in zip(QUESTIONS, client.batch_check(QUESTIONS), strict=True)}
    answered = stream(how, gateway.grpc_address, tokens, QUESTIONS * 50)
    assert len(answered) == len(QUESTIONS) * 50
    for question, answer in answered:
        assert meaning(answer) == expected[question]
    ids = [answer.decision_id for _, answer in answered if isinstance(answer, Decision)]
    assert len(set(ids)) == len(ids) == 150


@pytest.mark.parametrize("how", HOW)
def test_a_question_that_cannot_be_written_down_raises_after_the_answers_before_it(gateway: Daemon, how: str) -> None:
    bad = Question(**{**GOOD, "subject_count": "many"})
    with pytest.raises(InvalidRequest) as refused:
        stream(how, gateway.grpc_address, tokens_of(gateway), [QUESTIONS[0], bad, QUESTIONS[0]])
    assert refused.value.reason == "ARGUMENT_TYPE"
    assert "many" not in str(refused.value)


@pytest.mark.parametrize("how", HOW)
def test_p3_no_gateway_is_no_answer(how: str) -> None:
    with pytest.raises(Unavailable):
        stream(how, f"127.0.0.1:{free_port()}", {"employee_token": "e", "tool_token": "t"}, QUESTIONS)


@pytest.mark.parametrize("how", HOW)
def test_a_trial_is_never_stopped(how: str) -> None:
    target = f"127.0.0.1:{free_port()}"
    answered = stream(how, target, {"employee_token": "e", "tool_token": "t"}, QUESTIONS * 3, observe=True)
    assert sorted(question.resource for question, _ in answered) == sorted(question.resource for question in QUESTIONS * 3)
    assert all(isinstance(answer, Decision) and answer.observed for _, answer in answered)


def test_leaving_early_ends_the_call(gateway: Daemon) -> None:
    with Client(gateway.grpc_address, **tokens_of(gateway)) as client:
        endless = (QUESTIONS[0] for _ in iter(int, 1))
        for number, (_, answer) in enumerate(client.check_stream(endless)):
            assert isinstance(answer, Decision)
            if number == 300:
                break
        assert client.check(**GOOD, member_ids=["1000001"], timeout=30).allowed
