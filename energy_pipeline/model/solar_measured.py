"""What a measured array would have given at another size, inverter or direction.

The household's own 5-minute generation beats any model; this module only bends it.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from energy_pipeline.model.irradiance import Floats
from energy_pipeline.model.solar import INTERVAL_HOURS, SolarSystem

_TOP_BAND: Final = 0.01  # intervals within this share of the largest power stand at the top
_NEXT_BAND: Final = 0.03  # and these just below it
_PILED_UP: Final = 3.0  # a limit holds this many times more intervals than the band below it
_FEWEST_AT_TOP: Final = 12
_MODEL_FLOOR: Final = 0.02  # kW per kWp below which a ratio of models means nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class FlatTop:
    """Intervals in which the measured array stood at its limit."""

    limit_kw: float
    intervals: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaledSolar:
    """Generation at another size, and what to say about it."""

    solar_kwh: pd.Series
    warnings: tuple[str, ...]


def flat_top(solar_kwh: pd.Series, *, interval_hours: float = INTERVAL_HOURS) -> FlatTop | None:
    """Find clipping: many intervals at the largest power, few just below it.

    The rounded top of a clear day puts about as many intervals within 1 % of its height as within
    the next 2 %; a limit piles up what would have passed it.

    Parameters
    ----------
    solar_kwh : pd.Series
        Measured AC energy per interval, shape (n,). [kWh]
    interval_hours : float
        Length of one interval. [h]

    Returns
    -------
    FlatTop or None
        None where there is no such pile: a bright moment is not a limit.
    """
    _refuse_gaps(solar_kwh)
    energy = solar_kwh.to_numpy(dtype=float)
    top = energy.max(initial=0.0)
    at_top = int((energy >= top * (1.0 - _TOP_BAND)).sum())
    below = int((energy >= top * (1.0 - _NEXT_BAND)).sum()) - at_top
    if top <= 0.0 or at_top < max(_FEWEST_AT_TOP, _PILED_UP * below):
        return None
    return FlatTop(limit_kw=float(top / interval_hours), intervals=at_top)


def scale_measured(
    solar_kwh: pd.Series,
    *,
    measured: SolarSystem,
    wanted: SolarSystem,
    modelled: tuple[pd.Series, pd.Series] | None = None,
    interval_hours: float = INTERVAL_HOURS,
) -> ScaledSolar:
    """Scale measured generation per DC kW, turn it, and clip it at the new inverter.

    Parameters
    ----------
    solar_kwh : pd.Series
        Measured AC energy per interval, shape (n,). [kWh]
    measured, wanted : SolarSystem
        What stands on the roof, and what is asked about.
    modelled : (pd.Series, pd.Series), optional
        AC energy modelled by `solar.ac_kwh` for `measured` and for `wanted` with the same
        weather; needed where the directions differ. [kWh]
    interval_hours : float
        Length of one interval. [h]

    Returns
    -------
    ScaledSolar
        With a warning where the measurement was clipped: that energy cannot be brought back, so
        a larger inverter is undervalued.

    Raises
    ------
    ValueError
        For gaps or negative values, a measured size of 0, differing indexes, or differing
        directions without models.
    """
    _refuse_gaps(solar_kwh)
    energy = solar_kwh.to_numpy(dtype=float)
    if (energy < 0.0).any():
        raise ValueError(f"solar_kwh must not be negative; see {(solar_kwh < 0.0).idxmax()}")
    if not measured.kwp > 0.0:
        raise ValueError("measured has 0 kWp; state the size of the array that was measured")
    warnings: list[str] = []
    clipped = flat_top(solar_kwh, interval_hours=interval_hours)
    if clipped is not None:
        warnings.append(
            f"the measured generation is flat at {clipped.limit_kw:.2f} kW in {clipped.intervals} "
            "intervals: what was clipped there is lost to any larger inverter"
        )
    if modelled is None:
        if wanted.kwp > 0.0 and _directions(measured) != _directions(wanted):
            raise ValueError(
                "measured and wanted look in different directions; pass modelled for both"
            )
        scaled = energy * (wanted.kwp / measured.kwp)
    else:
        scaled = _turned(energy, solar_kwh.index, measured, modelled, interval_hours)
    limited = np.minimum(scaled, wanted.inverter_kw * interval_hours)
    return ScaledSolar(
        solar_kwh=pd.Series(limited, index=solar_kwh.index, name="solar_kwh"),
        warnings=tuple(warnings),
    )


def _turned(
    energy: Floats,
    index: pd.Index,
    measured: SolarSystem,
    modelled: tuple[pd.Series, pd.Series],
    interval_hours: float,
) -> Floats:
    """Follow the ratio of the models; near the horizon the model times the overall performance."""
    before, after = modelled
    for name, series in (("modelled[0]", before), ("modelled[1]", after)):
        if not series.index.equals(index):
            raise ValueError(f"{name} and solar_kwh must share one index")
    from_kwh, to_kwh = before.to_numpy(dtype=float), after.to_numpy(dtype=float)
    if from_kwh.sum() <= 0.0:
        raise ValueError("modelled[0] has no energy; model the measured system in daylight")
    meaningful = from_kwh >= _MODEL_FLOOR * measured.kwp * interval_hours
    ratio = np.divide(to_kwh, from_kwh, out=np.zeros_like(to_kwh), where=meaningful)
    performance = energy.sum() / from_kwh.sum()
    turned: Floats = np.where(meaningful, energy * ratio, to_kwh * performance)
    return turned


def _directions(system: SolarSystem) -> dict[tuple[float, float], float]:
    """Share of the panels in each direction."""
    shares: dict[tuple[float, float], float] = {}
    for array in system.arrays:
        key = (array.tilt_degrees, array.azimuth_degrees % 360.0)
        shares[key] = round(shares.get(key, 0.0) + array.kwp / system.kwp, 9)
    return shares


def _refuse_gaps(solar_kwh: pd.Series) -> None:
    if solar_kwh.isna().any():
        raise ValueError(
            f"solar_kwh must have no gaps; the first is at {solar_kwh.isna().idxmax()}"
        )
