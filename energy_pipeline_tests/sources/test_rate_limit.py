"""The quota as the headers tell it, and how long bulk work waits for it."""

import pytest

from energy_pipeline.sources.rate_limit import RateBudget, seconds_to_wait

HEADERS = {
    "RateLimit-Policy": "50;w=300",
    "RateLimit-Limit": "50",
    "RateLimit-Remaining": "43",
    "RateLimit-Reset": "187",
}


@pytest.mark.parametrize("case", [str, str.lower, str.upper])
def test_headers_are_found_in_any_case(case):
    headers = {case(name): value for name, value in HEADERS.items()}
    assert RateBudget.from_headers(headers) == RateBudget(50, 43, 187)


def test_the_policy_stands_in_for_a_missing_limit_and_reset():
    headers = {"ratelimit-policy": "50;w=300", "ratelimit-remaining": "3"}
    assert RateBudget.from_headers(headers) == RateBudget(50, 3, 300)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"RateLimit-Limit": "50"},
        HEADERS | {"RateLimit-Remaining": "many"},
        HEADERS | {"RateLimit-Remaining": "-1"},
        HEADERS | {"RateLimit-Remaining": "1e3"},
        {"RateLimit-Remaining": "3", "RateLimit-Policy": "generous"},
    ],
)
def test_headers_that_do_not_tell_the_quota_are_no_budget(headers):
    assert RateBudget.from_headers(headers) is None


@pytest.mark.parametrize(
    ("remaining", "wait_seconds"), [(50, 0.0), (16, 0.0), (15, 187.0), (1, 187.0), (0, 187.0)]
)
def test_bulk_work_waits_for_the_reset_once_only_the_reserve_is_left(remaining, wait_seconds):
    assert seconds_to_wait(RateBudget(50, remaining, 187), reserve=15) == wait_seconds


def test_without_a_budget_nobody_waits():
    assert seconds_to_wait(None, reserve=15) == 0.0


def test_a_reserve_as_large_as_the_quota_slows_bulk_work_but_does_not_starve_it():
    assert seconds_to_wait(RateBudget(10, 10, 60), reserve=15) == 0.0
    assert seconds_to_wait(RateBudget(10, 5, 60), reserve=15) == 60.0
