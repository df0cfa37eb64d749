from __future__ import annotations

from munjigi.adapters.elasticsearch.request_size import MOST_BYTES, RequestSize


def test_it_begins_with_the_most_and_never_goes_beyond():
    size = RequestSize()
    assert size.limit == MOST_BYTES == 5_000_000
    size.passed(MOST_BYTES)
    assert size.limit == MOST_BYTES


def test_requests_of_one_size_that_were_under_way_together_count_once():
    size = RequestSize()
    for _ in range(4):
        size.too_large(1_000_000)
    assert size.limit == 500_000


def test_it_shrinks_to_one_record_when_that_is_asked_for_and_not_for_slowness():
    size = RequestSize()
    for shrink in (size.too_slow, size.too_large):
        for _ in range(40):
            shrink(size.limit)
        assert size.limit == (65_536 if shrink == size.too_slow else 1)
    size.too_slow(1)
    assert size.limit == 1


def test_it_grows_slowly_and_only_by_requests_that_prove_something():
    size = RequestSize()
    size.too_large(1_000_000)
    for _ in range(1000):
        size.passed(1000)
    assert size.limit == 500_000
    passed = 0
    while size.limit < 1_000_000:
        size.passed(size.limit)
        passed += 1
    assert 40 < passed < 50
    size.too_large(2)
    for _ in range(3_000):
        size.passed(size.limit)
    assert size.limit == MOST_BYTES
