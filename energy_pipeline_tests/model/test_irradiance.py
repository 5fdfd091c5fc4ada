"""The sky: labels, gaps, and the energy of each hour."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy_pipeline.model.irradiance import (
    IRRADIANCE,
    STEPS,
    Site,
    check_weather,
    clear_sky,
    five_minute_weather,
    spread_hours,
    sun_position,
)
from energy_pipeline.model.solar import Array, SolarSystem, ac_kwh, unit_yield

SYDNEY = Site(latitude=-33.87, longitude=151.21, altitude_m=20.0)
HOUR = pd.Timedelta(hours=1)


def cloudy_hours(site: Site, start: str, days: int, seed: int = 0) -> pd.DataFrame:
    """Clear sky times a random cover that changes every hour."""
    index = pd.date_range(start, periods=24 * days, freq="h", tz="UTC")
    clear = clear_sky(site, sun_position(site, index))
    beam = np.random.default_rng(seed).beta(0.8, 0.6, len(index))
    dhi = clear["dhi_w_m2"] * (1.0 + 1.5 * (1.0 - beam))
    zenith = sun_position(site, index)["apparent_zenith"]
    dni = clear["dni_w_m2"] * beam
    ghi = dni * np.cos(np.radians(zenith)).clip(lower=0.0) + dhi
    return pd.DataFrame(
        {"ghi_w_m2": ghi, "dni_w_m2": dni, "dhi_w_m2": dhi, "temperature_c": 20.0, "wind_m_s": 2.0}
    )


def hourly_means(five_minute: pd.Series) -> np.ndarray:
    return five_minute.to_numpy().reshape(-1, STEPS).mean(axis=1)


@pytest.mark.parametrize("seed", [None, 7])
@pytest.mark.parametrize(
    ("site", "start"),
    [
        (SYDNEY, "2024-02-27"),  # over the leap day
        (SYDNEY, "2025-10-03"),  # daylight saving begins on the 5th
        (SYDNEY, "2025-04-04"),  # and ends on the 6th
        (Site(latitude=-12.46, longitude=130.84), "2025-12-20"),
        (Site(latitude=59.9, longitude=10.8), "2025-06-18"),
    ],
)
def test_every_hour_keeps_its_energy_in_every_component(site, start, seed):
    hourly = cloudy_hours(site, start, 5)
    fine = five_minute_weather(hourly, site, flicker_seed=seed)
    assert len(fine) == 12 * len(hourly)
    for column in IRRADIANCE:
        np.testing.assert_allclose(
            hourly_means(fine[column]), hourly[column], rtol=1e-9, atol=1e-9, err_msg=column
        )
        assert (fine[column] >= 0.0).all()


@given(
    hourly=st.lists(st.floats(0.0, 1200.0), min_size=1, max_size=30),
    clear=st.lists(st.floats(0.0, 1100.0), min_size=30 * STEPS, max_size=30 * STEPS),
)
@settings(max_examples=60, deadline=None)
def test_spreading_conserves_each_hour_whatever_the_clear_sky(hourly, clear):
    spread = spread_hours(np.array(hourly), np.array(clear[: STEPS * len(hourly)]))
    np.testing.assert_allclose(spread.reshape(-1, STEPS).mean(axis=1), hourly, rtol=1e-9, atol=1e-9)
    assert (spread >= 0.0).all()


def test_an_hour_at_constant_index_follows_the_clear_sky():
    clear = np.linspace(100.0, 800.0, 3 * STEPS)
    hours = clear.reshape(-1, STEPS).mean(axis=1)
    np.testing.assert_allclose(spread_hours(hours * 0.5, clear), clear * 0.5, rtol=1e-12)


def test_light_that_the_clear_sky_cannot_explain_is_spread_evenly():
    clear = np.concatenate([np.zeros(STEPS), np.full(STEPS, 500.0)])
    np.testing.assert_allclose(spread_hours(np.array([3.0, 250.0]), clear)[:STEPS], 3.0)


def test_the_same_seed_flickers_the_same_way_and_another_differently():
    hourly = cloudy_hours(SYDNEY, "2025-01-01", 3)
    first, again, other = (five_minute_weather(hourly, SYDNEY, flicker_seed=s) for s in (1, 1, 2))
    pd.testing.assert_frame_equal(first, again)
    assert not np.allclose(first["dni_w_m2"], other["dni_w_m2"])


def test_flicker_widens_the_beam_within_the_hour_but_never_passes_the_clear_sky():
    hourly = cloudy_hours(SYDNEY, "2025-01-01", 20)
    smooth = five_minute_weather(hourly, SYDNEY)
    shaken = five_minute_weather(hourly, SYDNEY, flicker_seed=1)
    clear = clear_sky(SYDNEY, sun_position(SYDNEY, smooth.index))["dni_w_m2"]
    assert shaken["dni_w_m2"].diff().abs().mean() > 3 * smooth["dni_w_m2"].diff().abs().mean()
    ceiling = np.maximum(clear, smooth["dni_w_m2"])
    assert (shaken["dni_w_m2"] <= ceiling * (1 + 1e-6) + 1e-6).all()


def passing_clouds(days: int, seed: int) -> pd.DataFrame:
    """Five-minute weather of a sun that is either out or behind a cloud, day by day cloudier."""
    index = pd.date_range("2024-12-31 14:00", periods=288 * days, freq="5min", tz="UTC")
    sun = sun_position(SYDNEY, index)
    clear = clear_sky(SYDNEY, sun)
    draw = np.random.default_rng(seed)
    bright = np.repeat(draw.beta(0.9, 0.6, days), 288)
    chance, out = draw.random(len(index)), np.ones(len(index))
    for t in range(1, len(index)):
        stays = chance[t] < 0.8
        out[t] = out[t - 1] if stays else float((chance[t] - 0.8) / 0.2 < bright[t])
    beam, sky = clear["ghi_w_m2"] - clear["dhi_w_m2"], clear["dhi_w_m2"]
    dhi = np.minimum(sky * (1.9 - 0.9 * bright) + 0.25 * beam * (1.0 - out), clear["ghi_w_m2"])
    dni = clear["dni_w_m2"] * (0.03 + 0.97 * out)
    cosine = np.cos(np.radians(sun["apparent_zenith"])).clip(lower=0.0)
    return pd.DataFrame(
        {
            "ghi_w_m2": dni * cosine + dhi,
            "dni_w_m2": dni,
            "dhi_w_m2": dhi,
            "temperature_c": 20.0,
            "wind_m_s": 2.0,
        }
    )


def test_hours_made_fine_again_predict_clipping_and_self_use_within_the_documented_error():
    truth = passing_clouds(120, seed=1)
    hourly = truth.resample("h").mean()
    array = Array(kwp=6.6, tilt_degrees=22.0, azimuth_degrees=0.0)
    load_kwh = 6000.0 / 105_120

    def year(weather: pd.DataFrame, ratio: float) -> np.ndarray:
        unit = unit_yield(weather, SYDNEY, tilt_degrees=22.0, azimuth_degrees=0.0)
        solar = ac_kwh([unit], SolarSystem(arrays=(array,), inverter_kw=6.6 / ratio))
        return np.array([solar.sum(), np.minimum(solar, load_kwh).sum()])

    smooth = five_minute_weather(hourly, SYDNEY)
    shaken = five_minute_weather(hourly, SYDNEY, flicker_seed=3)
    for ratio, energy_error in ((1.32, 0.02), (2.0, 0.06)):
        before = year(truth, ratio)
        without = np.abs(year(smooth, ratio) / before - 1.0)
        flickering = np.abs(year(shaken, ratio) / before - 1.0)
        assert without[0] < energy_error
        assert flickering[0] < 0.7 * without[0]
        assert max(without[1], flickering[1]) < 0.02


def test_weather_without_wind_is_taken_as_two_metres_a_second():
    hourly = cloudy_hours(SYDNEY, "2025-01-01", 2).drop(columns="wind_m_s")
    assert (five_minute_weather(hourly, SYDNEY)["wind_m_s"] == 2.0).all()


@pytest.mark.parametrize("shift_hours", [-10, -1, 1, 10])
def test_labels_shifted_by_hours_are_refused(shift_hours):
    hourly = cloudy_hours(SYDNEY, "2025-01-01", 60)
    hourly.index = hourly.index + pd.Timedelta(hours=shift_hours)
    with pytest.raises(ValueError, match="START in UTC"):
        five_minute_weather(hourly, SYDNEY)


def test_weather_of_the_wrong_place_is_refused():
    hourly = cloudy_hours(SYDNEY, "2025-01-01", 60)
    with pytest.raises(ValueError, match="check the site"):
        five_minute_weather(hourly, Site(latitude=-31.95, longitude=115.86))


def test_a_gap_is_refused_with_the_column_and_the_hour():
    hourly = cloudy_hours(SYDNEY, "2025-01-01", 2)
    hourly.loc[hourly.index[5], "dni_w_m2"] = np.nan
    with pytest.raises(ValueError, match=r"dni_w_m2 has 1 gaps, the first at 2025-01-01 05:00"):
        five_minute_weather(hourly, SYDNEY)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w.drop(columns="dhi_w_m2"), "dhi_w_m2"),
        (lambda w: w.tz_localize(None), "UTC"),
        (lambda w: w.tz_convert("Australia/Sydney"), "UTC"),
        (lambda w: w.drop(w.index[4]), "breaks after 2025-01-01 03:00"),
        (lambda w: w.set_axis(w.index + pd.Timedelta(minutes=30)), "whole"),
        (lambda w: w.iloc[:0], "no intervals"),
        (lambda w: w.assign(ghi_w_m2=-1.0), "ghi_w_m2 is -1.0"),
        (lambda w: w.assign(temperature_c=290.0), "temperature_c is 290.0"),
    ],
)
def test_unusable_weather_is_refused_by_name(change, message):
    with pytest.raises(ValueError, match=message):
        check_weather(change(cloudy_hours(SYDNEY, "2025-01-01", 1)), step=HOUR)


def test_a_site_outside_the_globe_is_refused():
    with pytest.raises(ValueError, match=r"latitude is -133\.87"):
        Site(latitude=-133.87, longitude=151.21)
