"""Independent statements of the storage problem, and problems from published collections."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

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


# Cases of the collection with one storage and no minimum power; the others have two or three
# storages (009-014, 016-018, 020, 021, 023), which one storage's optimum does not answer.
SINGLE_STORAGE_CASES = (
    "015-low-soc-initial",
    "019-unexpected-charge-spikes",
    "022-feed-in-cap-recovery",
    "024-attenuate-demand-peaks",
    "025-attenuate-feedin-peaks",
    "026-attenuate-grid-peaks",
    "027-attenuate-feedin-peaks-below-cap",
)


def collected_case(shared: Path, name: str) -> dict[str, Any]:
    """One request of the evcc optimizer's collection, with its expected answer."""
    with zipfile.ZipFile(shared / "data" / "evcc-optimizer-cases" / "test_cases.zip") as archive:
        (member,) = (each for each in archive.namelist() if Path(each).stem == name)
        return json.loads(archive.read(member))


def problem_of_case(case: dict[str, Any]) -> StorageProblem:
    """The request with its Wh as kWh and money per Wh as c per kWh; steps may differ in length."""
    request = case["request"]
    series, (battery,) = request["time_series"], request["batteries"]
    step_hours = np.array(series["dt"]) / 3600.0
    goals = np.array(battery.get("s_goal") or np.zeros(step_hours.size))
    grid = request.get("grid") or {}
    return StorageProblem(
        load_kwh=np.array(series["gt"]) / 1000.0,
        solar_kwh=np.array(series["ft"]) / 1000.0,
        import_c_per_kwh=np.array(series["p_N"]) * 1e5,
        feed_in_c_per_kwh=np.array(series["p_E"]) * 1e5,
        interval_hours=1.0,
        capacity_kwh=battery["s_max"] / 1000.0,
        initial_energy_kwh=battery["s_initial"] / 1000.0,
        charge_kw=battery["c_max"] / 1000.0 * step_hours,
        discharge_kw=battery["d_max"] / 1000.0 * step_hours,
        charge_efficiency=request["eta_c"],
        discharge_efficiency=request["eta_d"],
        min_energy_kwh=np.maximum(battery["s_min"], goals) / 1000.0,
        import_limit_kw=grid.get("p_max_imp", np.inf) / 1000.0 * step_hours,
        export_limit_kw=grid.get("p_max_exp", np.inf) / 1000.0 * step_hours,
        end=EndCondition.valued(battery["p_a"] * 1e5),
        violation_c_per_kwh=1e9,
    )


def worth_of_answer(case: dict[str, Any]) -> float:
    """Money of the expected answer, as the objective of `problem_of_case`. [the case's currency]"""
    series, answer = case["request"]["time_series"], case["expected_response"]
    bought = np.dot(answer["grid_import"], series["p_N"])
    sold = np.dot(answer["grid_export"], series["p_E"])
    left = answer["batteries"][0]["state_of_charge"][-1]
    return float(bought - sold - case["request"]["batteries"][0]["p_a"] * left)


def two_days(shared: Path, season: str) -> tuple[StorageProblem, float]:
    """Two days at five minutes and what another optimiser finds: limits on the stored side."""
    stated = json.loads((shared / "oracles" / f"problem48_{season}.json").read_text())
    results = json.loads((shared / "oracles" / "emhass_results.json").read_text())
    hours, battery = stated["dt_h"], stated["battery"]
    capacity_kwh = battery["capacity_kwh"]
    problem = StorageProblem(
        load_kwh=np.array(stated["load_kw"]) * hours,
        solar_kwh=np.array(stated["pv_kw"]) * hours,
        import_c_per_kwh=np.array(stated["import_price"]) * 100.0,
        feed_in_c_per_kwh=np.array(stated["export_price"]) * 100.0,
        interval_hours=hours,
        capacity_kwh=capacity_kwh,
        initial_energy_kwh=battery["soc_init"] * capacity_kwh,
        charge_kw=battery["p_charge_dc_kw"],
        discharge_kw=battery["p_discharge_dc_kw"] * battery["eta_discharge"],
        charge_efficiency=battery["eta_charge"],
        discharge_efficiency=battery["eta_discharge"],
        import_limit_kw=stated["import_limit_kw"],
        export_limit_kw=stated["export_limit_kw"],
        curtailment=stated["curtailment"],
        end=EndCondition.at_least(battery["soc_final"] * capacity_kwh),
    )
    return problem, results["problems"][season]["cost_emhass_gap0"]


def real_day(shared: Path, which: str) -> StorageProblem:
    """A day of NSW1 5-minute prices of 2025, wholesale tariff: the dearest or the cheapest."""
    folder = shared / "data" / "aemo-nsw1-5min"
    spot_c = pd.read_parquet(folder / "price_and_demand_nsw1_2025.parquet")["RRP"] / 10.0
    days = spot_c.to_numpy().reshape(-1, 288)
    day = {"dearest": np.argmax(days.max(axis=1)), "cheapest": np.argmin(days.sum(axis=1))}[which]
    hour = np.arange(288) / 12.0
    return StorageProblem(
        load_kwh=0.05 + 0.1 * np.exp(-(((hour - 19.0) / 2.0) ** 2)),
        solar_kwh=np.clip(np.sin((hour - 6.0) / 12.0 * np.pi), 0.0, None) * 5.0 / 12.0,
        import_c_per_kwh=(days[day] * 1.045 + 6.22) * 1.1,
        feed_in_c_per_kwh=days[day] * 1.045,
        interval_hours=1 / 12,
        capacity_kwh=13.5,
        initial_energy_kwh=5.0,
        charge_kw=5.0,
        discharge_kw=5.0,
        charge_efficiency=0.95,
        discharge_efficiency=0.95,
        import_limit_kw=15.0,
        export_limit_kw=5.0,
        end=EndCondition.at_least(5.0),
    )
