"""The result document: what it holds, what it says, and results side by side."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from energy_pipeline.model.scenario_ground import Prepared
from energy_pipeline.model.scenario_result import compare, run_scenario, value_of_assets
from energy_pipeline.model.scenario_toml import load_scenario, parse, with_values
from energy_pipeline_tests.model.scenario_home import (
    BATTERY,
    CAR,
    DOCUMENT,
    FINANCE,
    SOLAR,
    dispatch,
    home,
)

EXAMPLES = sorted((Path(__file__).parents[2] / "scenarios").glob("*.toml"))
PROPHET = dispatch("perfect_foresight")
REPORTED = DOCUMENT.replace("[household]", '[household]\nmissing = "report"')
BOTH = REPORTED + SOLAR + BATTERY + PROPHET + FINANCE


@pytest.fixture(scope="module")
def prepared() -> Prepared:
    return Prepared(home(days=28, gaps=10))


def test_the_same_document_and_data_give_the_same_result_to_the_last_digit():
    text = BOTH + CAR.format(charging="smart")
    tables = json.loads(json.dumps(parse(text), default=lambda day: day.isoformat()))
    one = run_scenario(load_scenario(text), home(days=28))
    two = run_scenario(load_scenario(json.dumps(tables)), home(days=28))
    assert one.document == two.document
    assert one.intervals.equals(two.intervals)


def test_the_document_is_json_with_everything_it_rests_on(prepared):
    found = run_scenario(load_scenario(BOTH), prepared, marginal=True).document
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    for key in ("scenario_sha256", "data_sha256"):
        assert len(found[key]) == 64
    assert found["software"]["energy-pipeline"]
    assert found["period"]["intervals"] - found["period"]["known_intervals"] == 10
    assert sum(m["known_intervals"] for m in found["coverage"]) == 28 * 288 - 10
    assert found["dispatch"]["gap_aud"] < 1e-4
    assert found["load"]["method"] == "metered"
    assert {row["asset"] for row in found["assumptions"]} == {"battery"}
    assert any("10 intervals are unknown" in label for label in found["labels"])
    assert any("upper bound" in label for label in found["labels"])


def test_the_year_says_how_it_was_made(prepared):
    found = run_scenario(load_scenario(BOTH), prepared).document["yearly"]
    assert "365 days" in found["statement"]
    assert "months not seen" in found["statement"]
    assert found["saving_aud"] == pytest.approx(found["before_aud"] - found["after_aud"])


def test_three_days_make_a_bill_but_no_year_and_no_payback():
    found = run_scenario(load_scenario(BOTH), home(days=3)).document
    assert found["bill"]["after_aud"] is not None
    assert found["yearly"]["after_aud"] is None
    assert "too little" in found["yearly"]["statement"]
    assert found["finance"] is None


def test_the_bill_lines_add_up_before_and_after(prepared):
    found = run_scenario(load_scenario(BOTH + CAR.format(charging="solar_only")), prepared)
    bill = found.document["bill"]
    assert found.bill_lines["before_aud"].sum() == pytest.approx(bill["before_aud"])
    assert found.bill_lines["after_aud"].sum() == pytest.approx(bill["after_aud"])
    assert sum(row["change_aud"] for row in bill["components"]) == pytest.approx(
        -bill["saving_aud"]
    )


def test_nothing_bought_saves_nothing(prepared):
    found = run_scenario(load_scenario(REPORTED), prepared).document
    assert found["bill"]["saving_aud"] == 0.0
    assert found["finance"] is None


def test_a_car_that_feeds_the_house_is_labelled_hypothetical(prepared):
    text = REPORTED + CAR.format(charging="v2h") + PROPHET
    labels = run_scenario(load_scenario(text), prepared).document["labels"]
    assert any(label.startswith("HYPOTHETICAL") for label in labels)


def test_charging_with_hindsight_is_labelled(prepared):
    text = REPORTED + CAR.format(charging="cheapest")
    labels = run_scenario(load_scenario(text), prepared).document["labels"]
    assert any("knows the prices until departure" in label for label in labels)


def test_driving_costs_by_source_add_up(prepared):
    text = REPORTED + SOLAR + BATTERY + CAR.format(charging="smart") + PROPHET
    car = run_scenario(load_scenario(text), prepared).document["car"]
    after = car["after"]
    total = sum(after[s]["aud"] for s in ("solar", "battery", "grid", "public"))
    assert after["total"]["aud"] == pytest.approx(total)
    assert after["total"]["aud_per_100_km"] == pytest.approx(100 * total / car["km"])
    assert after["solar"]["c_per_kwh"] >= 0.0
    assert car["before"]["total"]["aud"] > after["total"]["aud"]


def test_unknown_intervals_are_unknown_in_the_frame(prepared):
    frame = run_scenario(load_scenario(BOTH), prepared).intervals
    assert len(frame) == 28 * 288
    assert frame["import_kwh"].isna().sum() == 10
    assert {"battery_kwh", "charge_kwh", "curtailed_kwh"} <= set(frame)


def test_shares_of_the_assets_add_up_to_the_whole_saving(prepared):
    text = BOTH + CAR.format(charging="smart")
    found = run_scenario(load_scenario(text), prepared, marginal=True).document
    values = found["marginal_value"]
    assert [value["asset"] for value in values] == ["solar", "battery", "ev"]
    assert sum(value["shapley"] for value in values) == pytest.approx(found["yearly"]["saving_aud"])
    assert all(value["last_in"] >= -1e-6 for value in values)


def test_a_household_that_buys_nothing_has_no_assets_to_value(prepared):
    with pytest.raises(ValueError, match="buys nothing"):
        value_of_assets(load_scenario(REPORTED), prepared)


def test_packages_are_compared_each_with_the_one_before(prepared):
    solar = run_scenario(load_scenario(REPORTED.replace("Test home", "Solar") + SOLAR + FINANCE),
                         prepared)  # fmt: skip
    both = run_scenario(load_scenario(BOTH.replace("Test home", "Both")), prepared)
    table = compare([both, solar])
    assert list(table.index) == ["Solar", "Both"]
    assert table["step_price_aud"].iloc[0] is None or np.isnan(table["step_price_aud"].iloc[0])
    step = table.loc["Both"]
    assert step["step_price_aud"] == pytest.approx(15_240 - 91 * 37)
    assert step["step_saving_aud"] == pytest.approx(
        both.document["yearly"]["saving_aud"] - solar.document["yearly"]["saving_aud"]
    )
    assert step["step_npv_aud"] == pytest.approx(
        both.document["finance"]["npv_aud"] - solar.document["finance"]["npv_aud"]
    )


def test_results_of_different_data_are_not_compared(prepared):
    one = run_scenario(load_scenario(REPORTED), prepared)
    two = run_scenario(load_scenario(REPORTED), home(days=28, seed=9))
    with pytest.raises(ValueError, match="different data"):
        compare([one, two])
    with pytest.raises(ValueError, match="empty"):
        compare([])


def test_an_estimated_load_is_labelled(prepared):
    data = home(days=28)
    meters = type(data)(
        index=data.index,
        import_kwh=np.maximum(data.load_kwh - 0.02, 0.0),
        export_kwh=np.where(np.arange(len(data.index)) % 288 > 140, 0.05, 0.0),
        import_c_per_kwh=data.import_c_per_kwh,
        feed_in_c_per_kwh=data.feed_in_c_per_kwh,
        weather=data.weather,
    )
    text = DOCUMENT.replace(
        "[plan]",
        "[household.existing_solar]\nkwp = 3\ntilt_degrees = 20\nazimuth_degrees = 0\n\n[plan]",
    )
    found = run_scenario(load_scenario(text), meters).document
    assert found["load"]["estimated"]
    assert "the use of the house is an estimate" in found["labels"]
    with pytest.raises(ValueError, match=r"household\.existing_solar"):
        run_scenario(load_scenario(DOCUMENT), meters)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_shipped_example_runs_on_a_month_of_a_home(path):
    document = with_values(parse(path.read_text()), {"household.least_coverage_fraction": 0.3})
    found = run_scenario(document, home(days=28)).document
    assert found["yearly"]["after_aud"] is not None
    assert json.dumps(found, allow_nan=False)
    assert (found["finance"] is None) == ("finance" not in document)
