"""A forecast where none was kept: what a plain statistician would have said at that moment.

Uses nothing but what had been measured before the moment of issue. Every quantity is its usual day
(a recent average by time of day) plus what is left of today's departure from it::

    forecast(t) = usual(t) + (last seen - usual at that time) x exp(-lead / memory)

Prices are foreseen on the scale ``asinh(price / scale)``, where one spike does not make tomorrow a
spike. It stands in for forecasts that were not archived; `dispatch.plan` takes it like any other.
How far it is off, `forecast_error` measures.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from energy_pipeline.model.dispatch.plan import IssuedForecast
from energy_pipeline.model.dispatch.problem import FloatArray, IntArray

DAY: Final = 288  # intervals of 5 minutes
_BLOCK: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How one quantity is foreseen."""

    day_weight: float  # of yesterday in the usual day; the rest is the usual day before
    memory_hours: float  # in which a departure from it falls to 1/e
    scale: float | None = None  # in the unit of the quantity, above 0; None: as it is
    lowest: float = -np.inf  # energies are never negative


# Chosen on nine months of prices, tested on the other three: docs/model-scenario.md.
ENERGY: Final = Recipe(day_weight=0.15, memory_hours=1.0, lowest=0.0)
PRICE: Final = Recipe(day_weight=0.30, memory_hours=4.0, scale=10.0)  # c/kWh


def forecast_from_past(
    actual: FloatArray, recipe: Recipe, *, horizon: int, every: int
) -> IssuedForecast:
    """Forecasts issued every so often, each from what was known by then.

    Parameters
    ----------
    actual : array, shape (n,)
        What then happened; NaN where it is not known. Any unit.
    recipe : Recipe
    horizon, every : int
        How far a plan looks, and how often a forecast is issued. [intervals of 5 minutes]

    Returns
    -------
    IssuedForecast
        Issued at intervals 0, every, 2 every ..., with leads to ``horizon + every``. During the
        first day, of times of day not seen yet, it says nothing (NaN).

    Raises
    ------
    ValueError
        If the horizon or the step is below 1.
    """
    if horizon < 1 or every < 1:
        raise ValueError(f"horizon is {horizon} and every {every}; both must be 1 or more")
    actual = np.asarray(actual, dtype=float)
    if recipe.scale is not None:
        actual = np.arcsinh(actual / recipe.scale)
    usual = _usual_days(actual, recipe.day_weight)
    issues = np.arange(0, len(actual), every)
    leads = np.arange(min(horizon + every, len(actual)))
    values = np.empty((len(issues), len(leads)))
    for first in range(0, len(issues), _BLOCK):  # a year at once would take a gigabyte
        block = slice(first, first + _BLOCK)
        values[block] = _foreseen(actual, usual, issues[block], leads, recipe)
    return IssuedForecast(issued_interval=issues, values=values)


def _foreseen(
    actual: FloatArray, usual: FloatArray, issues: IntArray, leads: IntArray, recipe: Recipe
) -> FloatArray:
    """What was foreseen at some issues. Shape (issues, leads)."""
    # usual[d, slot]: as known when day d began; a slot of today already seen belongs to day d + 1.
    later = (issues[:, None] + leads[None, :]) % DAY
    seen_today = later < (issues % DAY)[:, None]
    values = usual[(issues // DAY)[:, None] + seen_today, later]
    last = np.maximum(issues - 1, 0)
    known = np.where(issues > 0, actual[last], np.nan)
    departure = np.nan_to_num(known - usual[last // DAY, last % DAY])
    fading = np.exp(-(leads + 1) / (12.0 * recipe.memory_hours))
    values = values + departure[:, None] * fading[None, :]
    if recipe.scale is not None:
        values = recipe.scale * np.sinh(values)
    bounded: FloatArray = np.maximum(values, recipe.lowest)
    return bounded


def _usual_days(actual: FloatArray, weight: float) -> FloatArray:
    """The usual day as known when each day begins, and after the last. Shape (days + 1, 288)."""
    days = -(-len(actual) // DAY)
    padded = np.full(days * DAY, np.nan)
    padded[: len(actual)] = actual
    usual = np.full((days + 1, DAY), np.nan)
    for day, seen in enumerate(padded.reshape(days, DAY)):
        before = usual[day]
        mixed = before + weight * (seen - before)
        mixed = np.where(np.isnan(before), seen, mixed)
        usual[day + 1] = np.where(np.isnan(seen), before, mixed)
    return usual


def forecast_error(
    forecast: IssuedForecast, actual: FloatArray, *, lead_hours: tuple[float, ...] = (1, 3, 6, 12)
) -> pd.DataFrame:
    """Mean absolute error by lead, beside that of persistence (the same time a day before).

    Parameters
    ----------
    forecast : IssuedForecast
    actual : array, shape (n,)
    lead_hours : tuple of float
        Leads to look at; those beyond the forecast are left out.

    Returns
    -------
    pd.DataFrame
        mae, persistence_mae, bias (forecast - actual) and count by lead_hours, in the unit of
        `actual`, over the same issues.
    """
    rows = []
    for hours in lead_hours:
        lead = round(hours * 12)
        if lead >= forecast.values.shape[1]:
            continue
        target = forecast.issued_interval + lead
        usable = (target < len(actual)) & (target >= DAY)
        said = forecast.values[usable, lead]
        happened = actual[target[usable]]
        before = actual[target[usable] - DAY]
        whole = np.isfinite(said) & np.isfinite(happened) & np.isfinite(before)
        if not whole.any():
            continue
        off = said[whole] - happened[whole]
        rows.append(
            {
                "lead_hours": float(hours),
                "mae": float(np.abs(off).mean()),
                "persistence_mae": float(np.abs(before[whole] - happened[whole]).mean()),
                "bias": float(off.mean()),
                "count": int(whole.sum()),
            }
        )
    return pd.DataFrame(
        rows, columns=["lead_hours", "mae", "persistence_mae", "bias", "count"]
    ).set_index("lead_hours")
