"""A condition that can't hold is found, and only such a one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from policy.test_conditions_typed import QUESTION, conditions, value_of

from munjigi.policy.attributes import CONTEXT
from munjigi.policy.conditions import read, translate
from munjigi.policy.reach import can_hold
from munjigi.policy.types import Context


def holds_sometime(text: str, *, allow: bool = True, **narrowed: Any) -> bool:
    return can_hold(read(text), {f"r.ctx.{name}": values for name, values in narrowed.items()}, allow=allow)[0]


@pytest.mark.parametrize(
    "text",
    [
        "False",
        "not True",
        "!True",
        "False && r.ctx.device",
        "r.ctx.device && False",
        "!(True || r.ctx.device)",
        "r.ctx.hour > 30",
        "r.ctx.hour > 23",
        "r.ctx.hour < 0",
        "r.ctx.hour == 24",
        "18 <= r.ctx.hour < 9",
        "r.ctx.hour < 3 && r.ctx.hour > 5",
        "r.ctx.hour == 3 && r.ctx.hour == 4",
        "r.ctx.subjects < 0",
        "r.ctx.subjects > 10 && r.ctx.subjects < 11",
        "r.ctx.subjects > r.ctx.hour && r.ctx.subjects == 0",
        "r.ctx.device && !r.ctx.device",
        "r.ctx.weekday == 'mon' && r.ctx.weekday == 'tue'",
        "r.ctx.weekday not in ('mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun')",
        "r.ctx.department == 'a' && r.ctx.department == 'b'",
        "r.ctx.department in ('a', 'b') && r.ctx.department not in ('a', 'b', 'c')",
        "ipMatch(r.ctx.ip, '10.0.0.0/8') && ipMatch(r.ctx.ip, '192.168.0.0/16')",
        "ipMatch(r.ctx.ip, '10.1.0.0/16') && !ipMatch(r.ctx.ip, '10.0.0.0/8')",
        "r.sub == r.ctx.tool && r.sub == 'a' && r.ctx.tool == 'b'",
    ],
)
def test_never(text: str) -> None:
    assert not holds_sometime(text)


@pytest.mark.parametrize(
    "text",
    [
        "r.ctx.hour > 22",
        "r.ctx.hour < 1",
        "9 <= r.ctx.hour < 18",
        "r.ctx.hour != 3 && r.ctx.hour != 4",
        "r.ctx.subjects > 10 && r.ctx.subjects < 12",
        "r.ctx.subjects >= 1000000",
        "0 < r.ctx.subjects < r.ctx.hour",
        "r.ctx.subjects > r.ctx.hour && r.ctx.hour == 23",
        "r.ctx.department != 'a' && r.ctx.department != 'b'",
        "r.sub == r.ctx.tool && r.sub != 'a'",
        "r.sub != r.ctx.tool",
        "ipMatch(r.ctx.ip, '10.0.0.0/8') && !ipMatch(r.ctx.ip, '10.1.0.0/16')",
        "!ipMatch(r.ctx.ip, '10.0.0.0/8') && !ipMatch(r.ctx.ip, '::/0')",
        "!ipMatch(r.ctx.ip, '0.0.0.0/0')",
        "r.ctx.ip == '10.0.0.1' && ipMatch(r.ctx.ip, '10.0.0.0/8')",
        "r.ctx.weekday not in ('sat', 'sun') && !r.ctx.holiday",
    ],
)
def test_sometimes(text: str) -> None:
    assert holds_sometime(text)


def test_what_an_attribute_can_be_is_narrowed() -> None:
    assert holds_sometime("r.ctx.tool == 'x'")
    assert not holds_sometime("r.ctx.tool == 'x'", tool=("desk",))
    assert not holds_sometime("!r.ctx.pledge", pledge=(True,))


def test_an_undecided_deny_holds() -> None:
    never = "ipMatch(r.ctx.ip, '10.0.0.0/8') && ipMatch(r.ctx.ip, '192.168.0.0/16')"
    assert holds_sometime(never, allow=False)


def test_too_many_cases_are_not_tried() -> None:
    text = " && ".join(f"r.ctx.{name}" for name in ("device", "pledge", "training", "holiday"))
    text += " && r.ctx.hour > 30 && r.ctx.weekday == 'mon' && r.ctx.principal_type == 'employee' && r.ctx.subjects in ("
    assert can_hold(read(text + ", ".join(map(str, range(9))) + ",)"), {}, allow=True) == (True, 0)


@given(conditions(), st.fixed_dictionaries({name: value_of(name) for name in CONTEXT}))
@settings(deadline=None)
def test_what_holds_once_is_never_called_one_that_can_not(text: str, values: dict[str, Any]) -> None:
    condition = translate(text, allow=True)
    context = Context(now=0, **{**values, "hour": values["hour"] % 24})
    if condition is None or condition(*QUESTION, context):
        assert holds_sometime(text)
