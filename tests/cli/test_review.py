"""What reviewers type: numbers and spans of items; and what they see: bars, and objects in short."""

from __future__ import annotations

import click
import pytest

from munjigi.cli.review_decide import numbers_of
from munjigi.cli.review_plot import bar
from munjigi.cli.review_table import by_table


def test_numbers_and_spans_are_items_each_once():
    assert numbers_of(["7", "3-5", "4"]) == [3, 4, 5, 7]
    assert numbers_of([]) == []


@pytest.mark.parametrize("text", ["", "x", "-", "3-", "-3", "3-x", "1.5", "٣", "0-100000", "5-3", "9" * 12])
def test_what_is_no_item_is_refused(text: str):
    with pytest.raises(click.UsageError):
        numbers_of([text])


@pytest.mark.parametrize(
    ("share", "drawn"), [(0, ""), (1, "█" * 40), (0.5, "█" * 20), (2, "█" * 40), (-1, ""), (1 / 320, "▏"), (0.0125, "▌")]
)
def test_a_bar_is_as_long_as_its_share(share: float, drawn: str):
    assert bar(share).rstrip() == drawn
    assert len(bar(share)) == 40


def test_objects_in_short_name_tables_and_leave_classes_out():
    assert by_table(["crm.member.name", "crm.member.phone", "crm.payment.amount", "class:contact", "crm.member.name"]) == (
        "crm.member 2, crm.payment 1"
    )
