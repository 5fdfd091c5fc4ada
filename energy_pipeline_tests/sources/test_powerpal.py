"""The Powerpal client against the demo home's server, and what a reading means."""

import json
import math
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy_pipeline.demo.server import DEMO_POWERPAL_DEVICE_ID, DEMO_POWERPAL_TOKEN
from energy_pipeline.sources.errors import KeyRejected, SourceRejected, SourceUnavailable
from energy_pipeline.sources.powerpal import (
    READING_COLUMNS,
    PowerpalApi,
    parse_device,
    parse_readings,
    powerpal_api,
)

NOW = datetime(2026, 9, 25, 0, 47, 20, tzinfo=UTC)
START = datetime(2026, 9, 24, 0, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
READING = {
    "timestamp": 1706362080,
    "pulses": 60,
    "watt_hours": 19,
    "cost": 0.0043611333,
    "is_peak": False,
    "samples": 1,
}


@pytest.fixture
def powerpal(demo) -> PowerpalApi:
    demo.set_clock(now=NOW)
    return powerpal_api(DEMO_POWERPAL_TOKEN, DEMO_POWERPAL_DEVICE_ID, demo.powerpal_url)


def queries(demo):
    """start, end and sample of every request for readings so far."""
    asked = [parse_qs(urlsplit(path).query) for path in demo.requests if "meter_reading" in path]
    return [tuple(int(query[name][0]) for name in ("start", "end", "sample")) for query in asked]


def test_columns_and_their_order_are_those_of_the_interface():
    expected = "interval_start duration_minutes pulses watt_hours cost_aud is_peak sample_count"
    assert expected.split() == READING_COLUMNS
    assert list(parse_readings([READING], 1).rows) == READING_COLUMNS


def test_no_reading_is_no_row_of_the_same_dtypes():
    empty = parse_readings([], 1)
    assert empty.rows.empty
    assert empty.rows.dtypes.to_dict() == parse_readings([READING], 1).rows.dtypes.to_dict()


def test_the_range_is_half_open_although_the_wire_includes_both_ends(demo, powerpal):
    rows = powerpal.readings(START, START + HOUR, 1).rows
    expected = pd.date_range(START, START + HOUR, freq="min", inclusive="left")
    assert rows["interval_start"].tolist() == expected.tolist()
    first = int(START.timestamp())
    assert queries(demo) == [(first, first + 3600 - 60, 1)]


@pytest.mark.parametrize("sample_minutes", [5, 15, 30, 60])
def test_buckets_are_aligned_to_the_clock_and_whole(powerpal, sample_minutes):
    minutes = powerpal.readings(START, START + 4 * HOUR, 1).rows
    start = START - timedelta(minutes=2, seconds=7)
    rows = powerpal.readings(start, START + 4 * HOUR, sample_minutes).rows
    assert rows["interval_start"].iloc[0] == START
    assert set(rows["duration_minutes"]) == {sample_minutes}
    bucket = minutes["interval_start"].dt.floor(f"{sample_minutes}min")
    assert rows["pulses"].tolist() == minutes.groupby(bucket)["pulses"].sum().tolist()


def test_a_bucket_that_is_not_over_is_left_out(powerpal):
    rows = powerpal.readings(NOW - 3 * HOUR, NOW, 30).rows
    assert rows["interval_start"].max() == datetime(2026, 9, 25, 0, 0, tzinfo=UTC)
    earlier = datetime(2026, 9, 25, 0, 29, tzinfo=UTC)
    rows = powerpal.readings(NOW - 3 * HOUR, NOW, 30, complete_before=earlier).rows
    assert rows["interval_start"].max() == datetime(2026, 9, 24, 23, 30, tzinfo=UTC)


def test_the_suppliers_clock_says_what_is_over_where_the_caller_does_not(demo, powerpal):
    demo.fault("*/meter_reading/*", clock_skew_seconds=-3600.0)
    rows = powerpal.readings(NOW - 3 * HOUR, NOW, 30).rows
    assert rows["interval_start"].max() == datetime(2026, 9, 24, 23, 0, tzinfo=UTC)


def test_a_long_range_is_cut_so_that_no_request_asks_for_more_than_50000_readings(demo, powerpal):
    end = START - timedelta(days=1)
    start = end - timedelta(minutes=50_002)
    rows = powerpal.readings(start, end, 1).rows
    assert len(rows) == 50_002
    assert rows["interval_start"].is_monotonic_increasing
    assert rows["interval_start"].is_unique
    asked = queries(demo)
    assert [(last - first) // 60 + 1 for first, last, _ in asked] == [50_000, 2]
    assert asked[0][1] + 60 == asked[1][0]


def test_nothing_is_asked_for_an_empty_range(demo, powerpal):
    assert list(powerpal.readings(START, START, 1).rows) == READING_COLUMNS
    assert powerpal.readings(START, START - HOUR, 1).rows.empty
    assert queries(demo) == []


def test_gaps_stay_gaps_and_the_place_of_a_reject_counts_on_over_requests(demo, powerpal):
    first = int(START.timestamp())
    answers = [READING | {"timestamp": first + 60 * minute} for minute in (0, 1, 5)]
    demo.fault("*/meter_reading/*", body=[*answers, "broken"], times=1)
    demo.fault("*/meter_reading/*", body=["broken"], times=1)
    end = START + timedelta(minutes=50_001)
    parsed = powerpal.readings(START, end, 1, complete_before=end)
    minutes = (parsed.rows["interval_start"] - START) // MINUTE
    assert minutes.tolist() == [0, 1, 5]
    assert [reject.index for reject in parsed.rejects] == [3, 4]


def test_readings_outside_the_range_asked_for_are_left_out(demo, powerpal):
    first = int(START.timestamp())
    answers = [READING | {"timestamp": first + 60 * minute} for minute in (-1, 0, 59, 60)]
    demo.fault("*/meter_reading/*", body=answers)
    rows = powerpal.readings(START, START + HOUR, 1).rows
    assert ((rows["interval_start"] - START) // MINUTE).tolist() == [0, 59]


def test_times_without_a_zone_and_buckets_of_no_length_are_mistakes_of_the_caller(powerpal):
    naive = START.replace(tzinfo=None)
    for start, end, before in ((naive, START, None), (START, naive, None), (START, START, naive)):
        with pytest.raises(ValueError, match="time zone"):
            powerpal.readings(start, end, 1, complete_before=before)
    with pytest.raises(ValueError, match="sample_minutes"):
        powerpal.readings(START, START + HOUR, 0)


def test_the_device_tells_its_newest_reading(powerpal):
    device = powerpal.device()
    assert device.serial_number == DEMO_POWERPAL_DEVICE_ID
    assert device.first_reading_at < device.last_reading_at <= NOW
    assert device.last_reading_watt_hours >= 0
    assert device.total_watt_hours > 0
    assert device.available_days > 0


def test_a_refused_key_names_the_token_and_a_refused_device_the_serial_number(demo):
    url = demo.powerpal_url
    with pytest.raises(KeyRejected, match=r"POWERPAL_TOKEN.*401") as caught:
        powerpal_api("00000000-0000-0000-0000-000000000000", DEMO_POWERPAL_DEVICE_ID, url).device()
    assert "POWERPAL_DEVICE_ID" not in str(caught.value)
    with pytest.raises(KeyRejected, match=r"POWERPAL_DEVICE_ID.*403"):
        powerpal_api(DEMO_POWERPAL_TOKEN, "ffffffff", url).readings(START, START + HOUR, 1)
    with pytest.raises(KeyRejected, match="POWERPAL_DEVICE_ID"):
        powerpal_api(DEMO_POWERPAL_TOKEN, " ", url)


def test_key_and_serial_number_are_sent_bare_and_in_lower_case(raw_server, http):
    raw_server.answer(http({"serial_number": "0000abcd"}))
    powerpal_api(" 0F0F0F0F-AAAA-BBBB-CCCC-0123456789AB ", "0000ABCD\n", raw_server.url).device()
    (request,) = raw_server.requests
    assert request.startswith("GET /api/v1/device/0000abcd HTTP/1.1")
    assert "Authorization: 0f0f0f0f-aaaa-bbbb-cccc-0123456789ab\r\n" in request


@pytest.mark.parametrize(
    ("status", "error"), [(400, SourceRejected), (404, SourceRejected), (503, SourceUnavailable)]
)
def test_errors_name_powerpal_and_the_range(demo, powerpal, status, error):
    demo.fault("*/meter_reading/*", status=status)
    with pytest.raises(error, match=r"Powerpal readings 2026-09-24 00:00 to 2026-09-24 01:00 UTC"):
        powerpal.readings(START, START + HOUR, 1)


@pytest.mark.parametrize("payload", [[], "x", None, {}, {"serial_number": 3}])
def test_a_device_that_is_none_is_worth_another_attempt(payload):
    with pytest.raises(SourceUnavailable, match="serial_number"):
        parse_device(payload)


def test_what_a_device_does_not_tell_is_unknown():
    device = parse_device({"serial_number": "0000abcd", "total_watt_hours": "many"})
    assert device.last_reading_at is None
    assert device.last_reading_watt_hours is None
    assert device.total_watt_hours is None
    assert device.available_days is None


def test_zero_pulses_are_a_real_zero_and_a_missing_count_is_missing():
    rows = parse_readings([READING | {"pulses": 0, "watt_hours": 0}], 1).rows
    assert rows.loc[0, "pulses"] == 0
    bare = {"timestamp": READING["timestamp"], "watt_hours": 19}
    row = parse_readings([bare], 1).rows.iloc[0]
    assert row[["pulses", "cost_aud", "is_peak", "sample_count"]].isna().all()
    assert row.watt_hours == 19


def test_pulses_and_rounded_watt_hours_are_both_kept_as_sent():
    payload = [READING, READING | {"timestamp": READING["timestamp"] + 60, "pulses": 61}]
    rows = parse_readings(payload, 1).rows
    assert rows["watt_hours"].tolist() == [19.0, 19.0]
    assert rows["pulses"].tolist() == [60, 61]
    assert rows["cost_aud"].tolist() == [0.0043611333] * 2  # dollars


@pytest.mark.parametrize(
    "fields",
    [
        {"timestamp": None},
        {"timestamp": "1706362080"},
        {"timestamp": True},
        {"timestamp": 1706362081},
        {"timestamp": 1706362080000},
        {"timestamp": -60},
        {"timestamp": math.nan},
        {"pulses": -1},
        {"pulses": 1.5},
        {"pulses": "60"},
        {"pulses": 10**30},
        {"watt_hours": -1},
        {"watt_hours": math.inf},
        {"pulses": None, "watt_hours": None},
    ],
)
def test_a_reading_without_its_minute_or_with_a_wrong_count_is_refused(fields):
    parsed = parse_readings([READING | fields], 1)
    assert parsed.rows.empty
    assert [reject.index for reject in parsed.rejects] == [0]


def test_exact_repetitions_collapse_and_contradictions_are_reported():
    parsed = parse_readings([READING, READING, READING | {"pulses": 61}], 1)
    assert parsed.rows["pulses"].tolist() == [61]
    assert [reject.index for reject in parsed.rejects] == [1]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=6,
)
BROKEN = st.dictionaries(st.sampled_from(sorted(READING)), JSON).map(lambda new: READING | new)


@settings(max_examples=60, deadline=None)
@given(st.lists(JSON | BROKEN, max_size=4) | JSON)
def test_whatever_arrives_every_element_is_a_row_a_reject_or_a_repetition(payload):
    if not isinstance(payload, list):
        with pytest.raises(SourceUnavailable):
            parse_readings(payload, 1)
        return
    parsed = parse_readings(payload, 1)
    refused = {reject.index for reject in parsed.rejects}
    accepted = [element for i, element in enumerate(payload) if i not in refused]
    assert sum(len(parse_readings([element], 1).rows) for element in accepted) == len(accepted)
    assert bool(accepted) == bool(len(parsed.rows))


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("name", "sample_minutes", "count"),
    [
        ("samples/powerpal_meter_reading_minute.json", 1, 5),
        ("samples/powerpal_meter_reading_sample60.json", 60, 3),
        ("data/powerpal-api-sample/meter_reading_excerpt.json", 1, 4),
    ],
)
def test_every_reading_of_the_samples_is_a_row(sample, name, sample_minutes, count):
    payload = json.loads(sample(name))
    parsed = parse_readings(payload, sample_minutes)
    assert (len(parsed.rows), parsed.rejects, parsed.notices) == (count, [], [])
    assert parsed.rows["pulses"].tolist() == [reading["pulses"] for reading in payload]
    assert parsed.rows["interval_start"].iloc[0].timestamp() == payload[0]["timestamp"]
    assert parsed.rows["sample_count"].tolist() == [reading["samples"] for reading in payload]


@pytest.mark.shared_data
def test_a_sample_sent_word_by_word_arrives_whole(demo, powerpal, sample):
    demo.fault("*/meter_reading/*", body=sample("samples/powerpal_meter_reading_minute.json"))
    start = datetime(2024, 1, 27, 13, 28, tzinfo=UTC)
    assert len(powerpal.readings(start, start + HOUR, 1).rows) == 5
    demo.fault("*/device/*", body=sample("samples/powerpal_device.json"))
    device = powerpal.device()
    assert device.serial_number == "0000abcd"
    assert device.first_reading_at == datetime(2021, 6, 29, 8, 23, tzinfo=UTC)
    assert device.last_reading_at == datetime(2021, 7, 8, 11, 29, tzinfo=UTC)
    assert (device.total_watt_hours, device.available_days) == (215354, 8)
    assert device.last_reading_watt_hours == 22
