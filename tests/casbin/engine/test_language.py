"""What a matcher may say, what it means, and where a refusal points."""

from __future__ import annotations

import pytest
from engine.kit import engine, model, refused

from munjigi.kernel.errors import InvalidArgument


def holds(expression, **fields):
    """Evaluate an expression over a request of these fields, against one rule without any say."""
    text = model(expression, r=", ".join(fields) or "sub", p="x, eft", g=())
    return engine(text, "p, rule, allow\n").enforce(tuple(fields.values()) or ("nobody",))


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("r.a == 'x' && r.b == \"y\"", True),
        ("r.a=='x'&&r.b=='y'", True),
        ("r.a == 'y' || r.b == 'y'", True),
        ("!r.a == 'x'", False),
        ("!(r.a == 'x') || not r.b == 'z'", True),
        ("r.a in ('x', 'z')", True),
        ("r.a in ['y']", False),
        ("r.a not in ('y',)", True),
        ("r.a !in ('x',)", False),
        ("r.n + 2 * 3 == 11 && r.n % 2 == 1 && -r.n < 0 && r.n / 2 == 2.5", True),
        ("1 < r.n <= 5 != 6", True),
        ("r.o.Age >= 18 && r.o.Deep.Er == 'z'", True),
        ("r.a == 'a && b' || r.a == \"!\"", False),
        ("r_a == 'x'", True),
        ("'\\x41' == 'A' && r'\\d' == '\\\\d'", True),
        ("r.b == 'y' and (r.a == 'q' or True)", True),
        ("0.0", False),
        ("0.5", True),
    ],
)
def test_expressions_mean_what_they_do_in_casbin(expression, expected):
    assert holds(expression, a="x", b="y", n=5, o={"Age": 20, "Deep": {"Er": "z"}}) is expected


def test_text_in_quotes_stays_as_it_is_written():
    assert holds("r.a == 'p.x && !y'", a="p.x && !y")
    assert not holds("r.a == 'p.x && !y'", a="p_x and not y")


@pytest.mark.parametrize(
    "expression", ["r.o", "r.a", "1", "(r.a, 1)", "r.a && r.a", "r.o.Missing", "r.a < 1", "g(r.o, p.x)", "r.a % 3 == 1"]
)
def test_what_cannot_be_calculated_is_our_error(expression):
    with pytest.raises(InvalidArgument):
        engine(model(expression, r="a, o", p="x"), "p, rule\n").enforce(("x", {"y": 1}))


@pytest.mark.parametrize(
    ("expression", "column", "code"),
    [
        ("r.sub == p.sub && r.own == 1", 25, "FIELD_UNKNOWN"),
        ("r.sub == root", 14, "NAME_UNKNOWN"),
        ("open(r.sub)", 5, "FUNCTION_UNKNOWN"),
        ("r.sub.lower() == 'x'", 10, "FUNCTION_UNKNOWN"),
        ("r.sub.__class__ == 'x'", 10, "ATTRIBUTE_INVALID"),
        ("r.sub['x'] == 'y'", 10, "EXPRESSION_UNSUPPORTED"),
        ("2 ** 9 == r.sub", 7, "EXPRESSION_UNSUPPORTED"),
        ("r.sub == 'x", 14, "TEXT_UNTERMINATED"),
        ("(r.sub == 'x'", 5, "EXPRESSION_INVALID"),
        ("r.sub == 'x' r.obj == 'y'", 18, "EXPRESSION_INVALID"),
        ("r.sub ==", 13, "EXPRESSION_INVALID"),
        ("r.sub == 1and True", 14, "NUMBER_INVALID"),
        ("keyMatch(r.obj)", 5, "ARGUMENTS_WRONG"),
        ("regexMatch(r.obj, '(?=a)')", 23, "PATTERN_UNSUPPORTED"),
        ("eval(r.sub)", 5, "EVAL_INVALID"),
        ("[x for x in r.sub]", 8, "EXPRESSION_UNSUPPORTED"),
        ("lambda: 1", 5, "EXPRESSION_UNSUPPORTED"),
        ("r.sub == 'a' if True else r.obj", 18, "EXPRESSION_UNSUPPORTED"),
        ("ﬁeld == 1", 5, "NAME_LOOKALIKE"),
    ],
)
def test_what_is_not_of_the_language_is_refused_at_its_place(expression, column, code):
    found = refused(model(expression), "p, a, b, c\n")
    assert [each[3] for each in found] == [code]
    assert found[0][2] == column


def test_a_refusal_in_a_wrapped_matcher_points_to_its_own_line():
    text = model("r.sub == p.sub && \\\n    r.obj == p.objekt")
    lines = text.split("\n")
    [(file, line, column, code)] = refused(text)
    assert (file, code) == ("model.conf", "FIELD_UNKNOWN")
    assert lines[line - 1][column - 1 :] == "objekt"


def test_a_refusal_in_a_rule_points_into_its_cell():
    [(file, line, column, code)] = refused(model("eval(p.sub) && r.obj == p.obj"), "# note\np,  r.sub == nobody, data, read\n")
    assert (file, line, column, code) == ("policy.csv", 2, 14, "NAME_UNKNOWN")


def test_nothing_of_a_policy_is_run_as_python(tmp_path):
    mark = tmp_path / "mark"
    for expression in (
        f"__import__('pathlib').Path('{mark}').touch()",
        f"open('{mark}', 'w')",
        "().__class__.__bases__",
        "exec('1')",
    ):
        assert refused(model(expression))
        assert refused(model("eval(p.sub)"), f'p, "{expression}", a, b\n')
    assert not mark.exists()
