"""Plays a made-up company against the live gateway, through the real client, as fast as it is told to."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any, Final, TypeVar

from munjigi.adapters.identity.local_issuer import LocalIssuer
from munjigi.cli.options import Connection
from munjigi.company.events import Asked, Event
from munjigi.company.events import Question as Put
from munjigi.company.ports import Refused
from munjigi.company.tally import Scene, Tally
from munjigi.kernel.clock import SECOND, SystemClock
from munjigi.rpc.company_changes import TOOL, CompanyChanges
from munjigi_client import (
    AsyncClient,
    Decision,
    InvalidRequest,
    MunjigiClientError,
    NotAuthenticated,
    NotFound,
    NotNow,
    NotPermitted,
    Question,
    RateLimited,
)

_PATIENCE: Final = 5  # waits for a rate limit
_TOKENS: Final = 400 * SECOND  # how long a token is used; it lives for 600 s
_REFUSALS: Final = (InvalidRequest, NotFound, NotNow, NotPermitted)
_SPEAKER: Final[ContextVar[str]] = ContextVar("speaker")  # whose token the calls of a task bear
T = TypeVar("T")


class LivePlayer:
    """Implements `company.ports.Player`. At most `concurrency` questions are asked at a time; changes wait for those before them."""

    def __init__(self, connection: Connection, tally: Tally, concurrency: int, rate: float) -> None:
        """Take where the gateway is; `rate` are events a second, 0 as many as it takes. To be made on the event loop."""
        self.seconds: list[float] = []
        self._connection = connection
        self._tally = tally
        self._rate = rate
        self._began = time.perf_counter()
        self._played = 0
        self._room = asyncio.Semaphore(concurrency)
        self._asking: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None
        self._issuer = LocalIssuer(connection.state_dir)
        self._clock = SystemClock()
        self._minted: dict[tuple[str, str, bool], tuple[str, int]] = {}
        self._clients: dict[str, AsyncClient] = {}
        self._changes = CompanyChanges(self._tell, tally)

    async def play(self, event: Event) -> None:
        """Play one event when its turn comes. Raises `MunjigiClientError` when nobody answers; any other error is counted."""
        await self._pace()
        if not isinstance(event, Asked):
            await self._settle()
            await self._changes.play(event, self._clock.now())
            return
        await self._room.acquire()
        if self._failure is not None:
            raise self._failure
        task = asyncio.create_task(self._ask(event))
        self._asking.add(task)
        task.add_done_callback(self._asked)

    async def finish(self) -> None:
        """Wait for what is still asked, and send the confirmations that wait."""
        await self._settle()
        for client in self._clients.values():
            await client.flush()

    async def close(self) -> None:
        """Let go of the gateway."""
        for task in self._asking:
            task.cancel()
        for client in self._clients.values():
            await client.close()

    async def _pace(self) -> None:
        self._played += 1
        if self._rate:
            await asyncio.sleep(self._began + self._played / self._rate - time.perf_counter())

    async def _settle(self) -> None:
        if self._asking:
            await asyncio.wait(self._asking)
        if self._failure is not None:
            raise self._failure

    def _asked(self, task: asyncio.Task[None]) -> None:
        self._room.release()
        self._asking.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failure = self._failure or error

    async def _ask(self, asked: Asked) -> None:
        _SPEAKER.set(asked.employee)
        scene = self._tally.scene(asked.tool, asked.what)
        began = time.perf_counter()
        try:
            answers = await _patiently(lambda: self._answers(asked))
        except MunjigiClientError as error:
            if isinstance(error, NotAuthenticated) or error.reason == "UNAVAILABLE":
                raise
            scene.errors[error.reason] += len(asked.questions)
            return
        finally:
            self.seconds.append(time.perf_counter() - began)
        for put, answer in zip(asked.questions, answers, strict=True):
            self._take(asked, put, answer, scene)

    async def _answers(self, asked: Asked) -> list[Decision | MunjigiClientError]:
        client = self._client(asked.tool)
        questions = [_question(each, asked.ip) for each in asked.questions]
        if len(questions) > 1:
            return await client.batch_check(questions)
        only = questions[0]
        return [
            await client.check(
                only.resource,
                only.fields,
                purpose=only.purpose,
                case_id=only.case_id,
                member_ids=only.member_ids,
                subject_count=only.subject_count,
                action=only.action,
                probe=only.probe,
                origin_ip=only.origin_ip,
            )
        ]

    def _take(self, asked: Asked, put: Put, answer: Decision | MunjigiClientError, scene: Scene) -> None:
        if not isinstance(answer, Decision):
            scene.errors[answer.reason] += 1
            return
        scene.asked += 1
        if put.probe:
            self._tally.probes += 1
        if not answer.allowed:
            scene.denied += 1
            self._tally.denied[answer.reason] += 1
            return
        scene.allowed += 1
        if asked.rows is not None and not put.probe:
            members = put.members if asked.outcome == "read" else ()
            self._client(asked.tool).confirm(answer, rows=asked.rows, member_ids=members, outcome=asked.outcome)
            scene.confirmed += 1

    async def _tell(self, employee: str, request: Any) -> Any:
        _SPEAKER.set(employee)
        try:
            return await _patiently(lambda: self._client(TOOL).call(request))
        except MunjigiClientError as error:
            if isinstance(error, _REFUSALS):
                raise Refused(error.reason) from error
            raise

    def _client(self, tool: str) -> AsyncClient:
        """Return the client of a tool: whoever speaks in this task has the token."""
        client = self._clients.get(tool)
        if client is None:
            connection = self._connection
            client = self._clients[tool] = AsyncClient(
                connection.address,
                employee_token=lambda: self._token(_SPEAKER.get(), tool, whole=False),
                tool_token=lambda: self._token(tool, tool, whole=True),
                timeout=connection.timeout,
            )
        return client

    def _token(self, subject: str, tool: str, *, whole: bool) -> str:
        """Return a token of an employee at a tool, or with `whole` of the tool itself; one is used for some minutes."""
        now = self._clock.now()
        token, since = self._minted.get((subject, tool, whole), ("", 0))
        if not token or now - since > _TOKENS:
            token = self._issuer.tool(tool, now=now) if whole else self._issuer.employee(subject, tool, now=now)
            self._minted[subject, tool, whole] = token, now
        return token


@asynccontextmanager
async def playing(connection: Connection, tally: Tally, concurrency: int, rate: float) -> AsyncIterator[LivePlayer]:
    """Give a player, and let go of the gateway afterwards."""
    player = LivePlayer(connection, tally, concurrency, rate)
    try:
        yield player
    finally:
        await player.close()


async def perform(events: Iterable[Event], player: LivePlayer, advance: Callable[[Event], None]) -> None:
    """Play all events; `advance` hears of each. Raises what `LivePlayer.play` raises."""
    for event in events:
        await player.play(event)
        advance(event)
    await player.finish()


def _question(put: Put, ip: str) -> Question:
    return Question(
        put.resource,
        put.fields,
        put.purpose,
        put.case_id,
        put.members,
        put.subjects,
        put.action,
        probe=put.probe,
        origin_ip=ip,
    )


async def _patiently(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask again after a tool's rate limit has told how long to wait; the last refusal stands."""
    for _ in range(_PATIENCE):
        try:
            return await ask()
        except RateLimited as error:
            await asyncio.sleep(min(max(error.retry_after, 0.05), 5.0))
    return await ask()
