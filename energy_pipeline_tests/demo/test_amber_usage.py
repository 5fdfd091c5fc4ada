"""Amber's usage as the demo server speaks it, and its agreement with prices and meter."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from energy_pipeline.demo import amber_records, household, nem_time
from energy_pipeline.demo.market import DEFAULT_SEED
from energy_pipeline.demo.server import DemoServer
from energy_pipeline_tests.demo.conftest import NOON, by_channel

BILLABLE = {"startDate": "2026-11-10", "endDate": "2026-11-10"}


def usage_of(amber, day: str) -> list[dict[str, Any]]:
    answer = amber("/sites/{site}/usage", startDate=day, endDate=day)
    assert answer.status_code == 200
    return answer.json()


def test_a_day_of_usage_has_288_intervals_on_each_channel_in_order(amber):
    channels = by_channel(usage_of(amber, "2026-10-04"))  # clocks go forward
    assert list(channels) == ["general", "controlledLoad", "feedIn"]
    assert [len(records) for records in channels.values()] == [288] * 3
    for records, identifier in zip(channels.values(), ("E1", "E2", "B1"), strict=True):
        assert {record["channelIdentifier"] for record in records} == {identifier}
        assert {record["type"] for record in records} == {"Usage"}
        assert {record["duration"] for record in records} == {5}


def test_usage_on_the_wire_is_this(amber):
    """Fixed figures: a change of the demo's numbers must be noticed."""
    channels = by_channel(usage_of(amber, "2026-11-10"))
    totals = {
        name: (
            round(sum(record["kwh"] for record in records), 3),
            round(sum(record["cost"] for record in records), 2),
        )
        for name, records in channels.items()
    }
    assert totals == {
        "general": (9.372, 363.23),
        "controlledLoad": (7.14, 154.68),
        "feedIn": (27.126, -5.66),
    }


def test_cost_is_energy_times_price_and_price_is_the_actual_price(amber):
    usage = by_channel(amber("/sites/{site}/usage", **BILLABLE).json())
    prices = by_channel(amber("/sites/{site}/prices", **BILLABLE).json())
    shared = ("perKwh", "spotPerKwh", "renewables", "endTime", "startTime", "nemTime", "date")
    for name, records in usage.items():
        for used, price in zip(records, prices[name], strict=True):
            assert used["cost"] == round(used["kwh"] * used["perKwh"], 4)
            assert {key: used[key] for key in shared} == {key: price[key] for key in shared}
            assert used.get("tariffInformation") == price.get("tariffInformation")
            assert used["kwh"] >= 0
            assert used["kwh"] == round(used["kwh"], 3)


def test_feed_in_energy_is_positive_and_earns_where_its_price_is_negative(amber):
    fed = by_channel(usage_of(amber, "2026-11-10"))["feedIn"]
    assert sum(record["kwh"] for record in fed) > 5
    assert all("tariffInformation" not in record for record in fed)
    earning = [record for record in fed if record["kwh"] and record["perKwh"] < 0]
    assert earning
    assert all(record["cost"] < 0 for record in earning)


def test_usage_of_today_is_an_empty_list(amber):
    assert usage_of(amber, "2026-11-24") == []


def test_usage_appears_the_day_after_then_is_revised_once(server: DemoServer, amber):
    nem_day = nem_time.nem_day_of_date(date(2026, 11, 10))
    published = amber_records.published_at(DEFAULT_SEED, nem_day)
    nem_published = published + timedelta(hours=10)
    assert nem_published.date() == date(2026, 11, 11)
    assert 9 <= nem_published.hour < 16

    server.set_clock(now=published - timedelta(seconds=1))
    assert usage_of(amber, "2026-11-10") == []
    server.set_clock(now=published)
    first = usage_of(amber, "2026-11-10")
    assert {record["quality"] for record in first} == {"estimated"}
    server.set_clock(now=published + timedelta(days=2))
    last = usage_of(amber, "2026-11-10")
    assert {record["quality"] for record in last} == {"billable"}
    revised = [a["kwh"] != b["kwh"] for a, b in zip(first, last, strict=True)]
    assert 10 < sum(revised) < 300
    assert [r["perKwh"] for r in first] == [r["perKwh"] for r in last]
    server.set_clock(now=published + timedelta(days=30))
    assert usage_of(amber, "2026-11-10") == last


def test_usage_is_kept_for_ninety_days(amber):
    oldest = (NOON + timedelta(hours=10)).date() - timedelta(days=90)
    assert len(usage_of(amber, oldest.isoformat())) == 3 * 288
    assert usage_of(amber, (oldest - timedelta(days=1)).isoformat()) == []
    query = {"startDate": oldest - timedelta(days=3), "endDate": oldest}
    records = amber("/sites/{site}/usage", **query).json()
    assert {record["date"] for record in records} == {oldest.isoformat()}


def test_a_range_up_to_today_leaves_out_what_is_not_published(amber):
    query = {"startDate": "2026-11-21", "endDate": "2026-11-24"}
    dates = {record["date"] for record in amber("/sites/{site}/usage", **query).json()}
    assert dates >= {"2026-11-21", "2026-11-22"}
    assert "2026-11-24" not in dates


def test_usage_of_the_future_is_the_suppliers_internal_error(amber):
    answer = amber("/sites/{site}/usage", startDate="2026-11-24", endDate="2026-11-25")
    assert answer.status_code == 502
    assert answer.json() == {"message": "Internal server error"}


@pytest.mark.parametrize("given", [{}, {"startDate": "2026-11-10"}, {"endDate": "2026-11-10"}])
def test_usage_wants_both_dates(amber, given):
    assert amber("/sites/{site}/usage", **given).status_code == 400


def test_imported_energy_is_that_of_the_pulses(amber, powerpal):
    """Both meters count the same house: to the rounding of a kilowatt-hour's third decimal."""
    imported = by_channel(usage_of(amber, "2026-11-10"))["general"]
    start = int(datetime(2026, 11, 9, 14, tzinfo=UTC).timestamp())
    readings = powerpal("/meter_reading", start=start, end=start + 86_399, sample=5).json()
    assert [reading["timestamp"] for reading in readings] == [start + 300 * i for i in range(288)]
    for used, reading in zip(imported, readings, strict=True):
        assert used["kwh"] == pytest.approx(
            reading["pulses"] / household.PULSES_PER_KWH, abs=0.00051
        )
    total = sum(reading["pulses"] for reading in readings) / household.PULSES_PER_KWH
    assert sum(used["kwh"] for used in imported) == pytest.approx(total, abs=0.05)
