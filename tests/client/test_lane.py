"""How many questions leave in one batch."""

from __future__ import annotations

from typing import Any

import pytest

from munjigi_client._calls import WrittenCheck
from munjigi_client._coalescing import BYTES, IN_FLIGHT, ITEMS, Credentials, Lane, Waiter, message_of
from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb


class Asked:
    def __init__(self, *, gone: bool = False) -> None:
        self.gone = gone

    def done(self) -> bool:
        return self.gone

    def set_result(self, result: bytes, /) -> None: ...

    def set_exception(self, exception: Exception, /) -> None: ...


def asking(request: WrittenCheck, *, gone: bool = False) -> Waiter[Asked]:
    return request, 0.0, Asked(gone=gone)


def written(**asked: Any) -> WrittenCheck:
    content = pb.CheckRequest(**asked).SerializeToString()
    return WrittenCheck(content, len(content) + 64)


def lane_of(questions: list[Waiter[Asked]]) -> Lane[Asked]:
    lane: Lane[Asked] = Lane(Credentials("", "", ""))
    lane.waiting.extend(questions)
    return lane


SMALL = written(resource="crm.member", purpose="inquiry", member_ids=["1000001"])


@pytest.mark.parametrize(
    ("waiting", "sizes"),
    [(0, []), (1, [1]), (16, [16]), (20, [16, 4]), (200, [100, 100]), (5_000, [ITEMS, ITEMS])],
)
def test_a_batch_takes_at_most_half_of_what_is_unanswered(waiting: int, sizes: list[int]) -> None:
    lane = lane_of([asking(SMALL) for _ in range(waiting)])
    taken = [len(batch) for batch in lane.take()]
    assert len(taken) <= IN_FLIGHT
    assert taken == sizes
    assert list(lane.take()) == []
    for size in taken:
        lane.leave(size)
    assert lane.idle == (not lane.waiting)


def test_a_batch_stays_below_its_size_and_keeps_the_order() -> None:
    large = written(resource="crm.member", member_ids=["1" * 64] * 1000)
    questions = [asking(large) for _ in range(40)]
    lane = lane_of(questions)
    (first, second) = lane.take()
    assert first + second == questions[: len(first) + len(second)]
    assert len(first) == BYTES // large.weight
    assert len(message_of(first).written) <= BYTES


def test_a_question_larger_than_a_batch_goes_alone() -> None:
    huge = written(resource="crm.member", member_ids=["1" * 1000] * 2000)
    assert [len(batch) for batch in lane_of([asking(huge), asking(SMALL)]).take()] == [1, 1]


def test_what_nobody_waits_for_is_not_asked() -> None:
    lane = lane_of([asking(SMALL, gone=True) for _ in range(30)])
    assert list(lane.take()) == []
    assert lane.idle


def test_a_question_goes_at_once_only_when_none_waits() -> None:
    lane = lane_of([])
    assert [lane.enter() for _ in range(IN_FLIGHT + 1)] == [True] * IN_FLIGHT + [False]
    lane.leave(1)
    lane.waiting.append(asking(SMALL))
    assert not lane.enter()
