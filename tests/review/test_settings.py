"""reviews.toml: rows as they are written, what is wrong with them by line, and the rows that are there without the file."""

from __future__ import annotations

from dataclasses import replace

import pytest
from review.plan_kit import POLICY, bundle, made_of
from review.usage_kit import POLICIES, sample_bundle

from munjigi.adapters.policy_files import read_policy_home
from munjigi.kernel.errors import NotFound
from munjigi.policy.compile import compile_bundle
from munjigi.review.settings import SHIPPED, Thresholds, row_of, rows_of

HEAD = '[reviews.mine]\ntitle = "Mine"\n'


def problems(text: str) -> list[tuple[int, str]]:
    files = dict(read_policy_home(POLICIES).files) | {"reviews.toml": text.encode()}
    made, found = compile_bundle(files, "test")
    assert (made is None) == any(each.severity == "error" for each in found)
    return [(each.line, each.code) for each in found if each.file == "reviews.toml"]


def test_without_the_file_there_are_the_shipped_rows_and_the_sample_has_the_same_but_for_its_classes():
    files = {path: content for path, content in read_policy_home(POLICIES).files.items() if path != "reviews.toml"}
    plain, _ = compile_bundle(files, "test")
    assert plain is not None
    assert tuple(rows_of(plain).values()) == SHIPPED
    sample = rows_of(sample_bundle())
    assert [replace(row, defaults=SHIPPED[0].defaults) for row in sample.values()] == list(SHIPPED)
    assert dict(sample["unused"].defaults)["identity.unique"] == "revoke"


def test_a_row_is_what_it_says():
    text = (
        HEAD
        + """
judges = "use"
who = "all"
roles = ["wide"]
every = "monthly"
day = 31
min_age_role_days = 10
min_age_permission_days = 3
threshold_days = {yearly = 380}
notice_days = 0
remind_days = [1, 2]
escalate_days = 3
office_days = 3
default_days = 4
cap_grants_percent = 1
cap_team_percent = 100
canary_percent = 0
canary_hours = 1
spike_percent = 9
auto_revoke = false
defaults = {contact = "revoke"}
sample_percent = 5
sample_least = 4
sample_most = 9
lock_days = 6
remove_days = 7
"""
    )
    row = row_of(made_of(POLICY, **{"reviews.toml": text}), "mine")
    assert (row.kind, row.title, row.judges, row.who, row.roles, row.every, row.day) == (
        *("mine", "Mine", "use", "all", ("wide",), "monthly", 31),
    )
    assert (row.min_age_role_days, row.min_age_permission_days, row.notice_days, row.remind_days) == (10, 3, 0, (1, 2))
    assert row.thresholds == Thresholds(yearly=380)
    assert (row.escalate_days, row.office_days, row.default_days) == (3, 3, 4)
    assert (row.cap_grants, row.cap_team, row.canary, row.canary_hours, row.spike) == (0.01, 1.0, 0.0, 1, 0.09)
    assert (row.auto_revoke, row.defaults) == (False, (("", "suspend"), ("contact", "revoke")))
    assert (row.sample, row.sample_least, row.sample_most) == (0.05, 4, 9)
    assert (row.lock_days, row.remove_days) == (6, 7)


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ('judges = "looks"', "VALUE_INVALID"),
        ('every = "daily"', "VALUE_INVALID"),
        ("day = 32", "VALUE_INVALID"),
        ('roles = ["nobodys"]', "ROLE_UNKNOWN"),
        ("remind_days = [3, 2]", "VALUE_INVALID"),
        ("remind_days = [0]", "VALUE_INVALID"),
        ("remind_days = 3", "VALUE_INVALID"),
        ("cap_grants_percent = 101", "VALUE_INVALID"),
        ("threshold_days = {weekly = 7}", "KEY_UNKNOWN"),
        ("threshold_days = {yearly = 0}", "VALUE_INVALID"),
        ('defaults = {contact = "keep"}', "VALUE_INVALID"),
        ('defaults = {unheard_of = "revoke"}', "KEY_UNKNOWN"),
        ("default_days = 5", "REVIEW_STEPS_REVERSED"),
        ("remove_days = 5", "REVIEW_STEPS_REVERSED"),
        ("sample_most = 9", "SAMPLE_REVERSED"),
        ('who = "privileged"', "REVIEW_AUTO_PRIVILEGED"),
        ("cap = 1", "KEY_UNKNOWN"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(more: str, code: str):
    found = problems(f"{HEAD}{more}\n")
    assert [each for _, each in found] == [code]
    assert found[0][0] in (1, 3)


def test_something_else_than_reviews_is_no_part_of_it():
    assert problems("[other]\n") == [(1, "KEY_UNKNOWN")]


def test_a_kind_that_is_not_there_is_said():
    with pytest.raises(NotFound) as refused:
        row_of(bundle(), "nothing")
    assert refused.value.reason == "REVIEW_KIND_UNKNOWN"
    assert "unused" in refused.value.message
