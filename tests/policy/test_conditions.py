"""Conditions are translated, never run as Python, and stay closed when they cannot be decided."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from munjigi.policy.conditions import ConditionError, translate
from munjigi.policy.types import Context

CONTEXT = Context("10.1.2.3", 0, "employee", "fraud", device=True, tool="desk")


def holds(text: str, ctx: Context = CONTEXT, *, allow: bool = True) -> bool:
    condition = translate(text, allow=allow)
    assert condition is not None
    return condition("kim", "crm.member.name", "read", "inquiry", ctx)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("False", False),
        ("r.ctx.device", True),
        ("not r.ctx.device", False),
        ('r.ctx.department == "fraud"', True),
        ('r.ctx.department != "fraud"', False),
        ('r.ctx.tool in ("desk", "other")', True),
        ('r.ctx.tool not in ["desk"]', False),
        ('r.ctx.device and r.ctx.tool == "x"', False),
        ('r.ctx.device or r.ctx.tool == "x"', True),
        ('ipMatch(r.ctx.ip, "10.0.0.0/8")', True),
        ('ipMatch(r.ctx.ip, "10.1.2.4")', False),
        ('ipMatch(r.ctx.ip, "2001:db8::/32")', False),
        ('r.sub == "kim" and r.obj == "crm.member.name" and r.act == "read" and r.purpose == "inquiry"', True),
        ("r.ctx.device == True", True),
    ],
)
def test_meaning(text: str, expected: bool) -> None:
    assert holds(text) is expected


def test_true_is_no_condition() -> None:
    assert translate("True", allow=True) is None


@pytest.mark.parametrize("text", ['ipMatch(r.ctx.ip, "10.0.0.0/8")', 'not ipMatch(r.ctx.ip, "10.0.0.0/8")'])
@pytest.mark.parametrize("ip", ["", "nowhere", "10.0.0.256"])
def test_p3_an_unreadable_address_denies(text: str, ip: str) -> None:
    assert holds(text, CONTEXT._replace(ip=ip), allow=True) is False
    assert holds(text, CONTEXT._replace(ip=ip), allow=False) is True


def test_an_ipv4_address_mapped_into_ipv6_is_the_same_address() -> None:
    assert holds('ipMatch(r.ctx.ip, "10.0.0.0/8")', CONTEXT._replace(ip="::ffff:10.9.9.9")) is True


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "1 == 1",
        "r",
        "r.ctx",
        "r.ctx.now",
        "r.ctx.__class__",
        "r.ctx.ip.upper",
        "__import__('os')",
        "open('x')",
        "ipMatch(r.ctx.ip)",
        "ipMatch(r.ctx.ip, r.ctx.ip)",
        'ipMatch(r.ctx.ip, "10.0.0.0/99")',
        'ipMatch(r.ctx.ip, network="10.0.0.0/8")',
        "[x for x in r]",
        "lambda: True",
        "r.ctx.device if True else False",
        'r.ctx.tool in ("desk")',
        "r.ctx.tool in ()",
        "r.ctx.device in ('a',)",
        "r.ctx.ip",
        "r.ctx.device == 'yes'",
        "r.ctx.tool < 'x'",
        "'a' == r.ctx.tool == 'b'",
        "-r.ctx.device",
        "f'{r.ctx.ip}' == 'x'",
        "(x := True)",
        "True; True",
        "True\nTrue",
        "'\\x41' == r.ctx.tool",
        "(" * 500 + "True" + ")" * 500,
        "not " * 200 + "True",
        "True" + " " * 1000,
    ],
)
def test_everything_else_is_refused(text: str) -> None:
    with pytest.raises(ConditionError) as raised:
        translate(text, allow=True)
    assert raised.value.character >= 1


@given(
    st.text(max_size=60)
    | st.lists(st.sampled_from(["r", ".", "ctx", "ip", "(", ")", "'", "and", "in", ",", "not", "==", "True"]), max_size=12).map(
        " ".join
    )
)
def test_no_text_raises_anything_else(text: str) -> None:
    try:
        condition = translate(text, allow=True)
    except ConditionError:
        return
    assert condition is None or condition("", "", "", "", CONTEXT) in (True, False)
