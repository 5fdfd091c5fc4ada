"""Published Australian yields, the check of a result against them, and weather where there is none.

`synthetic_weather` invents a plausible sky whose yield is the published one: its answers are
labelled, and give way to real weather as soon as there is any.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
import pvlib

from energy_pipeline.model.interval_index import check_index
from energy_pipeline.model.irradiance import (
    CALM_WIND_M_S,
    Floats,
    Site,
    clear_sky,
    sun_position,
)
from energy_pipeline.model.solar import Array, SolarSystem, ac_kwh, unit_yield

WARN_OUTSIDE: Final = (0.75, 1.25)
REFUSE_ABOVE: Final = 1.5

_HOUR: Final = pd.Timedelta(hours=1)
_EARTH_RADIUS_KM: Final = 6371.0
_CALIBRATION_ROUNDS: Final = 8
_DAY_SPREAD: Final = 0.22  # assumption: standard deviation of a day's clearness
_DAY_PERSISTENCE: Final = 0.4  # assumption: likeness of one day's clearness to the next


@dataclass(frozen=True, slots=True, kw_only=True)
class City:
    """Yield per kW of panels facing north, tilted by the latitude. [kWh per kW and day]

    `annual` is the Clean Energy Council's guide; best and worst month are from a manufacturer's
    manual built on the same table.
    """

    name: str
    latitude: float
    longitude: float
    annual: float
    best_month: float
    worst_month: float


CITIES: Final = (
    City(
        name="Adelaide",
        latitude=-34.93,
        longitude=138.60,
        annual=4.2,
        best_month=5.72,
        worst_month=2.51,
    ),
    City(
        name="Brisbane",
        latitude=-27.47,
        longitude=153.03,
        annual=4.2,
        best_month=4.61,
        worst_month=3.34,
    ),
    City(
        name="Canberra",
        latitude=-35.28,
        longitude=149.13,
        annual=4.3,
        best_month=5.32,
        worst_month=2.76,
    ),
    City(
        name="Darwin",
        latitude=-12.46,
        longitude=130.84,
        annual=4.4,
        best_month=5.11,
        worst_month=3.54,
    ),
    City(
        name="Hobart",
        latitude=-42.88,
        longitude=147.33,
        annual=3.5,
        best_month=4.60,
        worst_month=2.14,
    ),
    City(
        name="Melbourne",
        latitude=-37.81,
        longitude=144.96,
        annual=3.6,
        best_month=4.59,
        worst_month=2.22,
    ),
    City(
        name="Perth",
        latitude=-31.95,
        longitude=115.86,
        annual=4.4,
        best_month=5.40,
        worst_month=2.93,
    ),
    City(
        name="Sydney",
        latitude=-33.87,
        longitude=151.21,
        annual=3.9,
        best_month=4.83,
        worst_month=2.82,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class YieldCheck:
    """How a yield compares with the published one."""

    city: str
    ratio: float
    warning: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntheticWeather:
    """Invented hourly weather, and what to say about it."""

    hourly: pd.DataFrame
    city: str
    distance_km: float
    label: str


def nearest_city(site: Site) -> tuple[City, float]:
    """The city of the table nearest to a site, and its great-circle distance. [km]"""
    return min(((city, _distance_km(site, city)) for city in CITIES), key=lambda pair: pair[1])


def check_yield(kwh_per_kw_day: float, site: Site, *, direction_ratio: float = 1.0) -> YieldCheck:
    """Compare an average daily yield with the published one of the nearest city.

    Parameters
    ----------
    kwh_per_kw_day : float
        AC energy per kW of panels and day, averaged over whole years. [kWh/kW/day]
    site : Site
    direction_ratio : float
        Modelled yield of the array's direction over that of north at the latitude's tilt: a
        south roof is not a fault.

    Returns
    -------
    YieldCheck
        With a warning outside 0.75 to 1.25 times the published yield.

    Raises
    ------
    ValueError
        Above 1.5 times: no array does that, so a size or a unit is wrong.
    """
    if not direction_ratio > 0.0:
        raise ValueError(f"direction_ratio is {direction_ratio}; it must be above 0")
    city, distance_km = nearest_city(site)
    expected = city.annual * direction_ratio
    ratio = kwh_per_kw_day / expected
    said = (
        f"{kwh_per_kw_day:.2f} kWh per kW and day is {ratio:.2f} times the published "
        f"{expected:.2f} of {city.name} ({distance_km:.0f} km away)"
    )
    if not 0.0 <= ratio <= REFUSE_ABOVE:
        raise ValueError(f"{said}; check the size, the unit and the weather")
    low, high = WARN_OUTSIDE
    return YieldCheck(city=city.name, ratio=ratio, warning=None if low <= ratio <= high else said)


def synthetic_weather(site: Site, index: pd.DatetimeIndex, *, seed: int = 0) -> SyntheticWeather:
    """Invent hourly weather whose yield is the published one of the nearest city.

    Each day has a clearness, alike from one day to the next, under a clear sky; each month's is
    scaled until 1 kW facing north yields the month's share of the published year (the months lie
    between the published worst and best in the order of the clear sky). Beam and diffuse light
    follow Erbs, [1]_. Temperatures are a plain seasonal and daily wave: assumed, not measured.
    The same seed gives the same day, whatever the range asked for.

    Parameters
    ----------
    site : Site
    index : pd.DatetimeIndex
        Hours wanted, interval_start, UTC.
    seed : int

    Returns
    -------
    SyntheticWeather
        hourly : shape (n, 5), as in `irradiance`.

    References
    ----------
    .. [1] D. Erbs, S. Klein, J. Duffie, "Estimation of the diffuse radiation fraction for hourly,
       daily and monthly-average global radiation", Solar Energy, vol. 28, pp. 293-302, 1982.
    """
    check_index(index, step=_HOUR, name="index")
    city, distance_km = nearest_city(site)
    years = range(index[0].year, index[-1].year + 1)
    hourly = pd.concat([_synthetic_year(site, city, year, seed=seed) for year in years])
    return SyntheticWeather(
        hourly=hourly.loc[index],
        city=city.name,
        distance_km=distance_km,
        label=(
            f"synthetic: clear sky scaled to the published {city.annual} kWh per kW and day of "
            f"{city.name}, {distance_km:.0f} km away"
        ),
    )


def _synthetic_year(site: Site, city: City, year: int, *, seed: int) -> pd.DataFrame:
    start = pd.Timestamp(year=year, month=1, day=1, tz="UTC")
    index = pd.date_range(
        start, start + pd.DateOffset(years=1), freq=_HOUR, inclusive="left", name="interval_start"
    )
    sun = sun_position(site, index)
    clear = clear_sky(site, sun)["ghi_w_m2"].to_numpy()
    # A day of weather is a day of the sun, so that dawn and dusk share one clearness.
    solar_day = (index + pd.Timedelta(hours=site.longitude / 15)).floor("D")
    day = ((solar_day - solar_day[0]) / pd.Timedelta(days=1)).astype(int).to_numpy()
    month = index.month.to_numpy() - 1
    clearness = _daily_clearness(day[-1] + 1, seed=seed, year=year)[day]

    def weather(scale: Floats) -> pd.DataFrame:
        share = (clearness * scale[month]).clip(0.05, 1.05)
        return _split(clear * share, sun, index, site)

    bright = _monthly_yield(weather(np.full(12, 9.9)), site)
    target = _monthly_target(bright, city, index)
    scale = target / bright
    for _ in range(_CALIBRATION_ROUNDS):
        scale = scale * target / _monthly_yield(weather(scale), site)
    return weather(scale)


def _daily_clearness(days: int, *, seed: int, year: int) -> Floats:
    shocks = np.random.default_rng([seed, year]).standard_normal(days)
    state = shocks.copy()
    for day in range(1, days):
        state[day] = (
            _DAY_PERSISTENCE * state[day - 1] + np.sqrt(1 - _DAY_PERSISTENCE**2) * shocks[day]
        )
    return (1.0 + _DAY_SPREAD * state).clip(0.15, None)


def _split(ghi: Floats, sun: pd.DataFrame, index: pd.DatetimeIndex, site: Site) -> pd.DataFrame:
    zenith = sun["apparent_zenith"].to_numpy()
    parts = pvlib.irradiance.erbs(ghi, zenith, index)
    low = zenith > 87.0
    dni = np.where(low, 0.0, np.nan_to_num(parts["dni"])).clip(0.0, 1100.0)
    cosine = np.cos(np.radians(zenith)).clip(min=0.0)
    solar_hour = (index.hour.to_numpy() + 0.5 + site.longitude / 15.0) % 24.0
    season = np.cos(2 * np.pi * (index.dayofyear.to_numpy() - 15) / 365.25)
    if site.latitude > 0.0:
        season = -season
    daily = np.cos(2 * np.pi * (solar_hour - 15.0) / 24.0)
    return pd.DataFrame(
        {
            "ghi_w_m2": ghi,
            "dni_w_m2": dni,
            "dhi_w_m2": (ghi - dni * cosine).clip(min=0.0),
            "temperature_c": 18.0 + 5.5 * season + 4.5 * daily,
            "wind_m_s": CALM_WIND_M_S,
        },
        index=index,
    )


def _monthly_yield(hourly: pd.DataFrame, site: Site) -> Floats:
    """AC yield of 1 kW facing the equator at the latitude's tilt. [kWh per kW and day], (12,)"""
    tilt, azimuth = abs(site.latitude), 0.0 if site.latitude <= 0.0 else 180.0
    unit = unit_yield(hourly, site, tilt_degrees=tilt, azimuth_degrees=azimuth, interval_hours=1.0)
    array = Array(kwp=1.0, tilt_degrees=tilt, azimuth_degrees=azimuth)
    solar = ac_kwh([unit], SolarSystem(arrays=(array,), inverter_kw=1.0), interval_hours=1.0)
    days = np.bincount(hourly.index.month, minlength=13)[1:] / 24.0
    energy = np.bincount(hourly.index.month, weights=solar.to_numpy(), minlength=13)[1:]
    return np.asarray(energy / days, dtype=float)


def _monthly_target(bright: Floats, city: City, index: pd.DatetimeIndex) -> Floats:
    """Months between the published worst and best, averaging the published year."""
    days = np.bincount(index.month, minlength=13)[1:] / 24.0
    height = (bright - bright.min()) / (bright.max() - bright.min())
    share = (city.annual - city.worst_month) / (city.best_month - city.worst_month)
    # A power bends the months so that they keep the published extremes and average the year.
    low, high = 0.05, 20.0
    for _ in range(60):
        power = np.sqrt(low * high)
        mean_height = (height**power * days).sum() / days.sum()
        low, high = (power, high) if mean_height > share else (low, power)
    spread = city.best_month - city.worst_month
    return np.asarray(city.worst_month + spread * height**power, dtype=float)


def _distance_km(site: Site, city: City) -> float:
    lat1, lon1, lat2, lon2 = np.radians(
        [site.latitude, site.longitude, city.latitude, city.longitude]
    )
    half = np.sin((lat2 - lat1) / 2) ** 2 + np.cos(lat1) * np.cos(lat2) * (
        np.sin((lon2 - lon1) / 2) ** 2
    )
    return float(2 * _EARTH_RADIUS_KM * np.arcsin(np.sqrt(half)))
