"""Amber's assets against the demo home: whole days, refusals, quotas and revisions."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
import requests

from energy_pipeline.assets import amber, ingest
from energy_pipeline_tests.homes import NOON, Home, checks_of, failure_of, retries_of

DAY = date(2026, 10, 18)
TODAY = date(2026, 10, 20)
PRICE_CHECK = "every_begun_interval_has_a_price"
USAGE_CHECK = "every_interval_of_a_published_day_has_usage"
KINDS = [(amber.PRICES, "raw.amber_prices"), (amber.USAGE, "raw.amber_usage")]
both = pytest.mark.parametrize(("key", "table"), KINDS, ids=["prices", "usage"])


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What our runs would have waited, without waiting."""
    waits: list[float] = []
    monkeypatch.setattr(ingest.time, "sleep", waits.append)
    return waits


@both
def test_a_day_written_twice_holds_each_interval_once(home: Home, key, table: str) -> None:
    sql = f"SELECT * FROM {table} ORDER BY ALL"
    assert home.materialize(key, first=DAY).success
    before = home.query(sql)
    home.clock.set(NOON + timedelta(minutes=1))
    again = home.materialize(key, first=DAY)
    assert home.query(sql) == before
    assert len(before) == 3 * 288
    (event,) = again.asset_materializations_for_node("__".join(key.path))
    metadata = {name: entry.value for name, entry in event.metadata.items()}
    assert metadata["dagster/row_count"] == 864
    assert metadata["changed_rows"] == 0
    assert metadata["rejected_rows"] == 0
    assert metadata["newest_interval"] == "2026-10-18T13:55:00+00:00"
    assert int(metadata["rate_limit_left"]) > 0
    assert all(check.passed for check in checks_of(again).values())


@pytest.mark.parametrize("change", [date(2026, 4, 5), date(2026, 10, 4)])
def test_every_nem_day_around_a_change_of_the_clocks_has_288_prices(
    home: Home, change: date
) -> None:
    first, last = change - timedelta(days=3), change + timedelta(days=3)
    result = home.materialize(amber.PRICES, first=first, last=last)
    assert checks_of(result)[PRICE_CHECK].passed
    counts = home.query(
        "SELECT nem_date, count(*), count(DISTINCT interval_start) FROM raw.amber_prices "
        "WHERE channel_type = 'general' GROUP BY 1 ORDER BY 1"
    )
    assert counts == [(first + timedelta(days=n), 288, 288) for n in range(7)]
    assert sum("/prices" in request for request in home.suppliers.requests) == 1


def test_of_today_only_what_has_begun_is_expected(home: Home) -> None:
    result = home.materialize(amber.PRICES, first=TODAY)
    assert checks_of(result)[PRICE_CHECK].passed
    begun = home.query("SELECT count(*) FROM raw.amber_prices WHERE channel_type = 'general'")
    assert begun == [(145,)]  # 12 hours and the interval that is running
    assert home.query(
        "SELECT count(*) FROM raw.amber_prices WHERE price_class = 'actual' "
        "AND channel_type = 'general'"
    ) == [(144,)]


def test_days_to_come_are_not_asked_for(home: Home) -> None:
    home.clock.set(datetime(2026, 10, 17, 2, tzinfo=UTC))
    assert home.materialize(amber.PRICES, amber.USAGE, first=DAY, last=TODAY).success
    assert [r for r in home.suppliers.requests if "Date=" in r] == []


# Refusals


@both
def test_a_wrong_key_is_not_retried_and_the_message_names_the_variable(
    home: Home, monkeypatch: pytest.MonkeyPatch, key, table: str
) -> None:
    monkeypatch.setenv("AMBER_TOKEN", "psk_wrong")
    result = home.materialize(key, first=DAY)
    assert not result.success
    assert retries_of(result) == 0
    assert "AMBER_TOKEN" in failure_of(result)
    assert len(home.suppliers.requests) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_request_that_is_wrong_is_not_retried(home: Home, status: int) -> None:
    home.suppliers.fault("/prices", status=status)
    result = home.materialize(amber.PRICES, first=DAY)
    assert not result.success
    assert retries_of(result) == 0
    assert f"HTTP {status}" in failure_of(result)


def test_a_missing_key_is_named_with_its_cure(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMBER_TOKEN", "")
    result = home.materialize(amber.PRICES, first=DAY)
    assert retries_of(result) == 0
    assert failure_of(result).startswith("AMBER_TOKEN is not set: put AMBER_TOKEN=... into ")


def test_a_wrong_setting_is_named_with_its_cure(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME_TIMEZONE", "Sydney")
    result = home.materialize(amber.PRICES, first=DAY)
    assert retries_of(result) == 0
    assert failure_of(result).startswith("HOME_TIMEZONE is wrong")


BROKEN = [
    {"status": 500},
    {"body": b"<html>please log in</html>"},
    {"body": b'{"message": "odd"}'},
    {"body": b"[{"},
    {"truncate": True},
]


@pytest.mark.parametrize("broken", BROKEN, ids=["500", "html", "object", "garbage", "truncated"])
def test_what_may_pass_is_retried_and_the_data_before_stays(home: Home, broken: dict) -> None:
    home.materialize(amber.PRICES, first=DAY)
    before = home.query("SELECT * FROM raw.amber_prices ORDER BY ALL")
    home.suppliers.fault("/prices", **broken, times=2)
    result = home.materialize(amber.PRICES, first=DAY)
    assert result.success
    assert retries_of(result) == 2
    assert home.query("SELECT * FROM raw.amber_prices ORDER BY ALL") == before


def test_what_does_not_pass_is_given_up_with_its_reason(home: Home) -> None:
    home.suppliers.fault("/prices", status=502)
    result = home.materialize(amber.PRICES, first=DAY)
    assert not result.success
    assert retries_of(result) == ingest.MAX_RETRIES
    assert failure_of(result).startswith("given up after 3 retries: Amber prices 2026-10-18")
    assert home.query("SELECT count(*) FROM raw.ingest_log") == [(0,)]


def test_windows_before_the_one_that_failed_are_kept(home: Home) -> None:
    home.suppliers.fault("/usage", delay_seconds=0.0, times=1)  # the first one passes
    home.suppliers.fault("/usage", status=404)
    first = date(2026, 10, 1)
    result = home.materialize(amber.USAGE, first=first, last=first + timedelta(days=9))
    assert not result.success
    assert home.query("SELECT count(DISTINCT nem_date), count(*) FROM raw.amber_usage") == [
        (7, 7 * 864)
    ]


# Quotas and windows


def test_a_used_up_quota_is_waited_for(home: Home, slept: list[float]) -> None:
    headers = {"RateLimit-Limit": "50", "RateLimit-Remaining": "0", "RateLimit-Reset": "40"}
    home.suppliers.fault("/prices", status=429, headers=headers, times=2)
    result = home.materialize(amber.PRICES, first=DAY)
    assert result.success
    assert retries_of(result) == 0
    assert slept == [42.0, 42.0]
    assert checks_of(result)[PRICE_CHECK].passed


def test_a_quota_that_stays_used_up_is_an_error_to_be_seen(home: Home, slept: list[float]) -> None:
    headers = {"RateLimit-Limit": "50", "RateLimit-Remaining": "0", "RateLimit-Reset": "600"}
    home.suppliers.fault("/prices", status=429, headers=headers)
    result = home.materialize(amber.PRICES, first=DAY)
    assert "quota is used up" in failure_of(result)
    assert sum(wait for wait in slept if wait > 1) <= 4 * ingest.LONGEST_WAIT_SECONDS


def test_bulk_work_leaves_a_reserve_of_the_quota_to_the_live_price(
    home: Home, slept: list[float]
) -> None:
    headers = {"RateLimit-Limit": "50", "RateLimit-Remaining": "9", "RateLimit-Reset": "77"}
    home.suppliers.fault("/prices", headers=headers)
    home.materialize(amber.PRICES, first=date(2026, 10, 1), last=date(2026, 10, 10))
    assert slept == [77.0]  # between two requests, not after the last


def test_a_window_that_is_too_large_is_halved_until_it_fits(home: Home) -> None:
    said = b"Range requested is too large. Maximum 1 days."
    home.suppliers.fault("/prices", status=422, body=said, times=2)
    first = date(2026, 10, 1)
    result = home.materialize(amber.PRICES, first=first, last=first + timedelta(days=6))
    assert result.success
    asked = [r.partition("startDate=")[2] for r in home.suppliers.requests if "startDate" in r]
    assert [a.replace("&endDate=2026-10-", " ")[-5:] for a in asked] == [
        *("01 07", "01 04", "01 02", "03 04"),
        "05 07",
    ]
    assert home.query("SELECT count(DISTINCT nem_date), count(*) FROM raw.amber_prices") == [
        (7, 7 * 864)
    ]


def test_a_single_day_that_is_too_large_is_an_error(home: Home) -> None:
    home.suppliers.fault("/prices", status=422, body=b"Range requested is too large.")
    result = home.materialize(amber.PRICES, first=DAY, last=DAY + timedelta(days=1))
    assert "HTTP 422" in failure_of(result)


# Gaps, rejects, revisions


def test_no_usage_stores_nothing_is_seen_and_asked_for_again(home: Home) -> None:
    home.suppliers.fault("/usage", body=[], times=1)
    result = home.materialize(amber.USAGE, first=DAY)
    assert result.success
    check = checks_of(result)[USAGE_CHECK]
    assert not check.passed
    assert check.severity.value == "WARN"
    assert check.metadata["first"].value == "2026-10-18: nothing"
    assert home.query("SELECT count(*) FROM raw.amber_usage") == [(0,)]
    assert checks_of(home.materialize(amber.USAGE, first=DAY))[USAGE_CHECK].passed
    assert home.query("SELECT row_count FROM raw.ingest_log ORDER BY 1") == [(0,), (864,)]


def test_an_empty_answer_takes_nothing_away(home: Home) -> None:
    home.materialize(amber.USAGE, first=DAY)
    home.suppliers.fault("/usage", body=[])
    assert home.materialize(amber.USAGE, first=DAY).success
    assert home.query("SELECT count(*) FROM raw.amber_usage") == [(864,)]


def test_a_channel_that_is_missing_for_a_whole_day_is_named(home: Home) -> None:
    url = f"{home.suppliers.amber_url}/sites/{home.settings().amber_site_id}/prices"
    token = home.settings().amber_token.get_secret_value()
    sent = requests.get(
        url,
        params={"startDate": DAY.isoformat(), "endDate": DAY.isoformat()},
        headers={"Authorization": f"Bearer {token}"},
        timeout=20,
    ).json()
    home.suppliers.fault("/prices", body=[r for r in sent if r["channelType"] != "feedIn"])
    check = checks_of(home.materialize(amber.PRICES, first=DAY))[PRICE_CHECK]
    assert not check.passed
    assert check.metadata["first"].value == "2026-10-18: feedIn 0 of 1440 min"


def test_rows_that_are_not_understood_are_counted_and_named(home: Home) -> None:
    good = {
        "type": "ActualInterval",
        "duration": 5,
        "date": "2026-10-18",
        "startTime": "2026-10-17T14:00:01Z",
        "endTime": "2026-10-17T14:05:00Z",
        "perKwh": 20.0,
        "channelType": "general",
    }
    home.suppliers.fault("/prices", body=[good, good | {"perKwh": "cheap"}, 7])
    result = home.materialize(amber.PRICES, first=DAY)
    check = checks_of(result)["every_row_was_understood"]
    assert (check.passed, check.severity.value) == (False, "WARN")
    assert check.metadata["rejected"].value == 2
    assert "element 1: perKwh is 'cheap'" in check.metadata["first"].value
    assert home.query("SELECT row_count, reject_count FROM raw.ingest_log") == [(1, 2)]
    assert home.query("SELECT per_kwh FROM raw.amber_prices") == [(20.0,)]


def test_usage_that_is_revised_keeps_what_it_was(home: Home) -> None:
    home.materialize(amber.USAGE, first=date(2026, 10, 19))
    sql = "SELECT quality, count(*) FROM raw.amber_usage GROUP BY 1"
    assert home.query(sql) == [("estimated", 864)]
    home.clock.set(NOON + timedelta(days=5))
    home.materialize(amber.USAGE, first=date(2026, 10, 19))
    assert home.query(sql) == [("billable", 864)]
    revised = home.query(
        "SELECT count(*), count(*) FILTER (old.kwh <> new.kwh) "
        "FROM raw.amber_usage_revisions old JOIN raw.amber_usage new "
        "USING (channel_identifier, interval_start) WHERE old.quality = 'estimated'"
    )
    assert revised[0][0] == 864
    assert revised[0][1] > 0


def test_the_site_is_asked_for_once(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMBER_SITE_ID", "")  # the only active one
    for day in (DAY, DAY + timedelta(days=1)):
        assert home.materialize(amber.PRICES, first=day).success
    assert sum(request.endswith("/sites") for request in home.suppliers.requests) == 1


def test_a_supplier_that_is_not_there_is_retried(home: Home) -> None:
    home.suppliers.stop()
    result = home.materialize(amber.PRICES, first=DAY)
    assert retries_of(result) == ingest.MAX_RETRIES
    assert "check the internet connection" in failure_of(result)
