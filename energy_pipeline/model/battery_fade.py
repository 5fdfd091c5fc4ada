"""How a battery loses capacity: the warranty line, and a model after SAM's."""

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from energy_pipeline.model.figures import read_catalogue

Floats = npt.NDArray[np.float64]

_REFERENCE_K: Final = 296.0
_KELVIN: Final = 273.15


@dataclass(frozen=True, slots=True, kw_only=True)
class Fade:
    """Capacity left, and what took the rest. [fractions of the new capacity]"""

    capacity: float
    after_cycles: float
    after_calendar: float


def warranty_line(
    years: float,
    delivered_kwh: float,
    *,
    warranty_years: float,
    warranty_kwh: float,
    end_fraction: float = 0.70,
) -> float:
    """Capacity left on the line a warranty draws: whichever of age and use has gone further.

    q = 1 - (1 - end) max(years / warranty years, delivered / warranted energy), and never
    below 0. Simple, and cautious: makers mean to stay above it.

    Parameters
    ----------
    years : float
        Age.
    delivered_kwh : float
        Energy delivered so far. [kWh]
    warranty_years, warranty_kwh : float
        Where the warranty ends. Infinite kWh means no such limit.
    end_fraction : float
        Capacity the warranty promises at its end.

    Returns
    -------
    float
        Fraction of the new capacity.
    """
    for name, value in (("years", years), ("delivered_kwh", delivered_kwh)):
        if not value >= 0.0:
            raise ValueError(f"{name} is {value}; it must be 0 or more")
    for name, value in (("warranty_years", warranty_years), ("warranty_kwh", warranty_kwh)):
        if not value > 0.0:
            raise ValueError(f"{name} is {value}; it must be above 0")
    if not 0.0 < end_fraction <= 1.0:
        raise ValueError(f"end_fraction is {end_fraction}; a fraction in (0, 1]")
    used = max(years / warranty_years, delivered_kwh / warranty_kwh)
    return max(0.0, 1.0 - (1.0 - end_fraction) * used)


def replacement_year(
    delivered_kwh_per_year: float,
    *,
    warranty_years: float,
    warranty_kwh: float,
    end_fraction: float = 0.70,
    replace_at: float = 0.70,
) -> float:
    """Age at which the warranty line falls to `replace_at`. [years]"""
    if not 0.0 <= replace_at < 1.0:
        raise ValueError(f"replace_at is {replace_at}; a fraction in [0, 1)")
    fall = 1.0 - warranty_line(
        1.0,
        delivered_kwh_per_year,
        warranty_years=warranty_years,
        warranty_kwh=warranty_kwh,
        end_fraction=end_fraction,
    )
    return (1.0 - replace_at) / fall if fall > 0.0 else float("inf")


def lfp_fade(
    soc_fraction: Floats, *, days: float, years: float, temperature_c: float = 20.0
) -> Fade:
    """Capacity left when a stretch of use repeats for years, after SAM, [1]_.

    Two losses add: cycling (rainflow-counted cycles looked up by number and mean depth) and the
    calendar, q0 - k sqrt(t), with k from temperature and state of charge. As k varies over the
    stretch its mean square is what the root of time grows by.

    Parameters
    ----------
    soc_fraction : array, shape (n,)
        State of charge of the stretch, evenly spaced. [fraction]
    days : float
        Length of the stretch. [days]
    years : float
        How long it repeats.
    temperature_c : float
        Of the cells. [degC]

    Returns
    -------
    Fade

    References
    ----------
    .. [1] N. DiOrio et al., "Technoeconomic Modeling of Battery Energy Storage in SAM",
       NREL/TP-6A20-64641, 2015; coefficients in batteries.toml.
    """
    soc = np.asarray(soc_fraction, dtype=float)
    if soc.size < 2 or not ((soc >= 0.0) & (soc <= 1.0)).all():
        raise ValueError("soc_fraction must hold two or more fractions in [0, 1]")
    if not (days > 0.0 and years >= 0.0):
        raise ValueError(f"days is {days} and years {years}; above 0, and 0 or more")
    table = read_catalogue("batteries.toml")["fade"]["lfp"]
    kelvin = temperature_c + _KELVIN
    rate = table["calendar_a"] * np.exp(
        table["calendar_b"] * (1 / kelvin - 1 / _REFERENCE_K)
        + table["calendar_c"] * (soc / kelvin - 1 / _REFERENCE_K)
    )
    root_days = np.sqrt(years * 365.0)
    calendar = min(1.0, table["calendar_q0"] - float(np.sqrt((rate**2).mean())) * root_days)
    depths = cycle_depths(soc)
    cycles = 1.0
    if depths.size:
        weights = depths[:, 1]
        count = weights.sum() / days * years * 365.0
        cycles = _after_cycles(count, float(np.average(depths[:, 0], weights=weights)))
    left = max(0.0, cycles + calendar - 1.0)
    return Fade(capacity=float(left), after_cycles=cycles, after_calendar=float(calendar))


def cycle_depths(soc_fraction: Floats) -> Floats:
    """Rainflow count: rows of depth and how many cycles, 1 or a half, shape (m, 2).

    References
    ----------
    .. [1] ASTM E1049-85, "Standard Practices for Cycle Counting in Fatigue Analysis".
    """
    soc = np.asarray(soc_fraction, dtype=float)
    moves = np.diff(soc)
    soc = np.concatenate((soc[:1], soc[1:][moves != 0.0]))
    turns = np.flatnonzero(np.diff(np.sign(np.diff(soc))) != 0) + 1
    reversals = soc[np.unique(np.concatenate(([0], turns, [len(soc) - 1])))]
    open_points: list[float] = []
    rows: list[tuple[float, float]] = []
    for point in reversals:
        open_points.append(float(point))
        while len(open_points) >= 3:
            last = abs(open_points[-1] - open_points[-2])
            before = abs(open_points[-2] - open_points[-3])
            if last < before:
                break
            if len(open_points) == 3:
                rows.append((before, 0.5))
                open_points.pop(0)
            else:
                rows.append((before, 1.0))
                del open_points[-3:-1]
    rows += [(abs(b - a), 0.5) for a, b in pairwise(open_points)]
    return np.array([row for row in rows if row[0] > 0.0], dtype=float).reshape(-1, 2)


@lru_cache(maxsize=1)
def _cycle_table() -> tuple[Floats, tuple[Floats, ...]]:
    rows = read_catalogue("batteries.toml")["fade"]["lfp"]["cycles"]
    return np.array([r["depth"] for r in rows]), tuple(np.array(r["left"], float) for r in rows)


def _after_cycles(count: float, depth: float) -> float:
    """Capacity after `count` cycles of a depth, linear in both; none is lost at depth 0."""
    depths, curves = _cycle_table()
    left = [float(np.interp(count, curve[:, 0], curve[:, 1])) for curve in curves]
    return float(np.interp(depth, np.concatenate(([0.0], depths)), [1.0, *left]))
