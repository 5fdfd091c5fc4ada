"""The plan that saw only what was forecast at that moment, re-made as time goes on.

At every re-plan the horizon is solved exactly on the forecast, the first steps are applied to what
then really happened, and the rest is forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from energy_pipeline.model.dispatch.compiled import compiled
from energy_pipeline.model.dispatch.convex import follow, levels_of
from energy_pipeline.model.dispatch.exact import end_function, lower_hull
from energy_pipeline.model.dispatch.interval import (
    COLUMNS,
    DRAIN,
    HIGH,
    LOW,
    MAX_PIECES,
    X_HIGH,
    X_LOW,
    Site,
    at,
    relax,
    site_of,
    table_of,
    tabulate,
    tighten,
)
from energy_pipeline.model.dispatch.nonconvex import solve
from energy_pipeline.model.dispatch.piecewise import slopes_beside
from energy_pipeline.model.dispatch.problem import FloatArray, IntArray, StorageProblem
from energy_pipeline.model.dispatch.settlement import DispatchResult, settle

ENOUGH_C = 0.01  # a plan this close to its lower bound is optimal


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class IssuedForecast:
    """One quantity as it was forecast, again and again.

    Parameters
    ----------
    issued_interval : array_like of int, shape (k,)
        The interval at whose start each forecast was known, as an index into the problem (negative:
        before it). Ascending.
    values : array_like, shape (k, leads)
        ``values[i, h]`` is what forecast i said of interval ``issued_interval[i] + h``.
        NaN: it said nothing.

    Raises
    ------
    ValueError
        If the shapes do not agree, the issues do not ascend, or a value is infinite.
    """

    issued_interval: IntArray
    values: FloatArray

    def __post_init__(self) -> None:
        issued = np.array(self.issued_interval)
        values = np.array(self.values, dtype=np.float64, order="C")
        if issued.ndim != 1 or (issued.size and not np.issubdtype(issued.dtype, np.integer)):
            raise ValueError(
                f"issued_interval must be whole numbers of shape (k,), "
                f"got {issued.dtype} of shape {issued.shape}"
            )
        if values.ndim != 2 or values.shape[0] != issued.size:
            raise ValueError(
                f"values must have shape ({issued.size}, leads), one row per issue, "
                f"got {values.shape}"
            )
        if (np.diff(issued) <= 0).any():
            raise ValueError("issued_interval must ascend, each issue after the one before")
        if np.isinf(values).any():
            raise ValueError("values must be finite, or NaN where nothing was forecast, got inf")
        for name, array in (("issued_interval", issued.astype(np.int64)), ("values", values)):
            array.setflags(write=False)
            object.__setattr__(self, name, array)


def _never_issued() -> IssuedForecast:
    """A forecast that says nothing, so that persistence stands in for it."""
    return IssuedForecast(issued_interval=np.empty(0, np.int64), values=np.empty((0, 0)))


@compiled
def foresee(
    expected: FloatArray,
    actual: FloatArray,
    issued: IntArray,
    values: FloatArray,
    issue: int,
    now: int,
    first: int,
    stop: int,
    day: int,
) -> None:
    """Fill ``expected`` for the intervals first..stop, all after ``now``, as known at its start.

    The newest issue, if it says; else the latest day before, at the same time; while there is
    none, the present.
    """
    issued_at = issued[issue] if issue >= 0 else 0
    leads = values.shape[1] if issue >= 0 else 0
    back = day * ((first - now) // day + 1)
    for t in range(first, stop):
        if t - back >= now:
            back += day
        value = values[issue, t - issued_at] if t - issued_at < leads else np.nan
        if np.isnan(value):
            value = actual[t - back] if t >= back else actual[now]
        expected[t] = value


@compiled
def lay_out(
    site: Site, table: FloatArray, expected: FloatArray, plan: FloatArray, first: int, stop: int
) -> None:
    """Fill the plan's rows of the intervals first..stop with what is expected of them."""
    for t in range(first, stop):
        tabulate(
            plan,
            t,
            expected[0, t] + at(site.standby_kw, t) * site.hours,
            expected[1, t],
            expected[2, t],
            expected[3, t],
            at(site.charge_kw, t) * site.hours,
            at(site.discharge_kw, t) * site.hours,
            at(site.import_limit_kw, t) * site.hours,
            at(site.export_limit_kw, t) * site.hours,
            table[t, LOW],
            table[t, HIGH],
            table[t, DRAIN],
            site.physics,
        )


@compiled
def roll(
    site: Site,
    table: FloatArray,
    horizon: int,
    every: int,
    day: int,
    issued: tuple[IntArray, ...],
    values: tuple[FloatArray, ...],
    end_edge: FloatArray,
    end_slope: FloatArray,
    hull_edge: FloatArray,
    hull_slope: FloatArray,
    horizon_value: float,
    stored_kwh: FloatArray,
) -> FloatArray:
    """Plan, apply, forget, over all intervals; fill ``stored_kwh`` and the water value.

    ``issued`` and ``values``: tuples of load, solar, import price, feed-in price.
    """
    physics = site.physics
    count = table.shape[0]
    water_value = np.empty(count)
    plan = np.empty((count, COLUMNS))  # row t: what is now expected of interval t
    expected = np.empty((4, count))  # load, solar, import price, feed-in price
    actual = site.load_kwh, site.solar_kwh, site.buy, site.sell
    foreseen = 0
    levels = np.empty((horizon, MAX_PIECES))
    path_kwh = np.empty(horizon)
    right, left = np.empty(horizon), np.empty(horizon)
    issue = np.full(4, -1)
    free_edge, free_slope = np.empty(2), np.full(1, -horizon_value)
    energy_kwh = site.initial_kwh
    for now in range(0, count, every):
        stop = min(now + horizon, count)
        if horizon > day or now < day:
            foreseen = now
        for k in range(4):
            while issue[k] + 1 < issued[k].size and issued[k][issue[k] + 1] <= now:
                issue[k] += 1
                foreseen = now
        first = max(now + 1, foreseen)
        for k in range(4):
            expected[k, now] = actual[k][now]
            foresee(expected[k], actual[k], issued[k], values[k], issue[k], now, first, stop, day)
        lay_out(site, table, expected, plan, now, now + 1)
        lay_out(site, table, expected, plan, first, stop)
        for t in range(
            now + 1, min(foreseen, stop)
        ):  # as expected before, but for the last relaxing
            plan[t, LOW], plan[t, HIGH] = table[t, LOW], table[t, HIGH]
            plan[t, DRAIN] = table[t, DRAIN]
        foreseen = stop
        length = stop - now
        ahead = plan[now:stop]
        relax(ahead, energy_kwh, physics.keep_fraction)
        hull = free_edge, free_slope
        ends = stop == count
        if ends:
            hull = hull_edge, hull_slope
        else:
            free_edge[0], free_edge[1] = ahead[length - 1, LOW], ahead[length - 1, HIGH]
        all_convex, edge, slope = levels_of(ahead, 0, levels, hull[0], hull[1], physics)
        all_convex = all_convex and not (ends and end_slope.size > hull_slope.size)
        left_c, right_c = slopes_beside(edge, slope, physics.keep_fraction * energy_kwh)
        worth = -left_c if np.isnan(right_c) else -right_c
        steps = min(every, length)
        seen = steps if all_convex else length
        excess_c = follow(ahead[:seen], levels, energy_kwh, physics, path_kwh, right, left)
        if excess_c > ENOUGH_C or (ends and end_slope.size > hull_slope.size):
            edge, slope = (end_edge, end_slope) if ends else (free_edge, free_slope)
            solve(ahead, energy_kwh, edge, slope, physics, path_kwh, right, left)
        before_kwh = energy_kwh
        for h in range(steps):
            t = now + h
            x = path_kwh[h] + plan[t, DRAIN] - physics.keep_fraction * before_kwh
            before_kwh = path_kwh[h]
            x = min(max(x, table[t, X_LOW]), table[t, X_HIGH])
            kept_kwh = physics.keep_fraction * energy_kwh
            energy_kwh = min(max(kept_kwh + x - table[t, DRAIN], table[t, LOW]), table[t, HIGH])
            stored_kwh[t] = energy_kwh
            water_value[t] = worth
    return water_value


def dispatch_forecast_plan(
    problem: StorageProblem,
    *,
    horizon_intervals: int,
    replan_intervals: int = 1,
    load_kwh: IssuedForecast | None = None,
    solar_kwh: IssuedForecast | None = None,
    import_c_per_kwh: IssuedForecast | None = None,
    feed_in_c_per_kwh: IssuedForecast | None = None,
    horizon_value_c_per_kwh: float = 0.0,
) -> DispatchResult:
    """Plan the horizon exactly on the forecast, apply the first steps, and plan again.

    What happens in an interval is known when it begins; of all later ones only the forecast is.
    Where a forecast says nothing, the same time of the latest day before stands in (persistence),
    and during the first day, the present. Bounds, limits and drain are known in advance.

    Parameters
    ----------
    problem : StorageProblem
        n intervals, as they then really were.
    horizon_intervals : int
        How far a plan looks.
    replan_intervals : int
        How many of its steps are applied before the next plan.
    load_kwh, solar_kwh, import_c_per_kwh, feed_in_c_per_kwh : IssuedForecast, optional
        Forecasts as they were issued, in the units of the problem. None: persistence.
    horizon_value_c_per_kwh : float
        What energy left at the end of a plan is worth to it. At the problem's own end its end
        condition holds instead. [c/kWh]

    Returns
    -------
    DispatchResult
        Arrays of shape (n,). The water value is that of the latest plan at its making.

    Raises
    ------
    ValueError
        If the horizon or the step is below 1, the step exceeds the horizon, a day is not a whole
        number of intervals, or a forecast of load or solar is negative.
    """
    if horizon_intervals < 1:
        raise ValueError(f"horizon_intervals must be >= 1, got {horizon_intervals}")
    if not 1 <= replan_intervals <= horizon_intervals:
        raise ValueError(
            f"replan_intervals must be in [1, horizon_intervals = {horizon_intervals}], "
            f"got {replan_intervals}"
        )
    if not np.isfinite(horizon_value_c_per_kwh):
        raise ValueError(f"horizon_value_c_per_kwh must be finite, got {horizon_value_c_per_kwh}")
    day = round(24.0 / problem.interval_hours)
    if abs(day * problem.interval_hours - 24.0) > 1e-6:
        raise ValueError(
            f"interval_hours must divide a day, got {problem.interval_hours}: "
            "the plan compares equal times of day"
        )
    given = (load_kwh, solar_kwh, import_c_per_kwh, feed_in_c_per_kwh)
    for name, known in (("load_kwh", load_kwh), ("solar_kwh", solar_kwh)):
        if known is not None and (known.values < 0.0).any():
            raise ValueError(f"{name} forecasts must be >= 0, got {np.nanmin(known.values)}")
    forecasts = [_never_issued() if known is None else known for known in given]
    site = site_of(problem)
    table = table_of(site)
    end_edge, end_slope = end_function(problem, table)
    tighten(table, site.physics.keep_fraction)
    stored_kwh = np.empty(problem.intervals)
    water_value = roll(
        site,
        table,
        int(horizon_intervals),
        int(replan_intervals),
        day,
        tuple(known.issued_interval for known in forecasts),
        tuple(known.values for known in forecasts),
        end_edge,
        end_slope,
        *lower_hull(end_edge, end_slope),
        float(horizon_value_c_per_kwh),
        stored_kwh,
    )
    return settle(
        problem,
        site,
        table,
        stored_kwh,
        water_value_c_per_kwh=water_value,
        status=f"plan: {horizon_intervals} intervals ahead, re-made every {replan_intervals}",
    )
