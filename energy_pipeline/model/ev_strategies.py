"""When the car charges: five strategies over the same use, floor and public fallback.

Each takes the use of the car (n intervals), the car, its charger, the driver's habits and
``initial_kwh``, the energy in the battery at the start [kWh], and after these what it may look at.
A stay is settled as a whole, as a charger that knows the prices until departure would; nothing is
known of later stays but the need of the next trip. All raise ValueError, by name, for an
``initial_kwh`` below the floor or above the battery, and for arrays of another length, with gaps
or out of range. Feeding the house is dispatch's business.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import time
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from energy_pipeline.model.ev import (
    INTERVAL_HOURS,
    Bools,
    Charger,
    Floats,
    Habits,
    Stay,
    Usage,
    Vehicle,
    departure_kwh,
)

# (stay, AC kWh the battery needs by departure, AC kWh it has room for) -> AC kWh per interval.
_Plan = Callable[[Stay, float, float], Floats]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Charging:
    """What was charged, and what the driver had to find elsewhere.

    Attributes
    ----------
    charge_kwh : array, shape (n,)
        AC energy drawn at home. [kWh]
    soc_kwh : array, shape (n,)
        Energy in the battery at the END of the interval. [kWh]
    public_kwh : array, shape (n,)
        Energy into the battery at public chargers, where driving would pass the floor. [kWh]
    shortfall_kwh : array, shape (n,)
        Energy missing at a departure, in the last plugged interval. [kWh]
    public_aud : float
    """

    charge_kwh: Floats
    soc_kwh: Floats
    public_kwh: Floats
    shortfall_kwh: Floats
    public_aud: float


def charge_immediately(
    usage: Usage, vehicle: Vehicle, charger: Charger, habits: Habits, *, initial_kwh: float
) -> Charging:
    """Charge at full power from the moment the car is plugged in, up to the limit."""
    most = np.full(len(usage.plugged), _most_kwh(vehicle, charger))
    return _run(usage, vehicle, charger, habits, initial_kwh, _in_order(most))


def charge_in_window(
    usage: Usage,
    vehicle: Vehicle,
    charger: Charger,
    habits: Habits,
    *,
    initial_kwh: float,
    allowed: Bools,
) -> Charging:
    """Charge at full power while a timer allows, up to the limit.

    Parameters
    ----------
    allowed : array of bool, shape (n,)
        As from `timer_window`.
    """
    _refuse_length("allowed", allowed, usage)
    most = np.where(allowed, _most_kwh(vehicle, charger), 0.0)
    return _run(usage, vehicle, charger, habits, initial_kwh, _in_order(most))


def charge_from_surplus(
    usage: Usage,
    vehicle: Vehicle,
    charger: Charger,
    habits: Habits,
    *,
    initial_kwh: float,
    surplus_kwh: Floats,
) -> Charging:
    """Charge from solar surplus alone, where it carries the charger's minimum power.

    Parameters
    ----------
    surplus_kwh : array, shape (n,)
        AC energy the house leaves over per interval, 0 or more. [kWh]
    """
    _refuse_bad("surplus_kwh", surplus_kwh, usage, lowest=0.0)
    runs = surplus_kwh >= charger.minimum_kw * INTERVAL_HOURS
    most = np.where(runs, np.minimum(surplus_kwh, _most_kwh(vehicle, charger)), 0.0)
    return _run(usage, vehicle, charger, habits, initial_kwh, _in_order(most))


def charge_cheapest(
    usage: Usage,
    vehicle: Vehicle,
    charger: Charger,
    habits: Habits,
    *,
    initial_kwh: float,
    import_c_per_kwh: Floats,
    worth_c_per_kwh: float = 0.0,
) -> Charging:
    """Charge in the cheapest intervals before departure, at the grid's price.

    The cost of each stay is the least that meets its need under the power limit: energy is
    divisible and nothing drains while plugged, so filling the cheapest intervals first is exact.

    Parameters
    ----------
    import_c_per_kwh : array, shape (n,)
        [c/kWh incl. GST]
    worth_c_per_kwh : float
        What a kWh in the battery beyond the need is worth: intervals cheaper than it (after the
        charging loss) are used up to the limit. At 0 only negative prices are. [c/kWh]
    """
    _refuse_bad("import_c_per_kwh", import_c_per_kwh, usage)
    nothing = np.zeros(len(usage.plugged))
    plan = _cheapest_first(
        nothing, import_c_per_kwh, import_c_per_kwh, vehicle, charger, worth_c_per_kwh
    )
    return _run(usage, vehicle, charger, habits, initial_kwh, plan)


def charge_smart(
    usage: Usage,
    vehicle: Vehicle,
    charger: Charger,
    habits: Habits,
    *,
    initial_kwh: float,
    surplus_kwh: Floats,
    import_c_per_kwh: Floats,
    feed_in_c_per_kwh: Floats,
    worth_c_per_kwh: float = 0.0,
) -> Charging:
    """Charge from surplus and cheap grid together, whichever costs less per kWh.

    Surplus costs the feed-in it forgoes, the rest the import price. Exact for the stay where import
    costs at least as much as feed-in pays and the surplus carries the minimum power; elsewhere an
    interval is taken whole, so that at most one interval of a stay is off.

    Parameters
    ----------
    surplus_kwh, import_c_per_kwh, feed_in_c_per_kwh : array, shape (n,)
        [kWh], [c/kWh incl. GST], [c/kWh; positive: we are paid]. Feed-in is 0 where the surplus
        would be curtailed anyway.
    worth_c_per_kwh : float
        As in `charge_cheapest`.
    """
    _refuse_bad("surplus_kwh", surplus_kwh, usage, lowest=0.0)
    _refuse_bad("import_c_per_kwh", import_c_per_kwh, usage)
    _refuse_bad("feed_in_c_per_kwh", feed_in_c_per_kwh, usage)
    plan = _cheapest_first(
        surplus_kwh, feed_in_c_per_kwh, import_c_per_kwh, vehicle, charger, worth_c_per_kwh
    )
    return _run(usage, vehicle, charger, habits, initial_kwh, plan)


def timer_window(index: pd.DatetimeIndex, *, start: time, stop: time, timezone: str) -> Bools:
    """Intervals whose local start lies in [start, stop); a stop before the start wraps midnight.

    Returns
    -------
    array of bool, shape (n,)
    """
    local = index.tz_convert(ZoneInfo(timezone))
    minute = local.hour.to_numpy() * 60 + local.minute.to_numpy()
    first, last = start.hour * 60 + start.minute, stop.hour * 60 + stop.minute
    after, before = minute >= first, minute < last
    inside: Bools = (after & before) if first < last else (after | before)
    return inside


def _in_order(most: Floats) -> _Plan:
    """Take what each interval offers, first come first served, until the room is filled."""

    def plan(stay: Stay, need_ac: float, room_ac: float) -> Floats:
        return _fill(most[stay.start : stay.stop], room_ac)

    return plan


def _cheapest_first(
    surplus: Floats,
    surplus_c: Floats,
    grid_c: Floats,
    vehicle: Vehicle,
    charger: Charger,
    worth_c: float,
) -> _Plan:
    """Two offers per interval, surplus and grid; one where they cannot be taken apart."""
    most = _most_kwh(vehicle, charger)
    sun = np.minimum(surplus, most)
    # Import below feed-in would sell the sun's share and buy it back; a surplus below the
    # minimum cannot run alone. There the interval has one price, the mean of a full one.
    whole = (surplus_c > grid_c) | (sun < charger.minimum_kw * INTERVAL_HOURS)
    mean_c = (sun * surplus_c + (most - sun) * grid_c) / most
    offer = np.stack((np.where(whole, most, sun), np.where(whole, 0.0, most - sun)), axis=1)
    price = np.stack((np.where(whole, mean_c, surplus_c), grid_c), axis=1)

    def plan(stay: Stay, need_ac: float, room_ac: float) -> Floats:
        offers = offer[stay.start : stay.stop].ravel()
        prices = price[stay.start : stay.stop].ravel()
        order = np.argsort(prices, kind="stable")
        worthwhile = float(offers[prices < worth_c * charger.efficiency].sum())
        take = np.empty_like(offers)
        take[order] = _fill(offers[order], max(need_ac, min(worthwhile, room_ac)))
        return np.asarray(take.reshape(-1, 2).sum(axis=1), dtype=float)

    return plan


def _fill(offers: Floats, amount: float) -> Floats:
    """Take the offers in order until the amount is reached."""
    taken = np.minimum(np.cumsum(offers), amount)
    return np.diff(taken, prepend=0.0)


def _run(
    usage: Usage,
    vehicle: Vehicle,
    charger: Charger,
    habits: Habits,
    initial_kwh: float,
    plan: _Plan,
) -> Charging:
    floor = habits.floor_fraction * vehicle.usable_kwh
    if not floor <= initial_kwh <= vehicle.usable_kwh:
        raise ValueError(
            f"initial_kwh is {initial_kwh}; it must lie between the floor of {floor:g} and the "
            f"usable {vehicle.usable_kwh:g}"
        )
    count = len(usage.plugged)
    charge, soc, public, shortfall = (np.zeros(count) for _ in range(4))
    energy = initial_kwh

    def drive(start: int, stop: int, energy: float) -> float:
        driven = np.cumsum(usage.drain_kwh[start:stop])
        bought = np.maximum(driven - (energy - floor), 0.0)
        public[start:stop] = np.diff(bought, prepend=0.0)
        soc[start:stop] = energy - driven + bought
        return float(soc[stop - 1]) if stop > start else energy

    last = 0
    for stay in usage.stays():
        energy = drive(last, stay.start, energy)
        wanted = departure_kwh(stay, vehicle, habits) if stay.departs else floor
        limit = max(habits.limit_fraction * vehicle.usable_kwh, wanted)
        room_ac = max(0.0, limit - energy) / charger.efficiency
        need_ac = max(0.0, wanted - energy) / charger.efficiency
        here = slice(stay.start, stay.stop)
        charge[here] = plan(stay, need_ac, room_ac)
        soc[here] = energy + charger.efficiency * np.cumsum(charge[here])
        energy = float(soc[stay.stop - 1])
        shortfall[stay.stop - 1] = max(0.0, wanted - energy)
        last = stay.stop
    drive(last, count, energy)
    return Charging(
        charge_kwh=charge,
        soc_kwh=soc,
        public_kwh=public,
        shortfall_kwh=shortfall,
        public_aud=float(public.sum()) * habits.public_aud_per_kwh,
    )


def _most_kwh(vehicle: Vehicle, charger: Charger) -> float:
    return min(charger.power_kw, vehicle.ac_limit_kw) * INTERVAL_HOURS


def _refuse_length(name: str, values: Floats | Bools, usage: Usage) -> None:
    if np.shape(values) != usage.plugged.shape:
        raise ValueError(f"{name} has shape {np.shape(values)} for {len(usage.plugged)} intervals")


def _refuse_bad(name: str, values: Floats, usage: Usage, *, lowest: float = -np.inf) -> None:
    _refuse_length(name, values, usage)
    bad = ~((values >= lowest) & (values < np.inf))
    if bad.any():
        at = int(bad.argmax())
        raise ValueError(f"{name} is {values[at]} at {usage.index[at]}; a number from {lowest} up")
