"""From a path of stored energy to flows and money: the one settlement of every strategy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from energy_pipeline.model.dispatch.compiled import compiled
from energy_pipeline.model.dispatch.interval import (
    BUY,
    DRAIN,
    EXPORT_CAP,
    IMPORT_CAP,
    NET,
    SELL,
    SOLAR,
    Physics,
    Site,
    at,
    metered,
)
from energy_pipeline.model.dispatch.piecewise import ROUNDING_KWH
from energy_pipeline.model.dispatch.problem import EndCondition, FloatArray, StorageProblem

_ANY_KWH = 1e-9  # less than this is rounding, not a violation


@dataclass(frozen=True, slots=True, kw_only=True)
class Violations:
    """By how much limits could not be met; all zero when they were.

    ``*_over_kwh`` and ``unserved_kwh`` are sums over the intervals; ``energy_short_kwh`` and
    ``energy_over_kwh`` are the deepest misses of ``min_energy_kwh`` and ``max_energy_kwh``, and
    ``end_miss_kwh`` of the end condition. ``notional_aud`` prices them all at
    ``violation_c_per_kwh``; no bill contains it.
    """

    import_over_kwh: float = 0.0
    export_over_kwh: float = 0.0
    unserved_kwh: float = 0.0
    energy_short_kwh: float = 0.0
    energy_over_kwh: float = 0.0
    end_miss_kwh: float = 0.0
    notional_aud: float = 0.0

    @property
    def any(self) -> bool:
        """Whether some limit was missed."""
        return self.notional_aud > 0.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DispatchResult:
    """A feasible schedule, priced exactly, and what is known about the best possible.

    Arrays have shape (n,); energies are per interval, ``soc_kwh`` at its END.

    Attributes
    ----------
    water_value_c_per_kwh : FloatArray
        Worth of one more kWh in store during the interval, as the strategy saw it; NaN where the
        strategy has no such notion, or the store is free in neither direction. [c/kWh]
    bill_aud : float
        Energy at the meter: import paid minus feed-in received. [AUD]
    wear_aud : float
        Ageing at ``wear_c_per_kwh``. [AUD]
    end_value_aud : float
        Worth of the energy left, by the end condition. [AUD]
    objective_aud : float
        What the exact solver minimises: bill + wear - end value + connection limits broken at
        ``violation_c_per_kwh``. [AUD]
    lower_bound_aud : float
        No schedule whatever has a lower objective; -inf where the strategy proves nothing. [AUD]
    gap_aud : float
        objective_aud - lower_bound_aud, >= 0. [AUD]
    status : str
        How the schedule was found, and what is proven about it, in words.
    """

    import_kwh: FloatArray
    export_kwh: FloatArray
    charge_kwh: FloatArray
    discharge_kwh: FloatArray
    curtailed_kwh: FloatArray
    soc_kwh: FloatArray
    water_value_c_per_kwh: FloatArray
    bill_aud: float
    wear_aud: float
    end_value_aud: float
    objective_aud: float
    lower_bound_aud: float
    gap_aud: float
    status: str
    violations: Violations


@compiled
def settle_interval(
    table: FloatArray, t: int, x: float, physics: Physics
) -> tuple[float, float, float, float]:
    """Charge, discharge, metered energy and curtailment for a change x of stored energy. [kWh]"""
    charge_kwh = x * (1.0 / physics.charge_efficiency) if x > 0.0 else 0.0
    discharge_kwh = -x * physics.discharge_efficiency if x < 0.0 else 0.0
    net_kwh = table[t, NET] + charge_kwh - discharge_kwh
    metered_kwh = metered(
        net_kwh,
        table[t, SOLAR],
        table[t, BUY],
        table[t, SELL],
        table[t, IMPORT_CAP],
        table[t, EXPORT_CAP],
        physics.penalty,
        physics.curtail,
    )
    return charge_kwh, discharge_kwh, metered_kwh, metered_kwh - net_kwh


@compiled
def settle_path(
    site: Site, table: FloatArray, stored_kwh: FloatArray, flows: FloatArray
) -> tuple[float, float, float, float, float, float, float]:
    """Fill ``flows`` (5, n): import, export, charge, discharge, curtailed; and add up.

    Returns the bill and the wear [c], and import over, export over, unserved, deepest energy
    short and deepest energy over. [kWh]
    """
    bill_c = throughput_kwh = 0.0
    import_over = export_over = unserved = short = over = 0.0
    before_kwh = site.initial_kwh
    for t in range(stored_kwh.size):
        x = stored_kwh[t] + table[t, DRAIN] - site.physics.keep_fraction * before_kwh
        if abs(x) < ROUNDING_KWH:
            x = 0.0
        charge_kwh, discharge_kwh, metered_kwh, curtailed_kwh = settle_interval(
            table, t, x, site.physics
        )
        import_kwh = metered_kwh if metered_kwh > 0.0 else 0.0  # and never -0.0
        export_kwh = -metered_kwh if metered_kwh < 0.0 else 0.0
        flows[0, t] = import_kwh
        flows[1, t] = export_kwh
        flows[2, t] = charge_kwh
        flows[3, t] = discharge_kwh
        flows[4, t] = curtailed_kwh
        bill_c += table[t, BUY] * import_kwh - table[t, SELL] * export_kwh
        throughput_kwh += charge_kwh + discharge_kwh
        import_over += max(import_kwh - table[t, IMPORT_CAP], 0.0)
        export_over += max(export_kwh - table[t, EXPORT_CAP], 0.0)
        unserved += at(site.drain_kwh, t) - table[t, DRAIN]
        short = max(short, at(site.min_energy_kwh, t) - stored_kwh[t])
        over = max(over, stored_kwh[t] - at(site.max_energy_kwh, t))
        before_kwh = stored_kwh[t]
    wear_c = site.physics.wear * throughput_kwh
    return bill_c, wear_c, import_over, export_over, unserved, short, over


def end_value_c(end: EndCondition, energy_kwh: float) -> float:
    """What the end condition pays for the energy left. [c]"""
    total_c, below_kwh = 0.0, 0.0
    for upto_kwh, c_per_kwh in end.value_steps:
        total_c += c_per_kwh * max(min(energy_kwh, upto_kwh) - below_kwh, 0.0)
        below_kwh = upto_kwh
    return total_c


def settle(
    problem: StorageProblem,
    site: Site,
    table: FloatArray,
    stored_kwh: FloatArray,
    *,
    water_value_c_per_kwh: FloatArray,
    status: str,
    excess_c: float = np.inf,
) -> DispatchResult:
    """Price a path of stored energy. ``excess_c``: at most so much above the optimum, if known."""
    flows = np.empty((5, stored_kwh.size))
    bill_c, wear_c, import_over, export_over, unserved, short, over = settle_path(
        site, table, stored_kwh, flows
    )
    left_kwh = float(stored_kwh[-1])
    value_c = end_value_c(problem.end, left_kwh)
    end_miss = max(site.end_minimum_kwh - left_kwh, left_kwh - site.end_maximum_kwh, 0.0)
    misses = [
        float(miss) if miss > _ANY_KWH else 0.0
        for miss in (import_over, export_over, unserved, short, over, end_miss)
    ]
    objective_c = bill_c + wear_c - value_c + site.physics.penalty * (import_over + export_over)
    return DispatchResult(
        import_kwh=flows[0],
        export_kwh=flows[1],
        charge_kwh=flows[2],
        discharge_kwh=flows[3],
        curtailed_kwh=flows[4],
        soc_kwh=stored_kwh,
        water_value_c_per_kwh=water_value_c_per_kwh,
        bill_aud=bill_c / 100.0,
        wear_aud=wear_c / 100.0,
        end_value_aud=value_c / 100.0,
        objective_aud=objective_c / 100.0,
        lower_bound_aud=(objective_c - max(excess_c, 0.0)) / 100.0,
        gap_aud=max(excess_c, 0.0) / 100.0,
        status=status,
        violations=Violations(
            import_over_kwh=misses[0],
            export_over_kwh=misses[1],
            unserved_kwh=misses[2],
            energy_short_kwh=misses[3],
            energy_over_kwh=misses[4],
            end_miss_kwh=misses[5],
            notional_aud=site.physics.penalty * sum(misses) / 100.0,
        ),
    )
