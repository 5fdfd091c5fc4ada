"""Amber's contract as the demo server speaks it: prices of the past, now and to come; sites."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from energy_pipeline.demo.amber import CLOSED_SITE_ID
from energy_pipeline.demo.server import DEMO_AMBER_TOKEN, DEMO_SITE_ID, DemoServer
from energy_pipeline_tests.demo.conftest import NOON, by_channel, lock_time

PRICE_KEYS = {
    "type", "date", "duration", "startTime", "endTime", "nemTime", "perKwh", "renewables",
    "spotPerKwh", "channelType", "spikeStatus", "descriptor",
}  # fmt: skip


def test_the_sites_are_an_active_five_minute_one_and_a_closed_half_hourly_one(amber):
    active, closed = amber("/sites").json()
    assert (active["status"], active["intervalLength"]) == ("active", 5)
    assert [(c["identifier"], c["type"]) for c in active["channels"]] == [
        ("E1", "general"),
        ("E2", "controlledLoad"),
        ("B1", "feedIn"),
    ]
    assert (closed["status"], closed["intervalLength"]) == ("closed", 30)
    assert closed["closedOn"] == "2024-12-31"
    assert "closedOn" not in active


@pytest.mark.parametrize("day", ["2024-01-01", "2025-10-05", "2026-04-05", "2026-11-23"])
def test_a_past_day_has_288_actual_intervals_on_each_channel_in_order(amber, day):
    """Also on the days when the clocks in Sydney change."""
    channels = by_channel(amber("/sites/{site}/prices", startDate=day, endDate=day).json())
    assert list(channels) == ["general", "controlledLoad", "feedIn"]
    nem_midnight = datetime.fromisoformat(day + "T00:00:00+10:00")
    for name, records in channels.items():
        assert len(records) == 288
        for number, record in enumerate(records):
            start = nem_midnight + timedelta(minutes=5 * number)
            end = start + timedelta(minutes=5)
            assert record["type"] == "ActualInterval"
            assert record["duration"] == 5
            assert record["date"] == day
            assert datetime.fromisoformat(record["startTime"]) == start + timedelta(seconds=1)
            assert datetime.fromisoformat(record["endTime"]) == end
            assert record["nemTime"] == end.isoformat()
            expected = PRICE_KEYS if name == "feedIn" else PRICE_KEYS | {"tariffInformation"}
            assert set(record) == expected


def test_times_are_written_as_the_supplier_writes_them(amber):
    query = {"startDate": "2026-11-23", "endDate": "2026-11-23"}
    last = amber("/sites/{site}/prices", **query).json()[287]
    assert last["startTime"] == "2026-11-23T13:55:01Z"
    assert last["endTime"] == "2026-11-23T14:00:00Z"
    assert last["nemTime"] == "2026-11-24T00:00:00+10:00"
    assert last["date"] == "2026-11-23"


def test_prices_on_the_wire_are_these(amber):
    """Fixed figures: a change of the demo's numbers must be noticed."""
    query = {"startDate": "2025-07-15", "endDate": "2025-07-15"}
    channels = by_channel(amber("/sites/{site}/prices", **query).json())
    evening = {name: records[222] for name, records in channels.items()}
    assert evening["general"]["nemTime"] == "2025-07-15T18:35:00+10:00"
    assert evening["general"]["spotPerKwh"] == 16.8421
    assert evening["general"]["perKwh"] == 49.20989
    assert evening["controlledLoad"]["perKwh"] == 30.94989
    assert evening["feedIn"]["perKwh"] == -19.60626
    assert evening["general"]["tariffInformation"] == {
        "period": "peak",
        "season": "winter",
        "demandWindow": True,
    }
    assert {record["spotPerKwh"] for record in evening.values()} == {16.8421}


def test_a_range_holds_its_days_channel_by_channel(amber):
    query = {"startDate": "2026-03-01", "endDate": "2026-03-07"}
    channels = by_channel(amber("/sites/{site}/prices", **query).json())
    assert [len(records) for records in channels.values()] == [7 * 288] * 3
    for records in channels.values():
        ends = [record["endTime"] for record in records]
        assert ends == sorted(set(ends))


def test_days_before_the_records_begin_are_an_empty_list(amber):
    answer = amber("/sites/{site}/prices", startDate="2023-12-30", endDate="2023-12-31")
    assert (answer.status_code, answer.json()) == (200, [])


def test_prices_default_to_the_nem_date_of_now(server: DemoServer, amber):
    server.set_clock(now=datetime(2026, 11, 23, 14, 0, 1, tzinfo=UTC))  # 00:00:01 NEM time
    dates = {record["date"] for record in amber("/sites/{site}/prices").json()}
    assert dates == {"2026-11-24"}
    server.set_clock(now=datetime(2026, 11, 23, 13, 59, 59, tzinfo=UTC))
    dates = {record["date"] for record in amber("/sites/{site}/prices").json()}
    assert dates == {"2026-11-23"}


def test_today_is_actual_then_current_then_forecast(amber):
    records = by_channel(amber("/sites/{site}/prices").json())["general"]
    kinds = [record["type"] for record in records]
    assert kinds == ["ActualInterval"] * 144 + ["CurrentInterval"] + ["ForecastInterval"] * (
        kinds.count("ForecastInterval")
    )
    assert records[144]["nemTime"] == "2026-11-24T12:05:00+10:00"
    assert records[-1]["nemTime"] == "2026-11-25T00:00:00+10:00"
    assert sum(record["duration"] for record in records) == 1440


def test_a_day_not_yet_foreseen_is_an_empty_list(amber):
    answer = amber("/sites/{site}/prices", startDate="2026-12-24", endDate="2026-12-25")
    assert (answer.status_code, answer.json()) == (200, [])


def test_half_hours_are_means_of_their_six_five_minutes(amber):
    query = {"startDate": "2026-11-20", "endDate": "2026-11-20"}
    fives = by_channel(amber("/sites/{site}/prices", **query).json())
    halves = by_channel(amber("/sites/{site}/prices", **query, resolution=30).json())
    for name in fives:
        assert [half["duration"] for half in halves[name]] == [30] * 48
        for field in ("perKwh", "spotPerKwh"):
            expected = np.array([five[field] for five in fives[name]]).reshape(48, 6).mean(axis=1)
            assert [half[field] for half in halves[name]] == pytest.approx(expected, abs=2e-5)


def test_the_closed_site_has_half_hours_until_it_closed(amber):
    path = f"/sites/{CLOSED_SITE_ID}/prices"
    records = amber(path, startDate="2024-12-30", endDate="2025-01-02").json()
    assert {record["date"] for record in records} == {"2024-12-30", "2024-12-31"}
    assert {record["duration"] for record in records} == {30}
    assert {record["channelType"] for record in records} == {"general"}
    assert amber(path + "/current").json() == []
    usage = amber(f"/sites/{CLOSED_SITE_ID}/usage", startDate="2024-12-30", endDate="2024-12-31")
    assert usage.json() == []


def test_current_alone_is_one_interval_for_each_channel(amber):
    records = amber("/sites/{site}/prices/current").json()
    assert [record["type"] for record in records] == ["CurrentInterval"] * 3
    assert [record["channelType"] for record in records] == ["general", "controlledLoad", "feedIn"]


def test_previous_and_next_count_intervals_around_the_current_one(amber):
    records = amber("/sites/{site}/prices/current", previous=4, next=20).json()
    for channel in by_channel(records).values():
        kinds = [record["type"] for record in channel]
        assert kinds == ["ActualInterval"] * 4 + ["CurrentInterval"] + ["ForecastInterval"] * 20


def test_previous_prices_equal_those_of_the_day_across_midnight(server: DemoServer, amber):
    server.set_clock(now=datetime(2026, 11, 23, 14, 6, tzinfo=UTC))  # 00:06 NEM time
    near = by_channel(amber("/sites/{site}/prices/current", previous=3).json())["general"][:3]
    assert [record["date"] for record in near] == ["2026-11-23", "2026-11-23", "2026-11-24"]
    query = {"startDate": "2026-11-23", "endDate": "2026-11-23"}
    whole = by_channel(amber("/sites/{site}/prices", **query).json())["general"]
    assert near[:2] == whole[-2:]


@pytest.mark.parametrize("minute", range(0, 60, 5))
def test_forecasts_are_five_minute_ones_up_to_a_half_hour_then_half_hourly(
    server: DemoServer, amber, minute
):
    now = datetime(2026, 11, 24, 3, minute, 40, tzinfo=UTC)
    server.set_clock(now=now)
    records = by_channel(amber("/sites/{site}/prices/current", next=2000).json())["general"]
    ahead = records[1:]
    durations = [record["duration"] for record in ahead]
    near = durations.count(5)
    assert durations == [5] * near + [30] * (len(ahead) - near)
    boundary = datetime.fromisoformat(ahead[near - 1]["endTime"])
    assert boundary.minute % 30 == 0
    start = now.replace(second=0)
    assert timedelta(minutes=35) <= boundary - start <= timedelta(minutes=60)
    ends = [datetime.fromisoformat(record["endTime"]) for record in records]
    for end, following in zip(ends, ahead, strict=False):
        length = timedelta(minutes=following["duration"])
        assert datetime.fromisoformat(following["endTime"]) == end + length
    assert ends[-1].isoformat() == "2026-11-25T18:00:00+00:00"  # 04:00 NEM time, in two days


def test_the_current_price_is_an_estimate_until_it_is_locked_in(server: DemoServer, amber):
    lock = lock_time(NOON)
    answers = []
    for moment in (lock - timedelta(milliseconds=100), lock):
        server.set_clock(now=moment)
        answers.append(by_channel(amber("/sites/{site}/prices/current").json()))
    server.set_clock(now=NOON + timedelta(minutes=5))
    final = by_channel(amber("/sites/{site}/prices/current", previous=1).json())
    estimate, locked = answers
    for name in ("general", "controlledLoad", "feedIn"):
        (before,), (after,), actual = estimate[name], locked[name], final[name][0]
        assert before["estimate"] is True
        assert after["estimate"] is False
        assert before["perKwh"] != after["perKwh"]
        assert "advancedPrice" in before
        assert "advancedPrice" not in after
        assert "range" not in after
        assert after["perKwh"] == actual["perKwh"]
        assert after["spotPerKwh"] == actual["spotPerKwh"]
        assert actual["type"] == "ActualInterval"
        assert "estimate" not in actual


def test_prices_are_locked_in_as_late_as_clients_have_seen():
    start = datetime(2026, 1, 1, tzinfo=UTC)
    moments = [start + timedelta(minutes=5 * number) for number in range(3000)]
    delays = [(lock_time(moment) - moment).total_seconds() for moment in moments]
    assert min(delays) >= 17
    assert max(delays) <= 37
    assert np.median(delays) == pytest.approx(22.5, abs=0.3)
    assert np.percentile(delays, 95) == pytest.approx(30.2, abs=0.5)


def test_a_half_hour_is_an_estimate_until_its_last_five_minutes_are_locked_in(
    server: DemoServer, amber
):
    server.set_clock(now=datetime(2026, 11, 24, 2, 24, 59, tzinfo=UTC))
    (early, *_) = amber("/sites/{site}/prices/current", resolution=30).json()
    server.set_clock(now=datetime(2026, 11, 24, 2, 29, 59, tzinfo=UTC))
    (late, *_) = amber("/sites/{site}/prices/current", resolution=30).json()
    assert (early["duration"], early["estimate"], late["estimate"]) == (30, True, False)
    assert early["endTime"] == late["endTime"] == "2026-11-24T02:30:00Z"


def test_forecasts_change_with_their_issue_and_miss_what_comes(server: DemoServer, amber):
    def foreseen(now: datetime) -> dict[str, float]:
        server.set_clock(now=now)
        records = by_channel(amber("/sites/{site}/prices/current", next=60).json())["general"]
        return {
            record["endTime"]: record["perKwh"]
            for record in records
            if record["type"] == "ForecastInterval" and record["duration"] == 30
        }

    first, same = foreseen(NOON), foreseen(NOON + timedelta(seconds=100))
    later = foreseen(NOON + timedelta(minutes=30))
    assert first == same
    both = first.keys() & later.keys()
    assert len(both) > 20
    assert all(first[end] != later[end] for end in both)


def test_advanced_prices_bracket_the_forecast_and_turn_round_on_feed_in(amber):
    records = amber("/sites/{site}/prices/current", next=60).json()
    for record in records:
        if record["type"] != "ForecastInterval":
            continue
        low, predicted, high = (record["advancedPrice"][k] for k in ("low", "predicted", "high"))
        if record["channelType"] == "feedIn":
            assert low > predicted > high  # the lowest earning is the highest number
        else:
            assert low < predicted < high


def test_a_spike_says_so_and_a_volatile_forecast_shows_its_range(server: DemoServer, amber):
    query = {"startDate": "2025-01-15", "endDate": "2025-01-15"}
    records = amber("/sites/{site}/prices", **query).json()
    spikes = [record for record in records if record["spikeStatus"] == "spike"]
    assert max(record["spotPerKwh"] for record in spikes) == 1925.0
    assert {record["descriptor"] for record in spikes} == {"spike"}
    assert {r["descriptor"] for r in records if r["spikeStatus"] == "none"} <= {
        "extremelyLow", "veryLow", "low", "neutral", "high",
    }  # fmt: skip
    server.set_clock(now=datetime(2025, 1, 15, 5, 0, tzinfo=UTC))
    ahead = amber("/sites/{site}/prices/current", next=40).json()
    ranges = [record["range"] for record in ahead if "range" in record]
    assert 0 < len(ranges) < len(ahead)
    assert all(limits["min"] < limits["max"] for limits in ranges)
    assert "potential" in {record["spikeStatus"] for record in ahead}


def test_the_same_question_gets_the_same_answer_from_another_server(amber, http):
    query = {"startDate": "2024-06-01", "endDate": "2024-06-07"}
    headers = {"Authorization": f"Bearer {DEMO_AMBER_TOKEN}"}
    here = amber("/sites/{site}/prices", **query).json()
    with DemoServer() as twin, DemoServer(seed=7) as stranger:
        same, other = (
            http.get(
                f"{server.amber_url}/sites/{DEMO_SITE_ID}/prices",
                params=query,
                headers=headers,
                timeout=20,
            ).json()
            for server in (twin, stranger)
        )
    assert same == here
    assert other != here


def test_renewables_need_no_key_and_are_half_hourly(server: DemoServer, http):
    url = f"{server.amber_url}/state/nsw/renewables/current"
    answer = http.get(url, params={"previous": 2, "next": 3}, timeout=20)
    assert "RateLimit-Limit" not in answer.headers
    records = answer.json()
    assert [record["type"] for record in records] == (
        ["ActualRenewable"] * 2 + ["CurrentRenewable"] + ["ForecastRenewable"] * 3
    )
    assert {record["duration"] for record in records} == {30}
    assert set(records[0]) == {
        "type", "duration", "date", "endTime", "nemTime", "renewables", "startTime", "descriptor",
    }  # fmt: skip
    fives = http.get(url, params={"resolution": 5}, timeout=20).json()
    assert [record["duration"] for record in fives] == [5]
    assert http.get(url.replace("nsw", "wa"), timeout=20).status_code == 404


def test_renewables_of_a_price_are_those_of_the_state(server: DemoServer, amber, http):
    price = amber("/sites/{site}/prices/current").json()[0]
    state = http.get(
        f"{server.amber_url}/state/nsw/renewables/current", params={"resolution": 5}, timeout=20
    ).json()[0]
    assert price["renewables"] == state["renewables"]
    assert price["endTime"] == state["endTime"]


def test_a_leap_day_exists(amber):
    records = amber("/sites/{site}/prices", startDate="2024-02-29", endDate="2024-02-29").json()
    assert len(records) == 3 * 288
    assert {record["date"] for record in records} == {date(2024, 2, 29).isoformat()}
