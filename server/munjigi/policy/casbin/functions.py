"""The registry of functions that a matcher may call: pure, named, with a fixed number of arguments."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

Shape = Literal["prefix", "regex", "capture", "network", "time", "get"]


class Function(NamedTuple):
    """`arguments` is how many it takes. `pattern`: its second argument is a pattern that is checked at load."""

    arguments: int
    shape: Shape
    pattern: bool


FUNCTIONS: Final = {
    "keyMatch": Function(2, "prefix", pattern=False),
    "keyMatch2": Function(2, "regex", pattern=True),
    "keyMatch3": Function(2, "regex", pattern=True),
    "keyMatch4": Function(2, "capture", pattern=True),
    "keyMatch5": Function(2, "regex", pattern=True),
    "keyGet": Function(2, "get", pattern=False),
    "keyGet2": Function(3, "get", pattern=True),
    "keyGet3": Function(3, "get", pattern=True),
    "regexMatch": Function(2, "regex", pattern=True),
    "globMatch": Function(2, "regex", pattern=True),
    "ipMatch": Function(2, "network", pattern=False),
    "timeMatch": Function(2, "time", pattern=False),
}
