from __future__ import annotations

import pytest

from munjigi.reports.units import shown


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0, "short", "0"),
        (3, "short", "3"),
        (1234, "short", "1,234"),
        (21_900, "short", "21.9 k"),
        (4_520_000, "short", "4.52 M"),
        (0.25, "cps", "0.25"),
        (0.139, "percentunit", "13.9 %"),
        (0, "s", "0"),
        (0.00025, "s", "250 µs"),
        (0.0015, "s", "1.5 ms"),
        (90, "s", "1.5 min"),
        (172_800, "s", "2 d"),
        (1536, "bytes", "1.5 KiB"),
        (1536, "Bps", "1.5 KiB/s"),
    ],
)
def test_numbers_are_shown_for_people(value: float, unit: str, text: str):
    assert shown(value, unit) == text
