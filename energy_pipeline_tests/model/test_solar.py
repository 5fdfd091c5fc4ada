"""Solar generation against PVWatts, against pvlib, and against what must always hold."""

import itertools
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pvlib
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy_pipeline.model.irradiance import (
    Site,
    clear_sky,
    five_minute_weather,
    sun_position,
)
from energy_pipeline.model.solar import (
    Array,
    SolarSystem,
    ac_kwh,
    inverter_ac_kw,
    settle_without_storage,
    unit_yield,
    unit_yields,
)

SYDNEY = Site(latitude=-33.87, longitude=151.21, altitude_m=20.0)


@pytest.fixture(scope="module")
def oracles() -> Path:
    folder = Path(__file__).resolve().parents[3] / "shared" / "oracles"
    if not folder.is_dir():
        pytest.skip("the oracles are kept outside the project and are absent here")
    return folder


@pytest.fixture(scope="module")
def oracle_weather(oracles: Path) -> pd.DataFrame:
    rows = pd.read_csv(oracles / "weather_sydney_synthetic.csv")
    middle = pd.to_datetime(rows[["year", "month", "day", "hour", "minute"]])
    start = pd.DatetimeIndex(middle).tz_localize("Etc/GMT-10").tz_convert("UTC")
    return pd.DataFrame(
        {
            "ghi_w_m2": rows["gh"].to_numpy(),
            "dni_w_m2": rows["dn"].to_numpy(),
            "dhi_w_m2": rows["df"].to_numpy(),
            "temperature_c": rows["tdry"].to_numpy(),
            "wind_m_s": rows["wspd"].to_numpy(),
        },
        index=start - pd.Timedelta(minutes=30),
    )


@pytest.fixture(scope="module")
def oracle_fine(oracle_weather: pd.DataFrame) -> pd.DataFrame:
    return five_minute_weather(oracle_weather, SYDNEY)


def one_array(kwp=6.6, inverter_kw=5.0, tilt=22.0, azimuth=0.0, **changes) -> SolarSystem:
    array = Array(
        kwp=kwp,
        tilt_degrees=tilt,
        azimuth_degrees=azimuth,
        **{k: changes.pop(k) for k in ("losses_fraction",) if k in changes},
    )
    return SolarSystem(arrays=(array,), inverter_kw=inverter_kw, **changes)


def household_cases(oracles: Path) -> list[dict]:
    """Standard modules on a roof: the other cases are modules and row shading we do not model."""
    cases = json.loads((oracles / "pysam_pvwatts.json").read_text())["cases"]
    return [c for c in cases if c["inputs"]["module_type"] == 0 and c["inputs"]["array_type"] == 1]


def system_of(case: dict) -> SolarSystem:
    given = case["inputs"]
    return one_array(
        kwp=given["system_capacity"],
        inverter_kw=given["system_capacity"] / given["dc_ac_ratio"],
        tilt=given["tilt"],
        azimuth=given["azimuth"],
        losses_fraction=given["losses"] / 100,
        inverter_efficiency=given["inv_eff"] / 100,
    )


@pytest.mark.shared_data
def test_every_published_case_agrees_with_pvwatts_within_one_percent(oracles, oracle_weather):
    cases = household_cases(oracles)
    assert len(cases) >= 10
    for case in cases:
        system = system_of(case)
        (array,) = system.arrays
        unit = unit_yield(
            oracle_weather,
            SYDNEY,
            tilt_degrees=array.tilt_degrees,
            azimuth_degrees=array.azimuth_degrees,
            interval_hours=1.0,
        )
        solar = ac_kwh([unit], system, interval_hours=1.0)
        month = solar.index.tz_convert("Etc/GMT-10").month
        assert solar.sum() == pytest.approx(case["annual_ac_kwh"], rel=0.005)
        np.testing.assert_allclose(
            solar.groupby(month).sum(), case["monthly_ac_kwh"], rtol=0.03, err_msg=str(array)
        )


@pytest.mark.shared_data
def test_five_minute_generation_agrees_with_hourly_pvwatts_within_one_percent(oracles, oracle_fine):
    for case in household_cases(oracles)[::3]:
        system = system_of(case)
        (array,) = system.arrays
        unit = unit_yield(
            oracle_fine,
            SYDNEY,
            tilt_degrees=array.tilt_degrees,
            azimuth_degrees=array.azimuth_degrees,
        )
        assert ac_kwh([unit], system).sum() == pytest.approx(case["annual_ac_kwh"], rel=0.01)


def random_year(site: Site, seed: int) -> pd.DataFrame:
    """A year of hours under random cloud; 2025 from its first UTC midnight."""
    index = pd.date_range("2025-01-01", periods=8760, freq="h", tz="UTC")
    sun = sun_position(site, index)
    clear = clear_sky(site, sun)
    draw = np.random.default_rng(seed)
    beam = draw.beta(0.9, 0.7, 8760)
    dni = clear["dni_w_m2"] * beam
    dhi = clear["dhi_w_m2"] * (1.0 + 1.2 * (1.0 - beam))
    cosine = np.cos(np.radians(sun["apparent_zenith"])).clip(lower=0.0)
    return pd.DataFrame(
        {
            "ghi_w_m2": dni * cosine + dhi,
            "dni_w_m2": dni,
            "dhi_w_m2": dhi,
            "temperature_c": draw.uniform(-2.0, 42.0, 8760),
            "wind_m_s": draw.uniform(0.0, 9.0, 8760),
        },
        index=index,
    )


@pytest.mark.parametrize("seed", range(8))
def test_random_systems_under_random_skies_agree_with_pysam_within_one_percent(seed):
    pvwatts = pytest.importorskip("PySAM.Pvwattsv8", reason="the peer is installed for tests only")
    draw = np.random.default_rng(seed)
    site = Site(
        latitude=float(draw.uniform(-43.0, -12.0)),
        longitude=float(draw.uniform(114.0, 154.0)),
        altitude_m=float(draw.uniform(0.0, 700.0)),
    )
    weather = random_year(site, seed)
    tilt, azimuth = float(draw.uniform(0.0, 45.0)), float(draw.uniform(0.0, 360.0))
    kwp, ratio = float(draw.uniform(2.0, 15.0)), float(draw.uniform(0.9, 2.0))

    peer = pvwatts.new()
    peer.SolarResource.solar_resource_data = {
        "lat": site.latitude,
        "lon": site.longitude,
        "tz": 0,
        "elev": site.altitude_m,
        "year": weather.index.year.tolist(),
        "month": weather.index.month.tolist(),
        "day": weather.index.day.tolist(),
        "hour": weather.index.hour.tolist(),
        "minute": [30] * 8760,
        "gh": weather["ghi_w_m2"].tolist(),
        "dn": weather["dni_w_m2"].tolist(),
        "df": weather["dhi_w_m2"].tolist(),
        "tdry": weather["temperature_c"].tolist(),
        "wspd": weather["wind_m_s"].tolist(),
    }
    settings_of_peer = {
        "system_capacity": kwp,
        "dc_ac_ratio": ratio,
        "tilt": tilt,
        "azimuth": azimuth,
        "array_type": 1,
        "module_type": 0,
        "losses": 14.075660688264469,
        "inv_eff": 96.0,
        "gcr": 0.4,
    }
    for name, value in settings_of_peer.items():
        setattr(peer.SystemDesign, name, value)
    peer.execute()

    unit = unit_yield(weather, site, tilt_degrees=tilt, azimuth_degrees=azimuth, interval_hours=1.0)
    system = one_array(kwp, kwp / ratio, tilt, azimuth)
    ours = ac_kwh([unit], system, interval_hours=1.0).sum()
    assert ours == pytest.approx(peer.Outputs.annual_energy, rel=0.01)


@pytest.fixture(scope="module")
def day_unit() -> pd.Series:
    """A clear and a cloudy midsummer day at 5 minutes."""
    return unit_yield(clear_days(2), SYDNEY, tilt_degrees=22.0, azimuth_degrees=0.0)


def clear_days(days: int, share: float = 1.0) -> pd.DataFrame:
    index = pd.date_range("2025-01-10 14:00", periods=288 * days, freq="5min", tz="UTC")
    clear = clear_sky(SYDNEY, sun_position(SYDNEY, index)) * share
    return clear.assign(temperature_c=25.0, wind_m_s=2.0)


@given(load=st.lists(st.floats(1e-6, 3.0), min_size=1, max_size=50))
@settings(max_examples=50, deadline=None)
def test_the_inverter_equals_pvlib_below_its_rating(load):
    system = one_array(inverter_kw=5.0)
    dc_kw = np.array(load) * 5.0 / 0.96
    peer = pvlib.inverter.pvwatts(dc_kw, 5.0 / 0.96, eta_inv_nom=0.96)
    np.testing.assert_allclose(inverter_ac_kw(dc_kw, system), np.clip(peer, 0.0, 5.0), atol=1e-12)


def test_at_rated_load_the_inverter_has_its_rated_efficiency():
    assert inverter_ac_kw(np.array([5.0 / 0.96]), one_array())[0] == pytest.approx(5.0)


def test_generation_never_falls_when_panels_are_added(day_unit):
    sizes = [1.0, 3.0, 6.6, 9.0, 20.0, 60.0]
    days = [ac_kwh([day_unit], one_array(kwp=k, inverter_kw=5.0)) for k in sizes]
    for smaller, larger in itertools.pairwise(days):
        assert (larger - smaller >= -1e-12).all()
    assert max(day.max() for day in days) <= 5.0 / 12 + 1e-12


def test_twice_the_panels_on_twice_the_inverter_give_twice_the_energy(day_unit):
    once = ac_kwh([day_unit], one_array(kwp=5.0, inverter_kw=4.0))
    twice = ac_kwh([day_unit], one_array(kwp=10.0, inverter_kw=8.0))
    np.testing.assert_allclose(twice, 2 * once, rtol=1e-12)


def test_two_half_arrays_equal_one_whole(day_unit):
    half = Array(kwp=3.3, tilt_degrees=22.0, azimuth_degrees=0.0)
    halves = SolarSystem(arrays=(half, half), inverter_kw=5.0)
    np.testing.assert_allclose(
        ac_kwh([day_unit, day_unit], halves), ac_kwh([day_unit], one_array()), rtol=1e-12
    )


def test_east_leads_west_in_the_morning_and_north_beats_south():
    sky = clear_days(1)
    yields = {
        azimuth: unit_yield(sky, SYDNEY, tilt_degrees=30.0, azimuth_degrees=azimuth)
        for azimuth in (0.0, 90.0, 180.0, 270.0)
    }
    morning = sky.index < pd.Timestamp("2025-01-11 01:00", tz="UTC")  # 11 h by the sun
    assert yields[90.0][morning].sum() > 1.5 * yields[270.0][morning].sum()
    assert yields[0.0].sum() > yields[180.0].sum()
    assert yields[90.0].sum() == pytest.approx(yields[270.0].sum(), rel=0.02)


def test_a_system_facing_two_ways_is_the_sum_of_its_arrays():
    sky = clear_days(1)
    east, west = (Array(kwp=3.0, tilt_degrees=20.0, azimuth_degrees=a) for a in (90.0, 270.0))
    system = SolarSystem(arrays=(east, west, east), inverter_kw=20.0)
    units = unit_yields(sky, SYDNEY, system)
    for unit, azimuth in zip(units, (90.0, 270.0, 90.0), strict=True):
        alone = unit_yield(sky, SYDNEY, tilt_degrees=20.0, azimuth_degrees=azimuth)
        pd.testing.assert_series_equal(unit, alone)
    whole = ac_kwh(units, system).sum()
    dc_kwh = sum(3.0 * (1.0 - east.losses_fraction) * unit.sum() for unit in units)
    assert 0.92 * dc_kwh < whole < 0.97 * dc_kwh


def test_weather_without_wind_yields_as_much_as_in_two_metres_a_second():
    sky = clear_days(1)
    pd.testing.assert_series_equal(
        unit_yield(sky.drop(columns="wind_m_s"), SYDNEY, tilt_degrees=9.0, azimuth_degrees=9.0),
        unit_yield(sky, SYDNEY, tilt_degrees=9.0, azimuth_degrees=9.0),
    )


def test_compass_360_is_compass_0():
    sky = clear_days(1)
    np.testing.assert_allclose(
        unit_yield(sky, SYDNEY, tilt_degrees=30.0, azimuth_degrees=360.0),
        unit_yield(sky, SYDNEY, tilt_degrees=30.0, azimuth_degrees=0.0),
        rtol=1e-9,
    )


def test_there_is_no_generation_at_night(day_unit):
    zenith = sun_position(SYDNEY, day_unit.index)["apparent_zenith"]
    assert (day_unit[zenith > 90.0] == 0.0).all()
    assert ac_kwh([day_unit * 0.0], one_array()).sum() == 0.0


def test_ageing_costs_less_where_the_inverter_clips(day_unit):
    def kept(inverter_kw: float) -> float:
        system = one_array(kwp=10.0, inverter_kw=inverter_kw)
        return ac_kwh([day_unit], system, year=20).sum() / ac_kwh([day_unit], system).sum()

    faded = (1 - 0.005) ** 19
    assert kept(20.0) == pytest.approx(faded, abs=0.005)
    assert kept(4.0) > faded + 0.04


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: Array(kwp=-1.0, tilt_degrees=10, azimuth_degrees=0), r"kwp is -1\.0"),
        (lambda: Array(kwp=5.0, tilt_degrees=91, azimuth_degrees=0), "tilt_degrees is 91"),
        (lambda: Array(kwp=5.0, tilt_degrees=9, azimuth_degrees=-90), "azimuth_degrees is -90"),
        (lambda: one_array(losses_fraction=14.08), "losses_fraction is 14.08"),
        (lambda: one_array(inverter_kw=0.0), "inverter_kw is 0"),
        (lambda: SolarSystem(arrays=(), inverter_kw=5.0), "arrays is empty"),
        (lambda: one_array(inverter_efficiency=96.0), "inverter_efficiency is 96"),
    ],
)
def test_an_impossible_system_is_refused_by_name(wrong, message):
    with pytest.raises(ValueError, match=message):
        wrong()


def test_units_must_match_the_arrays_and_the_year_begins_at_one(day_unit):
    with pytest.raises(ValueError, match="2 series for 1 arrays"):
        ac_kwh([day_unit, day_unit], one_array())
    with pytest.raises(ValueError, match="year is 0"):
        ac_kwh([day_unit], one_array(), year=0)
    both = SolarSystem(arrays=one_array().arrays * 2, inverter_kw=5.0)
    with pytest.raises(ValueError, match="one index"):
        ac_kwh([day_unit, day_unit.shift(freq="5min")], both)


def intervals(*values: float) -> pd.Series:
    return pd.Series(
        values, index=pd.date_range("2025-01-01", periods=len(values), freq="5min", tz="UTC")
    )


def test_a_house_without_storage_is_metered_by_hand():
    metered = settle_without_storage(
        intervals(0.10, 0.10, 0.10, 0.10),
        intervals(0.04, 0.30, 0.80, 0.30),
        feed_in_c_per_kwh=intervals(5.0, 5.0, 5.0, -2.0),
        export_limit_kw=6.0,  # 0.5 kWh per interval
    )
    np.testing.assert_allclose(metered["import_kwh"], [0.06, 0.0, 0.0, 0.0])
    np.testing.assert_allclose(metered["export_kwh"], [0.0, 0.2, 0.5, 0.0])
    np.testing.assert_allclose(metered["curtailed_kwh"], [0.0, 0.0, 0.2, 0.2])


@given(
    rows=st.lists(
        st.tuples(
            st.floats(0.0, 1.0), st.floats(0.0, 1.0), st.floats(-50.0, 50.0), st.floats(0.0, 10.0)
        ),
        min_size=1,
        max_size=40,
    )
)
@settings(max_examples=80, deadline=None)
def test_the_meter_balances_and_keeps_its_limits(rows):
    load, solar, price, limit = (intervals(*column) for column in zip(*rows, strict=True))
    metered = settle_without_storage(load, solar, feed_in_c_per_kwh=price, export_limit_kw=limit)
    used = metered["import_kwh"] + solar - metered["curtailed_kwh"] - metered["export_kwh"]
    np.testing.assert_allclose(used, load, atol=1e-9)
    assert (metered >= 0.0).all(axis=None)
    assert (metered["export_kwh"] <= limit / 12 + 1e-12).all()
    assert (metered["export_kwh"][price < 0.0] == 0.0).all()


def test_metering_refuses_gaps_and_negative_energy_by_name():
    with pytest.raises(ValueError, match="solar_kwh must have no gaps"):
        settle_without_storage(intervals(0.1), intervals(np.nan))
    with pytest.raises(ValueError, match="load_kwh must not be negative"):
        settle_without_storage(intervals(-0.1), intervals(0.1))
    with pytest.raises(ValueError, match="feed_in_c_per_kwh and load_kwh"):
        settle_without_storage(
            intervals(0.1), intervals(0.1), feed_in_c_per_kwh=intervals(1.0, 2.0)
        )
