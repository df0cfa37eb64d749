"""Each function by itself, on patterns made of the pieces that mean something to it: the value is pycasbin's, or the pattern refused."""

from __future__ import annotations

from random import Random

import pytest
from casbin.util import builtin_operators as theirs
from defects.support import engine, model
from oracle.compare import silent

from munjigi.kernel.errors import InvalidArgument

FUNCTIONS = {
    "keyMatch": (theirs.key_match_func, "a b / * ab"),
    "keyMatch2": (theirs.key_match2_func, "/ a :a :b * /* . b : {a} ? + ( ) | é $ ^"),
    "keyMatch3": (theirs.key_match3_func, "/ a {a} {b} * /* . b { } ? é {}"),
    "keyMatch4": (theirs.key_match4_func, "/ a {a} {b} * /* . b { } é"),
    "keyMatch5": (theirs.key_match5_func, "/ a {a} {b} * /* . b ? é } {"),
    "regexMatch": (
        theirs.regex_match_func,
        (
            "a b / . * + ? ( ) | [ab] [^a] \\d \\w \\s ^ $ {2} {1,} (?: é \n [a- \\. (?i) \\W \\S \\D \\Z - [ ] { } {,2} *? \\n"
            " (?P<x> [\\d-x] [a-\\w] a{3,2} (?P<1>"
        ),
    ),
    "globMatch": (theirs.glob_match_func, "a b / * ** ? [ab] [!a] {a,b} . é /** { } , [a-c] **/ \\ [ ]"),
    "ipMatch": (theirs.ip_match_func, "1 0 . 10.0.0.1 /8 192.168.1.0 /24 : :: f"),
    "keyGet": (theirs.key_get, "a b / * ab"),
    "keyGet2": (theirs.key_get2, "/ a :a :b * /* . b : {a} ? é"),
    "keyGet3": (theirs.key_get3, "/ a {a} {b} * /* . b { } ? é {}"),
}
TEXTS = ("a", "b", "/", ".", "é", "1", "?", "\n", "ab", "{a}", "-", "", "//", "A", "\u0663", "c", " ", "_")
ADDRESSES = ("10.0.0.1", "192.168.1.7", "::1", "10.0.0", "1", "fe80::1")
TRIES = 400  # patterns for each function, with four texts each


def draw(rng, pieces, most):
    return "".join(rng.choice(pieces) for _ in range(rng.randrange(most)))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_value_is_pycasbins_or_the_pattern_is_refused(name):
    function, pieces = FUNCTIONS[name]
    getter = name.startswith("keyGet")
    more = ", 'a'" if name in {"keyGet2", "keyGet3"} else ""
    call = f"{name}(r.sub, r.obj{more})"
    ours = engine(model(f"{call} == r.act" if getter else call, g=()), "p, x, y, z\n")
    rng = Random(name)
    same = refused = 0
    for _ in range(TRIES):
        pattern = draw(rng, pieces.split(" "), 7)
        for _ in range(4):
            text = rng.choice(ADDRESSES) if name == "ipMatch" else draw(rng, TEXTS, 7)
            try:
                with silent():
                    expected = function(text, pattern, "a") if more else function(text, pattern)
            except Exception:  # noqa: BLE001 - it has no value
                with pytest.raises(InvalidArgument):
                    ours.enforce((text, pattern, ""))
                continue
            try:
                if getter:
                    assert ours.enforce((text, pattern, expected)), (text, pattern, expected)
                    assert not ours.enforce((text, pattern, f"{expected}x")), (text, pattern, expected)
                else:
                    assert ours.enforce((text, pattern, "")) == expected, (text, pattern)
                same += 1
            except InvalidArgument:
                refused += 1
    assert same > 3 * refused
    assert same > 600
