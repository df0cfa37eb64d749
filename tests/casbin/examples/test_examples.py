"""Every kind of model that Casbin's documentation shows: the verdicts as written down, from pycasbin and from us."""

from __future__ import annotations

import pytest
from examples.asked import NAMES, read
from oracle.ours import Ours
from oracle.theirs import Theirs


@pytest.mark.parametrize("name", NAMES)
def test_pycasbin_says_what_is_written(name):
    example = read(name)
    theirs = Theirs(example.model, example.policy)
    assert [(theirs.ask(request), request) for _, request in example.asked] == list(example.asked)


@pytest.mark.parametrize("name", NAMES)
def test_we_say_what_is_written(name):
    example = read(name)
    ours = Ours(example.model, example.policy)
    assert [(ours.ask(request), request) for _, request in example.asked] == list(example.asked)


def test_the_examples_have_both_verdicts_and_are_many():
    verdicts = {name: {verdict for verdict, _ in read(name).asked} for name in NAMES}
    assert len(NAMES) >= 45
    assert [name for name, both in verdicts.items() if both != {"allow", "deny"}] == []
