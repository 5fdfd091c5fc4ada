"""Many scenarios: order, processes, lost workers, drivers and bands."""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from energy_pipeline.model.scenario_ground import Prepared
from energy_pipeline.model.scenario_result import run_scenario
from energy_pipeline.model.scenario_sweep import gather, grid, sweep
from energy_pipeline.model.scenario_toml import load_scenario
from energy_pipeline.model.scenario_uncertainty import monte_carlo, tornado
from energy_pipeline_tests.model.scenario_home import (
    DOCUMENT,
    FINANCE,
    SOLAR,
    dispatch,
    home,
)

BATTERY = "[battery]\ncapacity_kwh = 10\n"
PRICED = SOLAR.replace("price_aud = 7000", "price_aud_per_kwp = 1060")
TEXT = DOCUMENT + PRICED + BATTERY + dispatch("perfect_foresight") + FINANCE
AXES = {"solar.kwp": [0, 5, 10], "battery.capacity_kwh": [0, 8, 16]}
DRIVERS = """
[[uncertainty]]
name = "Prices"
path = "levels.import_price"
low = 0.8
high = 1.4

[[uncertainty]]
path = "finance.discount_rate"
low = 0.03
high = 0.09

[[uncertainty]]
path = "solar.price_aud_per_kwp"
low = 900
high = 1500
"""


@pytest.fixture(scope="module")
def prepared() -> Prepared:
    return Prepared(home(days=28))


@pytest.fixture(scope="module")
def swept(prepared) -> pd.DataFrame:
    return sweep(load_scenario(TEXT), prepared, AXES, workers=1)


def fork_pool(**settings) -> ProcessPoolExecutor:
    """Processes that know this module, as spawned ones would not."""
    return ProcessPoolExecutor(mp_context=multiprocessing.get_context("fork"), **settings)


def test_a_grid_holds_every_combination_once_in_order():
    assert grid({"a": [1, 2], "b": ["x"]}) == [{"a": 1, "b": "x"}, {"a": 2, "b": "x"}]
    with pytest.raises(ValueError, match="empty"):
        grid({"a": []})
    with pytest.raises(ValueError, match="at most 100,000"):
        grid({"a": range(1000), "b": range(1000)})


def test_a_row_says_what_a_run_of_its_own_says(swept, prepared):
    text = TEXT.replace("kwp = 6.6", "kwp = 10").replace("capacity_kwh = 10", "capacity_kwh = 8")
    alone = run_scenario(load_scenario(text), prepared).summary
    row = swept[(swept["solar.kwp"] == 10) & (swept["battery.capacity_kwh"] == 8)].iloc[0]
    for name in ("before_aud", "after_aud", "npv_aud", "payback_years", "lcoe_aud_per_kwh"):
        assert row[name] == alone[name]


def test_nothing_bought_is_a_row_that_saves_nothing(swept):
    row = swept.iloc[0]
    assert row["saving_aud"] == 0.0
    assert row["net_price_aud"] == 0.0


def test_processes_find_what_one_finds_in_any_order(swept, prepared):
    shared = sweep(load_scenario(TEXT), prepared.data, AXES, workers=2)
    pd.testing.assert_frame_equal(shared, swept)
    turned = sweep(
        load_scenario(TEXT),
        prepared,
        {name: values[::-1] for name, values in AXES.items()},
        workers=1,
    )
    both = [frame.sort_values(list(AXES)).reset_index(drop=True) for frame in (turned, swept)]
    pd.testing.assert_frame_equal(*both)


def test_rows_are_told_as_they_are_done(prepared):
    told: dict[int, dict] = {}
    rows = sweep(
        load_scenario(TEXT), prepared, {"battery.capacity_kwh": [8, 16]}, workers=1,
        on_row=told.__setitem__,
    )  # fmt: skip
    assert [told[i]["after_aud"] for i in range(2)] == rows["after_aud"].tolist()


def test_a_wrong_combination_is_a_row_with_its_reason(prepared):
    rows = sweep(load_scenario(TEXT), prepared, {"battery.capacity_kwh": [8, 500]}, workers=1)
    assert rows["error"].iloc[0] == ""
    assert "battery.capacity_kwh: is 500" in rows["error"].iloc[1]
    assert np.isnan(rows["after_aud"].iloc[1])


def test_a_grid_of_nothing_but_wrong_ones_is_refused(prepared):
    with pytest.raises(ValueError, match="unknown key 'kwq'"):
        sweep(load_scenario(TEXT), prepared, {"solar.kwq": [1, 2]}, workers=1)


def double_or_die(folder: Path, task: int) -> int:
    """Twice the task; the first one to meet task 3 or any to meet task 7 takes its process down."""
    mark = folder / "died"
    if task == 7 or (task == 3 and not mark.exists()):
        mark.touch()
        os._exit(1)
    return 2 * task


def test_a_lost_worker_loses_no_result(tmp_path):
    done: list[int] = []
    lost = gather(
        partial(double_or_die, tmp_path),
        list(range(12)),
        lambda workers: fork_pool(max_workers=workers),
        workers=2,
        on_done=done.append,
    )
    assert sorted(done) == [2 * task for task in range(12) if task != 7]
    assert lost == [7]


def test_the_tornado_is_widest_first_and_right_at_its_ends(prepared):
    scenario = load_scenario(TEXT + DRIVERS)
    table = tornado(scenario, prepared)
    width = (table["high_npv_aud"] - table["low_npv_aud"]).abs()
    assert list(width) == sorted(width, reverse=True)
    row = table.loc["solar.price_aud_per_kwp"]
    assert row["base"] == 1060.0
    assert row["low_npv_aud"] - row["high_npv_aud"] == pytest.approx(600 * 6.6)
    assert row["low_saving_aud"] == row["high_saving_aud"] == row["base_saving_aud"]
    dear = run_scenario(load_scenario(TEXT + "[levels]\nimport_price = 1.4\n"), prepared)
    assert table.loc["Prices", "high_npv_aud"] == dear.document["finance"]["npv_aud"]


def test_the_same_seed_draws_the_same_band(prepared):
    scenario = load_scenario(TEXT + DRIVERS)
    one, two = (monte_carlo(scenario, prepared, draws=6, seed=7) for _ in range(2))
    pd.testing.assert_frame_equal(one.draws, two.draws)
    other = monte_carlo(scenario, prepared, draws=6, seed=8)
    assert not other.draws.equals(one.draws)
    low, middle, high = one.quantiles["payback_years"]
    assert low <= middle <= high
    for driver in scenario.drivers:
        assert one.draws[driver.path].between(driver.low, driver.high).all()
    assert "seed 7" in one.statement


def test_a_purchase_that_never_pays_back_says_so(prepared):
    text = TEXT.replace("price_aud_per_kwp = 1060", "price_aud_per_kwp = 15000") + (
        '[[uncertainty]]\npath = "levels.load"\nlow = 0.9\nhigh = 1.1\n'
    )
    band = monte_carlo(load_scenario(text), prepared, draws=8)
    assert band.never_paid_back_fraction == 1.0
    assert band.loss_fraction == 1.0
    assert np.isinf(band.quantiles["payback_years"]).all()


def test_what_cannot_be_drawn_is_refused(prepared):
    with pytest.raises(ValueError, match=r"\[\[uncertainty\]\]"):
        tornado(load_scenario(TEXT), prepared)
    with pytest.raises(ValueError, match="1 to 10000"):
        monte_carlo(load_scenario(TEXT + DRIVERS), prepared, draws=0)
    outside = TEXT + '[[uncertainty]]\npath = "levels.load"\nlow = 1.2\nhigh = 1.4\n'
    with pytest.raises(ValueError, match=r"levels\.load is 1 .* outside 1\.2 to 1\.4"):
        monte_carlo(load_scenario(outside), prepared)
