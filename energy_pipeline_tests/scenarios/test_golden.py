"""Golden cases: whole scenarios whose numbers were worked out by hand.

The home uses 0.1 kWh in every 5 minutes, 28.8 kWh a day, in Brisbane, where a day is always 24
hours. What each number is made of stands beside it.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from energy_pipeline.model.scenario_data import ScenarioData
from energy_pipeline.model.scenario_gap import honest_gap
from energy_pipeline.model.scenario_result import run_scenario
from energy_pipeline.model.scenario_toml import load_scenario

HOUSE = """
schema = "hes-scenario/1"
name = "Golden"

[household]
timezone = "Australia/Brisbane"
"""
FLAT = """
[plan]
kind = "flat"
import_c_per_kwh = 30
feed_in_c_per_kwh = 5
daily_aud = 1.00
"""
DELIVERED = """
[plan]
kind = "delivered"
daily_aud = 1.00
"""
BATTERY = """
[battery]
capacity_kwh = 10
price_aud = {price}

[battery.quote]
charge_kw = 12
discharge_kw = 12
round_trip_efficiency = {efficiency}
standby_w = 0
warranty_years = 50
"""
CAR = """
[ev]
usable_kwh = 60
consumption_kwh_per_km = 0.15
charger_kw = 6
charger_efficiency = 0.90
charging = "{charging}"
initial_fraction = 0.5
before = "immediate"

[ev.habits]
floor_fraction = 0.1
limit_fraction = 0.5
public_aud_per_kwh = 0.5

[[ev.trips]]
days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
depart = "08:00"
away_hours = 8
km = 100
"""


def strategy(name: str) -> str:
    return f'[dispatch]\nstrategy = "{name}"\n'


def data(days: int = 1, start: str = "2025-02-28T14:00Z", **arrays) -> ScenarioData:
    index = pd.date_range(start, periods=288 * days, freq="5min")
    return ScenarioData(index=index, **({"load_kwh": np.full(len(index), 0.1)} | arrays))


def two_prices(days: int = 1) -> dict[str, np.ndarray]:
    """10 c from midnight to two, 50 c for the rest of the day, nothing for export."""
    cheap = np.arange(288 * days) % 288 < 24
    return {
        "import_c_per_kwh": np.where(cheap, 10.0, 50.0),
        "feed_in_c_per_kwh": np.zeros(288 * days),
    }


def test_a_day_at_a_flat_price():
    # 28.8 kWh x 30 c + 1.00 = 9.64
    found = run_scenario(load_scenario(HOUSE + FLAT), data())
    assert found.document["bill"]["after_aud"] == pytest.approx(9.64, abs=1e-12)


def test_a_battery_without_losses_moves_its_whole_capacity_from_the_dear_hours():
    # Before: 24 x 0.1 x 10 c + 264 x 0.1 x 50 c + 1.00 = 0.24 + 13.20 + 1.00 = 14.44
    # After: 10 kWh more at 10 c (+1.00), 10 kWh fewer at 50 c (-5.00): 10.44
    text = HOUSE + DELIVERED + BATTERY.format(price=4000, efficiency=1.0)
    found = run_scenario(
        load_scenario(text + strategy("perfect_foresight")), data(**two_prices())
    ).document
    assert found["bill"]["before_aud"] == pytest.approx(14.44, abs=1e-9)
    assert found["bill"]["after_aud"] == pytest.approx(10.44, abs=1e-9)
    assert found["energy"]["after"]["charge_kwh"] == pytest.approx(10.0)
    assert found["energy"]["flows_kwh"]["battery"]["house"] == pytest.approx(10.0)
    assert found["energy"]["stored_c_per_kwh"] == pytest.approx(10.0)


def test_losses_are_bought_cheap_and_missed_dear():
    # One way 0.9: 10 / 0.9 = 11.111 kWh bought at 10 c (1.1111), 9 kWh spared at 50 c (4.50):
    # 14.44 + 1.1111 - 4.50 = 11.0511
    text = HOUSE + DELIVERED + BATTERY.format(price=4000, efficiency=0.81)
    found = run_scenario(
        load_scenario(text + strategy("perfect_foresight")), data(**two_prices())
    ).document
    assert found["bill"]["after_aud"] == pytest.approx(14.44 + 10 / 9 - 4.5, abs=1e-9)


def test_every_strategy_on_the_day_of_two_prices():
    # self_consumption: no surplus, nothing to store: 14.44. Time of use, charging 00:00-02:00 and
    # serving 16:00-21:00 (60 x 0.1 = 6 kWh): 14.44 + 1.00 - 3.00 = 12.44.
    text = HOUSE + DELIVERED + BATTERY.format(price=4000, efficiency=1.0)
    text += strategy("time_of_use") + (
        '[dispatch.time_of_use]\ncharge = [{ from = "00:00", to = "02:00" }]\n'
        'discharge = [{ from = "16:00", to = "21:00" }]\n'
    )
    table = honest_gap(load_scenario(text), data(**two_prices()))
    assert table.loc["none", "cost_aud"] == pytest.approx(14.44, abs=1e-9)
    assert table.loc["self_consumption", "cost_aud"] == pytest.approx(14.44, abs=1e-9)
    assert table.loc["time_of_use", "cost_aud"] == pytest.approx(12.44, abs=1e-9)
    assert table.loc["perfect_foresight", "cost_aud"] == pytest.approx(10.44, abs=1e-9)
    assert table.loc["time_of_use", "captured_fraction"] == pytest.approx(0.5)


def test_an_hour_of_sun_through_a_small_battery():
    # 1 kWh of sun in each of 12 intervals from noon: 1.2 kWh serve the house, 10.8 are left:
    # 10 kWh are stored (the capacity), 0.8 exported at 5 c.
    # Import: 28.8 - 1.2 - 10 = 17.6 kWh x 30 c = 5.28; - 0.04; + 1.00 = 6.24.
    # Before (the panels stand already): import 27.6 x 30 c = 8.28, export 10.8 x 5 c = 0.54,
    # + 1.00 = 8.74.
    sun = np.zeros(288)
    sun[144:156] = 1.0
    text = HOUSE + FLAT + BATTERY.format(price=4000, efficiency=1.0)
    found = run_scenario(
        load_scenario(text + strategy("self_consumption")), data(solar_kwh=sun)
    ).document
    assert found["bill"]["before_aud"] == pytest.approx(8.74, abs=1e-9)
    assert found["bill"]["after_aud"] == pytest.approx(6.24, abs=1e-9)
    assert found["energy"]["flows_kwh"]["solar"] == pytest.approx(
        {"house": 1.2, "car": 0.0, "battery": 10.0, "export": 0.8}
    )
    assert found["energy"]["after"]["self_sufficiency_fraction"] == pytest.approx(11.2 / 28.8)


def test_a_car_back_at_four_charges_what_it_drove():
    # 100 km x 0.15 = 15 kWh out of the battery; 15 / 0.9 = 16.667 kWh AC at 30 c = 5.00 a day.
    # Over the first day the car leaves at 8 with 30 kWh, is back at 16 with 15, and full again.
    found = run_scenario(
        load_scenario(HOUSE + FLAT + CAR.format(charging="immediate")), data()
    ).document
    assert found["bill"]["after_aud"] == pytest.approx(9.64 + 5.00, abs=1e-9)
    total = found["car"]["after"]["total"]
    assert found["car"]["km"] == pytest.approx(100.0)
    assert total["kwh"] == pytest.approx(15 / 0.9)
    assert total["c_per_kwh"] == pytest.approx(30.0)
    assert total["aud_per_100_km"] == pytest.approx(5.00)


def test_the_car_in_the_cheapest_hours():
    # Two days at 10 c from 0 to 2, 50 c else. On arrival at 16 the car has 15 kWh; the next trip
    # needs 15 + floor 6 = 21, so 6 kWh are wanted by 8, 6 / 0.9 = 6.667 kWh AC at 10 c = 0.6667.
    # (6 kW carries 12 kWh in the two cheap hours.) The first day starts full enough, the last
    # ends with no trip to come. Charged on arrival instead: 2 x 16.667 kWh at 50 c = 16.667.
    text = HOUSE + DELIVERED + CAR.format(charging="cheapest")
    found = run_scenario(load_scenario(text), data(days=2, **two_prices(2))).document
    house = 2 * 14.44
    assert found["bill"]["before_aud"] == pytest.approx(house + 2 * 15 / 0.9 * 0.5, abs=1e-9)
    assert found["bill"]["after_aud"] == pytest.approx(house + 6 / 0.9 * 0.1, abs=1e-9)


def test_a_month_of_two_prices_pays_a_battery_back():
    # March: 31 days. Each day saves 4.00 (above), also over midnight: 365 x 4.00 = 1,460 a year.
    # 4,000 AUD without rebates: payback 4,000 / 1,460 = 2.7397 years; ten years without
    # discounting leave 14,600 - 4,000 = 10,600.
    text = HOUSE + DELIVERED + BATTERY.format(price=4000, efficiency=1.0)
    text += strategy("perfect_foresight") + (
        "[finance]\ninstalled = 2026-12-01\nyears = 10\ndiscount_rate = 0\n"
        'federal_rebates = false\nageing = "none"\n'
    )
    found = run_scenario(load_scenario(text), data(days=31, **two_prices(31))).document
    assert found["yearly"]["before_aud"] == pytest.approx(365 * 14.44)
    assert found["yearly"]["saving_aud"] == pytest.approx(1460.0)
    assert found["finance"]["payback_years"] == pytest.approx(4000 / 1460)
    assert found["finance"]["npv_aud"] == pytest.approx(10_600.0)
    assert found["finance"]["lcos_aud_per_kwh"] == pytest.approx(4000 / 36_500 + 0.10)


def test_the_rebate_and_the_price_of_a_battery_bought_in_december_2026():
    # 10 kWh x 6.8 certificates = 68 x 37 AUD = 2,516 off 4,000.
    text = HOUSE + DELIVERED + BATTERY.format(price=4000, efficiency=1.0)
    text += strategy("perfect_foresight") + "[finance]\ninstalled = 2026-12-01\n"
    found = run_scenario(load_scenario(text), data(days=31, **two_prices(31))).document
    assert found["finance"]["rebates_aud"] == pytest.approx(2516.0)
    assert found["finance"]["net_price_aud"] == pytest.approx(1484.0)


def test_a_day_without_one_hour_is_billed_for_the_hours_it_has():
    # The hour from noon is unknown: 27.6 kWh x 30 c + 1.00 = 9.28, and 276 of 8,928 known.
    load = np.full(288, 0.1)
    load[144:156] = np.nan
    text = (HOUSE + FLAT).replace("[household]", '[household]\nmissing = "report"')
    found = run_scenario(load_scenario(text), data(load_kwh=load)).document
    assert found["bill"]["after_aud"] == pytest.approx(9.28, abs=1e-9)
    assert found["coverage"] == [
        {
            "month": "2025-03",
            "expected_intervals": 31 * 288,
            "covered_intervals": 288,
            "known_intervals": 276,
            "known_fraction": pytest.approx(276 / 8928),
        }
    ]
    assert found["yearly"]["after_aud"] is None


def test_a_car_that_feeds_the_house_gives_its_cheap_energy_back():
    # Never driven, no losses, full at its limit of 30 kWh, kept above 20 % of 60 kWh = 12 kWh: in
    # the dear hours of the first day it gives 18 kWh, takes them back at 10 c in the second night,
    # and must end as full as it began: 2 x 14.44 - 18 x (50 c - 10 c) = 21.68.
    text = CAR.format(charging="v2h").replace('before = "immediate"', 'before = "none"')
    text = text[: text.index("[[ev.trips]]")].replace("[ev]", "[ev]\ntrips = []")
    text = text.replace("[ev]", '[ev]\nv2x_status = "supported"')
    text += (
        "[ev.bidirectional]\ncharge_kw = 12\ndischarge_kw = 12\ncharge_efficiency = 1\n"
        "discharge_efficiency = 1\nminimum_soc_fraction = 0.2\n"
    )
    scenario = load_scenario(HOUSE + DELIVERED + text + strategy("perfect_foresight"))
    found = run_scenario(scenario, data(days=2, **two_prices(2))).document
    assert found["bill"]["before_aud"] == pytest.approx(28.88, abs=1e-9)
    assert found["bill"]["after_aud"] == pytest.approx(21.68, abs=1e-9)
    assert found["car"]["discharge_kwh"] == pytest.approx(18.0)
    assert found["dispatch"]["gap_aud"] < 1e-6
