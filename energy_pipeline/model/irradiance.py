"""The sky: where the sun is, what a clear sky gives, and hourly weather made into 5-minute weather.

Weather is a table with one row per interval, indexed by ``interval_start`` (UTC, start-labelled):
``ghi_w_m2``, ``dni_w_m2``, ``dhi_w_m2`` are means over the interval [W/m2], ``temperature_c`` is
the air temperature [degC] and ``wind_m_s``, optional, the wind at 10 m [m/s]. A supplier that
labels the END of an hour is turned round before its data come here.
Modules, inverters and money do not belong here.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pvlib
from scipy.signal import lfilter

from energy_pipeline.model.interval_index import check_index

Floats = npt.NDArray[np.float64]

IRRADIANCE: Final = ("ghi_w_m2", "dni_w_m2", "dhi_w_m2")
STEPS: Final = 12  # five-minute intervals in an hour
CALM_WIND_M_S: Final = 2.0  # where the weather brings no wind

# Believable values: above the solar constant, since cloud edges add to the total and suppliers
# find the beam at the horizon by dividing by almost nothing.
_LIMITS: Final = {
    "ghi_w_m2": (0.0, 2000.0),
    "dni_w_m2": (0.0, 2000.0),
    "dhi_w_m2": (0.0, 2000.0),
    "temperature_c": (-60.0, 60.0),
    "wind_m_s": (0.0, 90.0),
}
# An hour whose index exceeds this has energy where a clear sky has almost none (dawn, dusk):
# following the clear sky there would put the whole hour into one interval.
_LARGEST_INDEX: Final = 2.0
_LARGEST_OFFSET_HOURS: Final = 0.6
_OFFSET_MIN_DAYS: Final = 28
# Flicker of the beam, tuned on a two-state cloud process; see docs/model-assets.md.
_FLICKER_PERSISTENCE: Final = 0.8
_FLICKER_STRENGTH: Final = 1.5
_DARKEST: Final = 0.02  # share of the clear beam that the thickest cloud lets pass
_BISECTIONS: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where the house stands."""

    latitude: float  # degrees, south is negative
    longitude: float  # degrees, east is positive
    altitude_m: float = 0.0

    def __post_init__(self) -> None:
        for name, low, high in (
            ("latitude", -90.0, 90.0),
            ("longitude", -180.0, 180.0),
            ("altitude_m", -430.0, 9000.0),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name} is {value}; it must lie between {low} and {high}")


def check_weather(weather: pd.DataFrame, *, step: pd.Timedelta) -> None:
    """Refuse weather with gaps, wrong labels, missing columns or impossible values.

    Raises
    ------
    ValueError
        Naming the column or the first offending interval.
    """
    missing = [c for c in (*IRRADIANCE, "temperature_c") if c not in weather.columns]
    if missing:
        raise ValueError(f"weather lacks the columns {missing}")
    check_index(weather.index, step=step, name="weather")
    for column, (low, high) in _LIMITS.items():
        if column not in weather.columns:
            continue
        values = weather[column].to_numpy(dtype=float)
        gaps = np.isnan(values)
        if gaps.any():
            first = weather.index[int(gaps.argmax())]
            raise ValueError(
                f"weather column {column} has {int(gaps.sum())} gaps, the first at {first}; "
                "fill or cut them before modelling"
            )
        wrong = (values < low) | (values > high)
        if wrong.any():
            at = int(wrong.argmax())
            raise ValueError(
                f"weather column {column} is {values[at]} at {weather.index[at]}; "
                f"it must lie between {low} and {high}"
            )


def sun_position(site: Site, index: pd.DatetimeIndex) -> pd.DataFrame:
    """Sun at the middle of each interval: ``apparent_zenith`` and ``azimuth``. [degrees]

    Parameters
    ----------
    site : Site
    index : pd.DatetimeIndex
        interval_start, shape (n,), n >= 2, evenly spaced.

    Returns
    -------
    pd.DataFrame
        shape (n, 2), indexed by interval_start.
    """
    if len(index) < 2:
        raise ValueError("index needs two intervals or more to have a length")
    middle = index + (index[1] - index[0]) / 2
    sun = pvlib.solarposition.get_solarposition(
        middle, site.latitude, site.longitude, altitude=site.altitude_m
    )
    return sun[["apparent_zenith", "azimuth"]].set_axis(index)


def clear_sky(site: Site, sun: pd.DataFrame, *, linke_turbidity: float = 3.5) -> pd.DataFrame:
    """Clear-sky irradiance of Ineichen and Perez, [1]_, as ``ghi_w_m2, dni_w_m2, dhi_w_m2``.

    Parameters
    ----------
    site : Site
    sun : pd.DataFrame
        From `sun_position`, shape (n, 2).
    linke_turbidity : float
        Haze; 3.5 is the fixed value used throughout, so that nothing is looked up.

    Returns
    -------
    pd.DataFrame
        shape (n, 3), same index. [W/m2]

    References
    ----------
    .. [1] P. Ineichen, R. Perez, "A new airmass independent formulation for the Linke turbidity
       coefficient", Solar Energy, vol. 73, pp. 151-157, 2002; as in pvlib.clearsky.ineichen.
    """
    zenith = sun["apparent_zenith"]
    sky = pvlib.clearsky.ineichen(
        zenith,
        _absolute_airmass(site, zenith),
        linke_turbidity,
        altitude=site.altitude_m,
        dni_extra=pvlib.irradiance.get_extra_radiation(sun.index),
    )
    return pd.DataFrame({c: sky[c.removesuffix("_w_m2")].fillna(0.0) for c in IRRADIANCE})


def five_minute_weather(
    hourly: pd.DataFrame, site: Site, *, flicker_seed: int | None = None
) -> pd.DataFrame:
    """Spread hourly weather over 5 minutes along the clear sky, keeping each hour's energy.

    Per component the hour's share of the clear sky (its index) is interpolated linearly between
    the middles of the hours, multiplied by the 5-minute clear sky and rescaled so that the mean
    of the twelve values is the hour's. Diffuse light follows the clear total, which it never
    exceeds. Hours the clear sky cannot explain (night, dawn) are spread evenly.

    Parameters
    ----------
    hourly : pd.DataFrame
        Weather of whole hours, shape (n, 4 or 5), n >= 2.
    site : Site
    flicker_seed : int, optional
        With a seed, passing clouds make the beam flicker: a first-order autoregression whose
        variance is largest where half the beam arrives. The same seed gives the same weather.

    Returns
    -------
    pd.DataFrame
        Weather of 5-minute intervals, shape (12 n, 5); wind is filled with 2 m/s where absent.

    Raises
    ------
    ValueError
        For gaps or impossible values, or (from four weeks on) where the light is centred more
        than 0.6 h away from the sun, which means wrongly labelled hours.
    """
    check_weather(hourly, step=pd.Timedelta(hours=1))
    if len(hourly) < 2:
        raise ValueError("hourly weather needs two hours or more")
    _refuse_shifted_labels(hourly, site)
    index = pd.date_range(
        hourly.index[0], periods=len(hourly) * STEPS, freq="5min", name="interval_start"
    )
    sun = sun_position(site, index)
    clear = clear_sky(site, sun)
    clear_ghi, clear_dni = (clear[c].to_numpy() for c in ("ghi_w_m2", "dni_w_m2"))
    ghi_h, dni_h, dhi_h = (hourly[c].to_numpy(dtype=float) for c in IRRADIANCE)
    ghi = spread_hours(ghi_h, clear_ghi)
    dni = spread_hours(dni_h, clear_dni)
    dhi = spread_hours(dhi_h, clear_ghi)
    if flicker_seed is not None:
        smooth = dni
        dni = _flickered(dni, clear_dni, seed=flicker_seed)
        cosine = np.cos(np.radians(sun["apparent_zenith"].to_numpy())).clip(min=0.0)
        ghi = _rescaled(ghi_h, np.maximum(ghi + (dni - smooth) * cosine, 0.0))
    return pd.DataFrame(
        {
            "ghi_w_m2": ghi,
            "dni_w_m2": dni,
            "dhi_w_m2": dhi,
            "temperature_c": _interpolated(hourly["temperature_c"].to_numpy(dtype=float)),
            "wind_m_s": _interpolated(wind_m_s(hourly)),
        },
        index=index,
    )


def wind_m_s(weather: pd.DataFrame) -> Floats:
    """The weather's wind, or 2 m/s where it brings none. [m/s], shape (n,)"""
    if "wind_m_s" not in weather:
        return np.full(len(weather), CALM_WIND_M_S)
    wind: Floats = weather["wind_m_s"].to_numpy(dtype=float)
    return wind


def spread_hours(hourly: Floats, clear: Floats) -> Floats:
    """Spread hourly means along a 5-minute clear sky; the mean of each twelve is the hour's.

    Parameters
    ----------
    hourly : array, shape (n,)
        Mean of each hour. [W/m2, or any power]
    clear : array, shape (12 n,)
        What a clear sky gives in each 5 minutes, in the same unit.

    Returns
    -------
    array, shape (12 n,)
    """
    if len(clear) != STEPS * len(hourly):
        raise ValueError(f"clear has {len(clear)} values; {len(hourly)} hours need twelve each")
    mean = clear.reshape(-1, STEPS).mean(axis=1)
    ratio = np.divide(hourly, mean, out=np.full(len(hourly), np.inf), where=mean > 1e-9)
    known = ratio <= _LARGEST_INDEX
    if not known.any():
        return np.repeat(hourly, STEPS)
    hours = np.arange(len(hourly))
    index = _interpolated(np.interp(hours, hours[known], ratio[known]))
    shape = np.where(np.repeat(known, STEPS), index * clear, 1.0)
    return _rescaled(hourly, shape)


def _rescaled(hourly: Floats, shape: Floats) -> Floats:
    """Keep the shape inside each hour, take the hour's mean; an empty shape becomes level."""
    block = shape.reshape(-1, STEPS)
    total = block.sum(axis=1, keepdims=True)
    level = total <= 0.0
    block = np.where(level, 1.0, block)
    total = np.where(level, float(STEPS), total)
    spread: Floats = (block * (STEPS * hourly[:, None] / total)).ravel()
    return spread


def _interpolated(hourly: Floats) -> Floats:
    """Linear between the middles of the hours, level beyond the first and the last."""
    middles = np.arange(len(hourly)) + 0.5
    return np.interp((np.arange(len(hourly) * STEPS) + 0.5) / STEPS, middles, hourly)


def _flickered(dni: Floats, clear: Floats, *, seed: int) -> Floats:
    """Shake the beam about its smooth course; the hour's mean stays and no clear sky is passed."""
    index = np.divide(dni, clear, out=np.zeros_like(dni), where=clear > 1.0).clip(0.0, 1.0)
    swing = _FLICKER_STRENGTH * np.sqrt(index * (1.0 - index))
    shaken = (index + swing * _autoregression(len(dni), seed=seed)).clip(_DARKEST, 1.0)
    shape = np.where(clear > 1.0, clear * shaken, dni).reshape(-1, STEPS)
    ceiling = np.maximum(clear, dni).reshape(-1, STEPS)
    smooth = dni.reshape(-1, STEPS)
    # The factor of each hour that keeps its mean under the ceiling, by bisection.
    low, high = np.zeros((len(shape), 1)), np.full((len(shape), 1), 1.0 / _DARKEST)
    mean = smooth.mean(axis=1, keepdims=True)
    for _ in range(_BISECTIONS):
        factor = (low + high) / 2
        short = np.minimum(factor * shape, ceiling).mean(axis=1, keepdims=True) < mean
        low, high = np.where(short, factor, low), np.where(short, high, factor)
    return _rescaled(mean[:, 0], np.minimum(high * shape, ceiling).ravel())


def _autoregression(count: int, *, seed: int) -> Floats:
    """First-order autoregression of unit variance, shape (count,)."""
    shocks = np.random.default_rng(seed).standard_normal(count)
    shocks[1:] *= np.sqrt(1.0 - _FLICKER_PERSISTENCE**2)
    series: Floats = lfilter([1.0], [1.0, -_FLICKER_PERSISTENCE], shocks)
    return series


def _absolute_airmass(site: Site, zenith: pd.Series) -> pd.Series:
    pressure = pvlib.atmosphere.alt2pres(site.altitude_m)
    return pvlib.atmosphere.get_absolute_airmass(
        pvlib.atmosphere.get_relative_airmass(zenith), pressure
    )


def _refuse_shifted_labels(hourly: pd.DataFrame, site: Site) -> None:
    """Over weeks light is centred on solar noon: an hour's shift is wrong labels, not weather."""
    if len(hourly) < _OFFSET_MIN_DAYS * 24:
        return
    ghi = hourly["ghi_w_m2"].to_numpy(dtype=float)
    if not ghi.any():
        raise ValueError("weather column ghi_w_m2 is zero for weeks: it holds no daylight")
    middle = hourly.index + pd.Timedelta(minutes=30)
    equation = pvlib.solarposition.equation_of_time_spencer71(middle.dayofyear.to_numpy())
    clock = (middle.hour + middle.minute / 60).to_numpy()
    solar = clock + site.longitude / 15.0 + equation / 60.0
    angle = np.radians((solar - 12.0) * 15.0)
    centre = np.degrees(np.angle((ghi * np.exp(1j * angle)).sum())) / 15.0
    if abs(centre) > _LARGEST_OFFSET_HOURS:
        raise ValueError(
            f"weather is centred {centre:+.1f} h from solar noon at longitude {site.longitude}; "
            "label each hour by its START in UTC, and check the site"
        )
