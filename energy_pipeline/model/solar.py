"""Solar generation: from 5-minute weather to what an inverter delivers.

The chain of PVWatts: irradiance on the tilted plane, cover glass, spectrum, cell temperature,
losses, inverter. `unit_yield` does the slow part once per (weather, tilt, azimuth); `ac_kwh` only
scales and clips, so that a size can follow a slider. What the sky does is in `irradiance`, what a
measured array would give at another size in `solar_measured`, published yields in
`solar_reference`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
import pvlib

from energy_pipeline.model.irradiance import (
    Floats,
    Site,
    check_weather,
    sun_position,
    wind_m_s,
)

INTERVAL_HOURS: Final = 5 / 60
DEFAULT_LOSSES: Final = 0.14075660688264469  # product of the PVWatts loss list, [1] of unit_yield
ROOF_NOCT_C: Final = 49.0  # installed nominal operating cell temperature, close roof mount
RACK_NOCT_C: Final = 45.0  # open rack

# Standard module of PVWatts version 8.
_TEMPERATURE_COEFFICIENT_PER_K: Final = -0.0037
_MODULE_EFFICIENCY: Final = 0.19
_ANTI_REFLECTIVE_INDEX: Final = 1.3
# Air-mass modifier of De Soto et al. 2006, highest power first.
_AIR_MASS_MODIFIER: Final = (-0.000126, 0.002816, -0.024459, 0.086257, 0.918093)
_INVERTER_REFERENCE: Final = 0.9637


@dataclass(frozen=True, slots=True, kw_only=True)
class Array:
    """Panels that look the same way."""

    kwp: float  # DC nameplate [kW]
    tilt_degrees: float  # 0 flat, 90 upright
    azimuth_degrees: float  # compass: 0 north, 90 east, 180 south, 270 west
    losses_fraction: float = DEFAULT_LOSSES  # soiling, shading, wiring, mismatch ...

    def __post_init__(self) -> None:
        _refuse_outside("kwp", self.kwp, 0.0, 1e6)
        _refuse_outside("tilt_degrees", self.tilt_degrees, 0.0, 90.0)
        _refuse_outside("azimuth_degrees", self.azimuth_degrees, 0.0, 360.0)
        _refuse_outside("losses_fraction", self.losses_fraction, 0.0, 0.99)


@dataclass(frozen=True, slots=True, kw_only=True)
class SolarSystem:
    """Arrays on one inverter."""

    arrays: tuple[Array, ...]
    inverter_kw: float  # AC limit
    inverter_efficiency: float = 0.96  # at rated power
    degradation_per_year: float = 0.005  # of DC power, compounding; SAM's residential default

    def __post_init__(self) -> None:
        if not self.arrays:
            raise ValueError("arrays is empty; a system needs one array or more")
        if not self.inverter_kw > 0.0:
            raise ValueError(f"inverter_kw is {self.inverter_kw}; it must be above 0")
        _refuse_outside("inverter_efficiency", self.inverter_efficiency, 0.5, 1.0)
        _refuse_outside("degradation_per_year", self.degradation_per_year, 0.0, 0.2)

    @property
    def kwp(self) -> float:
        """DC nameplate of all arrays. [kW]"""
        return sum(array.kwp for array in self.arrays)

    @property
    def dc_ac_ratio(self) -> float:
        return self.kwp / self.inverter_kw


def unit_yield(
    weather: pd.DataFrame,
    site: Site,
    *,
    tilt_degrees: float,
    azimuth_degrees: float,
    noct_c: float = ROOF_NOCT_C,
    albedo: float = 0.2,
    interval_hours: float = INTERVAL_HOURS,
) -> pd.Series:
    """DC energy of one kWp before losses, per interval. [kWh/kWp]

    Depends on the weather, the site and the direction alone: keep it by these, and every size,
    inverter, loss and age is a matter of `ac_kwh`.

    Parameters
    ----------
    weather : pd.DataFrame
        Per interval, as in `irradiance`, shape (n, 4 or 5).
    site : Site
    tilt_degrees, azimuth_degrees : float
        Direction of the panels; azimuth by compass (0 north, 90 east).
    noct_c : float
        Installed nominal operating cell temperature: 49 on a roof, 45 on an open rack. [degC]
    albedo : float
        Light the ground returns. [fraction]
    interval_hours : float
        Length of one interval of `weather`. [h]

    Returns
    -------
    pd.Series
        ``kwh_per_kwp``, shape (n,), same index.

    Raises
    ------
    ValueError
        For gaps or impossible values, or a direction outside its range.

    References
    ----------
    .. [1] A. Dobos, "PVWatts Version 5 Manual", NREL/TP-6A20-62641, 2014.
    .. [2] R. Perez et al., "Modeling daylight availability and irradiance components from direct
       and global irradiance", Solar Energy, vol. 44, pp. 271-289, 1990.
    .. [3] W. De Soto, S. Klein, W. Beckman, "Improvement and validation of a model for
       photovoltaic array performance", Solar Energy, vol. 80, pp. 78-88, 2006: cover and air mass.
    .. [4] P. Gilman et al., "SAM Photovoltaic Model Technical Reference Update",
       NREL/TP-6A20-67399, 2018: cell temperature, as in pvlib.temperature.noct_sam.
    """
    check_weather(weather, step=pd.Timedelta(hours=interval_hours))
    _refuse_outside("tilt_degrees", tilt_degrees, 0.0, 90.0)
    _refuse_outside("azimuth_degrees", azimuth_degrees, 0.0, 360.0)
    _refuse_outside("albedo", albedo, 0.0, 1.0)
    sun = sun_position(site, weather.index)
    zenith, azimuth = sun["apparent_zenith"].to_numpy(), sun["azimuth"].to_numpy()
    up = zenith < 90.0
    kwh = np.zeros(len(weather))
    if not up.any():
        return pd.Series(kwh, index=weather.index, name="kwh_per_kwp")
    sky = weather[up]
    zenith, azimuth = zenith[up], azimuth[up]
    air_mass = pvlib.atmosphere.get_relative_airmass(zenith)
    plane = pvlib.irradiance.get_total_irradiance(
        tilt_degrees,
        azimuth_degrees,
        zenith,
        azimuth,
        sky["dni_w_m2"].to_numpy(),
        sky["ghi_w_m2"].to_numpy(),
        sky["dhi_w_m2"].to_numpy(),
        dni_extra=pvlib.irradiance.get_extra_radiation(sky.index).to_numpy(),
        airmass=air_mass,
        albedo=albedo,
        model="perez",
    )
    incidence = pvlib.irradiance.aoi(tilt_degrees, azimuth_degrees, zenith, azimuth)
    received = np.nan_to_num(plane["poa_global"])
    transmitted = _through_cover(plane, incidence, tilt_degrees)
    spectrum = np.polyval(
        _AIR_MASS_MODIFIER,
        pvlib.atmosphere.get_absolute_airmass(air_mass, pvlib.atmosphere.alt2pres(site.altitude_m)),
    ).clip(min=0.0)
    cell_c = pvlib.temperature.noct_sam(
        received,
        sky["temperature_c"].to_numpy(),
        wind_m_s(sky),
        noct_c,
        _MODULE_EFFICIENCY,
    )
    kw = transmitted * spectrum / 1000.0 * (1.0 + _TEMPERATURE_COEFFICIENT_PER_K * (cell_c - 25.0))
    kwh[up] = kw.clip(min=0.0) * interval_hours
    return pd.Series(kwh, index=weather.index, name="kwh_per_kwp")


def unit_yields(weather: pd.DataFrame, site: Site, system: SolarSystem) -> list[pd.Series]:
    """`unit_yield` for each array of a system, each direction computed once.

    Parameters
    ----------
    weather : pd.DataFrame
        5-minute weather, shape (n, 4 or 5).
    site : Site
    system : SolarSystem

    Returns
    -------
    list of pd.Series
        In the order of the arrays, as `ac_kwh` takes them.
    """
    directions = [(array.tilt_degrees, array.azimuth_degrees) for array in system.arrays]
    done = {
        (tilt, azimuth): unit_yield(weather, site, tilt_degrees=tilt, azimuth_degrees=azimuth)
        for tilt, azimuth in set(directions)
    }
    return [done[direction] for direction in directions]


def ac_kwh(
    units: Sequence[pd.Series],
    system: SolarSystem,
    *,
    year: int = 1,
    interval_hours: float = INTERVAL_HOURS,
) -> pd.Series:
    """Energy the inverter delivers, per interval: scale, age, convert, clip. [kWh]

    Ageing is taken from the DC side, so that clipping shrinks as the panels fade.

    Parameters
    ----------
    units : sequence of pd.Series
        `unit_yield` for each array of the system, in its order, shape (n,) each.
    system : SolarSystem
    year : int
        1 is new.
    interval_hours : float
        Length of one interval. [h]

    Returns
    -------
    pd.Series
        ``solar_kwh``, shape (n,).

    Raises
    ------
    ValueError
        If the number or the indexes of `units` do not match, or year is below 1.

    References
    ----------
    .. [1] As [1] of `unit_yield`; equals pvlib.inverter.pvwatts.
    """
    if len(units) != len(system.arrays):
        raise ValueError(f"units has {len(units)} series for {len(system.arrays)} arrays")
    if year < 1:
        raise ValueError(f"year is {year}; the first year is 1")
    index = units[0].index
    dc_kw = np.zeros(len(index))
    for unit, array in zip(units, system.arrays, strict=True):
        if unit.index is not index and not unit.index.equals(index):
            raise ValueError("units must share one index")
        dc_kw += unit.to_numpy() * (array.kwp * (1.0 - array.losses_fraction))
    dc_kw *= (1.0 - system.degradation_per_year) ** (year - 1) / interval_hours
    kwh = inverter_ac_kw(dc_kw, system) * interval_hours
    return pd.Series(kwh, index=index, name="solar_kwh")


def inverter_ac_kw(dc_kw: Floats, system: SolarSystem) -> Floats:
    """AC power of a DC power, never negative, never above the inverter. [kW], shape (n,)"""
    rated_dc_kw = system.inverter_kw / system.inverter_efficiency
    load = dc_kw / rated_dc_kw
    scale = rated_dc_kw * system.inverter_efficiency / _INVERTER_REFERENCE
    ac_kw: Floats = scale * ((0.9858 - 0.0162 * load) * load - 0.0059)
    # The published curve turns down again far above rated load, where the inverter is clipping.
    return np.where(load >= 1.0, system.inverter_kw, ac_kw).clip(0.0, system.inverter_kw)


def settle_without_storage(
    load_kwh: pd.Series,
    solar_kwh: pd.Series,
    *,
    feed_in_c_per_kwh: pd.Series | None = None,
    export_limit_kw: float | pd.Series | None = None,
    interval_hours: float = INTERVAL_HOURS,
) -> pd.DataFrame:
    """Meter a house with panels and no storage, throttling them where export is unwelcome.

    Parameters
    ----------
    load_kwh, solar_kwh : pd.Series
        Used, and available from the panels, per interval. [kWh], shape (n,), one index.
    feed_in_c_per_kwh : pd.Series, optional
        Positive: we are paid. Where it is negative nothing is exported. Without it the panels
        are never throttled for price. [c/kWh]
    export_limit_kw : float or pd.Series, optional
        What the network accepts; without it everything. [kW]
    interval_hours : float
        Length of one interval. [h]

    Returns
    -------
    pd.DataFrame
        import_kwh, export_kwh, curtailed_kwh; shape (n, 3).
        load = import + solar - curtailed - export in each interval.

    Raises
    ------
    ValueError
        If the indexes differ, a value is missing or energy is negative.
    """
    series = {"load_kwh": load_kwh, "solar_kwh": solar_kwh}
    if feed_in_c_per_kwh is not None:
        series["feed_in_c_per_kwh"] = feed_in_c_per_kwh
    if isinstance(export_limit_kw, pd.Series):
        series["export_limit_kw"] = export_limit_kw
    elif export_limit_kw is not None:
        _refuse_outside("export_limit_kw", export_limit_kw, 0.0, np.inf)
    for name, values in series.items():
        if not values.index.equals(load_kwh.index):
            raise ValueError(f"{name} and load_kwh must share one index")
        if values.isna().any():
            raise ValueError(f"{name} must have no gaps; the first is at {values.isna().idxmax()}")
        if name != "feed_in_c_per_kwh" and (values < 0.0).any():
            raise ValueError(f"{name} must not be negative; see {(values < 0.0).idxmax()}")
    net = (solar_kwh - load_kwh).to_numpy(dtype=float)
    surplus = net.clip(min=0.0)
    export = surplus
    if export_limit_kw is not None:
        export = np.minimum(export, np.asarray(export_limit_kw, dtype=float) * interval_hours)
    if feed_in_c_per_kwh is not None:
        export = np.where(feed_in_c_per_kwh.to_numpy() < 0.0, 0.0, export)
    return pd.DataFrame(
        {
            "import_kwh": (-net).clip(min=0.0),
            "export_kwh": export,
            "curtailed_kwh": surplus - export,
        },
        index=load_kwh.index,
    )


def _through_cover(plane: dict[str, Floats], incidence: Floats, tilt_degrees: float) -> Floats:
    """Irradiance under coated glass; diffuse light has the effective angles of De Soto et al."""
    tilt = tilt_degrees
    from_sky = 59.7 - 0.1388 * tilt + 0.001497 * tilt**2
    from_ground = 90.0 - 0.5788 * tilt + 0.002693 * tilt**2

    def passes(angle: Floats | float) -> Floats:
        share: Floats = pvlib.iam.physical(np.asarray(angle), n_ar=_ANTI_REFLECTIVE_INDEX)
        return share

    through: Floats = (
        np.nan_to_num(plane["poa_direct"]) * passes(incidence)
        + np.nan_to_num(plane["poa_sky_diffuse"]) * passes(from_sky)
        + np.nan_to_num(plane["poa_ground_diffuse"]) * passes(from_ground)
    )
    return through


def _refuse_outside(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ValueError(f"{name} is {value}; it must lie between {low} and {high}")
