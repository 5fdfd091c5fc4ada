"""Where every kWh of a run came from and went, and what the car's kWh cost.

Generation serves the house, then the car, then the battery, and is exported last; what storage
gives serves the house, then the car, and is exported last; the grid serves what is left. Only
known intervals count.
"""

from typing import Final

import numpy as np
import pandas as pd

from energy_pipeline.model.ev_cost import cost_by_source
from energy_pipeline.model.scenario_data import INTERVAL_HOURS, Floats
from energy_pipeline.model.scenario_meter import Run

FROM: Final = ("solar", "battery", "car", "grid")
TO: Final = ("house", "car", "battery", "export")


def flows_kwh(run: Run, *, standby_kw: float = 0.0) -> dict[tuple[str, str], Floats]:
    """Energy by source and use in each interval. [kWh], shape (n,) each.

    Parameters
    ----------
    standby_kw : float
        Of the battery; it counts as use of the house. [kW]

    Returns
    -------
    dict
        (from, to) of `FROM` and `TO`; unknown intervals hold 0.
    """
    zero = np.zeros(len(run.load_kwh))
    car_in = zero if run.car is None else run.car.charge_kwh
    car_out = zero if run.car is None else run.car.discharge_kwh
    wanted = {
        "house": run.load_kwh + standby_kw * INTERVAL_HOURS,
        "car": car_in,
        "battery": run.charge_kwh,
        "export": run.export_kwh,
    }
    offered = {
        "solar": run.solar_kwh - run.curtailed_kwh,
        "battery": run.discharge_kwh,
        "car": car_out,
        "grid": run.import_kwh,
    }
    known = run.ground.known
    left = {use: np.where(known, kwh, 0.0) for use, kwh in wanted.items()}
    found = {}
    for source, kwh in offered.items():
        supply = np.where(known, kwh, 0.0)
        for use in TO:
            taken = zero if source == use else np.minimum(supply, left[use])
            found[source, use] = taken
            supply = supply - taken
            left[use] = left[use] - taken
    return found


def flow_table(flows: dict[tuple[str, str], Floats]) -> pd.DataFrame:
    """Sums by source (rows) and use (columns). [kWh]"""
    table = pd.DataFrame(0.0, index=pd.Index(FROM, name="from"), columns=list(TO))
    for (source, use), kwh in flows.items():
        table.loc[source, use] = float(kwh.sum())
    return table


def stored_c_per_kwh(run: Run, flows: dict[tuple[str, str], Floats]) -> float:
    """What a kWh out of the battery cost: what went in at what it could have earned, and wear.

    Grid energy at its price, solar at the feed-in it forwent (nothing where that is negative: it
    would have been turned down), divided by what came out. NaN where nothing did. [c/kWh]
    """
    out = float(np.where(run.ground.known, run.discharge_kwh, 0.0).sum())
    if out <= 0.0:
        return float("nan")
    spent_c = float((flows["grid", "battery"] * run.ground.import_c_per_kwh).sum())
    spent_c += float((flows["solar", "battery"] * _forgone(run)).sum())
    return (spent_c + 100.0 * run.wear_aud) / out


def car_costs(run: Run, flows: dict[tuple[str, str], Floats]) -> pd.DataFrame | None:
    """The car's energy by source: kwh, aud, c_per_kwh, aud_per_100_km; None without a car.

    A car that feeds the house also takes in what it gives back later; that is in its kWh here.
    """
    car = run.car
    if car is None:
        return None
    stored = stored_c_per_kwh(run, flows)
    return cost_by_source(
        {source: flows[source, "car"] for source in ("solar", "battery", "grid")},
        feed_in_c_per_kwh=_forgone(run),
        import_c_per_kwh=run.ground.import_c_per_kwh,
        battery_c_per_kwh=0.0 if np.isnan(stored) else stored,
        public_kwh=float(car.public_kwh[run.ground.known].sum()),
        public_aud=run.public_aud,
        km=car.km,
    )


def _forgone(run: Run) -> Floats:
    return np.maximum(run.ground.feed_in_c_per_kwh, 0.0)


def shares(run: Run) -> dict[str, float | None]:
    """Self-consumption and self-sufficiency over the known intervals; None where undefined."""
    known = run.ground.known
    solar = float(run.solar_kwh[known].sum())
    used = solar - float(run.curtailed_kwh[known].sum()) - float(run.export_kwh[known].sum())
    load = float(run.load_kwh[known].sum())
    if run.car is not None:
        load += float(run.car.charge_kwh[known].sum())
    bought = float(run.import_kwh[known].sum())
    return {
        "self_consumption_fraction": max(used, 0.0) / solar if solar > 0.0 else None,
        "self_sufficiency_fraction": max(load - bought, 0.0) / load if load > 0.0 else None,
    }
