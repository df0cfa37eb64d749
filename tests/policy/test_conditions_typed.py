"""Every attribute of the list works, is typed, and means to pycasbin what it means to us."""

from __future__ import annotations

import re
from datetime import date, datetime
from pathlib import Path
from typing import Any

import casbin
import pytest
from hypothesis import given
from hypothesis import strategies as st

from munjigi.kernel.clock import SECOND
from munjigi.policy.attributes import CONTEXT, REQUEST
from munjigi.policy.calendar import WEEKDAYS, Calendar
from munjigi.policy.compile import compile_bundle
from munjigi.policy.conditions import ConditionError, translate
from munjigi.policy.types import Context

HOME = Path(__file__).parents[2] / "policies"
SAMPLE = {str(path.relative_to(HOME)): path.read_bytes() for path in HOME.rglob("*") if path.is_file()}
KNOWN = Context("10.1.2.3", 0, "employee", "fraud", True, "desk", 9, "mon", False, True, False, "ACCESS", 3)
QUESTION = ("kim", "crm.member.name", "read", "inquiry")


def holds(text: str, ctx: Context = KNOWN, *, allow: bool = True) -> bool:
    condition = translate(text, allow=allow)
    assert condition is not None
    return condition(*QUESTION, ctx)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("r.ctx.hour >= 9 and r.ctx.hour < 18", True),
        ("r.ctx.hour < 9", False),
        ("9 <= r.ctx.hour < 18", True),
        ("9 < r.ctx.hour <= 18", False),
        ("0 < r.ctx.subjects < r.ctx.hour < 10", True),
        ("18 > r.ctx.hour", True),
        ("r.ctx.hour in (9, 10)", True),
        ("r.ctx.weekday not in ('sat', 'sun')", True),
        ("r.ctx.weekday == 'sun'", False),
        ("not r.ctx.holiday", True),
        ("r.ctx.pledge and not r.ctx.training", True),
        ("r.ctx.intent == 'ACCESS'", True),
        ("r.ctx.intent != 'PROBE'", True),
        ("r.ctx.subjects <= 3", True),
        ("r.ctx.subjects > 3", False),
        ("r.ctx.subjects != 0", True),
    ],
)
def test_meaning(text: str, expected: bool) -> None:
    assert holds(text) is expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("r.ctx.hours == 9", "`r.ctx.hours`"),
        ("r.ctx.weekday == 'Monday'", "mon, tue"),
        ("r.ctx.weekday in ('mon', 'tues')", "mon, tue"),
        ("r.ctx.intent == 'probe'", "ACCESS, PROBE"),
        ("r.ctx.principal_type != 'staff'", "employee, contractor"),
        ("r.ctx.hour == '9'", "number is compared with a text"),
        ("r.ctx.hour == True", "number is compared with a flag"),
        ("r.ctx.hour", "number where true or false"),
        ("r.ctx.hour in ('9',)", "whole numbers"),
        ("r.ctx.hour in (True,)", "whole numbers"),
        ("r.ctx.hour < 9.5", "whole numbers"),
        ("r.ctx.weekday < 'sat'", "Only numbers have an order"),
        ("r.ctx.device < True", "Only numbers have an order"),
        ("9 <= r.ctx.hour < 'x'", "number is compared with a text"),
        ("9 in (9,) in (True,)", "two things only"),
        ("1 == 1", "Two constants"),
        ("1 in (1, 2)", "Only an attribute"),
        ("r.ctx" + ".x" * 90, "no attribute"),
        ("r.ctx" + ".x" * 400, "nests too deeply"),
    ],
)
def test_a_mistyped_condition_is_refused_and_says_why(text: str, says: str) -> None:
    with pytest.raises(ConditionError, match=re.escape(says)):
        translate(text, allow=True)


@pytest.mark.parametrize("name", ["hour", "weekday", "holiday"])
def test_p3_what_the_calendar_does_not_know_closes(name: str) -> None:
    text = {"hour": "r.ctx.hour < 24", "weekday": "r.ctx.weekday != 'sun'", "holiday": "not r.ctx.holiday"}[name]
    unknown = KNOWN._replace(**{name: None})
    assert holds(text, unknown, allow=True) is False
    assert holds(text, unknown, allow=False) is True


def value_of(name: str) -> st.SearchStrategy[Any]:
    each = CONTEXT[name]
    if each.values:
        return st.sampled_from(each.values)
    kinds: dict[str, st.SearchStrategy[Any]] = {
        "flag": st.booleans(),
        "number": st.integers(0, 30),
        "text": st.sampled_from(("10.1.2.3", "a", "b")),
    }
    return kinds[each.kind]


def written(value: object) -> str:
    return repr(value)


@st.composite
def conditions(draw: st.DrawFn, depth: int = 2) -> str:
    if depth and draw(st.booleans()):
        one, other = draw(conditions(depth - 1)), draw(conditions(depth - 1))
        forms = ("({} and {})", "({} or {})", "not ({})", "({} && {})", "({} || {})", "!({})", "({})&&({})", "!{}", "{} || {}")
        return draw(st.sampled_from(forms)).format(one, other)
    name = draw(st.sampled_from(sorted(CONTEXT)))
    value = draw(value_of(name))
    kind = CONTEXT[name].kind
    if kind == "flag":
        return f"r.ctx.{name}"
    if draw(st.booleans()):
        return f"r.ctx.{name} {draw(st.sampled_from(('in', 'not in')))} ({written(value)},)"
    if kind == "number" and draw(st.booleans()):
        return f"{draw(value_of(name))} {draw(st.sampled_from(('<', '<=')))} r.ctx.{name} {draw(st.sampled_from(('<', '!=')))} {value}"
    signs = ("==", "!=", "<", "<=", ">", ">=") if kind == "number" else ("==", "!=")
    return f"r.ctx.{name} {draw(st.sampled_from(signs))} {written(value)}"


@given(
    conditions(), st.fixed_dictionaries({name: value_of(name) for name in CONTEXT}), st.sampled_from(("10.0.0.0/8", "192.0.2.1"))
)
def test_oracle_pycasbin_gives_a_condition_the_same_meaning(text: str, values: dict[str, Any], network: str) -> None:
    """The same text and the same context object, on both sides; ipMatch too, since every address here can be read."""
    text = f"{text} or ipMatch(r.ctx.ip, {network!r})"
    context = Context(now=0, **{**values, "ip": "10.1.2.3"})
    enforcer = casbin.Enforcer(str(HOME / "model.conf"))
    enforcer.add_named_policy("p", ["role", QUESTION[1], "read", "inquiry", text, "allow", "clear"])
    enforcer.add_named_grouping_policy("g", ["kim", "role"])
    assert enforcer.enforce(*QUESTION, context) is holds(text, context)


def test_the_list_is_the_context() -> None:
    assert set(CONTEXT) == set(Context._fields) - {"now"}
    assert list(REQUEST) == ["sub", "obj", "act", "purpose"]


def moment(text: str, calendar: Calendar) -> tuple[int | None, str | None, bool | None]:
    return tuple(calendar.at(int(datetime.fromisoformat(text).timestamp()) * SECOND))  # type: ignore[return-value]


def test_a_calendar_tells_time_in_its_zone() -> None:
    seoul = Calendar("Asia/Seoul", frozenset((date(2026, 10, 9),)))
    assert moment("2026-10-08T14:59:59+00:00", seoul) == (23, "thu", False)
    assert moment("2026-10-08T15:00:00+00:00", seoul) == (0, "fri", True)
    assert moment("2027-10-08T15:00:00+00:00", seoul) == (0, "sat", None)  # a year that the file does not cover
    assert moment("2026-07-01T12:00:00+00:00", Calendar("Europe/Berlin")) == (14, "wed", None)
    assert moment("2026-07-01T12:00:00+00:00", Calendar("No/Such_Zone")) == (None, None, None)
    assert WEEKDAYS[date(2026, 11, 22).weekday()] == "sun"


def problems(calendar: str | None, condition: str = "True") -> list[tuple[str, int, str]]:
    rule = f"p, cs_agent, crm.member.joined_at, read, inquiry, {condition}, allow, clear\n"
    files = {**SAMPLE, "policy.csv": rule.encode() + SAMPLE["policy.csv"]}
    files.pop("calendar.toml", None)
    if calendar is not None:
        files["calendar.toml"] = calendar.encode()
    bundle, found = compile_bundle(files, "test")
    assert (bundle is None) is any(each.severity == "error" for each in found)
    return [(each.file, each.line, each.code) for each in found if each.severity == "error"]


def test_a_calendar_file_is_checked() -> None:
    assert problems('zone = "Asia/Seoul"\n[holidays]\n2026-10-09 = "Hangul Day"\n', "not r.ctx.holiday") == []
    assert problems('zone = "Asia/Soul"') == [("calendar.toml", 1, "ZONE_UNKNOWN")]
    assert problems('zone = "../../etc/passwd"') == [("calendar.toml", 1, "ZONE_UNKNOWN")]
    assert problems("zone = 9") == [("calendar.toml", 1, "ZONE_UNKNOWN")]
    assert problems("places = 1") == [("calendar.toml", 1, "KEY_UNKNOWN")]
    assert problems("holidays = []") == [("calendar.toml", 1, "VALUE_WRONG_TYPE")]
    assert problems('[holidays]\n2026-02-30 = "x"\n"20260101" = "y"\n2026-01-01 = 1') == [
        ("calendar.toml", line, "HOLIDAY_INVALID") for line in (2, 3, 4)
    ]


def test_holidays_without_a_calendar_are_refused_at_the_rule() -> None:
    assert problems(None, "r.ctx.hour < 18") == []
    assert problems(None, "not r.ctx.holiday") == [("policy.csv", 1, "CALENDAR_MISSING")]
