"""Trace context of a stranger's making: a known trace, or none, and never an error."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from munjigi.rpc.call import trace_of

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
_hex = st.text("0123456789abcdef", max_size=40)


@given(st.text() | st.from_regex(r"[0-9a-fA-F]{2}-[0-9a-fA-F]{32}-[0-9a-fA-F]{16}-[0-9a-fA-F]{2}.?", fullmatch=True) | _hex)
def test_any_text_gives_a_trace_or_none(traceparent: str) -> None:
    trace, span = trace_of(traceparent)
    assert (trace == "") == (span == "")
    if trace:
        assert re.fullmatch("[0-9a-f]{32}", trace)
        assert re.fullmatch("[0-9a-f]{16}", span)
        assert trace.strip("0")
        assert span.strip("0")
        assert traceparent[2:54] == f"-{trace}-{span}-"


@given(st.from_regex(r"[0-9a-f]{2}", fullmatch=True), st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1))
def test_every_well_formed_one_is_taken(flags: str, trace: int, span: int) -> None:
    assert trace_of(f"00-{trace:032x}-{span:016x}-{flags}") == (f"{trace:032x}", f"{span:016x}")


@pytest.mark.parametrize(
    "malformed",
    [
        "",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{SPAN}-01\n",
        f" 00-{TRACE}-{SPAN}-01",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE[:-1]}\u0660-{SPAN}-01",
    ],
)
def test_what_is_malformed_is_none(malformed: str) -> None:
    assert trace_of(malformed) == ("", "")
