"""Plans of retailers: priced by hand from the document, and refused where they cannot be read."""

import copy
import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from energy_pipeline.model.bill import bill
from energy_pipeline.model.cdr import load_cdr, read_cdr
from energy_pipeline.model.tariff import BlockPrice, Tariff
from energy_pipeline.model.tariff_compile import compile_tariff

WEEK = ["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"]
WORKDAYS, WEEKEND = WEEK[:5], WEEK[5:]


def example(name: str) -> Path:
    path = Path(__file__).parents[3] / "shared" / "oracles" / "cdr_examples" / f"{name}.json"
    if not path.exists():
        pytest.skip("the example plans are kept outside the project")
    return path


def time(start: str, end: str, days=WEEK) -> dict:
    return {"days": days, "startTime": start, "endTime": end}


def tou(kind: str, price: str, *times: dict, **more) -> dict:
    return {
        "displayName": kind, "type": kind, "rates": [{"unitPrice": price}],
        "timeOfUse": list(times), **more,
    }  # fmt: skip


def period(*rates: dict, **more) -> dict:
    parts = {
        "displayName": "All year", "startDate": "01-01", "endDate": "12-31",
        "dailySupplyCharge": "1.00", **more,
    }  # fmt: skip
    if rates:
        parts |= {"rateBlockUType": "timeOfUseRates", "timeOfUseRates": list(rates)}
    return parts


def single(*rates: tuple, price_period: str | None = "P1D", **more) -> dict:
    block = {"displayName": "Usage", "rates": [
        {"unitPrice": r[0]} | ({"volume": r[1]} if len(r) > 1 else {}) for r in rates
    ]}  # fmt: skip
    if price_period:
        block["period"] = price_period
    return period(**{"rateBlockUType": "singleRate", "singleRate": block, **more})


def document(*periods: dict, **contract) -> dict:
    contract = {"timeZone": "LOCAL", "pricingModel": "TIME_OF_USE", **contract}
    return {
        "data": {
            "planId": "TEST@EME",
            "displayName": "A plan",
            "brand": "someone",
            "fuelType": "ELECTRICITY",
            "geography": {"distributors": ["Ausgrid"]},
            "electricityContract": {"tariffPeriod": list(periods), **contract},
        }
    }


def prices(plan: Tariff, *moments: str, direction="import") -> list[float]:
    """c/kWh incl. GST in the half hours that begin at these local times."""
    found = []
    for moment in moments:
        start = pd.Timestamp(moment, tz=plan.timezone).tz_convert("UTC")
        compiled = compile_tariff(plan, pd.date_range(start, periods=2, freq="5min"))
        values = getattr(compiled, f"{direction}_c_per_kwh")
        found.append(round(float(values[0]), 9))
    return found


# The example plans ------------------------------------------------------------------------------


def test_the_flat_example_costs_what_its_three_prices_say():
    plan = load_cdr(example("flat"))
    index = pd.date_range("2025-06-30T14:00Z", periods=31 * 48, freq="30min")
    made = bill(compile_tariff(plan, index), np.full(len(index), 0.5), np.full(len(index), 0.25))
    kwh = 31 * 48 * 0.5
    assert made.total_aud == pytest.approx(
        kwh * 0.284 * 1.1 + 31 * 1.0326 * 1.1 - kwh / 2 * 0.05, rel=1e-12
    )


def test_the_time_of_use_example_has_its_windows_steps_and_controlled_load():
    plan = load_cdr(example("tou_cl_fit"))
    assert prices(plan, "2025-07-01 16:00", "2025-07-01 20:55", "2025-07-01 21:00") == [
        36.96, 36.96, 22.902,
    ]  # fmt: skip
    assert prices(plan, "2025-07-01 07:00", "2025-07-01 06:55") == [28.952, 22.902]
    index = pd.date_range("2025-06-30T14:00Z", periods=48, freq="30min")
    compiled = compile_tariff(plan, index)
    hour = np.arange(48) / 2
    evening = np.where((hour >= 16) & (hour < 21), 1.2, 0.0)  # 12 kWh: 8 at 15 c, 4 at 5 c
    night = np.where((hour >= 22) | (hour < 7), 0.5, 0.0)
    made = bill(compiled, np.zeros(48), evening, controlled_load_kwh=night)
    assert made.total_aud == pytest.approx(1.2953 * 1.1 + 9.0 * 0.18 * 1.1 - 1.4)


def test_the_wholesale_example_composes_network_spot_demand_and_two_way_export():
    plan = load_cdr(example("wholesale_demand"))
    assert plan.export_limit_kw == 5.0
    start = pd.Timestamp("2025-07-01", tz="Australia/Sydney").tz_convert("UTC")
    index = pd.date_range(start, periods=31 * 48, freq="30min")
    spot = pd.Series(80.0, index)
    compiled = compile_tariff(plan, index, series={"NSW1": spot})
    adders = 0.0234 + 0.0134 + 0.0144 + 0.01 + 0.001
    assert compiled.import_c_per_kwh[0] == pytest.approx((0.08 * 1.045 + adders) * 110)
    hour = index.tz_convert("Australia/Sydney").hour.to_numpy()
    noon, evening = (hour >= 10) & (hour < 15), (hour >= 16) & (hour < 21)
    export = np.where(noon, 260.0 / noon.sum(), 0) + np.where(evening, 40.0 / evening.sum(), 0)
    used = np.where(hour == 18, 1.5, 0.2)  # 3 kW
    made = bill(compiled, used, export)
    lines = made.by_line().set_index("line")["amount_aud"]
    assert lines["EA116 demand winter: Peak demand"] == pytest.approx(0.3329 * 3 * 31 * 1.1)
    assert lines["EA116 demand summer: Peak demand"] == 0.0
    assert lines["EA029 charge"] == pytest.approx(0.587048)
    assert lines["EA029 reward"] == pytest.approx(-1.54204)
    assert lines["membership fee"] == pytest.approx(22.0)
    assert lines["wholesale feed-in"] == pytest.approx(-300 * 0.08 * 1.045)
    assert made.by_month()["gst_aud"].iloc[0] > 0


# The ten rules ----------------------------------------------------------------------------------

PEAK = tou("PEAK", "0.40", time("15:00", "21:00", WORKDAYS))
OFF = tou("OFF_PEAK", "0.20", time("21:00", "15:00", WORKDAYS), time("00:00", "23:59", WEEKEND))


def test_gst_is_added_to_what_is_bought_and_not_to_the_feed_in():
    fit = {
        "displayName": "FiT", "scheme": "OTHER", "payerType": "RETAILER",
        "tariffUType": "singleTariff", "singleTariff": {"rates": [{"unitPrice": "0.04"}]},
    }  # fmt: skip
    plan = read_cdr(document(single(("0.30",)), solarFeedInTariff=[fit]))
    assert prices(plan, "2025-07-01 12:00") == [33.0]
    assert prices(plan, "2025-07-01 12:00", direction="export") == [4.0]


def test_a_quota_plan_states_the_price_beyond_the_quota_with_gst():
    block = single(("0.00", 300), price_period="P1M")
    block["singleRate"]["generalUnitPrice"] = "0.33"
    plan = read_cdr(document(block, pricingModel="QUOTA"))
    price = plan.energy[0].price
    assert isinstance(price, BlockPrice)
    assert price.tiers[1].rate_aud_per_kwh == pytest.approx(0.30)


def test_a_missing_time_zone_is_eastern_standard_time_and_said():
    raw = document(period(PEAK, OFF))
    del raw["data"]["electricityContract"]["timeZone"]
    plan = read_cdr(raw)
    # 15:30 in Sydney's summer is 14:30 on the clock of the plan.
    assert prices(plan, "2025-01-15 15:30", "2025-01-15 16:00") == [22.0, 44.0]
    assert any("timeZone is absent" in note for note in plan.notes)
    assert prices(read_cdr(document(period(PEAK, OFF))), "2025-01-15 15:30") == [44.0]


def test_a_tariff_period_may_have_a_time_zone_of_its_own():
    plan = read_cdr(document(period(PEAK, OFF, timeZone="AEST")))
    assert prices(plan, "2025-01-15 15:30") == [22.0]


def test_tariff_periods_on_the_same_days_add_up():
    plan = read_cdr(document(single(("0.10",), type="NETWORK"), single(("0.20",))))
    assert prices(plan, "2025-07-01 12:00") == [33.0]
    assert [charge.component for charge in plan.energy] == ["network", "retail"]
    assert any("add up" in note for note in plan.notes)


def test_seasons_take_turns_and_the_leap_day_belongs_to_february():
    summer = single(("0.40",), startDate="12-01", endDate="02-28")
    other = single(("0.20",), startDate="03-01", endDate="11-30")
    plan = read_cdr(document(summer, other))
    assert prices(plan, "2024-02-29 12:00", "2024-03-01 12:00", "2023-12-01 00:00") == [
        44.0, 22.0, 44.0,
    ]  # fmt: skip
    index = pd.date_range("2024-02-28T13:00Z", periods=96, freq="30min")  # 29 February, 1 March
    made = bill(compile_tariff(plan, index), np.zeros(96))
    assert made.total_aud == pytest.approx(2 * 1.1)


@pytest.mark.parametrize("end", ["20:59", "21:00", "20:59:59", "2059"])
def test_the_end_of_a_window_is_excluded_however_it_is_written(end):
    peak = tou("PEAK", "0.40", time("15:00", end))
    off = tou("OFF_PEAK", "0.20", time("21:00", "14:59"))
    plan = read_cdr(document(period(peak, off)))
    assert prices(plan, "2025-07-01 20:55", "2025-07-01 21:00") == [44.0, 22.0]


@pytest.mark.parametrize("end", ["23:59", "24:00", "00:00"])
def test_midnight_is_the_end_of_the_day_however_it_is_written(end):
    night = tou("OFF_PEAK", "0.20", time("21:00", end), time("00:00", "15:00"))
    plan = read_cdr(document(period(tou("PEAK", "0.40", time("15:00", "21:00")), night)))
    assert prices(plan, "2025-07-01 23:55", "2025-07-02 00:00") == [22.0, 22.0]


def test_volumes_are_cumulative_caps_and_the_period_is_a_year_when_absent():
    plan = read_cdr(document(single(("0.10", 100), ("0.20", 150), ("0.30",), price_period=None)))
    index = pd.date_range("2024-12-31T13:00Z", periods=2, freq="30min")
    made = bill(compile_tariff(plan, index), np.array([120.0, 80.0]))
    fixed = made.by_line().query("kind == 'fixed'")["amount_aud"].sum()
    assert made.total_aud - fixed == pytest.approx((100 * 0.1 + 50 * 0.2 + 50 * 0.3) * 1.1)
    assert any("steps count over a year" in note for note in plan.notes)


def test_volumes_may_be_texts_with_commas():
    plan = read_cdr(document(single(("0.2922", "3,900"), ("0.30",), price_period="P1Y")))
    assert plan.energy[0].price.tiers[0].up_to_kwh == 3900.0


def test_incentives_and_event_fees_are_named_and_not_priced():
    plan = read_cdr(
        document(
            single(("0.30",)),
            incentives=[{"displayName": "Free lunch", "description": "0 c from 11am to 2pm"}],
            fees=[
                {"type": "LATE_PAYMENT", "term": "FIXED", "amount": "12.00"},
                {"type": "MEMBERSHIP", "term": "MONTHLY", "amount": "19.00",
                 "description": "inc GST"},
                {"type": "OTHER", "term": "ANNUAL", "amount": "30.00"},
            ],
            discounts=[
                {"displayName": "On time", "type": "CONDITIONAL", "methodUType": "percentOfBill",
                 "percentOfBill": {"rate": "0.10"}},
                {"displayName": "Always", "type": "GUARANTEED", "methodUType": "percentOfUse",
                 "percentOfUse": {"rate": "0.05"}},
            ],
        )
    )  # fmt: skip
    assert [charge.name for charge in plan.fixed] == ["All year: daily supply", "membership fee"]
    assert (plan.fixed[1].amount_aud, plan.fixed[1].gst) == (19.0, "inc")
    assert [discount.name for discount in plan.discounts] == ["Always"]
    notes = "\n".join(plan.notes)
    for said in ("Free lunch", "On time", "OTHER fee (ANNUAL)"):
        assert said in notes


def test_the_sign_of_a_feed_in_can_be_turned_for_account_data():
    fit = {
        "displayName": "FiT", "scheme": "OTHER", "payerType": "RETAILER",
        "tariffUType": "singleTariff", "singleTariff": {"rates": [{"unitPrice": "-0.05"}]},
    }  # fmt: skip
    raw = document(single(("0.30",)), solarFeedInTariff=[fit])
    plan = read_cdr(raw)
    assert prices(plan, "2025-07-01 12:00", direction="export") == [-5.0]
    assert any("charge for exporting" in note for note in plan.notes)
    turned = read_cdr(raw, feed_in_sign="credit_negative")
    assert prices(turned, "2025-07-01 12:00", direction="export") == [5.0]


def demand(**more) -> dict:
    return {
        "displayName": "Peak demand", "amount": "0.20", "measureUnit": "KW",
        "startTime": "15:00", "endTime": "21:00", "days": WORKDAYS, "minDemand": "0.00",
        "measurementPeriod": "MONTH", "chargePeriod": "DAY", **more,
    }  # fmt: skip


def demand_period(*charges: dict, **more) -> dict:
    return period(
        **{
            "rateBlockUType": "demandCharges", "demandCharges": list(charges),
            "displayName": "Demand", "dailySupplyCharge": None, **more,
        }
    )  # fmt: skip


def test_an_empty_demand_window_is_refused():
    raw = document(
        single(("0.30",)), demand_period(demand(days=[], startTime="00:00", endTime="00:00"))
    )
    with pytest.raises(ValueError, match=r"tariffPeriod\[1\]\.demandCharges\[0\]\.days: names no"):
        read_cdr(raw)


def test_a_plan_of_demand_charges_only_is_read_and_says_so():
    plan = read_cdr(document(demand_period(demand())))
    assert not plan.energy
    assert any("demand charges only" in note for note in plan.notes)


def test_demand_may_be_stepped_and_a_maximum_of_zero_is_none():
    plan = read_cdr(
        document(
            single(("0.30",)),
            demand_period(
                demand(minDemand="0", maxDemand="10"), demand(amount="0.5", minDemand="10")
            ),
            demand_period(demand(minDemand="2", maxDemand="0"), displayName="Other"),
        )
    )
    assert [(d.min_kw, d.max_kw, d.band) for d in plan.demand] == [
        (0.0, 10.0, True), (10.0, math.inf, True), (2.0, math.inf, False),
    ]  # fmt: skip


@pytest.mark.parametrize("where", ["brand", "displayName", "tariff", "rate"])
def test_a_wholesale_plan_needs_the_extension_and_keeps_network_and_fees(where):
    raw = document(
        single(("0.2840",), displayName="Usage (estimate)" if where == "tariff" else "Usage"),
        single(("0.05",), type="NETWORK", dailySupplyCharge="0.50"),
        fees=[{"type": "MEMBERSHIP", "term": "MONTHLY", "amount": "20.00",
               "description": "$22.00 inc GST"}],
    )  # fmt: skip
    if where == "rate":
        raw["data"]["electricityContract"]["tariffPeriod"][0]["singleRate"]["displayName"] = (
            "General usage (Estimate)"
        )
    if where == "brand":
        raw["data"]["brand"] = "amber"
    elif where == "displayName":
        raw["data"]["displayName"] = "Wholesale (estimate)"
    with pytest.raises(ValueError, match=r"only an estimate; add an x-extension\.wholesale"):
        read_cdr(raw)
    wholesale = {
        "price": "spot", "region": "NSW1", "loss_factor_import": 1.05, "loss_factor_export": 1.04,
    }  # fmt: skip
    plan = read_cdr(raw, extension={"schema": "hes-tariff-ext/1", "wholesale": wholesale})
    imports = [charge for charge in plan.energy if charge.direction == "import"]
    assert [charge.component for charge in imports] == ["network", "wholesale"]
    assert {charge.amount_aud for charge in plan.fixed} == {1.0, 0.5, 20.0}
    assert plan.fixed[-1].gst == "ex"  # 20.00 x 1.1 is the 22.00 of the description


# Public holidays --------------------------------------------------------------------------------


def test_public_holidays_have_the_rate_that_names_them():
    """Friday 25 April 2025 is Anzac Day."""
    off = copy.deepcopy(OFF)
    off["timeOfUse"][1]["days"] = [*WEEKEND, "PUBLIC_HOLIDAYS"]
    plan = read_cdr(document(period(PEAK, off)))
    assert prices(plan, "2025-04-25 16:00", "2025-04-24 16:00", "2025-04-26 16:00") == [
        22.0, 44.0, 22.0,
    ]  # fmt: skip


def test_business_days_leave_public_holidays_to_the_weekend():
    peak = tou("PEAK", "0.40", time("15:00", "21:00", ["BUSINESS_DAYS"]))
    off = tou(
        "OFF_PEAK", "0.20", time("21:00", "15:00", ["BUSINESS_DAYS"]),
        time("00:00", "24:00", WEEKEND),
    )  # fmt: skip
    plan = read_cdr(document(period(peak, off)))
    assert prices(plan, "2025-04-25 16:00", "2025-04-24 16:00") == [22.0, 44.0]


def test_a_plan_that_never_mentions_holidays_bills_them_by_weekday_and_says_so():
    plan = read_cdr(document(period(PEAK, OFF)))
    assert prices(plan, "2025-04-25 16:00") == [44.0]
    assert any("public holidays are billed by their weekday" in note for note in plan.notes)


# Shapes that retailers really publish -----------------------------------------------------------


def test_an_off_peak_that_covers_everything_yields_to_the_peak():
    raw = document(
        period(PEAK, tou("SHOULDER", "0.30", time("07:00", "22:00", WORKDAYS)),
               tou("OFF_PEAK", "0.20", time("00:00", "23:59")))
    )  # fmt: skip
    plan = read_cdr(raw)
    assert prices(
        plan, "2025-07-01 16:00", "2025-07-01 12:00", "2025-07-01 23:00", "2025-07-05 16:00"
    ) == [44.0, 33.0, 22.0, 22.0]
    assert prices(plan, "2025-04-25 16:00") == [44.0]
    assert any("overlaps" in note for note in plan.notes)


def test_a_zero_price_written_as_a_hair_above_zero_is_kept():
    free = tou("OFF_PEAK", "0.000001", time("11:00", "14:00"))
    rest = tou("PEAK", "0.36", time("14:00", "11:00"))
    assert prices(read_cdr(document(period(free, rest))), "2025-07-01 12:00") == [0.00011]


def feed_in(name: str, *rates: dict, start: str, end: str, kind: str = "PEAK") -> dict:
    return {
        "displayName": name, "scheme": "OTHER", "payerType": "RETAILER",
        "tariffUType": "timeVaryingTariffs",
        "timeVaryingTariffs": [
            {"type": kind, "period": "P1D", "rates": list(rates),
             "timeVariations": [time(start, end)]}
        ],
    }  # fmt: skip


TWO_WAY = [
    {
        "displayName": "Solar", "scheme": "OTHER", "payerType": "RETAILER",
        "tariffUType": "singleTariff", "singleTariff": {"rates": [{"unitPrice": "0.04"}]},
    },
    feed_in("Export", {"unitPrice": "0.04", "volume": 6.85}, start="10:00", end="14:59"),
    feed_in("Export", {"unitPrice": "0.027"}, start="10:00", end="14:59"),
    feed_in("Export", {"unitPrice": "0.082"}, start="16:00", end="20:59", kind="OFF_PEAK"),
]  # fmt: skip


def test_feed_in_tariffs_side_by_side_are_alternatives_and_the_first_is_used():
    plan = read_cdr(document(single(("0.30",)), solarFeedInTariff=TWO_WAY))
    exports = [charge for charge in plan.energy if charge.direction == "export"]
    assert [charge.name for charge in exports] == ["feed-in Solar"]
    assert sum("taken as an alternative" in note for note in plan.notes) == 3


def test_a_chosen_feed_in_joins_a_capped_part_with_its_balance():
    plan = read_cdr(document(single(("0.30",)), solarFeedInTariff=TWO_WAY), feed_in=["Export"])
    index = pd.date_range("2025-06-30T14:00Z", periods=48, freq="30min")
    hour = np.arange(48) / 2
    export = np.where((hour >= 10) & (hour < 15), 1.0, 0.0) + np.where(hour == 17, 2.0, 0.0)
    export[0] = 5.0  # at midnight nothing is paid
    made = bill(compile_tariff(plan, index), np.zeros(48), export)
    paid = made.by_line().query("kind == 'export'")["amount_aud"].sum()
    assert paid == pytest.approx(-(6.85 * 0.04 + 3.15 * 0.027 + 2.0 * 0.082))
    assert any("no feed-in is paid at some hours" in note for note in plan.notes)


def test_government_and_premium_schemes_are_not_applied():
    old = {**TWO_WAY[0], "displayName": "Old", "scheme": "PREMIUM"}
    state = {**TWO_WAY[0], "displayName": "State", "payerType": "GOVERNMENT"}
    plan = read_cdr(document(single(("0.30",)), solarFeedInTariff=[old, state]))
    assert not [charge for charge in plan.energy if charge.direction == "export"]
    assert sum("not applied" in note for note in plan.notes) == 2


def test_each_controlled_load_is_a_circuit_with_one_supply_charge():
    rate = {"dailySupplyCharge": "0.05", "rates": [{"unitPrice": "0.10"}]}
    loads = [
        {"displayName": "CL1", "rateBlockUType": "singleRate", "singleRate": rate},
        {"displayName": "CL2", "rateBlockUType": "timeOfUseRates", "timeOfUseRates": [
            {**rate, "type": "OFF_PEAK", "timeOfUse": [time("22:00", "07:00")]},
            {**rate, "type": "SHOULDER", "timeOfUse": [time("07:00", "22:00")]},
        ]},
    ]  # fmt: skip
    plan = read_cdr(document(single(("0.30",)), controlledLoad=loads))
    assert [(c.channel, c.amount_aud) for c in plan.fixed] == [
        ("general", 1.0), ("controlled_load", 0.05), ("controlled_load_2", 0.05),
    ]  # fmt: skip
    index = pd.date_range("2025-06-30T14:00Z", periods=48, freq="30min")
    made = bill(compile_tariff(plan, index), np.zeros(48), controlled_load_kwh=np.ones(48))
    assert made.total_aud == pytest.approx((1.0 + 0.05 + 4.8) * 1.1)


def test_the_data_inside_the_response_may_be_given_alone():
    raw = document(single(("0.30",)))
    assert read_cdr(raw["data"]) == read_cdr(raw)


# What cannot be read ----------------------------------------------------------------------------


def broken(*path, value) -> dict:
    """A sound plan with one value replaced."""
    raw = document(period(copy.deepcopy(PEAK), copy.deepcopy(OFF)), demand_period(demand()))
    place = raw["data"]
    for key in path[:-1]:
        place = place[key]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return raw


TP = ("electricityContract", "tariffPeriod", 0)
RATE = (*TP, "timeOfUseRates", 0)
DEMAND = ("electricityContract", "tariffPeriod", 1, "demandCharges", 0)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (broken(*RATE, "rates", 0, "unitPrice", value="$0.4"), r"unitPrice: must be a number"),
        (broken(*RATE, "rates", 0, "unitPrice", value=""), r"\[0\]\.unitPrice: must be a number"),
        (broken(*RATE, "rates", value=[]), r"timeOfUseRates\[0\]\.rates: is empty"),
        (broken(*RATE, "rates", value=None), r"timeOfUseRates\[0\]: rates is missing"),
        (broken(*RATE, "rates", 0, "measureUnit", value="KVA"), r"measureUnit: 'KVA' is not"),
        (broken(*RATE, "timeOfUse", value=[]), r"timeOfUse: is empty"),
        (broken(*RATE, "timeOfUse", 0, "days", value=["MOM"]), r"unknown day 'MOM'.*'MON'"),
        (broken(*RATE, "timeOfUse", 0, "startTime", value="3pm"), r"startTime: must be a time"),
        (broken(*RATE, "timeOfUse", 0, "startTime", value="25:00"), r"startTime: must be a time"),
        (broken(*RATE, "timeOfUse", 0, "endTime", value="15:00"), r"startTime equals endTime"),
        (broken(*RATE, "timeOfUse", 0, "endTime", value="20:00"), r"no rate covers Monday 20:00"),
        (broken(*RATE, "timeOfUse", 0, "endTime", value="22:00") | {}, r""),
        (broken(*TP, "rateBlockUType", value="timeOfUseRate"), r"rateBlockUType: .*timeOfUseRates"),
        (broken(*TP, "rateBlockUType", value="singleRate"), r"there is no singleRate"),
        (broken(*TP, "startDate", value="02-01"), r"no energy rate covers 01-01"),
        (broken(*TP, "startDate", value="2025"), r"startDate: must be a day written mm-dd"),
        (broken(*DEMAND, "chargePeriod", value="WEEK"), r"chargePeriod: 'WEEK' is not one of DAY"),
        (broken(*DEMAND, "measurementPeriod", value=None), r"measurementPeriod is missing"),
        (broken(*DEMAND, "amount", value=None), r"demandCharges\[0\]: amount is missing"),
        (broken(*DEMAND, "minDemand", value="-1"), r"demandCharges\[0\]: min_kw is -1"),
        (broken("electricityContract", "timeZone", value="AEDT"), r"timeZone: 'AEDT' is not one"),
        (broken("electricityContract", "tariffPeriod", value=None), r"tariffPeriod is missing"),
        (broken("electricityContract", "tariffPeriod", value=[]), r"holds no energy rate"),
        (broken("electricityContract", value=None), r"electricityContract is missing"),
        (broken("fuelType", value="GAS"), r"fuelType: is 'GAS'; only electricity"),
        (broken("geography", value={"distributors": ["Nowhere"]}), r"give timezone"),
        (broken("plans", value=[]), r"is a list of plans"),
        ({"data": [1, 2]}, r"data: must be a table, not \[1, 2\]"),
    ],
)  # fmt: skip
def test_a_plan_with_one_flaw_is_refused_by_its_place(raw, said):
    if not said:  # an overlap of one hour is settled for the peak
        assert prices(read_cdr(raw), "2025-07-01 21:30") == [44.0]
        return
    with pytest.raises(ValueError, match=said):
        read_cdr(raw)


def test_two_peaks_at_once_are_refused():
    twice = tou("PEAK", "0.50", time("18:00", "21:00"))
    with pytest.raises(ValueError, match=r"timeOfUseRates\[1\]: overlaps .*Monday 18:00-21:00"):
        read_cdr(document(period(PEAK, twice, OFF)))


@pytest.mark.parametrize("volumes", [(10, 10), (20, 10), (0, 5)])
def test_steps_that_do_not_rise_are_refused(volumes):
    rates = [("0.1", volumes[0]), ("0.2", volumes[1]), ("0.3",)]
    with pytest.raises(ValueError, match=r"singleRate\.rates.*volume"):
        read_cdr(document(single(*rates)))


def test_an_unknown_feed_in_name_is_answered_with_the_near_ones():
    with pytest.raises(ValueError, match=r"no feed-in tariff is named 'Exprot'; did you mean 'Exp"):
        read_cdr(document(single(("0.30",)), solarFeedInTariff=TWO_WAY), feed_in=["Exprot"])


def test_a_file_that_is_not_json_is_named(tmp_path):
    path = tmp_path / "plan.json"
    path.write_text("<html>")
    with pytest.raises(ValueError, match=r"plan\.json: not a JSON document"):
        load_cdr(path)
    path.write_text(json.dumps([1]))
    with pytest.raises(ValueError, match=r"plan\.json: document: must be a table"):
        load_cdr(path)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("loss_factor_import", 104.5, r"x-extension\.wholesale: loss_factor is 104"),
        ("loss_factors", 1.0, r"x-extension\.wholesale: unknown key 'loss_factors'"),
        ("price", "fixed", r"x-extension\.wholesale\.price: 'fixed'"),
    ],
)
def test_a_flaw_in_the_extension_is_refused_by_its_place(key, value, said):
    wholesale = {
        "price": "spot", "region": "NSW1", "loss_factor_import": 1.05, "loss_factor_export": 1.04,
        key: value,
    }  # fmt: skip
    extension = {"schema": "hes-tariff-ext/1", "wholesale": wholesale}
    with pytest.raises(ValueError, match=said):
        read_cdr(document(single(("0.30",))), extension=extension)


def test_an_estimate_in_a_description_does_not_make_a_plan_wholesale():
    raw = document(single(("0.30",), description="Bills may be based on an estimate"))
    assert prices(read_cdr(raw), "2025-07-01 12:00") == [33.0]


def test_a_plan_is_valid_from_the_local_day_of_its_instant():
    raw = document(single(("0.30",)))
    raw["data"]["effectiveFrom"] = "2026-03-31T13:00:00Z"
    assert str(read_cdr(raw).valid_from) == "2026-04-01"


def leaves(value, path=()):
    """Every place of a document."""
    yield path
    inside = value.items() if isinstance(value, dict) else ()
    inside = enumerate(value) if isinstance(value, list) else inside
    for key, child in inside:
        yield from leaves(child, (*path, key))


STRANGE = (None, -1, 1e308, "", "x", "1,2,3", [], {}, True, [None], {"a": 1}, "24:60")


def test_whatever_stands_in_a_plan_it_is_read_or_refused_with_a_place():
    sound = document(
        period(copy.deepcopy(PEAK), copy.deepcopy(OFF)),
        demand_period(demand()),
        solarFeedInTariff=copy.deepcopy(TWO_WAY),
        controlledLoad=[single(("0.1", 5), ("0.2",))],
        fees=[{"type": "MEMBERSHIP", "term": "MONTHLY", "amount": "1"}],
        discounts=[{"displayName": "d", "type": "GUARANTEED", "methodUType": "percentOfUse",
                    "percentOfUse": {"rate": "0.05"}}],
        incentives=[{"displayName": "i"}],
    )  # fmt: skip
    read_cdr(sound)
    for path in leaves(sound):
        for strange in STRANGE if path else ():
            raw = copy.deepcopy(sound)
            place = raw
            for key in path[:-1]:
                place = place[key]
            place[path[-1]] = strange
            try:
                read_cdr(raw)
            except ValueError as refused:
                assert ":" in str(refused), (path, strange, refused)  # noqa: PT017
