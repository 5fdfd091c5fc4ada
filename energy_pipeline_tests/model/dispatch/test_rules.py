"""The rules do what they say, obey physics, and never beat the exact optimum."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy_pipeline.model.dispatch.exact import dispatch_perfect_foresight
from energy_pipeline.model.dispatch.problem import EndCondition, StorageProblem
from energy_pipeline.model.dispatch.rules import (
    dispatch_none,
    dispatch_price_threshold,
    dispatch_self_consumption,
    dispatch_time_of_use,
    trailing_quantile,
)
from energy_pipeline_tests.model.dispatch.physics import assert_physical, series
from energy_pipeline_tests.model.dispatch.random_problems import random_problem

DAY = StorageProblem(
    load_kwh=[1.0, 1.0, 0.0, 0.0, 2.0, 3.0],
    solar_kwh=[0.0, 0.0, 4.0, 6.0, 0.5, 0.0],
    import_c_per_kwh=[10.0, 20.0, 15.0, 15.0, 30.0, 60.0],
    feed_in_c_per_kwh=[5.0, 5.0, 3.0, -1.0, 10.0, 40.0],
    interval_hours=1.0,
    capacity_kwh=8.0,
    initial_energy_kwh=0.0,
    charge_kw=5.0,
    discharge_kw=2.0,
    charge_efficiency=0.9,
    discharge_efficiency=0.8,
)
FIRST = np.array([True, False, False, False, False, False])
LAST = np.array([False, False, False, False, True, True])


def rule_results(problem, seed):
    """Every rule on one problem, with windows and thresholds drawn from the seed."""
    rng = np.random.default_rng(seed)
    charge = rng.random(problem.intervals) < 0.3
    discharge = ~charge & (rng.random(problem.intervals) < 0.5)
    yield dispatch_self_consumption(problem)
    yield dispatch_time_of_use(
        problem,
        charge_window=charge,
        discharge_window=discharge,
        target_fraction=float(rng.random()),
    )
    yield dispatch_price_threshold(
        problem,
        charge_below_c_per_kwh=float(rng.uniform(-10.0, 30.0)),
        discharge_above_c_per_kwh=float(rng.uniform(0.0, 40.0)),
    )


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(st.integers(0, 2**32 - 1))
def test_no_rule_breaks_physics_or_beats_the_exact_optimum(seed):
    problem = random_problem(seed, most_intervals=48)
    best = dispatch_perfect_foresight(problem)
    for result in rule_results(problem, seed):
        assert_physical(problem, result)
        slack_aud = 2e-7 * max(abs(best.objective_aud), 1.0)
        assert best.objective_aud <= result.objective_aud + slack_aud
        # Bounds on energy are kept as well as the optimum keeps them.
        assert result.violations.energy_short_kwh == pytest.approx(
            best.violations.energy_short_kwh, abs=1e-8
        )
        assert result.violations.unserved_kwh == pytest.approx(
            best.violations.unserved_kwh, abs=1e-8
        )


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(st.integers(0, 2**32 - 1))
def test_without_storage_the_meter_sees_load_and_solar_alone(seed):
    problem = random_problem(seed)
    result = dispatch_none(problem)
    assert result.charge_kwh.sum() == result.discharge_kwh.sum() == result.soc_kwh.sum() == 0.0
    metered_kwh = result.import_kwh - result.export_kwh - result.curtailed_kwh
    np.testing.assert_allclose(metered_kwh, problem.load_kwh - problem.solar_kwh, atol=1e-12)


def test_self_consumption_stores_surplus_and_serves_the_load():
    result = dispatch_self_consumption(DAY)
    # 3.6 of 4 kWh stored; then 4.4 kWh of room take 4.4 / 0.9 = 4.889 kWh AC of 6.
    assert result.charge_kwh == pytest.approx([0.0, 0.0, 4.0, 4.4 / 0.9, 0.0, 0.0])
    assert result.discharge_kwh == pytest.approx([0.0, 0.0, 0.0, 0.0, 1.5, 2.0])
    assert result.soc_kwh == pytest.approx([0.0, 0.0, 3.6, 8.0, 6.125, 3.625])
    assert result.import_kwh == pytest.approx([1.0, 1.0, 0.0, 0.0, 0.0, 1.0])
    # Feed-in costs 1 c in the fourth hour: the rest of the surplus is turned down.
    assert result.export_kwh == pytest.approx(np.zeros(6))
    assert result.curtailed_kwh[3] == pytest.approx(6.0 - 4.4 / 0.9)
    assert result.bill_aud == pytest.approx(0.10 + 0.20 + 0.60)
    assert np.isnan(result.water_value_c_per_kwh).all()
    assert result.lower_bound_aud == -np.inf


def test_time_of_use_charges_to_its_target_holds_and_serves_its_window():
    result = dispatch_time_of_use(
        DAY, charge_window=FIRST, discharge_window=LAST, target_fraction=0.25
    )
    assert result.charge_kwh[0] == pytest.approx(2.0 / 0.9)
    assert result.soc_kwh[:2] == pytest.approx([2.0, 2.0])
    assert result.soc_kwh[2] == pytest.approx(5.6)
    assert result.soc_kwh[3] == pytest.approx(8.0)
    assert result.discharge_kwh == pytest.approx([0.0, 0.0, 0.0, 0.0, 1.5, 2.0])


def test_price_thresholds_buy_low_and_sell_high():
    result = dispatch_price_threshold(
        DAY, charge_below_c_per_kwh=12.0, discharge_above_c_per_kwh=30.0
    )
    assert result.charge_kwh[0] == pytest.approx(5.0)
    assert result.discharge_kwh[5] == pytest.approx(2.0)
    trader = replace(DAY, load_kwh=[1.0, 1.0, 0.0, 0.0, 2.0, 0.5])
    sold = dispatch_price_threshold(
        trader, charge_below_c_per_kwh=12.0, discharge_above_c_per_kwh=30.0
    )
    assert sold.export_kwh[5] == pytest.approx(1.5)


def test_a_rule_leaves_in_time_for_a_departure():
    problem = replace(
        DAY,
        solar_kwh=np.zeros(6),
        discharge_kw=0.0,
        min_energy_kwh=[0.0, 0.0, 0.0, 6.0, 0.0, 0.0],
        end=EndCondition.at_least(7.0),
    )
    result = dispatch_self_consumption(problem)
    assert result.soc_kwh == pytest.approx([0.0, 0.0, 1.5, 6.0, 6.0, 7.0])
    assert not result.violations.any


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(st.integers(0, 2**32 - 1))
def test_a_trailing_quantile_is_that_of_the_last_prices(seed):
    rng = np.random.default_rng(seed)
    price = rng.choice([-5.0, 10.0, 30.0, 31.5], 50) if seed % 2 else rng.normal(20.0, 30.0, 50)
    window, fraction = int(rng.integers(1, 60)), float(rng.random())
    found = trailing_quantile(price, window_intervals=window, fraction=fraction)
    wanted = [np.quantile(price[max(0, t + 1 - window) : t + 1], fraction) for t in range(50)]
    np.testing.assert_allclose(found, wanted, atol=1e-12)


def test_a_reserve_is_held_against_a_rule():
    problem = replace(DAY, min_energy_kwh=2.0, initial_energy_kwh=4.0)
    result = dispatch_self_consumption(problem)
    assert (result.soc_kwh >= series(problem, "min_energy_kwh") - 1e-12).all()
    assert result.soc_kwh[:2] == pytest.approx([2.75, 2.0])


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (
            lambda: dispatch_time_of_use(DAY, charge_window=FIRST[:2], discharge_window=LAST),
            "charge_window",
        ),
        (
            lambda: dispatch_time_of_use(
                DAY, charge_window=FIRST, discharge_window=LAST.astype(float)
            ),
            "discharge_window",
        ),
        (
            lambda: dispatch_time_of_use(DAY, charge_window=LAST, discharge_window=LAST),
            "overlap, both hold 4",
        ),
        (
            lambda: dispatch_time_of_use(
                DAY, charge_window=FIRST, discharge_window=LAST, target_fraction=1.5
            ),
            "target_fraction",
        ),
        (
            lambda: dispatch_price_threshold(
                DAY, charge_below_c_per_kwh=np.nan, discharge_above_c_per_kwh=30.0
            ),
            "charge_below_c_per_kwh",
        ),
        (
            lambda: dispatch_price_threshold(
                DAY, charge_below_c_per_kwh=1.0, discharge_above_c_per_kwh=np.ones(2)
            ),
            "discharge_above_c_per_kwh",
        ),
        (lambda: trailing_quantile([1.0], window_intervals=0, fraction=0.5), "window_intervals"),
        (lambda: trailing_quantile([1.0], window_intervals=1, fraction=1.5), "fraction"),
        (lambda: trailing_quantile([np.nan], window_intervals=1, fraction=0.5), "price_c_per_kwh"),
    ],
)
def test_a_rule_refuses_what_makes_no_sense(call, says):
    with pytest.raises(ValueError, match=says):
        call()
