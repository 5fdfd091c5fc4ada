"""When to start the dishwasher."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_pipeline.model.best_start import BestStart, NoStart, best_start

T0 = datetime(2026, 11, 24, 3, 5, tzinfo=UTC)
FIVE = timedelta(minutes=5)


def intervals_of(*minutes_and_prices, start=T0):
    rows = []
    for minutes, price in minutes_and_prices:
        rows.append((start, start + timedelta(minutes=minutes), price))
        start = rows[-1][1]
    return rows


def test_a_hand_worked_run_over_mixed_durations():
    # 5 min at 10, 5 at 40, 30 at 20, 30 at 6, 30 at 30. One hour from +10: (30 x 20 + 30 x 6) / 60
    # = 13; from +0: (50 + 200 + 600 + 120) / 60 = 16.167; from +40: (180 + 900) / 60 = 18.
    found = best_start(
        intervals_of((5, 10.0), (5, 40.0), (30, 20.0), (30, 6.0), (30, 30.0)),
        1.0,
        T0,
        T0 + timedelta(hours=3),
    )
    assert isinstance(found, BestStart)
    assert found.start == T0 + timedelta(minutes=10)
    assert found.end == found.start + timedelta(hours=1)
    assert found.mean_c_per_kwh == pytest.approx(13.0)
    assert found.mean_from_now_c_per_kwh == pytest.approx(970 / 60)
    # 1.2 kWh x (16.1667 - 13) c = 3.8 c
    assert found.saving_aud(1.2) == pytest.approx(0.038)


def test_the_end_of_a_run_may_be_what_fixes_its_start():
    # 45 min over 30 at 10, 30 at 0, 30 at 50: best ends where the 50 begins, so it starts at +15.
    found = best_start(
        intervals_of((30, 10.0), (30, 0.0), (30, 50.0)), 0.75, T0, T0 + timedelta(hours=2)
    )
    assert found.start == T0 + timedelta(minutes=15)
    assert found.mean_c_per_kwh == pytest.approx(10 * 15 / 45)


def test_of_equal_starts_the_earliest_is_named():
    found = best_start(intervals_of(*[(30, 12.0)] * 8), 2.0, T0, T0 + timedelta(hours=9))
    assert found.start == T0
    assert found.saving_aud(1.2) == 0.0


def test_no_start_is_later_than_allowed():
    prices = intervals_of((60, 30.0), (60, 20.0), (60, 10.0))
    found = best_start(prices, 1.0, T0, T0 + timedelta(minutes=30))
    assert found.start == T0 + timedelta(minutes=30)
    assert found.mean_c_per_kwh == pytest.approx(25.0)


def test_a_negative_price_is_the_best_price():
    found = best_start(intervals_of((60, 5.0), (60, -8.0)), 1.0, T0, T0 + timedelta(hours=3))
    assert found.mean_c_per_kwh == -8.0
    assert found.saving_aud(2.0) == pytest.approx(0.26)


def test_a_run_never_covers_an_unknown_price():
    prices = intervals_of((60, 30.0), (5, None), (60, 20.0))
    found = best_start(prices, 1.0, T0, T0 + timedelta(hours=3))
    assert found.start == T0 + timedelta(minutes=65)


def test_a_hole_between_intervals_is_an_unknown_price():
    prices = intervals_of((60, 1.0)) + intervals_of((60, 2.0), start=T0 + timedelta(minutes=65))
    assert isinstance(best_start(prices, 1.5, T0, T0 + timedelta(hours=3)), NoStart)


def test_a_run_from_now_that_is_not_known_gives_no_saving():
    prices = intervals_of((30, None), (60, 20.0))
    found = best_start(prices, 1.0, T0, T0 + timedelta(hours=3))
    assert found.mean_from_now_c_per_kwh is None
    assert found.saving_aud(1.2) is None


def test_too_short_a_horizon_is_said_in_words():
    found = best_start(intervals_of((60, 20.0), (30, 9.0)), 2.0, T0, T0 + timedelta(hours=3))
    assert found == NoStart(
        "Prices are known for the next 1.5 hours, with no unbroken 2 hours among them."
    )


def test_no_prices_at_all_is_said_in_words():
    assert "0.0 hours" in best_start([], 2.0, T0, T0).reason


@pytest.mark.parametrize("hours", [0.0, -1.0, float("nan")])
def test_a_duration_that_is_not_above_zero_is_refused(hours):
    with pytest.raises(ValueError, match="duration_hours"):
        best_start(intervals_of((60, 1.0)), hours, T0, T0)


def test_a_latest_start_in_the_past_is_refused():
    with pytest.raises(ValueError, match="latest"):
        best_start(intervals_of((60, 1.0)), 1.0, T0, T0 - FIVE)


def test_overlapping_intervals_are_refused():
    with pytest.raises(ValueError, match="overlaps"):
        best_start(intervals_of((60, 1.0)) * 2, 1.0, T0, T0)


grid_prices = st.lists(
    st.tuples(st.sampled_from([5, 30]), st.none() | st.integers(-50, 500).map(float)),
    min_size=1,
    max_size=20,
)


@given(rows=grid_prices, run_steps=st.integers(1, 30), latest_steps=st.integers(0, 80))
def test_it_equals_trying_every_five_minutes(rows, run_steps, latest_steps):
    by_step = [price for minutes, price in rows for _ in range(minutes // 5)]
    tried = {}
    for first in range(min(latest_steps, len(by_step) - run_steps) + 1):
        window = by_step[first : first + run_steps]
        if len(window) == run_steps and None not in window:
            tried[first] = sum(window) / run_steps
    found = best_start(intervals_of(*rows), run_steps / 12, T0, T0 + latest_steps * FIVE)
    if not tried:
        assert isinstance(found, NoStart)
        return
    assert found.mean_c_per_kwh == pytest.approx(min(tried.values()), abs=1e-9)
    assert tried[(found.start - T0) // FIVE] == pytest.approx(min(tried.values()), abs=1e-9)
    if 0 in tried:
        assert found.mean_from_now_c_per_kwh == pytest.approx(tried[0], abs=1e-9)


@given(rows=grid_prices, now_minutes=st.integers(0, 60), extra=st.integers(1, 300))
def test_no_start_at_any_whole_minute_is_cheaper(rows, now_minutes, extra):
    by_minute = [price for minutes, price in rows for _ in range(minutes)]
    now = T0 + timedelta(minutes=now_minutes)
    found = best_start(intervals_of(*rows), 0.7, now, now + timedelta(minutes=extra))
    for first in range(now_minutes, now_minutes + extra + 1):
        window = by_minute[first : first + 42]
        if len(window) == 42 and None not in window:
            assert isinstance(found, BestStart)
            assert found.mean_c_per_kwh <= sum(window) / 42 + 1e-6
