"""Reading: which days were asked for, what of them is there, which site it is."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta

import duckdb
import pytest

from energy_pipeline.sources.powerpal import parse_readings
from energy_pipeline.warehouse import read
from energy_pipeline.warehouse.write import (
    AMBER_PRICES,
    POWERPAL_USAGE,
    log_ingest,
    store_revisions,
    store_site,
)
from energy_pipeline_tests.amber_rows import feed_in, price, prices

MIDNIGHT = datetime(2026, 10, 19, 14, 0, tzinfo=UTC)  # begins the NEM day 2026-10-20
DAY = timedelta(days=1)


def asked(db: duckdb.DuckDBPyConnection, first: int, after: int, at: datetime) -> None:
    log_ingest(
        db,
        source="amber_usage",
        start=MIDNIGHT + first * DAY,
        end=MIDNIGHT + after * DAY,
        fetched_at=at,
        row_count=0,
        changed_count=0,
        rejects=[],
    )


def test_days_that_were_asked_for_are_nem_days_within_the_window(
    db: duckdb.DuckDBPyConnection,
) -> None:
    asked(db, -3, 1, MIDNIGHT)
    asked(db, 1, 2, MIDNIGHT + DAY)
    window = {"start": MIDNIGHT - DAY, "end": MIDNIGHT + 2 * DAY}
    days = [date(2026, 10, 19), date(2026, 10, 20), date(2026, 10, 21)]
    assert read.asked_days(db, ("amber_usage",), **window) == set(days)
    assert read.asked_days(db, ("amber_usage",), **window, fetched_after=MIDNIGHT) == {days[2]}
    assert read.asked_days(db, ("amber_prices",), **window) == set()


def test_covered_minutes_are_counted_per_register_and_nem_day(
    db: duckdb.DuckDBPyConnection,
) -> None:
    rows = prices(
        price(MIDNIGHT, 1.0),
        price(MIDNIGHT + timedelta(minutes=30), 1.0, minutes=30),
        feed_in(price(MIDNIGHT, -1.0)),
        price(MIDNIGHT - timedelta(minutes=5), 1.0),  # ends at midnight: of the day before
    )
    store_revisions(db, AMBER_PRICES, rows, fetched_at=MIDNIGHT, site_id="S")
    covered = read.covered_minutes(
        db,
        "raw.amber_prices",
        "channel_type",
        start=MIDNIGHT - DAY,
        end=MIDNIGHT + DAY,
        site_id="S",
    )
    assert covered == {
        date(2026, 10, 19): {"general": 5},
        date(2026, 10, 20): {"feedIn": 5, "general": 35},
    }


def test_a_window_is_half_open_ascending_and_of_one_site(db: duckdb.DuckDBPyConnection) -> None:
    starts = [MIDNIGHT + n * timedelta(minutes=5) for n in (2, 0, 1, 3)]
    rows = prices(*(price(start, 1.0) for start in starts))
    for site in ("S", "other"):
        store_revisions(db, AMBER_PRICES, rows, fetched_at=MIDNIGHT, site_id=site)
    found = read.window(
        db,
        "raw.amber_prices",
        start=starts[1],
        end=starts[3],
        site_id="S",
    )
    assert found["interval_start"].tolist() == sorted(starts)[:3]
    assert read.newest_interval_start(db, "raw.amber_prices") == starts[3]
    assert read.newest_interval_start(db, "raw.amber_usage") is None


@pytest.mark.parametrize(("wanted", "found"), [(None, "new"), ("old", "old"), ("gone", None)])
def test_the_site_is_the_wanted_one_or_the_newest(
    db: duckdb.DuckDBPyConnection, wanted: str | None, found: str | None
) -> None:
    channels = [{"identifier": "E1", "type": "general"}, {"identifier": "E2", "type": "general"}]
    for number, name in enumerate(("old", "new")):
        row = {"site_id": name, "status": "active", "channels": json.dumps(channels)}
        store_site(db, row, MIDNIGHT + number * DAY)
    site = read.site(db, wanted)
    assert (site.site_id if site else None) == found
    if site:
        assert site.channel_types == {"general"}
        assert site.channel_identifiers == {"E1", "E2"}


def test_an_export_stored_under_two_devices_counts_once(db: duckdb.DuckDBPyConnection) -> None:
    for number, device in enumerate(("csv", "0000de50")):
        reading = {"timestamp": int(MIDNIGHT.timestamp()), "watt_hours": 10.0 + number}
        store_revisions(
            db,
            POWERPAL_USAGE,
            parse_readings([reading], 1).rows,
            fetched_at=MIDNIGHT + number * DAY,
            device_id=device,
            origin="csv",
        )
    found = read.pulses(db, start=MIDNIGHT, end=MIDNIGHT + DAY)
    assert found["watt_hours"].tolist() == [11.0]
