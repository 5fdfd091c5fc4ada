"""One storage of a scenario under one strategy: what the strategy may see, and running it.

Every strategy gets the same problem; they differ in what they look at. The rules look at the clock
or at prices up to now, the plan at forecasts as issued, perfect foresight at everything.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from energy_pipeline.model.dispatch.exact import dispatch_perfect_foresight
from energy_pipeline.model.dispatch.plan import IssuedForecast, dispatch_forecast_plan
from energy_pipeline.model.dispatch.problem import StorageProblem
from energy_pipeline.model.dispatch.rules import (
    dispatch_none,
    dispatch_price_threshold,
    dispatch_self_consumption,
    dispatch_time_of_use,
    trailing_quantile,
)
from energy_pipeline.model.dispatch.settlement import DispatchResult
from energy_pipeline.model.forecast_model import DAY, ENERGY, PRICE, Recipe, forecast_from_past
from energy_pipeline.model.scenario import Dispatch, Span
from energy_pipeline.model.scenario_data import Bools, Floats

_ISSUE_PRICES_EVERY: Final = 3  # intervals: a price forecast every 15 minutes
_ISSUE_ENERGY_EVERY: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sight:
    """What strategies may look at beside the problem itself.

    Attributes
    ----------
    index : pd.DatetimeIndex
        interval_start, UTC, shape (n,).
    known : array of bool, shape (n,)
        False where the arrays of the problem are stand-ins.
    timezone : str
        Of the clock of time-of-use windows.
    import_before, feed_in_before : array, shape (m,)
        Prices just before the first interval, for trailing quantiles. [c/kWh]
    archived : dict of str to IssuedForecast
        As issued, of the quantities of the problem; empty without.
    """

    index: pd.DatetimeIndex
    known: Bools
    timezone: str
    import_before: Floats
    feed_in_before: Floats
    archived: dict[str, IssuedForecast]


def run_strategy(problem: StorageProblem, settings: Dispatch, sight: Sight) -> DispatchResult:
    """Dispatch a storage by the strategy the settings name.

    Raises
    ------
    ValueError
        If archived forecasts are asked for and there are none.
    """
    match settings.strategy:
        case "none":
            return dispatch_none(problem)
        case "self_consumption":
            return dispatch_self_consumption(problem)
        case "time_of_use":
            return dispatch_time_of_use(
                problem,
                charge_window=spans_mask(sight.index, settings.charge_spans, sight.timezone),
                discharge_window=spans_mask(sight.index, settings.discharge_spans, sight.timezone),
                target_fraction=settings.target_fraction,
            )
        case "price_threshold":
            return dispatch_price_threshold(
                problem,
                charge_below_c_per_kwh=_threshold(
                    settings.charge_below_c_per_kwh, settings.charge_below_fraction,
                    problem.import_c_per_kwh, sight.import_before, sight, settings,
                ),
                discharge_above_c_per_kwh=_threshold(
                    settings.discharge_above_c_per_kwh, settings.discharge_above_fraction,
                    problem.feed_in_c_per_kwh, sight.feed_in_before, sight, settings,
                ),
            )  # fmt: skip
        case "forecast_plan":
            horizon = round(settings.horizon_hours * 12)
            return dispatch_forecast_plan(
                problem,
                horizon_intervals=horizon,
                replan_intervals=round(settings.replan_minutes / 5),
                horizon_value_c_per_kwh=settings.horizon_value_c_per_kwh,
                **_forecasts(problem, settings, sight, horizon),
            )
        case "perfect_foresight":
            return dispatch_perfect_foresight(problem)


def spans_mask(index: pd.DatetimeIndex, spans: tuple[Span, ...], timezone: str) -> Bools:
    """Intervals whose local start lies in one of the spans. Shape (n,)."""
    local = index.tz_convert(timezone)
    minute = local.hour.to_numpy() * 60 + local.minute.to_numpy()
    inside = np.zeros(len(index), dtype=bool)
    for start, stop in spans:
        after, before = minute >= start, minute < stop
        inside |= (after & before) if start < stop else (after | before)
    return inside


def _threshold(
    fixed: float | None,
    fraction: float,
    price: Floats,
    before: Floats,
    sight: Sight,
    settings: Dispatch,
) -> float | Floats:
    """A fixed threshold, or the trailing quantile of the known prices."""
    if fixed is not None:
        return fixed
    quantile = trailing_quantile(
        np.concatenate((before, price[sight.known])),
        window_intervals=window_intervals(settings),
        fraction=fraction,
    )[len(before) :]
    spread = np.zeros(len(price))
    spread[sight.known] = quantile
    return spread


def window_intervals(settings: Dispatch) -> int:
    """How many prices a trailing quantile looks at."""
    return max(1, round(settings.window_days * DAY))


def _forecasts(
    problem: StorageProblem, settings: Dispatch, sight: Sight, horizon: int
) -> dict[str, IssuedForecast]:
    if settings.forecast == "persistence":
        return {}
    if settings.forecast == "archived":
        if not sight.archived:
            raise ValueError(
                "dispatch.forecast_plan.forecast is 'archived', but the data have no forecasts; "
                "use 'model'"
            )
        return sight.archived

    def foreseen(values: Floats, recipe: Recipe, every: int) -> IssuedForecast:
        seen = values if sight.known.all() else np.where(sight.known, values, np.nan)
        return forecast_from_past(seen, recipe, horizon=horizon, every=every)

    return {
        "load_kwh": foreseen(problem.load_kwh, ENERGY, _ISSUE_ENERGY_EVERY),
        "solar_kwh": foreseen(problem.solar_kwh, ENERGY, _ISSUE_ENERGY_EVERY),
        "import_c_per_kwh": foreseen(problem.import_c_per_kwh, PRICE, _ISSUE_PRICES_EVERY),
        "feed_in_c_per_kwh": foreseen(problem.feed_in_c_per_kwh, PRICE, _ISSUE_PRICES_EVERY),
    }
