"""The stand-in for archived forecasts: it never looks ahead, and it is better than yesterday."""

from __future__ import annotations

import numpy as np
import pytest

from energy_pipeline.model.forecast_model import (
    DAY,
    ENERGY,
    PRICE,
    Recipe,
    forecast_error,
    forecast_from_past,
)

DAYS = 30
SLOT = np.arange(DAYS * DAY) % DAY


def seasonal(seed: int = 0) -> np.ndarray:
    """A daily wave, a slow drift and noise."""
    draw = np.random.default_rng(seed)
    drift = np.cumsum(draw.normal(0, 0.02, DAYS * DAY))
    return 20 + 8 * np.sin(SLOT / DAY * 2 * np.pi) + drift + draw.normal(0, 2.0, DAYS * DAY)


@pytest.mark.parametrize("recipe", [ENERGY, PRICE])
def test_what_comes_later_changes_no_forecast(recipe):
    actual = np.abs(seasonal())
    now = 12 * DAY + 100
    other = actual.copy()
    other[now:] = 999.0
    one = forecast_from_past(actual, recipe, horizon=DAY, every=4)
    two = forecast_from_past(other, recipe, horizon=DAY, every=4)
    before = one.issued_interval <= now
    assert np.array_equal(one.values[before], two.values[before], equal_nan=True)
    assert not np.array_equal(one.values[~before], two.values[~before], equal_nan=True)


def test_a_repeating_day_is_foreseen_exactly_from_the_second_day_on():
    actual = 5 + np.sin(SLOT / DAY * 2 * np.pi)
    made = forecast_from_past(actual, ENERGY, horizon=DAY, every=7)
    later = (made.issued_interval >= DAY) & (made.issued_interval < (DAYS - 2) * DAY)
    target = made.issued_interval[later][:, None] + np.arange(made.values.shape[1])
    assert made.values[later] == pytest.approx(actual[target])


def test_nothing_is_said_of_a_time_of_day_never_seen():
    made = forecast_from_past(seasonal(), ENERGY, horizon=DAY, every=12)
    assert np.isnan(made.values[0]).all()
    first_morning = made.values[6]  # issued at 6:00 of the first day
    assert np.isnan(first_morning[: DAY - 72]).all()
    assert np.isfinite(first_morning[DAY - 72 : DAY]).all()


def test_energies_are_never_foreseen_negative():
    actual = np.maximum(seasonal() - 22.0, 0.0)
    made = forecast_from_past(actual, ENERGY, horizon=DAY, every=12)
    assert np.nanmin(made.values) >= 0.0


def test_gaps_in_the_past_are_passed_over():
    actual = seasonal()
    actual[3 * DAY : 4 * DAY] = np.nan
    made = forecast_from_past(actual, PRICE, horizon=DAY, every=12)
    issue = int(np.searchsorted(made.issued_interval, 4 * DAY))
    assert np.isfinite(made.values[issue]).all()


def test_one_spike_does_not_make_tomorrow_a_spike():
    actual = np.full(10 * DAY, 20.0)
    actual[5 * DAY + 200 : 5 * DAY + 206] = 2_000.0
    made = forecast_from_past(actual, PRICE, horizon=DAY, every=12)
    tomorrow = int(np.searchsorted(made.issued_interval, 6 * DAY + 180))
    assert made.values[tomorrow].max() < 120.0


def test_the_error_by_lead_is_below_that_of_yesterday():
    actual = seasonal(3)
    table = forecast_error(forecast_from_past(actual, PRICE, horizon=DAY, every=12), actual)
    assert list(table.index) == [1.0, 3.0, 6.0, 12.0]
    assert (table["mae"] < table["persistence_mae"]).all()
    assert (table["bias"].abs() < 0.5).all()


def test_a_horizon_of_nothing_is_refused():
    with pytest.raises(ValueError, match="1 or more"):
        forecast_from_past(seasonal(), ENERGY, horizon=0, every=1)


def test_without_a_weight_for_yesterday_the_first_day_stays():
    first = forecast_from_past(
        seasonal(), Recipe(day_weight=0.0, memory_hours=1e-6), horizon=DAY, every=DAY
    )
    assert first.values[5][:DAY] == pytest.approx(seasonal()[:DAY])
