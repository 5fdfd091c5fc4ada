"""The 5-minute grid: hand-worked cases, real samples, and what holds for any input."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Collection
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy_pipeline.model.intervals import (
    FUTURE,
    NO_CONTROLLED_LOAD,
    NO_GENERATION_METER,
    NOT_FETCHED,
    NOT_PUBLISHED,
    NOT_SENT,
    PARTIAL,
    Asked,
    align_intervals,
    meter_constant,
    spread_over_grid,
    without_overlap,
)
from energy_pipeline.sources.amber_intervals import parse_usage
from energy_pipeline.sources.powerpal import parse_readings
from energy_pipeline_tests.amber_rows import feed_in, price, prices, understood, usage, usages

MIDNIGHT = datetime(2026, 10, 19, 14, 0, tzinfo=UTC)  # begins the NEM day 2026-10-20
DAY = date(2026, 10, 20)
FIVE = timedelta(minutes=5)
HALF_HOUR = timedelta(minutes=30)
ALL = ("general", "controlledLoad", "feedIn")


def controlled_load(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"channelType": "controlledLoad", "channelIdentifier": "E2"}


def readings(
    *buckets: tuple[datetime, int | None, int], origin: str = "api", **fields: Any
) -> pd.DataFrame:
    """Powerpal buckets (start, pulses, minutes); as many samples as minutes unless said."""
    frames = []
    for start, pulses, minutes in buckets:
        row = {"timestamp": int(start.timestamp()), "pulses": pulses, "samples": minutes, **fields}
        frames.append(understood(parse_readings([row], minutes)))
    return pd.concat(frames, ignore_index=True).assign(origin=origin)


def align(
    prices: pd.DataFrame = prices(),  # noqa: B008 - an empty table, never changed
    usage: pd.DataFrame = usages(),  # noqa: B008
    pulses: pd.DataFrame | None = None,
    *,
    start: datetime = MIDNIGHT,
    end: datetime = MIDNIGHT + HALF_HOUR,
    channel_types: Collection[str] = ("general",),
    asked: Asked | None = None,
    pulses_per_kwh: float | None = 1000.0,
) -> pd.DataFrame:
    nothing = parse_readings([], 5).rows.assign(origin="api")
    return align_intervals(
        start=start,
        end=end,
        prices=prices,
        usage=usage,
        pulses=nothing if pulses is None else pulses,
        channel_types=channel_types,
        asked=asked or Asked(price_days={DAY}, usage_days={DAY}, now=end + FIVE),
        pulses_per_kwh=pulses_per_kwh,
    )


def listed(values: pd.Series) -> list[Any]:
    """Values with None for what is missing."""
    return [None if pd.isna(value) else value for value in values]


# Prices


def test_a_price_keeps_its_interval_and_all_that_came_with_it() -> None:
    tariff = {"period": "peak", "season": "summer", "demandWindow": True}
    row = price(MIDNIGHT + FIVE, 24.2, "locked", tariffInformation=tariff, spikeStatus="spike")
    grid = align(prices(row, feed_in(price(MIDNIGHT + FIVE, -6.5))))
    assert listed(grid["import_c_per_kwh"]) == [None, 24.2, None, None, None, None]
    told = grid.iloc[1]
    assert told["interval_start"] == MIDNIGHT + FIVE
    assert told["nem_date"] == DAY
    assert told["feed_in_c_per_kwh"] == 6.5
    assert told["price_class"] == "locked"
    assert told["price_duration_minutes"] == 5
    assert told["spot_c_per_kwh"] == 8.5
    assert told["renewables_percent"] == 40.0
    assert (told["tariff_period"], told["spike_status"]) == ("peak", "spike")
    assert told["demand_window"]


@pytest.mark.parametrize(("sent", "paid"), [(-6.5, 6.5), (2.5, -2.5), (0.0, 0.0), (-0.0, 0.0)])
def test_the_feed_in_sign_is_turned_round_once(sent: float, paid: float) -> None:
    grid = align(
        prices(price(MIDNIGHT, 20.0), feed_in(price(MIDNIGHT, sent))),
        usages(feed_in(usage(MIDNIGHT, 2.0, sent))),
        channel_types=("general", "feedIn"),
    )
    found = grid.loc[0, ["feed_in_c_per_kwh", "export_earning_aud"]].tolist()
    assert found == [paid, 2.0 * paid / 100]
    assert math.copysign(1, found[0]) == (1 if paid >= 0 else -1)


def test_exporting_at_a_price_to_be_paid_costs_money() -> None:
    grid = align(
        usage=usages(usage(MIDNIGHT, 0.5, 20.0), feed_in(usage(MIDNIGHT, 2.0, 3.0))),
        channel_types=("general", "feedIn"),
    )
    assert grid.loc[0, "export_earning_aud"] == pytest.approx(-0.06)
    assert grid.loc[0, "cost_aud"] == pytest.approx(0.10 + 0.06)


def test_a_half_hour_price_holds_for_six_rows_and_says_so() -> None:
    grid = align(prices(price(MIDNIGHT, 24.2, minutes=30)))
    assert grid["import_c_per_kwh"].tolist() == [24.2] * 6
    assert grid["price_duration_minutes"].tolist() == [30] * 6


# Energy


def test_a_half_hour_energy_is_spread_evenly_and_says_so() -> None:
    grid = align(usage=usages(usage(MIDNIGHT, 0.6, 20.0, minutes=30)))
    assert grid["import_kwh"].tolist() == pytest.approx([0.1] * 6)
    assert grid["import_kwh"].sum() == pytest.approx(0.6, abs=1e-12)
    assert grid["usage_duration_minutes"].tolist() == [30] * 6
    assert grid["import_cost_aud"].sum() == pytest.approx(0.12, abs=1e-12)


def test_five_and_thirty_minutes_of_one_half_hour_are_never_added_up() -> None:
    five = [usage(MIDNIGHT + n * FIVE, 0.2) for n in range(6)]
    grid = align(usage=usages(usage(MIDNIGHT, 0.6, minutes=30), *five))
    assert grid["import_kwh"].tolist() == [0.2] * 6
    mixed = align(
        usage=usages(usage(MIDNIGHT, 0.6, minutes=30), usage(MIDNIGHT + HALF_HOUR, 0.2)),
        end=MIDNIGHT + 2 * HALF_HOUR,
    )
    assert listed(mixed["import_kwh"].round(9)) == [0.1] * 6 + [0.2] + [None] * 5


def test_a_half_hour_with_some_of_its_five_minutes_keeps_its_gap() -> None:
    grid = align(usage=usages(usage(MIDNIGHT, 0.6, minutes=30), usage(MIDNIGHT + FIVE, 0.2)))
    assert listed(grid["import_kwh"]) == [None, 0.2, None, None, None, None]


def test_the_cut_over_from_thirty_to_five_minutes_keeps_its_energy(shared_dir: Path) -> None:
    sent = json.loads((shared_dir / "samples/amber_usage_cutover_30_to_5.json").read_text())
    rows = parse_usage(sent).rows
    assert set(rows["duration_minutes"]) == {5, 30}
    assert_true_to_the_supplier(sent)


@pytest.mark.parametrize("name", ["amber_usage_5min", "amber_usage_revised_later"])
def test_samples_keep_their_energy_and_cost(shared_dir: Path, name: str) -> None:
    assert_true_to_the_supplier(json.loads((shared_dir / f"samples/{name}.json").read_text()))


def test_a_real_household_keeps_its_energy_and_cost(shared_dir: Path) -> None:
    folder = shared_dir / "data/amber-json-samples"
    if not folder.is_dir():
        pytest.skip("no real account's records beside the project")
    path = folder / "amber_usage_json_shaped_sample.json.gz"
    assert_true_to_the_supplier(json.loads(gzip.decompress(path.read_bytes())))


def assert_true_to_the_supplier(sent: list[dict[str, Any]]) -> None:
    """Energy and cost of every register, as sent, are those of the grid: per row and in all."""
    rows = understood(parse_usage(sent))
    start = rows["interval_start"].min().to_pydatetime()
    end = (rows["interval_start"].max() + HALF_HOUR).to_pydatetime()
    names = {
        "general": ("import_kwh", "import_cost_aud", 1),
        "controlledLoad": ("controlled_load_kwh", "controlled_load_cost_aud", 1),
        "feedIn": ("export_kwh", "export_earning_aud", -1),
    }
    channel_types = set(rows["channel_type"])
    grid = align(usage=rows, start=start, end=end, channel_types=channel_types)
    grid = grid.set_index("interval_start")
    for row in rows.to_dict("records"):
        kwh, cost, sign = names[row["channel_type"]]
        covered = grid.loc[
            row["interval_start"] : row["interval_start"]
            + timedelta(minutes=row["duration_minutes"])
            - FIVE
        ]
        assert len(covered) == row["duration_minutes"] // 5
        assert covered[kwh].sum() == pytest.approx(row["kwh"], abs=1e-12)
        assert sign * 100 * covered[cost].sum() == pytest.approx(row["cost"], abs=1e-4)
    covered_minutes = rows.groupby("channel_type")["duration_minutes"].sum()
    for channel, minutes in covered_minutes.items():
        assert grid[names[channel][0]].notna().sum() * 5 == minutes


def test_registers_of_one_type_are_added_up_with_their_costs() -> None:
    second = usage(MIDNIGHT, 0.2, 30.0, quality="estimated", channelIdentifier="E4")
    grid = align(usage=usages(usage(MIDNIGHT, 0.1, 20.0), second))
    assert grid.loc[0, "import_kwh"] == pytest.approx(0.3)
    assert grid.loc[0, "import_cost_aud"] == pytest.approx(0.02 + 0.06)
    assert grid.loc[0, "import_quality"] == "estimated"


def test_a_sum_that_lacks_a_register_is_unknown_and_says_why() -> None:
    second = [usage(MIDNIGHT + n * FIVE, 0.2, channelIdentifier="E4") for n in range(5)]
    grid = align(usage=usages(*(usage(MIDNIGHT + n * FIVE, 0.1) for n in range(6)), *second))
    assert listed(grid["import_kwh"].round(9)) == [0.3] * 5 + [None]
    assert listed(grid["usage_reason"]) == [None] * 5 + [PARTIAL]
    assert listed(grid["import_cost_aud"])[5] is None


# Which source is believed


def test_the_best_source_is_believed_and_named() -> None:
    at = [MIDNIGHT + n * FIVE for n in range(5)]
    rows = usages(
        usage(at[0], 0.1),
        usage(at[1], 0.1, quality="estimated"),
        usage(at[2], 0.1, quality="estimated"),
        usage(at[3], 0.1, quality="estimated"),
    )
    api = readings(*((start, 200, 5) for start in at[:2]))
    csv = readings(*((start, None, 5) for start in at[:3]), origin="csv", watt_hours=300.0)
    grid = align(
        prices(*(price(start, 50.0) for start in at)),
        rows,
        pd.concat([api, csv], ignore_index=True),
    )
    assert listed(grid["import_kwh"]) == [0.1, 0.2, 0.3, 0.1, None, None]
    assert listed(grid["import_source"]) == [
        *("amber", "powerpal", "powerpal_csv", "amber"),
        None,
        None,
    ]
    assert listed(grid["import_quality"]) == [
        *("billable", "measured", "measured", "estimated"),
        None,
        None,
    ]
    # What is billed has its own price; what was measured has the price of the interval.
    assert listed(grid["import_cost_aud"].round(9)) == [0.02, 0.1, 0.15, 0.02, None, None]


def test_pulses_are_energy_and_watt_hours_are_a_rounded_substitute() -> None:
    rows = readings((MIDNIGHT, 100, 5), watt_hours=31)
    exact = align(pulses=rows, pulses_per_kwh=3200.0)
    rounded = align(pulses=rows, pulses_per_kwh=None)
    assert exact.loc[0, ["import_kwh", "import_quality"]].tolist() == [0.03125, "measured"]
    assert rounded.loc[0, ["import_kwh", "import_quality"]].tolist() == [0.031, "rounded"]


@pytest.mark.parametrize("minutes", [15, 30])
def test_a_long_bucket_is_spread_evenly(minutes: int) -> None:
    grid = align(pulses=readings((MIDNIGHT, 60, minutes)))
    count = minutes // 5
    assert listed(grid["import_kwh"].round(9)) == [round(0.06 / count, 9)] * count + [None] * (
        6 - count
    )
    assert listed(grid["usage_duration_minutes"])[0] == minutes


def test_minutes_are_added_up_and_a_minute_that_is_missing_makes_the_sum_unknown() -> None:
    rows = readings(*((MIDNIGHT + timedelta(minutes=n), 10, 1) for n in range(10) if n != 7))
    grid = align(pulses=rows)
    assert listed(grid["import_kwh"]) == [pytest.approx(0.05)] + [None] * 5
    assert listed(grid["usage_reason"]) == [None, PARTIAL] + [NOT_SENT] * 4


def test_a_bucket_that_was_measured_in_part_is_unknown() -> None:
    grid = align(pulses=readings((MIDNIGHT, 60, 30), samples=25))
    assert listed(grid["import_kwh"]) == [None] * 6
    assert listed(grid["usage_reason"]) == [PARTIAL] * 6


@pytest.mark.parametrize("minutes", [1, 5])
def test_pulses_of_an_unknown_meter_are_no_energy_rather_than_none(minutes: int) -> None:
    rows = readings(*((MIDNIGHT + timedelta(minutes=n), 10, minutes) for n in range(0, 5, minutes)))
    grid = align(pulses=rows, pulses_per_kwh=None)
    assert listed(grid["import_kwh"]) == [None] * 6
    assert grid.loc[0, "usage_reason"] == PARTIAL


def test_a_whole_bucket_holds_against_the_minutes_within_it() -> None:
    minutes = readings(*((MIDNIGHT + timedelta(minutes=n), 10, 1) for n in range(4)))
    grid = align(pulses=pd.concat([minutes, readings((MIDNIGHT, 45, 5))], ignore_index=True))
    assert grid.loc[0, "import_kwh"] == 0.045


def test_nothing_used_is_zero_and_nothing_known_is_not() -> None:
    grid = align(pulses=readings((MIDNIGHT, 0, 5)))
    assert listed(grid["import_kwh"]) == [0.0] + [None] * 5


@pytest.mark.parametrize(
    ("pulses", "watt_hours", "constant"),
    [
        (3_200_000, 1_000_000, 3200.0),
        (1_005_000, 1_000_000, 1000.0),
        (1_100_000, 1_000_000, None),
        (0, 5000, None),
        (3199, 999.0, None),
    ],
)
def test_the_meter_constant_is_one_that_meters_are_made_with(
    pulses: float, watt_hours: float, constant: float | None
) -> None:
    assert meter_constant(pulses, watt_hours) == constant


# Costs, load, reasons


def test_cost_is_unknown_while_a_part_of_it_is() -> None:
    parts = [
        usage(MIDNIGHT, 0.1, 20.0),
        controlled_load(usage(MIDNIGHT, 0.2, 10.0)),
        feed_in(usage(MIDNIGHT, 0.3, -5.0)),
    ]
    whole = align(usage=usages(*parts), channel_types=ALL)
    assert whole.loc[0, "cost_aud"] == pytest.approx(0.02 + 0.02 - 0.015)
    for missing in range(3):
        rest = parts[:missing] + parts[missing + 1 :]
        assert listed(align(usage=usages(*rest), channel_types=ALL)["cost_aud"]) == [None] * 6


def test_a_site_without_feed_in_uses_what_it_imports() -> None:
    grid = align(usage=usages(usage(MIDNIGHT, 0.1)))
    assert listed(grid["load_kwh"]) == [0.1] + [None] * 5
    assert listed(grid["load_reason"]) == [None] * 6
    assert grid.loc[0, "cost_aud"] == pytest.approx(0.02)


def test_load_includes_the_controlled_load_or_says_that_it_is_not_known() -> None:
    rows = [usage(MIDNIGHT + n * FIVE, 0.1) for n in range(2)]
    grid = align(
        usage=usages(*rows, controlled_load(usage(MIDNIGHT, 0.2))),
        channel_types=("general", "controlledLoad"),
    )
    assert listed(grid["load_kwh"].round(9)) == [0.3, None, None, None, None, None]
    assert listed(grid["load_reason"]) == [None, NO_CONTROLLED_LOAD] + [None] * 4


def test_behind_a_solar_meter_the_load_is_unknown_and_says_why() -> None:
    grid = align(usage=usages(usage(MIDNIGHT, 0.1)), channel_types=("general", "feedIn"))
    assert listed(grid["load_kwh"]) == [None] * 6
    assert listed(grid["load_reason"]) == [NO_GENERATION_METER] + [None] * 5


def test_what_is_unknown_says_whether_it_was_asked_for() -> None:
    asked = Asked(
        price_days={DAY}, usage_days=set(), now=MIDNIGHT + 2 * FIVE + timedelta(minutes=1)
    )
    grid = align(prices(price(MIDNIGHT, 20.0)), asked=asked)
    assert listed(grid["price_reason"]) == [None, NOT_SENT, NOT_SENT] + [FUTURE] * 3
    assert listed(grid["usage_reason"]) == [NOT_PUBLISHED] * 3 + [FUTURE] * 3
    asked = Asked(price_days=set(), usage_days=set(), now=MIDNIGHT + timedelta(days=2))
    assert listed(align(asked=asked)["usage_reason"]) == [NOT_FETCHED] * 6


def test_the_register_of_a_new_meter_follows_the_old_one() -> None:
    old = [usage(MIDNIGHT + n * FIVE, 0.1) for n in range(3)]
    new = [usage(MIDNIGHT + n * FIVE, 0.2) | {"channelIdentifier": "E3"} for n in range(3, 6)]
    grid = align(usage=usages(*old, *new))
    assert listed(grid["import_kwh"]) == [0.1] * 3 + [0.2] * 3


# The grid itself


@pytest.mark.parametrize("day", [date(2026, 4, 5), date(2026, 7, 1), date(2026, 10, 4)])
def test_a_nem_day_has_288_intervals_whatever_local_clocks_do(day: date) -> None:
    start = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=10)
    grid = align(start=start, end=start + timedelta(days=1))
    assert len(grid) == 288
    assert set(grid["nem_date"]) == {day}
    assert grid["interval_start"].diff().dropna().unique().tolist() == [pd.Timedelta(FIVE)]


@pytest.mark.parametrize("off", [timedelta(minutes=1), timedelta(seconds=1)])
def test_a_window_off_the_grid_is_refused(off: timedelta) -> None:
    for start, end in ((MIDNIGHT + off, MIDNIGHT + HALF_HOUR), (MIDNIGHT, MIDNIGHT + off)):
        with pytest.raises(ValueError, match="5-minute grid"):
            align(start=start, end=end)


def test_nothing_known_is_a_grid_of_unknowns() -> None:
    grid = align(channel_types=ALL)
    known = grid.drop(columns=["interval_start", "nem_date", "price_reason", "usage_reason"])
    assert known.isna().all(axis=None)
    assert listed(grid["price_reason"]) == listed(grid["usage_reason"]) == [NOT_SENT] * 6


def test_tables_from_duckdb_with_whole_columns_unknown_give_the_same_grid() -> None:
    price_rows = prices(price(MIDNIGHT, 20.0, spotPerKwh=None, renewables=None, spikeStatus=None))
    usage_rows = usages(usage(MIDNIGHT, 0.1, quality=None))
    pulse_rows = readings((MIDNIGHT + FIVE, 10, 5), samples=None)
    with duckdb.connect() as db:
        db.execute("SET TimeZone = 'UTC'")
        stored = []
        for rows in (price_rows, usage_rows, pulse_rows):
            db.register("rows", rows)
            stored.append(db.execute("SELECT * FROM rows").fetch_df())
        empty = db.execute("SELECT * FROM rows WHERE false").fetch_df()
    found, expected = align(*stored), align(price_rows, usage_rows, pulse_rows)
    assert [listed(found[c]) for c in found] == [listed(expected[c]) for c in expected]
    assert len(align(stored[0], stored[1], empty)) == 6


# Whatever comes


@st.composite
def half_hours(draw: st.DrawFn, energy: bool) -> list[dict[str, Any]]:
    """Rows of four half hours on up to three registers: none, one of 30, some of 5, or both."""
    rows = []
    registers = draw(st.sets(st.sampled_from(["E1", "E3", "E2", "B1"])))
    for register in sorted(registers):
        kind = {"E2": "controlledLoad", "B1": "feedIn"}.get(register, "general")
        for number in range(4):
            at = MIDNIGHT + number * HALF_HOUR
            starts = [(at, 30)] * draw(st.integers(0, 1))
            starts += [(at + n * FIVE, 5) for n in draw(st.sets(st.integers(0, 5)))]
            for start, minutes in starts:
                c = draw(st.integers(-20_00, 300_00)) / 100
                if energy:
                    kwh = draw(st.integers(0, 5000)) / 1000
                    row = usage(start, kwh, c, minutes=minutes)
                else:
                    row = price(start, c, minutes=minutes)
                rows.append(row | {"channelType": kind, "channelIdentifier": register})
    return rows


@settings(max_examples=40, deadline=None)
@given(half_hours(energy=False), half_hours(energy=True), st.integers(0, 24))
def test_whatever_comes_every_interval_stands_once_and_its_energy_is_conserved(
    price_rows: list[dict[str, Any]], usage_rows: list[dict[str, Any]], begun: int
) -> None:
    one_register = [row for row in price_rows if row["channelIdentifier"] != "E3"]
    usage_table = usages(*usage_rows)
    end = MIDNIGHT + 4 * HALF_HOUR
    asked = Asked(price_days={DAY}, usage_days=set(), now=MIDNIGHT + begun * FIVE)
    grid = align(prices(*one_register), usage_table, end=end, channel_types=ALL, asked=asked)
    expected = pd.date_range(MIDNIGHT, end, freq="5min", inclusive="left")
    assert grid["interval_start"].tolist() == expected.tolist()
    assert (grid["import_c_per_kwh"].isna() == grid["price_reason"].notna()).all()
    assert (grid["import_kwh"].isna() == grid["usage_reason"].notna()).all()
    assert (grid["import_kwh"].notna() == grid["import_source"].notna()).all()
    assert (
        (grid["load_kwh"].isna() & grid["import_kwh"].notna()) == grid["load_reason"].notna()
    ).all()
    for kind, column in (("controlledLoad", "controlled_load_kwh"), ("feedIn", "export_kwh")):
        rows = usage_table[usage_table["channel_type"] == kind]
        alone = without_overlap(rows, ["channel_identifier"])
        assert grid[column].sum() == pytest.approx(alone["kwh"].sum(), abs=1e-9)
        assert grid[column].notna().sum() * 5 == alone["duration_minutes"].sum()
    general = usage_table[usage_table["channel_type"] == "general"]
    spread = spread_over_grid(without_overlap(general, ["channel_identifier"]), energy=("kwh",))
    counts = spread.groupby("interval_start")["kwh"].agg(["sum", "size"])
    whole = counts[counts["size"] == counts["size"].max()]
    known = grid.set_index("interval_start")["import_kwh"].dropna()
    assert known.index.tolist() == whole.index.tolist()
    assert np.allclose(known, whole["sum"], atol=1e-12)


def test_the_demo_home_costs_what_its_supplier_says() -> None:
    from energy_pipeline.demo import amber_records, nem_time, retail

    sent = [
        json.loads(text)
        for channel in retail.CHANNELS
        for text in amber_records.usage_texts(
            1, nem_time.nem_day_of_date(date(2026, 7, 1)), channel, "billable"
        )
    ]
    assert len(sent) == 3 * 288
    assert_true_to_the_supplier(sent)
