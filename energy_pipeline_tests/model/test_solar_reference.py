"""Published yields, invented weather, and measured generation at another size."""

import numpy as np
import pandas as pd
import pytest

from energy_pipeline.model.irradiance import (
    Site,
    check_weather,
    clear_sky,
    five_minute_weather,
    sun_position,
)
from energy_pipeline.model.solar import Array, SolarSystem, ac_kwh, unit_yield
from energy_pipeline.model.solar_measured import flat_top, scale_measured
from energy_pipeline.model.solar_reference import (
    CITIES,
    check_yield,
    nearest_city,
    synthetic_weather,
)

SYDNEY = Site(latitude=-33.87, longitude=151.21)


def hours(start: str, end: str) -> pd.DatetimeIndex:
    return pd.date_range(start, end, freq="h", tz="UTC", inclusive="left")


@pytest.mark.parametrize("city", CITIES, ids=lambda city: city.name)
def test_invented_weather_yields_the_published_year_and_its_best_and_worst_month(city):
    site = Site(latitude=city.latitude, longitude=city.longitude)
    sky = synthetic_weather(site, hours("2024-01-01", "2025-01-01"))  # a leap year
    assert len(sky.hourly) == 8784
    check_weather(sky.hourly, step=pd.Timedelta(hours=1))
    unit = unit_yield(
        sky.hourly,
        site,
        tilt_degrees=abs(city.latitude),
        azimuth_degrees=0.0,
        interval_hours=1.0,
    )
    array = Array(kwp=1.0, tilt_degrees=abs(city.latitude), azimuth_degrees=0.0)
    solar = ac_kwh([unit], SolarSystem(arrays=(array,), inverter_kw=1.0), interval_hours=1.0)
    monthly = solar.groupby(solar.index.month).sum() / [
        31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31,
    ]  # fmt: skip
    assert solar.sum() / 366 == pytest.approx(city.annual, rel=0.005)
    assert monthly.max() == pytest.approx(city.best_month, rel=0.01)
    assert monthly.min() == pytest.approx(city.worst_month, rel=0.01)


def test_invented_weather_says_so_and_depends_on_the_seed_alone():
    spring = hours("2025-10-01", "2025-11-01")
    year = hours("2025-01-01", "2026-01-01")
    sky = synthetic_weather(SYDNEY, spring, seed=4)
    assert sky.label.startswith("synthetic")
    assert sky.city == "Sydney"
    whole = synthetic_weather(SYDNEY, year, seed=4).hourly.loc[spring]
    pd.testing.assert_frame_equal(sky.hourly, whole, check_freq=False)
    other = synthetic_weather(SYDNEY, spring, seed=5)
    assert not np.allclose(sky.hourly["ghi_w_m2"], other.hourly["ghi_w_m2"])


def test_invented_weather_made_fine_yields_the_published_year_too():
    sky = synthetic_weather(SYDNEY, hours("2025-01-01", "2026-01-01"))
    fine = five_minute_weather(sky.hourly, SYDNEY, flicker_seed=1)
    unit = unit_yield(fine, SYDNEY, tilt_degrees=33.87, azimuth_degrees=0.0)
    array = Array(kwp=1.0, tilt_degrees=33.87, azimuth_degrees=0.0)
    solar = ac_kwh([unit], SolarSystem(arrays=(array,), inverter_kw=1.0))
    assert solar.sum() / 365 == pytest.approx(3.9, rel=0.015)


def test_the_nearest_city_is_found_with_its_distance():
    city, distance_km = nearest_city(Site(latitude=-32.93, longitude=151.78))  # Newcastle
    assert city.name == "Sydney"
    assert distance_km == pytest.approx(117, abs=5)


def test_a_healthy_yield_passes_without_a_word():
    check = check_yield(3.7, SYDNEY)
    assert check.warning is None
    assert check.ratio == pytest.approx(3.7 / 3.9)


def test_a_suspicious_yield_is_warned_of_and_an_impossible_one_refused():
    assert "0.64 times" in str(check_yield(2.5, SYDNEY).warning)
    assert "1.28 times" in str(check_yield(5.0, SYDNEY).warning)
    with pytest.raises(ValueError, match="check the size"):
        check_yield(6.0, SYDNEY)
    with pytest.raises(ValueError, match="check the size"):
        check_yield(float("nan"), SYDNEY)


def test_a_south_roof_is_not_reported_as_a_fault():
    assert check_yield(2.5, SYDNEY, direction_ratio=0.7).warning is None


def system(kwp: float, inverter_kw: float, azimuth: float = 0.0) -> SolarSystem:
    array = Array(kwp=kwp, tilt_degrees=22.0, azimuth_degrees=azimuth)
    return SolarSystem(arrays=(array,), inverter_kw=inverter_kw)


@pytest.fixture(scope="module")
def week() -> dict[float, pd.Series]:
    index = pd.date_range("2025-01-10 14:00", periods=7 * 288, freq="5min", tz="UTC")
    sky = clear_sky(SYDNEY, sun_position(SYDNEY, index)).assign(temperature_c=25.0, wind_m_s=2.0)
    return {
        azimuth: unit_yield(sky, SYDNEY, tilt_degrees=22.0, azimuth_degrees=azimuth)
        for azimuth in (0.0, 270.0)
    }


def test_measured_generation_scales_with_the_panels_and_stops_at_the_inverter(week):
    measured = ac_kwh([week[0.0]], system(5.0, 10.0))
    scaled = scale_measured(measured, measured=system(5.0, 10.0), wanted=system(10.0, 6.0))
    np.testing.assert_allclose(scaled.solar_kwh, np.minimum(measured * 2, 0.5), rtol=1e-12)
    assert scaled.warnings == ()


def test_clipped_measurements_are_noticed_and_warned_of(week):
    clipped = ac_kwh([week[0.0]], system(10.0, 5.0))
    found = flat_top(clipped)
    assert found is not None
    assert found.limit_kw == pytest.approx(5.0)
    scaled = scale_measured(clipped, measured=system(10.0, 5.0), wanted=system(10.0, 10.0))
    assert "flat at 5.00 kW" in scaled.warnings[0]


def test_the_rounded_tops_of_clear_days_are_not_taken_for_clipping(week):
    assert flat_top(ac_kwh([week[0.0]], system(5.0, 10.0))) is None
    assert flat_top(week[0.0] * 0.0) is None


def test_a_turned_array_follows_the_models(week):
    north, west = system(5.0, 10.0), system(5.0, 10.0, azimuth=270.0)
    models = (ac_kwh([week[0.0]], north), ac_kwh([week[270.0]], west))
    measured = models[0] * 0.9  # a dirty roof stays a dirty roof
    turned = scale_measured(measured, measured=north, wanted=west, modelled=models)
    np.testing.assert_allclose(turned.solar_kwh, models[1] * 0.9, atol=1e-9)


def test_no_panels_at_all_are_a_size_too_but_cannot_have_been_measured(week):
    measured = ac_kwh([week[0.0]], system(5.0, 10.0))
    none = scale_measured(measured, measured=system(5.0, 10.0), wanted=system(0.0, 10.0))
    assert none.solar_kwh.sum() == 0.0
    with pytest.raises(ValueError, match="measured has 0 kWp"):
        scale_measured(measured, measured=system(0.0, 10.0), wanted=system(5.0, 10.0))


def test_turning_without_models_and_measuring_with_gaps_are_refused(week):
    measured = ac_kwh([week[0.0]], system(5.0, 10.0))
    with pytest.raises(ValueError, match="pass modelled"):
        scale_measured(measured, measured=system(5.0, 9.0), wanted=system(5.0, 9.0, 270.0))
    with pytest.raises(ValueError, match="solar_kwh must have no gaps"):
        flat_top(measured.where(measured < 0.3))
