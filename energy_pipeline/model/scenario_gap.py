"""The honest gap: what each strategy makes of the same storage, from no storage to a prophet's.

The same household, grid of intervals, physics and bill for all; only what they may know differs.
What lies between the plan and perfect foresight is the price of not knowing the future.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pandas as pd

from energy_pipeline.model.scenario import V2X, Scenario, Strategy
from energy_pipeline.model.scenario_data import ScenarioData
from energy_pipeline.model.scenario_ground import Prepared
from energy_pipeline.model.scenario_result import as_prepared, as_scenario
from energy_pipeline.model.scenario_run import simulate

SEES = {
    "none": "nothing: the storage is not there",
    "self_consumption": "the present",
    "time_of_use": "the clock",
    "price_threshold": "the present and past prices",
    "forecast_plan": "forecasts as they stood",
    "perfect_foresight": "everything (upper bound of the value)",
}


def honest_gap(
    document: Scenario | Mapping[str, Any],
    data: ScenarioData | Prepared,
    *,
    strategies: tuple[Strategy, ...] = get_args(Strategy),
) -> pd.DataFrame:
    """Run every strategy on one storage.

    Parameters
    ----------
    document, data
        As `scenario_result.run_scenario` takes them; the document's own strategy is set aside.
    strategies : tuple of Strategy
        Which; ``none`` and ``perfect_foresight`` are always among them.

    Returns
    -------
    pd.DataFrame
        By strategy, in the order of what they see: sees, cost_aud (bill, public charging and wear
        over the period), saving_aud against none, captured_fraction of what perfect foresight
        saves (NaN where that is nothing), import_kwh, export_kwh, discharge_kwh, gap_aud (NaN
        where nothing is proven), gap_said.

    Raises
    ------
    ValueError
        If the scenario has no storage.
    """
    scenario, prepared = as_scenario(document), as_prepared(data)
    feeds = scenario.car is not None and scenario.car.charging in V2X
    if scenario.battery is None and not feeds:
        raise ValueError("the scenario has no storage: give [battery], or an [ev] of v2h or v2g")
    wanted = [
        strategy
        for strategy in get_args(Strategy)
        if strategy in {*strategies, "none", "perfect_foresight"}
    ]
    rows: list[dict[str, Any]] = []
    for strategy in wanted:
        chosen = replace(scenario, dispatch=replace(scenario.dispatch, strategy=strategy))
        run = simulate(prepared, chosen)
        known = run.ground.known
        given_back = (
            run.discharge_kwh if run.car is None else (run.discharge_kwh + run.car.discharge_kwh)
        )
        rows.append(
            {
                "strategy": strategy,
                "sees": SEES[strategy],
                "cost_aud": run.cost_aud + run.wear_aud,
                "import_kwh": float(run.import_kwh[known].sum()),
                "export_kwh": float(run.export_kwh[known].sum()),
                "discharge_kwh": float(given_back[known].sum()),
                "gap_aud": float("nan") if run.gap_aud is None else run.gap_aud,
                "gap_said": run.bound_said,
            }
        )
    _copy_the_cheapest(rows)
    table = pd.DataFrame(rows).set_index("strategy")
    saving = table.loc["none", "cost_aud"] - table["cost_aud"]
    most = saving["perfect_foresight"]
    table.insert(2, "saving_aud", saving)
    table.insert(3, "captured_fraction", saving / most if most > 0.0 else float("nan"))
    return table


def _copy_the_cheapest(rows: list[dict[str, Any]]) -> None:
    """Whoever knows everything can do as any other did; only where nothing is proven it matters."""
    prophet = next(row for row in rows if row["strategy"] == "perfect_foresight")
    best = min(rows, key=lambda row: float(row["cost_aud"]))
    if best["cost_aud"] < prophet["cost_aud"] and np.isnan(prophet["gap_aud"]):
        prophet.update(
            {key: best[key] for key in ("cost_aud", "import_kwh", "export_kwh", "discharge_kwh")},
            gap_said=f"{prophet['gap_said']}; as {best['strategy']} did, which cost less",
        )
