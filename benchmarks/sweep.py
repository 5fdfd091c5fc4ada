"""Time sweeps, strategies and a Monte-Carlo band of a year: ``python benchmarks/sweep.py``."""

import os
import time
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from energy_pipeline.demo import market, nem_time
from energy_pipeline.demo.household import load_watts
from energy_pipeline.demo.noise import Floats
from energy_pipeline.demo.weather import weather_at
from energy_pipeline.model.scenario_data import ScenarioData
from energy_pipeline.model.scenario_gap import honest_gap
from energy_pipeline.model.scenario_ground import Prepared
from energy_pipeline.model.scenario_result import run_scenario
from energy_pipeline.model.scenario_sweep import sweep
from energy_pipeline.model.scenario_toml import load_scenario, with_values
from energy_pipeline.model.scenario_uncertainty import monte_carlo, tornado

SCENARIOS = Path(__file__).parent.parent / "scenarios"
SEED = 2024
FIRST_DAY, DAYS = date(2025, 1, 1), 365


def demo_year() -> ScenarioData:
    """A year of the demo home without its panels, at the demo market's prices."""
    first = nem_time.first_slot(nem_time.nem_day_of_date(FIRST_DAY))
    slots = first + np.arange(DAYS * 288)
    minutes = first * nem_time.SLOT_SECONDS + 60 * np.arange(DAYS * 1440)
    load = np.concatenate([_load_kwh(day) for day in np.split(minutes, DAYS)])
    rrp = market.rrp(SEED, slots)
    index = pd.to_datetime(slots * nem_time.SLOT_SECONDS, unit="s", utc=True)
    return ScenarioData(
        index=pd.DatetimeIndex(index, name="interval_start"),
        load_kwh=load,
        import_c_per_kwh=(rrp / 10.0 * 1.05 + 12.0) * 1.1,
        feed_in_c_per_kwh=rrp / 10.0 * 1.05,
        spot_aud_per_mwh=rrp,
    )


def _load_kwh(minutes: np.ndarray) -> Floats:
    watts = load_watts(SEED, minutes, weather_at(SEED, minutes), np.zeros(len(minutes)))
    return watts.reshape(-1, 5).sum(axis=1) / 60_000.0


def timed(what: str, run):
    """Run, print how long it took, return what it gave."""
    start, cpu = time.perf_counter(), _cpu_seconds()
    found = run()
    wall = time.perf_counter() - start
    print(f"{what:<66} {wall:7.2f} s, {_cpu_seconds() - cpu:7.2f} CPU s", flush=True)
    return found


def _cpu_seconds() -> float:
    """Of this process and of those it has waited for."""
    return sum(os.times()[:4])


def main() -> None:
    """Print the figures."""
    data = demo_year()
    document = load_scenario(SCENARIOS / "solar-powerwall-3.toml").document
    document = with_values(
        document, {"dispatch.strategy": "perfect_foresight", "solar.source": "synthetic"}
    )
    prepared = Prepared(data)
    timed(
        "first run: sky, panels, plan, before, after, purchase",
        lambda: run_scenario(document, prepared),
    )
    timed("again, the same data", lambda: run_scenario(document, prepared))
    gap = timed("honest gap, six strategies", lambda: honest_gap(document, prepared))
    print(gap[["cost_aud", "saving_aud", "captured_fraction"]].round(2).to_string())
    one = with_values(document, {"battery": {"capacity_kwh": 10.0}, "uncertainty": []})
    axes = {
        "solar.kwp": [round(0.4 * k, 1) for k in range(1, 41)],
        "battery.capacity_kwh": list(range(5, 30)),
    }
    workers = min(2, os.cpu_count() or 1)
    rows = timed(
        f"1,000 scenarios solar x battery, exact, with bill and finance, {workers} processes",
        lambda: sweep(one, data, axes, workers=workers),
    )
    best = rows.loc[rows["npv_aud"].idxmax()]
    print(
        f"best NPV {best['npv_aud']:.0f} AUD at {best['solar.kwp']:g} kW and "
        f"{best['battery.capacity_kwh']:g} kWh; errors: {(rows['error'] != '').sum()}"
    )
    print(timed("tornado", lambda: tornado(document, prepared)).round(2).T.to_string())
    band = timed(
        "Monte-Carlo, 100 draws, one process", lambda: monte_carlo(document, prepared, draws=100)
    )
    print(band.quantiles.round(2).to_string())


if __name__ == "__main__":
    main()
