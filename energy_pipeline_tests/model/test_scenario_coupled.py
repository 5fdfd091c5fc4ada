"""Plans that couple intervals: the demand charge against an independent linear programme."""

from __future__ import annotations

import highspy
import numpy as np
import pytest

from energy_pipeline.model.scenario_gap import honest_gap
from energy_pipeline.model.scenario_ground import Prepared
from energy_pipeline.model.scenario_run import simulate
from energy_pipeline.model.scenario_toml import load_scenario
from energy_pipeline_tests.model.scenario_home import DOCUMENT, SOLAR, dispatch, home

DEMAND = """
[plan]
kind = "tariff"

[plan.tariff]
schema = "hes-tariff/1"
name = "demand"
timezone = "Australia/Sydney"

[[plan.tariff.window]]
name = "peak"
from = "15:00"
to = "21:00"

[[plan.tariff.energy]]
name = "energy"
direction = "import"
gst = "inc"
price = { kind = "series", column = "import_c_per_kwh" }

[[plan.tariff.energy]]
name = "feed-in"
direction = "export"
gst = "none"
price = { kind = "flat", rate = 0.02 }

[[plan.tariff.demand]]
name = "demand"
window = "peak"
rate = 1.5
unit = "kw_day"
gst = "inc"
"""
BATTERY = "[battery]\ncapacity_kwh = 6\n"
TEXT = DOCUMENT[: DOCUMENT.index("[plan]")] + DEMAND + BATTERY + "[levels]\nload = 4.0\n"


def linear_optimum_aud(made, battery, days: int) -> float:
    """Energy and demand of a lossy battery, the half-hour mean as a column of its own."""
    count = len(made.load_kwh)
    hours = 1 / 12
    standby = battery.standby_kw * hours
    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)
    ground = made.ground
    top = battery.charge_kw * hours

    def columns(costs, upper):
        first = solver.getNumCol()
        for cost, most in zip(costs, upper, strict=True):
            solver.addVar(0.0, most)
            solver.changeColCost(solver.getNumCol() - 1, cost)
        return np.arange(first, first + len(costs))

    free = np.full(count, highspy.kHighsInf)
    none = np.zeros(count)
    buy = columns(ground.import_c_per_kwh / 100, free)
    sell = columns(-ground.feed_in_c_per_kwh / 100, np.full(count, 5.0 * hours))
    charge = columns(none, np.full(count, top))
    discharge = columns(none, np.full(count, battery.discharge_kw * hours))
    store = columns(none, np.full(count, battery.capacity_kwh))
    curtail = columns(none, made.solar_kwh)
    demand = columns([1.5 * days], [highspy.kHighsInf])[0]
    for t in range(count):
        net = made.load_kwh[t] + standby - made.solar_kwh[t]
        solver.addRow(
            net, net, 5, np.array([buy[t], sell[t], charge[t], discharge[t], curtail[t]]),
            np.array([1.0, -1.0, -1.0, 1.0, -1.0]),
        )  # fmt: skip
        parts = [(store[t], 1.0), (charge[t], -battery.charge_efficiency),
                 (discharge[t], 1.0 / battery.discharge_efficiency)]  # fmt: skip
        if t:
            parts.append((store[t - 1], -1.0))
        places, factors = zip(*parts, strict=True)
        solver.addRow(0.0, 0.0, len(parts), np.array(places), np.array(factors))
    part = ground.plan.demand[0]
    for half_hour in part.chosen:
        start = part.starts[half_hour]
        places = np.append(buy[start : start + 6], demand)
        solver.addRow(-highspy.kHighsInf, 0.0, 7, places, np.append(np.full(6, 2.0), -1.0))
    solver.run()
    return solver.getInfo().objective_function_value


@pytest.mark.parametrize("seed", [0, 3])
def test_the_search_for_demand_comes_close_to_the_linear_programme(seed):
    days = 4
    prepared = Prepared(home(days=days, seed=seed))
    scenario = load_scenario(TEXT + SOLAR + dispatch("perfect_foresight"))
    made = simulate(prepared, scenario)
    best = linear_optimum_aud(made, scenario.battery.battery, days)
    assert made.cost_aud >= best - 1e-6
    assert made.cost_aud - made.gap_aud <= best + 1e-6
    assert made.cost_aud <= best + 0.005 * abs(best)


def test_a_demand_charge_is_steered_by_and_never_for_worse():
    prepared = Prepared(home(days=14))
    scenario = load_scenario(TEXT + dispatch("perfect_foresight"))
    table = honest_gap(scenario, prepared)
    assert table["cost_aud"].idxmin() == "perfect_foresight"
    made = simulate(prepared, scenario)
    demand = next(line for line in made.bill.lines if line.kind == "demand")
    rule = simulate(prepared, load_scenario(TEXT + dispatch("price_threshold")))
    of_rule = next(line for line in rule.bill.lines if line.kind == "demand")
    assert demand.amount_aud.sum() < of_rule.amount_aud.sum()
    assert not made.violations.any
    assert made.bound_said.startswith("proven, but widely")
