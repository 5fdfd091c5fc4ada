"""The plan sees what was forecast and no more, and perfect forecasts make it perfect."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy_pipeline.model.dispatch.exact import dispatch_perfect_foresight
from energy_pipeline.model.dispatch.plan import IssuedForecast, dispatch_forecast_plan
from energy_pipeline.model.dispatch.problem import EndCondition, StorageProblem
from energy_pipeline_tests.model.dispatch.physics import assert_physical
from energy_pipeline_tests.model.dispatch.random_problems import random_problem

SEEDS = st.integers(0, 2**32 - 1)
SERIES = ("load_kwh", "solar_kwh", "import_c_per_kwh", "feed_in_c_per_kwh")


def issued_from(actual: np.ndarray, *, every: int, leads: int) -> IssuedForecast:
    """A forecast that is right, issued every so many intervals."""
    issued = np.arange(0, actual.size, every)
    values = np.full((issued.size, leads), np.nan)
    for row, start in enumerate(issued):
        known = actual[start : start + leads]
        values[row, : known.size] = known
    return IssuedForecast(issued_interval=issued, values=values)


def hourly_days(days: int, seed: int = 3) -> StorageProblem:
    """Some days at one hour, each different from the one before."""
    rng = np.random.default_rng(seed)
    hour = np.arange(24 * days) % 24
    solar = np.maximum(0.0, np.sin((hour - 6) / 12 * np.pi)) * rng.uniform(1.0, 5.0, hour.size)
    buy = 25.0 + 15.0 * np.sin((hour - 14) / 24 * 2 * np.pi) + rng.normal(0.0, 8.0, hour.size)
    return StorageProblem(
        load_kwh=rng.uniform(0.3, 1.5, hour.size),
        solar_kwh=solar,
        import_c_per_kwh=buy,
        feed_in_c_per_kwh=buy * 0.7 - 6.0,
        interval_hours=1.0,
        capacity_kwh=10.0,
        charge_kw=4.0,
        discharge_kw=4.0,
        charge_efficiency=0.95,
        discharge_efficiency=0.95,
        export_limit_kw=5.0,
    )


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(SEEDS)
def test_with_perfect_forecasts_to_the_end_the_plan_is_the_optimum(seed):
    problem = random_problem(seed, most_intervals=20)
    best = dispatch_perfect_foresight(problem)
    forecasts = {
        name: issued_from(getattr(problem, name), every=1 + seed % 3, leads=problem.intervals)
        for name in SERIES
    }
    result = dispatch_forecast_plan(
        problem, horizon_intervals=20, replan_intervals=1 + seed % 2, **forecasts
    )
    assert_physical(problem, result)
    # Each plan is exact to a hundredth of a cent.
    slack_aud = 1e-4 * problem.intervals + 1e-6 * abs(best.objective_aud)
    assert result.objective_aud == pytest.approx(best.objective_aud, abs=slack_aud)


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(SEEDS)
def test_no_plan_breaks_physics_or_beats_the_exact_optimum(seed):
    problem = random_problem(seed, most_intervals=60)
    best = dispatch_perfect_foresight(problem)
    result = dispatch_forecast_plan(problem, horizon_intervals=12, replan_intervals=1 + seed % 4)
    assert_physical(problem, result)
    slack_aud = 2e-7 * max(abs(best.objective_aud), 1.0)
    assert best.objective_aud <= result.objective_aud + slack_aud
    assert result.violations.energy_short_kwh == pytest.approx(
        best.violations.energy_short_kwh, abs=1e-8
    )


@pytest.mark.parametrize("name", SERIES)
def test_what_has_not_happened_yet_changes_nothing(name):
    problem = hourly_days(4)
    before = dispatch_forecast_plan(problem, horizon_intervals=24)
    changed = np.array(getattr(problem, name))
    changed[60:] = changed[60:][::-1] * 1.7
    after = dispatch_forecast_plan(replace(problem, **{name: changed}), horizon_intervals=24)
    assert after.soc_kwh[:60].tolist() == before.soc_kwh[:60].tolist()
    assert after.soc_kwh[60:].tolist() != before.soc_kwh[60:].tolist()


def test_a_forecast_is_not_seen_before_it_is_issued():
    problem = hourly_days(3)
    spike = np.array(problem.import_c_per_kwh)
    spike[54] = 900.0
    problem = replace(problem, import_c_per_kwh=spike)
    blind = dispatch_forecast_plan(problem, horizon_intervals=24)
    warned = dispatch_forecast_plan(
        problem,
        horizon_intervals=24,
        import_c_per_kwh=IssuedForecast(issued_interval=[46], values=[spike[46:70]]),
    )
    assert warned.soc_kwh[:46].tolist() == blind.soc_kwh[:46].tolist()
    assert warned.soc_kwh[53] > blind.soc_kwh[53]
    assert warned.bill_aud < blind.bill_aud


def test_persistence_takes_the_same_hour_of_the_day_before():
    day = hourly_days(1)
    repeated = {name: np.tile(getattr(day, name), 5) for name in SERIES}
    problem = replace(hourly_days(5), **repeated)
    plan = dispatch_forecast_plan(problem, horizon_intervals=24)
    best = dispatch_perfect_foresight(problem)
    later = slice(24, None)  # from the second day on, nothing differs from the forecast
    start_kwh = float(plan.soc_kwh[23])
    rest = {name: values[later] for name, values in repeated.items()}
    best_later = dispatch_perfect_foresight(replace(problem, **rest, initial_energy_kwh=start_kwh))
    paid_c = np.dot(plan.import_kwh[later], repeated["import_c_per_kwh"][later])
    paid_c -= np.dot(plan.export_kwh[later], repeated["feed_in_c_per_kwh"][later])
    assert paid_c / 100.0 == pytest.approx(best_later.bill_aud, rel=1e-3)
    assert best.bill_aud <= plan.bill_aud


def test_a_missing_lead_falls_back_to_the_day_before():
    problem = hourly_days(3)
    silent = IssuedForecast(issued_interval=[0, 24], values=np.full((2, 24), np.nan))
    with_nothing_said = dispatch_forecast_plan(
        problem, horizon_intervals=24, import_c_per_kwh=silent, load_kwh=silent
    )
    persistence = dispatch_forecast_plan(problem, horizon_intervals=24)
    assert with_nothing_said.soc_kwh.tolist() == persistence.soc_kwh.tolist()


def test_a_horizon_beyond_a_day_repeats_the_newest_day():
    problem = hourly_days(6)
    near = dispatch_forecast_plan(problem, horizon_intervals=24)
    far = dispatch_forecast_plan(problem, horizon_intervals=48)
    assert_physical(problem, far)
    assert far.bill_aud == pytest.approx(near.bill_aud, abs=1.0)


def test_the_end_of_a_plan_is_worth_what_it_is_said_to_be_and_the_true_end_holds():
    problem = replace(hourly_days(2), end=EndCondition.fixed(3.0))
    myopic = dispatch_forecast_plan(problem, horizon_intervals=1)
    hoarding = dispatch_forecast_plan(problem, horizon_intervals=1, horizon_value_c_per_kwh=500.0)
    assert myopic.soc_kwh[-1] == hoarding.soc_kwh[-1] == pytest.approx(3.0)
    assert hoarding.soc_kwh[2:44] == pytest.approx(10.0)
    assert myopic.soc_kwh[30] < 5.0
    assert hoarding.water_value_c_per_kwh[1] == pytest.approx(500.0)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"horizon_intervals": 0}, "horizon_intervals"),
        ({"horizon_intervals": 4, "replan_intervals": 5}, "replan_intervals"),
        ({"horizon_intervals": 4, "replan_intervals": 0}, "replan_intervals"),
        ({"horizon_intervals": 4, "horizon_value_c_per_kwh": np.inf}, "horizon_value_c_per_kwh"),
        (
            {
                "horizon_intervals": 4,
                "solar_kwh": IssuedForecast(issued_interval=[0], values=[[1.0, -1.0]]),
            },
            "solar_kwh",
        ),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(arguments, says):
    with pytest.raises(ValueError, match=says):
        dispatch_forecast_plan(hourly_days(1), **arguments)


def test_intervals_that_do_not_divide_a_day_are_refused():
    with pytest.raises(ValueError, match="interval_hours"):
        dispatch_forecast_plan(replace(hourly_days(1), interval_hours=0.7), horizon_intervals=4)


@pytest.mark.parametrize(
    ("issued", "values", "says"),
    [
        ([0, 0], [[1.0], [1.0]], "ascend"),
        ([0.5], [[1.0]], "whole numbers"),
        ([0, 6], [[1.0]], r"\(2, leads\)"),
        ([0], [[np.inf]], "finite"),
    ],
)
def test_a_forecast_that_makes_no_sense_is_refused(issued, values, says):
    with pytest.raises(ValueError, match=says):
        IssuedForecast(issued_interval=issued, values=values)
