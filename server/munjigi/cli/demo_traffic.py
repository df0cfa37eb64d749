"""The demo's traffic: the sample company at work, some of it curious. Repeats exactly for the same seed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Final, Literal, NamedTuple

from munjigi_client import AsyncClient, Decision, MunjigiClientError, NotAuthenticated, Question, RateLimited

FIRST_MEMBER: Final = 1_000_001
MEMBERS: Final = 50_000
BATCH: Final = 20  # questions
PATIENCE: Final = 5  # waits for a rate limit
Door = Literal["check", "access", "batch"]


class Scene(NamedTuple):
    """What one employee does through one tool, and how often among the others."""

    title: str
    employee: str
    tool: str
    weight: int
    door: Door
    resource: str
    fields: tuple[str, ...]
    purpose: str
    case: str = ""  # a format for a number
    members: int = 0  # how many, unnamed; 0: one, named
    probe: bool = False


_CARE: Final = "CS-2026-{:06d}"  # a customer's case
_MEMBER: Final = "crm.member"
SCENES: Final = (
    Scene("reads a caller's contact data", "cs.kim", "crm-desk", 40, "access", _MEMBER, ("name", "phone"), "inquiry", _CARE),
    Scene("prepares a list of call-backs", "cs.kim", "crm-desk", 1, "batch", _MEMBER, ("name", "phone"), "inquiry", _CARE),
    Scene("opens the menu", "cs.kim", "crm-desk", 10, "check", _MEMBER, ("name", "phone"), "inquiry", _CARE, probe=True),
    Scene("tries resident numbers", "cs.kim", "crm-desk", 5, "check", _MEMBER, ("resident_number",), "inquiry", _CARE),
    Scene("forgets the case", "cs.kim", "crm-desk", 3, "check", _MEMBER, ("name",), "inquiry"),
    Scene("checks an order", "cs.lee", "crm-desk", 15, "access", "crm.member_order", (), "inquiry", _CARE),
    Scene("reads a whole phone number", "cs.lee", "crm-desk", 10, "access", _MEMBER, ("name", "phone"), "inquiry", _CARE),
    Scene(
        "counts a target group", "mkt.park", "campaign-tool", 5, "access", _MEMBER, ("birth_date",), "marketing", members=5_000
    ),
    Scene("wants names for a campaign", "mkt.park", "campaign-tool", 3, "check", _MEMBER, ("name",), "marketing", members=300),
    Scene(
        "follows a payment",
        "fraud.choi",
        "fraud-console",
        8,
        "access",
        "crm.payment",
        (),
        "fraud_investigation",
        "FR-2026-{:04d}",
    ),
    Scene("looks into a table", "dba.jung", "munjigi-cli", 3, "check", _MEMBER, ("name",), "inquiry", _CARE),
    Scene("has no grant yet", "new.oh", "crm-desk", 2, "check", _MEMBER, ("name", "phone"), "inquiry", _CARE),
)


@dataclass
class Tally:
    """What came of one scene. `seconds` of each call; `errors` by reason."""

    allowed: int = 0
    denied: int = 0
    confirmed: int = 0
    seconds: list[float] = field(default_factory=list)
    errors: dict[str, int] = field(default_factory=dict)

    @property
    def decisions(self) -> int:
        """Return the number of answers."""
        return self.allowed + self.denied


def plan(count: int, seed: int) -> Iterator[Scene]:
    """Yield scenes with `count` decisions in all: each scene once if there is room, then by weight."""
    random = Random(seed)  # noqa: S311 - which scene comes next is no secret
    weights = [scene.weight for scene in SCENES]
    left = count
    opening = iter(SCENES)
    while left > 0:
        scene = next(opening, None) or random.choices(SCENES, weights)[0]
        if scene.door == "batch" and left < BATCH:
            scene = SCENES[0]
        left -= BATCH if scene.door == "batch" else 1
        yield scene


async def play(
    scenes: Iterator[Scene],
    client_for: Callable[[str, str], AsyncClient],
    concurrency: int,
    seed: int,
    advance: Callable[[int], None],
) -> Mapping[Scene, Tally]:
    """Play the scenes with at most `concurrency` at a time; `advance` hears of decisions as they come.

    Raises `MunjigiClientError` when nobody answers; any other error is counted.
    """
    random = Random(seed)  # noqa: S311 - as above
    clients = {(scene.employee, scene.tool): client_for(scene.employee, scene.tool) for scene in SCENES}
    tallies = {scene: Tally() for scene in SCENES}

    async def worker() -> None:
        for scene in scenes:
            await _act(scene, clients[scene.employee, scene.tool], tallies[scene], random)
            advance(BATCH if scene.door == "batch" else 1)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(concurrency):
                group.create_task(worker())
    except ExceptionGroup as errors:
        # Not `except*`: what that raises is itself in a group up to Python 3.11.3.
        nobody = next((each for each in errors.exceptions if isinstance(each, MunjigiClientError)), None)
        raise nobody or errors from None
    finally:
        for client in clients.values():
            await client.close()
    return tallies


async def _act(scene: Scene, client: AsyncClient, tally: Tally, random: Random) -> None:
    questions = [_question(scene, random) for _ in range(BATCH if scene.door == "batch" else 1)]
    began = time.perf_counter()
    try:
        await _patiently(lambda: _ask(scene, client, tally, questions))
    except MunjigiClientError as error:
        if isinstance(error, NotAuthenticated) or error.reason == "UNAVAILABLE":
            raise
        _note(tally, error)
    tally.seconds.append(time.perf_counter() - began)


async def _patiently(ask: Callable[[], Awaitable[None]]) -> None:
    """Ask again after a tool's rate limit has told how long to wait; the last refusal stands."""
    for _ in range(PATIENCE):
        try:
            return await ask()
        except RateLimited as error:
            await asyncio.sleep(min(max(error.retry_after, 0.05), 5.0))
    return await ask()


async def _ask(scene: Scene, client: AsyncClient, tally: Tally, questions: list[Question]) -> None:
    if scene.door == "batch":
        for answer in await client.batch_check(questions):
            if isinstance(answer, Decision):
                _count(tally, answer)
            else:
                _note(tally, answer)
        return
    question = questions[0]
    decision = await client.check(
        question.resource,
        question.fields,
        purpose=question.purpose,
        case_id=question.case_id,
        member_ids=question.member_ids,
        subject_count=question.subject_count,
        probe=question.probe,
    )
    _count(tally, decision)
    if scene.door == "access" and decision.allowed:
        client.confirm(decision, rows=scene.members or 1, member_ids=question.member_ids)
        tally.confirmed += 1


def _question(scene: Scene, random: Random) -> Question:
    return Question(
        scene.resource,
        scene.fields,
        scene.purpose,
        scene.case.format(random.randrange(1, 3000)),
        () if scene.members else (str(FIRST_MEMBER + random.randrange(MEMBERS)),),
        scene.members,
        probe=scene.probe,
    )


def _count(tally: Tally, decision: Decision) -> None:
    if decision.allowed:
        tally.allowed += 1
    else:
        tally.denied += 1


def _note(tally: Tally, error: MunjigiClientError) -> None:
    tally.errors[error.reason] = tally.errors.get(error.reason, 0) + 1
