"""Strategies that see only now: rules that a battery's own controller can follow.

Every rule says how much it would like to charge or discharge; the store does as much of that as
its power, its bounds and the connection allow, and keeps every bound that the exact optimum keeps.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from energy_pipeline.model.dispatch.compiled import compiled
from energy_pipeline.model.dispatch.interval import (
    DRAIN,
    HIGH,
    LOW,
    NET,
    X_HIGH,
    X_LOW,
    Physics,
    site_of,
    table_of,
    tighten,
)
from energy_pipeline.model.dispatch.problem import (
    BoolArray,
    EndCondition,
    FloatArray,
    StorageProblem,
)
from energy_pipeline.model.dispatch.settlement import DispatchResult, settle

ALL_IT_CAN = 1e9  # kWh, beyond any limit


@compiled
def obey(
    table: FloatArray,
    wish_kwh: FloatArray,
    target_kwh: float,
    initial_kwh: float,
    physics: Physics,
    stored_kwh: FloatArray,
) -> None:
    """Fulfil the wishes (AC kWh, charging positive) as far as possible; fill ``stored_kwh``.

    Beyond solar surplus it charges only up to ``target_kwh`` in store.
    """
    energy_kwh = initial_kwh
    for t in range(stored_kwh.size):
        kept_kwh = physics.keep_fraction * energy_kwh
        wish = wish_kwh[t]
        if wish > 0.0:
            room_kwh = max(target_kwh - kept_kwh, 0.0) / physics.charge_efficiency
            wish = max(min(wish, room_kwh), min(wish, -table[t, NET]))
        x = wish * physics.charge_efficiency if wish > 0.0 else wish / physics.discharge_efficiency
        x = min(max(x, table[t, X_LOW]), table[t, X_HIGH])
        energy_kwh = min(max(kept_kwh + x - table[t, DRAIN], table[t, LOW]), table[t, HIGH])
        stored_kwh[t] = energy_kwh


def _follow(
    problem: StorageProblem, wish_kwh: FloatArray, *, status: str, target_kwh: float = np.inf
) -> DispatchResult:
    """Run the wishes through the store and settle."""
    site = site_of(problem)
    table = table_of(site)
    tighten(table, site.physics.keep_fraction)
    stored_kwh = np.empty(problem.intervals)
    obey(table, wish_kwh, target_kwh, site.initial_kwh, site.physics, stored_kwh)
    return settle(
        problem,
        site,
        table,
        stored_kwh,
        water_value_c_per_kwh=np.full(problem.intervals, np.nan),
        status=status,
    )


def _surplus_kwh(problem: StorageProblem) -> FloatArray:
    """Solar beyond the load and the storage's own standby; negative where it falls short."""
    standby_kwh = np.asarray(problem.standby_kw) * problem.interval_hours
    surplus_kwh: FloatArray = problem.solar_kwh - problem.load_kwh - standby_kwh
    return surplus_kwh


def dispatch_none(problem: StorageProblem) -> DispatchResult:
    """The same home without the storage: the baseline of every saving."""
    bare = replace(
        problem,
        capacity_kwh=0.0,
        initial_energy_kwh=0.0,
        charge_kw=0.0,
        discharge_kw=0.0,
        min_energy_kwh=0.0,
        max_energy_kwh=0.0,
        standby_kw=0.0,
        drain_kwh=0.0,
        end=EndCondition.free(),
    )
    return _follow(bare, np.zeros(problem.intervals), status="no storage")


def dispatch_self_consumption(problem: StorageProblem) -> DispatchResult:
    """Charge from solar surplus, discharge into the load, never trade.

    References
    ----------
    .. [1] R. Luthander et al., "Photovoltaic self-consumption in buildings: A review",
       Appl. Energy, vol. 142, pp. 80-94, 2015, doi:10.1016/j.apenergy.2014.12.028.
    """
    return _follow(problem, _surplus_kwh(problem), status="rule: self-consumption")


def dispatch_time_of_use(
    problem: StorageProblem,
    *,
    charge_window: BoolArray,
    discharge_window: BoolArray,
    target_fraction: float = 1.0,
) -> DispatchResult:
    """Charge in some windows, discharge into the load in others, else hold and store surplus.

    Parameters
    ----------
    problem : StorageProblem
        n intervals.
    charge_window, discharge_window : array_like of bool, shape (n,)
        Where to charge at full power, and where to serve the load. They must not overlap.
    target_fraction : float
        How full to charge from the grid, in [0, 1] of the capacity; surplus is stored beyond.

    Raises
    ------
    ValueError
        If a window has another shape or is not boolean, they overlap, or the target is not in
        [0, 1].
    """
    charge = _window("charge_window", charge_window, problem.intervals)
    discharge = _window("discharge_window", discharge_window, problem.intervals)
    if (charge & discharge).any():
        where = int(np.argmax(charge & discharge))
        raise ValueError(f"charge_window and discharge_window must not overlap, both hold {where}")
    if not 0.0 <= target_fraction <= 1.0:
        raise ValueError(f"target_fraction must be in [0, 1], got {target_fraction}")
    wish_kwh = _surplus_kwh(problem)
    wish_kwh[~discharge & (wish_kwh < 0.0)] = 0.0
    wish_kwh[charge] = ALL_IT_CAN
    return _follow(
        problem,
        wish_kwh,
        status="rule: time of use",
        target_kwh=target_fraction * problem.capacity_kwh,
    )


def dispatch_price_threshold(
    problem: StorageProblem,
    *,
    charge_below_c_per_kwh: float | FloatArray,
    discharge_above_c_per_kwh: float | FloatArray,
) -> DispatchResult:
    """Charge at full power below an import price, discharge so above a feed-in price.

    In between it serves the house, as in `dispatch_self_consumption`. Where both hold it charges.

    Parameters
    ----------
    problem : StorageProblem
        n intervals.
    charge_below_c_per_kwh, discharge_above_c_per_kwh : float or array_like of shape (n,)
        Thresholds, as from `trailing_quantile`. [c/kWh]

    Raises
    ------
    ValueError
        If a threshold has another shape or a gap.
    """
    below = _thresholds("charge_below_c_per_kwh", charge_below_c_per_kwh, problem.intervals)
    above = _thresholds("discharge_above_c_per_kwh", discharge_above_c_per_kwh, problem.intervals)
    wish_kwh = _surplus_kwh(problem)
    wish_kwh[problem.feed_in_c_per_kwh > above] = -ALL_IT_CAN
    wish_kwh[problem.import_c_per_kwh < below] = ALL_IT_CAN
    return _follow(problem, wish_kwh, status="rule: price thresholds")


def trailing_quantile(
    price_c_per_kwh: FloatArray, *, window_intervals: int, fraction: float
) -> FloatArray:
    """Quantile of the current price and those before it, shape (n,): a threshold without foresight.

    Parameters
    ----------
    price_c_per_kwh : array_like, shape (n,)
        [c/kWh]
    window_intervals : int
        How many prices to look at, the current one included; fewer at the start.
    fraction : float
        In [0, 1]: 0 is the lowest of the window, 1 the highest; linear in between.

    Raises
    ------
    ValueError
        If the prices have a gap or no interval, the window is below 1, or the fraction is not in
        [0, 1].
    """
    price = np.array(price_c_per_kwh, dtype=np.float64)
    if price.ndim != 1 or price.size == 0 or not np.isfinite(price).all():
        raise ValueError("price_c_per_kwh must be finite numbers of shape (n,), n >= 1, no gaps")
    if window_intervals < 1:
        raise ValueError(f"window_intervals must be >= 1, got {window_intervals}")
    if not 0.0 <= fraction <= 1.0:
        raise ValueError(f"fraction must be in [0, 1], got {fraction}")
    quantile = np.empty(price.size)
    slide(price, int(window_intervals), float(fraction), quantile)
    return quantile


@compiled
def slide(price: FloatArray, window: int, fraction: float, quantile: FloatArray) -> None:
    """Fill ``quantile`` with a sorted window that slides along the prices."""
    ordered = np.empty(min(window, price.size))
    count = 0
    for t in range(price.size):
        if count == ordered.size:
            place = np.searchsorted(ordered[:count], price[t - window])
            for j in range(place, count - 1):
                ordered[j] = ordered[j + 1]
            count -= 1
        place = np.searchsorted(ordered[:count], price[t])
        for j in range(count, place, -1):
            ordered[j] = ordered[j - 1]
        ordered[place] = price[t]
        count += 1
        rank = fraction * (count - 1)
        below = min(int(rank), count - 1)
        above = min(below + 1, count - 1)
        quantile[t] = ordered[below] + (rank - below) * (ordered[above] - ordered[below])


def _window(name: str, value: BoolArray, count: int) -> BoolArray:
    array = np.asarray(value)
    if array.dtype != np.bool_ or array.shape != (count,):
        raise ValueError(
            f"{name} must be booleans of shape ({count},), got {array.dtype} of {array.shape}"
        )
    return array


def _thresholds(name: str, value: float | FloatArray, count: int) -> FloatArray:
    array = np.asarray(value, dtype=np.float64)
    if array.shape not in ((), (count,)):
        raise ValueError(f"{name} must be a number or of shape ({count},), got {array.shape}")
    if np.isnan(array).any():
        raise ValueError(f"{name} must have no gaps, got nan")
    return array
