"""The questions of one CheckStream: which have been asked and not been answered."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Final

from munjigi_client._calls import check_request
from munjigi_client._errors import InvalidRequest
from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb
from munjigi_client._types import Question

PATH: Final = "/munjigi.v1.DecisionService/CheckStream"


class Asked:
    """Give each question an id and write it down. grpc takes the questions in a thread of its own, hence the lock."""

    def __init__(self, *, observe: bool) -> None:
        self._observe = observe
        self._lock = threading.Lock()
        self._open: dict[str, Question] = {}
        self._count = 0
        self.problem: InvalidRequest | None = None

    def ask(self, question: Question) -> pb.CheckStreamRequest:
        """Return the message of a question. Raises `InvalidRequest` when a value has a type that the wire can't carry."""
        check = check_request(question, observe=self._observe)
        with self._lock:
            self._count += 1
            name = str(self._count)
            self._open[name] = question
        return pb.CheckStreamRequest(id=name, check=check)

    def each(self, questions: Iterator[Question]) -> Iterator[pb.CheckStreamRequest]:
        """Ask one after the other until there are no more, or one can't be asked; then `problem` says why."""
        for question in questions:
            try:
                yield self.ask(question)
            except InvalidRequest as error:
                self.problem = error
                return

    def answered(self, answer: pb.CheckStreamResponse) -> Question:
        """Return the question of an answer."""
        with self._lock:
            return self._open.pop(answer.id)

    def left(self) -> list[Question]:
        """Return and forget the questions that were not answered."""
        with self._lock:
            left, self._open = list(self._open.values()), {}
        return left
