"""When to ask: strictly later, often while a price may be confirmed, seldom when it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_pipeline.model.poll_plan import (
    EAGER_NEEDS,
    EAGER_SECONDS,
    INTERVAL,
    THRIFTY_SECONDS,
    interval_start,
    next_poll,
)

T = datetime(2026, 10, 20, 2, 5, tzinfo=UTC)
INSTANTS = st.integers(0, 365 * 86_400_000_000).map(lambda n: T + timedelta(microseconds=n))
LEFT = st.none() | st.integers(0, 50)


@given(INSTANTS)
def test_an_instant_lies_within_its_interval(instant: datetime) -> None:
    start = interval_start(instant)
    assert start <= instant < start + INTERVAL
    assert start.timestamp() % 300 == 0


@given(INSTANTS, st.booleans(), LEFT)
def test_the_next_request_is_strictly_later_and_within_an_interval_and_a_half_minute(
    now: datetime, confirmed: bool, left: int | None
) -> None:
    due = next_poll(now, confirmed=confirmed, requests_left=left)
    assert now < due <= interval_start(now) + INTERVAL + timedelta(seconds=25)


@given(INSTANTS, LEFT)
def test_a_confirmed_price_is_not_asked_for_again(now: datetime, left: int | None) -> None:
    due = next_poll(now, confirmed=True, requests_left=left)
    assert interval_start(due) == interval_start(now) + INTERVAL


def polls(*, left: int | None, confirmed_after: float = 300.0) -> list[float]:
    """Seconds into one interval at which it is asked for, until it is confirmed."""
    now, found = T, []
    while (now := next_poll(now, confirmed=False, requests_left=left)) < T + INTERVAL:
        found.append((now - T).total_seconds())
        if found[-1] >= confirmed_after:
            break
    return found


@pytest.mark.parametrize("left", [None, 50, EAGER_NEEDS])
def test_while_a_price_may_be_confirmed_it_is_asked_for_every_two_and_a_half_seconds(
    left: int | None,
) -> None:
    eager = polls(left=left)
    assert eager == list(EAGER_SECONDS)
    span = [second for second in eager if 16 <= second <= 41]
    assert (span[0], span[-1]) == (16.0, 41.0)
    assert max(b - a for a, b in pairwise(span)) <= 2.5


def test_a_price_confirmed_at_the_latest_that_was_measured_costs_ten_requests() -> None:
    assert len(polls(left=50, confirmed_after=37.1)) == 10


def test_a_price_that_is_never_confirmed_costs_less_than_what_is_left_for_others() -> None:
    assert len(polls(left=50)) + EAGER_NEEDS < 50


@pytest.mark.parametrize("left", [0, EAGER_NEEDS - 1])
def test_with_little_left_of_the_quota_it_is_asked_for_seldom(left: int) -> None:
    assert polls(left=left) == list(THRIFTY_SECONDS)
