"""Writing: the same when done twice, whole or not at all, and nothing replaced without a trace."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import duckdb
import pandas as pd
import pytest

from energy_pipeline.sources.powerpal import parse_readings
from energy_pipeline.warehouse.write import (
    AMBER_PRICES,
    AMBER_USAGE,
    POWERPAL_USAGE,
    log_ingest,
    replace_window,
    store_forecasts,
    store_revisions,
    store_site,
    transaction,
)
from energy_pipeline_tests.amber_rows import feed_in, price, prices, usage, usages

T = datetime(2026, 10, 20, 2, 0, tzinfo=UTC)
FIVE = timedelta(minutes=5)
CLASSES = ["estimate", "locked", "actual"]


class Store:
    """Stores rows a second later each time."""

    def __init__(self, db: duckdb.DuckDBPyConnection) -> None:
        self.db = db
        self.now = T

    def _later(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now

    def prices(self, *records: dict[str, Any]) -> int:
        with transaction(self.db):
            return store_revisions(
                self.db, AMBER_PRICES, prices(*records), fetched_at=self._later(), site_id="S"
            )

    def usage(self, *records: dict[str, Any]) -> int:
        with transaction(self.db):
            return store_revisions(
                self.db, AMBER_USAGE, usages(*records), fetched_at=self._later(), site_id="S"
            )

    def forecasts(self, *records: dict[str, Any]) -> int:
        with transaction(self.db):
            return store_forecasts(self.db, prices(*records), site_id="S", issued_at=self._later())

    def rows(self, sql: str) -> list[tuple]:
        return self.db.execute(sql).fetchall()


@pytest.fixture
def store(db: duckdb.DuckDBPyConnection) -> Store:
    return Store(db)


def test_rows_stored_twice_change_nothing_and_are_no_revision(store: Store) -> None:
    rows = [price(T, 20.0), price(T + FIVE, 21.0), feed_in(price(T, -5.0))]
    assert store.prices(*rows) == 3
    before = store.rows("SELECT * FROM raw.amber_prices ORDER BY ALL")
    assert store.prices(*rows) == 0
    assert store.rows("SELECT * FROM raw.amber_prices ORDER BY ALL") == before
    assert store.rows("SELECT count(*) FROM raw.amber_price_revisions") == [(0,)]


def test_a_row_is_stored_as_sent_under_our_label(store: Store) -> None:
    store.prices(feed_in(price(T, -5.25, "estimate", advancedPrice={"low": -3, "high": -9})))
    columns = "interval_start, nem_date, per_kwh, price_class, advanced_low, advanced_predicted"
    assert store.rows(f"SELECT {columns} FROM raw.amber_prices") == [
        (T, date(2026, 10, 20), -5.25, "estimate", -3.0, None)
    ]


@pytest.mark.parametrize("old", CLASSES)
@pytest.mark.parametrize("new", CLASSES)
def test_the_class_of_a_price_never_falls_and_within_it_the_later_wins(
    store: Store, old: str, new: str
) -> None:
    store.prices(price(T, 20.0, old))
    rises = CLASSES.index(new) >= CLASSES.index(old)
    assert store.prices(price(T, 30.0, new)) == rises
    kept = store.rows("SELECT price_class, per_kwh FROM raw.amber_prices")
    assert kept == [(new, 30.0) if rises else (old, 20.0)]
    revisions = store.rows(
        "SELECT price_class, per_kwh, fetched_at, superseded_at FROM raw.amber_price_revisions"
    )
    assert revisions == ([(old, 20.0, T + FIVE / 300, T + FIVE / 150)] if rises else [])


def test_a_class_that_rises_with_the_same_price_is_noted_but_is_no_revision(store: Store) -> None:
    store.prices(price(T, 20.0, "estimate"))
    assert store.prices(price(T, 20.0, "locked")) == 1
    assert store.rows("SELECT price_class FROM raw.amber_prices") == [("locked",)]
    assert store.rows("SELECT count(*) FROM raw.amber_price_revisions") == [(0,)]


def test_five_and_thirty_minutes_are_kept_apart(store: Store) -> None:
    assert store.prices(price(T, 20.0), price(T, 25.0, minutes=30)) == 2


def test_a_value_that_appears_or_goes_is_a_change_and_an_unknown_one_that_stays_is_not(
    store: Store,
) -> None:
    unknown = usage(T, 0.1, spotPerKwh=None)
    assert store.usage(unknown) == 1
    assert store.usage(unknown) == 0
    assert store.usage(usage(T, 0.1)) == 1
    assert store.usage(unknown) == 1
    assert store.rows("SELECT spot_per_kwh FROM raw.amber_usage") == [(None,)]
    assert store.rows("SELECT spot_per_kwh FROM raw.amber_usage_revisions ORDER BY ALL") == [
        (8.5,),
        (None,),
    ]


@pytest.mark.parametrize("quality", ["estimated", "billable"])
def test_usage_is_revised_in_either_quality_and_what_it_was_is_kept(
    store: Store, quality: str
) -> None:
    store.usage(usage(T, 0.1, quality=quality))
    assert store.usage(usage(T, 0.2)) == 1
    kept = "SELECT kwh, cost, quality FROM raw.amber_usage"
    assert store.rows(kept) == [(0.2, 4.0, "billable")]
    assert store.rows(f"{kept}_revisions") == [(0.1, 2.0, quality)]


def test_readings_of_a_phone_that_syncs_late_replace_what_was_there(store: Store) -> None:
    for pulses in (10, 10, 12):
        reading = {"timestamp": int(T.timestamp()), "pulses": pulses, "samples": 5}
        with transaction(store.db):
            store_revisions(
                store.db,
                POWERPAL_USAGE,
                parse_readings([reading], 5).rows,
                fetched_at=T,
                device_id="d",
                origin="api",
            )
    assert store.rows("SELECT pulses FROM raw.powerpal_usage") == [(12.0,)]
    assert store.rows("SELECT pulses FROM raw.powerpal_usage_revisions") == [(10.0,)]


@pytest.mark.parametrize("stored", [False, True])
def test_a_key_that_stands_twice_is_refused_whole(store: Store, stored: bool) -> None:
    if stored:
        store.prices(price(T, 10.0))
    rows = pd.concat([prices(price(T, 20.0), price(T + FIVE, 20.0)), prices(price(T, 30.0))])
    with pytest.raises(duckdb.Error), transaction(store.db):
        store_revisions(store.db, AMBER_PRICES, rows, fetched_at=T, site_id="S")
    assert store.rows("SELECT per_kwh FROM raw.amber_prices") == [(10.0,)] * stored
    assert store.rows("SELECT count(*) FROM raw.amber_price_revisions") == [(0,)]


def test_what_must_never_be_stored_is_refused_with_all_that_came_with_it(store: Store) -> None:
    rows = prices(price(T, 20.0), price(T + FIVE, 20.0))
    rows.loc[1, "price_class"] = "guess"
    with pytest.raises(duckdb.ConstraintException), transaction(store.db):
        store_revisions(store.db, AMBER_PRICES, rows, fetched_at=T, site_id="S")
    assert store.rows("SELECT count(*) FROM raw.amber_prices") == [(0,)]


def test_no_rows_write_nothing(store: Store) -> None:
    assert (store.prices(), store.usage(), store.forecasts()) == (0, 0, 0)


# Forecasts


def forecast(n: int, c: float, **fields: Any) -> dict[str, Any]:
    return price(T + n * FIVE, c, "forecast", **fields)


def test_a_forecast_is_written_again_only_when_it_differs(store: Store) -> None:
    rows = [forecast(1, 20.0), forecast(2, 21.0), forecast(6, 22.0, minutes=30)]
    assert store.forecasts(*rows) == 3
    assert store.forecasts(*rows) == 0
    assert store.forecasts(forecast(1, 20.5), *rows[1:]) == 1
    assert store.forecasts(*rows) == 1  # back to what it was: that is news too
    assert store.forecasts(*rows) == 0


def test_a_range_that_goes_away_is_news_once(store: Store) -> None:
    volatile = forecast(1, 20.0, range={"min": 5, "max": 900})
    assert [store.forecasts(row) for row in (volatile, forecast(1, 20.0), forecast(1, 20.0))] == [
        1,
        1,
        0,
    ]


def test_what_was_known_at_an_instant_can_be_told(store: Store) -> None:
    told = [(20.0, 21.0), (20.0, 25.0), (19.0, 25.0)]  # issued at T + 1, 2, 3 s
    for first, second in told:
        store.forecasts(forecast(1, first), forecast(2, second))
    for seconds, expected in enumerate(told, start=1):
        known = store.db.execute(
            "SELECT arg_max(per_kwh, issued_at) FROM raw.amber_forecasts WHERE issued_at <= ? "
            "GROUP BY interval_start ORDER BY interval_start",
            [T + timedelta(seconds=seconds)],
        ).fetchall()
        assert tuple(row[0] for row in known) == expected
    assert store.rows("SELECT count(*) FROM raw.amber_forecasts") == [(4,)]


def test_channels_and_sites_have_forecasts_of_their_own(store: Store) -> None:
    assert store.forecasts(forecast(1, 20.0), feed_in(forecast(1, 20.0))) == 2
    with transaction(store.db):
        again = store_forecasts(
            store.db, prices(forecast(1, 20.0)), site_id="other", issued_at=store.now
        )
    assert again == 1


# Windows, sites, the log


def day_rows(*days: int, cost: float = 1.0) -> pd.DataFrame:
    counts = dict.fromkeys(("priced_count", "used_count", "costed_count", "estimated_count"), 288)
    return pd.DataFrame(
        [
            {"local_date": date(2026, 10, d), "interval_count": 288, "cost_aud": cost, **counts}
            for d in days
        ]
    )


def replace_days(db: duckdb.DuckDBPyConnection, rows: pd.DataFrame, site: str = "S") -> int:
    with transaction(db):
        return replace_window(
            db,
            "out.days",
            rows,
            site_id=site,
            column="local_date",
            start=date(2026, 10, 2),
            end=date(2026, 10, 4),
        )


def test_a_window_is_replaced_whole_and_its_neighbours_and_other_sites_stay(store: Store) -> None:
    replace_days(store.db, day_rows(1, 2, 3, 4))
    replace_days(store.db, day_rows(2), site="other")
    for _ in range(2):
        assert replace_days(store.db, day_rows(2, cost=9.0)) == 1
    assert store.rows("SELECT site_id, day(local_date), cost_aud FROM out.days ORDER BY ALL") == [
        ("S", 1, 1.0),
        ("S", 2, 9.0),
        ("S", 4, 1.0),
        ("other", 2, 1.0),
    ]
    assert replace_days(store.db, day_rows()) == 0
    assert store.rows("SELECT count(*) FROM out.days WHERE site_id = 'S'") == [(2,)]


@pytest.mark.parametrize(
    "bad", [day_rows(2, 2), day_rows(2, 3).assign(interval_count=[288, 287])], ids=["twice", "287"]
)
def test_a_window_that_cannot_be_written_stays_as_it_was(store: Store, bad: pd.DataFrame) -> None:
    replace_days(store.db, day_rows(2, 3))
    with pytest.raises(duckdb.ConstraintException):
        replace_days(store.db, bad)
    assert store.rows("SELECT day(local_date) FROM out.days ORDER BY ALL") == [(2,), (3,)]


def test_a_site_is_remembered_as_the_supplier_said_last(store: Store) -> None:
    for network in ("Ausgrid", None):
        row = {"site_id": "S", "network": network, "status": "active", "channels": "[]"}
        store_site(store.db, row, T)
    assert store.rows("SELECT site_id, network FROM raw.amber_sites") == [("S", None)]


def test_the_log_keeps_the_first_few_rejects_in_words(store: Store) -> None:
    for rejects in ([], [f"element {n}: perKwh is missing" for n in range(7)]):
        log_ingest(
            store.db,
            source="amber_prices",
            start=T,
            end=T + FIVE,
            fetched_at=T,
            row_count=2,
            changed_count=1,
            rejects=rejects,
        )
    logged = store.rows("SELECT row_count, reject_count, rejects FROM raw.ingest_log ORDER BY 2")
    assert logged[0] == (2, 0, None)
    assert logged[1][1] == 7
    assert logged[1][2].count("perKwh is missing") == 5
