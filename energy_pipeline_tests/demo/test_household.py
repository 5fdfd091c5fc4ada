"""The demo household: meters, sun and habits."""

from datetime import date

import numpy as np
import pytest

from energy_pipeline.demo import household, nem_time
from energy_pipeline.demo.weather import weather_at

SEED = 2024


def day(year: int, month: int, number: int, seed: int = SEED) -> household.MeteredDay:
    return household.metered_day(seed, nem_time.nem_day_of_date(date(year, month, number)))


def minutes(first: date, days: int) -> np.ndarray:
    start = nem_time.first_slot(nem_time.nem_day_of_date(first)) * 300
    return start + 60 * np.arange(days * 1440)


@pytest.mark.parametrize(
    ("of", "pulses", "export_kwh", "controlled_load_kwh"),
    [
        (date(2024, 1, 1), 24190, 25.524, 8.28),
        (date(2025, 7, 15), 29431, 14.105, 10.56),
        (date(2026, 11, 24), 22223, 13.259, 4.32),
    ],
)
def test_the_same_seed_measures_the_same_on_every_machine(
    of, pulses, export_kwh, controlled_load_kwh
):
    measured = household.metered_day(SEED, nem_time.nem_day_of_date(of))
    assert measured.pulses.sum() == pulses
    assert measured.export_kwh.sum() == pytest.approx(export_kwh, abs=1e-9)
    assert measured.controlled_load_kwh.sum() == pytest.approx(controlled_load_kwh, abs=1e-9)


def test_another_seed_is_another_home():
    assert day(2025, 3, 3).pulses.sum() != day(2025, 3, 3, seed=7).pulses.sum()


def test_the_days_may_be_read_in_any_order():
    days = [nem_time.nem_day_of_date(date(2025, 5, number)) for number in range(1, 8)]
    household.metered_day.cache_clear()
    forward = [household.metered_day(SEED, one).pulses.tolist() for one in days]
    household.metered_day.cache_clear()
    backward = [household.metered_day(SEED, one).pulses.tolist() for one in reversed(days)]
    assert forward == backward[::-1]


@pytest.mark.parametrize("of", [date(2025, 10, 5), date(2026, 4, 5), date(2024, 2, 29)])
def test_every_nem_day_has_1440_minutes_and_288_intervals(of):
    measured = household.metered_day(SEED, nem_time.nem_day_of_date(of))
    assert measured.pulses.shape == (1440,)
    for energy in (measured.import_kwh, measured.controlled_load_kwh, measured.export_kwh):
        assert energy.shape == (288,)
        assert (energy >= 0).all()
        assert (energy == np.round(energy, 3)).all()


def test_import_energy_is_the_pulses_of_its_five_minutes():
    measured = day(2025, 8, 20)
    five = measured.pulses.reshape(288, 5).sum(axis=1) / household.PULSES_PER_KWH
    assert np.abs(measured.import_kwh - five).max() <= 0.0005 + 1e-12


def test_load_and_sun_balance_import_and_export():
    epoch = minutes(date(2025, 9, 9), 1)
    weather = weather_at(SEED, epoch)
    solar = household.solar_watts(epoch, weather)
    load = household.load_watts(SEED, epoch, weather, solar)
    measured = day(2025, 9, 9)
    net_kwh = measured.import_kwh.sum() - measured.export_kwh.sum()
    assert net_kwh == pytest.approx((load - solar).sum() / 60_000, abs=0.02)


def test_no_sun_shines_at_night_and_the_inverter_is_never_exceeded():
    epoch = minutes(date(2025, 1, 1), 365)
    solar = household.solar_watts(epoch, weather_at(SEED, epoch))
    hour = nem_time.local_hour(epoch)
    assert solar[(hour < 4) | (hour >= 21)].max() == 0
    assert 4000 < solar.max() <= 1000 * household.INVERTER_KW


def test_a_year_is_that_of_a_family_with_six_kilowatts_of_sun():
    epoch = minutes(date(2025, 1, 1), 365)
    weather = weather_at(SEED, epoch)
    solar = household.solar_watts(epoch, weather)
    load_kwh = household.load_watts(SEED, epoch, weather, solar).sum() / 60_000
    assert 1300 < solar.sum() / 60_000 / household.ARRAY_KW < 1550  # kWh for each kW
    assert 5000 < load_kwh < 7000
    month = nem_time.local_month(epoch)
    assert solar[month == 12].sum() > 1.5 * solar[month == 6].sum()
    assert 0 < weather.temperature_c.min() < 8
    assert 30 < weather.temperature_c.max() < 42


def test_the_evening_uses_most_and_the_weekend_differs_from_the_week():
    epoch = minutes(date(2025, 1, 1), 365)
    weather = weather_at(SEED, epoch)
    load = household.load_watts(SEED, epoch, weather, household.solar_watts(epoch, weather))
    hour = nem_time.local_hour(epoch)
    weekend = (nem_time.local_seconds(epoch) // 86_400 + 3) % 7 >= 5
    evening, night = (hour >= 18) & (hour < 21), hour < 5
    midday = (hour >= 10) & (hour < 15)
    assert load[evening].mean() > 4 * load[night].mean()
    assert load[midday & weekend].mean() > 1.15 * load[midday & ~weekend].mean()


def test_habits_follow_the_clock_on_the_wall_through_daylight_saving():
    """Breakfast is at one wall-clock time; the meter, in UTC, sees it an hour apart."""
    for first in (date(2025, 7, 7), date(2025, 1, 6)):
        epoch = minutes(first, 5)
        weather = weather_at(SEED, epoch)
        load = household.load_watts(SEED, epoch, weather, np.full(epoch.shape, 1000.0))
        hour = nem_time.local_hour(epoch)
        assert load[(hour >= 6.4) & (hour < 8)].max() > 2000
        assert load[hour < 6].max() < 1000


def test_hot_water_runs_at_night_and_longer_in_winter():
    for of in (date(2025, 1, 14), date(2025, 7, 14)):
        epoch = minutes(of, 7)
        hour = nem_time.local_hour(epoch)
        watts = household.hot_water_watts(SEED, epoch)
        assert watts[(hour >= 4) & (hour < 22.5)].max() == 0
        assert watts.max() == 3600
    summer = household.hot_water_watts(SEED, minutes(date(2025, 1, 1), 31)).sum()
    winter = household.hot_water_watts(SEED, minutes(date(2025, 7, 1), 31)).sum()
    assert winter > 1.3 * summer
