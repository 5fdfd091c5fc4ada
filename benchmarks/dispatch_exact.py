"""How fast dispatch is, and whether it finds what an LP solver finds, measured in one run.

    python -m benchmarks.dispatch_exact              # with HiGHS, which takes about a minute
    python -m benchmarks.dispatch_exact --no-solver

Prices and load are real where the shared data lies beside the checkout (NSW1 5-minute prices of
2025, a household of 2024/25), else generated. CPU seconds of one thread; the first call, which
compiles, is not counted.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from energy_pipeline.model.dispatch.exact import dispatch_perfect_foresight
from energy_pipeline.model.dispatch.plan import IssuedForecast, dispatch_forecast_plan
from energy_pipeline.model.dispatch.problem import EndCondition, StorageProblem
from energy_pipeline.model.dispatch.rules import (
    dispatch_none,
    dispatch_price_threshold,
    dispatch_self_consumption,
    dispatch_time_of_use,
)

SHARED = Path(__file__).resolve().parents[2] / "shared"
YEAR = 105_120
DAY = 288
HOURS = 1.0 / 12.0


def real_prices_and_load() -> tuple[np.ndarray, np.ndarray, str]:
    """Spot price [c/kWh ex GST] and load [kWh] of a year; generated where there are no data."""
    prices = SHARED / "data" / "aemo-nsw1-5min" / "price_and_demand_nsw1_2025.parquet"
    meter = SHARED / "data" / "household-si-15min-2024" / "household_15min.parquet"
    if prices.exists() and meter.exists():
        spot = pd.read_parquet(prices)["RRP"].to_numpy() / 10.0
        quarter_kwh = pd.read_parquet(meter)["import_kwh"].to_numpy()[: YEAR // 3]
        return spot, np.repeat(quarter_kwh * 2.0 / 3.0, 3), "NSW1 prices 2025, a metered household"
    rng = np.random.default_rng(2025)
    hour = np.arange(YEAR) % DAY / 12.0
    shape = 9.0 - 6.0 * np.exp(-(((hour - 12.5) / 3.0) ** 2))
    shape += 9.0 * np.exp(-(((hour - 18.5) / 1.5) ** 2))
    spot = shape * rng.lognormal(0.0, 0.4, YEAR)
    spot += np.where(rng.random(YEAR) < 0.002, rng.uniform(50.0, 1500.0, YEAR), 0.0)
    spot -= np.where(rng.random(YEAR) < 0.08, rng.uniform(0.0, 20.0, YEAR), 0.0)
    load = rng.gamma(2.0, 0.025, YEAR) * (1.0 + np.exp(-(((hour - 19.0) / 2.0) ** 2)))
    return spot, load, "generated prices and household"


def year_problem() -> tuple[StorageProblem, str]:
    """13.5 kWh, 5 kW, 6.6 kW of solar, on a wholesale tariff for a whole year."""
    spot, load_kwh, source = real_prices_and_load()
    rng = np.random.default_rng(3)
    hour, day = np.arange(YEAR) % DAY / 12.0, np.arange(YEAR) // DAY
    sun = np.clip(np.sin((hour - 6.0) / 12.0 * np.pi), 0.0, None)
    season = 0.8 + 0.2 * np.cos(2.0 * np.pi * (day - 355) / 365)
    clearness = rng.beta(3.0, 1.2, 366)[day]
    problem = StorageProblem(
        load_kwh=load_kwh,
        solar_kwh=6.6 * 0.85 * sun * season * clearness * HOURS,
        import_c_per_kwh=(spot * 1.045 + 6.22) * 1.1,
        feed_in_c_per_kwh=spot * 1.045,
        interval_hours=HOURS,
        capacity_kwh=13.5,
        charge_kw=5.0,
        discharge_kw=5.0,
        charge_efficiency=0.9**0.5,
        discharge_efficiency=0.9**0.5,
        import_limit_kw=15.0,
        export_limit_kw=5.0,
    )
    return problem, source


def solve_as_lp(problem: StorageProblem) -> tuple[float, float]:
    """Optimum [AUD] and seconds of HiGHS' dual simplex, for prices at which the LP is exact."""
    import highspy

    n = problem.intervals
    t = np.arange(n)
    imp, out, chg, dis, cur, soc = (t + k * n for k in range(6))
    power_kwh = 5.0 * HOURS
    rows, columns, values = [], [], []

    def add(row: np.ndarray, column: np.ndarray, value: float) -> None:
        rows.append(row)
        columns.append(column)
        values.append(np.full(row.size, value))

    for column, value in ((imp, 1.0), (out, -1.0), (chg, -1.0), (dis, 1.0), (cur, -1.0)):
        add(t, column, value)
    add(n + t, soc, 1.0)
    add(n + t[1:], soc[:-1], -1.0)
    add(n + t, chg, -problem.charge_efficiency)
    add(n + t, dis, 1.0 / problem.discharge_efficiency)
    row, column, value = map(np.concatenate, (rows, columns, values))
    order = np.argsort(column, kind="stable")
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = 6 * n, 2 * n
    cost = np.zeros(6 * n)
    cost[imp], cost[out] = problem.import_c_per_kwh / 100.0, -problem.feed_in_c_per_kwh / 100.0
    upper = np.full(6 * n, np.inf)
    upper[imp], upper[out], upper[cur] = 15.0 * HOURS, 5.0 * HOURS, problem.solar_kwh
    upper[chg], upper[dis], upper[soc] = power_kwh, power_kwh, problem.capacity_kwh
    right = np.concatenate((problem.load_kwh - problem.solar_kwh, np.zeros(n)))
    lp.col_cost_, lp.col_lower_, lp.col_upper_ = cost, np.zeros(6 * n), upper
    lp.row_lower_, lp.row_upper_ = right, right
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    lp.a_matrix_.start_ = np.concatenate(([0], np.cumsum(np.bincount(column, minlength=6 * n))))
    lp.a_matrix_.index_, lp.a_matrix_.value_ = row[order], value[order]
    solver = highspy.Highs()
    for option, setting in (("output_flag", False), ("threads", 1), ("solver", "simplex")):
        solver.setOptionValue(option, setting)
    solver.passModel(lp)
    begin = time.process_time()
    solver.run()
    seconds = time.process_time() - begin
    if solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        raise RuntimeError(f"HiGHS ended with {solver.getModelStatus()}")
    return solver.getInfo().objective_function_value, seconds


def two_days(season: str) -> StorageProblem | None:
    """The collected two days at five minutes, where they are."""
    path = SHARED / "oracles" / f"problem48_{season}.json"
    if not path.exists():
        return None
    stated: dict[str, Any] = json.loads(path.read_text())
    battery = stated["battery"]
    return StorageProblem(
        load_kwh=np.array(stated["load_kw"]) * stated["dt_h"],
        solar_kwh=np.array(stated["pv_kw"]) * stated["dt_h"],
        import_c_per_kwh=np.array(stated["import_price"]) * 100.0,
        feed_in_c_per_kwh=np.array(stated["export_price"]) * 100.0,
        interval_hours=stated["dt_h"],
        capacity_kwh=battery["capacity_kwh"],
        initial_energy_kwh=battery["soc_init"] * battery["capacity_kwh"],
        charge_kw=battery["p_charge_dc_kw"],
        discharge_kw=battery["p_discharge_dc_kw"] * battery["eta_discharge"],
        charge_efficiency=battery["eta_charge"],
        discharge_efficiency=battery["eta_discharge"],
        import_limit_kw=stated["import_limit_kw"],
        export_limit_kw=stated["export_limit_kw"],
        end=EndCondition.at_least(battery["soc_final"] * battery["capacity_kwh"]),
    )


def measured(call: Callable[[], Any], *, times: int) -> tuple[Any, float]:
    """The result, and the median of some warm calls. [s]"""
    result = call()
    seconds = []
    for _ in range(times):
        begin = time.process_time()
        result = call()
        seconds.append(time.process_time() - begin)
    return result, statistics.median(seconds)


def line(what: str, seconds: float, promise: str, result: Any) -> None:
    """One row of the table."""
    print(f"{what:<58} {seconds * 1e3:>11.3f} ms  {promise:<11} {result.objective_aud:>12.6f} AUD")


def exact_rows(problem: StorageProblem) -> float:
    """The exact optimum on ordinary and on awkward years; seconds of the ordinary one."""
    result, seconds = measured(lambda: dispatch_perfect_foresight(problem), times=15)
    line("exact, year, prices at which an LP is exact", seconds, "<= 30 ms", result)
    return seconds


def print_peak_memory() -> None:
    """What the process has needed so far, Python and pandas included."""
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0
    print(f"peak memory of the process so far: {peak_mib:.0f} MiB")


def awkward_rows(real: StorageProblem) -> None:
    """Years at which the LP is wrong: negative import prices, feed-in above import."""
    hour = np.arange(YEAR) % DAY / 12.0
    free = np.where((hour >= 11.0) & (hour < 14.0), 0.0, 33.0)
    shifted = replace(
        real,
        import_c_per_kwh=real.import_c_per_kwh - 12.0,
        feed_in_c_per_kwh=real.feed_in_c_per_kwh - 12.0,
    )
    plans = (
        ("exact, year, prices as they are", real),
        (
            "exact, year, leak, reserve, wear, 40 kWh / 10 kW",
            replace(
                real,
                capacity_kwh=40.0,
                max_energy_kwh=40.0,
                charge_kw=10.0,
                discharge_kw=10.0,
                leak_fraction=1e-5,
                min_energy_kwh=4.0,
                wear_c_per_kwh=2.0,
                initial_energy_kwh=4.0,
            ),
        ),
        (
            "exact, year, three free hours a day, feed-in 3 c",
            replace(real, import_c_per_kwh=free, feed_in_c_per_kwh=np.full(YEAR, 3.0)),
        ),
        (f"exact, year, {np.mean(shifted.import_c_per_kwh < 0):.0%} negative import", shifted),
    )
    for name, problem in plans:
        result, seconds = measured(lambda p=problem: dispatch_perfect_foresight(p), times=3)
        convexity = " [general]" if "no convexity" in result.status else ""
        line(name + convexity, seconds, "<= 3 s", result)


def rule_rows(problem: StorageProblem) -> None:
    """Every rule over the year."""
    hour = np.arange(YEAR) % DAY / 12.0
    night, evening = hour < 5.0, (hour >= 16.0) & (hour < 22.0)
    rules: tuple[tuple[str, Callable[[], Any]], ...] = (
        ("rule: none", lambda: dispatch_none(problem)),
        ("rule: self-consumption", lambda: dispatch_self_consumption(problem)),
        (
            "rule: time of use",
            lambda: dispatch_time_of_use(problem, charge_window=night, discharge_window=evening),
        ),
        (
            "rule: price threshold",
            lambda: dispatch_price_threshold(
                problem, charge_below_c_per_kwh=8.0, discharge_above_c_per_kwh=40.0
            ),
        ),
    )
    for name, call in rules:
        result, seconds = measured(call, times=15)
        line(name, seconds, "<= 3 ms", result)


def perfect(actual: np.ndarray, every: int) -> IssuedForecast:
    """A forecast of a day that is right, issued every so many intervals."""
    leads = DAY + every
    padded = np.concatenate((actual, np.full(leads, np.nan)))
    issued = np.arange(0, YEAR, every)
    windows = np.lib.stride_tricks.sliding_window_view(padded, leads)[issued]
    return IssuedForecast(issued_interval=issued, values=windows)


def plan_rows(problem: StorageProblem) -> None:
    """The receding horizon over the year."""
    for every, promise in ((6, "<= 2 s"), (1, "<= 8 s")):
        result, seconds = measured(
            lambda e=every: dispatch_forecast_plan(
                problem, horizon_intervals=DAY, replan_intervals=e
            ),
            times=1,
        )
        name = f"plan: day ahead by persistence, every {5 * every} min"
        line(name, seconds, promise, result)
    forecasts = {
        name: perfect(getattr(problem, name), 6)
        for name in ("load_kwh", "solar_kwh", "import_c_per_kwh", "feed_in_c_per_kwh")
    }
    result, seconds = measured(
        lambda: dispatch_forecast_plan(
            problem, horizon_intervals=DAY, replan_intervals=6, **forecasts
        ),
        times=1,
    )
    line("plan: day ahead as issued (perfect), every 30 min", seconds, "<= 2 s", result)


def main() -> None:
    """Print the table."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--no-solver", action="store_true", help="leave HiGHS out")
    without_solver = arguments.parse_args().no_solver
    real, source = year_problem()
    print(f"{source}; {YEAR:,} intervals; Python {platform.python_version()}, {platform.machine()}")
    buy = np.maximum(real.import_c_per_kwh, 0.0)
    ordinary = replace(
        real, import_c_per_kwh=buy, feed_in_c_per_kwh=np.minimum(real.feed_in_c_per_kwh, buy)
    )
    seconds = exact_rows(ordinary)
    for season in ("summer", "winter"):
        problem = two_days(season)
        if problem is not None:
            result, taken = measured(lambda p=problem: dispatch_perfect_foresight(p), times=200)
            line(f"exact, 48 h at 5 min, {season}", taken, "<= 0.2 ms", result)
    rule_rows(real)
    print_peak_memory()
    awkward_rows(real)
    print_peak_memory()
    plan_rows(real)
    if without_solver:
        return
    optimum_aud, solver_seconds = solve_as_lp(ordinary)
    found = dispatch_perfect_foresight(ordinary).objective_aud
    print(
        f"HiGHS dual simplex: {solver_seconds:.1f} s, {optimum_aud:.6f} AUD; "
        f"ratio {solver_seconds / seconds:.0f} (>= 500); relative difference "
        f"{abs(found - optimum_aud) / abs(optimum_aud):.1e} (<= 1e-6)"
    )


if __name__ == "__main__":
    main()
