"""Powerpal's contract as the demo server speaks it."""

from datetime import UTC, datetime

import pytest

from energy_pipeline.demo.server import (
    DEMO_POWERPAL_DEVICE_ID,
    DEMO_POWERPAL_TOKEN,
    DemoServer,
)
from energy_pipeline_tests.demo.conftest import NOON

MINUTE = int(NOON.timestamp()) // 60 * 60
FIRST = int(datetime(2023, 12, 31, 14, tzinfo=UTC).timestamp())  # NEM midnight, 2024-01-01


def test_the_device_says_what_it_has(powerpal):
    device = powerpal("/device").json()
    assert device["serial_number"] == DEMO_POWERPAL_DEVICE_ID
    assert device["first_reading_timestamp"] == FIRST
    assert device["last_reading_timestamp"] == MINUTE - 60
    minutes = (MINUTE - 60 - FIRST) // 60 + 1
    assert device["total_meter_reading_count"] == minutes
    assert device["available_days"] == -(-minutes // 1440)
    assert 9_000_000 < device["total_watt_hours"] < 13_000_000
    (newest,) = powerpal("/meter_reading", start=MINUTE - 60, end=MINUTE - 60).json()
    assert device["last_reading_watt_hours"] == newest["watt_hours"]
    assert device["last_reading_cost"] == newest["cost"]


def test_totals_of_the_device_are_sums_of_its_readings(server: DemoServer, powerpal):
    server.set_clock(now=datetime(2024, 1, 3, 1, 2, 3, tzinfo=UTC))
    device = powerpal("/device").json()
    readings = powerpal("/meter_reading", start=FIRST).json()
    assert device["total_meter_reading_count"] == len(readings)
    pulses = sum(reading["pulses"] for reading in readings)
    assert device["total_watt_hours"] == round(pulses / 3.2)
    cost = sum(reading["cost"] for reading in readings)
    assert device["total_cost"] == pytest.approx(cost, rel=0.01)


def test_a_device_without_readings_yet_is_not_found(server: DemoServer, powerpal):
    server.set_clock(now=datetime(2023, 6, 1, tzinfo=UTC))
    assert powerpal("/device").status_code == 404
    assert powerpal("/meter_reading").json() == []


def test_start_and_end_are_both_inclusive(powerpal):
    start = MINUTE - 7200
    readings = powerpal("/meter_reading", start=start, end=start + 300).json()
    assert [reading["timestamp"] for reading in readings] == [start + 60 * i for i in range(6)]


def test_a_start_within_a_minute_begins_with_the_next_minute(powerpal):
    start = MINUTE - 7200
    readings = powerpal("/meter_reading", start=start + 1, end=start + 119).json()
    assert [reading["timestamp"] for reading in readings] == [start + 60]


def test_a_reading_has_pulses_whole_watt_hours_and_cost(powerpal):
    evening = int(datetime(2026, 11, 20, 7, tzinfo=UTC).timestamp())
    readings = powerpal("/meter_reading", start=evening, end=evening + 10_000).json()
    assert max(reading["pulses"] for reading in readings) > 50
    for reading in readings:
        assert set(reading) == {
            "timestamp", "pulses", "watt_hours", "cost", "usage_cost", "fixed_cost",
            "cost_per_kwh", "is_peak", "is_final", "samples",
        }  # fmt: skip
        assert reading["samples"] == 1
        assert reading["is_final"] is False
        assert isinstance(reading["pulses"], int)
        assert isinstance(reading["watt_hours"], int)
        assert abs(reading["watt_hours"] - reading["pulses"] / 3.2) <= 0.5
        assert reading["cost_per_kwh"] == (0.3817 if reading["is_peak"] else 0.1837)
        usage = reading["watt_hours"] / 1000 * reading["cost_per_kwh"]
        assert reading["usage_cost"] == pytest.approx(usage, abs=1e-7)
        assert reading["cost"] == pytest.approx(
            reading["usage_cost"] + reading["fixed_cost"], abs=1e-8
        )


def test_peak_follows_the_clock_on_the_wall(powerpal):
    def is_peak(*when: int) -> bool:
        at = int(datetime(*when, tzinfo=UTC).timestamp())
        return powerpal("/meter_reading", start=at, end=at).json()[0]["is_peak"]

    assert not is_peak(2026, 1, 20, 2, 59)
    assert is_peak(2026, 1, 20, 3, 0)  # 14:00 daylight-saving time
    assert not is_peak(2026, 7, 20, 3, 59)
    assert is_peak(2026, 7, 20, 4, 0)


def test_buckets_are_aligned_to_the_start(powerpal):
    start = MINUTE - 86_400 + 17 * 60
    hours = powerpal("/meter_reading", start=start, end=start + 3 * 3600 - 60, sample=60).json()
    minutes = powerpal("/meter_reading", start=start, end=start + 3 * 3600 - 60).json()
    assert [hour["timestamp"] for hour in hours] == [start, start + 3600, start + 7200]
    for number, hour in enumerate(hours):
        inside = minutes[60 * number : 60 * number + 60]
        assert hour["samples"] == 60
        assert hour["pulses"] == sum(reading["pulses"] for reading in inside)


def test_the_newest_bucket_may_be_open_and_says_all_its_samples(powerpal):
    start = MINUTE - 90 * 60
    *_, newest = powerpal("/meter_reading", start=start, sample=60).json()
    minutes = powerpal("/meter_reading", start=start + 3600).json()
    assert len(minutes) == 30
    assert newest["samples"] == 60
    assert newest["pulses"] == sum(reading["pulses"] for reading in minutes)


def test_buckets_keep_their_grid_where_the_records_begin(powerpal):
    readings = powerpal("/meter_reading", start=FIRST - 90 * 60, end=FIRST + 3600, sample=60).json()
    assert [reading["timestamp"] for reading in readings] == [FIRST - 1800, FIRST + 1800]


def test_the_newest_minute_is_one_to_two_minutes_old(server: DemoServer, powerpal):
    for second in (0, 59):
        now = NOON.replace(second=second)
        server.set_clock(now=now)
        *_, newest = powerpal("/meter_reading", start=MINUTE - 600, end=MINUTE + 600).json()
        assert 60 <= now.timestamp() - newest["timestamp"] < 120


def test_nothing_is_known_of_the_future_or_before_the_records_begin(powerpal):
    assert powerpal("/meter_reading", start=MINUTE + 60, end=MINUTE + 600).json() == []
    assert powerpal("/meter_reading", start=FIRST - 6000, end=FIRST - 60).json() == []


def test_more_than_fifty_thousand_readings_are_refused(powerpal):
    start = MINUTE - 60 * 60_000
    assert powerpal("/meter_reading", start=start, end=start + 60 * 50_000).status_code == 400
    answer = powerpal("/meter_reading", start=start, end=start + 60 * 49_999)
    assert answer.status_code == 200
    assert len(answer.json()) == 50_000


@pytest.mark.parametrize(
    "given", [{"start": "noon"}, {"sample": 0}, {"sample": 10**9}, {"sample": 1.5}]
)
def test_parameters_that_are_none_are_refused(powerpal, given):
    assert powerpal("/meter_reading", **given).status_code == 400


@pytest.mark.parametrize("key", [None, "wrong", f"Bearer {DEMO_POWERPAL_TOKEN}"])
def test_the_key_is_bare_and_must_be_right(server: DemoServer, http, key):
    url = f"{server.powerpal_url}/api/v1/device/{DEMO_POWERPAL_DEVICE_ID}"
    headers = {} if key is None else {"Authorization": key}
    assert http.get(url, headers=headers, timeout=20).status_code == 401


@pytest.mark.parametrize("path", ["device", "meter_reading"])
def test_another_device_is_forbidden(server: DemoServer, http, path):
    url = f"{server.powerpal_url}/api/v1/{path}/{DEMO_POWERPAL_DEVICE_ID.upper()}"
    answer = http.get(url, headers={"Authorization": DEMO_POWERPAL_TOKEN}, timeout=20)
    assert answer.status_code == 403
