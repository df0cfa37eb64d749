"""Whatever is in a model, a policy or a request: only our errors come out, and soon."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from oracle.vocabulary import RULES

from munjigi.decision.casbin import Engine
from munjigi.kernel.errors import InvalidArgument
from munjigi.policy.casbin.load import load

MODEL = """[request_definition]
r = sub, obj, act
[policy_definition]
p = sub, obj, act
[role_definition]
g = _, _
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = {}
"""
PLAIN = MODEL.format("g(r.sub, p.sub) && r.obj == p.obj && r.act == p.act")
POLICY = b"p, alice, data1, read\ng, bob, alice\n"
PIECES = (
    *(
        "r.sub",
        "p.sub",
        "r.obj",
        "p.obj",
        "r",
        "p",
        "r.nope",
        "g(",
        "g(r.sub, p.sub)",
        "g2(r.sub, p.sub)",
        "eval(p.sub)",
        "keyMatch(",
    ),
    *(
        "regexMatch(r.obj, ",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ",",
        ".",
        "..",
        "&&",
        "||",
        "!",
        "==",
        "!=",
        "<",
        "in",
        "not in",
        "and",
        "or",
    ),
    *(
        "not",
        "+",
        "-",
        "*",
        "**",
        "/",
        "//",
        "%",
        "'",
        '"',
        "'a'",
        '"b"',
        "1",
        "1.5",
        "1e999",
        "0x1",
        "1_000",
        "True",
        "None",
        "lambda: 1",
    ),
    *(
        "x if y else z",
        "__import__('os')",
        "r.sub.__class__",
        "r.sub.upper()",
        "f'{r}'",
        ":=",
        ";",
        "#",
        "\\",
        "\n",
        "\t",
        "\x00",
        "é",
        "\uff41",
        "\ud7ff",
    ),
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["alice", "bob", "data1", "read"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


def take(model: bytes, policy: bytes, *requests: tuple[object, ...]) -> bool:
    """Load, and ask if it loads. Anything but our own error fails the test."""
    program, problems = load(model, policy)
    if program is None:
        assert any(each.severity == "error" for each in problems)
        assert all(
            each.code.isupper() and each.message.endswith(".") and each.line >= 0 and each.column >= 0 for each in problems
        )
        return False
    engine = Engine(program)
    for request in requests:
        with suppress(InvalidArgument):
            assert engine.enforce(request) in {True, False}
    return True


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_any_bytes(model, policy):
    take(model, policy)
    take(PLAIN.encode(), policy, ("alice", "data1", "read"))


@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=12), st.booleans())
@example(["r.sub", "==", "p.sub", "\r\n[matchers]\nm = True"], True)
def test_any_matcher(pieces, spaced):
    matcher = (" " if spaced else "").join(pieces)
    take(
        MODEL.format(matcher).encode("utf-8", "replace"),
        POLICY,
        ("alice", "data1", "read"),
        ("bob", "data1", 1),
        ({"a": 1}, [], None),
    )


@given(st.lists(st.sampled_from((*PIECES, *RULES)), max_size=4))
def test_any_rule_in_a_policy(pieces):
    model = MODEL.format("eval(p.sub) && r.obj == p.obj").encode()
    take(
        model,
        f"p, {' '.join(pieces)}, data1, read\n".encode("utf-8", "replace"),
        ("alice", "data1", "read"),
        ({"Age": 20}, "data1", "read"),
    )


@given(
    st.lists(
        st.sampled_from(
            ["p", "g", "p2", "G", "", "alice", "data1", '"', '""', "(", ")", "[", "]", "#", ",", " ", "\n", "\r\n", "\x00", "é"]
        )
    )
)
def test_any_policy(pieces):
    take(PLAIN.encode(), "".join(pieces).encode(), ("alice", "data1", "read"))


@given(st.lists(VALUES, max_size=5).map(tuple))
def test_any_request(request):
    matcher = "g(r.sub, p.sub) && (r.obj == p.obj || keyMatch(r.obj, p.obj)) && regexMatch(r.act, p.act)"
    assert take(MODEL.format(matcher).encode(), POLICY, request)
    matcher = "r.sub.Age > 18 && r.obj in (p.obj, 'x') && r.act + 1 < 3 || ipMatch(r.sub, p.sub) || globMatch(r.obj, r.sub)"
    assert take(MODEL.format(matcher).encode(), POLICY, request)


@given(
    st.sampled_from(["keyMatch", "keyMatch2", "keyMatch3", "keyMatch4", "keyMatch5", "regexMatch", "globMatch", "ipMatch"]),
    st.text(),
    st.text(),
)
def test_any_pattern(function, word, pattern):
    cell = pattern.replace(",", " ").replace("\n", " ").replace("\r", " ").replace('"', " ")
    take(
        MODEL.format(f"{function}(r.sub, p.sub)").encode(),
        f"p, {cell}, data1, read\n".encode("utf-8", "replace"),
        (word, "data1", "read"),
    )
    # A pattern that arrives with the request.
    take(MODEL.format(f"{function}(r.sub, r.obj)").encode(), POLICY, (word, pattern, "read"))


def test_a_byte_order_mark_and_windows_line_ends_are_no_matter():
    for model, policy in (
        (b"\xef\xbb\xbf" + PLAIN.encode(), POLICY),
        (PLAIN.encode(), b"\xef\xbb\xbf" + POLICY),
        (PLAIN.replace("\n", "\r\n").encode(), POLICY.replace(b"\n", b"\r\n")),
    ):
        program, problems = load(model, policy)
        # Read as what they mean, or refused with a reason: never taken for something else.
        if program is None:
            assert {each.severity for each in problems} == {"error"}
        else:
            assert Engine(program).enforce(("bob", "data1", "read"))


@pytest.mark.parametrize(
    "twice",
    [
        "[matchers]\nm = True\n",
        "[policy_effect]\ne = !some(where (p.eft == deny))\n",
        "[request_definition]\nr = sub, act, obj\n",
    ],
)
def test_a_section_or_a_definition_that_stands_twice_is_refused(twice):
    program, problems = load((PLAIN + twice).encode(), POLICY)
    assert program is None
    assert all(each.line >= PLAIN.count("\n") for each in problems)


@pytest.mark.parametrize(
    "matcher",
    [
        "(" * 50_000 + "True" + ")" * 50_000,
        "!" * 60_000 + "True",
        "-" * 60_000 + "1 == 1",
        "keyMatch(" * 6_000 + "r.sub" + ", p.sub)" * 6_000,
        " && ".join(["r.sub == p.sub"] * 3_000),
        " || ".join(["r.sub == p.sub"] * 3_000),
        " + ".join(["1"] * 20_000) + " == 1",
        "r.sub" + ".a" * 30_000 + " == 1",
        "(" + "1, " * 20_000 + "1) == 1",
        "r.sub in (" + ", ".join(f"'{n}'" for n in range(5_000)) + ")",
        "9" * 60_000 + " == 1",
        "'" + "x" * 10_000_000 + "' == r.sub",
        "r.sub == p.sub && " * 600_000 + "True",
    ],
    ids=[
        "brackets",
        "not",
        "minus",
        "calls",
        "and",
        "or",
        "plus",
        "attributes",
        "tuple",
        "in",
        "digits",
        "10 MB text",
        "10 MB matcher",
    ],
)
def test_a_deep_or_long_matcher_is_answered_or_refused_at_once(matcher):
    started = time.process_time()
    take(MODEL.format(matcher).encode(), POLICY, ("alice", "data1", "read"))
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    ("function", "pattern", "word"),
    [
        ("regexMatch", "(a+)+$", "a" * 40_000 + "b"),
        ("regexMatch", "(a|aa)*b", "a" * 40_000),
        ("regexMatch", "(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)x", "y" * 5_000),
        ("regexMatch", "(a{0;100}){0;100}{0;100}b".replace(";", "."), "a" * 10_000),
        ("keyMatch2", "/:a" * 30 + "/x", "/b" * 30 + "/y" * 2_000),
        ("keyMatch2", "/*" * 30 + "/x", "/" * 20_000),
        ("keyMatch3", "/{a}{b}{c}{d}{e}{f}{g}x", "/" + "y" * 20_000),
        ("keyMatch4", "/{a}{a}{a}{a}{a}{a}x", "/" + "y" * 20_000),
        ("keyMatch5", "/{a}{b}{c}{d}{e}x", "/" + "y" * 20_000),
        ("globMatch", "*a" * 30 + "*b", "a" * 10_000),
        ("globMatch", "/**" * 20 + "/b", "/a" * 5_000),
        ("globMatch", "{a.b}" * 12 + "c", "a" * 12),
    ],
)
def test_d12_a_pattern_that_explodes_is_bounded_in_time(function, pattern, word):
    started = time.process_time()
    take(MODEL.format(f"{function}(r.sub, p.sub)").encode(), f"p, {pattern}, data1, read\n".encode(), (word, "data1", "read"))
    take(MODEL.format(f"{function}(r.sub, r.obj)").encode(), POLICY, (word, pattern, "read"))
    assert time.process_time() - started < 3


def test_a_chain_of_ten_thousand_roles_and_a_cycle_of_them():
    links = "".join(f"g, n{n}, n{n + 1}\n" for n in range(10_000))
    started = time.monotonic()
    program, problems = load(PLAIN.encode(), f"p, n9, data1, read\np, n10000, data2, read\n{links}".encode())
    assert program is not None, problems
    engine = Engine(program)
    assert engine.enforce(("n0", "data1", "read"))
    assert not engine.enforce(("n0", "data2", "read"))
    assert engine.enforce(("n9995", "data2", "read"))
    program, problems = load(PLAIN.encode(), f"p, n9, data1, read\n{links}g, n10000, n0\n".encode())
    assert program is not None, problems
    engine = Engine(program)
    assert engine.enforce(("n10000", "data1", "read")) is False
    assert engine.enforce(("n9", "data1", "read"))
    assert engine.enforce(("n1", "data1", "read"))
    assert time.monotonic() - started < 10


def test_an_employee_that_looks_like_another_is_another():
    program, _ = load(PLAIN.encode(), b"p, alice, data1, read\n")
    engine = Engine(program)
    assert engine.enforce(("alice", "data1", "read"))
    for other in ("\u0430lice", "Alice", "\uff41lice", "alice\u200b", "alice ", "a\u0301lice"):
        assert not engine.enforce((other, "data1", "read"))
