"""P4: a real gateway gives the same verdicts to coalesced checks as to single ones."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from running import Daemon, serving

from munjigi_client import AsyncClient, Client, Decision, MunjigiClientError
from munjigi_client._calls import WrittenBatch

pytestmark = pytest.mark.servers
ALLOWED = {"resource": "crm.member", "fields": ["name", "phone"], "purpose": "inquiry", "case_id": "CS-2026-000123"}
ASKS: list[dict[str, Any]] = [
    {**ALLOWED, "member_ids": ["1000001"]},
    {**ALLOWED, "member_ids": ["1000002", "1000003"]},
    {**ALLOWED, "fields": []},
    {**ALLOWED, "fields": ["name", "resident_number"], "subject_count": 3},
    {**ALLOWED, "fields": ["name", "resident_number"], "subject_count": 3, "allow_partial": True},
    {**ALLOWED, "probe": True},
    {**ALLOWED, "action": "delete", "member_ids": ["1000001"]},
    {**ALLOWED, "purpose": "nothing"},
    {**ALLOWED, "resource": "crm.nowhere"},
    {**ALLOWED, "resource": ""},
    {**ALLOWED, "case_id": "not a case"},
    {**ALLOWED, "fields": [], "resource": "class:contact", "member_ids": ["1000001"]},
    {**ALLOWED, "member_ids": ["x" * 65]},
    {**ALLOWED, "request_id": "no spaces please"},
] * 8


@pytest.fixture(scope="module", params=["native", "grpcio"])
def gateway(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with serving(tmp_path_factory.mktemp(request.param) / "var", MUNJIGI_FRONT=request.param) as running:
        yield running


def tokens_of(daemon: Daemon) -> dict[str, str]:
    metadata = dict(daemon.credentials("cs.kim"))
    return {"employee_token": metadata["authorization"].removeprefix("Bearer "), "tool_token": metadata["munjigi-tool-token"]}


def meaning(answer: Decision | BaseException) -> tuple[Any, ...]:
    """Everything of an answer but its id and its time."""
    if isinstance(answer, Decision):
        return (
            answer.allowed,
            answer.reason,
            answer.help,
            answer.fields,
            bool(answer.valid_until),
            answer.must_confirm,
            answer.subject_limit,
            answer.policy_revision,
            answer.grant_revision,
            answer.role_path,
        )
    assert isinstance(answer, MunjigiClientError), answer
    return type(answer), answer.reason, answer.message, answer.decision_id


def test_p4_coalesced_checks_answer_as_single_ones_do(gateway: Daemon) -> None:
    tokens = tokens_of(gateway)

    async def tasks() -> list[Decision | BaseException]:
        async with AsyncClient(gateway.grpc_address, **tokens, timeout=30) as client:
            answers = list(await asyncio.gather(*(client.check(**ask) for ask in ASKS), return_exceptions=True))
            assert WrittenBatch in client._methods
            for answer in answers:
                if isinstance(answer, Decision):
                    client.confirm(answer, rows=1)
            await client.flush(20)  # raises when a confirmation is refused
            return answers

    def threads(*, coalesce: bool) -> list[Decision | BaseException]:
        with Client(gateway.grpc_address, **tokens, timeout=30, coalesce=coalesce) as client, ThreadPoolExecutor(24) as pool:
            running = [pool.submit(client.check, **ask) for ask in ASKS]
            answers = [each.exception() or each.result() for each in running]
            assert (WrittenBatch in client._methods) is coalesce
            return answers

    single = threads(coalesce=False)
    expected = [meaning(each) for each in single]
    assert len({each[:2] for each in expected}) >= 6
    found = [single]
    for answers in (threads(coalesce=True), asyncio.run(tasks())):
        assert [meaning(each) for each in answers] == expected
        found.append(answers)
    ids = [each.decision_id for answers in found for each in answers if isinstance(each, Decision)]
    assert all(ids)
    assert len(set(ids)) == len(ids)  # each answer has a record of its own


def test_a_credential_that_is_refused_is_refused_to_all(gateway: Daemon) -> None:
    tokens = {**tokens_of(gateway), "employee_token": "not.a.token"}

    async def tasks() -> list[Any]:
        async with AsyncClient(gateway.grpc_address, **tokens, timeout=30) as client:
            return list(await asyncio.gather(*(client.check(**ASKS[0]) for _ in range(20)), return_exceptions=True))

    answers = asyncio.run(tasks())
    assert len({meaning(each) for each in answers}) == 1
    assert type(answers[0]).__name__ == "NotAuthenticated"
