"""Bills against hand-worked cases, SAM, the reference vectors, and what must hold for any plan."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy_pipeline.model.bill import Bill, bill, bill_frame, round_aud
from energy_pipeline.model.bill_summary import annualise, wholesale_baseline
from energy_pipeline.model.tariff import (
    BlockPrice,
    DemandCharge,
    Discount,
    EnergyCharge,
    FixedCharge,
    FlatPrice,
    SeriesPrice,
    SpotPrice,
    Tariff,
    Tier,
    Window,
)
from energy_pipeline.model.tariff_compile import compile_tariff

SYDNEY = "Australia/Sydney"
NEM = "Australia/Brisbane"
WEEKDAYS = frozenset(range(5))
EVENING = Window(start_minute=15 * 60, end_minute=21 * 60)


def oracle(name: str) -> dict:
    path = Path(__file__).parents[3] / "shared" / "oracles" / name
    if not path.exists():
        pytest.skip(f"{name} is kept outside the project")
    return json.loads(path.read_text())


def span(first: str, last: str, minutes: int = 30, timezone: str = SYDNEY) -> pd.DatetimeIndex:
    start = pd.Timestamp(first, tz=timezone).tz_convert("UTC")
    end = pd.Timestamp(last, tz=timezone).tz_convert("UTC")
    return pd.date_range(start, end, freq=f"{minutes}min")[:-1]


def flat(rate: float, *windows: Window, gst="ex", direction="import", name="flat", **more):
    return EnergyCharge(
        name=name,
        direction=direction,
        price=FlatPrice(rate_aud_per_kwh=rate),
        gst=gst,
        windows=windows,
        **more,
    )


def blocks(*tiers: tuple[float, float], period="month", direction="import", **more):
    price = BlockPrice(
        period=period,
        tiers=tuple(Tier(up_to_kwh=up, rate_aud_per_kwh=rate) for up, rate in tiers),
        per_day=more.pop("per_day", False),
    )
    return EnergyCharge(name="blocks", direction=direction, price=price, gst="none", **more)


def plan(*energy: EnergyCharge, timezone: str = SYDNEY, **parts) -> Tariff:
    return Tariff(name="plan", timezone=timezone, energy=energy, **parts)


SUPPLY = FixedCharge(name="supply", amount_aud=1.0, unit="day", gst="ex")
INF = float("inf")


def test_a_time_of_use_bill_is_what_a_pencil_makes_of_it():
    """July 2025: 31 days, 23 of them weekdays; 0.5 kWh and 0.2 kWh every half hour."""
    index = span("2025-07-01", "2025-08-01")
    peak = replace(EVENING, days=WEEKDAYS)
    rest = (
        replace(EVENING, days=frozenset({5, 6})),
        Window(start_minute=21 * 60, end_minute=15 * 60),
    )
    tariff = plan(
        flat(0.50, peak, name="peak"),
        flat(0.20, *rest, name="off-peak"),
        flat(0.05, direction="export", gst="none", name="feed-in"),
        fixed=(SUPPLY, FixedCharge(name="member", amount_aud=22.0, unit="month", gst="inc")),
    )
    made = bill(compile_tariff(tariff, index), np.full(len(index), 0.5), np.full(len(index), 0.2))
    lines = made.by_line().set_index("line")
    assert lines.loc["peak", "quantity"] == pytest.approx(23 * 12 * 0.5)
    assert lines.loc["peak", "ex_gst_aud"] == pytest.approx(69.0)
    assert lines.loc["off-peak", "ex_gst_aud"] == pytest.approx((31 * 48 - 23 * 12) * 0.1)
    assert lines.loc["feed-in", "amount_aud"] == pytest.approx(-31 * 48 * 0.2 * 0.05)
    assert lines.loc["feed-in", "gst_aud"] == 0.0
    assert lines.loc["supply", "amount_aud"] == pytest.approx(34.1)
    assert lines.loc["member", "ex_gst_aud"] == pytest.approx(20.0)
    assert made.gst_aud == pytest.approx(6.9 + 12.12 + 3.1 + 2.0)
    assert made.total_aud == pytest.approx(75.9 + 133.32 - 14.88 + 34.1 + 22.0)
    assert made.energy_only_ex_gst_aud == pytest.approx(69.0 + 121.2 - 14.88)
    assert str(round_aud(made.total_aud)) == "250.44"


def test_money_is_rounded_half_up_to_the_cent_only_at_the_end():
    assert [str(round_aud(x)) for x in (0.125, 14.535, 1.005, -0.125, 14.534999999999998)] == [
        "0.13", "14.54", "1.01", "-0.13", "14.54",
    ]  # fmt: skip


def test_the_reference_vectors_of_blocks_demand_and_export_hold():
    vectors = {v["id"]: v for v in oracle("tariff_vectors.json")["vectors"]}
    index = span("2025-07-01", "2025-10-01", 30)
    month = index.tz_convert(SYDNEY).month.to_numpy()

    case = vectors["block-monthly"]
    kwh = np.zeros(len(index))
    for m, total in zip((7, 8, 9), case["inputs"]["month_kwh"], strict=True):
        kwh[month == m] = total / (month == m).sum()
    made = bill(compile_tariff(plan(blocks((300, 0.25), (INF, 0.35))), index), kwh)
    assert made.by_month()["amount_aud"].tolist() == pytest.approx(case["expected_dollars"])

    case = vectors["stepped-daily-feedin"]
    days = span("2025-07-01", "2025-07-04", 30)
    stepped = blocks((8, 0.15), (INF, 0.05), period="day", direction="export")
    each = []
    for k, total in enumerate(case["inputs"]["day_exports_kwh"]):
        kwh = np.zeros(len(days))
        kwh[48 * k + 20 : 48 * k + 30] = total / 10
        each.append(-bill(compile_tariff(plan(stepped), days), kwh * 0, kwh).total_aud)
    assert each == pytest.approx(case["expected_dollars"])

    case = vectors["export-two-way-ea029"]
    july = span("2025-07-01", "2025-08-01", 30)
    hour = july.tz_convert(SYDNEY).hour.to_numpy()
    free, soak = (hour >= 10) & (hour < 15), (hour >= 16) & (hour < 21)
    kwh = np.where(free, case["inputs"]["export_10_15_kwh"] / free.sum(), 0.0)
    kwh += np.where(soak, case["inputs"]["export_16_21_kwh"] / soak.sum(), 0.0)
    noon, evening = (
        Window(start_minute=600, end_minute=900),
        Window(start_minute=960, end_minute=1260),
    )
    tariff = plan(
        blocks((6.85, 0.0), (INF, -0.01232), per_day=True, direction="export", windows=(noon,)),
        flat(0.038551, evening, gst="none", direction="export"),
    )
    lines = bill(compile_tariff(tariff, july), kwh * 0, kwh).by_line()["amount_aud"] * 100
    assert lines[0] == pytest.approx(case["expected_charge_c"], abs=1e-9)
    assert lines[1] == pytest.approx(-case["expected_reward_c"], abs=1e-9)

    case = vectors["demand-amber-example"]["inputs"]
    demand = DemandCharge(
        name="demand",
        rate_aud_per_kw=case["rate_c_per_kw_day"] / 100,
        gst="ex",
        windows=(EVENING,),
    )
    kwh = np.where(hour == 17, case["peak_kw"] / 2, 0.1)
    made = bill(compile_tariff(plan(demand=(demand,)), july), kwh)
    expected = vectors["demand-amber-example"]
    assert made.lines[0].ex_gst_aud[0] == pytest.approx(expected["expected_ex_gst"])
    assert made.total_aud == pytest.approx(expected["expected_inc_gst"], abs=5e-7)

    case = vectors["demand-half-hour-from-5min"]
    index = pd.date_range("2025-07-01T06:00Z", periods=12, freq="5min")
    kwh = np.array(case["inputs"]["kwh_5min"] + [0.0] * 6)
    made = bill(compile_tariff(plan(demand=(demand,)), index), kwh)
    assert made.lines[0].quantity[0] == pytest.approx(case["expected_kw"])


@pytest.fixture(scope="module")
def sam():
    """SAM's year starts on a Monday, so the hours of 2025 are laid on 2018, NEM time."""
    profiles = oracle("profiles_hourly.json")
    load, gen = np.array(profiles["load_kw"]), np.array(profiles["gen_kw"])
    net = load - gen
    return {
        "cases": oracle("pysam_utilityrate.json")["cases"],
        "index": span("2018-01-01", "2019-01-01", 60, NEM),
        "with": (np.maximum(net, 0), np.maximum(-net, 0)),
        "without": (load, np.zeros(8760)),
        "series": (np.array(profiles["buy"]), np.array(profiles["sell"])),
    }


def test_five_bills_agree_with_sam_to_four_decimals(sam):
    fixed = FixedCharge(name="fixed", amount_aud=33.458333, unit="month", gst="none")
    peak = replace(EVENING, days=WEEKDAYS)
    soak = Window(start_minute=600, end_minute=900)
    night = Window(start_minute=1260, end_minute=600)
    rest = (night, replace(EVENING, days=frozenset({5, 6})))
    index = sam["index"]

    def none(rate, *windows, direction="import"):
        return flat(rate, *windows, gst="none", direction=direction)

    def series(column, direction):
        price = SeriesPrice(column=column)
        return EnergyCharge(name=column, direction=direction, price=price, gst="none")

    demand = DemandCharge(
        name="demand", rate_aud_per_kw=10.0, gst="none", windows=(peak,), charged_per="month",
        mean_minutes=60,
    )  # fmt: skip
    both = (none(0.33), none(0.05, direction="export"))
    tariffs = [
        plan(*both, fixed=(fixed,), timezone=NEM),
        plan(
            none(0.55, peak), none(0.18, soak), none(0.30, *rest),
            none(0.10, peak, direction="export"), none(0.02, soak, direction="export"),
            none(0.05, *rest, direction="export"), fixed=(fixed,), timezone=NEM,
        ),
        plan(blocks((300, 0.25), (INF, 0.35)), fixed=(fixed,), timezone=NEM),
        plan(*both, fixed=(fixed,), demand=(demand,), timezone=NEM),
        plan(series("buy", "import"), series("sell", "export"), fixed=(fixed,), timezone=NEM),
    ]  # fmt: skip
    buy, sell = (pd.Series(values * 100, index) for values in sam["series"])
    for case, tariff in zip(sam["cases"], tariffs, strict=True):
        compiled = compile_tariff(tariff, index, series={"buy": buy, "sell": sell})
        with_solar = "no solar" not in case["name"]
        made = bill(compiled, *sam["with" if with_solar else "without"])
        result = case["result"]
        assert made.total_aud == pytest.approx(result["bill_with_system_year1"], abs=5e-5)
        assert made.by_month()["amount_aud"].tolist() == pytest.approx(
            result["monthly_with"], abs=5e-5
        )
        made = bill(compiled, *sam["without"])
        assert made.total_aud == pytest.approx(result["bill_without_system_year1"], abs=5e-5)


def sam_bill(utility, imported, exported, energy, schedule, demand_aud_per_kw) -> float:
    """First-year bill of SAM; demand is charged on period 1, the energy schedule is shared."""
    model = utility.new()
    rows = [[k, 1, 1e38, demand_aud_per_kw if k == 1 else 0.0] for k in (1, 2, 3)]
    model.ElectricityRates.assign({
        "en_electricity_rates": 1, "ur_metering_option": 2, "ur_monthly_fixed_charge": 25.0,
        "ur_monthly_min_charge": 0, "ur_annual_min_charge": 0, "ur_en_ts_sell_rate": 0,
        "ur_en_ts_buy_rate": 0, "ur_sell_eq_buy": 0, "ur_nm_yearend_sell_rate": 0,
        "ur_nm_credit_month": 0, "ur_nm_credit_rollover": 0, "rate_escalation": [0],
        "TOU_demand_single_peak": 0, "ur_ec_tou_mat": energy,
        "ur_ec_sched_weekday": schedule[0].tolist(), "ur_ec_sched_weekend": schedule[1].tolist(),
        "ur_dc_enable": 1, "ur_dc_tou_mat": rows,
        "ur_dc_flat_mat": [[month, 1, 1e38, 0.0] for month in range(12)],
        "ur_dc_sched_weekday": schedule[0].tolist(), "ur_dc_sched_weekend": schedule[1].tolist(),
    })  # fmt: skip
    model.Load.assign({"load": imported.tolist(), "load_escalation": [0]})
    model.SystemOutput.assign({"gen": exported.tolist(), "degradation": [0]})
    model.Lifetime.assign(
        {"analysis_period": 1, "inflation_rate": 0, "system_use_lifetime_output": 0}
    )
    model.execute()
    return model.Outputs.utility_bill_w_sys_year1


def scheduled(schedule: np.ndarray, period: int) -> tuple[Window, ...]:
    """The hours of a period in a SAM schedule of weekday and weekend by month and hour."""
    return tuple(
        Window(
            start_minute=hour * 60,
            end_minute=hour * 60 + 60,
            days=(WEEKDAYS, frozenset({5, 6}))[kind],
            seasons=((month * 100 + 101, month * 100 + 131),),
        )
        for kind, month, hour in np.argwhere(schedule == period)
    )


@pytest.mark.parametrize("seed", range(4))
def test_random_tariffs_agree_with_sam(sam, seed):
    """Odd seeds: three random times of use with demand; even ones: two random monthly blocks."""
    utility = pytest.importorskip("PySAM.Utilityrate5")
    rng = np.random.default_rng(seed)
    index = sam["index"]
    imported, exported = (part * rng.uniform(0.2, 2.0, 8760) for part in sam["with"])
    buy, sell, power = rng.uniform(0.1, 0.6, 3), rng.uniform(0.0, 0.1, 3), rng.uniform(2.0, 9.0)
    if seed % 2:
        schedule = rng.integers(1, 4, size=(2, 12, 24))
        matrix = [[k + 1, 1, 1e38, 0, buy[k], sell[k]] for k in range(3)]
        hours = [scheduled(schedule, k + 1) for k in range(3)]
        charges = [flat(buy[k], *hours[k], gst="none") for k in range(3)]
        charges += [flat(sell[k], *hours[k], gst="none", direction="export") for k in range(3)]
    else:
        schedule = np.ones((2, 12, 24), dtype=int)
        cut = rng.uniform(100, 400)
        matrix = [[1, 1, cut, 0, buy[0], sell[0]], [1, 2, 1e38, 0, buy[1], sell[0]]]
        hours = [scheduled(schedule, 1)]
        charges = [
            blocks((cut, buy[0]), (INF, buy[1])),
            flat(sell[0], gst="none", direction="export"),
        ]
    demand = DemandCharge(
        name="demand", rate_aud_per_kw=power, gst="none", windows=hours[0], charged_per="month",
        mean_minutes=60,
    )  # fmt: skip
    fixed = FixedCharge(name="fixed", amount_aud=25.0, unit="month", gst="none")
    tariff = plan(*charges, fixed=(fixed,), demand=(demand,), timezone=NEM)
    made = bill(compile_tariff(tariff, index), imported, exported)
    assert made.total_aud == pytest.approx(
        sam_bill(utility, imported, exported, matrix, schedule, power), abs=1e-4
    )


# Demand ---------------------------------------------------------------------------------------


def demand_bill(
    kwh_at: dict[str, float], index: pd.DatetimeIndex, timezone=SYDNEY, **charge
) -> Bill:
    kwh = pd.Series(0.0, index)
    for moment, value in kwh_at.items():
        kwh[pd.Timestamp(moment, tz=timezone).tz_convert("UTC")] = value
    parts = {"name": "demand", "rate_aud_per_kw": 1.0, "gst": "none", "windows": (EVENING,)}
    tariff = plan(demand=(DemandCharge(**{**parts, **charge}),), timezone=timezone)
    return bill(compile_tariff(tariff, index), kwh)


def test_demand_counts_whole_clock_half_hours_and_not_sliding_ones():
    index = span("2025-07-01", "2025-08-01", 5)
    late = {f"2025-07-02 17:{m}": 0.5 for m in (15, 20, 25)}
    early = {f"2025-07-02 17:{m}": 0.5 for m in (30, 35, 40)}
    assert demand_bill({**late, **early}, index).lines[0].quantity[0] == pytest.approx(3.0)


@pytest.mark.parametrize(("clock", "kw"), [("local", 0.0), ("nem", 4.0)])
def test_demand_windows_follow_their_clock_in_summer(clock, kw):
    """21:30 in Sydney's summer is 20:30 on the market's clock."""
    made = demand_bill({"2025-01-10 21:30": 2.0}, span("2025-01-01", "2025-02-01"), clock=clock)
    assert made.lines[0].quantity[0] == pytest.approx(kw)


def test_in_adelaide_the_half_hours_of_the_clock_are_measured():
    index = span("2025-07-01", "2025-08-01", 5, "Australia/Adelaide")
    full = {f"2025-07-02 17:{m:02d}": 0.5 for m in range(30, 60, 5)}
    made = demand_bill(full, index, timezone="Australia/Adelaide")
    assert made.lines[0].quantity[0] == pytest.approx(6.0)


@pytest.mark.parametrize(
    ("measured", "charged", "expected"),
    [
        # 4 kW on 2 July, 2 kW on 3 August; the season is July and August, 62 days.
        ("day", "day", 4.0 + 2.0),
        ("month", "day", 4.0 * 31 + 2.0 * 31),
        ("month", "month", 4.0 + 2.0),
        ("tariff_period", "day", 4.0 * 62),
        ("tariff_period", "month", 4.0 * 2),
        ("tariff_period", "tariff_period", 4.0),
        ("day", "month", (4.0 + 2.0) / 31),
    ],
)
def test_demand_is_measured_and_charged_over_any_pair_of_periods(measured, charged, expected):
    index = span("2025-06-01", "2025-10-01")
    window = replace(EVENING, seasons=((701, 831),))
    peaks = {"2025-07-02 17:00": 2.0, "2025-08-03 17:00": 1.0, "2025-09-04 17:00": 5.0}
    made = demand_bill(peaks, index, measured_over=measured, charged_per=charged, windows=(window,))
    assert made.total_aud == pytest.approx(expected)


def test_demand_below_the_minimum_is_billed_as_the_minimum_only_in_season():
    index = span("2025-06-01", "2025-08-01")
    window = replace(EVENING, seasons=((701, 831),))
    made = demand_bill({}, index, min_kw=3.0, charged_per="month", windows=(window,))
    assert made.by_month()["amount_aud"].tolist() == pytest.approx([0.0, 3.0])


def test_steps_of_demand_are_each_charged_on_their_own_part():
    index = span("2025-07-01", "2025-08-01")
    for kw, expected in ((4.0, 4.0), (12.0, 10.0)):
        for lo, hi, part in ((0.0, 10.0, expected), (10.0, INF, kw - expected)):
            made = demand_bill(
                {"2025-07-02 17:00": kw / 2}, index, min_kw=lo, max_kw=hi, band=True,
                charged_per="month",
            )  # fmt: skip
            assert made.total_aud == pytest.approx(part)


def test_a_gap_leaves_a_demand_known_to_be_no_more_than_a_lower_bound():
    index = span("2025-07-01", "2025-08-01", 5)
    kwh = pd.Series(0.01, index)
    kwh[pd.Timestamp("2025-07-03 17:10", tz=SYDNEY).tz_convert("UTC")] = np.nan
    tariff = plan(
        demand=(DemandCharge(name="d", rate_aud_per_kw=1.0, gst="none", windows=(EVENING,)),)
    )
    made = bill(compile_tariff(tariff, index), kwh, gaps="report")
    assert any("1 of 372 demand intervals" in note for note in made.notes)


# Gaps and coverage ----------------------------------------------------------------------------


def test_a_gap_is_refused_by_default_and_named():
    index = span("2025-07-01", "2025-07-02")
    kwh = np.full(48, 0.5)
    kwh[5] = np.nan
    with pytest.raises(ValueError, match=r"1 of 48 intervals .* 2025-06-30 16:30:00\+00:00"):
        bill(compile_tariff(plan(flat(0.3)), index), kwh)


def test_a_reported_gap_is_left_out_and_counted_beside_its_month():
    index = span("2025-07-01", "2025-08-16")
    kwh = np.full(len(index), 0.5)
    kwh[:96] = np.nan
    compiled = compile_tariff(plan(flat(0.3), fixed=(SUPPLY,)), index)
    made = bill(compiled, kwh, gaps="report")
    months = made.by_month()
    assert months["expected_intervals"].tolist() == [31 * 48, 31 * 48]
    assert months["covered_intervals"].tolist() == [31 * 48, 15 * 48]
    assert months["known_intervals"].tolist() == [29 * 48, 15 * 48]
    assert months["import_aud"].tolist() == pytest.approx([29 * 48 * 0.165, 15 * 48 * 0.165])
    assert months["fixed_aud"].tolist() == pytest.approx([34.1, 16.5])
    assert made.coverage_fraction == pytest.approx(44 / 62)


def test_an_unknown_price_makes_its_interval_unknown():
    index = span("2025-07-01", "2025-07-02")
    spot = EnergyCharge(name="spot", direction="import", price=SpotPrice(region="NSW1"), gst="ex")
    prices = pd.Series(100.0, index[:-1])  # the last one is not there
    compiled = compile_tariff(plan(spot), index, series={"NSW1": prices})
    with pytest.raises(ValueError, match="1 of 48 intervals"):
        bill(compiled, np.ones(48))
    made = bill(compiled, np.ones(48), gaps="report")
    assert made.total_aud == pytest.approx(47 * 0.1 * 1.1)
    assert made.known_intervals.tolist() == [47]


def test_months_that_are_not_there_are_not_made_up():
    index = span("2025-07-01", "2025-08-01")
    made = bill(compile_tariff(plan(flat(0.3, gst="none")), index), np.full(len(index), 1.0))
    assert made.by_year().loc["2025", "months"] == 1
    year = annualise(made)
    assert year.amount_aud == pytest.approx(0.3 * 48 * 365)
    assert "1 of 12 calendar months" in year.statement
    assert "11 calendar months not seen" in year.statement


def test_a_year_of_full_months_is_not_scaled():
    index = span("2025-01-01", "2026-01-01")
    made = bill(compile_tariff(plan(flat(0.3), fixed=(SUPPLY,)), index), np.full(len(index), 0.4))
    year = annualise(made)
    assert year.amount_aud == pytest.approx(made.total_aud, rel=1e-12)
    assert year.statement == "Scaled to 365 days from 12 of 12 calendar months."


def test_too_little_data_makes_no_year():
    index = span("2025-07-01", "2025-07-05")
    made = bill(compile_tariff(plan(flat(0.3)), index), np.ones(len(index)))
    with pytest.raises(ValueError, match="too little to make a year"):
        annualise(made)


@pytest.mark.parametrize(
    ("kwh", "said"),
    [
        (np.full(48, -0.1), "never negative"),
        (np.full(48, np.inf), "infinite"),
        (np.ones(47), "shape"),
    ],
)
def test_an_impossible_energy_is_refused(kwh, said):
    compiled = compile_tariff(plan(flat(0.3)), span("2025-07-01", "2025-07-02"))
    with pytest.raises(ValueError, match=said):
        bill(compiled, kwh)


def test_energies_of_another_index_are_refused():
    index = span("2025-07-01", "2025-07-02")
    compiled = compile_tariff(plan(flat(0.3)), index)
    with pytest.raises(ValueError, match="import_kwh must have the index"):
        bill(compiled, pd.Series(1.0, index + pd.Timedelta("30min")))


# Fixed charges, channels, discounts -----------------------------------------------------------


def test_supply_is_one_a_day_also_when_the_clock_changes():
    for first, last, days in (
        ("2025-10-01", "2025-11-01", 31), ("2025-04-01", "2025-05-01", 30),
        ("2024-02-01", "2024-03-01", 29),
    ):  # fmt: skip
        index = span(first, last)
        made = bill(compile_tariff(plan(fixed=(SUPPLY,)), index), np.zeros(len(index)))
        assert made.lines[0].quantity.tolist() == pytest.approx([days])
        assert made.coverage_fraction == 1.0


def test_amounts_by_week_year_and_kw_installed_accrue_by_day():
    index = span("2024-02-01", "2024-03-01")
    fixed = tuple(
        FixedCharge(name=unit, amount_aud=amount, unit=unit, gst="none")
        for unit, amount in (("week", 7.0), ("year", 366.0), ("kw_installed_month", 2.0))
    )
    compiled = compile_tariff(plan(fixed=fixed), index, installed_kw=6.6)
    made = bill(compiled, np.zeros(len(index)))
    assert [line.amount_aud[0] for line in made.lines] == pytest.approx([29.0, 29.0, 13.2])
    with pytest.raises(ValueError, match="give installed_kw"):
        compile_tariff(plan(fixed=fixed), index)


def test_a_supply_charge_of_a_season_is_charged_in_season():
    index = span("2025-06-01", "2025-08-01")
    winter = replace(SUPPLY, seasons=((615, 714),), gst="none")
    made = bill(compile_tariff(plan(fixed=(winter,)), index), np.zeros(len(index)))
    assert made.lines[0].amount_aud.tolist() == pytest.approx([16.0, 14.0])


def test_a_controlled_load_is_billed_on_its_own_channel_or_not_at_all():
    index = span("2025-07-01", "2025-07-02")
    tariff = plan(
        flat(0.3, gst="none"),
        flat(0.1, gst="none", channel="controlled_load", name="hot water"),
        fixed=(replace(SUPPLY, channel="controlled_load", name="hot water supply"),),
    )
    compiled = compile_tariff(tariff, index)
    made = bill(compiled, np.ones(48), controlled_load_kwh=np.full(48, 2.0))
    assert made.total_aud == pytest.approx(48 * 0.3 + 96 * 0.1 + 1.1)
    made = bill(compiled, np.ones(48))
    assert made.total_aud == pytest.approx(48 * 0.3)
    assert made.notes == ("hot water: no controlled_load import data, so it is not charged",)
    assert compiled.import_c_per_kwh == pytest.approx(np.full(48, 30.0))
    frame = pd.DataFrame({"import_kwh": 1.0, "controlled_load_kwh": 2.0}, index)
    assert bill_frame(tariff, frame).total_aud == pytest.approx(48 * 0.3 + 96 * 0.1 + 1.1)


def test_discounts_come_off_usage_or_off_the_bill_and_never_off_the_feed_in():
    index = span("2025-07-01", "2025-07-02")
    tariff = plan(
        flat(1.0), flat(0.5, direction="export", gst="none"), fixed=(SUPPLY,),
        discounts=(
            Discount(name="use", fraction=0.1, base="usage"),
            Discount(name="all", fraction=0.01, base="bill"),
        ),
    )  # fmt: skip
    made = bill(compile_tariff(tariff, index), np.ones(48), np.ones(48))
    amounts = made.by_line().set_index("line")["amount_aud"]
    assert amounts["use"] == pytest.approx(-0.1 * 52.8)
    assert amounts["all"] == pytest.approx(-0.01 * (52.8 + 1.1))


def test_a_feed_in_below_zero_is_forgiven_only_where_the_plan_says_so():
    index = span("2025-07-01", "2025-07-02")
    charge = flat(-0.02, direction="export", gst="none")
    for forgiven, expected in ((False, 0.96), (True, 0.0)):
        tariff = plan(charge, feed_in_credit_never_negative=forgiven)
        made = bill(compile_tariff(tariff, index), np.zeros(48), np.ones(48))
        assert made.total_aud == pytest.approx(expected)


def test_spot_at_the_cap_and_the_floor_is_billed_as_it_is():
    index = pd.date_range("2025-07-01", periods=2, freq="5min", tz="UTC")
    spot = SpotPrice(region="NSW1")
    tariff = plan(
        EnergyCharge(name="in", direction="import", price=spot, gst="ex"),
        EnergyCharge(name="out", direction="export", price=spot, gst="none"),
    )
    prices = pd.Series([20300.0, -1000.0], index)
    compiled = compile_tariff(tariff, index, series={"NSW1": prices})
    made = bill(compiled, np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    assert made.lines[0].amount_aud[0] == pytest.approx((20.3 - 2.0) * 1.1)
    assert made.lines[1].amount_aud[0] == pytest.approx(-(60.9 - 4.0))


def test_the_wholesale_baseline_leaves_out_network_supply_and_gst():
    index = pd.date_range("2025-07-01", periods=2, freq="5min", tz="UTC")
    cost = wholesale_baseline(index, [1.0, 0.0], [0.0, 2.0], [80.0, np.nan])
    assert cost[0] == pytest.approx(0.08)
    assert np.isnan(cost[1])
    with pytest.raises(ValueError, match="must have shape"):
        wholesale_baseline(index, [1.0], [0.0], [80.0])


def test_yearly_blocks_may_begin_in_july_and_last_two_calendar_years():
    index = span("2025-07-01", "2026-07-01")
    kwh = np.full(len(index), 1000.0 / len(index))
    tariff = plan(blocks((400, 0.2), (INF, 0.5), period="year"), year_start_month=7)
    made = bill(compile_tariff(tariff, index), kwh)
    assert made.total_aud == pytest.approx(400 * 0.2 + 600 * 0.5)
    assert not made.notes
    calendar = bill(compile_tariff(replace(tariff, year_start_month=1), index), kwh)
    assert "its first year begins before the data" in calendar.notes[0]
    assert calendar.total_aud == pytest.approx(800 * 0.2 + 200 * 0.5, rel=2e-2)


# What must hold for any plan ------------------------------------------------------------------

INDEX = span("2025-03-25", "2025-04-10")  # a month's end and a clock change
rates = st.floats(-0.5, 1.0).map(lambda x: round(x, 4))


@st.composite
def some_windows(draw):
    start = draw(st.integers(0, 47))
    end = draw(st.integers(1, 48).filter(lambda e: e != start))
    return Window(
        start_minute=start * 30,
        end_minute=end * 30,
        days=draw(st.frozensets(st.integers(0, 6), min_size=1)),
        holiday=draw(st.sampled_from(["as_weekday", "as_weekend", "exclude", "include"])),
        seasons=draw(st.sampled_from([(), ((101, 331),), ((401, 1231),)])),
    )


charges = st.builds(
    EnergyCharge,
    name=st.just("charge"),
    direction=st.sampled_from(["import", "export"]),
    price=st.builds(FlatPrice, rate_aud_per_kwh=rates)
    | st.builds(
        lambda cut, a, b: BlockPrice(
            period="day",
            tiers=(Tier(up_to_kwh=cut, rate_aud_per_kwh=a), Tier(rate_aud_per_kwh=b)),
        ),
        st.floats(0.5, 20.0),
        rates,
        rates,
    ),
    gst=st.sampled_from(["ex", "inc", "none"]),
    windows=st.lists(some_windows(), max_size=2).map(tuple),
    clock=st.sampled_from(["local", "nem"]),
)
demands = st.builds(
    DemandCharge,
    name=st.just("demand"),
    rate_aud_per_kw=st.floats(0.0, 1.0),
    gst=st.sampled_from(["ex", "none"]),
    windows=some_windows().map(lambda w: (w,)),
    measured_over=st.just("day"),
    min_kw=st.just(0.0),
)
plans = st.builds(
    Tariff,
    name=st.just("any"),
    timezone=st.just(SYDNEY),
    holidays=st.just("AU-NSW"),
    energy=st.lists(charges, min_size=1, max_size=4).map(tuple),
    fixed=st.lists(
        st.builds(
            FixedCharge,
            name=st.just("fixed"),
            amount_aud=st.floats(0.0, 50.0),
            unit=st.sampled_from(["day", "week", "month", "year"]),
            gst=st.sampled_from(["ex", "inc", "none"]),
        ),
        max_size=2,
    ).map(tuple),
    demand=st.lists(demands, max_size=1).map(tuple),
)
energies = st.integers(0, 2**32 - 1).map(
    lambda seed: np.random.default_rng(seed).exponential(0.4, (2, len(INDEX)))
)
quick = settings(max_examples=25, deadline=None, derandomize=True)


def total(tariff: Tariff, kwh: np.ndarray, where: slice = slice(None)) -> float:
    return bill(compile_tariff(tariff, INDEX[where]), *kwh[:, where]).total_aud


@quick
@given(plans, energies)
def test_gst_is_its_share_of_what_bears_it(tariff, kwh):
    made = bill(compile_tariff(tariff, INDEX), *kwh)
    free = bill(compile_tariff(replace(tariff, gst_fraction=0.0), INDEX), *kwh)
    assert free.gst_aud == 0.0
    kinds = [charge.gst for charge in (*tariff.energy, *tariff.demand, *tariff.fixed)]
    for line, base, kind in zip(made.lines, free.lines, kinds, strict=True):
        share = {"ex": 0.1, "inc": 0.1 / 1.1, "none": 0.0}[kind]
        assert line.gst_aud == pytest.approx(base.amount_aud * share, abs=1e-9)
        with_gst = base.amount_aud * (1.1 if kind == "ex" else 1.0)
        assert line.amount_aud == pytest.approx(with_gst, abs=1e-9)


@quick
@given(plans, energies, st.integers(1, 14))
def test_a_bill_cut_at_midnight_adds_up_to_the_whole(tariff, kwh, day):
    """At midnight on both clocks: the market's charges count its own days."""
    tariff = replace(tariff, energy=tuple(replace(c, clock="local") for c in tariff.energy))
    midnight = pd.Timestamp("2025-03-25", tz=SYDNEY) + pd.DateOffset(days=day)
    cut = int(INDEX.searchsorted(midnight.tz_convert("UTC")))
    parts = total(tariff, kwh, slice(0, cut)) + total(tariff, kwh, slice(cut, None))
    assert total(tariff, kwh) == pytest.approx(parts, abs=1e-8)


@quick
@given(plans, energies)
def test_a_charge_of_zero_changes_nothing(tariff, kwh):
    more = replace(
        tariff,
        energy=(*tariff.energy, flat(0.0), flat(0.0, EVENING, direction="export")),
        demand=(*tariff.demand, DemandCharge(name="z", rate_aud_per_kw=0.0, gst="ex")),
    )
    assert total(more, kwh) == pytest.approx(total(tariff, kwh), abs=1e-9)


@quick
@given(plans, energies)
def test_the_order_of_the_charges_does_not_matter(tariff, kwh):
    turned = replace(tariff, energy=tariff.energy[::-1], fixed=tariff.fixed[::-1])
    assert total(turned, kwh) == pytest.approx(total(tariff, kwh), abs=1e-8)


@quick
@given(plans, energies)
def test_the_prices_for_dispatch_are_the_prices_of_the_bill(tariff, kwh):
    tariff = replace(
        tariff,
        energy=tuple(c for c in tariff.energy if isinstance(c.price, FlatPrice)) or (flat(0.1),),
        fixed=(),
        demand=(),
    )
    compiled = compile_tariff(tariff, INDEX)
    cents = (kwh[0] * compiled.import_c_per_kwh - kwh[1] * compiled.export_c_per_kwh).sum()
    assert bill(compiled, *kwh).total_aud == pytest.approx(cents / 100, abs=1e-8)


@quick
@given(st.floats(0.5, 30.0), energies)
def test_a_window_and_its_rest_make_the_whole_day(rate, kwh):
    inside = flat(rate, EVENING)
    outside = flat(rate, Window(start_minute=21 * 60, end_minute=15 * 60))
    assert total(plan(inside, outside), kwh) == pytest.approx(total(plan(flat(rate)), kwh))
