"""What a run must obey: order of the strategies, balance, pieces, clocks, gaps, steps."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import numpy as np
import pandas as pd
import pytest

from energy_pipeline.model.scenario import Charging, Strategy
from energy_pipeline.model.scenario_data import ScenarioData
from energy_pipeline.model.scenario_flows import FROM, TO, flow_table, flows_kwh
from energy_pipeline.model.scenario_gap import honest_gap
from energy_pipeline.model.scenario_ground import Prepared
from energy_pipeline.model.scenario_meter import Run, State
from energy_pipeline.model.scenario_run import simulate, without
from energy_pipeline.model.scenario_storage import spans_mask
from energy_pipeline.model.scenario_tables import standby_kw
from energy_pipeline.model.scenario_toml import load_scenario
from energy_pipeline_tests.model.scenario_home import (
    BATTERY,
    CAR,
    DOCUMENT,
    SOLAR,
    dispatch,
    home,
    index_of,
)

RULES = ("self_consumption", "time_of_use", "price_threshold")
STRATEGIES = get_args(Strategy)
BOTH = DOCUMENT + SOLAR + BATTERY


@pytest.fixture(scope="module")
def fortnight() -> Prepared:
    return Prepared(home())


def run(prepared: Prepared, text: str) -> Run:
    return simulate(prepared, load_scenario(text))


def balance_kwh(text: str, made: Run) -> float:
    """The largest amount by which an interval does not add up."""
    scenario = load_scenario(text)
    car_in = 0.0 if made.car is None else made.car.charge_kwh - made.car.discharge_kwh
    used = made.load_kwh + standby_kw(scenario) / 12 + car_in + made.charge_kwh
    given = made.solar_kwh - made.curtailed_kwh + made.discharge_kwh
    return float(np.abs(used + made.export_kwh - given - made.import_kwh).max())


@pytest.mark.parametrize("seed", range(4))
def test_nothing_beats_perfect_foresight_and_the_plan_beats_the_rules(seed):
    costs = honest_gap(load_scenario(BOTH), home(seed=seed, days=28))["cost_aud"]
    assert costs["perfect_foresight"] <= costs.min() + 1e-9
    for rule in RULES:
        assert costs["forecast_plan"] <= costs[rule]
        assert costs[rule] <= costs["none"]


def test_the_gap_says_what_each_strategy_saw_and_captured(fortnight):
    table = honest_gap(load_scenario(BOTH), fortnight, strategies=("self_consumption",))
    assert list(table.index) == ["none", "self_consumption", "perfect_foresight"]
    assert table.loc["perfect_foresight", "captured_fraction"] == 1.0
    assert table.loc["none", "saving_aud"] == 0.0
    assert table.loc["perfect_foresight", "gap_aud"] < 1e-5
    assert np.isnan(table.loc["self_consumption", "gap_aud"])


def test_a_gap_of_no_storage_is_refused(fortnight):
    with pytest.raises(ValueError, match="no storage"):
        honest_gap(load_scenario(DOCUMENT + SOLAR), fortnight)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("charging", [None, *get_args(Charging)])
def test_every_interval_adds_up(fortnight, strategy, charging):
    text = BOTH + (CAR.format(charging=charging) if charging else "") + dispatch(strategy)
    made = run(fortnight, text)
    if strategy != "none":
        assert balance_kwh(text, made) < 1e-9
    for name in ("import_kwh", "export_kwh", "curtailed_kwh", "charge_kwh", "discharge_kwh"):
        assert getattr(made, name).min() >= 0.0
    assert (made.curtailed_kwh <= made.solar_kwh + 1e-9).all()
    assert (made.export_kwh <= 5.0 / 12 + 1e-9).all()


@pytest.mark.parametrize("charging", [None, "smart", "v2g"])
def test_flows_add_up_to_the_meters(fortnight, charging):
    text = BOTH + (CAR.format(charging=charging) if charging else "")
    text += dispatch("perfect_foresight")
    made = run(fortnight, text)
    table = flow_table(flows_kwh(made, standby_kw=standby_kw(load_scenario(text))))
    assert list(table.index) == list(FROM)
    assert list(table.columns) == list(TO)
    assert table.loc["grid"].sum() == pytest.approx(made.import_kwh.sum())
    assert table["export"].sum() == pytest.approx(made.export_kwh.sum())
    assert table["battery"].sum() == pytest.approx(made.charge_kwh.sum())
    assert table.loc["battery"].sum() == pytest.approx(made.discharge_kwh.sum())
    assert table.loc["grid", "export"] == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("strategy", ["perfect_foresight", "self_consumption"])
@pytest.mark.parametrize("asset", ["solar", "battery"])
def test_a_free_asset_never_raises_the_bill(fortnight, asset, strategy):
    quiet = BATTERY + "quote = { standby_w = 0 }\n"  # standby is a cost of its own
    scenario = load_scenario(DOCUMENT + SOLAR + quiet + dispatch(strategy))
    with_it = simulate(fortnight, scenario).cost_aud
    if strategy == "self_consumption" and asset == "battery":
        # The rule stores surplus at any price; where feed-in never exceeds import it cannot lose
        # more than the feed-in forgone, so hold it to flat prices.
        flat = DOCUMENT.replace(
            'kind = "delivered"', 'kind = "flat"\nimport_c_per_kwh = 30\nfeed_in_c_per_kwh = 5'
        )
        scenario = load_scenario(flat + SOLAR + quiet + dispatch(strategy))
        with_it = simulate(fortnight, scenario).cost_aud
    assert with_it <= simulate(fortnight, without(scenario, asset)).cost_aud + 1e-9


@pytest.mark.parametrize("strategy", RULES)
@pytest.mark.parametrize("charging", [None, "immediate", "timer"])
def test_days_one_by_one_are_the_whole_at_once(strategy, charging):
    data = home(days=12)
    text = BOTH + dispatch(strategy)
    if charging is not None:
        text += CAR.format(charging=charging)
    scenario = load_scenario(text)
    if charging is not None:  # the same use of the car for the whole and for its pieces
        usage = Prepared(data).usage(scenario.car)
        data = replace(data, usage=usage)
        scenario = replace(scenario, car=replace(scenario.car, pattern=None))
    whole = simulate(Prepared(data), scenario)
    state, imported, exported, stored = State.fresh(), [], [], []
    for day in range(12):
        piece = Prepared(data.between(288 * day, 288 * (day + 1)))
        made = simulate(piece, scenario, state=state)
        state = made.state
        imported.append(made.import_kwh)
        exported.append(made.export_kwh)
        stored.append(made.battery_kwh)
    assert np.concatenate(imported) == pytest.approx(whole.import_kwh, abs=1e-9)
    assert np.concatenate(exported) == pytest.approx(whole.export_kwh, abs=1e-9)
    assert np.concatenate(stored) == pytest.approx(whole.battery_kwh, abs=1e-9)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_run_is_the_same_every_time(strategy):
    text = BOTH + dispatch(strategy)
    first, second = (run(Prepared(home(days=7)), text) for _ in range(2))
    assert (first.import_kwh == second.import_kwh).all()
    assert first.cost_aud == second.cost_aud


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_prices_at_the_cap_and_the_floor_are_run(strategy):
    data = home(days=6)
    spot = data.spot_aud_per_mwh.copy()
    spot[288 * 2 + 220 : 288 * 2 + 232] = 20_300.0
    spot[288 * 4 + 140 : 288 * 4 + 150] = -1_000.0
    extreme = replace(data, import_c_per_kwh=1.1 * (spot / 10 + 12), feed_in_c_per_kwh=spot / 10)
    table = honest_gap(load_scenario(BOTH), extreme, strategies=(strategy,))
    assert table["cost_aud"].idxmin() == "perfect_foresight"
    text = BOTH + dispatch(strategy)
    assert not run(Prepared(extreme), text).violations.any


@pytest.mark.parametrize(
    ("start", "intervals"),
    [("2025-10-04T14:00Z", 276), ("2025-04-05T13:00Z", 300), ("2024-02-28T13:00Z", 288)],
    ids=["spring forward", "fall back", "leap day"],
)
def test_days_of_every_length_have_their_windows_and_one_supply_charge(start, intervals):
    index = index_of(start, intervals / 288)
    spans = ((960, 1260),)
    assert spans_mask(index, spans, "Australia/Sydney").sum() == 60
    data = ScenarioData(
        index=index,
        load_kwh=np.full(intervals, 0.1),
        import_c_per_kwh=np.full(intervals, 30.0),
        feed_in_c_per_kwh=np.full(intervals, 5.0),
    )
    made = run(Prepared(data), DOCUMENT)
    assert made.cost_aud == pytest.approx(1.0 + intervals * 0.1 * 0.30)


def test_the_repeated_hour_is_in_its_window_twice_and_the_skipped_one_never():
    spans = ((120, 180),)
    back = index_of("2025-04-05T13:00Z", 300 / 288)
    forward = index_of("2025-10-04T14:00Z", 276 / 288)
    assert spans_mask(back, spans, "Australia/Sydney").sum() == 24
    assert spans_mask(forward, spans, "Australia/Sydney").sum() == 0


def test_unknown_intervals_are_refused_with_their_months():
    with pytest.raises(ValueError, match=r"of 4032 intervals are unknown.*2025-03.*missing"):
        run(Prepared(home(gaps=30)), BOTH)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_unknown_intervals_are_in_no_sum_and_storage_stands_still_in_them(strategy):
    text = (BOTH + CAR.format(charging="cheapest") + dispatch(strategy)).replace(
        "[household]", '[household]\nmissing = "report"'
    )
    data = home(gaps=60)
    made = run(Prepared(data), text)
    gaps = np.isnan(data.load_kwh)
    assert int((~made.ground.known).sum()) == int(gaps.sum())
    assert made.charge_kwh[gaps].max() == 0.0
    assert made.discharge_kwh[gaps].max() == 0.0
    assert made.car.charge_kwh[gaps].max() == 0.0
    assert made.bill.known_intervals.sum() == 4032 - gaps.sum()
    energy = next(line for line in made.bill.lines if line.name == "energy as delivered")
    assert energy.quantity.sum() == pytest.approx(made.import_kwh[~gaps].sum())


def test_what_stands_in_for_an_unknown_interval_does_not_matter():
    text = (BOTH + dispatch("perfect_foresight")).replace(
        "[household]", '[household]\nmissing = "report"'
    )
    data = home(gaps=40)
    gaps = np.isnan(data.load_kwh)
    dear = data.import_c_per_kwh.copy()
    dear[gaps] = 1_500.0
    assert run(Prepared(replace(data, import_c_per_kwh=dear)), text).cost_aud == pytest.approx(
        run(Prepared(data), text).cost_aud, abs=1e-9
    )


def test_nothing_known_at_all_is_refused():
    data = replace(home(days=1), load_kwh=np.full(288, np.nan))
    with pytest.raises(ValueError, match="nothing can be run"):
        run(Prepared(data), DOCUMENT.replace("[household]", '[household]\nmissing = "report"'))


def test_prices_the_plan_needs_and_the_data_lack_are_named():
    data = replace(home(days=1), feed_in_c_per_kwh=None)
    with pytest.raises(ValueError, match="feed_in_c_per_kwh"):
        run(Prepared(data), DOCUMENT)


def test_weather_the_panels_need_and_the_data_lack_is_named():
    data = replace(home(days=1), weather=None)
    with pytest.raises(ValueError, match="synthetic"):
        run(Prepared(data), DOCUMENT + SOLAR)


def test_dearer_prices_cost_more_and_twice_the_use_costs_more(fortnight):
    base = run(fortnight, DOCUMENT).cost_aud
    dear = run(fortnight, DOCUMENT + "[levels]\nimport_price = 1.5\n").cost_aud
    assert dear - 14.0 == pytest.approx(1.5 * (base - 14.0))
    more = run(fortnight, DOCUMENT + "[levels]\nload = 2.0\n").cost_aud
    assert more - 14.0 == pytest.approx(2.0 * (base - 14.0))


def test_a_better_feed_in_earns_more_at_another_level(fortnight):
    text = DOCUMENT + SOLAR
    earned = run(fortnight, text + "[levels]\nfeed_in_price = 2.0\n").cost_aud
    assert earned < run(fortnight, text).cost_aud


STEPS = """
[plan]
kind = "tariff"

[plan.tariff]
schema = "hes-tariff/1"
name = "steps"
timezone = "Australia/Sydney"

[[plan.tariff.energy]]
name = "usage"
direction = "import"
gst = "inc"
price = { kind = "blocks", period = "P1D", tiers = [{ up_to = 4, rate = 0.2 }, { rate = 0.5 }] }

[[plan.tariff.energy]]
name = "feed-in"
direction = "export"
gst = "none"
price = { kind = "flat", rate = 0.30 }
"""


def test_a_plan_with_steps_is_met_at_the_step_reached(fortnight):
    text = DOCUMENT[: DOCUMENT.index("[plan]")] + STEPS + SOLAR + BATTERY
    made = run(fortnight, text + dispatch("perfect_foresight"))
    rule = run(fortnight, text + dispatch("self_consumption"))
    assert made.gap_aud is None
    assert "unknown" in made.bound_said
    assert made.cost_aud <= rule.cost_aud + 1e-9


def test_a_car_and_a_battery_in_turns_cost_no_more_than_either_alone(fortnight):
    text = BOTH + CAR.format(charging="v2g") + dispatch("perfect_foresight")
    scenario = load_scenario(text)
    both = simulate(fortnight, scenario)
    assert both.gap_aud is None
    assert "battery first" in both.bound_said
    assert both.cost_aud <= simulate(fortnight, without(scenario, "battery")).cost_aud + 1e-6
    alone = simulate(fortnight, without(scenario, "battery"))
    assert alone.gap_aud == pytest.approx(0.0, abs=1e-4)


def test_a_car_that_only_charges_never_gives_back(fortnight):
    for charging in ("immediate", "timer", "solar_only", "cheapest", "smart"):
        made = run(fortnight, BOTH + CAR.format(charging=charging))
        assert made.car.discharge_kwh.max() == 0.0


def test_v2h_never_exports_from_the_car(fortnight):
    text = DOCUMENT + CAR.format(charging="v2h") + dispatch("perfect_foresight")
    made = run(fortnight, text)
    assert made.car.discharge_kwh.sum() > 1.0
    assert made.export_kwh.max() == pytest.approx(0.0, abs=1e-9)


def test_the_car_is_driven_the_same_however_it_charges(fortnight):
    driven = {
        run(fortnight, DOCUMENT + SOLAR + CAR.format(charging=way)).car.km
        for way in get_args(Charging)
    }
    assert len(driven) == 1


def test_archived_forecasts_are_used_where_they_are_and_missed_where_not(fortnight):
    text = BOTH + '[dispatch]\nforecast_plan = { forecast = "archived" }\n'
    with pytest.raises(ValueError, match="no forecasts"):
        run(fortnight, text)


def test_an_index_from_elsewhere_in_time_changes_nothing_but_the_calendar():
    early, late = home(start="2025-03-02T14:00Z", days=3), home(start="2025-03-09T14:00Z", days=3)
    assert isinstance(early.index, pd.DatetimeIndex)
    text = DOCUMENT + BATTERY + dispatch("self_consumption")
    assert run(Prepared(early), text).cost_aud == pytest.approx(run(Prepared(late), text).cost_aud)
