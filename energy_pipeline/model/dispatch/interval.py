"""One interval, compiled: what the store may do in it, what that costs at the meter, and in pieces.

Every strategy goes through these functions, so all of them share one physics. Energies in kWh,
prices in c/kWh, x is the change of stored energy. Equations: docs/model-dispatch.md, part 2.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from energy_pipeline.model.dispatch.compiled import compiled, inlined
from energy_pipeline.model.dispatch.problem import FloatArray, StorageProblem

MAX_PIECES = 6  # five zones of the meter, one of them cut by x = 0

# Columns of the table that the solvers read, one row per interval.
COLUMNS = 11
NET, SOLAR, BUY, SELL, IMPORT_CAP, EXPORT_CAP, X_LOW, X_HIGH, LOW, HIGH, DRAIN = range(COLUMNS)

NO_CURTAILMENT = 0
CURTAIL_TO_AVOID_EXPORT = 1
CURTAIL_FREELY = 2


class Physics(NamedTuple):
    """The numbers that hold in every interval."""

    charge_efficiency: float
    discharge_efficiency: float
    keep_fraction: float  # of the energy in store, per interval
    wear: float  # c/kWh of AC throughput
    penalty: float  # c/kWh beyond a connection limit
    curtail: int
    grid_charge: bool
    grid_export: bool


class Site(NamedTuple):
    """A `StorageProblem` as the compiled code reads it; arrays have shape (n,) or (1,)."""

    load_kwh: FloatArray
    solar_kwh: FloatArray
    buy: FloatArray
    sell: FloatArray
    min_energy_kwh: FloatArray
    max_energy_kwh: FloatArray
    charge_kw: FloatArray
    discharge_kw: FloatArray
    standby_kw: FloatArray
    drain_kwh: FloatArray
    import_limit_kw: FloatArray
    export_limit_kw: FloatArray
    hours: float
    initial_kwh: float
    end_minimum_kwh: float
    end_maximum_kwh: float
    physics: Physics


def site_of(problem: StorageProblem) -> Site:
    """What the compiled code reads of the problem."""
    curtail = NO_CURTAILMENT
    if problem.curtailment:
        curtail = CURTAIL_FREELY if problem.grid_charge else CURTAIL_TO_AVOID_EXPORT
    end = problem.end
    start_kwh = problem.initial_energy_kwh
    return Site(
        load_kwh=problem.load_kwh,
        solar_kwh=problem.solar_kwh,
        buy=problem.import_c_per_kwh,
        sell=problem.feed_in_c_per_kwh,
        min_energy_kwh=np.asarray(problem.min_energy_kwh),
        max_energy_kwh=np.asarray(problem.max_energy_kwh),
        charge_kw=np.asarray(problem.charge_kw),
        discharge_kw=np.asarray(problem.discharge_kw),
        standby_kw=np.asarray(problem.standby_kw),
        drain_kwh=np.asarray(problem.drain_kwh),
        import_limit_kw=np.asarray(problem.import_limit_kw),
        export_limit_kw=np.asarray(problem.export_limit_kw),
        hours=problem.interval_hours,
        initial_kwh=start_kwh,
        end_minimum_kwh=max(start_kwh, end.minimum_kwh) if end.as_at_start else end.minimum_kwh,
        end_maximum_kwh=min(start_kwh, end.maximum_kwh) if end.as_at_start else end.maximum_kwh,
        physics=Physics(
            charge_efficiency=problem.charge_efficiency,
            discharge_efficiency=problem.discharge_efficiency,
            keep_fraction=1.0 - problem.leak_fraction,
            wear=problem.wear_c_per_kwh,
            penalty=problem.violation_c_per_kwh,
            curtail=curtail,
            grid_charge=bool(problem.grid_charge),
            grid_export=bool(problem.grid_export),
        ),
    )


@inlined
def at(array: FloatArray, t: int) -> float:
    """The value of interval t of an array that may hold one number for all of them."""
    value: float = array[t] if array.size > 1 else array[0]
    return value


@inlined
def power_range(
    net_kwh: float,
    solar_kwh: float,
    charge_kwh: float,
    discharge_kwh: float,
    import_cap_kwh: float,
    export_cap_kwh: float,
    physics: Physics,
) -> tuple[float, float]:
    """Most AC energy that may be charged and discharged: the store never breaks a grid limit."""
    charge = min(charge_kwh, max(import_cap_kwh - net_kwh, 0.0))
    if not physics.grid_charge:
        charge = min(charge, max(-net_kwh, 0.0))
    least_net_kwh = net_kwh if physics.curtail == NO_CURTAILMENT else net_kwh + solar_kwh
    discharge = min(discharge_kwh, max(least_net_kwh + export_cap_kwh, 0.0))
    if not physics.grid_export:
        discharge = min(discharge, max(net_kwh, 0.0))
    return charge, discharge


@inlined
def tabulate(
    table: FloatArray,
    t: int,
    load_kwh: float,
    solar_kwh: float,
    buy: float,
    sell: float,
    charge_kwh: float,
    discharge_kwh: float,
    import_cap_kwh: float,
    export_cap_kwh: float,
    low_kwh: float,
    high_kwh: float,
    drain_kwh: float,
    physics: Physics,
) -> None:
    """Fill one row of the table that the solvers read."""
    net_kwh = load_kwh - solar_kwh
    charge, discharge = power_range(
        net_kwh,
        solar_kwh,
        charge_kwh,
        discharge_kwh,
        import_cap_kwh,
        export_cap_kwh,
        physics,
    )
    table[t, NET] = net_kwh
    table[t, SOLAR] = solar_kwh
    table[t, BUY] = buy
    table[t, SELL] = sell
    table[t, IMPORT_CAP] = import_cap_kwh
    table[t, EXPORT_CAP] = export_cap_kwh
    table[t, X_LOW] = -discharge / physics.discharge_efficiency
    table[t, X_HIGH] = charge * physics.charge_efficiency
    table[t, LOW] = low_kwh
    table[t, HIGH] = high_kwh
    table[t, DRAIN] = drain_kwh


@compiled
def relax(table: FloatArray, initial_kwh: float, keep_fraction: float) -> None:
    """Make every bound reachable, moving it by the least amount, in place.

    The fullest and the emptiest trajectory bound all others from above and below, so a bound
    beyond them is missed least, in every interval at once, by keeping to them.
    """
    fullest = emptiest = initial_kwh
    for t in range(table.shape[0]):
        fullest = keep_fraction * fullest + table[t, X_HIGH] - table[t, DRAIN]
        emptiest = keep_fraction * emptiest + table[t, X_LOW] - table[t, DRAIN]
        if fullest < 0.0:  # the drain asks for more than there can be
            table[t, DRAIN] += fullest
            emptiest -= fullest
            fullest = 0.0
        table[t, LOW] = min(table[t, LOW], fullest)
        table[t, HIGH] = max(table[t, HIGH], emptiest)
        fullest = min(fullest, table[t, HIGH])
        emptiest = max(emptiest, table[t, LOW])


@compiled
def tighten(table: FloatArray, keep_fraction: float) -> None:
    """Narrow the bounds, in place, to energies from which all later bounds can still be kept.

    A strategy that stays inside keeps every bound, and may do what it likes within.
    """
    before = 1.0 / keep_fraction
    low_kwh, high_kwh = 0.0, np.inf
    for t in range(table.shape[0] - 1, -1, -1):
        low_kwh = max(table[t, LOW], low_kwh)
        high_kwh = max(min(table[t, HIGH], high_kwh), low_kwh)
        table[t, LOW], table[t, HIGH] = low_kwh, high_kwh
        low_kwh = (low_kwh + table[t, DRAIN] - table[t, X_HIGH]) * before
        high_kwh = (high_kwh + table[t, DRAIN] - table[t, X_LOW]) * before


@compiled
def table_of(site: Site) -> FloatArray:
    """All intervals of the site as a table with reachable bounds, shape (n, COLUMNS)."""
    count = site.load_kwh.size
    table = np.empty((count, COLUMNS))
    for t in range(count):
        tabulate(
            table,
            t,
            site.load_kwh[t] + at(site.standby_kw, t) * site.hours,
            site.solar_kwh[t],
            site.buy[t],
            site.sell[t],
            at(site.charge_kw, t) * site.hours,
            at(site.discharge_kw, t) * site.hours,
            at(site.import_limit_kw, t) * site.hours,
            at(site.export_limit_kw, t) * site.hours,
            at(site.min_energy_kwh, t),
            at(site.max_energy_kwh, t),
            at(site.drain_kwh, t),
            site.physics,
        )
    last = table[count - 1]
    last[LOW] = min(max(last[LOW], site.end_minimum_kwh), last[HIGH])
    last[HIGH] = max(min(last[HIGH], site.end_maximum_kwh), last[LOW])
    relax(table, site.initial_kwh, site.physics.keep_fraction)
    return table


@compiled
def meter_cost(
    metered_kwh: float,
    buy: float,
    sell: float,
    import_cap_kwh: float,
    export_cap_kwh: float,
    penalty: float,
) -> float:
    """Cost of metered energy (import positive), beyond a limit at the penalty on top. [c]"""
    if metered_kwh >= 0.0:
        over_kwh = max(metered_kwh - import_cap_kwh, 0.0)
        return buy * metered_kwh + penalty * over_kwh
    over_kwh = max(-metered_kwh - export_cap_kwh, 0.0)
    return sell * metered_kwh + penalty * over_kwh


@compiled
def metered(
    net_kwh: float,
    solar_kwh: float,
    buy: float,
    sell: float,
    import_cap_kwh: float,
    export_cap_kwh: float,
    penalty: float,
    curtail: int,
) -> float:
    """The cheapest metered energy for a net demand: net plus the best curtailment.

    The cost is piecewise linear in the curtailment, so the best is at an end or at a kink;
    of equals, the least curtailment.
    """
    if curtail == NO_CURTAILMENT or solar_kwh == 0.0:
        return net_kwh
    most_kwh = net_kwh + solar_kwh
    if buy >= 0.0 or curtail == CURTAIL_TO_AVOID_EXPORT:
        floor_kwh = -export_cap_kwh if sell >= 0.0 else 0.0
        return max(net_kwh, min(floor_kwh, most_kwh))
    best_kwh = net_kwh
    best_c = meter_cost(net_kwh, buy, sell, import_cap_kwh, export_cap_kwh, penalty)
    for candidate_kwh in (-export_cap_kwh, 0.0, import_cap_kwh, most_kwh):
        if net_kwh < candidate_kwh <= most_kwh:
            c = meter_cost(candidate_kwh, buy, sell, import_cap_kwh, export_cap_kwh, penalty)
            if c < best_c:
                best_kwh, best_c = candidate_kwh, c
    return best_kwh


@compiled
def pieces(
    length: FloatArray, slope: FloatArray, table: FloatArray, t: int, physics: Physics
) -> tuple[int, bool]:
    """Cut the cost F(x) of interval t into straight pieces, from X_HIGH down to X_LOW.

    ``length`` [kWh] and ``slope`` [c/kWh], shape (MAX_PIECES,), are filled with what each piece
    stores and what storing one kWh less of it changes, -dF/dx.
    Returns how many there are, and whether F is convex (then the slopes ascend).
    """
    net_kwh, solar_kwh, buy, sell = table[t, NET], table[t, SOLAR], table[t, BUY], table[t, SELL]
    import_cap_kwh, export_cap_kwh = table[t, IMPORT_CAP], table[t, EXPORT_CAP]
    x_low, x_high = table[t, X_LOW], table[t, X_HIGH]
    curtail, wear, penalty = physics.curtail, physics.wear, physics.penalty
    charge_efficiency = physics.charge_efficiency
    discharge_efficiency = physics.discharge_efficiency
    # The meter's cost as a function of net demand: slopes c0..c4 between kinks z0 <= .. <= z3.
    c4 = buy + penalty
    z3 = import_cap_kwh
    if curtail == NO_CURTAILMENT:
        z0 = z1 = -export_cap_kwh
        z2 = 0.0
        c0, c1, c2, c3 = sell - penalty, sell, sell, buy
    elif curtail == CURTAIL_FREELY and buy < 0.0:
        # Paid to import: all solar is turned down, unless exporting it pays better (sell > 0).
        z1 = -solar_kwh
        if sell > 0.0:
            z1 = buy * solar_kwh / (sell - buy)
            if z1 < -export_cap_kwh:
                z1 = -sell * export_cap_kwh / buy - solar_kwh
            if z1 > import_cap_kwh - solar_kwh:
                z1 = buy * import_cap_kwh / sell
            z0 = min(-export_cap_kwh, z1)
            c0 = 0.0
        else:
            z0 = z1
            c0 = sell
        z2 = max(import_cap_kwh - solar_kwh, z1)
        c1, c2, c3 = sell, buy, 0.0
    elif sell < 0.0:
        z0 = z1 = -solar_kwh
        z2 = 0.0
        c0, c1, c2, c3 = sell, 0.0, 0.0, buy
    else:
        z0 = z1 = -export_cap_kwh
        z2 = 0.0
        c0, c1, c2, c3 = 0.0, sell, sell, buy

    bought, drawn = 1.0 / charge_efficiency, 1.0 / discharge_efficiency
    count = 0
    convex = True
    x = x_high
    for zone in range(4, -1, -1):
        if zone == 4:
            c, z = c4, z3
        elif zone == 3:
            c, z = c3, z2
        elif zone == 2:
            c, z = c2, z1
        elif zone == 1:
            c, z = c1, z0
        else:
            c, z = c0, -np.inf
        ac_kwh = z - net_kwh
        stop = ac_kwh * (charge_efficiency if ac_kwh > 0.0 else drawn)
        stop = max(stop, x_low)
        if x > 0.0 and stop < x:
            bottom = max(stop, 0.0)
            length[count] = x - bottom
            slope[count] = -(c + wear) * bought
            convex = convex and (count == 0 or slope[count] >= slope[count - 1])
            count += 1
            x = bottom
        if stop < x:
            length[count] = x - stop
            slope[count] = (wear - c) * discharge_efficiency
            convex = convex and (count == 0 or slope[count] >= slope[count - 1])
            count += 1
            x = stop
    return count, convex
