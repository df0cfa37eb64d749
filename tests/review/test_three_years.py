"""A company under review for years: nothing that is used goes, hardly anything has to be given back, most of what is idle is gone."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from review.company_years import Outcome, Years


def judged(outcome: Outcome) -> None:
    with_reviews, without = outcome.excess["judged"]
    print(
        f"{outcome.reads} reads, {len(outcome.plans)} plans ({outcome.refused} refused first), {outcome.removed} items took something, "
        f"{outcome.restored} given back within 14 days, {outcome.restored_late} later; excess {outcome.excess}"
    )
    assert outcome.reads > 50_000
    assert outcome.used_removed == 0
    assert outcome.refused == 1
    assert outcome.removed >= 10
    assert outcome.restored < 0.01 * outcome.removed
    assert with_reviews <= 0.2 * without


@pytest.mark.no_cover  # the same lines every day
def test_a_company_for_a_year_of_quarters(tmp_path: Path):
    judged(Years(tmp_path, 1, first=date(2027, 9, 20), length=290).run())


@pytest.mark.torture
@pytest.mark.parametrize(("seed", "zone"), [(11, "Asia/Seoul"), (12, "America/New_York"), (13, "Europe/Berlin")])
def test_three_years(tmp_path: Path, seed: int, zone: str):
    judged(Years(tmp_path, seed, first=date(2027, 3, 1), length=1096, zone=zone).run())  # 29 February 2028 is among them
