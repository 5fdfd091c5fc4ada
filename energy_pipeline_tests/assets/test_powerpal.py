"""Powerpal's asset against the demo home: whole buckets only, gaps seen, exports imported."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from energy_pipeline.assets import powerpal
from energy_pipeline.assets.powerpal import import_csv
from energy_pipeline_tests.homes import NOON, Home, checks_of, failure_of, retries_of

DAY = date(2026, 10, 18)
TODAY = date(2026, 10, 20)
CSV = """datetime_utc,datetime_local,watt_hours,cost_dollars,is_peak
2026-10-17 14:00:00,2026-10-18 01:00:00,10.5000000000,0.0008190972,false
2026-10-17 14:01:00,2026-10-18 01:01:00,11.0000000000,0.0008190972,false
"""


def test_a_day_written_twice_holds_each_bucket_once(home: Home) -> None:
    for _ in range(2):
        result = home.materialize(powerpal.USAGE, first=DAY)
        assert result.success
    assert home.query(
        "SELECT count(*), count(DISTINCT interval_start), sum(sample_count) FROM raw.powerpal_usage"
    ) == [(288, 288, 1440)]
    assert home.query("SELECT changed_count FROM raw.ingest_log ORDER BY 1") == [(0,), (288,)]
    (event,) = result.asset_materializations_for_node("raw__powerpal_usage")
    assert event.metadata["changed_rows"].value == 0
    assert all(check.passed for check in checks_of(result).values())


def test_of_today_only_buckets_that_are_whole_are_stored(home: Home) -> None:
    home.clock.set(NOON + timedelta(minutes=2))
    assert home.materialize(powerpal.USAGE, first=TODAY).success
    assert home.query("SELECT count(*), sum(sample_count) FROM raw.powerpal_usage") == [(144, 720)]


def test_a_day_without_readings_is_seen_and_named(home: Home) -> None:
    home.suppliers.fault("/meter_reading", body=[])
    check = checks_of(home.materialize(powerpal.USAGE, first=DAY))["every_day_has_readings"]
    assert not check.passed
    assert check.metadata["first"].value == "2026-10-18"
    assert home.query("SELECT count(*) FROM raw.powerpal_usage") == [(0,)]


def test_a_key_that_is_refused_is_not_retried(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POWERPAL_TOKEN", "11111111-2222-4333-8444-555555555555")
    result = home.materialize(powerpal.USAGE, first=DAY)
    assert retries_of(result) == 0
    assert "POWERPAL_TOKEN" in failure_of(result)


def test_a_home_without_a_powerpal_has_none_to_ask(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POWERPAL_TOKEN", "")
    monkeypatch.setenv("POWERPAL_DEVICE_ID", "")
    result = home.materialize(powerpal.USAGE, first=DAY)
    assert result.success
    assert checks_of(result)["every_day_has_readings"].passed
    assert not home.suppliers.requests


def test_an_export_is_stored_once_whatever_device_is_configured(home: Home, tmp_path: Path) -> None:
    path = tmp_path / "export.csv"
    path.write_text(CSV)
    for device, changed in ((None, 2), (None, 0), ("0000de50", 2)):
        parsed, found = import_csv(home.warehouse, path, device)
        assert (len(parsed.rows), found, parsed.rejects) == (2, changed, [])
    assert home.query("SELECT DISTINCT origin, duration_minutes FROM raw.powerpal_usage") == [
        ("csv", 1)
    ]
