"""An answer that says 201 of every document is counted, and every other one is read."""

from __future__ import annotations

import pytest

from munjigi.adapters.elasticsearch.wire import STORED, Json, Lines, stored_by

ONE = b'{"create":{"status":201}}'


@pytest.mark.parametrize("documents", [1, 2, 999, 1000])
def test_all_stored_is_counted(documents: int) -> None:
    answer = b'{"errors":false,"items":[%b]}' % b",".join([ONE] * documents)
    assert stored_by(answer) == documents
    assert Json().loads(answer) == {STORED: documents}


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"{}",
        b'{"errors":false}',
        b'{"errors":false,"items":[]}',
        b'{"errors":false,"items":[%b,%b]' % (ONE, ONE),
        b'{"errors":false,"items":[%b,%b] }' % (ONE, ONE),
        b'{"errors":true,"items":[%b]}' % ONE,
        b'{"errors":false,"items":[%b,{"create":{"status":409}}]}' % ONE,
        b'{"errors":false,"items":[%b %b]}' % (ONE, ONE),
        b'{"errors":false,"items":[%b,%b' % (ONE, ONE),
    ],
)
def test_anything_else_is_not(answer: bytes) -> None:
    assert stored_by(answer) == 0


def test_other_answers_are_read_as_they_are() -> None:
    answer = b'{"errors":false,"items":[{"create":{"status":201}},{"create":{"status":409}}]}'
    assert Json().loads(answer) == {"errors": False, "items": [{"create": {"status": 201}}, {"create": {"status": 409}}]}


def test_lines_are_sent_as_they_are() -> None:
    body = b'{"create":{}}\n{"a":1}\n'
    assert Lines().dumps(body) is body
    with pytest.raises(TypeError):
        Lines().dumps({"a": 1})
