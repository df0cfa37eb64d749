"""What a language has for notices. `{name}` stands for what a notice is about, or a time."""

from __future__ import annotations

from typing import NamedTuple

from munjigi.grants.notices.notice import Kind, Severity


class Vocabulary(NamedTuple):
    """Subject, opening sentence and orders (lines about what to do) of each kind; labels of the facts; marks of severity."""

    kinds: dict[Kind, tuple[str, ...]]
    labels: dict[str, str]
    severities: dict[Severity, str]
