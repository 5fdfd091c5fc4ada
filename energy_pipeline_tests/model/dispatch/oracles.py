"""Independent statements of the storage problem, and problems from published collections."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from energy_pipeline.model.dispatch.problem import EndCondition, StorageProblem


def problem_of_instance(instance: dict[str, Any]) -> StorageProblem:
    """One of the collected small problems: powers in kW and prices in $ become kWh and c."""
    hours, battery = instance["dt_h"], instance["battery"]
    return StorageProblem(
        load_kwh=[kw * hours for kw in instance["load_kw"]],
        solar_kwh=[kw * hours for kw in instance["pv_kw"]],
        import_c_per_kwh=[100.0 * price for price in instance["import_price"]],
        feed_in_c_per_kwh=[100.0 * price for price in instance["export_price"]],
        interval_hours=hours,
        capacity_kwh=battery["e_max"],
        initial_energy_kwh=battery["soc0"],
        charge_kw=battery["p_charge_kw"],
        discharge_kw=battery["p_discharge_kw"],
        charge_efficiency=battery["eta_c"],
        discharge_efficiency=battery["eta_d"],
        min_energy_kwh=battery["e_min"],
        leak_fraction=battery["leak_per_step"],
        import_limit_kw=instance["import_limit_kw"],
        export_limit_kw=instance["export_limit_kw"],
        curtailment=instance["curtailment"],
        wear_c_per_kwh=100.0 * battery["cycle_cost"],
        end=EndCondition.at_least(battery["soc_end_min"]),
    )


def small_instances(shared: Path) -> list[dict[str, Any]]:
    """The collected small problems with their exact optima."""
    return json.loads((shared / "oracles" / "dispatch_small.json").read_text())["instances"]
